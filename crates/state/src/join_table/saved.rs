//! How the rows of a join get into checkpoints and back, and out of memory and back.
//!
//! Row: key and identity (prefixed), if that is not the row the row (prefixed), count, matches, last change. What is gone:
//! key and identity.

use super::{Chain, Entry, JoinRows, JoinTable, NONE};
use crate::entries;
use crate::sections::{GONE, Sections};
use crate::snapshot::{Reader, write_prefixed};
use crate::spill::{Back, in_use};
use crate::tracking::{CHANGED, UNSAVED};
use crate::{MemoryBudget, SnapshotRows, StateTable};
use std::ops::Range;
use tidemill_types::Result;
use tidemill_types::key::{hash, key_group};

const SCHEMA: u64 = 0x6a6f_696e_0000_0001;
const SCHEMA_UNIQUE: u64 = 0x6a6f_696e_0000_0002;
const SCHEMA_ADDED: u64 = 0x6a6f_696e_0000_0003;

/// A row that was moved out.
struct Out<'a> {
    mark: u8,
    identity: &'a [u8],
    /// If that is not its identity.
    row: &'a [u8],
    count: i64,
    matches: i64,
    changed: i64,
}

impl<'a> Out<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self> {
        Ok(Out {
            mark: reader.u8()?,
            identity: reader.prefixed()?,
            row: reader.prefixed()?,
            count: reader.i64()?,
            matches: reader.i64()?,
            changed: reader.i64()?,
        })
    }

    /// The rows of a key. What was just written can be read.
    fn all(payload: &'a [u8]) -> impl Iterator<Item = Self> {
        let mut reader = Reader::new(payload);
        std::iter::from_fn(move || if reader.is_done() { None } else { Out::read(&mut reader).ok() })
    }
}

fn write_entry(entry: &Entry, out: &mut Vec<u8>) {
    [entry.count, entry.matches, entry.changed]
        .into_iter()
        .for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
}

impl JoinTable {
    fn write_row(&self, id: u32, sections: &mut Sections) {
        let entry = &self.entries[id as usize];
        if self.expired(id, self.now_ms) {
            return;
        }
        if let Some(out) = sections.row(self.keys.hash(entry.key), self.tracking.is_changed(id)) {
            write_prefixed(out, self.keys.key(entry.key));
            write_prefixed(out, self.identity(id));
            if self.kind != JoinRows::Counted {
                write_prefixed(out, self.row(id));
            }
            write_entry(entry, out);
        }
    }

    /// All rows, those of a key in their order.
    fn write_all(&self, sections: &mut Sections) {
        for key in self.keys.ids() {
            let mut next = self.chains[key as usize].first;
            while next != NONE {
                self.write_row(next, sections);
                next = self.entries[next as usize].next;
            }
        }
    }

    /// The rows that changed. Those that are new stand at the end of their chains and come in their order.
    fn write_changed(&self, sections: &mut Sections) {
        let mut new = Vec::new();
        for id in self.tracking.changed() {
            if !self.tracking.is_unsaved(id) {
                self.write_row(id, sections);
                continue;
            }
            let mut at = if self.entries[id as usize].next == NONE { id } else { NONE };
            while at != NONE && self.tracking.is_unsaved(at) {
                new.push(at);
                at = self.entries[at as usize].previous;
            }
            new.drain(..).rev().for_each(|id| self.write_row(id, sections));
        }
    }

    fn write_moved_out(&self, whole: &dyn Fn(u64) -> bool, sections: &mut Sections) {
        self.spill.see(whole, |hash, key, payload, fresh| {
            for Out { mark, identity, row, count, matches, changed } in Out::all(payload) {
                if !self.outlived(changed, self.now_ms)
                    && let Some(out) = sections.row(hash, fresh && mark & CHANGED != 0)
                {
                    write_prefixed(out, key);
                    write_prefixed(out, identity);
                    if self.kind != JoinRows::Counted {
                        write_prefixed(out, row);
                    }
                    let entry =
                        Entry { key: NONE, previous: NONE, next: NONE, count, matches, changed, row: NONE };
                    write_entry(&entry, out);
                }
            }
        });
    }

    fn outlived(&self, changed: i64, now_ms: i64) -> bool {
        self.ttl_ms > 0 && changed.saturating_add(self.ttl_ms) <= now_ms
    }

    /// Gives up keys that were moved out and all of whose rows expired.
    pub(super) fn expire_moved_out(&mut self, now_ms: i64) {
        let mut spill = std::mem::take(&mut self.spill);
        spill.sweep(|hash, key, payload, fresh| {
            let old = Out::all(payload).all(|row| self.outlived(row.changed, now_ms));
            if old && self.tracking.is_on() {
                for Out { identity, .. } in Out::all(payload).filter(|row| !fresh || row.mark & UNSAVED == 0)
                {
                    self.tracking.note_gone(hash, |out| {
                        write_prefixed(out, key);
                        write_prefixed(out, identity);
                    });
                }
            }
            old
        });
        self.spill = spill;
    }

    pub(super) fn put_back(&mut self, key_hash: u64, back: &Back) {
        for Out { mark, identity, row, count, matches, changed } in Out::all(back.payload()) {
            let id = self.link((key_hash, back.key()), hash(identity), identity, row);
            let entry = &mut self.entries[id as usize];
            (entry.count, entry.matches, entry.changed) = (count, matches, changed);
            self.tracking.set_mark(id, mark, back.settled);
            let key = entry.key;
            self.spill.touch_all(&[key], self.keys.capacity());
        }
    }

