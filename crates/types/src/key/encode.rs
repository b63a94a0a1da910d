//! Columns into bytes. Row by row, with the columns taken apart once per chunk.
//!
//! A text of at most 12 bytes lies inside its view, followed by zeros: with the mark for "not NULL" in front
//! and two of those zeros as its end it is one 16-byte store.

use super::EncodedKeys;
use crate::map::map_keys;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::{Buffer, NullBuffer};
use arrow_data::ByteView;
use arrow_schema::{DataType as Arrow, IntervalUnit, TimeUnit};

/// Marks NULL, and the end of a list.
pub(super) const NONE: u8 = 0;
/// Marks a value, and a further element of a list.
pub(super) const SOME: u8 = 1;
/// Follows a zero that belongs to a text.
pub(super) const ESCAPED: u8 = 0xFF;

/// The longest text that a view holds itself.
const INLINE_BYTES: u32 = 12;

/// A column taken apart.
pub(super) struct Column<'a> {
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
}

enum Values<'a> {
    Null,
    Bool(&'a BooleanArray),
    I8(&'a [i8]),
    I16(&'a [i16]),
    I32(&'a [i32]),
    I64(&'a [i64]),
    I128(&'a [i128]),
    F32(&'a [f32]),
    F64(&'a [f64]),
    View(&'a [u128], &'a [Buffer]),
    List(&'a [i32], Box<Column<'a>>),
    Map(&'a [i32], Box<[Column<'a>; 2]>),
    Row(Vec<Column<'a>>),
}

impl<'a> Column<'a> {
    pub(super) fn of(array: &'a dyn Array) -> Self {
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        Column { nulls, values: Values::of(array) }
    }

    #[inline]
    fn is_null(&self, row: usize) -> bool {
        self.nulls.is_some_and(|nulls| nulls.is_null(row))
    }

    #[inline]
    fn write(&self, row: usize, out: &mut Writer) {
        if self.is_null(row) {
            return out.byte(NONE);
        }
        match &self.values {
            Values::Null => out.byte(NONE),
            Values::I32(values) => out.i32(values[row]),
            Values::I64(values) => out.i64(values[row]),
            Values::View(views, buffers) => out.view(views[row], buffers),
            _ => self.write_other(row, out),
        }
    }

    fn write_other(&self, row: usize, out: &mut Writer) {
        match &self.values {
            Values::Bool(values) => out.some([u8::from(values.value(row))]),
            Values::I8(values) => out.some([values[row] as u8 ^ 0x80]),
            Values::I16(values) => out.some((values[row] ^ i16::MIN).to_be_bytes()),
            Values::I128(values) => out.some((values[row] ^ i128::MIN).to_be_bytes()),
            Values::F32(values) => out.some(ordered_f32(values[row]).to_be_bytes()),
            Values::F64(values) => out.some(ordered_f64(values[row]).to_be_bytes()),
            Values::List(offsets, elements) => {
                out.byte(SOME);
                for element in offsets[row] as usize..offsets[row + 1] as usize {
                    out.byte(SOME);
                    elements.write(element, out);
                }
                out.byte(NONE);
            }
            Values::Map(offsets, entries) => {
                write_map(offsets[row] as usize..offsets[row + 1] as usize, entries, out);
            }
            Values::Row(fields) => {
                out.byte(SOME);
                fields.iter().for_each(|field| field.write(row, out));
            }
            _ => self.write(row, out),
        }
    }
}

/// Entries come in any order, and equal maps must have equal bytes.
fn write_map(entries: std::ops::Range<usize>, [keys, values]: &[Column<'_>; 2], out: &mut Writer) {
    let mut sorted: Vec<Vec<u8>> = entries
        .map(|entry| {
            let mut bytes = Writer::default();
            keys.write(entry, &mut bytes);
            values.write(entry, &mut bytes);
            bytes.finish()
        })
        .collect();
    sorted.sort_unstable();
    out.byte(SOME);
    for entry in sorted {
        out.byte(SOME);
        out.raw(&entry);
    }
    out.byte(NONE);
}

impl<'a> Values<'a> {
    fn of(array: &'a dyn Array) -> Self {
        match array.data_type() {
            Arrow::Null => Values::Null,
            Arrow::Boolean => Values::Bool(array.as_boolean()),
            Arrow::Int8 => Values::I8(array.as_primitive::<Int8Type>().values()),
            Arrow::Int16 => Values::I16(array.as_primitive::<Int16Type>().values()),
            Arrow::Int32 => Values::I32(array.as_primitive::<Int32Type>().values()),
            Arrow::Int64 => Values::I64(array.as_primitive::<Int64Type>().values()),
            Arrow::Float32 => Values::F32(array.as_primitive::<Float32Type>().values()),
            Arrow::Float64 => Values::F64(array.as_primitive::<Float64Type>().values()),
            Arrow::Decimal128(..) => Values::I128(array.as_primitive::<Decimal128Type>().values()),
            Arrow::Utf8View => {
                let text = array.as_string_view();
                Values::View(text.views(), text.data_buffers())
            }
            Arrow::BinaryView => {
                let bytes = array.as_binary_view();
                Values::View(bytes.views(), bytes.data_buffers())
            }
            Arrow::List(_) => {
                let list = array.as_list::<i32>();
                Values::List(list.offsets(), Box::new(Column::of(list.values().as_ref())))
            }
            Arrow::Map(..) => {
                let map = array.as_map();
                let entries = [Column::of(map_keys(map).as_ref()), Column::of(map.values().as_ref())];
                Values::Map(map.offsets(), Box::new(entries))
            }
            Arrow::Struct(_) => {
                let fields = array.as_struct().columns();
                Values::Row(fields.iter().map(|field| Column::of(field.as_ref())).collect())
            }
            time => Values::of_time(array, time),
        }
    }

    fn of_time(array: &'a dyn Array, arrow: &Arrow) -> Self {
        match arrow {
            Arrow::Date32 => Values::I32(array.as_primitive::<Date32Type>().values()),
            Arrow::Time32(_) => Values::I32(array.as_primitive::<Time32MillisecondType>().values()),
            Arrow::Interval(IntervalUnit::YearMonth) => {
                Values::I32(array.as_primitive::<IntervalYearMonthType>().values())
            }
            Arrow::Duration(_) => Values::I64(array.as_primitive::<DurationMillisecondType>().values()),
            Arrow::Timestamp(TimeUnit::Millisecond, _) => {
                Values::I64(array.as_primitive::<TimestampMillisecondType>().values())
            }
            Arrow::Timestamp(TimeUnit::Microsecond, _) => {
                Values::I64(array.as_primitive::<TimestampMicrosecondType>().values())
            }
            other => unreachable!("no type of Flink lies in a column of {other}"),
        }
    }
}

/// Bits whose unsigned order is Java's order of doubles, but for one zero and one NaN.
fn ordered_f64(value: f64) -> u64 {
    let value = if value.is_nan() { f64::from_bits(0x7FF8_0000_0000_0000) } else { value + 0.0 };
    let bits = value.to_bits();
    if bits >> 63 == 0 { bits ^ (1 << 63) } else { !bits }
}

fn ordered_f32(value: f32) -> u32 {
    let value = if value.is_nan() { f32::from_bits(0x7FC0_0000) } else { value + 0.0 };
    let bits = value.to_bits();
    if bits >> 31 == 0 { bits ^ (1 << 31) } else { !bits }
}

/// Columns taken apart, to encode single rows.
pub struct RowEncoder<'a> {
    columns: Vec<Column<'a>>,
    writer: Writer,
}

impl<'a> RowEncoder<'a> {
    /// The columns of a chunk.
    pub fn new(columns: &'a [ArrayRef]) -> Self {
        let columns = columns.iter().map(|column| Column::of(column.as_ref())).collect();
        RowEncoder { columns, writer: Writer::default() }
    }

    /// The bytes of a row.
    pub fn row(&mut self, row: usize) -> &[u8] {
        self.writer.at = 0;
        self.columns.iter().for_each(|column| column.write(row, &mut self.writer));
        &self.writer.bytes[..self.writer.at]
    }
}

/// Encodes the rows, with loops of their own for the most common keys.
pub(super) fn encode(columns: &[Column<'_>], rows: usize, out: &mut EncodedKeys) {
    let mut ends = std::mem::take(&mut out.ends);
    ends.clear();
    ends.reserve(rows);
    let mut writer = Writer { bytes: std::mem::take(&mut out.bytes), at: 0 };
    let mut each = |write: &mut dyn FnMut(&mut Writer, &mut Vec<u32>)| write(&mut writer, &mut ends);
    match columns {
        [Column { nulls: None, values: Values::I64(values) }] => {
            each(&mut |out, ends| all(rows, out, ends, |row, out| out.i64(values[row])));
        }
        [Column { nulls: None, values: Values::I32(values) }] => {
            each(&mut |out, ends| all(rows, out, ends, |row, out| out.i32(values[row])));
        }
        [Column { nulls: None, values: Values::View(views, buffers) }] => {
            each(&mut |out, ends| all(rows, out, ends, |row, out| out.view(views[row], buffers)));
        }
        [
            Column { nulls: None, values: Values::View(a, a_buffers) },
            Column { nulls: None, values: Values::View(b, b_buffers) },
        ] => each(&mut |out, ends| {
            all(rows, out, ends, |row, out| {
                out.view(a[row], a_buffers);
                out.view(b[row], b_buffers);
            });
        }),
        [one] => each(&mut |out, ends| all(rows, out, ends, |row, out| one.write(row, out))),
        [a, b] => each(&mut |out, ends| {
            all(rows, out, ends, |row, out| {
                a.write(row, out);
                b.write(row, out);
            });
        }),
        many => each(&mut |out, ends| {
            all(rows, out, ends, |row, out| many.iter().for_each(|column| column.write(row, out)));
        }),
    }
    assert!(writer.at <= u32::MAX as usize, "the keys of a chunk take less than 4 GiB");
    *out = EncodedKeys { bytes: writer.finish(), ends };
}

#[inline]
fn all(rows: usize, out: &mut Writer, ends: &mut Vec<u32>, write: impl Fn(usize, &mut Writer)) {
    for row in 0..rows {
        write(row, out);
        ends.push(out.at as u32);
    }
}

/// A buffer that is longer than what was written, so that stores may be wider than values.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    at: usize,
}

impl Writer {
    #[inline]
    fn room(&mut self, bytes: usize) {
        if self.bytes.len() - self.at < bytes {
            self.grow(bytes);
        }
    }

    #[cold]
    fn grow(&mut self, bytes: usize) {
        let len = (self.at + bytes).max(self.bytes.capacity()).max(self.bytes.len() * 2).max(64);
        self.bytes.resize(len, 0);
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes.truncate(self.at);
        self.bytes
    }

    #[inline]
    fn byte(&mut self, byte: u8) {
        self.room(1);
        self.bytes[self.at] = byte;
        self.at += 1;
    }

    #[inline]
    fn some<const N: usize>(&mut self, bytes: [u8; N]) {
        self.room(N + 1);
        let to = &mut self.bytes[self.at..self.at + N + 1];
        to[0] = SOME;
        to[1..].copy_from_slice(&bytes);
        self.at += N + 1;
    }

    #[inline]
    fn i32(&mut self, value: i32) {
        self.some((value ^ i32::MIN).to_be_bytes());
    }

    #[inline]
    fn i64(&mut self, value: i64) {
        self.some((value ^ i64::MIN).to_be_bytes());
    }

    #[inline]
    fn view(&mut self, view: u128, buffers: &[Buffer]) {
        let len = view as u32;
        if len <= INLINE_BYTES && !has_zero(view >> 32, len) {
            self.room(16);
            let store = (view >> 32 << 8) | u128::from(SOME);
            self.bytes[self.at..self.at + 16].copy_from_slice(&store.to_le_bytes());
            self.at += len as usize + 3;
        } else {
            self.long_view(view, buffers);
        }
    }

    fn long_view(&mut self, view: u128, buffers: &[Buffer]) {
        let len = view as u32;
        self.byte(SOME);
        if len <= INLINE_BYTES {
            self.escaped(&(view >> 32).to_le_bytes()[..len as usize]);
        } else {
            let view = ByteView::from(view);
            let start = view.offset as usize;
            self.escaped(&buffers[view.buffer_index as usize][start..start + len as usize]);
        }
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.room(bytes.len());
        self.bytes[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    fn escaped(&mut self, mut bytes: &[u8]) {
        while let Some(zero) = memchr::memchr(0, bytes) {
            self.raw(&bytes[..zero]);
            self.raw(&[0, ESCAPED]);
            bytes = &bytes[zero + 1..];
        }
        self.raw(bytes);
        self.raw(&[0, 0]);
    }
}

/// Whether one of the lowest `len` bytes is zero.
#[inline]
fn has_zero(data: u128, len: u32) -> bool {
    const ONES: u128 = u128::from_ne_bytes([1; 16]);
    let data = data | (u128::MAX << (8 * len));
    data.wrapping_sub(ONES) & !data & (ONES << 7) != 0
}
