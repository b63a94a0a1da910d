//! An epoch on its way: what has been reported and what is still missing.

use super::Barrier;
use super::state::{OwnState, TaskState};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use tidemill_connector::Positions;
use tidemill_state::checkpoint::{Chains, CheckpointCost, EpochWriter, TableState};
use tidemill_types::Result;
use tokio::time::Instant;

/// Larger rows of a table are written in pieces, so that they are read side by side and given back piece by piece.
const SEGMENT_BYTES: usize = 32 << 20;

/// An epoch that was begun.
pub struct Epoch {
    /// Its number.
    pub number: u64,
    /// When it was begun.
    pub started: Instant,
    /// By source: whether it has been read to its end, and where it stands.
    pub sources: Vec<Option<(bool, Positions)>>,
    /// Tasks that have not reported.
    pub tasks: HashSet<usize>,
    /// Sinks that have not reported.
    pub sinks: HashSet<usize>,
    /// Where state goes.
    pub writer: EpochWriter,
    /// What is written of each table once the epoch is complete.
    pub chains: Chains,
    /// How many rows each table holds in the tasks that have reported.
    pub rows: BTreeMap<(String, String), u64>,
    /// The lowest watermark by name.
    pub watermarks: BTreeMap<String, i64>,
    /// By source: whether it had ended before, so that it was not asked for a barrier.
    pub ended_before: Vec<bool>,
    /// Its barrier, once readers were asked for it.
    pub barrier: Option<Arc<Barrier>>,
    /// Whether the barrier overtakes.
    pub overtakes: bool,
    /// What is each task's own where nothing was overtaken.
    pub calm: Vec<OwnState>,
    /// What it overtook.
    pub in_flight: Vec<TableState>,
    /// What it took so far.
    pub cost: CheckpointCost,
}

impl Epoch {
    /// Whether everybody has reported.
    pub fn complete(&self) -> bool {
        self.tasks.is_empty() && self.sinks.is_empty() && self.sources.iter().all(Option::is_some)
    }

    /// Writes what a task has to keep.
    pub async fn write(&mut self, state: &TaskState) -> Result<()> {
        for table in &state.tables {
            for rows in table.rows.pieces(SEGMENT_BYTES) {
                let segment = self.writer.append(&rows).await?;
                self.cost.state_bytes += segment.len;
                self.chains.add(&table.operator, &table.table, &rows, segment);
            }
            *self.rows.entry((table.operator.clone(), table.table.clone())).or_default() += table.len;
        }
        merge_watermarks(&mut self.watermarks, state.watermarks.iter().cloned());
        match &state.own {
            Some(own) if own.overtaken => {
                self.cost.in_flight_bytes += self.write_own(own).await?;
            }
            Some(own) => self.calm.push(own.clone()),
            None => {}
        }
        self.cost.alignment_ms = self.cost.alignment_ms.max(state.alignment.as_millis() as u64);
        Ok(())
    }
}

impl Epoch {
    /// Writes what is each task's own of those in front of which nothing was overtaken, if something was elsewhere.
    pub async fn write_calm(&mut self) -> Result<()> {
        if self.cost.in_flight_bytes > 0 {
            for own in std::mem::take(&mut self.calm) {
                self.write_own(&own).await?;
            }
        }
        Ok(())
    }

    async fn write_own(&mut self, own: &OwnState) -> Result<u64> {
        let segment = self.writer.append(&own.rows).await?;
        let bytes = segment.len;
        self.in_flight.push(TableState {
            operator: own.fragment.clone(),
            table: own.task.to_string(),
            schema: own.rows.schema,
            rows: own.rows.rows() as u64,
            segments: vec![segment],
        });
        Ok(bytes)
    }
}

/// Tasks of one fragment have reached the same watermark at a barrier, but for what one of them has not heard of
/// yet: the lowest counts.
pub fn merge_watermarks(
    into: &mut BTreeMap<String, i64>,
    watermarks: impl IntoIterator<Item = (String, i64)>,
) {
    for (name, watermark) in watermarks {
        into.entry(name).and_modify(|lowest| *lowest = watermark.min(*lowest)).or_insert(watermark);
    }
}
