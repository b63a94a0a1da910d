//! Watermark: raises the watermark by an expression over each row, right after the row.
//!
//! Invariant: the watermark only rises and is never at or below the epoch: the generator starts at 0, so
//! before 1970 nothing is late. Marks of the input are not passed on, except the end of input.
//! Source of the rule: Flink's `WatermarkAssignerOperator`.

use crate::{Operator, OperatorContext, Output};
use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampMicrosecondType, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef};
use tidemill_plan::{EvalContext, Expr};
use tidemill_state::{SharedValue, StateTable};
use tidemill_types::arrow_type::units_per_ms;
use tidemill_types::{Chunk, Error, Marks, Result, RowKind, TypeKind, WATERMARK_MAX};

/// The running generator.
#[derive(Debug)]
pub struct Watermark {
    watermark: Expr,
    time_column: usize,
    reached: SharedValue,
}

impl Watermark {
    /// Raises the watermark by this expression; a NULL in the time column ends the run.
    pub fn new(watermark: &Expr, time_column: usize) -> Self {
        Watermark { watermark: watermark.clone(), time_column, reached: SharedValue::new(0) }
    }

    /// Whether a row has no time; one that is deleted may hold its key only.
    fn lacks_time(&self, chunk: &Chunk) -> bool {
        let times = &chunk.columns[self.time_column];
        let deleted = |row: usize| chunk.kinds.as_ref().is_some_and(|kinds| kinds[row] == RowKind::Delete);
        times.null_count() > 0 && (0..chunk.rows).any(|row| times.is_null(row) && !deleted(row))
    }

    /// The marks that the rows raise.
    fn marks(&mut self, chunk: &Chunk, ctx: &OperatorContext) -> Result<Marks> {
        let context = EvalContext {
            rows: chunk.rows,
            now_ms: ctx.now_ms,
            watermark: ctx.watermark,
            marks: &chunk.marks,
        };
        let values = self.watermark.eval_array(chunk, &context)?;
        let values = self.milliseconds(&values)?;
        let mut marks = Marks::none();
        let mut reached = self.reached.get();
        for (row, watermark) in values.into_iter().enumerate() {
            if watermark > reached {
                reached = watermark;
                marks.push(row as u32 + 1, watermark);
            }
        }
        self.reached.raise(reached);
        Ok(marks)
    }

    /// The values in ms, NULL as the lowest: it raises nothing.
    fn milliseconds(&self, values: &ArrayRef) -> Result<Vec<i64>> {
        let precision = match self.watermark.data_type().kind {
            TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) => p,
            other => return Err(Error::internal(format!("a watermark of type {other}"))),
        };
        let units = units_per_ms(precision);
        let raw = match units {
            1 => values.as_primitive::<TimestampMillisecondType>().values(),
            1_000 => values.as_primitive::<TimestampMicrosecondType>().values(),
            _ => return Err(Error::internal("a watermark of more than six digits")),
        };
        let mut ms: Vec<i64> = match units {
            1 => raw.to_vec(),
            _ => raw.iter().map(|value| value.div_euclid(units)).collect(),
        };
        if values.null_count() > 0 {
            (0..ms.len()).filter(|&row| values.is_null(row)).for_each(|row| ms[row] = i64::MIN);
        }
        Ok(ms)
    }
}

impl Operator for Watermark {
    fn on_chunk(
        &mut self,
        _port: usize,
        chunk: Chunk,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        let mut marks = Marks::none();
        if chunk.rows > 0 {
            if self.lacks_time(&chunk) {
                return Err(Error::data(
                    "RowTime field should not be null, please convert it to a non-null long value.",
                ));
            }
            marks = self.marks(&chunk, ctx)?;
        }
        if chunk.marks.last() == Some(WATERMARK_MAX) {
            marks.push(chunk.rows as u32, WATERMARK_MAX);
        }
        out.rows.forwarded += chunk.rows as u64;
        out.emit(Chunk { marks, ..chunk });
        Ok(())
    }

    fn tables(&mut self) -> Vec<(&'static str, &mut dyn StateTable)> {
        vec![("watermark", &mut self.reached)]
    }
}
