//! The file of dead letters: appended to by all jobs of a process, and cleared of what a job will write again.
//!
//! Invariant: all jobs of a process that name one file share one handle, so none writes into a file that another has
//! replaced. A line that was cut by a crash is taken out.

use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use tidemill_types::{Disk, DiskFile};

/// The files in use.
static OPEN: LazyLock<Mutex<BTreeMap<PathBuf, Weak<LetterFile>>>> = LazyLock::new(Mutex::default);

/// How many bytes are read at once.
const BLOCK: usize = 1 << 20;

/// What a line of a former run says of itself.
#[derive(Debug, Deserialize)]
pub struct Former<'a> {
    /// The job, if it took checkpoints.
    #[serde(default, borrow)]
    pub job: Option<Cow<'a, str>>,
    /// The first epoch that holds it.
    #[serde(default)]
    pub epoch: u64,
}

#[derive(Debug, Default)]
struct State {
    file: Option<Box<dyn DiskFile>>,
    /// Whether there are lines that are not durable.
    dirty: bool,
}

/// A file of dead letters.
#[derive(Debug)]
pub struct LetterFile {
    state: Mutex<State>,
    disk: Arc<dyn Disk>,
}

impl LetterFile {
    /// The file at this place; the same for all that ask.
    pub fn of(path: Option<&Path>, disk: Arc<dyn Disk>) -> Arc<Self> {
        let new = || Arc::new(LetterFile { state: Mutex::default(), disk: disk.clone() });
        let Some(path) = path else { return new() };
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, file| file.strong_count() > 0);
        if let Some(file) = open.get(path).and_then(Weak::upgrade) {
            return file;
        }
        let file = new();
        open.insert(path.to_path_buf(), Arc::downgrade(&file));
        file
    }

    /// Adds lines.
    pub fn append(&self, path: &Path, lines: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        if state.file.is_none() {
            state.file = Some(self.disk.append(path)?);
        }
        state.dirty = true;
        state.file.as_mut().map_or(Ok(()), |file| file.append(lines))
    }

    /// Makes all lines durable.
    pub fn sync(&self) -> io::Result<()> {
        let mut state = self.lock();
        if state.dirty {
            state.file.as_mut().map_or(Ok(()), |file| file.sync())?;
            state.dirty = false;
        }
        Ok(())
    }

    /// Takes out the lines that are not wanted, and one that was cut.
    pub fn keep(&self, path: &Path, wanted: impl Fn(&Former<'_>) -> bool) -> io::Result<()> {
        let mut state = self.lock();
        if self.disk.size(path)?.is_none() {
            return Ok(());
        }
        // What can't be read is not ours to judge.
        let wanted = |line: &[u8]| {
            line.ends_with(b"\n") && serde_json::from_slice(line).map_or(true, |line| wanted(&line))
        };
        let mut unwanted = false;
        self.each_line(path, &mut |line| {
            unwanted |= !wanted(line);
            Ok(())
        })?;
        if !unwanted {
            return Ok(());
        }
        let staged = path.with_extension("jsonl#");
        if self.disk.size(&staged)?.is_some() {
            self.disk.remove(&staged)?;
        }
        let mut kept = self.disk.create(&staged)?;
        self.each_line(path, &mut |line| if wanted(line) { kept.append(line) } else { Ok(()) })?;
        kept.sync()?;
        self.disk.rename(&staged, path)?;
        path.parent().map_or(Ok(()), |folder| self.disk.sync_folder(folder))?;
        *state = State::default();
        Ok(())
    }

    /// Calls for each line with its end; the last may have none.
    fn each_line(&self, path: &Path, each: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let (mut block, mut rest, mut offset) = (vec![0; BLOCK], Vec::new(), 0);
        loop {
            let read = self.disk.read(path, offset, &mut block)?;
            offset += read as u64;
            rest.extend_from_slice(&block[..read]);
            let whole = rest.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
            rest[..whole].split_inclusive(|&byte| byte == b'\n').try_for_each(&mut *each)?;
            rest.drain(..whole);
            if read < block.len() {
                return if rest.is_empty() { Ok(()) } else { each(&rest) };
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemill_types::SystemDisk;

    #[test]
    fn lines_of_epochs_that_come_again_and_cut_lines_go_and_all_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dead-letters.jsonl");
        let lines = [
            r#"{"kind":"bad"}"#,
            r#"{"job":"a","epoch":3}"#,
            r#"{"job":"a","epoch":4}"#,
            "no JSON",
            r#"{"job":"b","epoch":9}"#,
        ];
        let text = lines.map(|line| format!("{line}\n")).concat() + r#"{"job":"b""#;
        std::fs::write(&path, &text).unwrap();
        let file = LetterFile::of(Some(&path), Arc::new(SystemDisk));
        let other = LetterFile::of(Some(&path), Arc::new(SystemDisk));
        other.append(&path, b"").unwrap();
        file.keep(&path, |line| line.job.as_deref() != Some("a") || line.epoch <= 3).unwrap();
        other.append(&path, b"{}\n").unwrap();
        let kept = std::fs::read_to_string(&path).unwrap();
        let wanted = [lines[0], lines[1], lines[3], lines[4], "{}"];
        assert_eq!(kept.lines().collect::<Vec<_>>(), wanted);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
