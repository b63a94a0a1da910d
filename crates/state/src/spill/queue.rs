//! What is due when among the keys that were moved out: times with hashes, in the order of time.
//!
//! The next entries are in memory; when they are many, the later ones go to disk.
//! Invariant: entries come out in the order of their times. Whether one still counts is the owner's to know.

use super::Runs;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::path::Path;

/// With more entries in memory the later ones go to disk.
const ENTRIES_MAX: usize = 1 << 16;

/// Times with hashes of keys.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    next: BinaryHeap<Reverse<(i64, u64)>>,
    later: Option<Runs>,
    failed: Option<io::Error>,
}

/// A clone belongs to a table that has no key on disk.
impl Clone for Queue {
    fn clone(&self) -> Self {
        Queue::default()
    }
}

impl Queue {
    /// From now on there is a folder for what comes later.
    pub(crate) fn set_folder(&mut self, folder: &Path) {
        self.later = Some(Runs::new(folder));
    }

    /// Notes that a key is due.
    pub(crate) fn push(&mut self, time: i64, hash: u64) {
        self.next.push(Reverse((time, hash)));
        if self.next.len() > ENTRIES_MAX {
            self.shorten();
        }
    }

    fn shorten(&mut self) {
        let Some(later) = &mut self.later else { return };
        // Sorted the other way round.
        let mut entries = std::mem::take(&mut self.next).into_sorted_vec();
        let kept = entries.split_off(entries.len() - ENTRIES_MAX / 8);
        let moved = entries.into_iter().rev().map(|Reverse((time, hash))| (time, hash.to_le_bytes()));
        if let Err(error) = later.add(moved) {
            self.failed.get_or_insert(error);
        }
        self.next = kept.into();
    }

    /// The time of the first entry.
    #[inline]
    pub(crate) fn first(&self) -> Option<i64> {
        let next = self.next.peek().map(|Reverse((time, _))| *time);
        let later = self.later.as_ref().and_then(Runs::first);
        next.into_iter().chain(later).min()
    }

    /// Takes out the first entry.
    pub(crate) fn pop(&mut self) -> Option<(i64, u64)> {
        let first = self.first()?;
        if self.next.peek().is_some_and(|Reverse((time, _))| *time == first) {
            return self.next.pop().map(|Reverse(entry)| entry);
        }
        match self.later.as_mut()?.pop() {
            Ok(entry) => {
                let (time, bytes) = entry?;
                Some((time, bytes.first_chunk().map_or(0, |hash| u64::from_le_bytes(*hash))))
            }
            Err(error) => {
                self.failed.get_or_insert(error);
                None
            }
        }
    }

    /// Forgets all entries.
    pub(crate) fn clear(&mut self) {
        self.next.clear();
        self.later.iter_mut().for_each(Runs::clear);
    }

    /// What went wrong with the disk.
    pub(crate) fn take_failure(&mut self) -> Option<io::Error> {
        self.failed.take()
    }

    /// The memory it takes.
    pub(crate) fn memory(&self) -> usize {
        self.next.capacity() * size_of::<(i64, u64)>() + self.later.as_ref().map_or(0, Runs::memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_in_order_from_memory_and_disk() {
        let folder = tempfile::tempdir().unwrap();
        let mut queue = Queue::default();
        queue.set_folder(folder.path());
        let time = |i: i64| i * 7_919 % 300_007;
        (0..300_007).for_each(|i| queue.push(time(i), i as u64));
        assert!(queue.memory() < 3 << 20, "{} bytes", queue.memory());
        for expected in 0..300_007 {
            assert_eq!(queue.first(), Some(expected));
            let (at, hash) = queue.pop().unwrap();
            assert_eq!((at, time(hash as i64)), (expected, expected));
            if expected == 200_000 {
                queue.push(expected, 3);
                assert_eq!(queue.pop(), Some((expected, 3)));
            }
        }
        assert!(queue.pop().is_none() && queue.take_failure().is_none());
    }
}
