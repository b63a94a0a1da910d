//! Arguments that are dates, times or timestamps, as integers of their own unit.

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, PrimitiveArray};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use arrow_schema::{DataType as Arrow, TimeUnit};
use std::borrow::Cow;
use std::sync::Arc;
use tidemill_plan::{Datum, EvalContext};
use tidemill_types::arrow_type::{NANOS_PER_MS, arrow_type, is_wide, units_per_ms};
use tidemill_types::zone::ZoneShift;
use tidemill_types::{DataType, Result, TypeKind};

use super::unit::DAY_MS;

/// A column of moments.
pub(super) struct Times<'a> {
    values: Cow<'a, [i64]>,
    nulls: Option<&'a NullBuffer>,
    stride: usize,
    /// How many units make a millisecond; 0 if a unit is a day.
    per_ms: i64,
    /// The nanoseconds beyond the milliseconds of timestamps of more than six digits, whose unit is the
    /// millisecond here.
    finer: Vec<u32>,
}

impl<'a> Times<'a> {
    /// Reads a DATE, TIME, TIMESTAMP, TIMESTAMP_LTZ or interval.
    pub(super) fn new(datum: &'a Datum) -> Self {
        let array = datum.array();
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        let (values, per_ms) = values_of(array.as_ref());
        Times { values, nulls, stride: datum.stride(), per_ms, finer: finer_of(array.as_ref()) }
    }

    /// The value of a row in its own unit, unless NULL.
    #[inline]
    pub(super) fn raw(&self, row: usize) -> Option<i64> {
        let index = row * self.stride;
        match self.nulls {
            Some(nulls) if nulls.is_null(index) => None,
            _ => Some(self.values[index]),
        }
    }

    /// The value of a row in whole milliseconds, rounded down, unless NULL.
    #[inline]
    pub(super) fn ms(&self, row: usize) -> Option<i64> {
        let value = self.raw(row)?;
        Some(match self.per_ms {
            1 => value,
            0 => value * DAY_MS,
            per_ms => value.div_euclid(per_ms),
        })
    }

    /// The nanoseconds of a row beyond its unit.
    #[inline]
    pub(super) fn finer(&self, row: usize) -> u32 {
        self.finer.get(row * self.stride).copied().unwrap_or(0)
    }

    /// The nanoseconds of a row beyond its milliseconds, 0 if it is NULL.
    pub(super) fn nanos(&self, row: usize) -> i64 {
        self.ms_and_nanos(row).map_or(0, |(_, nanos)| i64::from(nanos))
    }

    /// Milliseconds, rounded down, and the nanoseconds beyond them.
    pub(super) fn ms_and_nanos(&self, row: usize) -> Option<(i64, u32)> {
        let nanos = match self.per_ms {
            0 | 1 => i64::from(self.finer(row)),
            per_ms => self.raw(row)?.rem_euclid(per_ms) * (1_000_000 / per_ms),
        };
        Some((self.ms(row)?, nanos as u32))
    }
}

fn values_of(array: &dyn Array) -> (Cow<'_, [i64]>, i64) {
    let widened = |values: &[i32]| Cow::Owned(values.iter().map(|&value| value.into()).collect());
    match array.data_type() {
        Arrow::Date32 => (widened(array.as_primitive::<Date32Type>().values()), 0),
        Arrow::Time32(_) => (widened(array.as_primitive::<Time32MillisecondType>().values()), 1),
        Arrow::Duration(_) => (Cow::Borrowed(array.as_primitive::<DurationMillisecondType>().values()), 1),
        Arrow::Interval(_) => (widened(array.as_primitive::<IntervalYearMonthType>().values()), 1),
        Arrow::Timestamp(TimeUnit::Millisecond, _) => {
            (Cow::Borrowed(array.as_primitive::<TimestampMillisecondType>().values()), 1)
        }
        Arrow::Timestamp(TimeUnit::Microsecond, _) => {
            (Cow::Borrowed(array.as_primitive::<TimestampMicrosecondType>().values()), 1_000)
        }
        Arrow::Decimal128(..) => {
            let nanos = array.as_primitive::<Decimal128Type>().values();
            (Cow::Owned(nanos.iter().map(|value| value.div_euclid(NANOS_PER_MS) as i64).collect()), 1)
        }
        other => unreachable!("a column of {other} was bound as a date or time"),
    }
}

