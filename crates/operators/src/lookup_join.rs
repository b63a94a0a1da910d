//! Lookup join: each row meets the rows that a table holds under its key, at once and once for all.
//!
//! The table was read as a whole when the job started (a full cache, not read again). Rows come out with their
//! kind, in their order; marks stay behind the rows they stood behind.
//!
//! State: none; the table is read anew by a job that restarts. Deliberately not here: tables that are asked row by
//! row, which needs a stage that waits.

use crate::join_rows::{JoinInput, NONE, Residual};
use crate::{Operator, OperatorContext, Output};
use arrow_array::ArrayRef;
use std::sync::Arc;
use tidemill_plan::{JoinKind, LookupJoinPlan};
use tidemill_state::KeyIndex;
use tidemill_types::{Chunk, Marks, Result, RowKind, Schema};

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

/// The running join.
pub struct LookupJoin {
    outer: bool,
    input: JoinInput,
    /// Only for the columns it gives.
    right: JoinInput,
    residual: Option<Residual>,
    table: Arc<LookupTable>,
}

impl LookupJoin {
    /// The operator of a plan node over a table that was read.
    pub fn new(plan: &LookupJoinPlan, left: &Schema, table: Arc<LookupTable>) -> Self {
        LookupJoin {
            outer: plan.on.kind == JoinKind::Left,
            input: JoinInput::new(&plan.on, 0, left),
            right: JoinInput::new(&plan.on, 1, &plan.schema),
            residual: Residual::of(&plan.on, left.len()),
            table,
        }
    }

    /// For each pair the row of the chunk and that of the table; only those that match.
    fn pairs(&self, chunk: &Chunk, ctx: &OperatorContext) -> Result<(Vec<u32>, Vec<u32>)> {
        let (mut own, mut found) = (Vec::new(), Vec::new());
        for row in (0..chunk.rows).filter(|&row| self.input.can_match(row)) {
            let (hash, key) = self.input.key(row);
            found.extend(self.table.of_key(hash, key));
            own.resize(found.len(), row as u32);
        }
        let Some(residual) = self.residual.as_ref().filter(|_| !own.is_empty()) else {
            return Ok((own, found));
        };
        let holds = residual.holds((&chunk.columns, &own), (&self.table.columns, &found), ctx)?;
        Ok(holds.values().set_indices().map(|at| (own[at], found[at])).unzip())
    }

    /// The same with a padded pair for each row of the chunk that has none, if those come out.
    fn padded(&self, rows: usize, (own, found): (Vec<u32>, Vec<u32>)) -> (Vec<u32>, Vec<u32>) {
        if !self.outer {
            return (own, found);
        }
        let mut out = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        let mut at = 0;
        for row in 0..rows as u32 {
            let start = at;
            while own.get(at) == Some(&row) {
                out.0.push(row);
                out.1.push(found[at]);
                at += 1;
            }
            if at == start {
                out.0.push(row);
                out.1.push(NONE);
            }
        }
        out
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
        self.input.encode(&chunk);
        let (own, found) = self.padded(chunk.rows, self.pairs(&chunk, ctx)?);
        let given = own.chunk_by(|one, other| one == other).count() as u64;
        out.rows.forwarded += given;
        out.rows.filtered += chunk.rows as u64 - given;
        let mut marks = Marks::none();
        for mark in chunk.marks.iter() {
            marks.push(own.partition_point(|&row| row < mark.row) as u32, mark.watermark);
        }
        if own.is_empty() {
            out.emit(Chunk { marks, ..Chunk::default() });
            return Ok(());
        }
        let mut columns = self.input.gather(&chunk.columns, &own);
        columns.extend(self.right.gather(&self.table.columns, &found));
        let kinds: Option<Arc<[RowKind]>> =
            chunk.kinds.as_ref().map(|kinds| own.iter().map(|&row| kinds[row as usize]).collect());
        out.emit(Chunk { columns, rows: own.len(), kinds, marks });
        Ok(())
    }
}
