//! The value table of sessions: key → spans that grow and merge, each with a slot of cells.
//!
//! Invariant: the spans of a key neither overlap nor touch. A due entry may be older than its span has
//! become; it is set right when it comes to the front, so growing a span costs nothing.

use crate::sections::{GONE, Sections};
use crate::snapshot::{Reader, write_prefixed};
use crate::tracking::Tracking;
use crate::{KeyIndex, SlotCells, SnapshotRows, StateTable};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use tidemill_types::key::{EncodedKeys, hash};
use tidemill_types::{CellKind, Result};

const SALT: u64 = 0x7365_7373_6900_0001;

/// One session of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Its start in ms.
    pub start: i64,
    /// Its end in ms, exclusive.
    pub end: i64,
    /// Where its values are.
    pub slot: u32,
}

/// Whose a slot is; the generation tells its users apart.
#[derive(Debug, Clone, Copy, Default)]
struct Owner {
    key: u32,
    generation: u32,
    live: bool,
}

/// A table of sessions.
#[derive(Debug, Clone)]
pub struct SessionTable {
    keys: KeyIndex,
    sessions: Vec<Vec<Session>>,
    used_keys: usize,
    /// The values; read and changed in place.
    pub values: SlotCells,
    owners: Vec<Owner>,
    free: Vec<u32>,
    due: BinaryHeap<Reverse<(i64, u32, u32)>>,
    /// By key, since sessions grow and merge.
    tracking: Tracking,
    key_groups: u32,
}

impl SessionTable {
    /// A table with cells of these kinds and so many counted sets.
    pub fn new(kinds: &[CellKind], sets: usize, key_groups: u32) -> Self {
        SessionTable {
            keys: KeyIndex::default(),
            sessions: Vec::new(),
            used_keys: 0,
            values: SlotCells::new(kinds, sets),
            owners: Vec::new(),
            free: Vec::new(),
            due: BinaryHeap::new(),
            tracking: Tracking::default(),
            key_groups,
        }
    }

    /// The number of each key.
    pub fn intern(&mut self, keys: &EncodedKeys, hashes: &[u64], ids: &mut Vec<u32>) {
        self.keys.resolve(keys, hashes, ids);
        self.sessions.resize(self.keys.capacity(), Vec::new());
        self.tracking.grow(self.keys.capacity());
    }

    /// Which sessions of a key overlap or touch a span.
    #[inline]
    pub fn touching(&self, key: u32, start: i64, end: i64) -> Range<usize> {
        let sessions = &self.sessions[key as usize];
        let first = sessions.partition_point(|session| session.end < start);
        let after = sessions[first..].partition_point(|session| session.start <= end);
        first..first + after
    }

    /// The sessions of a key, ascending.
    pub fn sessions(&self, key: u32) -> &[Session] {
        &self.sessions[key as usize]
    }

