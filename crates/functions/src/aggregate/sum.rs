//! SUM and AVG.
//!
//! Both have the type of their argument: SUM wraps like Flink's, AVG of integers divides truncating. A sum
//! of FLOATs is kept as FLOAT, rounded at each step, but their average is taken over a DOUBLE.

use super::rows::{
    Event, Given, Lanes, decimal_column, float_column, for_rows, for_steps, for_values, foreign_cells,
    integer_column, slots_only,
};
use super::{only_argument, wrong_type};
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type};
use arrow_buffer::NullBuffer;
use std::sync::Arc;
use tidemill_plan::{Accumulator, BindCall, BoundAggregate, Steps, UpdateBatch};
use tidemill_types::data_type::DECIMAL_PRECISION_MAX;
use tidemill_types::{CellKind, Cells, DataType, Result, TypeKind};

/// The least scale of an average of decimals.
const AVG_SCALE_MIN: u8 = 6;

pub(super) fn bind_sum(call: &BindCall<'_>, _retract: bool) -> Result<BoundAggregate> {
    let arg = summable("SUM", call)?;
    let kind = match arg.kind {
        TypeKind::Decimal { scale, .. } => TypeKind::Decimal { precision: DECIMAL_PRECISION_MAX, scale },
        other => other,
    };
    Ok(bind(call, kind.nullable(), false))
}

pub(super) fn bind_avg(call: &BindCall<'_>, _retract: bool) -> Result<BoundAggregate> {
    let arg = summable("AVG", call)?;
    Ok(bind(call, average_type(arg.kind).nullable(), true))
}

/// The type of the average of values of this type; the variances have it too.
pub(super) fn average_type(kind: TypeKind) -> TypeKind {
    match kind {
        TypeKind::Decimal { scale, .. } => {
            TypeKind::Decimal { precision: DECIMAL_PRECISION_MAX, scale: scale.max(AVG_SCALE_MIN) }
        }
        other => other,
    }
}

/// The argument of a function of numbers; a bare NULL counts as INT.
pub(super) fn summable(name: &str, call: &BindCall<'_>) -> Result<DataType> {
    let arg = only_argument(name, call)?;
    match arg.kind {
        TypeKind::Null => Ok(TypeKind::Int.nullable()),
        _ if arg.kind.is_numeric() => Ok(arg),
        _ => Err(wrong_type(name, "a number", &arg)),
    }
}

fn bind(call: &BindCall<'_>, return_type: DataType, average: bool) -> BoundAggregate {
    let arg = match &call.args[0].data_type {
        DataType { kind: TypeKind::Null, .. } => TypeKind::Int.nullable(),
        other => (*other).clone(),
    };
    let returns = return_type.clone();
    let accumulator: Arc<dyn Accumulator> = match arg.kind {
        TypeKind::Decimal { scale, .. } => {
            let TypeKind::Decimal { scale: to, .. } = return_type.kind else {
                unreachable!("sums of decimals are decimals")
            };
            Arc::new(DecimalSum { returns, average, digits: u32::from(to - scale) })
        }
        TypeKind::Float | TypeKind::Double => {
            let single = arg.kind == TypeKind::Float && !average;
            Arc::new(FloatSum { returns, average, single })
        }
        _ => Arc::new(IntegerSum { returns, average }),
    };
    BoundAggregate { arg_types: vec![arg], return_type, accumulator }
}

/// Groups that saw no value have NULL.
fn counted(counts: &[i64], slots: &[u32]) -> Option<NullBuffer> {
    let nulls: NullBuffer = slots.iter().map(|&slot| counts[slot as usize] != 0).collect();
    Some(nulls).filter(|nulls| nulls.null_count() > 0)
}

/// Cells: the wrapping sum, how many values.
struct IntegerSum {
    returns: DataType,
    average: bool,
}

impl IntegerSum {
    fn add<V: Copy + Into<i64>>(cells: &mut [Cells], batch: &UpdateBatch<'_>, value: &[V]) {
        let [Cells::I64(sums), Cells::I64(counts)] = cells else { foreign_cells(cells) };
        for_values(batch, &batch.args[0], |row, slot, sign| {
            sums[slot] = sums[slot].wrapping_add(value[row].into().wrapping_mul(sign));
            counts[slot] += sign;
        });
    }

