//! The files of a log: each holds entries from the offset in its name on.
//!
//! Invariant: only the last one is written, and those before it are durable and whole. So what is not an entry in the
//! last one is the tail of a write that a crash tore, and is cut off; elsewhere it is damage.

use super::damaged;
use super::entry::{Entry, HEADER_BYTES, decode, payload_bytes};
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidemill_types::disk::{Disk, DiskFile};
use tidemill_types::{Error, Result};

/// How much is read at a time.
const READ_BYTES: usize = 1 << 20;

/// Which segments there are; shared by whoever writes and whoever deletes.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) folder: PathBuf,
    /// Where each begins, the one that is written last.
    starts: Mutex<VecDeque<u64>>,
}

impl Kept {
    pub(super) fn new(disk: Arc<dyn Disk>, folder: PathBuf) -> Self {
        Kept { disk, folder, starts: Mutex::default() }
    }

    /// Deletes the segments that lie before an offset as a whole.
    pub(super) fn delete_before(&self, offset: u64) -> Result<()> {
        let mut starts = self.starts();
        while starts.get(1).is_some_and(|next| *next <= offset) {
            let path = self.path(starts[0]);
            match self.disk.remove(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(self.failed(&error)),
                _ => drop(starts.pop_front()),
            }
        }
        Ok(())
    }

    /// Where the log begins.
    pub(super) fn first(&self) -> u64 {
        self.starts().front().copied().unwrap_or(0)
    }

    fn starts(&self) -> MutexGuard<'_, VecDeque<u64>> {
        self.starts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, start: u64) -> PathBuf {
        self.folder.join(format!("{start:020}.log"))
    }

    fn failed(&self, error: &io::Error) -> Error {
        Error::external_fatal(format!(
            "the log of what came in at '{}' failed: {error}",
            self.folder.display()
        ))
    }
}

/// A log that is being written.
#[derive(Debug)]
pub(super) struct Segments {
    kept: Arc<Kept>,
    file: Box<dyn DiskFile>,
    /// Where the segment begins that is written.
    start: u64,
    /// Behind the last byte.
    pub(super) end: u64,
    /// Whether the last entry says that nothing more comes in.
    pub(super) ended: bool,
    /// How many bytes a crash had torn.
    pub(super) torn: u64,
}

impl Segments {
    /// Opens the log, or begins one.
    pub(super) fn open(kept: Arc<Kept>) -> Result<Self> {
        let starts = list(&kept).map_err(|error| kept.failed(&error))?;
        let start = starts.back().copied().unwrap_or(0);
        *kept.starts() = starts;
        if kept.starts().is_empty() {
            kept.starts().push_back(0);
        }
        check_whole(&kept)?;
        let path = kept.path(start);
        let open = || -> io::Result<(Box<dyn DiskFile>, u64)> {
            let file = kept.disk.append(&path)?;
            kept.disk.sync_folder(&kept.folder)?;
            Ok((file, kept.disk.size(&path)?.unwrap_or(0)))
        };
        let (file, size) = open().map_err(|error| kept.failed(&error))?;
        let mut read = Reader::new(&kept, start);
        while read.next()?.is_some() {}
        let (end, ended) = (read.at, read.ended);
        let torn = start + size - end;
        if torn > 0 {
            kept.disk.truncate(&path, end - start).map_err(|error| kept.failed(&error))?;
        }
        Ok(Segments { kept, file, start, end, ended, torn })
    }

    /// Appends entries and makes them durable. After an error none of them counts.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.append(bytes) {
            self.kept.disk.truncate(&self.kept.path(self.start), self.end - self.start)?;
            return Err(error);
        }
        self.file.sync()?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Begins another segment if this one is as large.
    pub(super) fn roll_at(&mut self, bytes: u64) -> io::Result<()> {
        if self.end - self.start >= bytes {
            self.file = self.kept.disk.create(&self.kept.path(self.end))?;
            self.kept.disk.sync_folder(&self.kept.folder)?;
            self.start = self.end;
            self.kept.starts().push_back(self.end);
        }
        Ok(())
    }

    /// How many bytes the log has.
    pub(super) fn bytes(&self) -> u64 {
        self.end - self.kept.first()
    }
}

