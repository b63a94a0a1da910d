//! Rows of matches in state cells: which columns are kept, written from a chunk and read back as columns.
//!
//! Layout of a row: bits of the columns that are NULL, 64 to a cell, then one cell for each column. Whole numbers,
//! times and truth values lie in integers, text and bytes as they are, everything else in the key encoding.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BinaryViewArray, BooleanArray, PrimitiveArray};
use arrow_array::{StringViewArray, new_null_array};
use arrow_buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use std::sync::Arc;
use tidemill_state::SlotCells;
use tidemill_types::arrow_type::{arrow_type, is_wide};
use tidemill_types::key::{EncodedKeys, KeyEncoder, decode};
use tidemill_types::{CellKind, Cells, DataType, Schema, TypeKind};

/// No row: reading it gives NULL.
pub(super) const NO_ROW: u32 = u32::MAX;

/// Which columns of the input are kept, and where.
pub(super) struct RowStore {
    columns: Vec<usize>,
    types: Vec<DataType>,
    null_cells: usize,
}

/// The values of one column of a chunk, as they go into cells.
enum Lane {
    Int(Vec<i64>),
    Wide(ScalarBuffer<i128>),
    Float(Vec<f64>),
    Text(StringViewArray),
    Bytes(BinaryViewArray),
    Encoded(EncodedKeys),
}

/// The kept columns of a chunk.
pub(super) struct Lanes {
    lanes: Vec<(Lane, Option<NullBuffer>)>,
}

fn cell_kind(data_type: &DataType) -> CellKind {
    match &data_type.kind {
        TypeKind::Float | TypeKind::Double => CellKind::F64,
        TypeKind::Decimal { .. } => CellKind::I128,
        TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) if is_wide(*p) => CellKind::I128,
        TypeKind::Boolean | TypeKind::Date | TypeKind::Time(_) => CellKind::I64,
        TypeKind::IntervalMonth | TypeKind::IntervalDay => CellKind::I64,
        kind if kind.is_integer() || kind.is_timestamp() => CellKind::I64,
        _ => CellKind::Bytes,
    }
}

impl RowStore {
    /// Keeps these columns of the input.
    pub(super) fn new(columns: Vec<usize>, input: &Schema) -> Self {
        let types: Vec<DataType> = columns.iter().map(|&i| input.fields[i].data_type.clone()).collect();
        RowStore { null_cells: columns.len().div_ceil(64), types, columns }
    }

    /// The cells of a row.
    pub(super) fn kinds(&self) -> Vec<CellKind> {
        let nulls = std::iter::repeat_n(CellKind::I64, self.null_cells);
        nulls.chain(self.types.iter().map(cell_kind)).collect()
    }

    /// The kept columns of a chunk, ready to be written row by row.
    pub(super) fn lanes(&self, columns: &[ArrayRef], rows: usize) -> Lanes {
        let lane = |(&column, data_type): (&usize, &DataType)| {
            let array = &columns[column];
            (lane(array, data_type, rows), array.nulls().cloned())
        };
        Lanes { lanes: self.columns.iter().zip(&self.types).map(lane).collect() }
    }

    /// Writes a row of a chunk into a slot.
    pub(super) fn write(&self, lanes: &Lanes, row: usize, slot: u32, values: &mut SlotCells) {
        let slot = slot as usize;
        let (nulls, cells) = values.cells.split_at_mut(self.null_cells);
        for (at, ((lane, null), cells)) in lanes.lanes.iter().zip(cells).enumerate() {
            if null.as_ref().is_some_and(|null| null.is_null(row)) {
                if let Cells::I64(bits) = &mut nulls[at / 64] {
                    bits[slot] |= 1 << (at % 64);
                }
                continue;
            }
            match (cells, lane) {
                (Cells::I64(cells), Lane::Int(values)) => cells[slot] = values[row],
                (Cells::I128(cells), Lane::Wide(values)) => cells[slot] = values[row],
                (Cells::F64(cells), Lane::Float(values)) => cells[slot] = values[row],
                (Cells::Bytes(cells), Lane::Text(values)) => {
                    cells[slot] = Some(values.value(row).as_bytes().into());
                }
                (Cells::Bytes(cells), Lane::Bytes(values)) => cells[slot] = Some(values.value(row).into()),
                (Cells::Bytes(cells), Lane::Encoded(keys)) => cells[slot] = Some(keys.key(row).into()),
                _ => unreachable!("a lane has the kind of its cells"),
            }
        }
    }

