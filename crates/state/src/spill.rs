//! State larger than memory: keys whose rows were moved out of a table, and the budget that decides when.
//!
//! A table moves a key out with all its rows, as one record in the form of its snapshots, and brings it back when the
//! key is asked for. It does so between chunks only ([`StateTable::tend`](crate::StateTable::tend)), so slots and
//! numbers stay valid while an operator works; which keys go is decided by a clock hand over them: one that was used
//! since the hand came by last stays.
//! Invariant: a key is in memory or in the file, never in both. What goes wrong with the file is kept until the
//! table is tended, which is before any result of the chunk leaves the operator.

mod budget;
mod file;
mod later;
mod process;
mod queue;
mod runs;
mod share;
#[cfg(feature = "spill-store")]
mod store;

pub use budget::{MemoryBudget, Pressure, WeakBudget};
pub(crate) use later::Later;
pub(crate) use queue::Queue;
pub(crate) use runs::Runs;
pub(crate) use share::Share;
#[cfg(feature = "spill-store")]
pub use store::SpillStore;

use file::{Record, SpillFile, record};
use std::cell::{Cell, OnceCell};
use std::io;
use tidemill_types::{Error, Result};

/// What is in front of each record: the epoch in which it was moved out, and how many rows it has.
const HEAD_BYTES: usize = 8;

/// The keys of a table that were moved out.
#[derive(Debug, Default)]
pub(crate) struct Spill {
    state: Option<Box<State>>,
}

#[derive(Debug)]
struct State {
    share: Share,
    file: SpillFile,
    /// Which keys were used since the hand came by.
    used: Vec<bool>,
    hand: usize,
    /// Work since the memory was measured last, in keys.
    work: usize,
    rows: usize,
    epoch: u32,
    /// Hashes of keys that were moved out with changes in this epoch.
    changed: Vec<u64>,
    failed: OnceCell<Error>,
    /// A key was read that was not brought back.
    missed: Cell<bool>,
}

/// A clone of a table has its own memory and no budget; nothing may have been moved out.
impl Clone for Spill {
    fn clone(&self) -> Self {
        debug_assert!(self.is_empty(), "tables with keys on disk are not cloned");
        Spill::default()
    }
}

impl Spill {
    /// Sets the budget; it is meant for a table that has none yet.
    pub(crate) fn set_budget(&mut self, budget: &MemoryBudget) {
        self.state = Some(Box::new(State {
            share: Share::new(budget),
            file: SpillFile::new(budget.folder(), budget.limit()),
            used: Vec::new(),
            hand: 0,
            work: 0,
            rows: 0,
            epoch: 0,
            changed: Vec::new(),
            failed: OnceCell::new(),
            missed: Cell::new(false),
        }));
    }

    /// Whether keys may be moved out.
    #[inline]
    pub(crate) fn has_budget(&self) -> bool {
        self.state.is_some()
    }

