//! The ordered table: (key, sort key) → row bytes, rows of a key in the order of their sort keys.
//!
//! A key is found by its hash, its rows by their sort keys. A key lives while it has a row.
//! A key must be loaded before its rows are only read; what changes them brings them back by itself.
//! Invariant: keys and sort keys are in the key encoding, so byte order is the order of the values.

mod rows;
mod saved;

use crate::KeyIndex;
use crate::group_table::SWEEP_SLOTS;
use crate::snapshot::write_prefixed;
use crate::spill::Spill;
use crate::tracking::Tracking;
use rows::{Row, Rows};
use tidemill_types::key::{EncodedKeys, hash};

/// Rows by key in order.
#[derive(Debug, Clone)]
pub struct OrderedTable {
    keys: KeyIndex,
    /// The rows of each key number.
    rows: Vec<Rows>,
    len: usize,
    /// What the rows of all keys take.
    bytes: usize,
    /// By key; each row knows for itself whether it changed.
    tracking: Tracking,
    /// By key.
    spill: Spill,
    key_groups: u32,
}

impl OrderedTable {
    /// An empty table.
    pub fn new(key_groups: u32) -> Self {
        OrderedTable {
            keys: KeyIndex::default(),
            rows: Vec::new(),
            len: 0,
            bytes: 0,
            tracking: Tracking::default(),
            spill: Spill::default(),
            key_groups,
        }
    }

    fn find(&self, key: &[u8]) -> Option<u32> {
        self.keys.find(hash(key), key)
    }

    /// The number of a key, to change its rows.
    fn find_loaded(&mut self, key: &[u8]) -> Option<u32> {
        self.load_one(key);
        self.find(key)
    }

    fn of_key(&self, key: &[u8]) -> Option<&Rows> {
        let hash = hash(key);
        let found = self.keys.find(hash, key);
        if found.is_none() {
            self.spill.missed(hash);
        }
        found.map(|id| &self.rows[id as usize])
    }

    /// Brings back the rows of these keys; to be done for the keys of a chunk before their rows are read.
    pub fn load(&mut self, keys: &EncodedKeys) {
        if self.spill.has_budget() {
            keys.iter().for_each(|key| self.load_one(key));
        }
    }

    /// Brings back the rows of a key.
    pub fn load_one(&mut self, key: &[u8]) {
        if !self.spill.has_budget() {
            return;
        }
        let hash = hash(key);
        match self.keys.find(hash, key) {
            Some(id) => self.spill.touch_all(&[id], self.keys.capacity()),
            None => {
                if let Some(back) = self.spill.take(hash, key) {
                    self.put_back(&back);
                }
            }
        }
    }

    fn resolve(&mut self, key: &[u8]) -> u32 {
        self.load_one(key);
        self.number(key)
    }

    fn number(&mut self, key: &[u8]) -> u32 {
        let id = self.keys.resolve_one(hash(key), key);
        if self.rows.len() < self.keys.capacity() {
            self.rows.resize_with(self.keys.capacity(), Rows::default);
            self.tracking.grow(self.keys.capacity());
        }
        self.spill.touch_all(&[id], self.keys.capacity());
        id
    }

    /// Sets a row; gives the one that was there.
    pub fn insert(&mut self, key: &[u8], sort_key: &[u8], row: &[u8]) -> Option<Box<[u8]>> {
        let id = self.resolve(key);
        self.tracking.touch(id);
        self.put(id, sort_key, Row { bytes: row.into(), changed: true, saved: false }).map(|old| old.bytes)
    }

    fn put(&mut self, id: u32, sort_key: &[u8], row: Row) -> Option<Row> {
        self.bytes += row_bytes(sort_key, &row.bytes);
        let rows = &mut self.rows[id as usize];
        let held = rows.held_bytes();
        let old = rows.insert(sort_key, row);
        self.bytes = self.bytes + rows.held_bytes() - held;
        match &old {
            None => self.len += 1,
            Some(old) => self.bytes -= row_bytes(sort_key, &old.bytes),
        }
        old
    }

