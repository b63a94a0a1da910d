//! MIN and MAX.
//!
//! Without retraction they keep the extreme itself; with it, every value with its count. The counted values
//! are in the order of their encoding, which is the order of the values.

use super::rows::{
    ENCODED_NULL, Event, Given, Lanes, decimal_column, encoded_column, float_column, for_rows, for_steps,
    for_values, foreign_cells, integer_column, set_bytes, slots_only,
};
use super::{only_argument, wrong_type};
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, StringViewArray};
use arrow_buffer::NullBuffer;
use std::sync::Arc;
use tidemill_plan::{Accumulator, BindCall, BoundAggregate, Steps, UpdateBatch};
use tidemill_types::arrow_type::is_wide;
use tidemill_types::cells::{Multiset, multiset_entries};
use tidemill_types::{CellKind, Cells, DataType, EncodedKeys, KeyEncoder, Result, TypeKind};

pub(super) fn bind_min(call: &BindCall<'_>, retract: bool) -> Result<BoundAggregate> {
    bind::<false>("MIN", call, retract)
}

pub(super) fn bind_max(call: &BindCall<'_>, retract: bool) -> Result<BoundAggregate> {
    bind::<true>("MAX", call, retract)
}

fn bind<const MAX: bool>(name: &str, call: &BindCall<'_>, retract: bool) -> Result<BoundAggregate> {
    let mut arg = only_argument(name, call)?;
    if arg.kind == TypeKind::Null {
        arg = TypeKind::Int.nullable();
    }
    let kind = &arg.kind;
    let ordered = kind.is_numeric()
        || kind.is_text()
        || kind.is_datetime()
        || kind.is_interval()
        || *kind == TypeKind::Boolean;
    if !ordered {
        return Err(wrong_type(name, "a number, text, BOOLEAN, date or time", &arg));
    }
    let returns = arg.clone().with_nullable(true);
    let accumulator: Arc<dyn Accumulator> = match kind {
        _ if retract => Arc::new(Counted::<MAX> { returns: returns.clone() }),
        _ if kind.is_text() => Arc::new(TextExtreme::<MAX>),
        _ => Arc::new(Extreme::<MAX> { returns: returns.clone() }),
    };
    Ok(BoundAggregate { arg_types: vec![arg], return_type: returns, accumulator })
}

#[inline]
fn beats<const MAX: bool, V: PartialOrd>(new: V, held: V) -> bool {
    if MAX { new > held } else { new < held }
}

/// Cells: the extreme as an integer, decimal or double; 1 once there is one.
struct Extreme<const MAX: bool> {
    returns: DataType,
}

/// Keeps the better of what is held and each value.
#[inline]
fn keep<const MAX: bool, V: PartialOrd + Copy>(held: &mut [V], seen: &mut [i64], slot: usize, value: V) {
    if seen[slot] == 0 || beats::<MAX, V>(value, held[slot]) {
        held[slot] = value;
        seen[slot] = 1;
    }
}

impl<const MAX: bool> Extreme<MAX> {
    fn integers<V: Copy + Into<i64>>(cells: &mut [Cells], batch: &UpdateBatch<'_>, values: &[V]) {
        let [Cells::I64(held), Cells::I64(seen)] = cells else { foreign_cells(cells) };
        for_values(batch, &batch.args[0], |row, slot, _| {
            keep::<MAX, i64>(held, seen, slot, values[row].into());
        });
    }

    fn floats<V: Copy + Into<f64>>(cells: &mut [Cells], batch: &UpdateBatch<'_>, values: &[V]) {
        let [Cells::F64(held), Cells::I64(seen)] = cells else { foreign_cells(cells) };
        for_values(batch, &batch.args[0], |row, slot, _| {
            keep::<MAX, f64>(held, seen, slot, values[row].into());
        });
    }
}

/// Runs over values of one cell kind; rows are only added.
fn run_over<const MAX: bool, V: PartialOrd + Copy + Default>(
    held: &mut [V],
    seen: &mut [i64],
    steps: &Steps<'_>,
    value: impl Fn(usize) -> V,
) -> Given<V> {
    let mut given = Given::new(steps);
    for_steps(steps, Some(&steps.args[0]), |slot, event| match event {
        Event::Change(row, _) => keep::<MAX, V>(held, seen, slot, value(row)),
        Event::Give => given.push(held[slot], seen[slot] != 0),
        Event::Clear => (held[slot], seen[slot]) = (V::default(), 0),
    });
    given
}

