//! A table with the chain of its checkpoints, and how it comes back from them.

use crate::tables::{GROUPS, Tested};
use proptest::prelude::*;
use std::ops::Range;
use tidemill_state::{MemoryBudget, SnapshotRows};

/// What happens to a table.
#[derive(Debug, Clone)]
pub enum Step {
    Change {
        key: u8,
        action: u8,
        value: i64,
    },
    /// A checkpoint; these groups, as bits, are written whole.
    Epoch {
        whole: u32,
    },
    /// The table is given up and comes back, in so many tasks.
    Restart {
        tasks: u32,
    },
}

pub struct Chain<T: Tested> {
    table: T,
    epochs: Vec<SnapshotRows>,
    /// What the table held at the last checkpoint.
    saved: T::Content,
    saved_ms: i64,
    now_ms: i64,
    budget: Option<MemoryBudget>,
}

impl<T: Tested> Chain<T> {
    /// A table that may take so much memory, or any.
    pub fn new(budget: Option<MemoryBudget>) -> Self {
        let mut table = T::make();
        let saved = table.content(0);
        budget.iter().for_each(|budget| table.table().set_budget(budget));
        Chain { table, epochs: Vec::new(), saved, saved_ms: 0, now_ms: 0, budget }
    }

    pub fn last(&self) -> &SnapshotRows {
        self.epochs.last().unwrap()
    }

    pub fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Change { key, action, value } => {
                self.now_ms += value / 8;
                self.table.change(key, action, value, self.now_ms);
                self.table.table().tend().unwrap();
            }
            Step::Epoch { whole } => {
                let rows = self.table.table().delta(0..GROUPS, &|group| whole >> group & 1 == 1);
                self.epochs.push(SnapshotRows::decode(&rows.encode()).unwrap());
                self.saved = self.table.content(self.now_ms);
                self.table.table().tend().unwrap();
                self.saved_ms = self.now_ms;
            }
            Step::Restart { tasks } => self.restart(tasks)?,
        }
        Ok(())
    }

    fn restart(&mut self, tasks: u32) -> Result<(), TestCaseError> {
        self.now_ms = self.saved_ms;
        let parts = (0..tasks).map(|task| GROUPS * task / tasks..GROUPS * (task + 1) / tasks);
        let contents = parts.map(|groups| self.restored(groups).content(self.now_ms)).collect();
        prop_assert_eq!(T::union(contents), self.saved.clone());
        self.table = self.restored(0..GROUPS);
        prop_assert_eq!(self.table.content(self.now_ms), self.saved.clone());
        Ok(())
    }

    /// A new table with the newest whole section of each group and the changes after it.
    fn restored(&self, groups: Range<u32>) -> T {
        let mut table = T::make();
        self.budget.iter().for_each(|budget| table.table().set_budget(budget));
        let newest = |group| {
            self.epochs
                .iter()
                .rposition(|rows| rows.sections.iter().any(|section| section.group == group && section.whole))
        };
        let newest: Vec<Option<usize>> = (0..GROUPS).map(newest).collect();
        let of_epoch = |epoch: usize, whole: bool| {
            let mut rows = self.epochs[epoch].clone();
            rows.sections.retain(|section| {
                let base = newest[section.group as usize];
                section.whole == whole && if whole { base == Some(epoch) } else { base < Some(epoch) }
            });
            rows
        };
        for epoch in 0..self.epochs.len() {
            table.table().restore(&of_epoch(epoch, true), groups.clone()).unwrap();
        }
        for epoch in 0..self.epochs.len() {
            table.table().apply(&of_epoch(epoch, false), groups.clone()).unwrap();
        }
        table
    }
}
