//! What a task hands over at a barrier.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use tidemill_state::{SnapshotRows, StateTable};

/// The end of an epoch, as it travels through the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Barrier {
    /// The epoch that ends.
    pub epoch: u64,
    /// Which key groups are written whole.
    pub whole: Whole,
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

/// What a checkpoint keeps of a task.
#[derive(Debug, Clone, Default)]
pub struct TaskState {
    /// Its tables.
    pub tables: Vec<TableState>,
    /// Watermarks by stable name.
    pub watermarks: Vec<(String, i64)>,
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
