//! LAG and ROW_NUMBER of streams, as accumulators.
//!
//! LAG keeps the last values, so what it gives is as far back as its distance from the row that was added
//! last: with RANGE all rows of one time get the same value, as in Flink. With a default that can't be NULL its type
//! has no NULL either, and Flink gives -1, FALSE or '' for a NULL.

use arrow_array::{ArrayRef, Int64Array};
use std::sync::Arc;
use tidemill_plan::{Accumulator, Step, Steps, UpdateBatch};
use tidemill_types::key::{EncodedKeys, KeyEncoder, decode};
use tidemill_types::{CellKind, Cells, DataType, Error, Result, TypeKind};

/// An encoded NULL.
const NULL: &[u8] = &[0];

/// Cell: how many rows.
pub(super) struct RowNumber;

impl Accumulator for RowNumber {
    fn cells(&self) -> Vec<CellKind> {
        vec![CellKind::I64]
    }

    fn update(&self, cells: &mut [Cells], batch: &UpdateBatch<'_>) -> Result<()> {
        let counts = integers(cells)?;
        batch.slots.iter().for_each(|&slot| counts[slot as usize] += 1);
        Ok(())
    }

    fn merge(&self, _: &mut [Cells], _: &[u32], _: &[ArrayRef]) -> Result<()> {
        Err(unmergeable("ROW_NUMBER"))
    }

    fn finish(&self, cells: &[Cells], slots: &[u32]) -> Result<ArrayRef> {
        Ok(cells[0].to_array(slots))
    }

    fn run(&self, cells: &mut [Cells], steps: &Steps<'_>) -> Result<Option<ArrayRef>> {
        let counts = integers(cells)?;
        let mut given = Vec::new();
        for (&slot, step) in steps.slots.iter().zip(steps.steps) {
            let count = &mut counts[slot as usize];
            match step {
                Step::Add(_) => *count += 1,
                Step::Take(_) => *count -= 1,
                Step::Give => given.push(*count),
                Step::Clear => *count = 0,
            }
        }
        Ok(Some(Arc::new(Int64Array::from(given))))
    }

    fn retracts(&self) -> bool {
        true
    }
}

/// Cells: the last values, each behind its length; the last default.
pub(super) struct Lag {
    distance: usize,
    data_type: DataType,
    /// What is given for NULL, encoded.
    null: Vec<u8>,
}

/// What stands for NULL in a type without it.
fn in_place_of_null(data_type: &DataType) -> Vec<u8> {
    let whole = |bytes: usize| [&[1, 0x7f][..], &vec![0xff; bytes - 1]].concat();
    match data_type.kind {
        _ if data_type.nullable => NULL.to_vec(),
        TypeKind::TinyInt => whole(1),
        TypeKind::SmallInt => whole(2),
        TypeKind::Int | TypeKind::Date | TypeKind::Time(_) | TypeKind::IntervalMonth => whole(4),
        TypeKind::BigInt | TypeKind::IntervalDay => whole(8),
        TypeKind::Float => [&[1][..], &(!(-1f32).to_bits()).to_be_bytes()].concat(),
        TypeKind::Double => [&[1][..], &(!(-1f64).to_bits()).to_be_bytes()].concat(),
        TypeKind::Boolean => vec![1, 0],
        TypeKind::Char(_) | TypeKind::Varchar(_) => vec![1, 0, 0],
        _ => NULL.to_vec(),
    }
}

impl Lag {
    pub(super) fn new(distance: usize, data_type: DataType) -> Self {
        Lag { distance, null: in_place_of_null(&data_type), data_type }
    }

    fn add(&self, values: &mut Option<Box<[u8]>>, value: &[u8]) {
        let old = values.as_deref().unwrap_or_default();
        let kept = if entries(old).count() > self.distance { 4 + length(old) } else { 0 };
        let len = (value.len() as u32).to_le_bytes();
        *values = Some([&old[kept..], &len[..], value].concat().into());
    }

    fn value<'a>(&'a self, values: Option<&'a [u8]>, default: Option<&'a [u8]>) -> &'a [u8] {
        let values = values.unwrap_or_default();
        let value = match entries(values).count() > self.distance {
            true => entries(values).next().unwrap_or(NULL),
            false => default.unwrap_or(NULL),
        };
        if value == NULL { &self.null } else { value }
    }

    fn column<'a>(&self, values: impl Iterator<Item = &'a [u8]>) -> ArrayRef {
        decode(std::slice::from_ref(&self.data_type), values).pop().expect("one type gives one column")
    }

    fn encoded(args: &[ArrayRef]) -> (EncodedKeys, Option<EncodedKeys>) {
        let encode = |arg: &ArrayRef| {
            let mut keys = EncodedKeys::default();
            KeyEncoder::encode_one(arg, &mut keys);
            keys
        };
        (encode(&args[0]), args.get(1).map(encode))
    }
}

