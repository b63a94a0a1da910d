//! Expand: gives each row once for each projection (grouping sets).
//!
//! Invariant: all copies of a row stand before the marks that follow the row.

use crate::{Operator, OperatorContext, Output};
use arrow_array::{Array, ArrayRef};
use arrow_select::interleave::interleave;
use tidemill_plan::{EvalContext, Expr};
use tidemill_types::{Chunk, Marks, Result};

/// The running expansion.
#[derive(Debug)]
pub struct Expand {
    projections: Vec<Vec<Expr>>,
}

impl Expand {
    /// Projections that all give the same columns.
    pub fn new(projections: &[Vec<Expr>]) -> Self {
        Expand { projections: projections.to_vec() }
    }
}

impl Operator for Expand {
    fn on_chunk(
        &mut self,
        _port: usize,
        chunk: Chunk,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        let (rows, copies) = (chunk.rows, self.projections.len());
        if rows == 0 {
            out.emit(chunk);
            return Ok(());
        }
        let context = EvalContext { rows, now_ms: ctx.now_ms, watermark: ctx.watermark, marks: &chunk.marks };
        let parts: Vec<Vec<ArrayRef>> = self
            .projections
            .iter()
            .map(|exprs| exprs.iter().map(|expr| expr.eval_array(&chunk, &context)).collect())
            .collect::<Result<_>>()?;
        let places: Vec<(usize, usize)> =
            (0..rows).flat_map(|row| (0..copies).map(move |copy| (copy, row))).collect();
        let columns = (0..parts.first().map_or(0, Vec::len))
            .map(|i| {
                let column: Vec<&dyn Array> = parts.iter().map(|part| part[i].as_ref()).collect();
                interleave(&column, &places).expect("all projections give the same types")
            })
            .collect();
        let kinds = chunk
            .kinds
            .as_ref()
            .map(|kinds| kinds.iter().flat_map(|&kind| std::iter::repeat_n(kind, copies)).collect());
        let mut marks = Marks::none();
        chunk.marks.iter().for_each(|mark| marks.push(mark.row * copies as u32, mark.watermark));
        out.rows.forwarded += rows as u64;
        out.emit(Chunk { columns, rows: rows * copies, kinds, marks });
        Ok(())
    }
}
