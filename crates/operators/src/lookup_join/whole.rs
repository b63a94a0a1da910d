//! The join with a table that was read as a whole. It may be read again while the job runs: a chunk meets the table as
//! it is when the chunk comes.

use super::Pairing;
use crate::join_rows::{JoinInput, NONE};
use crate::{Operator, OperatorContext, Output};
use arrow_array::ArrayRef;
use std::sync::{Arc, PoisonError, RwLock};
use tidemill_plan::LookupJoinPlan;
use tidemill_state::KeyIndex;
use tidemill_types::{Chunk, Result, Schema};

/// The rows of a table, found by key.
pub struct LookupTable {
    columns: Vec<ArrayRef>,
    keys: KeyIndex,
    /// For each key its first row.
    first: Vec<u32>,
    /// For each row the next of its key, or [`NONE`].
    next: Vec<u32>,
}

impl LookupTable {
    /// The table of these rows, in their order.
    pub fn new(plan: &LookupJoinPlan, chunks: &[Chunk]) -> Self {
        let rows = Chunk::concat(chunks);
        let mut input = JoinInput::new(&plan.on, 1, &plan.schema);
        let (mut keys, mut first) = (KeyIndex::default(), Vec::new());
        let mut next = vec![NONE; rows.rows];
        if rows.rows > 0 {
            input.encode(&rows);
        }
        // From behind, so that each row goes in front of the later ones of its key.
        for row in (0..rows.rows).rev().filter(|&row| input.can_match(row)) {
            let (hash, key) = input.key(row);
            let key = keys.resolve_one(hash, key) as usize;
            first.resize(first.len().max(key + 1), NONE);
            next[row] = std::mem::replace(&mut first[key], row as u32);
        }
        LookupTable { columns: rows.columns, keys, first, next }
    }

    fn of_key(&self, hash: u64, key: &[u8]) -> impl Iterator<Item = u32> {
        let first = self.keys.find(hash, key).map_or(NONE, |key| self.first[key as usize]);
        let some = |row: u32| (row != NONE).then_some(row);
        std::iter::successors(some(first), move |&row| some(self.next[row as usize]))
    }
}

/// A table that can be replaced while tasks look into it.
pub struct SharedTable(RwLock<Arc<LookupTable>>);

impl SharedTable {
    /// The table as it was read first.
    pub fn new(table: LookupTable) -> Self {
        SharedTable(RwLock::new(Arc::new(table)))
    }

    /// Replaces it as a whole.
    pub fn replace(&self, table: LookupTable) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }

    fn current(&self) -> Arc<LookupTable> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The running join.
pub struct LookupJoin {
    pairing: Pairing,
    table: Arc<SharedTable>,
}

impl LookupJoin {
    /// The operator of a plan node over a table that was read.
    pub fn new(plan: &LookupJoinPlan, left: &Schema, table: Arc<SharedTable>) -> Self {
        LookupJoin { pairing: Pairing::new(plan, left), table }
    }
}

impl Operator for LookupJoin {
    fn on_chunk(
        &mut self,
        _port: usize,
        chunk: Chunk,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        if chunk.rows == 0 {
            out.emit(chunk);
            return Ok(());
        }
        let table = self.table.current();
        let input = &mut self.pairing.input;
        input.encode(&chunk);
        let (mut own, mut found) = (Vec::new(), Vec::new());
        for row in (0..chunk.rows).filter(|&row| input.can_match(row)) {
            let (hash, key) = input.key(row);
            found.extend(table.of_key(hash, key));
            own.resize(found.len(), row as u32);
        }
        self.pairing.give(&chunk, (own, found), &table.columns, ctx, out)
    }
}
