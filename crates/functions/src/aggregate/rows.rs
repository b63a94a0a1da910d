//! The loops over the rows of a batch, and the typed values in them.
//!
//! Invariant: whether there are row kinds, NULLs or a filter is decided once per batch; each of the loops is
//! compiled on its own for each body.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray};
use arrow_buffer::{BooleanBuffer, NullBuffer, NullBufferBuilder, ScalarBuffer};
use arrow_schema::{DataType as Arrow, IntervalUnit, TimeUnit};
use std::sync::Arc;
use tidemill_plan::{Step, Steps, UpdateBatch};
use tidemill_types::arrow_type::arrow_type;
use tidemill_types::key::decode;
use tidemill_types::{Cells, DataType};

/// How an accumulator's encoded values say NULL.
pub(super) const ENCODED_NULL: &[u8] = &[0];

/// Calls `each(row, slot, sign)` for the rows that the filter keeps and whose `value` is not NULL.
#[inline]
pub(super) fn for_values(batch: &UpdateBatch<'_>, value: &dyn Array, each: impl FnMut(usize, usize, i64)) {
    // Not `nulls()`: the column of a bare NULL has no bitmap.
    let nulls = value.logical_nulls().filter(|nulls| nulls.null_count() > 0);
    for_rows(batch, nulls.as_ref(), each);
}

/// Calls `each(row, slot, sign)` for the rows that the filter keeps and that are not NULL.
#[inline]
pub(super) fn for_rows(
    batch: &UpdateBatch<'_>,
    nulls: Option<&NullBuffer>,
    mut each: impl FnMut(usize, usize, i64),
) {
    let slots = batch.slots;
    match (counting_rows(batch.filter, nulls), batch.kinds) {
        (None, None) => slots.iter().enumerate().for_each(|(row, &slot)| each(row, slot as usize, 1)),
        (None, Some(kinds)) => {
            for (row, (&slot, kind)) in slots.iter().zip(kinds).enumerate() {
                each(row, slot as usize, kind.sign());
            }
        }
        (Some(keep), None) => keep.set_indices().for_each(|row| each(row, slots[row] as usize, 1)),
        (Some(keep), Some(kinds)) => {
            keep.set_indices().for_each(|row| each(row, slots[row] as usize, kinds[row].sign()));
        }
    }
}

/// What a step means to an accumulator.
pub(super) enum Event {
    /// This row is added (sign 1) or taken back (sign -1).
    Change(usize, i64),
    /// The result is wanted.
    Give,
    /// The group starts anew.
    Clear,
}

/// Calls `each(slot, event)` for the steps in order, without those of rows that the filter drops or whose
/// `value` is NULL.
#[inline]
pub(super) fn for_steps(steps: &Steps<'_>, value: Option<&dyn Array>, mut each: impl FnMut(usize, Event)) {
    let nulls = value.and_then(|value| value.logical_nulls()).filter(|nulls| nulls.null_count() > 0);
    let keep = counting_rows(steps.filter, nulls.as_ref());
    let counts = |row: u32| keep.as_ref().is_none_or(|keep| keep.value(row as usize));
    for (&slot, &step) in steps.slots.iter().zip(steps.steps) {
        let slot = slot as usize;
        match step {
            Step::Add(row) if counts(row) => each(slot, Event::Change(row as usize, 1)),
            Step::Take(row) if counts(row) => each(slot, Event::Change(row as usize, -1)),
            Step::Add(_) | Step::Take(_) => {}
            Step::Give => each(slot, Event::Give),
            Step::Clear => each(slot, Event::Clear),
        }
    }
}

/// Results as they are given.
pub(super) struct Given<V> {
    pub(super) values: Vec<V>,
    present: NullBufferBuilder,
}

impl<V> Given<V> {
    pub(super) fn new(steps: &Steps<'_>) -> Self {
        let count = steps.steps.iter().filter(|step| **step == Step::Give).count();
        Given { values: Vec::with_capacity(count), present: NullBufferBuilder::new(count) }
    }

    #[inline]
    pub(super) fn push(&mut self, value: V, present: bool) {
        self.values.push(value);
        self.present.append(present);
    }

    pub(super) fn nulls(&mut self) -> Option<NullBuffer> {
        self.present.finish()
    }
}

fn counting_rows(filter: Option<&BooleanArray>, nulls: Option<&NullBuffer>) -> Option<BooleanBuffer> {
    match (filter, nulls) {
        (None, None) => None,
        (Some(filter), None) => Some(filter.values().clone()),
        (None, Some(nulls)) => Some(nulls.inner().clone()),
        (Some(filter), Some(nulls)) => Some(filter.values() & nulls.inner()),
    }
}

/// A batch of partial results, or of anything else that has slots only.
pub(super) fn slots_only(slots: &[u32]) -> UpdateBatch<'_> {
    UpdateBatch { slots, args: &[], kinds: None, filter: None }
}

