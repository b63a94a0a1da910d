//! The order in which the matches of a key are looked at: a binary heap by their first rows.
//!
//! Which of several matches with the same first row wins depends on it, so it breaks ties as the reference does: a
//! new element stays below an equal one, an element sinks only below smaller ones and prefers its left child.
//! Invariant: the array is a heap, and its order from front to back is the order in which matches are advanced.

use tidemill_state::PartialMatch;

fn sift_down(heap: &mut [PartialMatch], mut at: usize) {
    loop {
        let left = 2 * at + 1;
        if left >= heap.len() {
            return;
        }
        let right = left + 1;
        let child = if right < heap.len() && heap[left].start > heap[right].start { right } else { left };
        if heap[at].start <= heap[child].start {
            return;
        }
        heap.swap(at, child);
        at = child;
    }
}

/// Adds a match.
pub(super) fn push(heap: &mut Vec<PartialMatch>, found: PartialMatch) {
    heap.push(found);
    let mut at = heap.len() - 1;
    while at > 0 {
        let parent = (at - 1) / 2;
        if heap[at].start >= heap[parent].start {
            return;
        }
        heap.swap(at, parent);
        at = parent;
    }
}

/// Takes out the first match.
pub(super) fn pop(heap: &mut Vec<PartialMatch>) -> Option<PartialMatch> {
    if heap.is_empty() {
        return None;
    }
    let first = heap.swap_remove(0);
    sift_down(heap, 0);
    Some(first)
}

/// Takes out the matches that are not to be kept and hands them over.
pub(super) fn retain(
    heap: &mut Vec<PartialMatch>,
    keep: impl Fn(&PartialMatch) -> bool,
    mut gone: impl FnMut(&PartialMatch),
) {
    let before = heap.len();
    heap.retain(|found| {
        let kept = keep(found);
        if !kept {
            gone(found);
        }
        kept
    });
    if heap.len() < before {
        (0..heap.len() / 2).rev().for_each(|at| sift_down(heap, at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(start: u64, position: u16) -> PartialMatch {
        PartialMatch { start, position, ..PartialMatch::open() }
    }

    fn shape(heap: &[PartialMatch]) -> Vec<(u64, u16)> {
        heap.iter().map(|found| (found.start, found.position)).collect()
    }

    #[test]
    fn equal_elements_stay_in_the_order_of_their_coming_until_one_leaves() {
        let mut heap = Vec::new();
        [(2, 0), (1, 1), (1, 2), (1, 3)].into_iter().for_each(|(s, p)| push(&mut heap, found(s, p)));
        assert_eq!(shape(&heap), [(1, 1), (1, 3), (1, 2), (2, 0)]);
        assert_eq!(pop(&mut heap).map(|found| found.position), Some(1));
        assert_eq!(shape(&heap), [(1, 3), (2, 0), (1, 2)]);
        retain(&mut heap, |found| found.position != 3, |_| ());
        assert_eq!(shape(&heap), [(1, 2), (2, 0)]);
    }
}