    /// Whether no key is out.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.state.as_ref().is_none_or(|state| state.file.len() == 0)
    }

    /// How many rows are out.
    pub(crate) fn rows(&self) -> usize {
        self.state.as_ref().map_or(0, |state| state.rows)
    }

    /// The memory that the places take.
    pub(crate) fn memory(&self) -> usize {
        self.state
            .as_ref()
            .map_or(0, |state| state.file.memory() + state.used.capacity() + state.changed.capacity() * 8)
    }

    /// These keys are in use; all are below `capacity`.
    #[inline]
    pub(crate) fn touch_all(&mut self, ids: &[u32], capacity: usize) {
        if let Some(state) = &mut self.state {
            state.used.resize(capacity.max(state.used.len()), false);
            ids.iter().for_each(|&id| state.used[id as usize] = true);
            state.work += ids.len();
        }
    }

    /// A key is looked for by someone who can't bring it back; if it is out, that is a bug that is told when the
    /// table is tended.
    #[inline]
    pub(crate) fn missed(&self, hash: u64) {
        if let Some(state) = &self.state
            && state.file.may_hold(hash)
        {
            match state.file.holds(hash) {
                Ok(held) => state.missed.set(state.missed.get() || held),
                Err(error) => state.fail(&error),
            }
        }
    }

    /// Takes the rows of a key back, if it is out.
    pub(crate) fn take(&mut self, hash: u64, key: &[u8]) -> Option<Back> {
        let state = self.state.as_mut()?;
        if !state.file.may_hold(hash) {
            return None;
        }
        let mut record = Vec::new();
        match state.file.take(hash, key, &mut record) {
            Ok(found) => found.then(|| state.back(record)),
            Err(error) => {
                state.fail(&error);
                None
            }
        }
    }

    /// Takes the rows of any key back.
    pub(crate) fn take_any(&mut self) -> Option<Back> {
        let state = self.state.as_mut()?;
        let mut record = Vec::new();
        match state.file.take_any(&mut record) {
            Ok(found) => found.then(|| state.back(record)),
            Err(error) => {
                state.fail(&error);
                None
            }
        }
    }

    /// Takes the rows of a key with this hash back, if there is one.
    pub(crate) fn take_hash(&mut self, hash: u64) -> Option<Back> {
        let state = self.state.as_mut()?;
        let mut record = Vec::new();
        match state.file.take_hash(hash, &mut record) {
            Ok(found) => found.then(|| state.back(record)),
            Err(error) => {
                state.fail(&error);
                None
            }
        }
    }

    /// Begins a walk over the keys that are out.
    pub(crate) fn cursor(&self) -> Option<Cursor> {
        self.state.as_ref().map(|_| Cursor { at: Some(0) })
    }

    /// Takes back some of the next keys that are wanted, by what was put; none: the walk is over.
    pub(crate) fn take_some(
        &mut self,
        cursor: &mut Cursor,
        keys: usize,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Vec<Back> {
        let Some(state) = &mut self.state else { return Vec::new() };
        let mut records = Vec::new();
        while records.len() < keys
            && let Some(at) = cursor.at
        {
            let next = state.file.scan(at, |_, record| {
                let take = wanted(parts(record.payload).2);
                if take {
                    records.push(record.bytes.to_vec());
                }
                take
            });
            cursor.at = next.unwrap_or_else(|error| {
                state.fail(&error);
                None
            });
        }
        records.into_iter().map(|record| state.back(record)).collect()
    }

    /// Looks at some of the keys that are out and gives up those for which `old` is true of the hash, the key, what
    /// was put and whether it was moved out since the last checkpoint.
    pub(crate) fn sweep(&mut self, mut old: impl FnMut(u64, &[u8], &[u8], bool) -> bool) {
        let Some(state) = &mut self.state else { return };
        let (epoch, mut gone) = (state.epoch, 0);
        let done = state.file.sweep(|hash, record| {
            let (of, rows, payload) = parts(record.payload);
            let old = old(hash, record.key, payload, of == epoch);
            gone += if old { rows } else { 0 };
            old
        });
        state.rows -= gone;
        if let Err(error) = done {
            state.fail(&error);
        }
    }

    /// Moves the rows of a key out; `changed`: no checkpoint has them as they are.
    pub(crate) fn put(&mut self, hash: u64, key: &[u8], rows: usize, changed: bool, payload: &[u8]) {
        let Some(state) = &mut self.state else { return };
        let mut record = Vec::with_capacity(HEAD_BYTES + payload.len());
        record.extend_from_slice(&state.epoch.to_le_bytes());
        record.extend_from_slice(&(rows as u32).to_le_bytes());
        record.extend_from_slice(payload);
        state.rows += rows;
        if changed {
            state.changed.push(hash);
        }
        if let Err(error) = state.file.put(hash, key, &record) {
            state.fail(&error);
        }
    }

    /// Shows the records that a checkpoint wants: all of the groups that are wanted whole and those that changed.
    /// With each comes whether it was moved out since the last checkpoint.
    pub(crate) fn see(&self, whole: impl Fn(u64) -> bool, mut seen: impl FnMut(u64, &[u8], &[u8], bool)) {
        let Some(state) = self.state.as_ref().filter(|state| state.file.len() > 0) else { return };
        let epoch = state.epoch;
        let mut show = |hash: u64, record: Record<'_>| {
            let (of, _, payload) = parts(record.payload);
            seen(hash, record.key, payload, of == epoch);
        };
        let mut done = state.file.see_all(&whole, &mut show);
        let mut changed = state.changed.clone();
        changed.sort_unstable();
        changed.dedup();
        for &hash in changed.iter().filter(|&&hash| !whole(hash)) {
            done = done.and_then(|()| state.file.see(hash, |record| show(hash, record)));
        }
        if let Err(error) = done {
            state.fail(&error);
        }
    }

    /// A checkpoint was taken.
    pub(crate) fn settle(&mut self) {
        if let Some(state) = &mut self.state {
            state.epoch = state.epoch.wrapping_add(1);
            state.changed.clear();
        }
    }

    /// Gives up all keys that are out.
    pub(crate) fn clear(&mut self) {
        if let Some(state) = &mut self.state {
            state.file.clear();
            state.rows = 0;
            state.changed.clear();
        }
    }

    /// Whether enough happened to so many keys that memory should be measured again.
    #[inline]
    pub(crate) fn is_due(&self, keys: usize) -> bool {
        self.state.as_ref().is_some_and(|state| state.work > keys / 8 || state.share.is_pressed())
    }

    /// So many keys were used.
    #[inline]
    pub(crate) fn note_work(&mut self, keys: usize) {
        if let Some(state) = &mut self.state {
            state.work += keys;
        }
    }

    /// Whether all tables together take too much, if this one takes so much.
    pub(crate) fn is_over(&mut self, bytes: usize) -> bool {
        self.state.as_mut().is_some_and(|state| {
            state.work = 0;
            state.share.is_over(bytes)
        })
    }

    /// How many of so many keys, which take so much memory, should go.
    pub(crate) fn surplus(&mut self, keys: usize, bytes: usize) -> usize {
        self.state.as_mut().map_or(0, |state| {
            state.work = 0;
            state.share.surplus(keys, bytes)
        })
    }

    /// Chooses keys to go: those in use that were not used since the hand came by.
    pub(crate) fn choose(&mut self, wanted: usize, capacity: usize, held: impl Fn(u32) -> bool) -> Vec<u32> {
        let Some(state) = &mut self.state else { return Vec::new() };
        let mut chosen = Vec::with_capacity(wanted);
        state.used.resize(capacity.max(state.used.len()), false);
        for _ in 0..2 * capacity {
            if chosen.len() == wanted {
                break;
            }
            if state.hand >= capacity {
                state.hand = 0;
            }
            let id = state.hand as u32;
            state.hand += 1;
            if !std::mem::replace(&mut state.used[id as usize], false) && held(id) {
                chosen.push(id);
            }
        }
        // The second round may have come to keys of the first.
        chosen.sort_unstable();
        chosen.dedup();
        chosen
    }

    /// Tells what went wrong, and gets disk space back.
    pub(crate) fn tend(&mut self) -> Result<()> {
        let Some(state) = &mut self.state else { return Ok(()) };
        if let Err(error) = state.file.compact() {
            state.fail(&error);
        }
        if let Some(error) = state.failed.get() {
            return Err(error.clone());
        }
        if state.missed.get() {
            return Err(Error::internal("a key whose rows are on disk was read without being brought back"));
        }
        state.share.check()
    }

    /// Something else of the table failed on disk.
    pub(crate) fn fail_with(&mut self, error: &io::Error) {
        if let Some(state) = &self.state {
            state.fail(error);
        }
    }

    /// A record could not be understood.
    pub(crate) fn fail(&mut self, error: Error) {
        if let Some(state) = &self.state {
            state.failed.get_or_init(|| error);
        }
    }
}

