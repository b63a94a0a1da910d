//! How groups get into checkpoints and back, and out of memory and back.
//!
//! Columns: keys, last changes, values. Row: key (prefixed), last change, values. What is gone: the key. Rows are written
//! where columns do not pay: of groups that are on disk. Before format 2 all were.

use super::GroupTable;
use crate::columns::ColumnReader;
use crate::entries::Entry;
use crate::sections::{Chosen, GONE, Sections};
use crate::snapshot::{Reader, Section, write_prefixed};
use crate::spill::{Back, in_use};
use crate::tracking::{CHANGED, Tracking, UNSAVED};
use crate::{MemoryBudget, SlotCells, SnapshotRows, StateTable};
use std::ops::Range;
use tidemill_types::key::{EncodedKeys, hash, key_group};
use tidemill_types::{CellKind, Result};

const SALT: u64 = 0x6772_6f75_7000_0001;

impl GroupTable {
    /// Writes groups in memory, those of the slots that are wanted.
    fn write(&self, slots: impl Iterator<Item = u32>, sections: &mut Sections) {
        let mut chosen = Chosen::with_capacity(match sections.any_whole() {
            true => self.keys.len(),
            false => self.tracking.number_changed(),
        });
        for slot in slots.filter(|&slot| !self.expired(slot, self.now_ms)) {
            sections.choose(self.keys.hash(slot), self.tracking.is_changed(slot), slot, &mut chosen);
        }
        let slots = &chosen.slots;
        let mut out = sections.columns(&chosen, self.keys.even_len().unwrap_or(8) + self.values.row_bytes());
        self.keys.write_column(slots, &mut out);
        let changed = |slot: u32| self.changed.get(slot as usize).copied().unwrap_or_default();
        out.numbers(|row| changed(slots[row]));
        self.values.write_columns(slots, &mut out);
    }

    fn write_changed(&self, sections: &mut Sections) {
        match sections.any_whole() {
            true => self.write(self.keys.ids(), sections),
            false => self.write(self.tracking.changed(), sections),
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

    /// Shows all groups, in memory or not: key, cells and slot.
    pub fn for_each(&self, mut seen: impl FnMut(&[u8], &SlotCells, u32)) {
        self.slots().for_each(|slot| seen(self.key(slot), &self.values, slot));
        let kinds: Vec<CellKind> = self.values.cells.iter().map(|cells| cells.kind()).collect();
        let mut one = SlotCells::new(&kinds, self.values.sets.len());
        one.grow(1);
        self.spill.see(
            |_| true,
            |_, key, payload, _| {
                one.clear(&[0]);
                // Mark and last change stand before the values.
                let values = payload.get(9..).unwrap_or_default();
                if one.read(0, &mut Reader::new(values)).is_ok() {
                    seen(key, &one, 0);
                }
            },
        );
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

    fn read_columns(&mut self, mut columns: ColumnReader<'_>) -> Result<()> {
        let mut slots = Vec::with_capacity(columns.rows());
        columns.bytes()?.for_each_batch(|keys| self.settled_slots(keys, &mut slots))?;
        let changed = columns.numbers()?;
        if self.ttl_ms > 0 {
            changed.for_each(|row, at| self.changed[slots[row] as usize] = at);
        }
        self.values.read_columns(&slots, &mut columns)
    }

    /// Appends the slots of keys whose groups are about to be read.
    fn settled_slots(&mut self, keys: &EncodedKeys, slots: &mut Vec<u32>) {
        let hashes: Vec<u64> = keys.iter().map(hash).collect();
        if !self.spill.is_empty() {
            self.bring_back(keys, &hashes);
        }
        let mut found = Vec::with_capacity(keys.len());
        self.keys.resolve(keys, &hashes, &mut found);
        self.values.grow(self.keys.capacity());
        self.tracking.grow(self.keys.capacity());
        found.iter().for_each(|&slot| self.tracking.settle(slot));
        if self.ttl_ms > 0 {
            self.changed.resize(self.keys.capacity(), i64::MIN);
        }
        self.spill.note_work(keys.len());
        slots.extend(found);
    }

    /// Reads the rows of a section, which may say what is gone.
    fn read_section(&mut self, section: &Section) -> Result<()> {
        let (mut reader, columns) = section.parts()?;
        while !reader.is_done() {
            match section.whole || reader.u8()? != GONE {
                true => self.read(&mut reader)?,
                false => self.apply_gone(reader.prefixed()?),
            }
        }
        columns.map_or(Ok(()), |columns| self.read_columns(columns))?;
        self.tend()
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
        self.write_moved_out(&|_| true, &mut sections);
        self.write(self.keys.ids(), &mut sections);
        sections.finish(self.schema_id())
    }

    fn reserve(&mut self, rows: usize) {
        self.make_room(rows);
    }

    fn restore(&mut self, rows: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        rows.check_schema(self.schema_id())?;
        self.tracking.start(self.keys.capacity(), self.keys.ids());
        self.make_room(rows.rows_of_groups(groups.clone()));
        rows.of_groups(groups).try_for_each(|section| self.read_section(section))
    }

    fn delta(&mut self, groups: Range<u32>, whole: &dyn Fn(u32) -> bool) -> SnapshotRows {
        let all =
            !self.tracking.is_on() || (self.spill.is_empty() && self.tracking.mostly_changed(self.len()));
        let mut sections = Sections::of_changes(groups, self.key_groups, &|group| all || whole(group));
        self.tracking.write_gone(&mut sections);
        let whole = |hash| all || whole(key_group(hash, self.key_groups));
        self.write_moved_out(&whole, &mut sections);
        self.write_changed(&mut sections);
        self.tracking.start(self.keys.capacity(), self.keys.ids());
        self.tracking.settle_all();
        self.spill.settle();
        sections.finish(self.schema_id())
    }

    fn apply(&mut self, changes: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        changes.check_schema(self.schema_id())?;
        changes.of_groups(groups).try_for_each(|section| self.read_section(section))
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