    /// Groups without a value are NULL; any divisor but 0 does for them.
    #[inline]
    fn result(&self, sum: i64, count: i64) -> i64 {
        match self.average {
            false => sum,
            true => sum.wrapping_div(if count == 0 { 1 } else { count }),
        }
    }

    fn run_over<V: Copy + Into<i64>>(
        &self,
        cells: &mut [Cells],
        steps: &Steps<'_>,
        value: &[V],
    ) -> Given<i64> {
        let [Cells::I64(sums), Cells::I64(counts)] = cells else { foreign_cells(cells) };
        let mut given = Given::new(steps);
        for_steps(steps, Some(&steps.args[0]), |slot, event| match event {
            Event::Change(row, sign) => {
                sums[slot] = sums[slot].wrapping_add(value[row].into().wrapping_mul(sign));
                counts[slot] += sign;
            }
            Event::Give => given.push(self.result(sums[slot], counts[slot]), counts[slot] != 0),
            Event::Clear => (sums[slot], counts[slot]) = (0, 0),
        });
        given
    }

    fn add_partial(cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef], sign: i64) {
        let [Cells::I64(sums), Cells::I64(counts)] = cells else { foreign_cells(cells) };
        let more_sums = partial[0].as_primitive::<Int64Type>().values();
        let more_counts = partial[1].as_primitive::<Int64Type>().values();
        for_rows(&slots_only(slots), None, |row, slot, _| {
            sums[slot] = sums[slot].wrapping_add(more_sums[row].wrapping_mul(sign));
            counts[slot] += more_counts[row] * sign;
        });
    }
}

impl Accumulator for IntegerSum {
    fn cells(&self) -> Vec<CellKind> {
        vec![CellKind::I64, CellKind::I64]
    }

    fn update(&self, cells: &mut [Cells], batch: &UpdateBatch<'_>) -> Result<()> {
        match Lanes::of(&batch.args[0]) {
            Lanes::I8(values) => Self::add(cells, batch, values),
            Lanes::I16(values) => Self::add(cells, batch, values),
            Lanes::I32(values) => Self::add(cells, batch, values),
            Lanes::I64(values) => Self::add(cells, batch, values),
            _ => unreachable!("a sum of integers was bound to integers"),
        }
        Ok(())
    }

    fn merge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        Self::add_partial(cells, slots, partial, 1);
        Ok(())
    }

    fn finish(&self, cells: &[Cells], slots: &[u32]) -> Result<ArrayRef> {
        let [Cells::I64(sums), Cells::I64(counts)] = cells else { foreign_cells(cells) };
        let at = slots.iter().map(|&slot| slot as usize);
        let values = at.map(|i| self.result(sums[i], counts[i])).collect();
        Ok(integer_column(&self.returns, values, counted(counts, slots)))
    }

    fn run(&self, cells: &mut [Cells], steps: &Steps<'_>) -> Result<Option<ArrayRef>> {
        let mut given = match Lanes::of(&steps.args[0]) {
            Lanes::I8(values) => self.run_over(cells, steps, values),
            Lanes::I16(values) => self.run_over(cells, steps, values),
            Lanes::I32(values) => self.run_over(cells, steps, values),
            Lanes::I64(values) => self.run_over(cells, steps, values),
            _ => unreachable!("a sum of integers was bound to integers"),
        };
        let nulls = given.nulls();
        Ok(Some(integer_column(&self.returns, given.values, nulls)))
    }

    fn retracts(&self) -> bool {
        true
    }

    fn invertible(&self) -> bool {
        true
    }

    fn unmerge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        Self::add_partial(cells, slots, partial, -1);
        Ok(())
    }
}

/// Cells: the unscaled sum, how many values. A result of more than 38 digits is NULL.
struct DecimalSum {
    returns: DataType,
    average: bool,
    /// How many digits of scale the average adds.
    digits: u32,
}