    /// An input column of these rows.
    pub(super) fn column(&self, column: usize, slots: &[u32], values: &SlotCells) -> ArrayRef {
        let at = self.columns.iter().position(|kept| *kept == column).expect("a column that is read is kept");
        let Cells::I64(bits) = &values.cells[at / 64] else { unreachable!("null bits are integers") };
        let bit = 1_i64 << (at % 64);
        let there = |&slot: &u32| slot != NO_ROW && bits[slot as usize] & bit == 0;
        let places: Vec<Option<usize>> =
            slots.iter().map(|slot| there(slot).then_some(*slot as usize)).collect();
        match &values.cells[self.null_cells + at] {
            Cells::I64(cells) => ints(&self.types[at], places.iter().map(|at| at.map(|at| cells[at]))),
            Cells::F64(cells) => floats(&self.types[at], places.iter().map(|at| at.map(|at| cells[at]))),
            Cells::I128(cells) => {
                let values = places.iter().map(|at| at.map(|at| cells[at]));
                typed(PrimitiveArray::<Decimal128Type>::from_iter(values), &self.types[at])
            }
            Cells::Bytes(cells) => {
                bytes(&self.types[at], places.iter().map(|at| at.and_then(|at| cells[at].as_deref())))
            }
            Cells::Multiset(_) => unreachable!("no column lies in a multiset"),
        }
    }
}

fn widened<T: ArrowPrimitiveType>(array: &ArrayRef) -> Vec<i64>
where
    T::Native: Into<i64>,
{
    array.as_primitive::<T>().values().iter().map(|&value| value.into()).collect()
}

fn lane(array: &ArrayRef, data_type: &DataType, rows: usize) -> Lane {
    match &data_type.kind {
        TypeKind::Boolean => {
            let values = array.as_boolean().values();
            Lane::Int(values.iter().map(i64::from).collect())
        }
        TypeKind::TinyInt => Lane::Int(widened::<Int8Type>(array)),
        TypeKind::SmallInt => Lane::Int(widened::<Int16Type>(array)),
        TypeKind::Int => Lane::Int(widened::<Int32Type>(array)),
        TypeKind::BigInt => Lane::Int(widened::<Int64Type>(array)),
        TypeKind::Date => Lane::Int(widened::<Date32Type>(array)),
        TypeKind::Time(_) => Lane::Int(widened::<Time32MillisecondType>(array)),
        TypeKind::IntervalMonth => Lane::Int(widened::<IntervalYearMonthType>(array)),
        TypeKind::IntervalDay => Lane::Int(widened::<DurationMillisecondType>(array)),
        TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) if is_wide(*p) => {
            Lane::Wide(array.as_primitive::<Decimal128Type>().values().clone())
        }
        TypeKind::Timestamp(0..=3) | TypeKind::TimestampLtz(0..=3) => {
            Lane::Int(widened::<TimestampMillisecondType>(array))
        }
        TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_) => {
            Lane::Int(widened::<TimestampMicrosecondType>(array))
        }
        TypeKind::Decimal { .. } => Lane::Wide(array.as_primitive::<Decimal128Type>().values().clone()),
        TypeKind::Float => {
            let values = array.as_primitive::<Float32Type>().values();
            Lane::Float(values.iter().map(|&value| value.into()).collect())
        }
        TypeKind::Double => Lane::Float(array.as_primitive::<Float64Type>().values().to_vec()),
        TypeKind::Char(_) | TypeKind::Varchar(_) => Lane::Text(array.as_string_view().clone()),
        TypeKind::Binary(_) | TypeKind::Varbinary(_) => Lane::Bytes(array.as_binary_view().clone()),
        _ => {
            let mut encoded = EncodedKeys::default();
            let mut encoder = KeyEncoder::new([data_type.clone()]);
            encoder.encode(std::slice::from_ref(array), rows, &mut encoded);
            Lane::Encoded(encoded)
        }
    }
}

