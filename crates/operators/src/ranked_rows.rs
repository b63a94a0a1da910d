//! The rows of each partition in the order of their ranks.
//!
//! With a time to live a row is forgotten that long after it was written, without a withdrawal.
//! Invariant: a sort key ends with the number of the row's arrival, so that equal rows rank in the order of
//! their arrival; the numbers go on rising after a restart. With a time to live, the time of writing stands in
//! front of the row.

use std::collections::HashMap;
use tidemill_state::{OrderedTable, SharedValue};

/// Rows in order. The rows of a key must be loaded into the table before they are read.
pub(crate) struct RankedRows {
    pub(crate) table: OrderedTable,
    pub(crate) arrivals: SharedValue,
    ttl_ms: i64,
    next_sweep: i64,
    /// When the oldest row of a key was written, or earlier; derived, and only of keys that were looked at.
    oldest: HashMap<Box<[u8]>, i64>,
}

impl RankedRows {
    /// No rows. `ttl_ms` 0: rows live for ever.
    pub(crate) fn new(key_groups: u32, ttl_ms: i64) -> Self {
        RankedRows {
            table: OrderedTable::new(key_groups),
            arrivals: SharedValue::new(0),
            ttl_ms,
            next_sweep: i64::MIN,
            oldest: HashMap::new(),
        }
    }

    /// Ends a sort key with the number of this arrival.
    pub(crate) fn number(&mut self, sort_key: &mut Vec<u8>, latest_first: bool) {
        let arrival = self.arrivals.get() + 1;
        self.arrivals.raise(arrival);
        let arrival = if latest_first { !(arrival as u64) } else { arrival as u64 };
        sort_key.extend_from_slice(&arrival.to_be_bytes());
    }

    /// Whether a row of this order, without the number of its arrival, ranks behind `end` rows. Of equal rows the
    /// latest ranks last, or first with `latest_first`.
    #[inline]
    pub(crate) fn ranks_behind(
        &self,
        (hash, key): (u64, &[u8]),
        order: &[u8],
        end: u64,
        latest_first: bool,
    ) -> bool {
        let Some((rows, last)) = self.table.last_of(hash, key) else { return end == 0 };
        let last = &last[..last.len() - 8];
        rows as u64 >= end && (last < order || (last == order && !latest_first))
    }

    pub(crate) fn size(&self, key: &[u8]) -> u64 {
        self.table.rows_of(key) as u64
    }

    pub(crate) fn insert(&mut self, key: &[u8], sort_key: &[u8], row: &[u8], now_ms: i64) {
        if self.ttl_ms == 0 {
            self.table.insert(key, sort_key, row);
            return;
        }
        if self.size(key) == 0 {
            self.oldest.insert(key.into(), now_ms);
        }
        self.table.insert(key, sort_key, &[&now_ms.to_le_bytes()[..], row].concat());
    }

    pub(crate) fn remove(&mut self, key: &[u8], sort_key: &[u8]) {
        self.table.remove(key, sort_key);
    }

    fn row<'a>(&self, stored: &'a [u8]) -> &'a [u8] {
        if self.ttl_ms == 0 { stored } else { &stored[8..] }
    }

    /// The row that ranks last, with its sort key.
    pub(crate) fn last(&self, key: &[u8]) -> Option<(&[u8], &[u8])> {
        self.table.range(key).next_back().map(|(sort_key, row)| (sort_key, self.row(row)))
    }

    /// The sort key of the first row with these bytes and this order.
    pub(crate) fn find(&self, key: &[u8], order: &[u8], row: &[u8]) -> Option<Box<[u8]>> {
        self.table
            .range_from(key, order)
            .take_while(|(sort_key, _)| sort_key.starts_with(order))
            .find(|(_, known)| self.row(known) == row)
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
        self.table.range(key).skip(skip).take(take).map(|(_, row)| self.row(row))
    }

    /// All rows of a key with their orders: sort keys without the number of their arrival.
    pub(crate) fn ordered(&self, key: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.table.range(key).map(|(sort_key, row)| (&sort_key[..sort_key.len() - 8], self.row(row)))
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

    /// Forgets the rows of a key whose time to live is over. Whether the key has none left by that.
    pub(crate) fn expire(&mut self, key: &[u8], now_ms: i64) -> bool {
        let over = |written: i64, ttl_ms: i64| written.saturating_add(ttl_ms) <= now_ms;
        if self.ttl_ms == 0 || self.oldest.get(key).is_some_and(|&oldest| !over(oldest, self.ttl_ms)) {
            return false;
        }
        let (mut expired, mut oldest): (Vec<Box<[u8]>>, Option<i64>) = (Vec::new(), None);
        for (sort_key, row) in self.table.range(key) {
            match written(row) {
                at if over(at, self.ttl_ms) => expired.push(sort_key.into()),
                at => oldest = Some(oldest.map_or(at, |oldest| oldest.min(at))),
            }
        }
        expired.iter().for_each(|sort_key| self.remove(key, sort_key));
        match oldest {
            Some(oldest) => drop(self.oldest.insert(key.into(), oldest)),
            None => drop(self.oldest.remove(key)),
        }
        oldest.is_none() && !expired.is_empty()
    }

    /// Forgets the rows of all keys in memory whose time to live is over; tells the keys that have none left. Needed
    /// only to get their memory back, so it is done now and then.
    pub(crate) fn sweep(&mut self, now_ms: i64) -> Vec<Box<[u8]>> {
        if self.ttl_ms == 0 || now_ms < self.next_sweep {
            return Vec::new();
        }
        self.next_sweep = now_ms.saturating_add(self.ttl_ms / 2 + 1);
        let keys = self.table.keys();
        keys.into_iter().filter(|key| self.expire(key, now_ms)).collect()
    }
}

/// When a row was written; only with a time to live.
fn written(stored: &[u8]) -> i64 {
    stored.first_chunk::<8>().map_or(0, |time| i64::from_le_bytes(*time))
}