fn length(values: &[u8]) -> usize {
    values.first_chunk::<4>().map_or(0, |len| u32::from_le_bytes(*len) as usize)
}

fn entries(mut values: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let len = length(values.get(..4)?.first_chunk::<4>()?);
        let (value, rest) = values[4..].split_at(len);
        values = rest;
        Some(value)
    })
}

impl Accumulator for Lag {
    fn cells(&self) -> Vec<CellKind> {
        vec![CellKind::Bytes, CellKind::Bytes]
    }

    fn update(&self, cells: &mut [Cells], batch: &UpdateBatch<'_>) -> Result<()> {
        let [Cells::Bytes(held), Cells::Bytes(defaults)] = cells else { return Err(foreign()) };
        let (values, default) = Self::encoded(batch.args);
        for (row, &slot) in batch.slots.iter().enumerate() {
            self.add(&mut held[slot as usize], values.key(row));
            defaults[slot as usize] = default.as_ref().map(|default| default.key(row).into());
        }
        Ok(())
    }

    fn merge(&self, _: &mut [Cells], _: &[u32], _: &[ArrayRef]) -> Result<()> {
        Err(unmergeable("LAG"))
    }

    fn finish(&self, cells: &[Cells], slots: &[u32]) -> Result<ArrayRef> {
        let [Cells::Bytes(held), Cells::Bytes(defaults)] = cells else { return Err(foreign()) };
        Ok(self.column(slots.iter().map(|&slot| {
            let slot = slot as usize;
            self.value(held[slot].as_deref(), defaults[slot].as_deref())
        })))
    }

    fn run(&self, cells: &mut [Cells], steps: &Steps<'_>) -> Result<Option<ArrayRef>> {
        let [Cells::Bytes(held), Cells::Bytes(defaults)] = cells else { return Err(foreign()) };
        let (values, default) = Self::encoded(steps.args);
        let mut given = EncodedKeys::default();
        for (&slot, step) in steps.slots.iter().zip(steps.steps) {
            let slot = slot as usize;
            match step {
                Step::Add(row) => {
                    self.add(&mut held[slot], values.key(*row as usize));
                    defaults[slot] = default.as_ref().map(|default| default.key(*row as usize).into());
                }
                Step::Take(_) => return Err(Error::internal("LAG was asked to take a row back")),
                Step::Give => {
                    let value = self.value(held[slot].as_deref(), defaults[slot].as_deref());
                    given.bytes.extend_from_slice(value);
                    given.ends.push(given.bytes.len() as u32);
                }
                Step::Clear => (held[slot], defaults[slot]) = (None, None),
            }
        }
        Ok(Some(self.column(given.iter())))
    }

    fn retracts(&self) -> bool {
        false
    }

    fn ordered(&self) -> bool {
        true
    }
}

fn integers(cells: &mut [Cells]) -> Result<&mut Vec<i64>> {
    match cells {
        [Cells::I64(values)] => Ok(values),
        _ => Err(foreign()),
    }
}

fn foreign() -> Error {
    Error::internal("an accumulator got other cells than it declared")
}

fn unmergeable(name: &str) -> Error {
    Error::internal(format!("{name} was asked to merge"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::StringViewArray;
    use arrow_array::{BooleanArray, Float64Array};

    #[test]
    fn a_type_without_null_has_a_value_in_its_place() {
        let column = |kind: TypeKind| {
            let lag = Lag::new(1, kind.not_null());
            lag.column([lag.value(None, None)].into_iter())
        };
        assert_eq!(column(TypeKind::BigInt).as_ref(), &Int64Array::from(vec![-1]));
        assert_eq!(column(TypeKind::Double).as_ref(), &Float64Array::from(vec![-1.0]));
        assert_eq!(column(TypeKind::Boolean).as_ref(), &BooleanArray::from(vec![false]));
        assert_eq!(column(DataType::string().kind).as_ref(), &StringViewArray::from(vec![""]));
        assert_eq!(column(TypeKind::Timestamp(3)).null_count(), 1);
    }
}
