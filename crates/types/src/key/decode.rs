//! Bytes back into columns.
//!
//! Invariant: what it reads was written by this format's encoder; anything else is a bug or a damaged
//! checkpoint that its checksum should have caught, so it panics.

use super::encode::NONE;
use super::texts::Texts;
use crate::arrow_type::{arrow_type, element_field, is_wide};
use crate::map::map_array;
use crate::{DataType, TypeKind};
use arrow_array::builder::BooleanBuilder;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, ListArray, NullArray, PrimitiveArray, StructArray};
use arrow_buffer::{NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType as Arrow, Fields, TimeUnit};
use std::sync::Arc;

/// The columns of these keys, one after another.
pub fn decode<'a>(types: &[DataType], keys: impl IntoIterator<Item = &'a [u8]>) -> Vec<ArrayRef> {
    let mut rest: Vec<&[u8]> = keys.into_iter().collect();
    let columns = types.iter().map(|data_type| {
        let mut column = Decoder::new(data_type);
        column.read_all(&mut rest);
        column.finish()
    });
    let columns = columns.collect();
    assert!(rest.iter().all(|rest| rest.is_empty()), "a key holds its columns and no more");
    columns
}

/// Gathers one column.
struct Decoder {
    data_type: DataType,
    values: Values,
    nulls: NullBufferBuilder,
    len: usize,
}

enum Values {
    Null,
    Bool(BooleanBuilder),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    I128(Vec<i128>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    View(Texts),
    List(Vec<i32>, Box<Decoder>),
    Map(Vec<i32>, Box<[Decoder; 2]>),
    Row(Vec<Decoder>),
}

impl Values {
    fn new(kind: &TypeKind) -> Self {
        match kind {
            TypeKind::Null => Values::Null,
            TypeKind::Boolean => Values::Bool(BooleanBuilder::new()),
            TypeKind::TinyInt => Values::I8(Vec::new()),
            TypeKind::SmallInt => Values::I16(Vec::new()),
            TypeKind::Int | TypeKind::Date | TypeKind::Time(_) | TypeKind::IntervalMonth => {
                Values::I32(Vec::new())
            }
            TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) if is_wide(*p) => Values::I128(Vec::new()),
            TypeKind::BigInt | TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_) | TypeKind::IntervalDay => {
                Values::I64(Vec::new())
            }
            TypeKind::Float => Values::F32(Vec::new()),
            TypeKind::Double => Values::F64(Vec::new()),
            TypeKind::Decimal { .. } => Values::I128(Vec::new()),
            TypeKind::Char(_)
            | TypeKind::Varchar(_)
            | TypeKind::Binary(_)
            | TypeKind::Varbinary(_)
            | TypeKind::Variant
            | TypeKind::Bitmap => Values::View(Texts::default()),
            TypeKind::Array(element) => Values::List(vec![0], Box::new(Decoder::new(element))),
            TypeKind::Map(key, value) => {
                Values::Map(vec![0], Box::new([Decoder::new(key), Decoder::new(value)]))
            }
            TypeKind::Multiset(element) => {
                let count = Decoder::new(&TypeKind::Int.not_null());
                Values::Map(vec![0], Box::new([Decoder::new(element), count]))
            }
            TypeKind::Row(fields) => {
                Values::Row(fields.iter().map(|field| Decoder::new(&field.data_type)).collect())
            }
        }
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    let (taken, rest) = bytes.split_first_chunk::<N>().expect("an encoded key is whole");
    *bytes = rest;
    *taken
}

/// Reads marks and elements until the end of a list.
fn take_list(bytes: &mut &[u8], mut element: impl FnMut(&mut &[u8])) {
    while take::<1>(bytes)[0] != NONE {
        element(bytes);
    }
}

/// Reads a mark and notes what it says.
#[inline]
fn take_is_null(bytes: &mut &[u8], nulls: &mut NullBufferBuilder) -> bool {
    let null = take::<1>(bytes)[0] == NONE;
    nulls.append(!null);
    null
}

fn read_column<T: Default, const N: usize>(
    rows: &mut [&[u8]],
    nulls: &mut NullBufferBuilder,
    values: &mut Vec<T>,
    of: impl Fn([u8; N]) -> T,
) {
    values.reserve(rows.len());
    for row in rows {
        let null = take_is_null(row, nulls);
        values.push(if null { T::default() } else { of(take(row)) });
    }
}

