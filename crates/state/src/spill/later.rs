//! What of a table in the order of time is on disk: the later part, with what was noted of each entry.
//!
//! Invariant: an entry is in memory or here, never in both. What goes wrong with the file is kept until the table is
//! tended.

use super::{MemoryBudget, Runs, Share, disk_failure};
use std::cell::OnceCell;
use std::io;
use tidemill_types::{Error, Result};

/// Behind the bytes of an entry: the epoch in which it was moved out, and whether it was fresh.
const NOTE_BYTES: usize = 5;

/// The later part of a table.
#[derive(Debug)]
pub(crate) struct Later {
    share: Share,
    runs: Runs,
    epoch: u32,
    /// How many entries were moved out fresh in this epoch.
    fresh: usize,
    /// Work since the memory was measured last.
    work: usize,
    failed: OnceCell<Error>,
}

/// An entry that was on disk.
pub(crate) struct Entry {
    pub(crate) time: i64,
    pub(crate) bytes: Vec<u8>,
    /// Whether no checkpoint has it.
    pub(crate) fresh: bool,
}

impl Later {
    /// Nothing yet.
    pub(crate) fn new(budget: &MemoryBudget) -> Self {
        Later {
            share: Share::new(budget),
            runs: Runs::new(budget.folder()),
            epoch: 0,
            fresh: 0,
            work: 0,
            failed: OnceCell::new(),
        }
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.runs.len()
    }

    /// The memory it takes.
    pub(crate) fn memory(&self) -> usize {
        self.runs.memory()
    }

    /// So many entries were added to the table.
    #[inline]
    pub(crate) fn note_work(&mut self, entries: usize) {
        self.work += entries;
    }

    /// Whether so much happened to so many entries that memory should be measured again.
    #[inline]
    pub(crate) fn is_due(&self, entries: usize) -> bool {
        self.work > entries / 8 || self.share.is_pressed()
    }

    /// How many of so many entries in memory, which take so much, should go.
    pub(crate) fn surplus(&mut self, entries: usize, bytes: usize) -> usize {
        self.work = 0;
        self.share.surplus(entries, bytes)
    }

    /// The table takes so much.
    pub(crate) fn tell(&mut self, bytes: usize) {
        self.share.tell(bytes);
    }

    /// Moves entries out that are in order: time, bytes, whether no checkpoint has it.
    pub(crate) fn add<B: AsRef<[u8]>>(&mut self, entries: impl Iterator<Item = (i64, B, bool)>) {
        let (epoch, mut count) = (self.epoch.to_le_bytes(), 0);
        let noted = entries.map(|(time, bytes, fresh)| {
            count += usize::from(fresh);
            let mut noted = Vec::with_capacity(bytes.as_ref().len() + NOTE_BYTES);
            noted.extend_from_slice(bytes.as_ref());
            noted.extend_from_slice(&epoch);
            noted.push(u8::from(fresh));
            (time, noted)
        });
        let done = self.runs.add(noted);
        self.fresh += count;
        self.keep(done);
    }

    fn keep<T>(&self, done: io::Result<T>) -> Option<T> {
        done.map_err(|error| self.failed.get_or_init(|| disk_failure(&self.share.budget, &error)).clone())
            .ok()
    }

    /// Time and bytes of the first entry.
    pub(crate) fn first(&self) -> Option<(i64, &[u8])> {
        self.runs.first_entry().map(|(time, noted)| (time, &noted[..noted.len() - NOTE_BYTES]))
    }

    /// Takes out the first entry.
    pub(crate) fn pop(&mut self) -> Option<Entry> {
        let popped = self.runs.pop();
        let (time, mut bytes) = self.keep(popped)??;
        let fresh = is_fresh(&bytes, self.epoch);
        bytes.truncate(bytes.len() - NOTE_BYTES);
        self.fresh -= usize::from(fresh);
        Some(Entry { time, bytes, fresh })
    }

    /// Shows all entries, or only the fresh ones, in no particular order: time, bytes, whether no checkpoint has it.
    pub(crate) fn for_each(&self, all: bool, mut seen: impl FnMut(i64, &[u8], bool)) {
        if !all && self.fresh == 0 {
            return;
        }
        let done = self.runs.for_each(|time, noted| {
            let fresh = is_fresh(noted, self.epoch);
            if all || fresh {
                seen(time, &noted[..noted.len() - NOTE_BYTES], fresh);
            }
        });
        self.keep(done);
    }

    /// A checkpoint was taken.
    pub(crate) fn settle(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        self.fresh = 0;
    }

    /// Forgets all entries.
    pub(crate) fn clear(&mut self) {
        self.runs.clear();
        self.fresh = 0;
    }

    /// Tells what went wrong.
    pub(crate) fn check(&self) -> Result<()> {
        match self.failed.get() {
            Some(error) => Err(error.clone()),
            None => self.share.check(),
        }
    }
}

fn is_fresh(noted: &[u8], epoch: u32) -> bool {
    let (rest, fresh) = noted.split_at(noted.len() - 1);
    fresh == [1] && rest.ends_with(&epoch.to_le_bytes())
}
