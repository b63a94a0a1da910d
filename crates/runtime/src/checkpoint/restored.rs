//! What a run goes on from: the newest whole checkpoint, as the parts of a job want it.

use super::InFlight;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use tidemill_connector::Positions;
use tidemill_state::checkpoint::{Chains, Loaded, LoadedTable};
use tidemill_state::snapshot::{SHARED_GROUP, Section};
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
    /// How many tasks there were, if a barrier had overtaken rows between them.
    pub tasks_in_flight: Option<usize>,
    state: Mutex<Option<Result<Restored>>>,
}

impl SavedJob {
    /// The job of a checkpoint that was loaded.
    pub fn new(loaded: Loaded) -> Self {
        SavedJob {
            epoch: loaded.manifest.epoch,
            next_epoch: loaded.next_epoch,
            chains: Chains::of(&loaded),
            tasks_in_flight: (!loaded.in_flight.is_empty()).then_some(loaded.manifest.parallelism as usize),
            state: Mutex::new(Some(Restored::new(loaded))),
        }
    }

    /// Gives its state out.
    pub fn take(&self) -> Result<Restored> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner).take();
        state.unwrap_or_else(|| Err(Error::internal("the rows of a checkpoint are asked for again")))
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

    /// Drops the sections that are not wanted.
    fn keep(&mut self, wanted: &dyn Fn(&Section) -> bool) {
        self.whole.sections.retain(wanted);
        self.changes.sections.retain(wanted);
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
    /// By fragment and task: what a barrier had overtaken in front of it.
    in_flight: BTreeMap<(String, String), InFlight>,
    /// By operator and table.
    tables: BTreeMap<(String, String), TableRows>,
}

impl Restored {
    /// What a checkpoint holds.
    pub fn new(loaded: Loaded) -> Result<Self> {
        let manifest = loaded.manifest;
        let sources = manifest.sources.into_iter();
        let rows = |table: LoadedTable| Mutex::new(table.rows.into_iter().map(Rows::of).collect());
        let mut in_flight = BTreeMap::new();
        for (place, table) in loaded.in_flight {
            if let Some(rows) = table.rows.first() {
                in_flight.insert(place, InFlight::decode(rows)?);
            }
        }
        Ok(Restored {
            sources: sources.map(|(name, s)| (name, (s.ended, s.positions))).collect(),
            sinks: manifest.sinks,
            watermarks: manifest.watermarks,
            in_flight,
            tables: loaded.tables.into_iter().map(|(key, table)| (key, rows(table))).collect(),
        })
    }

    /// Nothing but watermarks.
    #[cfg(test)]
    pub fn of_watermarks(watermarks: impl IntoIterator<Item = (String, i64)>) -> Self {
        Restored { watermarks: watermarks.into_iter().collect(), ..Restored::default() }
    }

    /// What a task of a fragment goes on from.
    pub fn of_task(&self, fragment: &str, task: usize) -> RestoredTask<'_> {
        RestoredTask { all: self, own: self.in_flight.get(&(fragment.to_string(), task.to_string())) }
    }

    /// Every fragment and task in front of which a barrier had overtaken something.
    pub fn in_flight_places(&self) -> impl Iterator<Item = (&str, &str)> {
        self.in_flight.keys().map(|(fragment, task)| (fragment.as_str(), task.as_str()))
    }

    /// The number of the first item of a source that comes in now.
    pub fn sequence(&self, source: &str) -> u64 {
        let groups = self.in_flight.values().flat_map(|rows| &rows.groups);
        groups.filter(|group| group.source == source).map(|group| group.end).max().unwrap_or_default()
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
        self.restore_rows(operator, name, table, &groups, &|_| true)
    }

    fn restore_rows(
        &self,
        operator: &str,
        name: &str,
        table: &mut dyn StateTable,
        groups: &Range<u32>,
        wanted: &dyn Fn(&Section) -> bool,
    ) -> Result<()> {
        let mut rows = self.take(operator, name, groups);
        rows.iter_mut().for_each(|rows| rows.keep(wanted));
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

/// The same as one task has it: its own values where a barrier had overtaken rows, else those of all tasks.
#[derive(Debug, Clone, Copy)]
pub struct RestoredTask<'a> {
    all: &'a Restored,
    /// What is its own.
    pub own: Option<&'a InFlight>,
}

impl<'a> RestoredTask<'a> {
    /// The saved watermarks by name.
    pub fn watermarks(&self) -> &'a BTreeMap<String, i64> {
        self.own.map_or(&self.all.watermarks, |own| &own.watermarks)
    }

    /// A saved watermark.
    pub fn watermark(&self, name: &str) -> i64 {
        self.watermarks().get(name).copied().unwrap_or(WATERMARK_NONE)
    }

    /// The number of the first item of a source that comes in now.
    pub fn sequence(&self, source: &str) -> u64 {
        self.all.sequence(source)
    }

    /// The saved tables of an operator.
    pub fn tables_of(&self, operator: &'a str) -> impl Iterator<Item = &'a str> {
        self.all.tables_of(operator)
    }

    /// Fills a table with its rows of these key groups.
    pub fn restore(
        &self,
        operator: &str,
        name: &str,
        table: &mut dyn StateTable,
        groups: Range<u32>,
    ) -> Result<()> {
        let Some(own) = self.own else { return self.all.restore(operator, name, table, groups) };
        self.all.restore_rows(operator, name, table, &groups, &|section| section.group != SHARED_GROUP)?;
        match own.shared.get(&(operator.to_string(), name.to_string())) {
            Some(shared) => table.restore(shared, groups),
            None => Ok(()),
        }
    }
}