fn i32_of(bytes: [u8; 4]) -> i32 {
    i32::from_be_bytes(bytes) ^ i32::MIN
}

fn i64_of(bytes: [u8; 8]) -> i64 {
    i64::from_be_bytes(bytes) ^ i64::MIN
}

fn f64_of(ordered: u64) -> f64 {
    f64::from_bits(if ordered >> 63 == 1 { ordered ^ (1 << 63) } else { !ordered })
}

fn f32_of(ordered: u32) -> f32 {
    f32::from_bits(if ordered >> 31 == 1 { ordered ^ (1 << 31) } else { !ordered })
}

impl Decoder {
    fn new(data_type: &DataType) -> Self {
        Decoder {
            data_type: data_type.clone(),
            values: Values::new(&data_type.kind),
            nulls: NullBufferBuilder::new(0),
            len: 0,
        }
    }

    /// Reads the column of all rows, with loops of their own for the most common types.
    fn read_all(&mut self, rows: &mut [&[u8]]) {
        let nulls = &mut self.nulls;
        match &mut self.values {
            Values::I32(v) => read_column(rows, nulls, v, i32_of),
            Values::I64(v) => read_column(rows, nulls, v, i64_of),
            Values::View(v) => {
                for row in rows.iter_mut() {
                    match take_is_null(row, nulls) {
                        true => v.push(&[]),
                        false => v.take(row),
                    }
                }
            }
            _ => return rows.iter_mut().for_each(|row| self.read(row)),
        }
        self.len += rows.len();
    }

    fn read(&mut self, bytes: &mut &[u8]) {
        if take::<1>(bytes)[0] == NONE {
            return self.push_null();
        }
        self.len += 1;
        self.nulls.append_non_null();
        match &mut self.values {
            Values::Null => unreachable!("the type of NULL has no other value"),
            Values::Bool(v) => v.append_value(take::<1>(bytes)[0] != 0),
            Values::I8(v) => v.push((take::<1>(bytes)[0] ^ 0x80) as i8),
            Values::I16(v) => v.push(i16::from_be_bytes(take(bytes)) ^ i16::MIN),
            Values::I32(v) => v.push(i32_of(take(bytes))),
            Values::I64(v) => v.push(i64_of(take(bytes))),
            Values::I128(v) => v.push(i128::from_be_bytes(take(bytes)) ^ i128::MIN),
            Values::F32(v) => v.push(f32_of(u32::from_be_bytes(take(bytes)))),
            Values::F64(v) => v.push(f64_of(u64::from_be_bytes(take(bytes)))),
            Values::View(v) => v.take(bytes),
            Values::List(offsets, elements) => {
                take_list(bytes, |bytes| elements.read(bytes));
                offsets.push(elements.len as i32);
            }
            Values::Map(offsets, entries) => {
                take_list(bytes, |bytes| entries.iter_mut().for_each(|part| part.read(bytes)));
                offsets.push(entries[0].len as i32);
            }
            Values::Row(fields) => fields.iter_mut().for_each(|field| field.read(bytes)),
        }
    }

    fn push_null(&mut self) {
        self.len += 1;
        self.nulls.append_null();
        match &mut self.values {
            Values::Null => {}
            Values::Bool(v) => v.append_value(false),
            Values::I8(v) => v.push(0),
            Values::I16(v) => v.push(0),
            Values::I32(v) => v.push(0),
            Values::I64(v) => v.push(0),
            Values::I128(v) => v.push(0),
            Values::F32(v) => v.push(0.0),
            Values::F64(v) => v.push(0.0),
            Values::View(v) => v.push(&[]),
            Values::List(offsets, elements) => offsets.push(elements.len as i32),
            Values::Map(offsets, entries) => offsets.push(entries[0].len as i32),
            Values::Row(fields) => fields.iter_mut().for_each(Decoder::push_null),
        }
    }