/// The nanoseconds beyond the milliseconds; nothing for types that have none or are in microseconds.
fn finer_of(array: &dyn Array) -> Vec<u32> {
    match array.as_primitive_opt::<Decimal128Type>() {
        Some(nanos) => nanos.values().iter().map(|value| value.rem_euclid(NANOS_PER_MS) as u32).collect(),
        None => Vec::new(),
    }
}

/// The units of a millisecond in a type; 0 for DATE. Timestamps of more than six digits are computed in
/// milliseconds, see [`Times::finer`].
pub(super) fn per_ms(kind: &TypeKind) -> i64 {
    match kind {
        TypeKind::Date => 0,
        TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) if !is_wide(*p) => units_per_ms(*p),
        _ => 1,
    }
}

/// A column of a date or time type from integers of its unit.
pub(super) fn column(kind: &TypeKind, values: Vec<Option<i64>>) -> ArrayRef {
    let arrow = arrow_type(&DataType { kind: kind.clone(), nullable: true });
    match arrow {
        Arrow::Decimal128(..) => {
            fine_column(kind, values.into_iter().map(|value| value.map(|value| (value, 0))).collect())
        }
        arrow => narrow_column(arrow, values),
    }
}

/// The same with the nanoseconds beyond the unit.
fn fine_column(kind: &TypeKind, values: Vec<Option<(i64, u32)>>) -> ArrayRef {
    let arrow = arrow_type(&DataType { kind: kind.clone(), nullable: true });
    if !matches!(arrow, Arrow::Decimal128(..)) {
        return narrow_column(arrow, values.into_iter().map(|value| value.map(|(value, _)| value)).collect());
    }
    let nulls: NullBuffer = values.iter().map(Option::is_some).collect();
    let values = values.into_iter().map(Option::unwrap_or_default);
    let nanos = values.map(|(ms, finer)| i128::from(ms) * NANOS_PER_MS + i128::from(finer));
    build::<Decimal128Type>(nanos.collect(), Some(nulls), arrow)
}

fn narrow_column(arrow: Arrow, values: Vec<Option<i64>>) -> ArrayRef {
    let nulls: NullBuffer = values.iter().map(Option::is_some).collect();
    let values = values.into_iter().map(Option::unwrap_or_default);
    let nulls = Some(nulls).filter(|nulls| nulls.null_count() > 0);
    match &arrow {
        Arrow::Date32 => build::<Date32Type>(values.map(|v| v as i32).collect(), nulls, arrow),
        Arrow::Time32(_) => build::<Time32MillisecondType>(values.map(|v| v as i32).collect(), nulls, arrow),
        Arrow::Timestamp(TimeUnit::Millisecond, _) => {
            build::<TimestampMillisecondType>(values.collect(), nulls, arrow)
        }
        Arrow::Timestamp(..) => build::<TimestampMicrosecondType>(values.collect(), nulls, arrow),
        Arrow::Int32 => build::<Int32Type>(values.map(|v| v as i32).collect(), nulls, arrow),
        _ => build::<Int64Type>(values.collect(), nulls, arrow),
    }
}

fn build<T: ArrowPrimitiveType>(values: Vec<T::Native>, nulls: Option<NullBuffer>, arrow: Arrow) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls).with_data_type(arrow))
}

/// One integer of the result's unit for each row.
pub(super) fn map_times(
    kind: &TypeKind,
    args: &[Datum],
    ctx: &EvalContext<'_>,
    each: impl FnMut(usize) -> Result<Option<i64>>,
) -> Result<Datum> {
    let rows = crate::lane::row_count(args, ctx);
    let values = (0..rows).map(each).collect::<Result<Vec<_>>>()?;
    Ok(crate::lane::as_datum(args, column(kind, values)))
}

/// The same with the nanoseconds beyond the unit.
pub(super) fn map_fine_times(
    kind: &TypeKind,
    args: &[Datum],
    ctx: &EvalContext<'_>,
    each: impl FnMut(usize) -> Result<Option<(i64, u32)>>,
) -> Result<Datum> {
    let rows = crate::lane::row_count(args, ctx);
    let values = (0..rows).map(each).collect::<Result<Vec<_>>>()?;
    Ok(crate::lane::as_datum(args, fine_column(kind, values)))
}

/// How a type's values stand to the wall clock: TIMESTAMP_LTZ is shifted into the session zone.
pub(super) fn shift_of(kind: &TypeKind, zone: chrono_tz::Tz) -> ZoneShift {
    ZoneShift::new(if matches!(kind, TypeKind::TimestampLtz(_)) { zone } else { chrono_tz::Tz::UTC })
}
