//! What a run goes on from: the newest whole checkpoint, as the parts of a job want it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use tidemill_connector::Positions;
use tidemill_state::checkpoint::{Chains, Loaded, LoadedTable};
use tidemill_state::{SnapshotRows, StateTable};
use tidemill_types::{Error, Result, WATERMARK_NONE};

/// A job as its checkpoint has it. Its rows are given out once, so that their memory is free once they are in their
/// tables, whoever still holds this.
#[derive(Debug)]
pub struct SavedJob {
    /// The number of the checkpoint.
    pub epoch: u64,
    /// The number of the next one.
    pub next_epoch: u64,
    /// What is written of its tables.
    pub chains: Chains,
    state: Mutex<Option<Restored>>,
}

impl SavedJob {
    /// The job of a checkpoint that was loaded.
    pub fn new(loaded: Loaded) -> Self {
        SavedJob {
            epoch: loaded.manifest.epoch,
            next_epoch: loaded.next_epoch,
            chains: Chains::of(&loaded),
            state: Mutex::new(Some(Restored::new(loaded))),
        }
    }

    /// Gives its state out.
    pub fn take(&self) -> Result<Restored> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner).take();
        state.ok_or_else(|| Error::internal("the rows of a checkpoint are asked for again"))
    }
}

/// Rows of one piece of one epoch: whole key groups, and changes of others.
#[derive(Debug, Clone)]
struct Rows {
    whole: SnapshotRows,
    changes: SnapshotRows,
}

impl Rows {
    fn of(rows: SnapshotRows) -> Self {
        let (whole, changes) = rows.split_whole();
        Rows { whole, changes }
    }

    fn take_groups(&mut self, groups: &Range<u32>) -> Rows {
        Rows { whole: self.whole.take_groups(groups), changes: self.changes.take_groups(groups) }
    }
}

/// The rows of one table, the oldest first.
type TableRows = Mutex<Vec<Rows>>;

/// The state that a job starts with.
#[derive(Debug, Default)]
pub struct Restored {
    /// By source: its positions, and whether it had been read to its end.
    pub sources: BTreeMap<String, (bool, Positions)>,
    /// By sink: what its tasks had prepared.
    pub sinks: BTreeMap<String, Vec<Vec<u8>>>,
    watermarks: BTreeMap<String, i64>,
    /// By operator and table.
    tables: BTreeMap<(String, String), TableRows>,
}

impl Restored {
    /// What a checkpoint holds.
    pub fn new(loaded: Loaded) -> Self {
        let manifest = loaded.manifest;
        let sources = manifest.sources.into_iter();
        let rows = |table: LoadedTable| Mutex::new(table.rows.into_iter().map(Rows::of).collect());
        Restored {
            sources: sources.map(|(name, s)| (name, (s.ended, s.positions))).collect(),
            sinks: manifest.sinks,
            watermarks: manifest.watermarks,
            tables: loaded.tables.into_iter().map(|(key, table)| (key, rows(table))).collect(),
        }
    }

    /// The saved watermarks by name.
    pub fn watermarks(&self) -> &BTreeMap<String, i64> {
        &self.watermarks
    }

    /// A saved watermark.
    pub fn watermark(&self, name: &str) -> i64 {
        self.watermarks.get(name).copied().unwrap_or(WATERMARK_NONE)
    }

    /// The saved tables of an operator.
    pub fn tables_of<'a>(&'a self, operator: &'a str) -> impl Iterator<Item = &'a str> {
        let own = self.tables.range((operator.to_string(), String::new())..);
        own.take_while(move |((name, _), _)| name == operator).map(|((_, table), _)| table.as_str())
    }

    /// Fills a table with its rows of these key groups, which are given out once.
    pub fn restore(
        &self,
        operator: &str,
        name: &str,
        table: &mut dyn StateTable,
        groups: Range<u32>,
    ) -> Result<()> {
        let rows = self.take(operator, name, &groups);
        table.reserve(rows.iter().map(|rows| rows.whole.rows()).sum());
        for rows in rows {
            if !rows.whole.sections.is_empty() {
                table.restore(&rows.whole, groups.clone())?;
            }
            if !rows.changes.sections.is_empty() {
                table.apply(&rows.changes, groups.clone())?;
            }
        }
        Ok(())
    }

    fn take(&self, operator: &str, name: &str, groups: &Range<u32>) -> Vec<Rows> {
        let Some(rows) = self.tables.get(&(operator.to_string(), name.to_string())) else {
            return Vec::new();
        };
        let mut rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.iter_mut().map(|rows| rows.take_groups(groups)).collect()
    }
}
