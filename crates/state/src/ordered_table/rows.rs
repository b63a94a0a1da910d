//! The rows of one key in the order of their sort keys: a sorted list while they are few, else a tree.

use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;

/// With more rows the list becomes a tree, for good.
const FEW_MAX: usize = 48;

/// What a row takes in a tree: nodes for eleven rows of 40 bytes, some two thirds full.
const TREE_ROW_BYTES: usize = 68;

/// A row as it is kept.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    /// Its bytes.
    pub(super) bytes: Box<[u8]>,
    /// Whether it changed since the last checkpoint.
    pub(super) changed: bool,
    /// Whether a checkpoint has it, perhaps as it was.
    pub(super) saved: bool,
}

impl Row {
    fn replace(&mut self, mut new: Row) -> Row {
        new.saved |= self.saved;
        std::mem::replace(self, new)
    }
}

/// Sort keys with their rows.
#[derive(Debug, Clone)]
pub(super) enum Rows {
    /// Ascending.
    Few(Vec<(Box<[u8]>, Row)>),
    /// The same.
    Many(BTreeMap<Box<[u8]>, Row>),
}

impl Default for Rows {
    fn default() -> Self {
        Rows::Few(Vec::new())
    }
}

impl Rows {
    pub(super) fn len(&self) -> usize {
        match self {
            Rows::Few(rows) => rows.len(),
            Rows::Many(rows) => rows.len(),
        }
    }

    /// What the list or tree takes, without what sort keys and rows do.
    pub(super) fn held_bytes(&self) -> usize {
        match self {
            Rows::Few(rows) => rows.capacity() * size_of::<(Box<[u8]>, Row)>(),
            Rows::Many(rows) => rows.len() * TREE_ROW_BYTES,
        }
    }

    pub(super) fn get(&self, sort_key: &[u8]) -> Option<&Row> {
        match self {
            Rows::Few(rows) => search(rows, sort_key).ok().map(|at| &rows[at].1),
            Rows::Many(rows) => rows.get(sort_key),
        }
    }

    /// Sets a row; gives the one that was there. If a checkpoint has that one, this is noted of the new one too.
    pub(super) fn insert(&mut self, sort_key: &[u8], row: Row) -> Option<Row> {
        if let Rows::Few(rows) = self
            && rows.len() == FEW_MAX
            && search(rows, sort_key).is_err()
        {
            *self = Rows::Many(std::mem::take(rows).into_iter().collect());
        }
        match self {
            Rows::Few(rows) => match search(rows, sort_key) {
                Ok(at) => Some(rows[at].1.replace(row)),
                Err(at) => {
                    if rows.len() == rows.capacity() {
                        // Most keys have one row or two.
                        rows.reserve_exact(1 + rows.len() / 2);
                    }
                    rows.insert(at, (sort_key.into(), row));
                    None
                }
            },
            Rows::Many(rows) => match rows.get_mut(sort_key) {
                Some(known) => Some(known.replace(row)),
                None => rows.insert(sort_key.into(), row),
            },
        }
    }

    pub(super) fn remove(&mut self, sort_key: &[u8]) -> Option<Row> {
        match self {
            Rows::Few(rows) => search(rows, sort_key).ok().map(|at| rows.remove(at).1),
            Rows::Many(rows) => rows.remove(sort_key),
        }
    }

    /// Takes out the rows below a sort key.
    pub(super) fn take_below(&mut self, end: &[u8]) -> Vec<(Box<[u8]>, Row)> {
        match self {
            Rows::Few(rows) => {
                let after = rows.partition_point(|(sort_key, _)| sort_key.as_ref() < end);
                rows.drain(..after).collect()
            }
            Rows::Many(rows) => {
                let kept = rows.split_off(end);
                std::mem::replace(rows, kept).into_iter().collect()
            }
        }
    }

    /// All rows, ascending.
    pub(super) fn iter(&self) -> Iter<'_> {
        match self {
            Rows::Few(rows) => Iter::Few(rows.iter()),
            Rows::Many(rows) => Iter::Many(rows.range::<[u8], _>(..)),
        }
    }

    /// The rows from a sort key on, ascending.
    pub(super) fn iter_from(&self, sort_key: &[u8]) -> Iter<'_> {
        match self {
            Rows::Few(rows) => {
                Iter::Few(rows[rows.partition_point(|(known, _)| known.as_ref() < sort_key)..].iter())
            }
            Rows::Many(rows) => {
                Iter::Many(rows.range::<[u8], _>((Bound::Included(sort_key), Bound::Unbounded)))
            }
        }
    }

    /// All rows, to change what is noted of them.
    pub(super) fn for_each_mut(&mut self, change: impl FnMut(&mut Row)) {
        match self {
            Rows::Few(rows) => rows.iter_mut().map(|(_, row)| row).for_each(change),
            Rows::Many(rows) => rows.values_mut().for_each(change),
        }
    }
}

fn search(rows: &[(Box<[u8]>, Row)], sort_key: &[u8]) -> Result<usize, usize> {
    rows.binary_search_by(|(known, _)| known.as_ref().cmp(sort_key))
}

/// Rows in order.
#[derive(Debug, Clone)]
pub(super) enum Iter<'a> {
    Few(std::slice::Iter<'a, (Box<[u8]>, Row)>),
    Many(btree_map::Range<'a, Box<[u8]>, Row>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], &'a Row);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Iter::Few(rows) => rows.next().map(|(sort_key, row)| (sort_key.as_ref(), row)),
            Iter::Many(rows) => rows.next().map(|(sort_key, row)| (sort_key.as_ref(), row)),
        }
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Iter::Few(rows) => rows.next_back().map(|(sort_key, row)| (sort_key.as_ref(), row)),
            Iter::Many(rows) => rows.next_back().map(|(sort_key, row)| (sort_key.as_ref(), row)),
        }
    }
}
