//! How sessions get into checkpoints and back, and out of memory and back.
//!
//! Row: key (prefixed), start, end, values. What is gone: all sessions of a key.

use super::{Session, SessionTable};
use crate::entries::Entry;
use crate::sections::{GONE, Sections};
use crate::snapshot::{Reader, write_prefixed};
use crate::spill::{Back, Spill, in_use};
use crate::tracking::{CHANGED, UNSAVED};
use crate::{MemoryBudget, SnapshotRows, StateTable};
use std::cmp::Reverse;
use std::ops::Range;
use tidemill_types::key::{EncodedKeys, hash, key_group};
use tidemill_types::{CellKind, Result};

const SALT: u64 = 0x7365_7373_6900_0001;

impl SessionTable {
    fn write(&self, keys: impl Iterator<Item = u32>, sections: &mut Sections) {
        for id in keys {
            let changed = self.tracking.is_changed(id);
            for session in &self.sessions[id as usize] {
                if let Some(out) = sections.row(self.keys.hash(id), changed) {
                    write_prefixed(out, self.keys.key(id));
                    self.write_session(*session, out);
                }
            }
        }
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let key = reader.prefixed()?;
        self.take_back(hash(key), key);
        let id = self.keys.resolve_one(hash(key), key);
        self.sessions.resize(self.keys.capacity(), Vec::new());
        self.tracking.grow(self.keys.capacity());
        let (start, end) = (reader.i64()?, reader.i64()?);
        let slot = self.open(id, start, end);
        self.tracking.settle(id);
        self.spill.touch_all(&[id], self.keys.capacity());
        self.values.read(slot, reader)
    }

    /// Everything is in the checkpoint now.
    fn settle(&mut self) {
        self.tracking.start(self.keys.capacity(), self.keys.ids());
        let changed = self.tracking.changed();
        let empty: Vec<u32> = changed.filter(|&id| self.sessions[id as usize].is_empty()).collect();
        self.tracking.settle_all();
        empty.into_iter().for_each(|id| self.tracking.forget(id));
    }

    fn apply_gone(&mut self, key: &[u8]) {
        self.take_back(hash(key), key);
        let Some(id) = self.keys.find(hash(key), key) else { return };
        while let Some(last) = self.sessions[id as usize].len().checked_sub(1) {
            let slot = self.remove(id, last).slot;
            self.release(&[slot]);
        }
        self.tracking.forget(id);
    }
    fn write_session(&self, session: Session, out: &mut Vec<u8>) {
        out.extend_from_slice(&session.start.to_le_bytes());
        out.extend_from_slice(&session.end.to_le_bytes());
        self.values.write(session.slot, out);
    }

    /// Payload: mark, then for each session the length of what follows, start, end, values.
    fn write_moved_out(&self, whole: &dyn Fn(u64) -> bool, sections: &mut Sections) {
        self.spill.see(whole, |hash, key, payload, fresh| {
            let Some((&mark, payload)) = payload.split_first() else { return };
            let changed = fresh && mark & CHANGED != 0;
            if changed && mark & UNSAVED == 0 {
                sections.gone(hash).into_iter().for_each(|out| write_prefixed(out, key));
            }
            let mut reader = Reader::new(payload);
            while let Ok(session) = reader.prefixed() {
                if let Some(out) = sections.row(hash, changed) {
                    write_prefixed(out, key);
                    out.extend_from_slice(session);
                }
            }
        });
    }

    pub(super) fn bring_back(&mut self, keys: &EncodedKeys, hashes: &[u64]) {
        keys.iter().zip(hashes).for_each(|(key, &hash)| self.take_back(hash, key));
    }

    fn take_back(&mut self, hash: u64, key: &[u8]) {
        if !self.spill.is_empty()
            && self.keys.find(hash, key).is_none()
            && let Some(back) = self.spill.take(hash, key)
        {
            self.put_back(hash, &back);
        }
    }

    pub(super) fn bring_due_back(&mut self, hash: u64) {
        let back = self.spill.take_hash(hash);
        back.iter().for_each(|back| self.put_back(hash, back));
    }

