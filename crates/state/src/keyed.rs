//! The driver of tables that keep each key as one record: numbers of keys, what changed, checkpoints, and how keys get out
//! of memory and back.
//!
//! A table says how the record of a key is written and read, how a key is emptied, and what memory it takes; all else that
//! a [`StateTable`] does is here. Row: key (prefixed), record. What is gone: the key.
//! Invariant: a key is in memory or on disk, never in both; what was moved out and is due at some time is brought back when
//! that time comes. Not here: tables whose rows change one by one under a key (groups with panes, sides of joins,
//! ordered rows).

use crate::entries::Entry;
use crate::sections::{GONE, Sections};
use crate::snapshot::{Reader, write_prefixed};
use crate::spill::{Back, Queue, Spill, in_use};
use crate::tracking::{CHANGED, Tracking, UNSAVED};
use crate::{KeyIndex, MemoryBudget, SnapshotRows, StateTable};
use std::ops::Range;
use tidemill_types::Result;
use tidemill_types::key::{EncodedKeys, hash, key_group};

/// After so many records of a checkpoint the memory is looked at.
const TEND_RECORDS: usize = 1_024;

/// What the driver keeps for a table.
#[derive(Debug, Clone)]
pub(crate) struct Core {
    pub(crate) keys: KeyIndex,
    pub(crate) tracking: Tracking,
    spill: Spill,
    /// When keys that were moved out are due; perhaps of keys that are back.
    due_out: Queue,
    key_groups: u32,
}

impl Core {
    /// No keys.
    pub(crate) fn new(key_groups: u32) -> Self {
        Core {
            keys: KeyIndex::default(),
            tracking: Tracking::default(),
            spill: Spill::default(),
            due_out: Queue::default(),
            key_groups,
        }
    }

    /// The time at which the first key on disk is due, or one before it.
    #[inline]
    pub(crate) fn first_due_out(&self) -> Option<i64> {
        self.due_out.first()
    }

    /// The memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.keys.bytes() + self.tracking.bytes() + self.spill.memory() + self.due_out.memory()
    }
}

/// A table with one record for each key.
pub(crate) trait Keyed: Send + Sized {
    /// Which layout its records have.
    fn schema(&self) -> u64;

    /// What the driver keeps.
    fn core(&self) -> &Core;

    /// The same, to be changed.
    fn core_mut(&mut self) -> &mut Core;

    /// Makes room for all numbers of keys.
    fn grow(&mut self);

    /// Appends what is kept of a key.
    fn write_record(&self, id: u32, out: &mut Vec<u8>);

