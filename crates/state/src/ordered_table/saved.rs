//! How rows in order get into checkpoints and back, and out of memory and back.
//!
//! Row: key, sort key, row, each prefixed. What is gone: key and sort key.

use super::rows::{Row, Rows};
use super::{OrderedTable, row_bytes};
use crate::entries::Entry;
use crate::sections::{GONE, Sections};
use crate::snapshot::{Reader, write_prefixed};
use crate::spill::{Back, in_use};
use crate::{MemoryBudget, SnapshotRows, StateTable};
use std::ops::Range;
use tidemill_types::Result;
use tidemill_types::key::key_group;

const SCHEMA: u64 = 0x6f72_6465_7200_0001;

/// What is noted of a row that was moved out.
const CHANGED: u8 = 1;
const SAVED: u8 = 2;

/// The rows of a key that was moved out: what is noted, sort key, row. What was just written can be read.
fn moved_out(payload: &[u8]) -> impl Iterator<Item = (u8, &[u8], &[u8])> {
    let mut reader = Reader::new(payload);
    std::iter::from_fn(move || match reader.is_done() {
        true => None,
        false => Some((reader.u8().ok()?, reader.prefixed().ok()?, reader.prefixed().ok()?)),
    })
}

impl OrderedTable {
    fn write(&self, ids: impl Iterator<Item = u32>, sections: &mut Sections) {
        for id in ids {
            let (hash, key) = (self.keys.hash(id), self.keys.key(id));
            for (sort_key, row) in self.rows[id as usize].iter() {
                if let Some(out) = sections.row(hash, row.changed) {
                    [key, sort_key, &row.bytes].into_iter().for_each(|part| write_prefixed(out, part));
                }
            }
        }
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let (key, sort_key, row) = (reader.prefixed()?, reader.prefixed()?, reader.prefixed()?);
        let id = self.resolve(key);
        self.put(id, sort_key, Row { bytes: row.into(), changed: false, saved: true });
        self.tracking.settle(id);
        Ok(())
    }

    /// Everything is in the checkpoint now.
    fn settle(&mut self) {
        let settle = |row: &mut Row| (row.changed, row.saved) = (false, true);
        let rows = &mut self.rows;
        match self.tracking.is_on() {
            true => self.tracking.changed().for_each(|id| rows[id as usize].for_each_mut(settle)),
            false => rows.iter_mut().for_each(|rows| rows.for_each_mut(settle)),
        }
        self.tracking.start(self.keys.capacity(), self.keys.ids());
        self.tracking.settle_all();
    }
    fn write_moved_out(&self, whole: &dyn Fn(u64) -> bool, sections: &mut Sections) {
        self.spill.see(whole, |hash, key, payload, fresh| {
            for (noted, sort_key, row) in moved_out(payload) {
                if let Some(out) = sections.row(hash, fresh && noted & CHANGED != 0) {
                    [key, sort_key, row].into_iter().for_each(|part| write_prefixed(out, part));
                }
            }
        });
    }

    /// Shows all rows, in memory or not: key, sort key, row.
    pub fn for_each(&self, mut seen: impl FnMut(&[u8], &[u8], &[u8])) {
        for id in self.keys.ids() {
            let key = self.keys.key(id);
            self.rows[id as usize].iter().for_each(|(sort_key, row)| seen(key, sort_key, &row.bytes));
        }
        self.spill.see(
            |_| true,
            |_, key, payload, _| {
                moved_out(payload).for_each(|(_, sort_key, row)| seen(key, sort_key, row));
            },
        );
    }

    pub(super) fn put_back(&mut self, back: &Back) {
        let id = self.number(back.key());
        let mut changed = false;
        for (noted, sort_key, row) in moved_out(back.payload()) {
            let row = Row {
                bytes: row.into(),
                changed: !back.settled && noted & CHANGED != 0,
                saved: back.settled || noted & SAVED != 0,
            };
            changed |= row.changed;
            self.put(id, sort_key, row);
        }
        match changed {
            true => self.tracking.touch(id),
            false => self.tracking.settle(id),
        }
    }

