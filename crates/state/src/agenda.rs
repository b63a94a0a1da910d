//! What is due when: times with something small, in the order of time.
//!
//! Times mostly come ascending, so they wait in a queue; those that come out of order wait in a heap.
//! Invariant: entries come out in the order of their times. Whether one still counts is the owner's to know.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Times with what is due then.
#[derive(Debug, Clone)]
pub(crate) struct Agenda<T = u32> {
    ascending: VecDeque<(i64, T)>,
    others: BinaryHeap<Reverse<(i64, T)>>,
}

impl<T: Ord> Default for Agenda<T> {
    fn default() -> Self {
        Agenda { ascending: VecDeque::new(), others: BinaryHeap::new() }
    }
}

impl<T: Copy + Ord> Agenda<T> {
    /// Notes that something is due.
    pub(crate) fn push(&mut self, time: i64, what: T) {
        match self.ascending.back() {
            Some((last, _)) if time < *last => self.others.push(Reverse((time, what))),
            _ => self.ascending.push_back((time, what)),
        }
    }

    /// The first entry.
    #[inline]
    pub(crate) fn first(&self) -> Option<(i64, T)> {
        let other = self.others.peek().map(|Reverse(other)| *other);
        match (self.ascending.front().copied(), other) {
            (Some(first), Some(other)) => Some(if other.0 < first.0 { other } else { first }),
            (first, other) => first.or(other),
        }
    }

    /// Takes out the first entry.
    pub(crate) fn pop(&mut self) -> Option<(i64, T)> {
        let first = self.first()?;
        if self.ascending.front() == Some(&first) {
            self.ascending.pop_front()
        } else {
            self.others.pop().map(|Reverse(other)| other)
        }
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.ascending.len() + self.others.len()
    }

    /// The memory it takes, roughly.
    pub(crate) fn memory(&self) -> usize {
        (self.ascending.capacity() + self.others.capacity()) * size_of::<(i64, T)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_out_in_order() {
        let mut agenda = Agenda::default();
        [5, 9, 3, 9, 12, 1, 10].into_iter().enumerate().for_each(|(i, time)| agenda.push(time, i as u32));
        let out: Vec<i64> = std::iter::from_fn(|| agenda.pop()).map(|(time, _)| time).collect();
        assert_eq!(out, [1, 3, 5, 9, 9, 10, 12]);
    }
}
