//! The ordered table: (key, sort key) → row bytes, rows of a key in the order of their sort keys.
//!
//! A key is found by its hash, its rows by their sort keys. A key lives while it has a row.
//! Invariant: keys and sort keys are in the key encoding, so byte order is the order of the values.

mod rows;

use crate::sections::{GONE, Sections};
use crate::snapshot::{Reader, write_prefixed};
use crate::tracking::Tracking;
use crate::{KeyIndex, SnapshotRows, StateTable};
use rows::{Row, Rows};
use std::ops::Range;
use tidemill_types::Result;
use tidemill_types::key::hash;

const SCHEMA: u64 = 0x6f72_6465_7200_0001;

/// Rows by key in order.
#[derive(Debug, Clone)]
pub struct OrderedTable {
    keys: KeyIndex,
    /// The rows of each key number.
    rows: Vec<Rows>,
    len: usize,
    /// What sort keys and rows take.
    bytes: usize,
    /// By key; each row knows for itself whether it changed.
    tracking: Tracking,
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
            key_groups,
        }
    }

    fn find(&self, key: &[u8]) -> Option<u32> {
        self.keys.find(hash(key), key)
    }

    fn of_key(&self, key: &[u8]) -> Option<&Rows> {
        self.find(key).map(|id| &self.rows[id as usize])
    }

    fn resolve(&mut self, key: &[u8]) -> u32 {
        let id = self.keys.resolve_one(hash(key), key);
        if self.rows.len() < self.keys.capacity() {
            self.rows.resize_with(self.keys.capacity(), Rows::default);
            self.tracking.grow(self.keys.capacity());
        }
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
        let old = self.rows[id as usize].insert(sort_key, row);
        match &old {
            None => self.len += 1,
            Some(old) => self.bytes -= row_bytes(sort_key, &old.bytes),
        }
        old
    }

    /// Takes a row out.
    pub fn remove(&mut self, key: &[u8], sort_key: &[u8]) -> Option<Box<[u8]>> {
        let id = self.find(key)?;
        let old = self.rows[id as usize].remove(sort_key)?;
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
        let Some(id) = self.find(key) else { return Vec::new() };
        let taken = self.rows[id as usize].take_below(end);
        taken.iter().for_each(|(sort_key, row)| self.note_gone(id, sort_key, row));
        self.drop_if_empty(id);
        taken.into_iter().map(|(sort_key, row)| (sort_key, row.bytes)).collect()
    }

    /// The keys that have rows, ascending, each once.
    pub fn keys(&self) -> Vec<Box<[u8]>> {
        let mut keys: Vec<Box<[u8]>> = self.keys.ids().map(|id| self.keys.key(id).into()).collect();
        keys.sort_unstable();
        keys
    }

    /// Row: key, sort key, row, each prefixed. What is gone: key and sort key.
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
}

/// What a row takes beside its place in the list of its key.
fn row_bytes(sort_key: &[u8], row: &[u8]) -> usize {
    allocated(sort_key.len()) + allocated(row.len()) + size_of::<(Box<[u8]>, Row)>()
}

/// What an allocation of so many bytes takes.
fn allocated(bytes: usize) -> usize {
    bytes.next_multiple_of(8)
}

impl StateTable for OrderedTable {
    fn schema_id(&self) -> u64 {
        SCHEMA
    }

    fn snapshot(&self, groups: Range<u32>) -> SnapshotRows {
        let mut sections = Sections::new(groups, self.key_groups);
        self.write(self.keys.ids(), &mut sections);
        sections.finish(SCHEMA)
    }

    fn restore(&mut self, rows: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        rows.check_schema(SCHEMA)?;
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
        self.settle();
        sections.finish(SCHEMA)
    }

    fn apply(&mut self, changes: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        changes.check_schema(SCHEMA)?;
        self.tracking.start(self.keys.capacity(), self.keys.ids());
        for section in changes.of_groups(groups) {
            let mut reader = Reader::new(&section.bytes);
            while !reader.is_done() {
                if reader.u8()? != GONE {
                    self.read(&mut reader)?;
                    continue;
                }
                let (key, sort_key) = (reader.prefixed()?, reader.prefixed()?);
                self.apply_gone(key, sort_key);
            }
        }
        Ok(())
    }

    fn clear(&mut self) {
        *self = OrderedTable::new(self.key_groups);
    }

    fn bytes(&self) -> usize {
        self.keys.bytes() + self.bytes + self.rows.capacity() * size_of::<Rows>() + self.tracking.bytes()
    }

    fn len(&self) -> usize {
        self.len
    }
}

impl OrderedTable {
    fn apply_gone(&mut self, key: &[u8], sort_key: &[u8]) {
        let Some(id) = self.find(key) else { return };
        if let Some(mut old) = self.rows[id as usize].remove(sort_key) {
            old.saved = false;
            self.note_gone(id, sort_key, &old);
            self.drop_if_empty(id);
        }
    }
}
