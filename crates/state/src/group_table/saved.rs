//! How groups get into checkpoints and back, and out of memory and back.
//!
//! Row: key (prefixed), last change, values. What is gone: the key.

use super::GroupTable;
use crate::entries::Entry;
use crate::sections::{GONE, Sections};
use crate::snapshot::{Reader, write_prefixed};
use crate::spill::{Back, in_use};
use crate::tracking::{CHANGED, Tracking, UNSAVED};
use crate::{MemoryBudget, SnapshotRows, StateTable};
use std::ops::Range;
use tidemill_types::Result;
use tidemill_types::key::{EncodedKeys, hash, key_group};

const SALT: u64 = 0x6772_6f75_7000_0001;

impl GroupTable {
    fn write(&self, slots: impl Iterator<Item = u32>, sections: &mut Sections) {
        for slot in slots.filter(|&slot| !self.expired(slot, self.now_ms)) {
            if let Some(out) = sections.row(self.keys.hash(slot), self.tracking.is_changed(slot)) {
                write_prefixed(out, self.keys.key(slot));
                let changed = self.changed.get(slot as usize).copied().unwrap_or_default();
                out.extend_from_slice(&changed.to_le_bytes());
                self.values.write(slot, out);
            }
        }
    }

    fn write_moved_out(&self, whole: &dyn Fn(u64) -> bool, sections: &mut Sections) {
        self.spill.see(whole, |hash, key, payload, fresh| {
            let Some((&mark, row)) = payload.split_first() else { return };
            let changed = fresh && mark & CHANGED != 0;
            if !self.outlived(row, self.now_ms)
                && let Some(out) = sections.row(hash, changed)
            {
                write_prefixed(out, key);
                out.extend_from_slice(row);
            }
        });
    }

    /// Whether a row, from its last change on, expired.
    fn outlived(&self, row: &[u8], now_ms: i64) -> bool {
        let changed = row.first_chunk::<8>().map_or(i64::MAX, |bytes| i64::from_le_bytes(*bytes));
        self.ttl_ms > 0 && changed.saturating_add(self.ttl_ms) <= now_ms
    }

    pub(super) fn expire_moved_out(&mut self, now_ms: i64) {
        let mut spill = std::mem::take(&mut self.spill);
        spill.sweep(|hash, key, payload, fresh| {
            let Some((&mark, row)) = payload.split_first() else { return false };
            let old = self.outlived(row, now_ms);
            if old && self.tracking.is_on() && (!fresh || mark & UNSAVED == 0) {
                self.tracking.note_gone(hash, |out| write_prefixed(out, key));
            }
            old
        });
        self.spill = spill;
    }

    pub(super) fn bring_back(&mut self, keys: &EncodedKeys, hashes: &[u64]) {
        for (key, &hash) in keys.iter().zip(hashes) {
            if self.keys.find(hash, key).is_none()
                && let Some(back) = self.spill.take(hash, key)
            {
                self.put_back(hash, &back);
            }
        }
    }

    pub(super) fn bring_any_back(&mut self) -> bool {
        let back = self.spill.take_any();
        back.iter().for_each(|back| self.put_back(hash(back.key()), back));
        back.is_some()
    }

    fn put_back(&mut self, hash: u64, back: &Back) {
        let slot = self.keys.resolve_one(hash, back.key());
        self.values.grow(self.keys.capacity());
        self.tracking.grow(self.keys.capacity());
        let mut reader = Reader::new(back.payload());
        let done = reader.u8().and_then(|mark| {
            self.tracking.set_mark(slot, mark, back.settled);
            let changed = reader.i64()?;
            self.set_changed(slot, changed);
            self.values.read(slot, &mut reader)
        });
        if let Err(error) = done {
            self.spill.fail(error);
        }
    }

    /// Moves groups out. Payload: mark, last change, values.
    fn move_out(&mut self, surplus: usize) {
        let chosen = self.spill.choose(surplus, self.keys.capacity(), |slot| self.keys.is_live(slot));
        let mut payload = Vec::new();
        for slot in chosen {
            let mark = self.tracking.mark(slot);
            payload.clear();
            payload.push(mark);
            let changed = self.changed.get(slot as usize).copied().unwrap_or_default();
            payload.extend_from_slice(&changed.to_le_bytes());
            self.values.write(slot, &mut payload);
            let changed = mark & CHANGED != 0;
            self.spill.put(self.keys.hash(slot), self.keys.key(slot), 1, changed, &payload);
            self.tracking.forget(slot);
            self.values.clear(&[slot]);
            self.keys.remove(slot);
        }
    }

    fn set_changed(&mut self, slot: u32, changed: i64) {
        if self.ttl_ms > 0 {
            self.changed.resize(self.keys.capacity(), changed);
            self.changed[slot as usize] = changed;
        }
    }