impl DecimalSum {
    fn add_partial(cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef], sign: i64) {
        let [Cells::I128(sums), Cells::I64(counts)] = cells else { foreign_cells(cells) };
        let more_sums = partial[0].as_primitive::<Decimal128Type>().values();
        let more_counts = partial[1].as_primitive::<Int64Type>().values();
        for_rows(&slots_only(slots), None, |row, slot, _| {
            sums[slot] = sums[slot].wrapping_add(more_sums[row].wrapping_mul(i128::from(sign)));
            counts[slot] += more_counts[row] * sign;
        });
    }

    fn result(&self, sum: i128, count: i64) -> Option<i128> {
        let value = match (count, self.average) {
            (0, _) => None,
            (_, false) => Some(sum),
            (count, true) => divide(sum, i128::from(count), self.digits),
        };
        value.filter(|value| value.unsigned_abs() < 10u128.pow(u32::from(DECIMAL_PRECISION_MAX)))
    }
}

/// `sum * 10^digits / count`, rounded half up (away from zero).
fn divide(sum: i128, count: i128, digits: u32) -> Option<i128> {
    let scale = 10i128.pow(digits);
    let whole = (sum / count).checked_mul(scale)?;
    // The remainder is below 2^63 and `digits` at most 6, so this fits.
    let rest = (sum % count) * scale;
    let (part, left) = (rest / count, rest % count);
    let up = i128::from(2 * left.unsigned_abs() >= count.unsigned_abs());
    let negative = (sum < 0) != (count < 0);
    whole.checked_add(part)?.checked_add(if negative { -up } else { up })
}

impl Accumulator for DecimalSum {
    fn cells(&self) -> Vec<CellKind> {
        vec![CellKind::I128, CellKind::I64]
    }

    fn update(&self, cells: &mut [Cells], batch: &UpdateBatch<'_>) -> Result<()> {
        let [Cells::I128(sums), Cells::I64(counts)] = cells else { foreign_cells(cells) };
        let Lanes::I128(values) = Lanes::of(&batch.args[0]) else {
            unreachable!("a sum of decimals was bound to decimals")
        };
        for_values(batch, &batch.args[0], |row, slot, sign| {
            let value = if sign > 0 { values[row] } else { -values[row] };
            sums[slot] = sums[slot].wrapping_add(value);
            counts[slot] += sign;
        });
        Ok(())
    }

    fn merge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        Self::add_partial(cells, slots, partial, 1);
        Ok(())
    }

    fn finish(&self, cells: &[Cells], slots: &[u32]) -> Result<ArrayRef> {
        let [Cells::I128(sums), Cells::I64(counts)] = cells else { foreign_cells(cells) };
        let results: Vec<Option<i128>> =
            slots.iter().map(|&slot| self.result(sums[slot as usize], counts[slot as usize])).collect();
        let nulls: NullBuffer = results.iter().map(Option::is_some).collect();
        let values = results.into_iter().map(Option::unwrap_or_default).collect();
        Ok(decimal_column(&self.returns, values, Some(nulls)))
    }

    fn run(&self, cells: &mut [Cells], steps: &Steps<'_>) -> Result<Option<ArrayRef>> {
        let [Cells::I128(sums), Cells::I64(counts)] = cells else { foreign_cells(cells) };
        let Lanes::I128(values) = Lanes::of(&steps.args[0]) else {
            unreachable!("a sum of decimals was bound to decimals")
        };
        let mut given = Given::new(steps);
        for_steps(steps, Some(&steps.args[0]), |slot, event| match event {
            Event::Change(row, sign) => {
                let value = if sign > 0 { values[row] } else { -values[row] };
                sums[slot] = sums[slot].wrapping_add(value);
                counts[slot] += sign;
            }
            Event::Give => {
                let result = self.result(sums[slot], counts[slot]);
                given.push(result.unwrap_or_default(), result.is_some());
            }
            Event::Clear => (sums[slot], counts[slot]) = (0, 0),
        });
        let nulls = given.nulls();
        Ok(Some(decimal_column(&self.returns, given.values, nulls)))
    }

    fn retracts(&self) -> bool {
        true
    }

    fn invertible(&self) -> bool {
        true
    }

    fn unmerge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        Self::add_partial(cells, slots, partial, -1);
        Ok(())
    }
}

/// Cells: the sum, how many values.
struct FloatSum {
    returns: DataType,
    average: bool,
    /// Whether each step is rounded to a FLOAT.
    single: bool,
}

