//! Checks every byte of a checkpoint and says what is damaged.

use super::CheckpointStore;
use super::store::Files;
use futures_util::TryStreamExt;
use tidemill_types::Result;

/// What checking one checkpoint found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Its number.
    pub epoch: u64,
    /// How many segments were checked.
    pub segments: usize,
    /// Their bytes.
    pub bytes: u64,
    /// What is wrong.
    pub damages: Vec<Damage>,
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The operator and table it belongs to; none: the checkpoint as a whole.
    pub table: Option<(String, String)>,
    /// Where and what.
    pub reason: String,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.table {
            Some((operator, table)) => write!(f, "{} (table '{table}' of '{operator}')", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.damages.is_empty()
    }
}

impl CheckpointStore {
    /// Reads everything that a checkpoint names and compares it with its checksums.
    /// None: there is no such checkpoint, or it went while it was read.
    pub async fn verify(&self, epoch: u64) -> Result<Option<VerifyReport>> {
        let files = self.files().await?;
        if !files.manifests.contains_key(&epoch) {
            return Ok(None);
        }
        match self.verify_files(epoch, &files).await {
            Ok(report) if report.is_good() => Ok(Some(report)),
            _ if !self.files().await?.manifests.contains_key(&epoch) => Ok(None),
            result => result.map(Some),
        }
    }

    async fn verify_files(&self, epoch: u64, files: &Files) -> Result<VerifyReport> {
        let mut report = VerifyReport { epoch, ..VerifyReport::default() };
        let manifest = match self.read_manifest(epoch, files).await? {
            Ok((manifest, _)) => manifest,
            Err(reason) => {
                report.damages.push(Damage { table: None, reason });
                return Ok(report);
            }
        };
        let mut reads = std::pin::pin!(self.read_segments(&manifest));
        while let Some(checked) = reads.try_next().await? {
            for (wanted, rows) in checked {
                report.segments += 1;
                report.bytes += wanted.segment.len;
                if let Err(reason) = rows {
                    let table = manifest.all_tables().nth(wanted.table);
                    let table = table.map(|table| (table.operator.clone(), table.table.clone()));
                    report.damages.push(Damage { table, reason });
                }
            }
        }
        report.damages.sort_by(|a, b| (&a.table, &a.reason).cmp(&(&b.table, &b.reason)));
        Ok(report)
    }
}