/// The values of a column by their width.
pub(super) enum Lanes<'a> {
    /// BOOLEAN.
    Bool(&'a BooleanArray),
    /// TINYINT.
    I8(&'a [i8]),
    /// SMALLINT.
    I16(&'a [i16]),
    /// INT, DATE, TIME, intervals of months.
    I32(&'a [i32]),
    /// BIGINT, timestamps of at most six digits, intervals of milliseconds.
    I64(&'a [i64]),
    /// DECIMAL, timestamps of more digits.
    I128(&'a [i128]),
    /// FLOAT.
    F32(&'a [f32]),
    /// DOUBLE.
    F64(&'a [f64]),
}

impl<'a> Lanes<'a> {
    /// The values of a column that is no collection.
    pub(super) fn of(array: &'a dyn Array) -> Self {
        match array.data_type() {
            Arrow::Boolean => Lanes::Bool(array.as_boolean()),
            Arrow::Int8 => Lanes::I8(array.as_primitive::<Int8Type>().values()),
            Arrow::Int16 => Lanes::I16(array.as_primitive::<Int16Type>().values()),
            Arrow::Int32 => Lanes::I32(array.as_primitive::<Int32Type>().values()),
            Arrow::Int64 => Lanes::I64(array.as_primitive::<Int64Type>().values()),
            Arrow::Decimal128(..) => Lanes::I128(array.as_primitive::<Decimal128Type>().values()),
            Arrow::Float32 => Lanes::F32(array.as_primitive::<Float32Type>().values()),
            Arrow::Float64 => Lanes::F64(array.as_primitive::<Float64Type>().values()),
            Arrow::Date32 => Lanes::I32(array.as_primitive::<Date32Type>().values()),
            Arrow::Time32(_) => Lanes::I32(array.as_primitive::<Time32MillisecondType>().values()),
            Arrow::Interval(IntervalUnit::YearMonth) => {
                Lanes::I32(array.as_primitive::<IntervalYearMonthType>().values())
            }
            Arrow::Duration(_) => Lanes::I64(array.as_primitive::<DurationMillisecondType>().values()),
            Arrow::Timestamp(TimeUnit::Millisecond, _) => {
                Lanes::I64(array.as_primitive::<TimestampMillisecondType>().values())
            }
            Arrow::Timestamp(TimeUnit::Microsecond, _) => {
                Lanes::I64(array.as_primitive::<TimestampMicrosecondType>().values())
            }
            other => unreachable!("aggregates of {other} are refused when bound"),
        }
    }
}

type Nulls = Option<NullBuffer>;

/// A column of a type whose values are integers inside: numbers, dates, times, BOOLEAN.
pub(super) fn integer_column(to: &DataType, values: Vec<i64>, nulls: Nulls) -> ArrayRef {
    let narrow = |values: Vec<i64>| values.into_iter().map(|v| v as i32).collect::<Vec<i32>>();
    match arrow_type(to) {
        Arrow::Boolean => Arc::new(BooleanArray::new(values.into_iter().map(|v| v != 0).collect(), nulls)),
        Arrow::Int8 => primitive::<Int8Type>(values.into_iter().map(|v| v as i8).collect(), nulls),
        Arrow::Int16 => primitive::<Int16Type>(values.into_iter().map(|v| v as i16).collect(), nulls),
        Arrow::Int32 => primitive::<Int32Type>(narrow(values), nulls),
        Arrow::Date32 => primitive::<Date32Type>(narrow(values), nulls),
        Arrow::Time32(_) => primitive::<Time32MillisecondType>(narrow(values), nulls),
        Arrow::Interval(_) => primitive::<IntervalYearMonthType>(narrow(values), nulls),
        Arrow::Duration(_) => primitive::<DurationMillisecondType>(values, nulls),
        Arrow::Timestamp(TimeUnit::Millisecond, zone) => {
            let array = PrimitiveArray::<TimestampMillisecondType>::new(values.into(), nulls);
            Arc::new(array.with_timezone_opt(zone))
        }
        Arrow::Timestamp(_, zone) => {
            let array = PrimitiveArray::<TimestampMicrosecondType>::new(values.into(), nulls);
            Arc::new(array.with_timezone_opt(zone))
        }
        _ => primitive::<Int64Type>(values, nulls),
    }
}

/// A FLOAT or DOUBLE column.
pub(super) fn float_column(to: &DataType, values: Vec<f64>, nulls: Nulls) -> ArrayRef {
    match arrow_type(to) {
        Arrow::Float32 => primitive::<Float32Type>(values.into_iter().map(|v| v as f32).collect(), nulls),
        _ => primitive::<Float64Type>(values, nulls),
    }
}

/// A column of DECIMAL or of timestamps of more than six digits.
pub(super) fn decimal_column(to: &DataType, values: Vec<i128>, nulls: Nulls) -> ArrayRef {
    let array = PrimitiveArray::<Decimal128Type>::new(values.into(), nulls);
    Arc::new(array.with_data_type(arrow_type(to)))
}

fn primitive<T: ArrowPrimitiveType>(values: Vec<T::Native>, nulls: Nulls) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls))
}

/// A column of encoded values; `None` is NULL.
pub(super) fn encoded_column<'a>(to: &DataType, values: impl Iterator<Item = Option<&'a [u8]>>) -> ArrayRef {
    let keys = values.map(|value| value.unwrap_or(ENCODED_NULL));
    decode(std::slice::from_ref(to), keys).pop().expect("one type gives one column")
}

/// Replaces a cell's value, in place if it is as long.
#[inline]
pub(super) fn set_bytes(cell: &mut Option<Box<[u8]>>, value: &[u8]) {
    match cell {
        Some(held) if held.len() == value.len() => held.copy_from_slice(value),
        _ => *cell = Some(value.into()),
    }
}

/// What an accumulator says when it gets other cells than it declared.
pub(super) fn foreign_cells(cells: &[Cells]) -> ! {
    let kinds: Vec<_> = cells.iter().map(Cells::kind).collect();
    unreachable!("an accumulator gets the cells it declared, not {kinds:?}")
}
