//! Calc: keeps the rows for which a condition is TRUE and computes columns.
//!
//! Invariant: marks are never dropped; the conditions and columns see the watermark of the rows before
//! theirs. Only columns that the projection reads are filtered.

use crate::{Operator, OperatorContext, Output};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray};
use tidemill_plan::{Datum, EvalContext, Expr};
use tidemill_types::{Chunk, Result};

/// The running filter and projection.
#[derive(Debug)]
pub struct Calc {
    filter: Option<Expr>,
    project: Vec<Expr>,
    /// The input columns that the projection reads; `narrow` refers to positions in here.
    used: Vec<usize>,
    narrow: Vec<Expr>,
}

/// What a condition says about the rows of a chunk.
enum Kept {
    All,
    None,
    Some(BooleanArray),
}

impl Calc {
    /// A filter (absent: keeps all) and the columns it gives.
    pub fn new(filter: Option<&Expr>, project: &[Expr]) -> Self {
        let used: Vec<usize> = project
            .iter()
            .flat_map(|expr| expr.columns())
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect();
        let place = |index: usize| used.binary_search(&index).expect("used columns were collected");
        let narrow = project
            .iter()
            .map(|expr| expr.map_columns(&|i, name, ty| Expr::column(place(i), name, ty.clone())))
            .collect();
        let filter = filter.filter(|condition| !condition.is_true()).cloned();
        Calc { filter, project: project.to_vec(), used, narrow }
    }

    fn kept(&self, chunk: &Chunk, ctx: &EvalContext<'_>) -> Result<Kept> {
        let Some(condition) = &self.filter else { return Ok(Kept::All) };
        Ok(match condition.eval(chunk, ctx)? {
            Datum::Scalar(value) => {
                let value = value.as_boolean();
                if value.is_valid(0) && value.value(0) { Kept::All } else { Kept::None }
            }
            Datum::Array(holds) => {
                let holds = holds.as_boolean();
                match holds.true_count() {
                    0 => Kept::None,
                    all if all == chunk.rows => Kept::All,
                    _ => Kept::Some(holds.clone()),
                }
            }
        })
    }
}

fn project(exprs: &[Expr], chunk: &Chunk, ctx: &EvalContext<'_>) -> Result<Vec<ArrayRef>> {
    exprs.iter().map(|expr| expr.eval_array(chunk, ctx)).collect()
}

impl Operator for Calc {
    fn on_chunk(
        &mut self,
        _port: usize,
        chunk: Chunk,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        let Chunk { rows, .. } = chunk;
        if rows == 0 {
            out.emit(chunk);
            return Ok(());
        }
        let context = EvalContext { rows, now_ms: ctx.now_ms, watermark: ctx.watermark, marks: &chunk.marks };
        match self.kept(&chunk, &context)? {
            Kept::None => {
                out.rows.filtered += rows as u64;
                let mut marks = tidemill_types::Marks::none();
                chunk.marks.last().into_iter().for_each(|watermark| marks.push(0, watermark));
                out.emit(Chunk { marks, ..Chunk::default() });
            }
            Kept::All => {
                let columns = project(&self.project, &chunk, &context)?;
                out.rows.forwarded += rows as u64;
                out.emit(Chunk { columns, ..chunk });
            }
            Kept::Some(keep) => {
                let columns = self.used.iter().map(|&i| chunk.columns[i].clone()).collect();
                let kept = Chunk { columns, ..chunk }.filter(&keep);
                let (now_ms, watermark) = (ctx.now_ms, ctx.watermark);
                let context = EvalContext { rows: kept.rows, now_ms, watermark, marks: &kept.marks };
                let columns = project(&self.narrow, &kept, &context)?;
                out.rows.forwarded += kept.rows as u64;
                out.rows.filtered += (rows - kept.rows) as u64;
                out.emit(Chunk { columns, ..kept });
            }
        }
        Ok(())
    }
}