    /// Takes a row out.
    pub fn remove(&mut self, key: &[u8], sort_key: &[u8]) -> Option<Box<[u8]>> {
        let id = self.find_loaded(key)?;
        let rows = &mut self.rows[id as usize];
        let held = rows.held_bytes();
        let old = rows.remove(sort_key)?;
        self.bytes = self.bytes + rows.held_bytes() - held;
        self.note_gone(id, sort_key, &old);
        self.drop_if_empty(id);
        Some(old.bytes)
    }

    fn note_gone(&mut self, id: u32, sort_key: &[u8], old: &Row) {
        self.bytes -= row_bytes(sort_key, &old.bytes);
        self.len -= 1;
        if old.saved && self.tracking.is_on() {
            let key = self.keys.key(id);
            self.tracking.note_gone(self.keys.hash(id), |out| {
                write_prefixed(out, key);
                write_prefixed(out, sort_key);
            });
        }
    }

    fn drop_if_empty(&mut self, id: u32) {
        if self.rows[id as usize].len() == 0 {
            self.bytes -= self.rows[id as usize].held_bytes();
            self.rows[id as usize] = Rows::default();
            self.tracking.release(id);
            self.keys.remove(id);
        }
    }

    /// A row.
    pub fn get(&self, key: &[u8], sort_key: &[u8]) -> Option<&[u8]> {
        self.of_key(key)?.get(sort_key).map(|row| row.bytes.as_ref())
    }

    /// The rows of a key with their sort keys, ascending.
    pub fn range(&self, key: &[u8]) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> {
        let rows = self.of_key(key).map(Rows::iter).into_iter().flatten();
        rows.map(|(sort_key, row)| (sort_key, row.bytes.as_ref()))
    }

    /// The rows of a key from this sort key on, ascending.
    pub fn range_from(&self, key: &[u8], sort_key: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
        let rows = self.of_key(key).map(|rows| rows.iter_from(sort_key)).into_iter().flatten();
        rows.map(|(sort_key, row)| (sort_key, row.bytes.as_ref()))
    }

    /// Takes out the rows of a key whose sort keys are below `end`, ascending.
    pub fn take_below(&mut self, key: &[u8], end: &[u8]) -> Vec<(Box<[u8]>, Box<[u8]>)> {
        let Some(id) = self.find_loaded(key) else { return Vec::new() };
        let rows = &mut self.rows[id as usize];
        let held = rows.held_bytes();
        let taken = rows.take_below(end);
        self.bytes = self.bytes + rows.held_bytes() - held;
        taken.iter().for_each(|(sort_key, row)| self.note_gone(id, sort_key, row));
        self.drop_if_empty(id);
        taken.into_iter().map(|(sort_key, row)| (sort_key, row.bytes)).collect()
    }

    /// How many rows a loaded key has, with the last sort key; `hash` is that of the key.
    #[inline]
    pub fn last_of(&self, hash: u64, key: &[u8]) -> Option<(usize, &[u8])> {
        let rows = &self.rows[self.keys.find(hash, key)? as usize];
        rows.iter().next_back().map(|(last, _)| (rows.len(), last))
    }

    /// How many rows a key has.
    pub fn rows_of(&self, key: &[u8]) -> usize {
        self.of_key(key).map_or(0, Rows::len)
    }

    /// Gives up the rows in memory and brings some of those back that were moved out, to see all rows one after
    /// another; false: there are no more.
    pub fn next_part(&mut self) -> bool {
        let spill = std::mem::take(&mut self.spill);
        *self = OrderedTable { spill, ..OrderedTable::new(self.key_groups) };
        while self.len < SWEEP_SLOTS
            && let Some(back) = self.spill.take_any()
        {
            self.put_back(&back);
        }
        self.len > 0
    }

    /// The keys that have rows in memory, ascending, each once.
    pub fn keys(&self) -> Vec<Box<[u8]>> {
        let mut keys: Vec<Box<[u8]>> = self.keys.ids().map(|id| self.keys.key(id).into()).collect();
        keys.sort_unstable();
        keys
    }
}

/// What a row takes outside the list or tree of its key.
fn row_bytes(sort_key: &[u8], row: &[u8]) -> usize {
    allocated(sort_key.len()) + allocated(row.len())
}

/// What an allocation of so many bytes takes.
fn allocated(bytes: usize) -> usize {
    bytes.next_multiple_of(8)
}
