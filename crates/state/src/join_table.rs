//! The table of one side of a join: key → multiset of rows, each with how many rows of the other side match it.
//!
//! Rows of a key are chained in the order in which they came, so that a row costs no allocation of its own.
//! What identifies a row is all of it, or, in a table of unique rows, a part that the caller gives (the key is
//! a function of it): there a row takes the place of the one with the same identity. Rows that are only added, and never
//! change, need no identity: each is an entry of its own.
//! Invariant: rows of equal identity are one entry with a count above 0 (1 if unique); a key lives while it
//! has an entry. With a time to live, a row whose last change lies that far back is never seen again.

mod saved;

use crate::KeyIndex;
use crate::group_table::SWEEP_SLOTS;
use crate::row_arena::RowArena;
use crate::snapshot::write_prefixed;
use crate::spill::Spill;
use crate::tracking::Tracking;
use tidemill_types::key::{EncodedKeys, hash};

const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Entry {
    key: u32,
    previous: u32,
    next: u32,
    count: i64,
    matches: i64,
    changed: i64,
    /// Where the row lies if its identity is not all of it.
    row: u32,
}

/// What identifies the rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinRows {
    /// All of each; equal rows are counted.
    Counted,
    /// A part of each: a row takes the place of the one before.
    Unique,
    /// Nothing: rows are only added, without a time to live, and nobody asks how many rows match them.
    Added,
}

/// The first and the last row of a key.
#[derive(Debug, Clone, Copy)]
struct Chain {
    first: u32,
    last: u32,
}

/// The rows of one side.
#[derive(Debug, Clone)]
pub struct JoinTable {
    keys: KeyIndex,
    chains: Vec<Chain>,
    kind: JoinRows,
    /// The identities: counted rows, or what of a unique row identifies it.
    identities: KeyIndex,
    entries: Vec<Entry>,
    /// The rows if they are not their identities.
    rows: RowArena,
    ttl_ms: i64,
    /// The latest time it was told.
    now_ms: i64,
    /// Where the search for expired rows goes on.
    swept: usize,
    tracking: Tracking,
    /// By key.
    spill: Spill,
    key_groups: u32,
}

impl JoinTable {
    /// An empty table. `ttl_ms` 0: rows live until they are taken back.
    pub fn new(kind: JoinRows, ttl_ms: i64, key_groups: u32) -> Self {
        debug_assert!(ttl_ms == 0 || kind != JoinRows::Added, "what has no identity can't be forgotten");
        JoinTable {
            keys: KeyIndex::default(),
            chains: Vec::new(),
            kind,
            identities: KeyIndex::default(),
            entries: Vec::new(),
            rows: RowArena::default(),
            ttl_ms,
            now_ms: i64::MIN,
            swept: 0,
            tracking: Tracking::default(),
            spill: Spill::default(),
            key_groups,
        }
    }

    /// Brings back the rows of these keys; to be done for the keys of a chunk before anything else.
    pub fn load(&mut self, keys: &EncodedKeys, hashes: &[u64]) {
        if self.spill.has_budget() {
            keys.iter().zip(hashes).for_each(|(key, &hash)| self.load_one(hash, key));
        }
    }

    fn load_one(&mut self, hash: u64, key: &[u8]) {
        match self.keys.find(hash, key) {
            Some(id) => self.spill.touch_all(&[id], self.keys.capacity()),
            None if self.spill.is_empty() => self.spill.note_work(1),
            None => {
                if let Some(back) = self.spill.take(hash, key) {
                    self.put_back(hash, &back);
                }
            }
        }
    }

    /// Adds one row that so many rows of the other side match; a unique one replaces the one before.
    pub fn add(&mut self, key: (u64, &[u8]), identity: &[u8], row: &[u8], matches: i64, now_ms: i64) {
        if !self.spill.is_empty() {
            self.load_one(key.0, key.1);
        }
        if self.kind == JoinRows::Added {
            let id = self.link(key, 0, &[], row);
            self.entries[id as usize].count = 1;
            return self.tracking.touch(id);
        }
        let row_hash = hash(identity);
        let id = match self.identities.find(row_hash, identity) {
            Some(id) if self.expired(id, now_ms) => {
                self.remove(id);
                self.link(key, row_hash, identity, row)
            }
            Some(id) => {
                self.replace(id, row);
                id
            }
            None => self.link(key, row_hash, identity, row),
        };
        self.now_ms = self.now_ms.max(now_ms);
        self.tracking.touch(id);
        let entry = &mut self.entries[id as usize];
        entry.count += 1;
        entry.matches = matches;
        entry.changed = now_ms;
    }

    /// Puts a unique row into the place of the one before.
    fn replace(&mut self, id: u32, row: &[u8]) {
        if self.kind == JoinRows::Unique {
            let entry = &mut self.entries[id as usize];
            self.rows.remove(entry.row);
            (entry.row, entry.count) = (self.rows.push(row), 0);
        }
    }

