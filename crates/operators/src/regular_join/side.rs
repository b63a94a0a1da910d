//! One side of a regular join: its rows as bytes, and its table.

use crate::build::JobInfo;
use crate::join_rows::JoinInput;
use crate::keys::Keys;
use arrow_array::ArrayRef;
use tidemill_plan::JoinOn;
use tidemill_plan::join::JoinSidePlan;
use tidemill_state::{JoinRows, JoinTable, StateTable};
use tidemill_types::{Chunk, Schema};

/// A side with the encoded rows of the chunk at hand.
pub(super) struct Side {
    pub(super) input: JoinInput,
    /// What identifies a row, if not all of it: the join key and then the unique key.
    identity: Option<Keys>,
    /// The rows that are kept.
    pub(super) table: JoinTable,
}

impl Side {
    pub(super) fn new(on: &JoinOn, port: usize, plan: &JoinSidePlan, schema: &Schema, job: &JobInfo) -> Self {
        let identity = plan.unique.as_ref().map(|unique| {
            let mut columns = on.keys(port).to_vec();
            columns.extend(unique.iter().filter(|column| !on.keys(port).contains(column)));
            Keys::new(&columns, schema)
        });
        let rows = match &identity {
            Some(_) => JoinRows::Unique,
            None if plan.added_only => JoinRows::Added,
            None => JoinRows::Counted,
        };
        Side {
            input: JoinInput::new(on, port, schema),
            table: JoinTable::new(rows, plan.ttl_ms, job.key_groups),
            identity,
        }
    }

    /// Encodes the rows of a chunk.
    pub(super) fn encode(&mut self, chunk: &Chunk) {
        self.input.encode(chunk);
        if let Some(identity) = &mut self.identity {
            identity.encode(chunk);
        }
    }

    /// Brings back the rows with the keys of the chunk at hand.
    pub(super) fn load(&mut self) {
        let (keys, hashes) = self.input.keys();
        self.table.load(keys, hashes);
    }

    /// Keeps a row, or takes it back. A row that is not there (any more) can't be taken back; what it gave
    /// was taken back all the same, as Flink does.
    pub(super) fn keep(&mut self, row: usize, adds: bool, matches: i64, now_ms: i64) {
        let bytes = self.input.row(row);
        let identity = self.identity.as_ref().map_or(bytes, |keys| keys.encoded.key(row));
        if adds {
            self.table.add(self.input.key(row), identity, bytes, matches, now_ms);
        } else {
            self.table.retract(identity, now_ms);
        }
    }

    /// The columns of kept rows.
    pub(super) fn decode(&self, ids: &[u32]) -> Vec<ArrayRef> {
        self.input.decode(ids.iter().map(|&id| self.table.row(id)))
    }

    /// The rows in memory that nothing matches, each as often as it is there.
    pub(super) fn unmatched(&self) -> Vec<u32> {
        let mut ids = Vec::with_capacity(self.table.len());
        for id in self.table.ids().filter(|&id| self.table.matches(id) == 0) {
            ids.extend(std::iter::repeat_n(id, self.table.count(id) as usize));
        }
        ids
    }
}
