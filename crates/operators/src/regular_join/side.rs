//! One side of a join: how its rows and keys become bytes, and its table.

use crate::build::JobInfo;
use crate::keys::Keys;
use arrow_array::{Array, ArrayRef};
use tidemill_state::{JoinTable, StateTable};
use tidemill_types::key::{EncodedKeys, KeyEncoder, decode};
use tidemill_types::{Chunk, DataType, Schema};

/// A side with the encoded rows of the chunk at hand.
pub(super) struct Side {
    keys: Keys,
    null_safe: Vec<bool>,
    encoder: KeyEncoder,
    rows: EncodedKeys,
    /// For each row whether its key may match; empty if all may.
    matchable: Vec<bool>,
    /// The rows that are kept.
    pub(super) table: JoinTable,
}

impl Side {
    pub(super) fn new(
        keys: &[usize],
        null_safe: &[bool],
        schema: &Schema,
        ttl_ms: i64,
        job: &JobInfo,
    ) -> Self {
        Side {
            keys: Keys::new(keys, schema),
            null_safe: null_safe.to_vec(),
            encoder: KeyEncoder::new(schema.types().cloned()),
            rows: EncodedKeys::default(),
            matchable: Vec::new(),
            table: JoinTable::new(ttl_ms, job.key_groups),
        }
    }

    /// How many columns it has.
    pub(super) fn width(&self) -> usize {
        self.types().len()
    }

    /// The types of its columns.
    pub(super) fn types(&self) -> &[DataType] {
        self.encoder.types()
    }

    /// Encodes the rows of a chunk.
    pub(super) fn encode(&mut self, chunk: &Chunk) {
        self.keys.encode(chunk);
        self.encoder.encode(&chunk.columns, chunk.rows, &mut self.rows);
        self.matchable.clear();
        for (&column, _) in self.keys.columns().iter().zip(&self.null_safe).filter(|(_, safe)| !**safe) {
            let column = &chunk.columns[column];
            if column.logical_null_count() == 0 {
                continue;
            }
            let nulls = column.logical_nulls().expect("nulls were counted");
            self.matchable.resize(chunk.rows, true);
            self.matchable.iter_mut().zip(&nulls).for_each(|(matchable, valid)| *matchable &= valid);
        }
    }

    /// Whether the key of a row may match: it has no NULL, but for keys that are null-safe.
    #[inline]
    pub(super) fn can_match(&self, row: usize) -> bool {
        self.matchable.get(row).copied().unwrap_or(true)
    }

    /// The key of a row with its hash.
    #[inline]
    pub(super) fn key(&self, row: usize) -> (u64, &[u8]) {
        (self.keys.hashes[row], self.keys.encoded.key(row))
    }

    /// The keys of the chunk at hand with their hashes.
    pub(super) fn keys(&self) -> (&EncodedKeys, &[u64]) {
        (&self.keys.encoded, &self.keys.hashes)
    }

    /// Brings back the rows with these keys.
    pub(super) fn load(&mut self) {
        self.table.load(&self.keys.encoded, &self.keys.hashes);
    }

    /// Keeps a row, or takes it back. A row that is not there (any more) can't be taken back; what it gave
    /// was taken back all the same, as Flink does.
    pub(super) fn keep(&mut self, row: usize, adds: bool, matches: i64, now_ms: i64) {
        let bytes = self.rows.key(row);
        if adds {
            let key = (self.keys.hashes[row], self.keys.encoded.key(row));
            self.table.add(key, bytes, matches, now_ms);
        } else {
            self.table.retract(bytes, now_ms);
        }
    }

    /// The columns of kept rows.
    pub(super) fn decode(&self, ids: &[u32]) -> Vec<ArrayRef> {
        decode(self.types(), ids.iter().map(|&id| self.table.row(id)))
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
