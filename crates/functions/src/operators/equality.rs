//! Equality of values of any type, by a byte encoding that is the same exactly for equal values.
//!
//! Two NULLs inside a value are equal, and so are maps with the same entries in another order. Not an order,
//! and never stored: state has an encoding of its own.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, DurationMillisecondType, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, IntervalYearMonthType, Time32MillisecondType, TimestampMicrosecondType,
    TimestampMillisecondType,
};
use arrow_schema::{DataType as Arrow, TimeUnit};

/// Appends the encoding of one value.
pub fn encode(array: &dyn Array, index: usize, out: &mut Vec<u8>) {
    if array.is_null(index) || *array.data_type() == Arrow::Null {
        return out.push(0);
    }
    out.push(1);
    macro_rules! primitive {
        ($t:ty) => {
            out.extend_from_slice(&array.as_primitive::<$t>().value(index).to_le_bytes())
        };
    }
    match array.data_type() {
        Arrow::Boolean => out.push(u8::from(array.as_boolean().value(index))),
        Arrow::Int8 => primitive!(Int8Type),
        Arrow::Int16 => primitive!(Int16Type),
        Arrow::Int32 => primitive!(Int32Type),
        Arrow::Int64 => primitive!(Int64Type),
        Arrow::Decimal128(..) => primitive!(Decimal128Type),
        Arrow::Date32 => primitive!(Date32Type),
        Arrow::Time32(_) => primitive!(Time32MillisecondType),
        Arrow::Timestamp(TimeUnit::Millisecond, _) => primitive!(TimestampMillisecondType),
        Arrow::Timestamp(..) => primitive!(TimestampMicrosecondType),
        Arrow::Interval(_) => primitive!(IntervalYearMonthType),
        Arrow::Duration(_) => primitive!(DurationMillisecondType),
        Arrow::Float32 => {
            let value = array.as_primitive::<Float32Type>().value(index) + 0.0;
            let bits = if value.is_nan() { f32::NAN.to_bits() } else { value.to_bits() };
            out.extend_from_slice(&bits.to_le_bytes());
        }
        Arrow::Float64 => {
            let value = array.as_primitive::<Float64Type>().value(index) + 0.0;
            let bits = if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() };
            out.extend_from_slice(&bits.to_le_bytes());
        }
        Arrow::Utf8View => run(array.as_string_view().value(index).as_bytes(), out),
        Arrow::BinaryView => run(array.as_binary_view().value(index), out),
        Arrow::List(_) => encode_list(array.as_list::<i32>().value(index).as_ref(), out),
        Arrow::Struct(_) => {
            array.as_struct().columns().iter().for_each(|column| encode(column.as_ref(), index, out));
        }
        Arrow::Map(..) => encode_map(&array.as_map().value(index), out),
        other => unreachable!("no value has the layout {other}"),
    }
}

fn run(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn encode_list(list: &dyn Array, out: &mut Vec<u8>) {
    out.extend_from_slice(&(list.len() as u32).to_le_bytes());
    (0..list.len()).for_each(|index| encode(list, index, out));
}

fn encode_map(entries: &arrow_array::StructArray, out: &mut Vec<u8>) {
    let mut encoded: Vec<Vec<u8>> = (0..entries.len())
        .map(|index| {
            let mut entry = Vec::new();
            entries.columns().iter().for_each(|column| encode(column.as_ref(), index, &mut entry));
            entry
        })
        .collect();
    encoded.sort();
    out.extend_from_slice(&(encoded.len() as u32).to_le_bytes());
    encoded.iter().for_each(|entry| out.extend_from_slice(entry));
}

/// The encoding of one value.
pub fn encoded(array: &dyn Array, index: usize) -> Vec<u8> {
    let mut out = Vec::new();
    encode(array, index, &mut out);
    out
}
