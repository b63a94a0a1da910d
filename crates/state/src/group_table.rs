//! The value table: key → slot → cells, for groups that live on without end.
//!
//! Invariant: a key has at most one slot. With a time to live, a slot whose last change lies that far back
//! is never seen again: its key starts anew.

mod saved;

use crate::snapshot::write_prefixed;
use crate::spill::Spill;
use crate::tracking::Tracking;
use crate::{KeyIndex, SlotCells};
use tidemill_types::CellKind;
use tidemill_types::key::{EncodedKeys, hash};

/// So many slots are looked at in one search for what expired.
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
    spill: Spill,
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
            spill: Spill::default(),
            key_groups,
        }
    }

    /// The slot of each key. A new or expired key gets a neutral one; all count as changed now.
    pub fn resolve(&mut self, keys: &EncodedKeys, hashes: &[u64], now_ms: i64, slots: &mut Vec<u32>) {
        if !self.spill.is_empty() {
            self.bring_back(keys, hashes);
        }
        self.keys.resolve(keys, hashes, slots);
        self.spill.touch_all(slots, self.keys.capacity());
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

    /// The slot of a key that exists and was resolved since the table was tended last.
    pub fn lookup(&self, key: &[u8]) -> Option<u32> {
        let slot = self.keys.find(hash(key), key);
        if slot.is_none() {
            self.spill.missed(hash(key));
        }
        slot
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
        if self.ttl_ms == 0 || self.keys.capacity() == 0 {
            return;
        }
        let start = if self.swept >= self.keys.capacity() { 0 } else { self.swept };
        self.swept = start.saturating_add(SWEEP_SLOTS).min(self.keys.capacity());
        for slot in start as u32..self.swept as u32 {
            if self.expired(slot, now_ms) && self.keys.is_live(slot) {
                self.remove(slot);
            }
        }
        self.expire_moved_out(now_ms);
    }

    /// The slots in use, ascending. Groups that were moved out are not among them: see
    /// [`GroupTable::more_slots`].
    pub fn slots(&self) -> impl Iterator<Item = u32> {
        self.keys.ids()
    }

    /// Brings some of the groups back that were moved out, to see all of them one after another, and gives the slots
    /// in use; none: there are no more. Those that were seen are to be removed.
    pub fn more_slots(&mut self) -> Vec<u32> {
        while self.keys.len() < SWEEP_SLOTS && self.bring_any_back() {}
        self.slots().collect()
    }

    /// The key of a slot in use.
    pub fn key(&self, slot: u32) -> &[u8] {
        self.keys.key(slot)
    }
}
