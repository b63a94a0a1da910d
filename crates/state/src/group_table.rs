//! The value table: key → slot → cells, for groups that live on without end.
//!
//! Invariant: a key has at most one slot. With a time to live, a slot whose last change lies that far back
//! is never seen again: its key starts anew.

use crate::sections::Sections;
use crate::snapshot::{Reader, write_prefixed};
use crate::{KeyIndex, SlotCells, SnapshotRows, StateTable};
use std::ops::Range;
use tidemill_types::key::{EncodedKeys, hash};
use tidemill_types::{CellKind, Result};

const SALT: u64 = 0x6772_6f75_7000_0001;

/// A table of groups.
#[derive(Debug, Clone)]
pub struct GroupTable {
    keys: KeyIndex,
    /// The values; read and changed in place.
    pub values: SlotCells,
    /// When each slot was last changed; only kept with a time to live.
    changed: Vec<i64>,
    ttl_ms: i64,
    key_groups: u32,
}

impl GroupTable {
    /// A table with cells of these kinds and so many counted sets. `ttl_ms` 0: groups live for ever.
    pub fn new(kinds: &[CellKind], sets: usize, ttl_ms: i64, key_groups: u32) -> Self {
        let values = SlotCells::new(kinds, sets);
        GroupTable { keys: KeyIndex::default(), values, changed: Vec::new(), ttl_ms, key_groups }
    }

    /// The slot of each key. A new or expired key gets a neutral one; all count as changed now.
    pub fn resolve(&mut self, keys: &EncodedKeys, hashes: &[u64], now_ms: i64, slots: &mut Vec<u32>) {
        self.keys.resolve(keys, hashes, slots);
        self.values.grow(self.keys.capacity());
        if self.ttl_ms > 0 {
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
        self.keys.remove(slot);
    }

    /// Gives up all groups that expired by now; needed only to get their memory back.
    pub fn expire(&mut self, now_ms: i64) {
        if self.ttl_ms == 0 {
            return;
        }
        let old: Vec<u32> = self
            .slots()
            .filter(|&slot| self.changed[slot as usize].saturating_add(self.ttl_ms) <= now_ms)
            .collect();
        old.into_iter().for_each(|slot| self.remove(slot));
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

impl StateTable for GroupTable {
    fn schema_id(&self) -> u64 {
        self.values.schema_id() ^ SALT
    }

    /// Row: key (prefixed), last change, values.
    fn snapshot(&self, groups: Range<u32>) -> SnapshotRows {
        let mut sections = Sections::new(groups, self.key_groups);
        for slot in self.keys.ids() {
            if let Some(out) = sections.row(self.keys.hash(slot)) {
                write_prefixed(out, self.keys.key(slot));
                let changed = self.changed.get(slot as usize).copied().unwrap_or_default();
                out.extend_from_slice(&changed.to_le_bytes());
                self.values.write(slot, out);
            }
        }
        sections.finish(self.schema_id())
    }

    fn restore(&mut self, rows: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        rows.check_schema(self.schema_id())?;
        for section in rows.of_groups(groups) {
            let mut reader = Reader::new(&section.bytes);
            while !reader.is_done() {
                let key = reader.prefixed()?;
                let slot = self.keys.resolve_one(hash(key), key);
                self.values.grow(self.keys.capacity());
                let changed = reader.i64()?;
                if self.ttl_ms > 0 {
                    self.changed.resize(self.keys.capacity(), changed);
                    self.changed[slot as usize] = changed;
                }
                self.values.read(slot, &mut reader)?;
            }
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.keys.clear();
        self.values.reset();
        self.changed.clear();
    }

    fn bytes(&self) -> usize {
        self.keys.bytes() + self.values.bytes() + self.changed.capacity() * 8
    }

    fn len(&self) -> usize {
        self.keys.len()
    }
}