    /// Moves keys out. Payload: for each row what is noted, sort key and row (prefixed).
    fn move_out(&mut self, surplus: usize) {
        let chosen = self.spill.choose(surplus, self.keys.capacity(), |key| self.keys.is_live(key));
        let mut payload = Vec::new();
        for id in chosen {
            payload.clear();
            let rows = std::mem::take(&mut self.rows[id as usize]);
            self.bytes -= rows.held_bytes();
            let mut changed = false;
            for (sort_key, row) in rows.iter() {
                payload.push(u8::from(row.changed) * CHANGED + u8::from(row.saved) * SAVED);
                write_prefixed(&mut payload, sort_key);
                write_prefixed(&mut payload, &row.bytes);
                changed |= row.changed;
                self.bytes -= row_bytes(sort_key, &row.bytes);
            }
            self.len -= rows.len();
            self.spill.put(self.keys.hash(id), self.keys.key(id), rows.len(), changed, &payload);
            self.tracking.forget(id);
            self.keys.remove(id);
        }
    }

    fn apply_gone(&mut self, key: &[u8], sort_key: &[u8]) {
        let Some(id) = self.find_loaded(key) else { return };
        let rows = &mut self.rows[id as usize];
        let held = rows.held_bytes();
        if let Some(mut old) = rows.remove(sort_key) {
            self.bytes = self.bytes + rows.held_bytes() - held;
            old.saved = false;
            self.note_gone(id, sort_key, &old);
            self.drop_if_empty(id);
        }
    }
}

impl StateTable for OrderedTable {
    fn schema_id(&self) -> u64 {
        SCHEMA
    }

    fn snapshot(&self, groups: Range<u32>) -> SnapshotRows {
        let mut sections = Sections::new(groups, self.key_groups);
        self.write(self.keys.ids(), &mut sections);
        self.write_moved_out(&|_| true, &mut sections);
        sections.finish(SCHEMA)
    }

    fn restore(&mut self, rows: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        rows.check_schema(SCHEMA)?;
        self.tracking.start(self.keys.capacity(), self.keys.ids());
        if !self.spill.has_budget() {
            // At most: keys may have many rows.
            self.keys.reserve(rows.rows_of_groups(groups.clone()) / 2);
        }
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
        self.settle();
        self.spill.settle();
        sections.finish(SCHEMA)
    }

    fn apply(&mut self, changes: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        changes.check_schema(SCHEMA)?;
        self.tracking.start(self.keys.capacity(), self.keys.ids());
        for section in changes.of_groups(groups) {
            let mut reader = Reader::new(&section.bytes);
            while !reader.is_done() {
                match reader.u8()? {
                    GONE => self.apply_gone(reader.prefixed()?, reader.prefixed()?),
                    _ => self.read(&mut reader)?,
                }
            }
            self.tend()?;
        }
        Ok(())
    }

    fn each_entry(&self, each: &mut dyn FnMut(Entry<'_>)) {
        self.for_each(|key, sort_key, row| {
            each(Entry { key: Some(key), sort_key: Some(sort_key), row: Some(row), ..Entry::default() });
        });
    }

    fn clear(&mut self) {
        let mut spill = std::mem::take(&mut self.spill);
        spill.clear();
        *self = OrderedTable { spill, ..OrderedTable::new(self.key_groups) };
    }

    fn set_budget(&mut self, budget: &MemoryBudget) {
        self.spill.set_budget(budget);
    }

    fn tend(&mut self) -> Result<()> {
        if self.spill.is_due(self.keys.len()) {
            let used = self.bytes + in_use(self.bytes() - self.bytes, self.keys.len(), self.keys.capacity());
            let surplus = self.spill.surplus(self.keys.len(), used);
            self.move_out(surplus);
        }
        self.spill.tend()
    }

    fn bytes(&self) -> usize {
        self.keys.bytes()
            + self.bytes
            + self.rows.capacity() * size_of::<Rows>()
            + self.tracking.bytes()
            + self.spill.memory()
    }

    fn len(&self) -> usize {
        self.len + self.spill.rows()
    }
}
