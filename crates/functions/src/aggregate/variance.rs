//! VAR_POP, VAR_SAMP (VARIANCE), STDDEV_POP, STDDEV_SAMP.
//!
//! Like Flink 2.3 they follow Welford: count, mean and the sum of squared differences, in DOUBLE; the result
//! is cast to the type that AVG has. Merging follows Chan, Golub and LeVeque (1979).

use super::rows::{
    decimal_column, float_column, for_rows, for_values, foreign_cells, integer_column, slots_only,
};
use super::sum::{average_type, summable};
use crate::cast::number::double_to_decimal;
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_buffer::NullBuffer;
use std::sync::Arc;
use tidemill_plan::{Accumulator, BindCall, BoundAggregate, UpdateBatch};
use tidemill_types::{CellKind, Cells, DataType, Result, TypeKind};

pub(super) fn bind_stddev_pop(call: &BindCall<'_>, _retract: bool) -> Result<BoundAggregate> {
    bind("STDDEV_POP", call, false, true)
}

pub(super) fn bind_stddev_samp(call: &BindCall<'_>, _retract: bool) -> Result<BoundAggregate> {
    bind("STDDEV_SAMP", call, true, true)
}

pub(super) fn bind_var_pop(call: &BindCall<'_>, _retract: bool) -> Result<BoundAggregate> {
    bind("VAR_POP", call, false, false)
}

pub(super) fn bind_var_samp(call: &BindCall<'_>, _retract: bool) -> Result<BoundAggregate> {
    bind("VAR_SAMP", call, true, false)
}

fn bind(name: &str, call: &BindCall<'_>, sample: bool, root: bool) -> Result<BoundAggregate> {
    let arg = summable(name, call)?;
    let returns = average_type(arg.kind).nullable();
    Ok(BoundAggregate {
        arg_types: vec![DataType { kind: TypeKind::Double, nullable: arg.nullable }],
        return_type: returns.clone(),
        accumulator: Arc::new(Variance { returns, sample, root }),
    })
}

/// Cells: how many values, their mean, the sum of the squared differences from it.
struct Variance {
    returns: DataType,
    sample: bool,
    root: bool,
}

/// The cells of all groups.
struct Moments<'a> {
    counts: &'a mut [i64],
    means: &'a mut [f64],
    squares: &'a mut [f64],
}

impl<'a> Moments<'a> {
    fn of(cells: &'a mut [Cells]) -> Self {
        match cells {
            [Cells::I64(counts), Cells::F64(means), Cells::F64(squares)] => {
                Moments { counts, means, squares }
            }
            other => foreign_cells(other),
        }
    }

    #[inline]
    fn change(&mut self, slot: usize, value: f64, sign: i64) {
        self.counts[slot] += sign;
        let count = self.counts[slot];
        if count == 0 {
            self.means[slot] = 0.0;
            self.squares[slot] = 0.0;
            return;
        }
        let sign = sign as f64;
        let before = value - self.means[slot];
        self.means[slot] += sign * before / count as f64;
        self.squares[slot] += sign * before * (value - self.means[slot]);
    }

    fn merge(&mut self, slot: usize, count: i64, mean: f64, squares: f64) {
        let total = self.counts[slot] + count;
        if count == 0 || total == 0 {
            self.counts[slot] = total;
            return;
        }
        let difference = mean - self.means[slot];
        let weight = count as f64 / total as f64;
        self.squares[slot] += squares + difference * difference * self.counts[slot] as f64 * weight;
        self.means[slot] += difference * weight;
        self.counts[slot] = total;
    }
}

impl Variance {
    fn result(&self, count: i64, squares: f64) -> Option<f64> {
        let divisor = if self.sample { count - 1 } else { count };
        let variance = (count > 0 && divisor > 0).then(|| squares.max(0.0) / divisor as f64)?;
        Some(if self.root { variance.sqrt() } else { variance })
    }
}

impl Accumulator for Variance {
    fn cells(&self) -> Vec<CellKind> {
        vec![CellKind::I64, CellKind::F64, CellKind::F64]
    }

    fn update(&self, cells: &mut [Cells], batch: &UpdateBatch<'_>) -> Result<()> {
        let mut moments = Moments::of(cells);
        let values = batch.args[0].as_primitive::<Float64Type>();
        for_values(batch, values, |row, slot, sign| moments.change(slot, values.value(row), sign));
        Ok(())
    }

    fn merge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        let mut moments = Moments::of(cells);
        let counts = partial[0].as_primitive::<Int64Type>().values();
        let means = partial[1].as_primitive::<Float64Type>().values();
        let squares = partial[2].as_primitive::<Float64Type>().values();
        for_rows(&slots_only(slots), None, |row, slot, _| {
            moments.merge(slot, counts[row], means[row], squares[row]);
        });
        Ok(())
    }

    fn finish(&self, cells: &[Cells], slots: &[u32]) -> Result<ArrayRef> {
        let [Cells::I64(counts), _, Cells::F64(squares)] = cells else { foreign_cells(cells) };
        let results: Vec<Option<f64>> =
            slots.iter().map(|&slot| self.result(counts[slot as usize], squares[slot as usize])).collect();
        let nulls: NullBuffer = results.iter().map(Option::is_some).collect();
        let values = results.into_iter().map(Option::unwrap_or_default);
        Ok(match self.returns.kind {
            TypeKind::Float | TypeKind::Double => float_column(&self.returns, values.collect(), Some(nulls)),
            TypeKind::Decimal { precision, scale } => {
                let decimal = |value| double_to_decimal(value, precision, scale);
                let decimals: Vec<Option<i128>> =
                    values.zip(&nulls).map(|(value, set)| set.then(|| decimal(value)).flatten()).collect();
                let nulls = decimals.iter().map(Option::is_some).collect();
                let values = decimals.into_iter().map(Option::unwrap_or_default).collect();
                decimal_column(&self.returns, values, Some(nulls))
            }
            _ => integer_column(&self.returns, values.map(|v| v as i64).collect(), Some(nulls)),
        })
    }

    fn retracts(&self) -> bool {
        true
    }
}