impl FloatSum {
    fn add(
        cells: &mut [Cells],
        batch: &UpdateBatch<'_>,
        value: impl Fn(usize) -> f64,
        sum: impl Fn(f64, f64) -> f64,
    ) {
        let [Cells::F64(sums), Cells::I64(counts)] = cells else { foreign_cells(cells) };
        for_values(batch, &batch.args[0], |row, slot, sign| {
            sums[slot] = sum(sums[slot], if sign > 0 { value(row) } else { -value(row) });
            counts[slot] += sign;
        });
    }
}

impl FloatSum {
    fn run_over(
        &self,
        cells: &mut [Cells],
        steps: &Steps<'_>,
        value: impl Fn(usize) -> f64,
        sum: impl Fn(f64, f64) -> f64,
    ) -> Given<f64> {
        let [Cells::F64(sums), Cells::I64(counts)] = cells else { foreign_cells(cells) };
        let mut given = Given::new(steps);
        for_steps(steps, Some(&steps.args[0]), |slot, event| match event {
            Event::Change(row, sign) => {
                sums[slot] = sum(sums[slot], if sign > 0 { value(row) } else { -value(row) });
                counts[slot] += sign;
            }
            Event::Give => {
                let divisor = if self.average { counts[slot] as f64 } else { 1.0 };
                given.push(sums[slot] / divisor, counts[slot] != 0);
            }
            Event::Clear => (sums[slot], counts[slot]) = (0.0, 0),
        });
        given
    }
}

fn single_sum(a: f64, b: f64) -> f64 {
    f64::from(a as f32 + b as f32)
}

impl Accumulator for FloatSum {
    fn cells(&self) -> Vec<CellKind> {
        vec![CellKind::F64, CellKind::I64]
    }

    fn update(&self, cells: &mut [Cells], batch: &UpdateBatch<'_>) -> Result<()> {
        match (Lanes::of(&batch.args[0]), self.single) {
            (Lanes::F64(values), _) => Self::add(cells, batch, |row| values[row], |a, b| a + b),
            (Lanes::F32(values), true) => {
                Self::add(cells, batch, |row| f64::from(values[row]), single_sum);
            }
            (Lanes::F32(values), false) => {
                Self::add(cells, batch, |row| f64::from(values[row]), |a, b| a + b);
            }
            _ => unreachable!("a sum of floats was bound to floats"),
        }
        Ok(())
    }

    fn merge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        let [Cells::F64(sums), Cells::I64(counts)] = cells else { foreign_cells(cells) };
        let more_sums = partial[0].as_primitive::<Float64Type>().values();
        let more_counts = partial[1].as_primitive::<Int64Type>().values();
        for_rows(&slots_only(slots), None, |row, slot, _| {
            let (a, b) = (sums[slot], more_sums[row]);
            sums[slot] = if self.single { single_sum(a, b) } else { a + b };
            counts[slot] += more_counts[row];
        });
        Ok(())
    }

    fn finish(&self, cells: &[Cells], slots: &[u32]) -> Result<ArrayRef> {
        let [Cells::F64(sums), Cells::I64(counts)] = cells else { foreign_cells(cells) };
        let at = slots.iter().map(|&slot| slot as usize);
        let values = match self.average {
            false => at.map(|i| sums[i]).collect(),
            true => at.map(|i| sums[i] / counts[i] as f64).collect(),
        };
        Ok(float_column(&self.returns, values, counted(counts, slots)))
    }

    fn run(&self, cells: &mut [Cells], steps: &Steps<'_>) -> Result<Option<ArrayRef>> {
        let mut given = match (Lanes::of(&steps.args[0]), self.single) {
            (Lanes::F64(values), _) => self.run_over(cells, steps, |row| values[row], |a, b| a + b),
            (Lanes::F32(values), true) => {
                self.run_over(cells, steps, |row| f64::from(values[row]), single_sum)
            }
            (Lanes::F32(values), false) => {
                self.run_over(cells, steps, |row| f64::from(values[row]), |a, b| a + b)
            }
            _ => unreachable!("a sum of floats was bound to floats"),
        };
        let nulls = given.nulls();
        Ok(Some(float_column(&self.returns, given.values, nulls)))
    }

    fn retracts(&self) -> bool {
        true
    }
}
