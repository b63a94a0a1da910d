//! The value table of sessions: key → spans that grow and merge, each with a slot of cells.
//!
//! Invariant: the spans of a key neither overlap nor touch. A due entry may be older than its span has
//! become; it is set right when it comes to the front, so growing a span costs nothing.

mod saved;

use crate::agenda::Agenda;
use crate::snapshot::write_prefixed;
use crate::spill::Spill;
use crate::tracking::Tracking;
use crate::{KeyIndex, SlotCells};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use tidemill_types::CellKind;
use tidemill_types::key::EncodedKeys;

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
    /// Ends with slot and generation.
    due: Agenda<(u32, u32)>,
    /// By key, since sessions grow and merge.
    tracking: Tracking,
    /// By key.
    spill: Spill,
    /// The first end of each key that was moved out, with its hash; perhaps of keys that are back.
    due_out: BinaryHeap<Reverse<(i64, u64)>>,
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
            due: Agenda::default(),
            tracking: Tracking::default(),
            spill: Spill::default(),
            due_out: BinaryHeap::new(),
            key_groups,
        }
    }

    /// The number of each key.
    pub fn intern(&mut self, keys: &EncodedKeys, hashes: &[u64], ids: &mut Vec<u32>) {
        if !self.spill.is_empty() {
            self.bring_back(keys, hashes);
        }
        self.keys.resolve(keys, hashes, ids);
        self.spill.touch_all(ids, self.keys.capacity());
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
        self.due.push(end, (slot, owner.generation));
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

    /// The end of the session that ends first, whose key is brought back.
    pub fn next_end(&mut self) -> Option<i64> {
        loop {
            let end = self.next_end_in_memory();
            let out = self.due_out.peek().map(|Reverse(out)| *out);
            match out.filter(|(out, _)| end.is_none_or(|end| *out <= end)) {
                None => return end,
                Some((_, hash)) => {
                    self.due_out.pop();
                    self.bring_due_back(hash);
                }
            }
        }
    }

    fn next_end_in_memory(&mut self) -> Option<i64> {
        while let Some((end, (slot, generation))) = self.due.first() {
            let owner = self.owners[slot as usize];
            let live = owner.live && owner.generation == generation;
            let now = live.then(|| self.session_of(slot).1.end);
            if now == Some(end) {
                return now;
            }
            self.due.pop();
            now.into_iter().for_each(|now| self.due.push(now, (slot, generation)));
        }
        None
    }

    /// A time at or before the end of the session that ends first.
    pub fn earliest_end(&self) -> Option<i64> {
        let end = self.due.first().map(|(end, _)| end);
        let out = self.due_out.peek().map(|Reverse((end, _))| *end);
        end.into_iter().chain(out).min()
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
        self.pop_next()
    }

    /// The same right after [`SessionTable::next_end`] told of it.
    #[inline]
    pub fn pop_next(&mut self) -> Option<(u32, Session)> {
        let (_, (slot, _)) = self.due.pop()?;
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
}