    /// The reverse, into a key of which nothing is kept.
    fn read_record(&mut self, id: u32, from: &mut Reader<'_>) -> Result<()>;

    /// Gives up what is kept of a key; its number stays.
    fn empty(&mut self, id: u32);

    /// Does what cannot be done while slots are in use; called when keys were read or moved out.
    fn settle_slots(&mut self) {}

    /// How many rows a key has.
    fn rows_of(&self, id: u32) -> usize;

    /// How many rows are in memory, or how many keys, if keys are counted.
    fn held(&self) -> usize {
        self.core().keys.len()
    }

    /// For how many a key is counted.
    fn count_of(&self, _id: u32) -> usize {
        1
    }

    /// When a key is to be brought back though nobody asks for it.
    fn due_of(&self, _id: u32) -> Option<i64> {
        None
    }

    /// Forgets everything but what the driver keeps.
    fn reset(&mut self);

    /// Gives back memory that nothing uses; numbers of keys stay.
    fn shrink(&mut self);

    /// The memory it takes beyond what the driver keeps.
    fn own_bytes(&self) -> usize;

    /// How much of that is for rows and in use; the rest is for keys.
    fn bytes_of_rows(&self) -> usize;

    /// How much of the memory is in use: what moving all keys out would free.
    fn used_bytes(&self) -> usize {
        let (core, rows) = (self.core(), self.bytes_of_rows());
        let own = self.own_bytes().saturating_sub(rows);
        let of_keys = core.keys.bytes() + core.tracking.bytes() + own;
        rows + in_use(of_keys, core.keys.len(), core.keys.capacity())
    }

    /// The number of a key, if it lives; it is brought back if it is on disk.
    #[inline]
    fn load(&mut self, key_hash: u64, key: &[u8]) -> Option<u32> {
        let core = self.core_mut();
        let capacity = core.keys.capacity();
        match core.keys.find(key_hash, key) {
            Some(id) => {
                core.spill.touch_all(&[id], capacity);
                Some(id)
            }
            None if core.spill.is_empty() => None,
            None => core.spill.take(key_hash, key).map(|back| self.put_back(key_hash, &back)),
        }
    }

    /// The number of a key; a new key gets one.
    #[inline]
    fn load_or_add(&mut self, key_hash: u64, key: &[u8]) -> u32 {
        self.load(key_hash, key).unwrap_or_else(|| {
            let core = self.core_mut();
            let id = core.keys.resolve_one(key_hash, key);
            let capacity = core.keys.capacity();
            core.spill.touch_all(&[id], capacity);
            core.tracking.grow(capacity);
            self.grow();
            id
        })
    }

    /// The number of each key; a new key gets one.
    fn load_or_add_all(&mut self, keys: &EncodedKeys, hashes: &[u64], ids: &mut Vec<u32>) {
        if !self.core().spill.is_empty() {
            keys.iter().zip(hashes).for_each(|(key, &hash)| {
                self.load(hash, key);
            });
        }
        let core = self.core_mut();
        core.keys.resolve(keys, hashes, ids);
        core.spill.touch_all(ids, core.keys.capacity());
        core.tracking.grow(core.keys.capacity());
        self.grow();
    }

    /// Gives up the number of a key that is empty, and notes that it is gone.
    fn drop_key(&mut self, id: u32) {
        let core = self.core_mut();
        if core.tracking.release(id) {
            let key = core.keys.key(id);
            core.tracking.note_gone(core.keys.hash(id), |out| write_prefixed(out, key));
        }
        core.keys.remove(id);
    }

    /// Brings the first key back that is on disk and due by then; false: there is none.
    fn bring_due_back(&mut self, until: i64) -> bool {
        let core = self.core_mut();
        if core.due_out.first().is_none_or(|time| time > until) {
            return false;
        }
        if let Some((_, hash)) = core.due_out.pop()
            && let Some(back) = core.spill.take_hash(hash)
        {
            self.put_back(hash, &back);
        }
        true
    }

    /// Looks at some of the keys on disk and gives up those whose records are old.
    fn sweep_out(&mut self, mut old: impl FnMut(&[u8]) -> bool) {
        let Core { tracking, spill, .. } = self.core_mut();
        spill.sweep(|hash, key, payload, fresh| {
            let Some((&mark, record)) = payload.split_first() else { return false };
            let old = old(record);
            if old && tracking.is_on() && (!fresh || mark & UNSAVED == 0) {
                tracking.note_gone(hash, |out| write_prefixed(out, key));
            }
            old
        });
    }

    /// Puts what was on disk into memory.
    fn put_back(&mut self, key_hash: u64, back: &Back) -> u32 {
        let core = self.core_mut();
        let id = core.keys.resolve_one(key_hash, back.key());
        let capacity = core.keys.capacity();
        core.tracking.grow(capacity);
        core.spill.touch_all(&[id], capacity);
        self.grow();
        let mut reader = Reader::new(back.payload());
        let mark = reader.u8();
        let done = mark.and_then(|mark| {
            self.read_record(id, &mut reader)?;
            self.core_mut().tracking.set_mark(id, mark, back.settled);
            Ok(())
        });
        if let Err(error) = done {
            self.core_mut().spill.fail(error);
        }
        id
    }

    /// Moves keys out until all tables together take what they may.
    fn make_fit(&mut self) {
        let bytes = self.bytes();
        if !self.core_mut().spill.is_over(bytes) {
            return;
        }
        self.shrink();
        let core = self.core();
        let (keys, used) = (core.keys.len(), self.used_bytes() + core.spill.memory() + core.due_out.memory());
        let surplus = self.core_mut().spill.surplus(keys, used);
        if surplus > 0 {
            self.move_out(surplus);
            self.settle_slots();
            self.shrink();
        }
        let bytes = self.bytes();
        self.core_mut().spill.is_over(bytes);
    }

    /// Moves keys out. Payload: mark, record.
    fn move_out(&mut self, surplus: usize) {
        let Core { keys, spill, .. } = self.core_mut();
        let chosen = spill.choose(surplus, keys.capacity(), |id| keys.is_live(id));
        let mut payload = Vec::new();
        for id in chosen {
            let mark = self.core().tracking.mark(id);
            payload.clear();
            payload.push(mark);
            self.write_record(id, &mut payload);
            let (count, due) = (self.count_of(id), self.due_of(id));
            let Core { keys, spill, due_out, .. } = self.core_mut();
            let hash = keys.hash(id);
            spill.put(hash, keys.key(id), count, mark & CHANGED != 0, &payload);
            due.into_iter().for_each(|time| due_out.push(time, hash));
            self.empty(id);
            let core = self.core_mut();
            core.tracking.forget(id);
            core.keys.remove(id);
        }
    }

    /// Writes keys in memory.
    fn write_keys(&self, ids: impl Iterator<Item = u32>, sections: &mut Sections) {
        let core = self.core();
        for id in ids {
            let changed = core.tracking.is_changed(id);
            let Some(out) = sections.row(core.keys.hash(id), changed) else { continue };
            write_prefixed(out, core.keys.key(id));
            self.write_record(id, out);
        }
    }

    /// Writes keys on disk.
    fn write_keys_out(&self, whole: &dyn Fn(u64) -> bool, sections: &mut Sections) {
        self.core().spill.see(whole, |hash, key, payload, fresh| {
            let Some((&mark, record)) = payload.split_first() else { return };
            if let Some(out) = sections.row(hash, fresh && mark & CHANGED != 0) {
                write_prefixed(out, key);
                out.extend_from_slice(record);
            }
        });
    }

    /// Reads a row in place of what is kept of its key.
    fn read_row(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let key = reader.prefixed()?;
        let id = self.load_or_add(hash(key), key);
        self.empty(id);
        self.read_record(id, reader)?;
        let core = self.core_mut();
        core.tracking.settle(id);
        core.spill.note_work(1);
        Ok(())
    }

    /// Forgets a key that a section of changes says is gone.
    fn apply_gone(&mut self, key: &[u8]) {
        if let Some(id) = self.load(hash(key), key) {
            self.empty(id);
            let core = self.core_mut();
            core.tracking.forget(id);
            core.keys.remove(id);
        }
    }
}

impl<T: Keyed> StateTable for T {
    fn schema_id(&self) -> u64 {
        self.schema()
    }

