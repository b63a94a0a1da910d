//! Vectorised evaluation of bound expressions.
//!
//! Invariant: a branch of CASE, AND, OR or COALESCE is computed only for the rows that need it, unless it
//! can't fail; a row that a condition leaves out never ends the run.

use crate::{Datum, Expr};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use arrow_select::{interleave::interleave, take::take};
use std::sync::Arc;
use tidemill_types::{Chunk, Marks, Result, WATERMARK_NONE};

/// What an expression may see besides its columns.
#[derive(Debug, Clone, Copy)]
pub struct EvalContext<'a> {
    /// How many rows are computed.
    pub rows: usize,
    /// Processing time.
    pub now_ms: i64,
    /// The watermark before the first row.
    pub watermark: i64,
    /// Where it advances among the rows.
    pub marks: &'a Marks,
}

impl EvalContext<'static> {
    /// A context for constants: one row, no watermark.
    pub fn constant(now_ms: i64) -> Self {
        static NONE: Marks = Marks::none();
        EvalContext { rows: 1, now_ms, watermark: WATERMARK_NONE, marks: &NONE }
    }
}

impl Expr {
    /// The value of the expression for each row of the chunk.
    pub fn eval(&self, chunk: &Chunk, ctx: &EvalContext<'_>) -> Result<Datum> {
        eval(self, &chunk.columns, ctx)
    }

    /// The same as a column.
    pub fn eval_array(&self, chunk: &Chunk, ctx: &EvalContext<'_>) -> Result<ArrayRef> {
        Ok(self.eval(chunk, ctx)?.into_array(ctx.rows))
    }
}

fn eval(expr: &Expr, columns: &[ArrayRef], ctx: &EvalContext<'_>) -> Result<Datum> {
    match expr {
        Expr::Column { index, .. } => Ok(Datum::Array(columns[*index].clone())),
        Expr::Literal { value, .. } => Ok(Datum::Scalar(value.clone())),
        Expr::Call { kernel, args, .. } => {
            let args = args.iter().map(|arg| eval(arg, columns, ctx)).collect::<Result<Vec<_>>>()?;
            kernel.eval(&args, ctx)
        }
        Expr::Case { branches, otherwise, .. } => eval_case(branches, otherwise, columns, ctx),
        Expr::And(terms) => eval_junction(terms, false, columns, ctx),
        Expr::Or(terms) => eval_junction(terms, true, columns, ctx),
        Expr::Coalesce { args, .. } => eval_coalesce(args, columns, ctx),
    }
}

/// Which rows of a chunk are computed: all, or some by index.
struct Selection<'a> {
    columns: &'a [ArrayRef],
    ctx: &'a EvalContext<'a>,
}

impl Selection<'_> {
    /// Evaluates for the given rows only; the result has one value for each of them.
    fn eval(&self, expr: &Expr, rows: &[u32]) -> Result<ArrayRef> {
        if rows.len() == self.ctx.rows {
            return Ok(eval(expr, self.columns, self.ctx)?.into_array(rows.len()));
        }
        let indices = UInt32Array::from(rows.to_vec());
        let used = expr.columns();
        let columns: Vec<ArrayRef> = self
            .columns
            .iter()
            .enumerate()
            .map(|(i, column)| match used.contains(&i) {
                true => take(column, &indices, None).expect("row numbers lie inside the chunk"),
                false => column.clone(),
            })
            .collect();
        let marks = select_marks(self.ctx.marks, rows);
        let ctx = EvalContext { rows: rows.len(), marks: &marks, ..*self.ctx };
        Ok(eval(expr, &columns, &ctx)?.into_array(rows.len()))
    }
}

fn select_marks(marks: &Marks, rows: &[u32]) -> Marks {
    let mut out = Marks::none();
    for mark in marks.iter() {
        out.push(rows.partition_point(|&row| row < mark.row) as u32, mark.watermark);
    }
    out
}

