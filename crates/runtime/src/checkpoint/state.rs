//! What a task hands over at a barrier.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidemill_state::{SnapshotRows, StateTable};

/// The end of an epoch, as it travels through the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Barrier {
    /// The epoch that ends.
    pub epoch: u64,
    /// Which key groups are written whole.
    pub whole: Whole,
}

/// The last barrier that does not wait until tasks have worked off what is queued. It stays until the next.
#[derive(Debug, Default)]
pub struct Overtaking {
    epoch: AtomicU64,
    barrier: Mutex<Option<Arc<Barrier>>>,
}

impl Overtaking {
    /// This barrier overtakes from now on. Tasks must be woken.
    pub fn begin(&self, barrier: Arc<Barrier>) {
        let epoch = barrier.epoch;
        *self.barrier.lock().unwrap_or_else(PoisonError::into_inner) = Some(barrier);
        self.epoch.store(epoch, Ordering::Release);
    }

    /// The barrier, if its epoch comes after `last`.
    pub fn after(&self, last: u64) -> Option<Arc<Barrier>> {
        if self.epoch.load(Ordering::Acquire) <= last {
            return None;
        }
        self.barrier.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Which key groups are written whole; of the others only changes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whole {
    /// All of them.
    All,
    /// None of them.
    None,
    /// These of a table (operator, table); all of tables that are not named.
    Of(BTreeMap<(String, String), BTreeSet<u32>>),
}

impl Barrier {
    /// What must be written of a table.
    fn delta(
        &self,
        operator: &str,
        name: &str,
        table: &mut dyn StateTable,
        groups: Range<u32>,
    ) -> SnapshotRows {
        match &self.whole {
            Whole::All => table.delta(groups, &|_| true),
            Whole::None => table.delta(groups, &|_| false),
            Whole::Of(tables) => match tables.get(&(operator.to_string(), name.to_string())) {
                Some(whole) => table.delta(groups, &|group| whole.contains(&group)),
                None => table.delta(groups, &|_| true),
            },
        }
    }
}

/// Rows of one table of one operator in one task.
#[derive(Debug, Clone)]
pub struct TableState {
    /// The operator's stable name.
    pub operator: String,
    /// The table's name in the operator.
    pub table: String,
    /// Its rows or changes; none if nothing changed.
    pub rows: SnapshotRows,
    /// How many rows it holds.
    pub len: u64,
}

/// What is only one task's; it counts where the barrier of the epoch overtook something.
#[derive(Debug, Clone)]
pub struct OwnState {
    /// The fragment.
    pub fragment: String,
    /// Which of its tasks it is.
    pub task: usize,
    /// An encoded [`super::InFlight`].
    pub rows: SnapshotRows,
    /// Whether something was overtaken in front of this task.
    pub overtaken: bool,
}

/// What a checkpoint keeps of a task.
#[derive(Debug, Clone, Default)]
pub struct TaskState {
    /// Its tables.
    pub tables: Vec<TableState>,
    /// Watermarks by stable name.
    pub watermarks: Vec<(String, i64)>,
    /// What is its own where barriers may overtake.
    pub own: Option<OwnState>,
    /// How long some of its inputs stood at the barrier and others did not.
    pub alignment: Duration,
}

impl TaskState {
    /// They are written and will not change any more.
    pub fn forget_rows(&mut self) {
        self.tables.iter_mut().for_each(|table| table.rows.sections.clear());
    }

    /// Adds what must be written of a table.
    pub fn add(
        &mut self,
        barrier: &Barrier,
        operator: &str,
        name: String,
        table: &mut dyn StateTable,
        groups: Range<u32>,
    ) {
        let rows = barrier.delta(operator, &name, table, groups);
        let len = table.len() as u64;
        self.tables.push(TableState { operator: operator.to_string(), table: name, rows, len });
    }
}
