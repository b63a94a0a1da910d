//! What one table takes of a budget.
//!
//! Invariant: the budget knows what the table told last, until the share is dropped.

use super::MemoryBudget;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tidemill_types::{Error, Result};

/// So many keys stay whatever the budget.
const KEYS_MIN: usize = 1;
/// How far a table may go over a budget of tables before it is an error, as a share and in bytes.
const EXCESS_SHARE: usize = 2;
const EXCESS_BYTES: usize = 64 << 20;

/// What a table takes, for others to see.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) owner: Arc<str>,
    bytes: AtomicUsize,
}

impl Taken {
    pub(super) fn new(owner: Arc<str>) -> Self {
        Taken { owner, bytes: AtomicUsize::new(0) }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// The part of a budget that a table takes.
#[derive(Debug)]
pub(crate) struct Share {
    pub(super) budget: MemoryBudget,
    taken: Arc<Taken>,
    /// The budget's round when the table looked at its memory last.
    round: u32,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.change(0, self.taken.bytes());
    }
}

impl Share {
    /// Nothing yet.
    pub(crate) fn new(budget: &MemoryBudget) -> Self {
        Share { budget: budget.clone(), taken: budget.enter(), round: budget.round() }
    }

    /// Tells what the table takes; gives what all take.
    pub(crate) fn tell(&mut self, bytes: usize) -> usize {
        self.round = self.budget.round();
        let old = self.taken.bytes.swap(bytes, Ordering::Relaxed);
        self.budget.change(bytes, old)
    }

    /// Whether the table is to look at its memory though little happened to it.
    #[inline]
    pub(crate) fn is_pressed(&self) -> bool {
        self.round != self.budget.round()
    }

    /// Whether all together take too much, if this table takes so much.
    pub(crate) fn is_over(&mut self, bytes: usize) -> bool {
        self.tell(bytes) > self.budget.limit()
    }

    /// How many of so many keys, which take so much memory, should go.
    pub(crate) fn surplus(&mut self, keys: usize, bytes: usize) -> usize {
        let (total, limit) = (self.tell(bytes), self.budget.limit());
        if total <= limit {
            return 0;
        }
        // Down to its share and a little less, so that it is not at once too much again.
        let keep = (keys as u128 * limit as u128 * 7 / (total as u128 * 8)) as usize;
        keys - keep.clamp(KEYS_MIN.min(keys), keys)
    }

    /// Refuses a table that takes far too much in spite of all, or a run that does.
    pub(crate) fn check(&self) -> Result<()> {
        if self.budget.process_limit().is_some() {
            return self.budget.refused().map_or(Ok(()), |error| Err(error.clone()));
        }
        let (taken, limit) = (self.taken.bytes(), self.budget.limit());
        if taken <= limit.saturating_mul(EXCESS_SHARE) + EXCESS_BYTES {
            return Ok(());
        }
        let (taken, limit) = (taken >> 20, limit >> 20);
        Err(Error::user_hint(
            format!(
                "one table of state takes {taken} MB, which is far above the memory budget of {limit} MB"
            ),
            "give more memory; the rows of one key are kept in memory together",
        ))
    }
}
