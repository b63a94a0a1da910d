//! What every kind of state table can do for the runtime, whatever operators use it for.

use crate::entries::Entry;
use crate::{MemoryBudget, SnapshotRows};
use std::ops::Range;
use tidemill_types::{Error, Result};

/// A table of an operator as the runtime sees it.
pub trait StateTable: Send {
    /// Which layout its rows have; a snapshot with another id is refused.
    fn schema_id(&self) -> u64;

    /// The rows of these key groups.
    fn snapshot(&self, groups: Range<u32>) -> SnapshotRows;

    /// About so many rows are going to be restored.
    fn reserve(&mut self, _rows: usize) {}

    /// Adds the rows of these key groups from a snapshot; the table need not be empty, since the rows of
    /// one task may come from the snapshots of many.
    fn restore(&mut self, rows: &SnapshotRows, groups: Range<u32>) -> Result<()>;

    /// What a checkpoint must write. For each key group of `groups`: all its rows if `whole` says so, even if there
    /// are none; else what changed since the last call (or since the table was restored). A changed row of a section
    /// that is not [`Section::whole`](crate::snapshot::Section::whole) begins with a byte, 1: the row is set, 0: it
    /// is gone, and only what identifies it follows.
    ///
    /// Changes are tracked from the first call (or restore) on; that call, and one after [`StateTable::clear`], gives
    /// every group whole. What was given counts as saved: if it is not, ask for every group whole next.
    /// A table that keeps no track of its changes gives every group whole always.
    fn delta(&mut self, groups: Range<u32>, _whole: &dyn Fn(u32) -> bool) -> SnapshotRows {
        let mut rows = self.snapshot(groups.clone());
        rows.add_empty(groups);
        rows
    }

    /// Applies sections of changes on top of what was restored, in the order of their epochs.
    fn apply(&mut self, _changes: &SnapshotRows, _groups: Range<u32>) -> Result<()> {
        Err(Error::internal("a table that gives no changes was given some"))
    }

    /// Sets how much memory it may take together with others; what is too much goes to disk. A table that is small
    /// by nature needs none.
    fn set_budget(&mut self, _budget: &MemoryBudget) {}

    /// Is called between chunks, before what the last one gave goes on: moves keys to disk if memory is short. Tells
    /// what went wrong with those that are there. Slots and numbers of keys end here.
    fn tend(&mut self) -> Result<()> {
        Ok(())
    }

    /// Shows every entry, in no particular order, to people who look into a checkpoint. Small tables that say nothing by
    /// themselves show none.
    fn each_entry(&self, _each: &mut dyn FnMut(Entry<'_>)) {}

    /// Forgets everything.
    fn clear(&mut self);

    /// The memory it takes, roughly.
    fn bytes(&self) -> usize;

    /// How many rows (keys, timers) it holds.
    fn len(&self) -> usize;

    /// Whether it holds no row.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