    fn link(&mut self, (key_hash, key): (u64, &[u8]), row_hash: u64, identity: &[u8], row: &[u8]) -> u32 {
        let key = self.keys.resolve_one(key_hash, key);
        let row = if self.kind == JoinRows::Counted { NONE } else { self.rows.push(row) };
        let id =
            if self.kind == JoinRows::Added { row } else { self.identities.resolve_one(row_hash, identity) };
        if self.chains.len() <= key as usize {
            self.chains.resize(key as usize + 1, Chain { first: NONE, last: NONE });
        }
        let chain = &mut self.chains[key as usize];
        let entry = Entry { key, previous: chain.last, next: NONE, count: 0, matches: 0, changed: 0, row };
        match chain.last {
            NONE => chain.first = id,
            last => self.entries[last as usize].next = id,
        }
        chain.last = id;
        match self.entries.get_mut(id as usize) {
            Some(place) => *place = entry,
            None => self.entries.push(entry),
        }
        self.tracking.grow(self.entries.len());
        id
    }

    /// Takes back one row of this identity, whose key was loaded; false if there is none.
    pub fn retract(&mut self, identity: &[u8], now_ms: i64) -> bool {
        let Some(id) = self.identities.find(hash(identity), identity).filter(|&id| !self.expired(id, now_ms))
        else {
            return false;
        };
        self.tracking.touch(id);
        let entry = &mut self.entries[id as usize];
        entry.count -= 1;
        entry.changed = now_ms;
        if entry.count == 0 {
            self.remove(id);
        }
        true
    }

    /// Gives up a row, and notes that if a checkpoint has it.
    fn remove(&mut self, id: u32) {
        if self.tracking.release(id) {
            let (key, row) = (self.entries[id as usize].key, self.identities.key(id));
            self.tracking.note_gone(self.keys.hash(key), |out| {
                write_prefixed(out, self.keys.key(key));
                write_prefixed(out, row);
            });
        }
        self.unlink(id);
    }

    fn unlink(&mut self, id: u32) {
        let Entry { key, previous, next, row, .. } = self.entries[id as usize];
        if self.kind != JoinRows::Counted {
            self.rows.remove(row);
        }
        let chain = &mut self.chains[key as usize];
        match previous {
            NONE => chain.first = next,
            previous => self.entries[previous as usize].next = next,
        }
        match next {
            NONE => chain.last = previous,
            next => self.entries[next as usize].previous = previous,
        }
        let empty = chain.first == NONE;
        if self.kind != JoinRows::Added {
            self.identities.remove(id);
        }
        if empty {
            self.keys.remove(key);
        }
    }

    #[inline]
    fn expired(&self, id: u32, now_ms: i64) -> bool {
        self.ttl_ms > 0 && self.entries[id as usize].changed.saturating_add(self.ttl_ms) <= now_ms
    }

    /// Looks at some of the rows and gives up those that expired by now; needed only to get their memory back.
    /// A few calls see all rows.
    pub fn expire(&mut self, now_ms: i64) {
        if self.ttl_ms == 0 || self.identities.capacity() == 0 {
            return;
        }
        let start = if self.swept >= self.identities.capacity() { 0 } else { self.swept };
        self.swept = start.saturating_add(SWEEP_SLOTS).min(self.identities.capacity());
        for id in start as u32..self.swept as u32 {
            if self.identities.is_live(id) && self.expired(id, now_ms) {
                self.remove(id);
            }
        }
        self.expire_moved_out(now_ms);
    }

    /// The ids of the rows of a key that was loaded, in the order in which they came.
    pub fn of_key(&self, key_hash: u64, key: &[u8], now_ms: i64) -> impl Iterator<Item = u32> {
        let found = self.keys.find(key_hash, key);
        if found.is_none() {
            self.spill.missed(key_hash);
        }
        let first = found.map_or(NONE, |key| self.chains[key as usize].first);
        let mut next = first;
        std::iter::from_fn(move || {
            let id = next;
            (id != NONE).then(|| {
                next = self.entries[id as usize].next;
                id
            })
        })
        .filter(move |&id| !self.expired(id, now_ms))
    }

    /// Gives up the rows in memory and brings some of those back that were moved out, to see all rows one after
    /// another; false: there are no more.
    pub fn next_part(&mut self) -> bool {
        let spill = std::mem::take(&mut self.spill);
        *self = JoinTable { spill, ..JoinTable::new(self.kind, self.ttl_ms, self.key_groups) };
        while self.rows_in_memory() < SWEEP_SLOTS
            && let Some(back) = self.spill.take_any()
        {
            self.put_back(hash(back.key()), &back);
        }
        self.rows_in_memory() > 0
    }

    /// The ids of the rows in memory.
    pub fn ids(&self) -> impl Iterator<Item = u32> {
        (0..self.entries.len() as u32).filter(|&id| match self.kind {
            JoinRows::Added => self.rows.is_live(id),
            _ => self.identities.is_live(id),
        })
    }

    fn rows_in_memory(&self) -> usize {
        if self.kind == JoinRows::Added { self.rows.len() } else { self.identities.len() }
    }