    /// Moves keys out. Payload: for each row mark, identity and unique row (prefixed), count, matches, last change.
    fn move_out(&mut self, surplus: usize) {
        let chosen = self.spill.choose(surplus, self.keys.capacity(), |key| self.keys.is_live(key));
        let (mut payload, mut ids) = (Vec::new(), Vec::new());
        for key in chosen {
            payload.clear();
            let (mut next, mut changed) = (self.chains[key as usize].first, false);
            while next != NONE {
                let (entry, mark) = (&self.entries[next as usize], self.tracking.mark(next));
                payload.push(mark);
                write_prefixed(&mut payload, self.identity(next));
                let row = if self.kind == JoinRows::Counted { &[] } else { self.row(next) };
                write_prefixed(&mut payload, row);
                write_entry(entry, &mut payload);
                changed |= mark & CHANGED != 0;
                ids.push(next);
                next = entry.next;
            }
            self.spill.put(self.keys.hash(key), self.keys.key(key), ids.len(), changed, &payload);
            for id in ids.drain(..) {
                self.tracking.forget(id);
                if self.kind != JoinRows::Counted {
                    self.rows.remove(self.entries[id as usize].row);
                }
                if self.kind != JoinRows::Added {
                    self.identities.remove(id);
                }
            }
            self.chains[key as usize] = Chain { first: NONE, last: NONE };
            self.keys.remove(key);
        }
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let (key, identity) = (reader.prefixed()?, reader.prefixed()?);
        let row = if self.kind == JoinRows::Counted { identity } else { reader.prefixed()? };
        if self.spill.has_budget() {
            self.load_one(hash(key), key);
        }
        let row_hash = hash(identity);
        let known = match self.kind {
            JoinRows::Added => None,
            _ => self.identities.find(row_hash, identity),
        };
        let id = match known {
            Some(id) => {
                self.replace(id, row);
                id
            }
            None => self.link((hash(key), key), row_hash, identity, row),
        };
        self.tracking.settle(id);
        let entry = &mut self.entries[id as usize];
        (entry.count, entry.matches, entry.changed) = (reader.i64()?, reader.i64()?, reader.i64()?);
        Ok(())
    }

    /// Forgets a row that a section of changes says is gone.
    fn apply_gone(&mut self, key: &[u8], identity: &[u8]) {
        if self.spill.has_budget() {
            self.load_one(hash(key), key);
        }
        if let Some(id) = self.identities.find(hash(identity), identity) {
            self.tracking.forget(id);
            self.unlink(id);
        }
    }
}

impl JoinTable {
    fn start_tracking(&mut self) {
        if !self.tracking.is_on() {
            let ids: Vec<u32> = self.ids().collect();
            self.tracking.start(self.entries.len(), ids.into_iter());
        }
    }
}

impl StateTable for JoinTable {
    fn schema_id(&self) -> u64 {
        match self.kind {
            JoinRows::Counted => SCHEMA,
            JoinRows::Unique => SCHEMA_UNIQUE,
            JoinRows::Added => SCHEMA_ADDED,
        }
    }

    fn snapshot(&self, groups: Range<u32>) -> SnapshotRows {
        let mut sections = Sections::new(groups, self.key_groups);
        self.write_all(&mut sections);
        self.write_moved_out(&|_| true, &mut sections);
        sections.finish(self.schema_id())
    }

    fn restore(&mut self, rows: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        rows.check_schema(self.schema_id())?;
        self.start_tracking();
        if !self.spill.has_budget() {
            let more = rows.rows_of_groups(groups.clone());
            if self.kind != JoinRows::Added {
                self.identities.reserve(more);
            }
            self.entries.reserve(more);
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
            true => self.write_all(&mut sections),
            false => self.write_changed(&mut sections),
        }
        let whole = |hash| !tracked || whole(key_group(hash, self.key_groups));
        self.write_moved_out(&whole, &mut sections);
        self.start_tracking();
        self.tracking.settle_all();
        self.spill.settle();
        sections.finish(self.schema_id())
    }

    fn apply(&mut self, changes: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        changes.check_schema(self.schema_id())?;
        self.start_tracking();
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

    fn each_entry(&self, each: &mut dyn FnMut(entries::Entry<'_>)) {
        for id in self.ids() {
            let numbers = [("count", self.count(id)), ("matches", self.matches(id))];
            each(entries::Entry { row: Some(self.row(id)), numbers: &numbers, ..entries::Entry::default() });
        }
    }

    fn clear(&mut self) {
        let mut spill = std::mem::take(&mut self.spill);
        spill.clear();
        *self = JoinTable { spill, ..JoinTable::new(self.kind, self.ttl_ms, self.key_groups) };
    }

    fn set_budget(&mut self, budget: &MemoryBudget) {
        self.spill.set_budget(budget);
    }

    fn tend(&mut self) -> Result<()> {
        if self.spill.is_due(self.keys.len()) {
            let used = in_use(self.bytes(), self.rows_in_memory(), self.entries.len());
            let surplus = self.spill.surplus(self.keys.len(), used);
            self.move_out(surplus);
        }
        self.spill.tend()
    }

    fn bytes(&self) -> usize {
        self.keys.bytes()
            + self.identities.bytes()
            + self.rows.memory()
            + self.chains.capacity() * size_of::<Chain>()
            + self.entries.capacity() * size_of::<Entry>()
            + self.tracking.bytes()
            + self.spill.memory()
    }

    fn len(&self) -> usize {
        self.rows_in_memory() + self.spill.rows()
    }
}
