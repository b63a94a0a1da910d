//! An epoch on its way: what has been reported and what is still missing.

use super::state::TaskState;
use std::collections::{BTreeMap, HashSet};
use tidemill_connector::Positions;
use tidemill_state::checkpoint::{Chains, EpochWriter};
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
    /// How many bytes were written.
    pub bytes: u64,
    /// What is written of each table once the epoch is complete.
    pub chains: Chains,
    /// How many rows each table holds in the tasks that have reported.
    pub rows: BTreeMap<(String, String), u64>,
    /// The lowest watermark by name.
    pub watermarks: BTreeMap<String, i64>,
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
                self.bytes += segment.len;
                self.chains.add(&table.operator, &table.table, &rows, segment);
            }
            *self.rows.entry((table.operator.clone(), table.table.clone())).or_default() += table.len;
        }
        merge_watermarks(&mut self.watermarks, state.watermarks.iter().cloned());
        Ok(())
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
