//! An ordered queue on disk: runs of entries that were sorted when they were written, merged as they are read.
//!
//! Invariant: entries come back by time and then by bytes, whatever run they are in. Few runs are open at a time: when
//! they are too many, they become one. Files have no names and go with the process.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// So much of a run is in memory.
const BUFFER_BYTES: usize = 16 << 10;
/// With more runs they become one.
const RUNS_MAX: usize = 24;
/// Time, then length of the bytes.
const HEAD_BYTES: usize = 12;

/// A run that is read from its front.
#[derive(Debug)]
struct Run {
    file: File,
    /// Up to where it was read into the buffer, and where it ends.
    read: usize,
    end: usize,
    buffer: Vec<u8>,
    /// Where the first entry lies in the buffer.
    at: usize,
}

impl Run {
    /// Makes sure that the first entry is in the buffer, if there is one.
    fn fill(&mut self) -> io::Result<()> {
        loop {
            let held = self.buffer.len() - self.at;
            let missing = match held >= HEAD_BYTES {
                true => (HEAD_BYTES + length(&self.buffer[self.at..])).saturating_sub(held),
                false => HEAD_BYTES - held,
            };
            if missing == 0 || self.read == self.end {
                return Ok(());
            }
            self.buffer.drain(..self.at);
            self.at = 0;
            let more = missing.max(BUFFER_BYTES).min(self.end - self.read);
            self.buffer.resize(held + more, 0);
            self.file.read_exact_at(&mut self.buffer[held..], self.read as u64)?;
            self.read += more;
        }
    }

    fn first(&self) -> Option<(i64, &[u8])> {
        let rest = &self.buffer[self.at..];
        (!rest.is_empty()).then(|| entry(rest))
    }
}

fn length(bytes: &[u8]) -> usize {
    u32::from_le_bytes(bytes[8..HEAD_BYTES].try_into().expect("four bytes")) as usize
}

fn entry(bytes: &[u8]) -> (i64, &[u8]) {
    let time = i64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
    (time, &bytes[HEAD_BYTES..HEAD_BYTES + length(bytes)])
}

/// Writes a run.
struct Writer {
    file: File,
    written: usize,
    buffer: Vec<u8>,
}

impl Writer {
    fn new(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Writer { file: tempfile::tempfile_in(folder)?, written: 0, buffer: Vec::new() })
    }

    fn add(&mut self, time: i64, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(&time.to_le_bytes());
        self.buffer.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= 4 * BUFFER_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.buffer, self.written as u64)?;
        self.written += self.buffer.len();
        self.buffer.clear();
        Ok(())
    }

    fn end(mut self) -> io::Result<Run> {
        self.flush()?;
        let mut run = Run { file: self.file, read: 0, end: self.written, buffer: Vec::new(), at: 0 };
        run.fill()?;
        Ok(run)
    }
}

/// Entries in order, on disk.
#[derive(Debug)]
pub(crate) struct Runs {
    folder: PathBuf,
    runs: Vec<Run>,
    len: usize,
}

impl Runs {
    /// No entries; the folder is made when it is needed.
    pub(crate) fn new(folder: &Path) -> Self {
        Runs { folder: folder.into(), runs: Vec::new(), len: 0 }
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The memory it takes.
    pub(crate) fn memory(&self) -> usize {
        self.runs.iter().map(|run| run.buffer.capacity() + size_of::<Run>()).sum()
    }

    /// Adds entries that are in order.
    pub(crate) fn add<B: AsRef<[u8]>>(&mut self, entries: impl Iterator<Item = (i64, B)>) -> io::Result<()> {
        let mut writer = Writer::new(&self.folder)?;
        for (time, bytes) in entries {
            writer.add(time, bytes.as_ref())?;
            self.len += 1;
        }
        self.runs.push(writer.end()?);
        if self.runs.len() > RUNS_MAX {
            self.merge()?;
        }
        Ok(())
    }

    fn merge(&mut self) -> io::Result<()> {
        let mut writer = Writer::new(&self.folder)?;
        while let Some(at) = self.earliest() {
            if let Some((time, bytes)) = self.runs[at].first() {
                writer.add(time, bytes)?;
            }
            self.advance(at)?;
        }
        self.runs.push(writer.end()?);
        Ok(())
    }

    /// The run with the first entry.
    fn earliest(&self) -> Option<usize> {
        let firsts = self.runs.iter().enumerate().filter_map(|(at, run)| Some((run.first()?, at)));
        firsts.min().map(|(_, at)| at)
    }

    /// Goes past the first entry of a run; a run that is read to its end goes.
    fn advance(&mut self, at: usize) -> io::Result<()> {
        let run = &mut self.runs[at];
        run.at += run.first().map_or(0, |(_, bytes)| HEAD_BYTES + bytes.len());
        run.fill()?;
        if run.first().is_none() {
            self.runs.swap_remove(at);
        }
        Ok(())
    }

    /// The first entry.
    pub(crate) fn first_entry(&self) -> Option<(i64, &[u8])> {
        self.runs.iter().filter_map(Run::first).min()
    }

    /// The time of the first entry.
    pub(crate) fn first(&self) -> Option<i64> {
        self.runs.iter().filter_map(|run| run.first()).map(|(time, _)| time).min()
    }

    /// Takes out the first entry.
    pub(crate) fn pop(&mut self) -> io::Result<Option<(i64, Vec<u8>)>> {
        let Some(at) = self.earliest() else { return Ok(None) };
        let first = self.runs[at].first().map(|(time, bytes)| (time, bytes.to_vec()));
        self.len -= 1;
        self.advance(at)?;
        Ok(first)
    }

    /// Shows all entries, run by run.
    pub(crate) fn for_each(&self, mut seen: impl FnMut(i64, &[u8])) -> io::Result<()> {
        for run in &self.runs {
            let mut copy = Run {
                file: run.file.try_clone()?,
                read: run.read,
                end: run.end,
                buffer: run.buffer[run.at..].to_vec(),
                at: 0,
            };
            while let Some((time, bytes)) = copy.first() {
                seen(time, bytes);
                copy.at += HEAD_BYTES + bytes.len();
                copy.fill()?;
            }
        }
        Ok(())
    }

    /// Forgets all entries.
    pub(crate) fn clear(&mut self) {
        (self.runs, self.len) = (Vec::new(), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_in_order_from_many_runs() {
        let folder = tempfile::tempdir().unwrap();
        let mut runs = Runs::new(folder.path());
        let bytes = |i: i64| format!("{i:0>9}").repeat((i % 3_000) as usize / 9 + 1).into_bytes();
        for run in 0..60 {
            runs.add((0..100).map(|i| (i * 60 + (run * 7) % 60, bytes(i * 60 + run)))).unwrap();
        }
        assert_eq!((runs.len(), runs.first()), (6_000, Some(0)));
        let mut seen = 0;
        runs.for_each(|time, _| seen += time).unwrap();
        assert_eq!(seen, (0..6_000).sum::<i64>());
        for time in 0..6_000 {
            let (at, found) = runs.pop().unwrap().unwrap();
            let run = (0..60).find(|run| (run * 7) % 60 == time % 60).unwrap();
            assert_eq!((at, found), (time, bytes(time / 60 * 60 + run)));
        }
        assert_eq!((runs.pop().unwrap(), runs.len(), runs.memory()), (None, 0, 0));
    }
}