    fn memory(&self) -> usize {
        self.keys.bytes()
            + self.values.bytes()
            + self.changed.capacity() * 8
            + self.tracking.bytes()
            + self.spill.memory()
    }

    /// Makes room for so many more groups, if it is for the table to decide.
    fn make_room(&mut self, groups: usize) {
        if !self.spill.has_budget() {
            self.keys.reserve(groups);
            self.values.grow(self.keys.capacity() + groups);
            self.tracking.grow(self.keys.capacity() + groups);
        }
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let key = reader.prefixed()?;
        self.take_back(key);
        let known = self.keys.len();
        let slot = self.keys.resolve_one(hash(key), key);
        if self.keys.len() == known {
            self.values.clear(&[slot]);
        }
        self.values.grow(self.keys.capacity());
        self.tracking.grow(self.keys.capacity());
        self.tracking.settle(slot);
        self.spill.note_work(1);
        let changed = reader.i64()?;
        self.set_changed(slot, changed);
        self.values.read(slot, reader)
    }

    /// Forgets a group that a section of changes says is gone.
    fn apply_gone(&mut self, key: &[u8]) {
        self.take_back(key);
        if let Some(slot) = self.keys.find(hash(key), key) {
            self.tracking.forget(slot);
            self.values.clear(&[slot]);
            self.keys.remove(slot);
        }
    }

    fn take_back(&mut self, key: &[u8]) {
        if !self.spill.is_empty()
            && let Some(back) = self.spill.take(hash(key), key)
        {
            self.put_back(hash(key), &back);
        }
    }
}

impl StateTable for GroupTable {
    fn schema_id(&self) -> u64 {
        self.values.schema_id() ^ SALT
    }

    fn snapshot(&self, groups: Range<u32>) -> SnapshotRows {
        let mut sections = Sections::new(groups, self.key_groups);
        self.write(self.keys.ids(), &mut sections);
        self.write_moved_out(&|_| true, &mut sections);
        sections.finish(self.schema_id())
    }

    fn restore(&mut self, rows: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        rows.check_schema(self.schema_id())?;
        self.tracking.start(self.keys.capacity(), self.keys.ids());
        self.make_room(rows.rows_of_groups(groups.clone()));
        for section in rows.of_groups(groups) {
            let mut reader = Reader::new(&section.bytes);
            while !reader.is_done() {
                self.read(&mut reader)?;
            }
            self.tend()?;
        }
        Ok(())
    }

    fn delta(&mut self, groups: Range<u32>, whole: &dyn Fn(u32) -> bool) -> SnapshotRows {
        let tracked = self.tracking.is_on();
        let mut sections = Sections::of_changes(groups, self.key_groups, &|group| !tracked || whole(group));
        self.tracking.write_gone(&mut sections);
        match sections.any_whole() {
            true => self.write(self.keys.ids(), &mut sections),
            false => self.write(self.tracking.changed(), &mut sections),
        }
        let whole = |hash| !tracked || whole(key_group(hash, self.key_groups));
        self.write_moved_out(&whole, &mut sections);
        self.tracking.start(self.keys.capacity(), self.keys.ids());
        self.tracking.settle_all();
        self.spill.settle();
        sections.finish(self.schema_id())
    }

    fn apply(&mut self, changes: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        changes.check_schema(self.schema_id())?;
        for section in changes.of_groups(groups) {
            let mut reader = Reader::new(&section.bytes);
            while !reader.is_done() {
                match reader.u8()? {
                    GONE => self.apply_gone(reader.prefixed()?),
                    _ => self.read(&mut reader)?,
                }
            }
            self.tend()?;
        }
        Ok(())
    }

    fn each_entry(&self, each: &mut dyn FnMut(Entry<'_>)) {
        for slot in self.slots() {
            each(Entry { key: Some(self.key(slot)), cells: Some((&self.values, slot)), ..Entry::default() });
        }
    }

    fn clear(&mut self) {
        self.spill.clear();
        self.keys.clear();
        self.values.reset();
        self.changed.clear();
        // The next checkpoint has everything whole.
        self.tracking = Tracking::default();
    }

    fn set_budget(&mut self, budget: &MemoryBudget) {
        self.spill.set_budget(budget);
    }

    fn tend(&mut self) -> Result<()> {
        if self.spill.is_due(self.keys.len()) {
            let used = in_use(self.memory(), self.keys.len(), self.keys.capacity());
            let surplus = self.spill.surplus(self.keys.len(), used);
            self.move_out(surplus);
        }
        self.spill.tend()
    }

    fn bytes(&self) -> usize {
        self.memory()
    }

    fn len(&self) -> usize {
        self.keys.len() + self.spill.rows()
    }
}