    fn finish(mut self) -> ArrayRef {
        let nulls = self.nulls.finish();
        let arrow = arrow_type(&self.data_type);
        match self.values {
            Values::Null => Arc::new(NullArray::new(self.len)),
            Values::Bool(mut v) => {
                let (values, _) = v.finish().into_parts();
                Arc::new(arrow_array::BooleanArray::new(values, nulls))
            }
            Values::I8(v) => primitive::<Int8Type>(v, nulls, &arrow),
            Values::I16(v) => primitive::<Int16Type>(v, nulls, &arrow),
            Values::I32(v) => i32_column(v, nulls, &arrow),
            Values::I64(v) => i64_column(v, nulls, &arrow),
            Values::I128(v) => primitive::<Decimal128Type>(v, nulls, &arrow),
            Values::F32(v) => primitive::<Float32Type>(v, nulls, &arrow),
            Values::F64(v) => primitive::<Float64Type>(v, nulls, &arrow),
            Values::View(v) => view_column(v, nulls, &arrow),
            Values::List(offsets, elements) => {
                let TypeKind::Array(element) = &self.data_type.kind else {
                    unreachable!("lists are made for arrays")
                };
                let offsets = OffsetBuffer::new(offsets.into());
                Arc::new(ListArray::new(element_field(element), offsets, elements.finish(), nulls))
            }
            Values::Map(offsets, entries) => map_column(&self.data_type.kind, offsets, *entries, nulls),
            Values::Row(fields) => {
                let Arrow::Struct(names) = arrow else { unreachable!("rows are structs") };
                row_column(names, fields, nulls, self.len)
            }
        }
    }
}

type Nulls = Option<arrow_buffer::NullBuffer>;

fn primitive<T: ArrowPrimitiveType>(values: Vec<T::Native>, nulls: Nulls, arrow: &Arrow) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls).with_data_type(arrow.clone()))
}

fn i32_column(values: Vec<i32>, nulls: Nulls, arrow: &Arrow) -> ArrayRef {
    match arrow {
        Arrow::Date32 => primitive::<Date32Type>(values, nulls, arrow),
        Arrow::Time32(_) => primitive::<Time32MillisecondType>(values, nulls, arrow),
        Arrow::Interval(_) => primitive::<IntervalYearMonthType>(values, nulls, arrow),
        _ => primitive::<Int32Type>(values, nulls, arrow),
    }
}

fn i64_column(values: Vec<i64>, nulls: Nulls, arrow: &Arrow) -> ArrayRef {
    match arrow {
        Arrow::Timestamp(TimeUnit::Millisecond, _) => {
            primitive::<TimestampMillisecondType>(values, nulls, arrow)
        }
        Arrow::Timestamp(..) => primitive::<TimestampMicrosecondType>(values, nulls, arrow),
        Arrow::Duration(_) => primitive::<DurationMillisecondType>(values, nulls, arrow),
        _ => primitive::<Int64Type>(values, nulls, arrow),
    }
}

fn view_column(values: Texts, nulls: Nulls, arrow: &Arrow) -> ArrayRef {
    let bytes = values.finish(nulls);
    match arrow {
        Arrow::Utf8View => Arc::new(bytes.to_string_view().expect("an encoded text is UTF-8")),
        _ => Arc::new(bytes),
    }
}

fn map_column(kind: &TypeKind, offsets: Vec<i32>, [keys, values]: [Decoder; 2], nulls: Nulls) -> ArrayRef {
    let (offsets, columns) = (OffsetBuffer::new(offsets.into()), (keys.finish(), values.finish()));
    Arc::new(match kind {
        TypeKind::Map(key, value) => map_array((key, value), offsets, columns, nulls),
        TypeKind::Multiset(element) => {
            map_array((element, &TypeKind::Int.not_null()), offsets, columns, nulls)
        }
        _ => unreachable!("entries are made for maps and multisets"),
    })
}

fn row_column(names: Fields, fields: Vec<Decoder>, nulls: Nulls, len: usize) -> ArrayRef {
    let columns: Vec<ArrayRef> = fields.into_iter().map(Decoder::finish).collect();
    if columns.is_empty() {
        return Arc::new(StructArray::new_empty_fields(len, nulls));
    }
    debug_assert!(columns.iter().all(|column| column.len() == len), "fields are as long as their row");
    Arc::new(StructArray::new(names, columns, nulls))
}
