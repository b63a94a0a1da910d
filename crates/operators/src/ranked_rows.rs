//! The rows of each partition in the order of their ranks.
//!
//! Invariant: a sort key ends with the number of the row's arrival, so that equal rows rank in the order of
//! their arrival; the numbers go on rising after a restart.

use tidemill_state::{OrderedTable, SharedValue};

/// Rows in order. The rows of a key must be loaded into the table before they are read.
pub(crate) struct RankedRows {
    pub(crate) table: OrderedTable,
    pub(crate) arrivals: SharedValue,
}

impl RankedRows {
    pub(crate) fn new(key_groups: u32) -> Self {
        RankedRows { table: OrderedTable::new(key_groups), arrivals: SharedValue::new(0) }
    }

    /// Ends a sort key with the number of this arrival.
    pub(crate) fn number(&mut self, sort_key: &mut Vec<u8>, latest_first: bool) {
        let arrival = self.arrivals.get() + 1;
        self.arrivals.raise(arrival);
        let arrival = if latest_first { !(arrival as u64) } else { arrival as u64 };
        sort_key.extend_from_slice(&arrival.to_be_bytes());
    }

    pub(crate) fn size(&self, key: &[u8]) -> u64 {
        self.table.rows_of(key) as u64
    }

    pub(crate) fn insert(&mut self, key: &[u8], sort_key: &[u8], row: &[u8]) {
        self.table.insert(key, sort_key, row);
    }

    pub(crate) fn remove(&mut self, key: &[u8], sort_key: &[u8]) {
        self.table.remove(key, sort_key);
    }

    /// The row that ranks last.
    pub(crate) fn last(&self, key: &[u8]) -> Option<(&[u8], &[u8])> {
        self.table.range(key).next_back()
    }

    /// The sort key of the first row with these bytes and this order.
    pub(crate) fn find(&self, key: &[u8], order: &[u8], row: &[u8]) -> Option<Box<[u8]>> {
        self.table
            .range_from(key, order)
            .take_while(|(sort_key, _)| sort_key.starts_with(order))
            .find(|(_, known)| *known == row)
            .map(|(sort_key, _)| sort_key.into())
    }

    /// How many rows rank before this sort key, no further than `limit`.
    pub(crate) fn place(&self, key: &[u8], sort_key: &[u8], limit: u64) -> u64 {
        let before = self.table.range(key).take_while(|(known, _)| *known < sort_key);
        before.take(usize::try_from(limit).unwrap_or(usize::MAX)).count() as u64
    }

    /// The rows at the places `from..to`, from 0.
    pub(crate) fn rows(&self, key: &[u8], from: u64, to: u64) -> impl Iterator<Item = &[u8]> {
        let skip = usize::try_from(from).unwrap_or(usize::MAX);
        let take = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        self.table.range(key).skip(skip).take(take).map(|(_, row)| row)
    }

    /// Drops what ranks behind `end`.
    pub(crate) fn trim(&mut self, key: &[u8], end: u64) {
        while self.size(key) > end {
            let Some(sort_key) = self.last(key).map(|(sort_key, _)| Box::<[u8]>::from(sort_key)) else {
                return;
            };
            self.remove(key, &sort_key);
        }
    }

    /// Drops all rows of a key.
    pub(crate) fn drop_key(&mut self, key: &[u8]) {
        self.trim(key, 0);
    }
}