    /// Opens a session that touches no other.
    pub fn open(&mut self, key: u32, start: i64, end: i64) -> u32 {
        self.tracking.touch(key);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.owners.push(Owner::default());
            self.owners.len() as u32 - 1
        });
        self.values.grow(self.owners.len());
        let owner = &mut self.owners[slot as usize];
        *owner = Owner { key, generation: owner.generation.wrapping_add(1), live: true };
        self.due.push(Reverse((end, slot, owner.generation)));
        let sessions = &mut self.sessions[key as usize];
        self.used_keys += usize::from(sessions.is_empty());
        let at = sessions.partition_point(|session| session.start < start);
        sessions.insert(at, Session { start, end, slot });
        slot
    }

    /// Grows a session of a key over a span; gives its slot, whose values may be changed.
    #[inline]
    pub fn grow(&mut self, key: u32, at: usize, start: i64, end: i64) -> u32 {
        self.tracking.touch(key);
        let session = &mut self.sessions[key as usize][at];
        session.start = session.start.min(start);
        session.end = session.end.max(end);
        session.slot
    }

    /// Takes a session out without its values; the slot is to be given to [`SessionTable::release`].
    pub fn remove(&mut self, key: u32, at: usize) -> Session {
        self.tracking.touch(key);
        let sessions = &mut self.sessions[key as usize];
        let session = sessions.remove(at);
        if sessions.is_empty() {
            self.used_keys -= 1;
        }
        self.owners[session.slot as usize].live = false;
        session
    }

    /// Gives up the slots of sessions that were taken out.
    pub fn release(&mut self, slots: &[u32]) {
        self.values.clear(slots);
        self.free.extend_from_slice(slots);
    }

    /// The end of the session that ends first.
    pub fn next_end(&mut self) -> Option<i64> {
        while let Some(&Reverse((end, slot, generation))) = self.due.peek() {
            let owner = self.owners[slot as usize];
            let live = owner.live && owner.generation == generation;
            let now = live.then(|| self.session_of(slot).1.end);
            if now == Some(end) {
                return now;
            }
            self.due.pop();
            now.into_iter().for_each(|now| self.due.push(Reverse((now, slot, generation))));
        }
        None
    }

    /// A time at or before the end of the session that ends first.
    pub fn earliest_end(&self) -> Option<i64> {
        self.due.peek().map(|Reverse((end, ..))| *end)
    }

    fn session_of(&self, slot: u32) -> (usize, Session) {
        let sessions = &self.sessions[self.owners[slot as usize].key as usize];
        let at = sessions.iter().position(|session| session.slot == slot);
        let at = at.expect("a live slot belongs to a session");
        (at, sessions[at])
    }

    /// Takes out the session that ends first; its values stay until [`SessionTable::release`].
    pub fn pop(&mut self) -> Option<(u32, Session)> {
        self.next_end()?;
        let Reverse((_, slot, _)) = self.due.pop()?;
        let key = self.owners[slot as usize].key;
        let (at, _) = self.session_of(slot);
        Some((key, self.remove(key, at)))
    }

    /// The bytes of a key.
    pub fn key(&self, key: u32) -> &[u8] {
        self.keys.key(key)
    }

    /// Forgets keys without sessions, if they are more than `tolerated` and than those with. Numbers from
    /// [`SessionTable::intern`] end here.
    pub fn sweep(&mut self, tolerated: usize) {
        let unused = self.keys.len() - self.used_keys;
        if unused <= tolerated.max(self.used_keys) {
            return;
        }
        for id in 0..self.keys.capacity() as u32 {
            if self.sessions[id as usize].is_empty() && self.keys.is_live(id) {
                self.sessions[id as usize] = Vec::new();
                if self.tracking.release(id) {
                    let key = self.keys.key(id);
                    self.tracking.note_gone(self.keys.hash(id), |out| write_prefixed(out, key));
                }
                self.keys.remove(id);
            }
        }
    }

    /// Row: key (prefixed), start, end, values. What is gone: all sessions of a key.
    fn write(&self, keys: impl Iterator<Item = u32>, sections: &mut Sections) {
        for id in keys {
            let changed = self.tracking.is_changed(id);
            for session in &self.sessions[id as usize] {
                if let Some(out) = sections.row(self.keys.hash(id), changed) {
                    write_prefixed(out, self.keys.key(id));
                    out.extend_from_slice(&session.start.to_le_bytes());
                    out.extend_from_slice(&session.end.to_le_bytes());
                    self.values.write(session.slot, out);
                }
            }
        }
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let key = reader.prefixed()?;
        let id = self.keys.resolve_one(hash(key), key);
        self.sessions.resize(self.keys.capacity(), Vec::new());
        self.tracking.grow(self.keys.capacity());
        let (start, end) = (reader.i64()?, reader.i64()?);
        let slot = self.open(id, start, end);
        self.tracking.settle(id);
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
        let Some(id) = self.keys.find(hash(key), key) else { return };
        while let Some(last) = self.sessions[id as usize].len().checked_sub(1) {
            let slot = self.remove(id, last).slot;
            self.release(&[slot]);
        }
        self.tracking.forget(id);
    }
}

impl StateTable for SessionTable {
    fn schema_id(&self) -> u64 {
        self.values.schema_id() ^ SALT
    }

    fn snapshot(&self, groups: Range<u32>) -> SnapshotRows {
        let mut sections = Sections::new(groups, self.key_groups);
        self.write(self.keys.ids(), &mut sections);
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
        self.settle();
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
        }
        Ok(())
    }

    fn clear(&mut self) {
        let kinds: Vec<CellKind> = self.values.cells.iter().map(|cells| cells.kind()).collect();
        *self = SessionTable::new(&kinds, self.values.sets.len(), self.key_groups);
    }

    fn bytes(&self) -> usize {
        self.keys.bytes()
            + self.values.bytes()
            + self.sessions.iter().map(|s| 24 + s.capacity() * size_of::<Session>()).sum::<usize>()
            + self.owners.capacity() * size_of::<Owner>()
            + self.due.capacity() * 16
            + self.tracking.bytes()
    }

    fn len(&self) -> usize {
        self.owners.len() - self.free.len()
    }
}
