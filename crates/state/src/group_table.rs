//! The value table: key → slot → cells, for groups that live on without end.
//!
//! Invariant: a key has at most one slot. With a time to live, a slot whose last change lies that far back
//! is never seen again: its key starts anew.

use crate::sections::{GONE, Sections};
use crate::snapshot::{Reader, write_prefixed};
use crate::tracking::Tracking;
use crate::{KeyIndex, SlotCells, SnapshotRows, StateTable};
use std::ops::Range;
use tidemill_types::key::{EncodedKeys, hash};
use tidemill_types::{CellKind, Result};

const SALT: u64 = 0x6772_6f75_7000_0001;
/// So many slots are looked at in one search for expired groups.
pub(crate) const SWEEP_SLOTS: usize = 4_096;

/// A table of groups.
#[derive(Debug, Clone)]
pub struct GroupTable {
    keys: KeyIndex,
    /// The values; read and changed in place.
    pub values: SlotCells,
    /// When each slot was last changed; only kept with a time to live.
    changed: Vec<i64>,
    ttl_ms: i64,
    /// The latest time it was told.
    now_ms: i64,
    /// Where the search for expired groups goes on.
    swept: usize,
    tracking: Tracking,
    key_groups: u32,
}

impl GroupTable {
    /// A table with cells of these kinds and so many counted sets. `ttl_ms` 0: groups live for ever.
    pub fn new(kinds: &[CellKind], sets: usize, ttl_ms: i64, key_groups: u32) -> Self {
        let values = SlotCells::new(kinds, sets);
        GroupTable {
            keys: KeyIndex::default(),
            values,
            changed: Vec::new(),
            ttl_ms,
            now_ms: i64::MIN,
            swept: 0,
            tracking: Tracking::default(),
            key_groups,
        }
    }

    /// The slot of each key. A new or expired key gets a neutral one; all count as changed now.
    pub fn resolve(&mut self, keys: &EncodedKeys, hashes: &[u64], now_ms: i64, slots: &mut Vec<u32>) {
        self.keys.resolve(keys, hashes, slots);
        self.values.grow(self.keys.capacity());
        self.tracking.grow(self.keys.capacity());
        self.tracking.touch_all(slots);
        if self.ttl_ms > 0 {
            self.now_ms = self.now_ms.max(now_ms);
            self.changed.resize(self.keys.capacity(), now_ms);
            self.touch(slots, now_ms);
        }
    }

    fn touch(&mut self, slots: &[u32], now_ms: i64) {
        for &slot in slots {
            let changed = &mut self.changed[slot as usize];
            if changed.saturating_add(self.ttl_ms) <= now_ms {
                self.values.clear(&[slot]);
            }
            *changed = now_ms;
        }
    }

    /// The slot of a key that exists.
    pub fn lookup(&self, key: &[u8]) -> Option<u32> {
        self.keys.find(hash(key), key)
    }

    /// Gives up a group.
    pub fn remove(&mut self, slot: u32) {
        self.values.clear(&[slot]);
        if self.tracking.release(slot) {
            let key = self.keys.key(slot);
            self.tracking.note_gone(self.keys.hash(slot), |out| write_prefixed(out, key));
        }
        self.keys.remove(slot);
    }

    #[inline]
    fn expired(&self, slot: u32, now_ms: i64) -> bool {
        self.ttl_ms > 0 && self.changed[slot as usize].saturating_add(self.ttl_ms) <= now_ms
    }

    /// Looks at some of the groups and gives up those that expired by now; needed only to get their memory back.
    /// A few calls see all groups.
    pub fn expire(&mut self, now_ms: i64) {
        if self.ttl_ms == 0 || self.keys.is_empty() {
            return;
        }
        let start = if self.swept >= self.keys.capacity() { 0 } else { self.swept };
        self.swept = start.saturating_add(SWEEP_SLOTS).min(self.keys.capacity());
        for slot in start as u32..self.swept as u32 {
            if self.expired(slot, now_ms) && self.keys.is_live(slot) {
                self.remove(slot);
            }
        }
    }

    /// The slots in use, ascending.
    pub fn slots(&self) -> impl Iterator<Item = u32> {
        self.keys.ids()
    }

    /// The key of a slot in use.
    pub fn key(&self, slot: u32) -> &[u8] {
        self.keys.key(slot)
    }
}

impl GroupTable {
    /// Row: key (prefixed), last change, values.
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

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let key = reader.prefixed()?;
        let known = self.keys.len();
        let slot = self.keys.resolve_one(hash(key), key);
        if self.keys.len() == known {
            self.values.clear(&[slot]);
        }
        self.values.grow(self.keys.capacity());
        self.tracking.grow(self.keys.capacity());
        self.tracking.settle(slot);
        let changed = reader.i64()?;
        if self.ttl_ms > 0 {
            self.changed.resize(self.keys.capacity(), changed);
            self.changed[slot as usize] = changed;
        }
        self.values.read(slot, reader)
    }
}

impl StateTable for GroupTable {
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
        match sections.any_whole() {
            true => self.write(self.keys.ids(), &mut sections),
            false => self.write(self.tracking.changed(), &mut sections),
        }
        self.tracking.start(self.keys.capacity(), self.keys.ids());
        self.tracking.settle_all();
        sections.finish(self.schema_id())
    }

    fn apply(&mut self, changes: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        changes.check_schema(self.schema_id())?;
        for section in changes.of_groups(groups) {
            let mut reader = Reader::new(&section.bytes);
            while !reader.is_done() {
                if reader.u8()? != GONE {
                    self.read(&mut reader)?;
                    continue;
                }
                let key = reader.prefixed()?;
                if let Some(slot) = self.keys.find(hash(key), key) {
                    self.tracking.forget(slot);
                    self.values.clear(&[slot]);
                    self.keys.remove(slot);
                }
            }
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.keys.clear();
        self.values.reset();
        self.changed.clear();
        // The next checkpoint has everything whole.
        self.tracking = Tracking::default();
    }

    fn bytes(&self) -> usize {
        self.keys.bytes() + self.values.bytes() + self.changed.capacity() * 8 + self.tracking.bytes()
    }

    fn len(&self) -> usize {
        self.keys.len()
    }
}
