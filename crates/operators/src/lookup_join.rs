//! Lookup join: each row meets the rows that a table holds under its key, at once and once for all.
//!
//! Rows come out with their kind, in their order; marks stay behind the rows they stood behind. The table is either
//! held as a whole ([`LookupJoin`]) or asked key by key ([`AskedJoin`]).
//!
//! State: none; what is known of the table is got anew by a job that restarts. So a row that is taken back after the
//! table has changed may meet other rows than it did when it came.

mod asked;
mod cache;
mod whole;

pub use asked::{Answer, AskedJoin, Request};
pub use cache::CacheCounters;
pub use whole::{LookupJoin, LookupTable, SharedTable};

use crate::join_rows::{JoinInput, NONE, Residual};
use crate::{OperatorContext, Output};
use arrow_array::ArrayRef;
use std::sync::Arc;
use tidemill_plan::{JoinKind, LookupJoinPlan};
use tidemill_types::{Chunk, Marks, Result, RowKind, Schema};

/// Pairs of rows of a chunk with rows of the table, and what comes out of them.
struct Pairing {
    outer: bool,
    input: JoinInput,
    right: JoinInput,
    residual: Option<Residual>,
}

/// For each pair the row of the chunk and that of the table.
type Pairs = (Vec<u32>, Vec<u32>);

impl Pairing {
    fn new(plan: &LookupJoinPlan, left: &Schema) -> Self {
        Pairing {
            outer: plan.on.kind == JoinKind::Left,
            input: JoinInput::new(&plan.on, 0, left),
            right: JoinInput::new(&plan.on, 1, &plan.schema),
            residual: Residual::of(&plan.on, left.len()),
        }
    }

    /// Gives out what these pairs come to; rows of the chunk are in order. The table's rows are those of `table`.
    fn give(
        &self,
        chunk: &Chunk,
        pairs: Pairs,
        table: &[ArrayRef],
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        let (own, found) = self.padded(chunk.rows, self.matching(chunk, pairs, table, ctx)?);
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
        columns.extend(self.right.gather(table, &found));
        let kinds: Option<Arc<[RowKind]>> =
            chunk.kinds.as_ref().map(|kinds| own.iter().map(|&row| kinds[row as usize]).collect());
        out.emit(Chunk { columns, rows: own.len(), kinds, marks });
        Ok(())
    }

    /// The pairs for which the other conditions hold.
    fn matching(
        &self,
        chunk: &Chunk,
        (own, found): Pairs,
        table: &[ArrayRef],
        ctx: &OperatorContext,
    ) -> Result<Pairs> {
        let Some(residual) = self.residual.as_ref().filter(|_| !own.is_empty()) else {
            return Ok((own, found));
        };
        let holds = residual.holds((&chunk.columns, &own), (table, &found), ctx)?;
        Ok(holds.values().set_indices().map(|at| (own[at], found[at])).unzip())
    }

    /// The same with a padded pair for each row of the chunk that has none, if those come out.
    fn padded(&self, rows: usize, (own, found): Pairs) -> Pairs {
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
