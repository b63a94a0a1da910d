//! What is due when: times with slots, given back in order.
//!
//! Most rows come about in order, so times lie in buckets; a bucket is sorted once, when its turn comes.
//! Invariant: equal times come in the order in which they were added. Nothing here outlives a restart: it is
//! derived from the rows that wait. Whether an entry still counts is the table's to know.

use std::collections::BTreeMap;

/// A bucket spans 2 to this power ms.
const BUCKET_BITS: u32 = 6;

/// Times with slots.
#[derive(Debug, Clone, Default)]
pub(super) struct Due {
    len: usize,
    /// The earliest bucket, sorted; the first `taken` entries are gone.
    front: Vec<(i64, u32)>,
    taken: usize,
    /// Times of this bucket and earlier ones go to the front.
    front_bucket: Option<i64>,
    later: BTreeMap<i64, Vec<(i64, u32)>>,
}

impl Due {
    pub(super) fn push(&mut self, time: i64, slot: u32) {
        self.len += 1;
        let bucket = time >> BUCKET_BITS;
        if self.front_bucket.is_none_or(|front| bucket > front) {
            return self.later.entry(bucket).or_default().push((time, slot));
        }
        match self.front.last() {
            Some(last) if last.0 > time => {
                let at = self.front[self.taken..].partition_point(|known| known.0 <= time);
                self.front.insert(self.taken + at, (time, slot));
            }
            _ => self.front.push((time, slot)),
        }
    }

    /// The earliest time.
    pub(super) fn next(&mut self) -> Option<i64> {
        if self.taken == self.front.len() {
            let (bucket, entries) = self.later.pop_first()?;
            self.front = entries;
            self.front.sort_by_key(|entry| entry.0);
            self.taken = 0;
            self.front_bucket = Some(bucket);
        }
        Some(self.front[self.taken].0)
    }

    /// The earliest time without moving anything; a bound if its bucket was not sorted yet.
    pub(super) fn bound(&self) -> Option<i64> {
        match self.front.get(self.taken) {
            Some(entry) => Some(entry.0),
            None => self.later.values().next().and_then(|bucket| bucket.iter().map(|entry| entry.0).min()),
        }
    }

    /// Takes out the earliest entry.
    pub(super) fn pop(&mut self) -> Option<(i64, u32)> {
        self.next()?;
        self.len -= 1;
        let entry = self.front[self.taken];
        self.taken += 1;
        if self.taken == self.front.len() {
            self.front.clear();
            self.taken = 0;
        }
        Some(entry)
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The memory it takes, roughly.
    pub(super) fn memory(&self) -> usize {
        let later: usize = self.later.values().map(|bucket| 48 + bucket.capacity() * 16).sum();
        self.front.capacity() * 16 + later
    }

    pub(super) fn clear(&mut self) {
        *self = Due::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_by_time_and_then_by_arrival() {
        let mut due = Due::default();
        for (at, time) in [500, 3, 70, 3, 1_000, -80].into_iter().enumerate() {
            due.push(time, at as u32);
        }
        assert_eq!(due.bound(), Some(-80));
        assert_eq!([due.pop(), due.pop()], [Some((-80, 5)), Some((3, 1))]);
        // Into the bucket at the front, before and behind what is left of it, and into earlier ones.
        for (at, time) in [(6, 2), (7, 3), (8, 40), (9, -500)] {
            due.push(time, at);
        }
        let rest: Vec<_> = std::iter::from_fn(|| due.pop()).collect();
        assert_eq!(rest, [(-500, 9), (2, 6), (3, 3), (3, 7), (40, 8), (70, 2), (500, 0), (1_000, 4)]);
        assert_eq!((due.bound(), due.next()), (None, None));
        due.push(1, 0);
        assert_eq!(due.pop(), Some((1, 0)));
    }
}
