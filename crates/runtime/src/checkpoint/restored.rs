//! What a run goes on from: the newest whole checkpoint, as the parts of a job want it.

use std::collections::BTreeMap;
use std::ops::Range;
use tidemill_connector::Positions;
use tidemill_state::checkpoint::Loaded;
use tidemill_state::{SnapshotRows, StateTable};
use tidemill_types::{Result, WATERMARK_NONE};

/// Rows of one epoch: whole key groups, and changes of others.
#[derive(Debug, Clone)]
struct Rows {
    whole: SnapshotRows,
    changes: SnapshotRows,
}

impl Rows {
    fn of(rows: &SnapshotRows) -> Self {
        let (whole, changes) = rows.sections.iter().cloned().partition(|section| section.whole);
        let of = |sections| SnapshotRows { schema: rows.schema, sections };
        Rows { whole: of(whole), changes: of(changes) }
    }
}

/// The state that a job starts with.
#[derive(Debug, Clone, Default)]
pub struct Restored {
    /// By source: its positions, and whether it had been read to its end.
    pub sources: BTreeMap<String, (bool, Positions)>,
    /// By sink: what its tasks had prepared.
    pub sinks: BTreeMap<String, Vec<Vec<u8>>>,
    watermarks: BTreeMap<String, i64>,
    /// By operator and table, the oldest epoch first.
    tables: BTreeMap<(String, String), Vec<Rows>>,
}

impl Restored {
    /// What a checkpoint holds.
    pub fn new(loaded: &Loaded) -> Self {
        let manifest = &loaded.manifest;
        let sources = manifest.sources.iter();
        let tables = loaded.tables.iter();
        Restored {
            sources: sources.map(|(name, s)| (name.clone(), (s.ended, s.positions.clone()))).collect(),
            sinks: manifest.sinks.clone(),
            watermarks: manifest.watermarks.clone(),
            tables: tables.map(|(key, t)| (key.clone(), t.rows.iter().map(Rows::of).collect())).collect(),
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

    /// Fills a table with its rows of these key groups.
    pub fn restore(
        &self,
        operator: &str,
        name: &str,
        table: &mut dyn StateTable,
        groups: Range<u32>,
    ) -> Result<()> {
        let epochs = self.tables.get(&(operator.to_string(), name.to_string()));
        let epochs = epochs.map_or(&[][..], Vec::as_slice);
        table.reserve(epochs.iter().map(|rows| rows.whole.rows_of_groups(groups.clone())).sum());
        for rows in epochs {
            if !rows.whole.sections.is_empty() {
                table.restore(&rows.whole, groups.clone())?;
            }
            if !rows.changes.sections.is_empty() {
                table.apply(&rows.changes, groups.clone())?;
            }
        }
        Ok(())
    }
}
