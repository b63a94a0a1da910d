//! The ordered table: (key, sort key) → row bytes, rows of a key in the order of their sort keys.
//!
//! Invariant: keys and sort keys are in the key encoding, so byte order is the order of the values.

use crate::sections::Sections;
use crate::snapshot::{Reader, write_prefixed};
use crate::{SnapshotRows, StateTable};
use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use tidemill_types::Result;
use tidemill_types::key::hash;

const SCHEMA: u64 = 0x6f72_6465_7200_0001;

/// The length of the key, the key, the sort key; one run of bytes, so that a row costs one allocation.
type Place = Box<[u8]>;

/// Rows by key in order.
#[derive(Debug, Clone)]
pub struct OrderedTable {
    rows: BTreeMap<Place, Box<[u8]>>,
    bytes: usize,
    key_groups: u32,
}

fn place(key: &[u8], sort_key: &[u8]) -> Place {
    let mut out = Vec::with_capacity(key.len() + sort_key.len() + 4);
    out.extend_from_slice(&(key.len() as u32).to_be_bytes());
    out.extend_from_slice(key);
    out.extend_from_slice(sort_key);
    out.into()
}

fn split(place: &[u8]) -> (&[u8], &[u8]) {
    let (len, rest) = place.split_first_chunk::<4>().expect("a place starts with the length of its key");
    rest.split_at(u32::from_be_bytes(*len) as usize)
}

impl OrderedTable {
    /// An empty table.
    pub fn new(key_groups: u32) -> Self {
        OrderedTable { rows: BTreeMap::new(), bytes: 0, key_groups }
    }

    /// Sets a row; gives the one that was there.
    pub fn insert(&mut self, key: &[u8], sort_key: &[u8], row: &[u8]) -> Option<Box<[u8]>> {
        self.bytes += key.len() + sort_key.len() + row.len();
        let old = self.rows.insert(place(key, sort_key), row.into());
        if let Some(old) = &old {
            self.bytes -= key.len() + sort_key.len() + old.len();
        }
        old
    }

    /// Takes a row out.
    pub fn remove(&mut self, key: &[u8], sort_key: &[u8]) -> Option<Box<[u8]>> {
        let old = self.rows.remove(&place(key, sort_key))?;
        self.bytes -= key.len() + sort_key.len() + old.len();
        Some(old)
    }

    /// A row.
    pub fn get(&self, key: &[u8], sort_key: &[u8]) -> Option<&[u8]> {
        self.rows.get(&place(key, sort_key)).map(AsRef::as_ref)
    }

    /// The rows of a key with their sort keys, ascending.
    pub fn range(&self, key: &[u8]) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> {
        let first = place(key, &[]);
        let end = successor(&first).map_or(Bound::Unbounded, Bound::Excluded);
        self.rows.range((Bound::Included(first), end)).map(|(place, row)| (split(place).1, row.as_ref()))
    }

    /// The rows of a key from this sort key on, ascending.
    pub fn range_from(&self, key: &[u8], sort_key: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
        let end = successor(&place(key, &[])).map_or(Bound::Unbounded, Bound::Excluded);
        let range = (Bound::Included(place(key, sort_key)), end);
        self.rows.range(range).map(|(place, row)| (split(place).1, row.as_ref()))
    }

    /// Takes out the rows of a key whose sort keys are below `end`, ascending.
    pub fn take_below(&mut self, key: &[u8], end: &[u8]) -> Vec<(Box<[u8]>, Box<[u8]>)> {
        let sort_keys: Vec<Box<[u8]>> = self
            .range(key)
            .map(|(sort_key, _)| sort_key)
            .take_while(|sort_key| *sort_key < end)
            .map(Into::into)
            .collect();
        sort_keys
            .into_iter()
            .map(|sort_key| {
                let row = self.remove(key, &sort_key).expect("the row was just seen");
                (sort_key, row)
            })
            .collect()
    }

    /// The keys that have rows, each once.
    pub fn keys(&self) -> Vec<Box<[u8]>> {
        let mut keys: Vec<Box<[u8]>> = self.rows.keys().map(|place| split(place).0.into()).collect();
        keys.dedup();
        keys
    }
}

/// The least bytes behind all that start with `prefix`.
fn successor(prefix: &[u8]) -> Option<Place> {
    let last = prefix.iter().rposition(|&byte| byte != u8::MAX)?;
    let mut next = prefix[..=last].to_vec();
    next[last] += 1;
    Some(next.into())
}

impl StateTable for OrderedTable {
    fn schema_id(&self) -> u64 {
        SCHEMA
    }

    /// Row: key, sort key, row, each prefixed.
    fn snapshot(&self, groups: Range<u32>) -> SnapshotRows {
        let mut sections = Sections::new(groups, self.key_groups);
        for (place, row) in &self.rows {
            let (key, sort_key) = split(place);
            if let Some(out) = sections.row(hash(key)) {
                [key, sort_key, row].into_iter().for_each(|part| write_prefixed(out, part));
            }
        }
        sections.finish(SCHEMA)
    }

    fn restore(&mut self, rows: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        rows.check_schema(SCHEMA)?;
        for section in rows.of_groups(groups) {
            let mut reader = Reader::new(&section.bytes);
            while !reader.is_done() {
                let (key, sort_key, row) = (reader.prefixed()?, reader.prefixed()?, reader.prefixed()?);
                self.insert(key, sort_key, row);
            }
        }
        Ok(())
    }

    fn clear(&mut self) {
        *self = OrderedTable::new(self.key_groups);
    }

    fn bytes(&self) -> usize {
        self.bytes + self.rows.len() * 64
    }

    fn len(&self) -> usize {
        self.rows.len()
    }
}