impl<const MAX: bool> Accumulator for Extreme<MAX> {
    fn cells(&self) -> Vec<CellKind> {
        let value = match self.returns.kind {
            TypeKind::Decimal { .. } => CellKind::I128,
            TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) if is_wide(p) => CellKind::I128,
            TypeKind::Float | TypeKind::Double => CellKind::F64,
            _ => CellKind::I64,
        };
        vec![value, CellKind::I64]
    }

    fn update(&self, cells: &mut [Cells], batch: &UpdateBatch<'_>) -> Result<()> {
        match Lanes::of(&batch.args[0]) {
            Lanes::I8(values) => Self::integers(cells, batch, values),
            Lanes::I16(values) => Self::integers(cells, batch, values),
            Lanes::I32(values) => Self::integers(cells, batch, values),
            Lanes::I64(values) => Self::integers(cells, batch, values),
            Lanes::F32(values) => Self::floats(cells, batch, values),
            Lanes::F64(values) => Self::floats(cells, batch, values),
            Lanes::Bool(values) => {
                let [Cells::I64(held), Cells::I64(seen)] = cells else { foreign_cells(cells) };
                for_values(batch, values, |row, slot, _| {
                    keep::<MAX, i64>(held, seen, slot, values.value(row).into());
                });
            }
            Lanes::I128(values) => {
                let [Cells::I128(held), Cells::I64(seen)] = cells else { foreign_cells(cells) };
                for_values(batch, &batch.args[0], |row, slot, _| {
                    keep::<MAX, i128>(held, seen, slot, values[row]);
                });
            }
        }
        Ok(())
    }

    fn merge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        let there = partial[1].as_primitive::<Int64Type>().values();
        let there: NullBuffer = there.iter().map(|&seen| seen != 0).collect();
        let batch = slots_only(slots);
        match cells {
            [Cells::I64(held), Cells::I64(seen)] => {
                let values = partial[0].as_primitive::<Int64Type>().values();
                for_rows(&batch, Some(&there), |row, slot, _| keep::<MAX, _>(held, seen, slot, values[row]));
            }
            [Cells::I128(held), Cells::I64(seen)] => {
                let values = partial[0].as_primitive::<Decimal128Type>().values();
                for_rows(&batch, Some(&there), |row, slot, _| keep::<MAX, _>(held, seen, slot, values[row]));
            }
            [Cells::F64(held), Cells::I64(seen)] => {
                let values = partial[0].as_primitive::<Float64Type>().values();
                for_rows(&batch, Some(&there), |row, slot, _| keep::<MAX, _>(held, seen, slot, values[row]));
            }
            other => foreign_cells(other),
        }
        Ok(())
    }

    fn finish(&self, cells: &[Cells], slots: &[u32]) -> Result<ArrayRef> {
        let [values, Cells::I64(seen)] = cells else { foreign_cells(cells) };
        let nulls = Some(slots.iter().map(|&slot| seen[slot as usize] != 0).collect());
        let at = slots.iter().map(|&slot| slot as usize);
        Ok(match values {
            Cells::I64(held) => integer_column(&self.returns, at.map(|i| held[i]).collect(), nulls),
            Cells::I128(held) => decimal_column(&self.returns, at.map(|i| held[i]).collect(), nulls),
            Cells::F64(held) => float_column(&self.returns, at.map(|i| held[i]).collect(), nulls),
            _ => foreign_cells(cells),
        })
    }

    fn run(&self, cells: &mut [Cells], steps: &Steps<'_>) -> Result<Option<ArrayRef>> {
        let lanes = Lanes::of(&steps.args[0]);
        Ok(Some(match cells {
            [Cells::I64(held), Cells::I64(seen)] => {
                let mut given = match lanes {
                    Lanes::I8(v) => run_over::<MAX, i64>(held, seen, steps, |row| v[row].into()),
                    Lanes::I16(v) => run_over::<MAX, i64>(held, seen, steps, |row| v[row].into()),
                    Lanes::I32(v) => run_over::<MAX, i64>(held, seen, steps, |row| v[row].into()),
                    Lanes::I64(v) => run_over::<MAX, i64>(held, seen, steps, |row| v[row]),
                    Lanes::Bool(v) => run_over::<MAX, i64>(held, seen, steps, |row| v.value(row).into()),
                    _ => return Ok(None),
                };
                let nulls = given.nulls();
                integer_column(&self.returns, given.values, nulls)
            }
            [Cells::F64(held), Cells::I64(seen)] => {
                let mut given = match lanes {
                    Lanes::F32(v) => run_over::<MAX, f64>(held, seen, steps, |row| v[row].into()),
                    Lanes::F64(v) => run_over::<MAX, f64>(held, seen, steps, |row| v[row]),
                    _ => return Ok(None),
                };
                let nulls = given.nulls();
                float_column(&self.returns, given.values, nulls)
            }
            [Cells::I128(held), Cells::I64(seen)] => {
                let Lanes::I128(v) = lanes else { return Ok(None) };
                let mut given = run_over::<MAX, i128>(held, seen, steps, |row| v[row]);
                let nulls = given.nulls();
                decimal_column(&self.returns, given.values, nulls)
            }
            other => foreign_cells(other),
        }))
    }

    fn retracts(&self) -> bool {
        false
    }
}

/// Cell: the extreme text in UTF-8.
struct TextExtreme<const MAX: bool>;

#[inline]
fn keep_text<const MAX: bool>(held: &mut Option<Box<[u8]>>, value: &[u8]) {
    if held.as_deref().is_none_or(|held| beats::<MAX, _>(value, held)) {
        set_bytes(held, value);
    }
}