fn eval_case(
    branches: &[(Expr, Expr)],
    otherwise: &Expr,
    columns: &[ArrayRef],
    ctx: &EvalContext<'_>,
) -> Result<Datum> {
    let selection = Selection { columns, ctx };
    let mut open: Vec<u32> = (0..ctx.rows as u32).collect();
    let mut parts: Vec<ArrayRef> = Vec::new();
    let mut place = vec![(0usize, 0usize); ctx.rows];
    for (condition, result) in branches {
        if open.is_empty() {
            break;
        }
        let holds = selection.eval(condition, &open)?;
        let holds = holds.as_boolean();
        let mut taken = Vec::with_capacity(open.len());
        let mut rest = Vec::new();
        for (i, &row) in open.iter().enumerate() {
            let goes = if holds.is_valid(i) && holds.value(i) { &mut taken } else { &mut rest };
            goes.push(row);
        }
        add_part(&selection, result, &taken, &mut parts, &mut place)?;
        open = rest;
    }
    add_part(&selection, otherwise, &open, &mut parts, &mut place)?;
    gather(&parts, &place)
}

fn add_part(
    selection: &Selection<'_>,
    expr: &Expr,
    rows: &[u32],
    parts: &mut Vec<ArrayRef>,
    place: &mut [(usize, usize)],
) -> Result<()> {
    if rows.is_empty() && !(parts.is_empty() && place.is_empty()) {
        return Ok(());
    }
    let values = selection.eval(expr, rows)?;
    for (i, &row) in rows.iter().enumerate() {
        place[row as usize] = (parts.len(), i);
    }
    parts.push(values);
    Ok(())
}

fn gather(parts: &[ArrayRef], place: &[(usize, usize)]) -> Result<Datum> {
    if let [whole] = parts {
        return Ok(Datum::Array(whole.clone()));
    }
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    let values = interleave(&parts, place)
        .map_err(|error| tidemill_types::Error::internal(format!("branches of one type: {error}")))?;
    Ok(Datum::Array(values))
}

fn eval_coalesce(args: &[Expr], columns: &[ArrayRef], ctx: &EvalContext<'_>) -> Result<Datum> {
    let selection = Selection { columns, ctx };
    let mut open: Vec<u32> = (0..ctx.rows as u32).collect();
    let mut parts: Vec<ArrayRef> = Vec::new();
    let mut place = vec![(0usize, 0usize); ctx.rows];
    for (i, arg) in args.iter().enumerate() {
        let values = selection.eval(arg, &open)?;
        let last = i + 1 == args.len();
        let mut rest = Vec::new();
        for (at, &row) in open.iter().enumerate() {
            if last || values.is_valid(at) {
                place[row as usize] = (parts.len(), at);
            } else {
                rest.push(row);
            }
        }
        parts.push(values);
        open = rest;
        if open.is_empty() {
            break;
        }
    }
    gather(&parts, &place)
}

/// AND (`decisive` = false) and OR (`decisive` = true) with three-valued logic: a term is computed only for
/// the rows that no term before it decided.
fn eval_junction(
    terms: &[Expr],
    decisive: bool,
    columns: &[ArrayRef],
    ctx: &EvalContext<'_>,
) -> Result<Datum> {
    let selection = Selection { columns, ctx };
    let mut decided = BooleanBufferBuilder::new(ctx.rows);
    decided.append_n(ctx.rows, false);
    let mut unknown = decided.finish_cloned();
    let mut open: Vec<u32> = (0..ctx.rows as u32).collect();
    for term in terms {
        if open.is_empty() {
            break;
        }
        let values = selection.eval(term, &open)?;
        let values = values.as_boolean();
        let mut nulls = BooleanBufferBuilder::new(ctx.rows);
        nulls.append_buffer(&unknown);
        let mut rest = Vec::with_capacity(open.len());
        for (i, &row) in open.iter().enumerate() {
            if values.is_null(i) {
                nulls.set_bit(row as usize, true);
                rest.push(row);
            } else if values.value(i) == decisive {
                decided.set_bit(row as usize, true);
            } else {
                rest.push(row);
            }
        }
        unknown = nulls.finish();
        open = rest;
    }
    Ok(Datum::Array(Arc::new(junction_result(decided.finish(), unknown, decisive))))
}

fn junction_result(decided: BooleanBuffer, unknown: BooleanBuffer, decisive: bool) -> BooleanArray {
    let values = if decisive { decided.clone() } else { !&decided };
    let valid = &decided | &!&unknown;
    BooleanArray::new(values, Some(valid.into()))
}