    fn snapshot(&self, groups: Range<u32>) -> SnapshotRows {
        let mut sections = Sections::new(groups, self.core().key_groups);
        self.write_keys(self.core().keys.ids(), &mut sections);
        self.write_keys_out(&|_| true, &mut sections);
        sections.finish(self.schema())
    }

    fn restore(&mut self, rows: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        rows.check_schema(self.schema())?;
        let Core { keys, tracking, .. } = self.core_mut();
        tracking.start(keys.capacity(), keys.ids());
        for section in rows.of_groups(groups) {
            let (mut reader, mut read) = (Reader::new(&section.bytes), 0_usize);
            while !reader.is_done() {
                self.read_row(&mut reader)?;
                read += 1;
                if read.is_multiple_of(TEND_RECORDS) {
                    self.tend()?;
                }
            }
            self.tend()?;
        }
        Ok(())
    }

    fn delta(&mut self, groups: Range<u32>, whole: &dyn Fn(u32) -> bool) -> SnapshotRows {
        let core = self.core();
        let (tracked, key_groups) = (core.tracking.is_on(), core.key_groups);
        let mut sections = Sections::of_changes(groups, key_groups, &|group| !tracked || whole(group));
        core.tracking.write_gone(&mut sections);
        match sections.any_whole() {
            true => self.write_keys(core.keys.ids(), &mut sections),
            false => self.write_keys(core.tracking.changed(), &mut sections),
        }
        self.write_keys_out(&|hash| !tracked || whole(key_group(hash, key_groups)), &mut sections);
        let Core { keys, tracking, spill, .. } = self.core_mut();
        tracking.start(keys.capacity(), keys.ids());
        tracking.settle_all();
        spill.settle();
        sections.finish(self.schema())
    }

    fn apply(&mut self, changes: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        changes.check_schema(self.schema())?;
        let Core { keys, tracking, .. } = self.core_mut();
        tracking.start(keys.capacity(), keys.ids());
        for section in changes.of_groups(groups) {
            let mut reader = Reader::new(&section.bytes);
            while !reader.is_done() {
                match reader.u8()? {
                    GONE => self.apply_gone(reader.prefixed()?),
                    _ => self.read_row(&mut reader)?,
                }
            }
            self.tend()?;
        }
        self.settle_slots();
        Ok(())
    }

    fn set_budget(&mut self, budget: &MemoryBudget) {
        let core = self.core_mut();
        core.spill.set_budget(budget);
        core.due_out.set_folder(budget.folder());
    }

    fn tend(&mut self) -> Result<()> {
        let core = self.core();
        if core.spill.is_due(core.keys.len()) {
            self.settle_slots();
            self.make_fit();
        }
        let core = self.core_mut();
        if let Some(error) = core.due_out.take_failure() {
            core.spill.fail_with(&error);
        }
        core.spill.tend()
    }

    fn each_entry(&self, each: &mut dyn FnMut(Entry<'_>)) {
        let core = self.core();
        for id in core.keys.ids() {
            let numbers = [("rows", self.rows_of(id) as i64)];
            each(Entry { key: Some(core.keys.key(id)), numbers: &numbers, ..Entry::default() });
        }
    }

    fn clear(&mut self) {
        self.reset();
        let core = self.core_mut();
        core.spill.clear();
        core.due_out.clear();
        core.keys.clear();
        // The next checkpoint has everything whole.
        core.tracking = Tracking::default();
    }

    fn bytes(&self) -> usize {
        self.core().bytes() + self.own_bytes()
    }

    fn len(&self) -> usize {
        self.held() + self.core().spill.rows()
    }
}