/// How much of what a table takes is in use, if it holds so many keys and has room for so many.
pub(crate) fn in_use(bytes: usize, keys: usize, room: usize) -> usize {
    (bytes as u128 * keys as u128 / room.max(1) as u128) as usize
}

fn disk_failure(budget: &MemoryBudget, error: &io::Error) -> Error {
    let folder = budget.folder().display();
    Error::external_fatal(format!("state that was moved out of memory to `{folder}` failed: {error}"))
}

impl State {
    fn fail(&self, error: &io::Error) {
        self.failed.get_or_init(|| disk_failure(&self.share.budget, error));
    }

    fn back(&mut self, record: Vec<u8>) -> Back {
        let (epoch, rows, _) = parts(file::record(&record).payload);
        self.rows -= rows;
        Back { record, settled: epoch != self.epoch }
    }
}

/// A walk over the keys that are out, by their hashes. Those that go out meanwhile may be met.
#[derive(Debug)]
pub(crate) struct Cursor {
    at: Option<u64>,
}

/// The rows of a key that was out.
pub(crate) struct Back {
    record: Vec<u8>,
    /// Whether a checkpoint was taken since it was moved out.
    pub(crate) settled: bool,
}

impl Back {
    /// The key.
    pub(crate) fn key(&self) -> &[u8] {
        record(&self.record).key
    }

    /// What was put.
    pub(crate) fn payload(&self) -> &[u8] {
        parts(record(&self.record).payload).2
    }
}

fn parts(record: &[u8]) -> (u32, usize, &[u8]) {
    let (head, payload) = record.split_at(HEAD_BYTES);
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    (number(&head[..4]), number(&head[4..]) as usize, payload)
}
