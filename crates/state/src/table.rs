//! What every kind of state table can do for the runtime, whatever operators use it for.

use crate::SnapshotRows;
use std::ops::Range;
use tidemill_types::Result;

/// A table of an operator as the runtime sees it.
pub trait StateTable: Send {
    /// Which layout its rows have; a snapshot with another id is refused.
    fn schema_id(&self) -> u64;

    /// The rows of these key groups.
    fn snapshot(&self, groups: Range<u32>) -> SnapshotRows;

    /// Adds the rows of these key groups from a snapshot; the table need not be empty, since the rows of
    /// one task may come from the snapshots of many.
    fn restore(&mut self, rows: &SnapshotRows, groups: Range<u32>) -> Result<()>;

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