fn list(kept: &Kept) -> io::Result<VecDeque<u64>> {
    kept.disk.create_folder(&kept.folder)?;
    // The state folder itself is there; what lies between it and the log may be new.
    for above in kept.folder.ancestors().skip(1).take(2) {
        kept.disk.sync_folder(above)?;
    }
    let entries = kept.disk.list(&kept.folder)?.into_iter();
    let start = |name: String| name.strip_suffix(".log")?.parse().ok();
    let mut starts: Vec<u64> = entries.filter_map(|entry| start(entry.name)).collect();
    starts.sort_unstable();
    Ok(starts.into())
}

/// Each segment must reach to the next.
fn check_whole(kept: &Kept) -> Result<()> {
    let starts: Vec<u64> = kept.starts().iter().copied().collect();
    for pair in starts.windows(2) {
        let path = kept.path(pair[0]);
        let size = kept.disk.size(&path).map_err(|error| kept.failed(&error))?;
        if size != Some(pair[1] - pair[0]) {
            return Err(damaged(format!("'{}' is not as long as it was", path.display())));
        }
    }
    Ok(())
}

/// Reads entries one after another.
pub(super) struct Reader<'a> {
    kept: &'a Kept,
    /// The segments that are left, the current one first.
    starts: VecDeque<u64>,
    /// The next entry.
    pub(super) at: u64,
    /// Whether the last entry was the end.
    pub(super) ended: bool,
    buffer: Vec<u8>,
    /// Where the buffer stands in the log.
    buffer_at: u64,
}

impl<'a> Reader<'a> {
    /// Reads from the entry at an offset on.
    pub(super) fn new(kept: &'a Kept, at: u64) -> Self {
        let mut starts = kept.starts().clone();
        while starts.get(1).is_some_and(|next| *next <= at) {
            starts.pop_front();
        }
        Reader { kept, starts, at, ended: false, buffer: Vec::new(), buffer_at: at }
    }

    /// The next entry with the offset behind it; `None` where no whole one stands at the end of the log.
    pub(super) fn next(&mut self) -> Result<Option<(Entry, u64)>> {
        if self.starts.get(1).is_some_and(|next| *next == self.at) {
            self.starts.pop_front();
        }
        let Some(start) = self.starts.front().copied() else { return Ok(None) };
        let path = self.kept.path(start);
        let entry = self.read(&path, start).map_err(|error| self.kept.failed(&error))?;
        match entry {
            Some((entry, next)) => {
                self.ended = matches!(entry, Entry::End);
                self.at = next;
                Ok(Some((entry, next)))
            }
            None if self.starts.len() > 1 => {
                Err(damaged(format!("'{}' holds no entry at byte {}", path.display(), self.at - start)))
            }
            None => Ok(None),
        }
    }

    fn read(&mut self, path: &Path, start: u64) -> io::Result<Option<(Entry, u64)>> {
        let Some(header) = self.bytes(path, start, HEADER_BYTES)? else { return Ok(None) };
        let Some(payload) = payload_bytes(header) else { return Ok(None) };
        let (at, length) = (self.at, HEADER_BYTES + payload);
        let Some(bytes) = self.bytes(path, start, length)? else { return Ok(None) };
        Ok(decode(bytes, at).map(|entry| (entry, at + length as u64)))
    }

    /// So many bytes from the place of the next entry on.
    fn bytes(&mut self, path: &Path, start: u64, count: usize) -> io::Result<Option<&[u8]>> {
        let mut from = (self.at - self.buffer_at) as usize;
        if self.buffer.len() < from + count {
            let left = self.kept.disk.size(path)?.unwrap_or(0).saturating_sub(self.at - start);
            if left < count as u64 {
                return Ok(None);
            }
            self.buffer.resize(left.min(count.max(READ_BYTES) as u64) as usize, 0);
            let got = self.kept.disk.read(path, self.at - start, &mut self.buffer)?;
            self.buffer.truncate(got);
            (self.buffer_at, from) = (self.at, 0);
        }
        Ok(self.buffer.get(from..from + count))
    }
}