impl<const MAX: bool> Accumulator for TextExtreme<MAX> {
    fn cells(&self) -> Vec<CellKind> {
        vec![CellKind::Bytes]
    }

    fn update(&self, cells: &mut [Cells], batch: &UpdateBatch<'_>) -> Result<()> {
        let [Cells::Bytes(held)] = cells else { foreign_cells(cells) };
        let values = batch.args[0].as_string_view();
        for_values(batch, values, |row, slot, _| {
            keep_text::<MAX>(&mut held[slot], values.value(row).as_bytes());
        });
        Ok(())
    }

    fn merge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        let [Cells::Bytes(held)] = cells else { foreign_cells(cells) };
        let values = partial[0].as_binary_view();
        for_values(&slots_only(slots), values, |row, slot, _| {
            keep_text::<MAX>(&mut held[slot], values.value(row));
        });
        Ok(())
    }

    fn finish(&self, cells: &[Cells], slots: &[u32]) -> Result<ArrayRef> {
        let [Cells::Bytes(held)] = cells else { foreign_cells(cells) };
        Ok(Arc::new(texts(slots.iter().map(|&slot| held[slot as usize].as_deref()))))
    }

    fn retracts(&self) -> bool {
        false
    }
}

/// A text column of bytes that came from text.
pub(super) fn texts<'a>(values: impl Iterator<Item = Option<&'a [u8]>>) -> StringViewArray {
    values.map(|value| value.map(|bytes| std::str::from_utf8(bytes).expect("a kept text is UTF-8"))).collect()
}

/// Cell: the encoded values with their counts.
struct Counted<const MAX: bool> {
    returns: DataType,
}

/// Counts a value up or down; what is at zero is forgotten.
pub(super) fn count_value(values: &mut Multiset, value: &[u8], by: i64) {
    let Some(count) = values.get_mut(value) else {
        values.insert(value.into(), by);
        return;
    };
    *count += by;
    if *count == 0 {
        values.remove(value);
    }
}

/// Counts the values of a column that are not NULL.
pub(super) fn count_values(held: &mut [Multiset], batch: &UpdateBatch<'_>) {
    let values = &batch.args[0];
    let mut encoded = EncodedKeys::default();
    KeyEncoder::encode_one(values, &mut encoded);
    for_values(batch, values, |row, slot, sign| count_value(&mut held[slot], encoded.key(row), sign));
}

/// Adds (or takes away) encoded multisets.
pub(super) fn merge_counts(held: &mut [Multiset], slots: &[u32], partial: &dyn Array, sign: i64) {
    let partial = partial.as_binary_view();
    for (row, &slot) in slots.iter().enumerate() {
        for (value, count) in multiset_entries(partial.value(row)) {
            count_value(&mut held[slot as usize], value, sign * count);
        }
    }
}

impl<const MAX: bool> Counted<MAX> {
    fn extreme(values: &Multiset) -> Option<&[u8]> {
        let mut held = values.iter().filter(|(_, count)| **count > 0);
        let found = if MAX { held.next_back() } else { held.next() };
        found.map(|(value, _)| value.as_ref())
    }
}

impl<const MAX: bool> Accumulator for Counted<MAX> {
    fn cells(&self) -> Vec<CellKind> {
        vec![CellKind::Multiset]
    }

    fn update(&self, cells: &mut [Cells], batch: &UpdateBatch<'_>) -> Result<()> {
        let [Cells::Multiset(held)] = cells else { foreign_cells(cells) };
        count_values(held, batch);
        Ok(())
    }

    fn merge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        let [Cells::Multiset(held)] = cells else { foreign_cells(cells) };
        merge_counts(held, slots, &partial[0], 1);
        Ok(())
    }

    fn finish(&self, cells: &[Cells], slots: &[u32]) -> Result<ArrayRef> {
        let [Cells::Multiset(held)] = cells else { foreign_cells(cells) };
        Ok(encoded_column(&self.returns, slots.iter().map(|&slot| Self::extreme(&held[slot as usize]))))
    }

    fn run(&self, cells: &mut [Cells], steps: &Steps<'_>) -> Result<Option<ArrayRef>> {
        let [Cells::Multiset(held)] = cells else { foreign_cells(cells) };
        let mut encoded = EncodedKeys::default();
        KeyEncoder::encode_one(&steps.args[0], &mut encoded);
        let mut given = EncodedKeys::default();
        for_steps(steps, Some(&steps.args[0]), |slot, event| match event {
            Event::Change(row, sign) => count_value(&mut held[slot], encoded.key(row), sign),
            Event::Give => {
                given.bytes.extend_from_slice(Self::extreme(&held[slot]).unwrap_or(ENCODED_NULL));
                given.ends.push(given.bytes.len() as u32);
            }
            Event::Clear => held[slot].clear(),
        });
        Ok(Some(encoded_column(&self.returns, given.iter().map(Some))))
    }

    fn retracts(&self) -> bool {
        true
    }

    fn invertible(&self) -> bool {
        true
    }

    fn unmerge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        let [Cells::Multiset(held)] = cells else { foreign_cells(cells) };
        merge_counts(held, slots, &partial[0], -1);
        Ok(())
    }
}
