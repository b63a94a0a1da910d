//! The names of a job's checkpoint files.

/// What a file of a job's folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FileKind {
    /// Rows.
    Data,
    /// What makes an epoch real.
    Manifest,
}

/// The folder, under the state folder, of the folders of jobs.
pub(crate) const CHECKPOINTS: &str = "checkpoints";
/// The lock, under the state folder.
pub(crate) const LOCK: &str = "lock";
/// The name of the pipeline, under the state folder.
pub(crate) const PIPELINE_ID: &str = "pipeline-id";

/// The data file of an epoch.
pub(crate) fn data_name(epoch: u64) -> String {
    format!("epoch-{epoch:010}.data")
}

/// The manifest of an epoch.
pub(crate) fn manifest_name(epoch: u64) -> String {
    format!("epoch-{epoch:010}.manifest")
}

/// The epoch and kind that a name of ours tells; none for a foreign file.
pub(crate) fn parse_name(name: &str) -> Option<(u64, FileKind)> {
    let (epoch, extension) = name.strip_prefix("epoch-")?.split_once('.')?;
    let epoch: u64 = epoch.parse().ok()?;
    let (kind, expected) = match extension {
        "data" => (FileKind::Data, data_name(epoch)),
        "manifest" => (FileKind::Manifest, manifest_name(epoch)),
        _ => return None,
    };
    (name == expected).then_some((epoch, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_their_epoch_and_foreign_ones_nothing() {
        assert_eq!(parse_name("epoch-0000000012.data"), Some((12, FileKind::Data)));
        assert_eq!(parse_name(&manifest_name(u64::MAX)), Some((u64::MAX, FileKind::Manifest)));
        for foreign in
            ["epoch-12.data", "epoch-0000000012.data#1", "epoch-+000000012.data", "lock", "a.manifest"]
        {
            assert_eq!(parse_name(foreign), None, "{foreign}");
        }
    }
}
