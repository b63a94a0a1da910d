//! Changelog normalisation: rows by key, where each is the newest of its key and `-D` may hold the key only,
//! become a changelog that says what was replaced and what was deleted.
//!
//! - a row of a new key: `+I`; of a known one: `-U` and `+U`, or nothing if it is the same row;
//! - a deletion: `-D` with the whole row, or nothing if the key is not known.
//!
//! State: for each key its last row, until it is deleted. Source of the rule: Flink's `ChangelogNormalize`.

use crate::build::JobInfo;
use crate::keys::Keys;
use crate::stored_rows::{StoredChanges, whole_rows};
use crate::{Operator, OperatorContext, Output};
use tidemill_state::{OrderedTable, StateTable};
use tidemill_types::{Chunk, Result, RowKind, Schema};

/// The running normalisation.
pub struct ChangelogNormalize {
    keys: Keys,
    codec: Keys,
    /// For each key its last row.
    table: OrderedTable,
    changes: StoredChanges,
}

impl ChangelogNormalize {
    /// The operator of a plan node.
    pub fn new(keys: &[usize], input: &Schema, job: &JobInfo) -> Self {
        ChangelogNormalize {
            keys: Keys::new(keys, input),
            codec: whole_rows(input),
            table: OrderedTable::new(job.key_groups),
            changes: StoredChanges::new(true),
        }
    }

    fn on_row(&mut self, row: usize, kind: RowKind) {
        let key = self.keys.encoded.key(row);
        match kind {
            RowKind::Insert | RowKind::UpdateAfter => {
                let new = self.codec.encoded.key(row);
                match self.table.get(key, &[]) {
                    None => self.changes.push(RowKind::Insert, new, 1),
                    Some(old) if old == new => return,
                    Some(old) => {
                        self.changes.push(RowKind::UpdateBefore, old, 1);
                        self.changes.push(RowKind::UpdateAfter, new, 1);
                    }
                }
                self.table.insert(key, &[], new);
            }
            RowKind::Delete => {
                if let Some(old) = self.table.remove(key, &[]) {
                    self.changes.push(RowKind::Delete, &old, 1);
                }
            }
            // What is replaced is known here already.
            RowKind::UpdateBefore => {}
        }
    }
}

impl Operator for ChangelogNormalize {
    fn on_chunk(
        &mut self,
        _port: usize,
        chunk: Chunk,
        _ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        if chunk.rows > 0 {
            self.keys.encode(&chunk);
            self.codec.encode(&chunk);
            self.table.load(&self.keys.encoded);
        }
        let mut marks = chunk.marks.iter().peekable();
        for row in 0..chunk.rows {
            while let Some(mark) = marks.next_if(|mark| mark.row as usize <= row) {
                self.changes.mark(mark.watermark);
            }
            self.on_row(row, chunk.kinds.as_ref().map_or(RowKind::Insert, |kinds| kinds[row]));
        }
        marks.for_each(|mark| self.changes.mark(mark.watermark));
        out.rows.absorbed += chunk.rows as u64;
        self.changes.finish(&self.codec, false, &[], out);
        Ok(())
    }

    fn tables(&mut self) -> Vec<(&'static str, &mut dyn StateTable)> {
        vec![("rows", &mut self.table)]
    }
}
