//! What one table takes of a budget.
//!
//! Invariant: the budget knows what the table told last, until the share is dropped.

use super::MemoryBudget;
use std::sync::atomic::Ordering;
use tidemill_types::{Error, Result};

/// So many keys stay whatever the budget.
const KEYS_MIN: usize = 1;
/// How far a table may go over the budget before it is an error, as a share and in bytes.
const EXCESS_SHARE: usize = 2;
const EXCESS_BYTES: usize = 64 << 20;

/// The part of a budget that a table takes.
#[derive(Debug)]
pub(crate) struct Share {
    pub(super) budget: MemoryBudget,
    told: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.0.used.fetch_sub(self.told, Ordering::Relaxed);
    }
}

impl Share {
    /// Nothing yet.
    pub(crate) fn new(budget: &MemoryBudget) -> Self {
        Share { budget: budget.clone(), told: 0 }
    }

    /// Tells what the table takes; gives what all take.
    pub(crate) fn tell(&mut self, bytes: usize) -> usize {
        let old = std::mem::replace(&mut self.told, bytes);
        let used = &self.budget.0.used;
        used.fetch_add(bytes, Ordering::Relaxed);
        used.fetch_sub(old, Ordering::Relaxed) - old
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

    /// Refuses a table that takes far too much in spite of all.
    pub(crate) fn check(&self) -> Result<()> {
        let limit = self.budget.limit();
        if self.told <= limit.saturating_mul(EXCESS_SHARE) + EXCESS_BYTES {
            return Ok(());
        }
        let (taken, limit) = (self.told >> 20, limit >> 20);
        Err(Error::user_hint(
            format!(
                "one table of state takes {taken} MB, which is far above the memory budget of {limit} MB"
            ),
            "give more memory; the rows of one key are kept in memory together",
        ))
    }
}