    /// What identifies a row.
    fn identity(&self, id: u32) -> &[u8] {
        if self.kind == JoinRows::Added { &[] } else { self.identities.key(id) }
    }

    /// All ids are below this.
    pub fn capacity(&self) -> usize {
        self.entries.len()
    }

    /// The bytes of a row.
    #[inline]
    pub fn row(&self, id: u32) -> &[u8] {
        match self.kind {
            JoinRows::Counted => self.identities.key(id),
            _ => self.rows.get(self.entries[id as usize].row),
        }
    }

    /// How often the row is there.
    #[inline]
    pub fn count(&self, id: u32) -> i64 {
        self.entries[id as usize].count
    }

    /// How many rows of the other side match it.
    #[inline]
    pub fn matches(&self, id: u32) -> i64 {
        self.entries[id as usize].matches
    }

    /// Changes how many rows of the other side match it; gives the number before.
    #[inline]
    pub fn change_matches(&mut self, id: u32, by: i64, now_ms: i64) -> i64 {
        self.tracking.touch(id);
        let entry = &mut self.entries[id as usize];
        let before = entry.matches;
        entry.matches += by;
        entry.changed = now_ms;
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StateTable;

    fn add(table: &mut JoinTable, key: &[u8], row: &[u8]) {
        table.add((hash(key), key), row, row, 0, 0);
    }

    fn rows(table: &JoinTable, key: &[u8], now_ms: i64) -> Vec<(Vec<u8>, i64)> {
        table.of_key(hash(key), key, now_ms).map(|id| (table.row(id).to_vec(), table.count(id))).collect()
    }

    #[test]
    fn rows_are_counted_and_chained_by_key() {
        let mut table = JoinTable::new(JoinRows::Counted, 0, 8);
        for (key, row) in [(b"a", b"a1"), (b"b", b"b1"), (b"a", b"a2"), (b"a", b"a1"), (b"a", b"a3")] {
            add(&mut table, key, row);
        }
        assert!(table.retract(b"a2", 0) && !table.retract(b"a2", 0));
        assert!(table.retract(b"a1", 0));
        let expected = [(b"a1".to_vec(), 1), (b"a3".to_vec(), 1)];
        assert_eq!(rows(&table, b"a", 0), expected);
        let mut restored = JoinTable::new(JoinRows::Counted, 0, 8);
        restored.restore(&table.snapshot(0..8), 0..8).unwrap();
        assert_eq!(rows(&restored, b"a", 0), expected);
        assert_eq!(restored.len(), 3);
        [&b"a1"[..], b"a3", b"b1"].into_iter().for_each(|row| assert!(restored.retract(row, 0)));
        assert!(restored.is_empty() && rows(&restored, b"a", 0).is_empty());
    }

    #[test]
    fn rows_that_are_only_added_stand_for_themselves() {
        let mut table = JoinTable::new(JoinRows::Added, 0, 8);
        for (key, row) in [(b"a", b"a1"), (b"b", b"b1"), (b"a", b"a2"), (b"a", b"a1")] {
            add(&mut table, key, row);
        }
        let expected = [b"a1", b"a2", b"a1"].map(|row| (row.to_vec(), 1));
        assert_eq!(rows(&table, b"a", 0), expected);
        let mut copy = JoinTable::new(JoinRows::Added, 0, 8);
        copy.restore(&table.delta(0..8, &|_| false), 0..8).unwrap();
        assert_eq!((rows(&copy, b"a", 0), copy.len()), (expected.to_vec(), 4));
        add(&mut table, b"a", b"a3");
        let changes = table.delta(0..8, &|_| false);
        assert_eq!(changes.rows(), 1, "what was saved never changes");
        copy.apply(&changes, 0..8).unwrap();
        assert_eq!(rows(&copy, b"a", 0), rows(&table, b"a", 0));
        assert_eq!(copy.ids().count(), 5);
    }

    #[test]
    fn old_rows_are_not_seen() {
        let mut table = JoinTable::new(JoinRows::Counted, 10, 8);
        add(&mut table, b"a", b"a1");
        assert_eq!(rows(&table, b"a", 9).len(), 1);
        assert!(rows(&table, b"a", 10).is_empty());
        table.expire(10);
        assert!(table.is_empty());
    }

    #[test]
    fn a_unique_row_takes_the_place_of_the_one_before() {
        let mut table = JoinTable::new(JoinRows::Unique, 0, 8);
        for (identity, row) in [(b"a1", b"x"), (b"a2", b"y"), (b"a1", b"z")] {
            table.add((hash(b"a"), b"a"), identity, row, 0, 0);
        }
        let expected = [(b"z".to_vec(), 1), (b"y".to_vec(), 1)];
        assert_eq!(rows(&table, b"a", 0), expected);
        let mut restored = JoinTable::new(JoinRows::Unique, 0, 8);
        restored.restore(&table.snapshot(0..8), 0..8).unwrap();
        assert_eq!(rows(&restored, b"a", 0), expected);
        assert!(restored.retract(b"a1", 0) && !restored.retract(b"a1", 0));
        assert_eq!(rows(&restored, b"a", 0), expected[1..]);
    }
}