fn typed<T: ArrowPrimitiveType>(array: PrimitiveArray<T>, data_type: &DataType) -> ArrayRef {
    Arc::new(array.with_data_type(arrow_type(data_type)))
}

fn narrow<T: ArrowPrimitiveType>(
    data_type: &DataType,
    values: impl Iterator<Item = Option<i64>>,
    cut: impl Fn(i64) -> T::Native,
) -> ArrayRef {
    typed(PrimitiveArray::<T>::from_iter(values.map(|value| value.map(&cut))), data_type)
}

fn ints(data_type: &DataType, values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    let cut = |value| value as i32;
    match &data_type.kind {
        TypeKind::Boolean => Arc::new(values.map(|value| value.map(|v| v != 0)).collect::<BooleanArray>()),
        TypeKind::TinyInt => narrow::<Int8Type>(data_type, values, |value| value as i8),
        TypeKind::SmallInt => narrow::<Int16Type>(data_type, values, |value| value as i16),
        TypeKind::Int => narrow::<Int32Type>(data_type, values, cut),
        TypeKind::Date => narrow::<Date32Type>(data_type, values, cut),
        TypeKind::Time(_) => narrow::<Time32MillisecondType>(data_type, values, cut),
        TypeKind::IntervalMonth => narrow::<IntervalYearMonthType>(data_type, values, cut),
        TypeKind::IntervalDay => narrow::<DurationMillisecondType>(data_type, values, |value| value),
        TypeKind::Timestamp(0..=3) | TypeKind::TimestampLtz(0..=3) => {
            narrow::<TimestampMillisecondType>(data_type, values, |value| value)
        }
        TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_) => {
            narrow::<TimestampMicrosecondType>(data_type, values, |value| value)
        }
        _ => narrow::<Int64Type>(data_type, values, |value| value),
    }
}

fn floats(data_type: &DataType, values: impl Iterator<Item = Option<f64>>) -> ArrayRef {
    match data_type.kind {
        TypeKind::Float => {
            Arc::new(PrimitiveArray::<Float32Type>::from_iter(values.map(|v| v.map(|v| v as f32))))
        }
        _ => Arc::new(PrimitiveArray::<Float64Type>::from_iter(values)),
    }
}

fn bytes<'a>(data_type: &DataType, values: impl ExactSizeIterator<Item = Option<&'a [u8]>>) -> ArrayRef {
    match &data_type.kind {
        TypeKind::Char(_) | TypeKind::Varchar(_) => {
            let text = |bytes| std::str::from_utf8(bytes).expect("text came from text");
            Arc::new(StringViewArray::from_iter(values.map(|value| value.map(text))))
        }
        TypeKind::Binary(_) | TypeKind::Varbinary(_) => Arc::new(BinaryViewArray::from_iter(values)),
        TypeKind::Null => new_null_array(&arrow_type(data_type), values.len()),
        _ => {
            // The key encoding of a missing value is that of NULL.
            let keys: Vec<&[u8]> = values.map(|value| value.unwrap_or(&[0])).collect();
            decode(std::slice::from_ref(data_type), keys).remove(0)
        }
    }
}

/// The truth values of a condition; NULL is FALSE.
pub(super) fn truth(array: &ArrayRef) -> BooleanBuffer {
    let array = array.as_boolean();
    match array.nulls() {
        None => array.values().clone(),
        Some(nulls) => array.values() & nulls.inner(),
    }
}