    fn put_back(&mut self, hash: u64, back: &Back) {
        let id = self.keys.resolve_one(hash, back.key());
        self.sessions.resize(self.keys.capacity(), Vec::new());
        self.tracking.grow(self.keys.capacity());
        self.spill.touch_all(&[id], self.keys.capacity());
        let mut reader = Reader::new(back.payload());
        let done = reader.u8().and_then(|mark| {
            while !reader.is_done() {
                let mut row = Reader::new(reader.prefixed()?);
                let (start, end) = (row.i64()?, row.i64()?);
                let slot = self.open(id, start, end);
                self.values.read(slot, &mut row)?;
            }
            self.tracking.set_mark(id, mark, back.settled);
            Ok(())
        });
        if let Err(error) = done {
            self.spill.fail(error);
        }
    }

    fn move_out(&mut self, surplus: usize) {
        let held = |id: u32| self.keys.is_live(id) && !self.sessions[id as usize].is_empty();
        let chosen = self.spill.choose(surplus, self.keys.capacity(), held);
        let (mut payload, mut row) = (Vec::new(), Vec::new());
        for id in chosen {
            let sessions = std::mem::take(&mut self.sessions[id as usize]);
            let mark = self.tracking.mark(id);
            payload.clear();
            payload.push(mark);
            for &session in &sessions {
                row.clear();
                self.write_session(session, &mut row);
                write_prefixed(&mut payload, &row);
            }
            let (hash, changed) = (self.keys.hash(id), mark & CHANGED != 0);
            self.spill.put(hash, self.keys.key(id), sessions.len(), changed, &payload);
            self.due_out.push(Reverse((sessions[0].end, hash)));
            let slots: Vec<u32> = sessions.iter().map(|session| session.slot).collect();
            slots.iter().for_each(|&slot| self.owners[slot as usize].live = false);
            self.release(&slots);
            self.used_keys -= 1;
            self.tracking.forget(id);
            self.keys.remove(id);
        }
    }

    fn fresh(&self, spill: Spill) -> Self {
        let kinds: Vec<CellKind> = self.values.cells.iter().map(|cells| cells.kind()).collect();
        SessionTable { spill, ..SessionTable::new(&kinds, self.values.sets.len(), self.key_groups) }
    }
}

impl StateTable for SessionTable {
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
        for id in self.tracking.changed().filter(|&id| !self.tracking.is_unsaved(id)) {
            if let Some(out) = sections.gone(self.keys.hash(id)) {
                write_prefixed(out, self.keys.key(id));
            }
        }
        match sections.any_whole() {
            true => self.write(self.keys.ids(), &mut sections),
            false => self.write(self.tracking.changed(), &mut sections),
        }
        let whole = |hash| !tracked || whole(key_group(hash, self.key_groups));
        self.write_moved_out(&whole, &mut sections);
        self.settle();
        self.spill.settle();
        sections.finish(self.schema_id())
    }

    fn apply(&mut self, changes: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        changes.check_schema(self.schema_id())?;
        self.tracking.start(self.keys.capacity(), self.keys.ids());
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
        for id in self.keys.ids() {
            for session in self.sessions(id) {
                let numbers = [("start", session.start), ("end", session.end)];
                let (key, cells) = (Some(self.key(id)), Some((&self.values, session.slot)));
                each(Entry { key, numbers: &numbers, cells, ..Entry::default() });
            }
        }
    }

    fn clear(&mut self) {
        let mut spill = std::mem::take(&mut self.spill);
        spill.clear();
        *self = self.fresh(spill);
    }

    fn set_budget(&mut self, budget: &MemoryBudget) {
        self.spill.set_budget(budget);
    }

    fn tend(&mut self) -> Result<()> {
        if self.spill.is_due(self.keys.len()) {
            let used = in_use(self.bytes(), self.owners.len() - self.free.len(), self.owners.len());
            let surplus = self.spill.surplus(self.keys.len(), used);
            self.move_out(surplus);
        }
        self.spill.tend()
    }

    fn bytes(&self) -> usize {
        self.keys.bytes()
            + self.values.bytes()
            + self.sessions.iter().map(|s| 24 + s.capacity() * size_of::<Session>()).sum::<usize>()
            + self.owners.capacity() * size_of::<super::Owner>()
            + self.due.memory()
            + self.tracking.bytes()
            + self.due_out.capacity() * 16
            + self.spill.memory()
    }

    fn len(&self) -> usize {
        self.owners.len() - self.free.len() + self.spill.rows()
    }
}
