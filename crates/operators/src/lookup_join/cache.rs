//! What a task remembers of a table that it asks: the rows of keys, as bytes.
//!
//! Invariant: what has expired is never given. The key that was not used for longest goes first when there are too
//! many rows. Time comes from outside, so that a simulated run is the same each time.

use hashlink::LruCache;
use std::sync::Arc;
use tidemill_plan::CachePlan;

/// The rows of a key, encoded.
pub(super) type Rows = Arc<[Box<[u8]>]>;

/// How a cache has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheCounters {
    /// Keys whose rows were known.
    pub hits: u64,
    /// Keys that had to be asked for.
    pub misses: u64,
    /// Rows it holds; a key without rows counts as one.
    pub rows: u64,
}

struct Kept {
    rows: Rows,
    written_ms: i64,
    used_ms: i64,
}

/// The rows of keys, the one used last behind.
pub(super) struct RowCache {
    plan: CachePlan,
    kept: LruCache<Box<[u8]>, Kept>,
    counters: CacheCounters,
}

impl RowCache {
    pub(super) fn new(plan: CachePlan) -> Self {
        RowCache { plan, kept: LruCache::new_unbounded(), counters: CacheCounters::default() }
    }

    pub(super) fn counters(&self) -> CacheCounters {
        self.counters
    }

    /// The rows of a key, if they are known.
    pub(super) fn get(&mut self, key: &[u8], now_ms: i64) -> Option<Rows> {
        let expired = self.kept.peek(key).is_some_and(|kept| self.expired(kept, now_ms));
        if expired {
            self.remove(key);
        }
        let found = self.kept.get_mut(key).map(|kept| {
            kept.used_ms = now_ms;
            kept.rows.clone()
        });
        match found {
            Some(_) => self.counters.hits += 1,
            None => self.counters.misses += 1,
        }
        found
    }

    /// Whether the rows of a key are known; counts nothing.
    pub(super) fn knows(&self, key: &[u8], now_ms: i64) -> bool {
        self.kept.peek(key).is_some_and(|kept| !self.expired(kept, now_ms))
    }

    /// Remembers the rows of a key.
    pub(super) fn insert(&mut self, key: &[u8], rows: Rows, now_ms: i64) {
        if rows.is_empty() && !self.plan.misses {
            return;
        }
        self.remove(key);
        self.counters.rows += weight(&rows);
        self.kept.insert(key.into(), Kept { rows, written_ms: now_ms, used_ms: now_ms });
        self.make_room(now_ms);
    }

    /// Lets go of the oldest while there are too many or they have expired.
    fn make_room(&mut self, now_ms: i64) {
        while let Some((_, oldest)) = self.kept.iter().next() {
            let full = self.plan.rows_max.is_some_and(|max| self.counters.rows > max);
            if !full && !self.expired(oldest, now_ms) {
                return;
            }
            if let Some((_, kept)) = self.kept.remove_lru() {
                self.counters.rows -= weight(&kept.rows);
            }
        }
    }

    fn expired(&self, kept: &Kept, now_ms: i64) -> bool {
        let over = |since: i64, limit: Option<i64>| limit.is_some_and(|limit| now_ms - since >= limit);
        over(kept.written_ms, self.plan.after_write_ms) || over(kept.used_ms, self.plan.after_access_ms)
    }

    fn remove(&mut self, key: &[u8]) {
        if let Some(kept) = self.kept.remove(key) {
            self.counters.rows -= weight(&kept.rows);
        }
    }
}

fn weight(rows: &Rows) -> u64 {
    rows.len().max(1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: usize) -> Rows {
        (0..count).map(|row| vec![row as u8].into()).collect()
    }

    #[test]
    fn keys_expire_by_write_and_by_access() {
        let plan = CachePlan {
            after_write_ms: Some(100),
            after_access_ms: Some(30),
            misses: true,
            ..CachePlan::default()
        };
        let mut cache = RowCache::new(plan);
        cache.insert(b"a", rows(2), 0);
        for now_ms in [20, 40, 60, 80] {
            assert_eq!(cache.get(b"a", now_ms).map(|rows| rows.len()), Some(2), "at {now_ms}");
        }
        assert!(cache.get(b"a", 100).is_none(), "written 100 ms ago");
        cache.insert(b"a", rows(1), 100);
        assert!(cache.get(b"a", 131).is_none(), "not used for 31 ms");
        assert_eq!(cache.counters(), CacheCounters { hits: 4, misses: 2, rows: 0 });
    }

    #[test]
    fn the_key_unused_for_longest_goes_when_rows_are_too_many() {
        let mut cache = RowCache::new(CachePlan { rows_max: Some(4), misses: true, ..CachePlan::default() });
        cache.insert(b"a", rows(2), 0);
        cache.insert(b"b", rows(0), 0);
        cache.get(b"a", 1);
        cache.insert(b"c", rows(2), 2);
        assert!(!cache.knows(b"b", 2) && cache.knows(b"a", 2) && cache.knows(b"c", 2));
        cache.insert(b"d", rows(5), 3);
        assert_eq!(cache.counters().rows, 0, "more rows than fit are not kept");
    }

    #[test]
    fn missing_keys_are_kept_only_if_asked_for() {
        for misses in [true, false] {
            let mut cache = RowCache::new(CachePlan { misses, ..CachePlan::default() });
            cache.insert(b"a", rows(0), 0);
            assert_eq!(cache.knows(b"a", 0), misses);
        }
    }
}
