//! Values of any type as text.

use super::{CastFn, text};
use crate::lane::{I32, I64, Num, typed_array};
use crate::number_text::{write_double, write_float};
use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, DurationMillisecondType, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, IntervalYearMonthType, Time32MillisecondType, TimestampMicrosecondType,
    TimestampMillisecondType,
};
use arrow_array::{Array, ArrayRef};
use chrono_tz::Tz;
use std::fmt::Write;
use std::sync::Arc;
use tidemill_types::arrow_type::{NANOS_PER_MS, is_wide, units_per_ms};
use tidemill_types::bitmap::set_text;
use tidemill_types::map::map_entries;
use tidemill_types::text::{
    write_date, write_decimal, write_fine_time, write_timestamp, write_wide_timestamp,
};
use tidemill_types::zone;
use tidemill_types::{DataType, TypeKind};

/// The cast of any type to text.
pub fn to_text(from: &DataType, to: &TypeKind, zone: Tz) -> Option<CastFn> {
    if !has_text(&from.kind) {
        return None;
    }
    let resize = text::resize(&crate::bind::STRING, to);
    let kind = from.kind.clone();
    Some(Box::new(move |array, lenient| {
        let texts: ArrayRef = match &kind {
            TypeKind::Int => {
                let values = typed_array::<I32>(array.as_ref());
                texts(values, |row, out| write_display(out, values.value(row)))
            }
            TypeKind::BigInt => {
                let values = typed_array::<I64>(array.as_ref());
                texts(values, |row, out| write_display(out, values.value(row)))
            }
            TypeKind::Double => {
                let values = typed_array::<Num<Float64Type>>(array.as_ref());
                texts(values, |row, out| write_double(out, values.value(row)))
            }
            kind => texts(array.as_ref(), |row, out| write_value(out, kind, array.as_ref(), row, zone)),
        };
        resize(&texts, lenient)
    }))
}

fn has_text(kind: &TypeKind) -> bool {
    !matches!(kind, TypeKind::Variant)
}

fn texts(array: &dyn Array, mut write: impl FnMut(usize, &mut String)) -> ArrayRef {
    let mut builder = StringViewBuilder::with_capacity(array.len());
    let mut buffer = String::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            builder.append_null();
            continue;
        }
        buffer.clear();
        write(row, &mut buffer);
        builder.append_value(&buffer);
    }
    Arc::new(builder.finish())
}

fn write_display(out: &mut String, value: impl std::fmt::Display) {
    write!(out, "{value}").expect("text can be written");
}

fn write_bytes(out: &mut String, write: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::mem::take(out).into_bytes();
    write(&mut bytes);
    *out = String::from_utf8(bytes).expect("text forms are ASCII");
}

/// Appends a value that is not NULL in the form of CAST.
pub fn write_value(out: &mut String, kind: &TypeKind, array: &dyn Array, row: usize, zone: Tz) {
    match kind {
        TypeKind::Null => out.push_str("NULL"),
        TypeKind::Char(_) | TypeKind::Varchar(_) | TypeKind::Variant => {
            out.push_str(array.as_string_view().value(row));
        }
        TypeKind::Binary(_) | TypeKind::Varbinary(_) => {
            out.push_str(&String::from_utf8_lossy(array.as_binary_view().value(row)));
        }
        TypeKind::Bitmap => out.push_str(&set_text(array.as_binary_view().value(row))),
        TypeKind::Boolean => out.push_str(if array.as_boolean().value(row) { "TRUE" } else { "FALSE" }),
        TypeKind::TinyInt => write_display(out, array.as_primitive::<Int8Type>().value(row)),
        TypeKind::SmallInt => write_display(out, array.as_primitive::<Int16Type>().value(row)),
        TypeKind::Int => write_display(out, array.as_primitive::<Int32Type>().value(row)),
        TypeKind::BigInt => write_display(out, array.as_primitive::<Int64Type>().value(row)),
        TypeKind::Float => write_float(out, array.as_primitive::<Float32Type>().value(row)),
        TypeKind::Double => write_double(out, array.as_primitive::<Float64Type>().value(row)),
        TypeKind::Decimal { scale, .. } => {
            let value = array.as_primitive::<Decimal128Type>().value(row);
            write_bytes(out, |bytes| write_decimal(bytes, value, *scale));
        }
        _ if kind.is_datetime() => write_datetime(out, kind, array, row, zone),
        TypeKind::IntervalMonth => {
            write_months(out, array.as_primitive::<IntervalYearMonthType>().value(row))
        }
        TypeKind::IntervalDay => write_span(out, array.as_primitive::<DurationMillisecondType>().value(row)),
        _ => write_constructed(out, kind, array, row, zone),
    }
}

fn write_datetime(out: &mut String, kind: &TypeKind, array: &dyn Array, row: usize, zone: Tz) {
    match kind {
        TypeKind::Date => {
            let day = array.as_primitive::<Date32Type>().value(row);
            write_bytes(out, |bytes| write_date(bytes, day.into()));
        }
        TypeKind::Time(precision) => {
            let time = array.as_primitive::<Time32MillisecondType>().value(row);
            write_bytes(out, |bytes| write_fine_time(bytes, time.into(), *precision));
        }
        TypeKind::Timestamp(p) if is_wide(*p) => {
            let nanos = array.as_primitive::<Decimal128Type>().value(row);
            write_bytes(out, |bytes| write_wide_timestamp(bytes, nanos, *p, b' '));
        }
        TypeKind::TimestampLtz(p) if is_wide(*p) => {
            let nanos = array.as_primitive::<Decimal128Type>().value(row);
            let offset = zone::offset_ms(zone, nanos.div_euclid(NANOS_PER_MS) as i64);
            let local = nanos + i128::from(offset) * NANOS_PER_MS;
            write_bytes(out, |bytes| write_wide_timestamp(bytes, local, *p, b' '));
        }
        TypeKind::Timestamp(p) => {
            write_bytes(out, |bytes| write_timestamp(bytes, timestamp(array, *p, row), *p, b' '));
        }
        TypeKind::TimestampLtz(p) => {
            let (value, units) = (timestamp(array, *p, row), units_per_ms(*p));
            let offset = zone::offset_ms(zone, value.div_euclid(units)).wrapping_mul(units);
            write_bytes(out, |bytes| write_timestamp(bytes, value.wrapping_add(offset), *p, b' '));
        }
        _ => unreachable!("a date or time is written"),
    }
}

/// The stored value of a timestamp of at most six digits.
fn timestamp(array: &dyn Array, precision: u8, row: usize) -> i64 {
    match precision {
        0..=3 => array.as_primitive::<TimestampMillisecondType>().value(row),
        _ => array.as_primitive::<TimestampMicrosecondType>().value(row),
    }
}

/// `+1-02`
fn write_months(out: &mut String, months: i32) {
    let sign = if months < 0 { '-' } else { '+' };
    let months = months.unsigned_abs();
    write!(out, "{sign}{}-{:02}", months / 12, months % 12).expect("text can be written");
}

/// `+1 02:03:04.005`
fn write_span(out: &mut String, ms: i64) {
    let sign = if ms < 0 { '-' } else { '+' };
    let ms = ms.unsigned_abs();
    let (days, hours, minutes) = (ms / 86_400_000, ms / 3_600_000 % 24, ms / 60_000 % 60);
    let (seconds, ms) = (ms / 1_000 % 60, ms % 1_000);
    write!(out, "{sign}{days} {hours:02}:{minutes:02}:{seconds:02}.{ms:03}").expect("text can be written");
}

/// `[a, NULL, ]`, `{k=1, j=NULL}`, `(1, x, NULL)`
fn write_constructed(out: &mut String, kind: &TypeKind, array: &dyn Array, row: usize, zone: Tz) {
    let or_null = |out: &mut String, data_type: &DataType, array: &dyn Array, row: usize| match array
        .is_null(row)
        || data_type.kind == TypeKind::Null
    {
        true => out.push_str("NULL"),
        false => write_value(out, &data_type.kind, array, row, zone),
    };
    match kind {
        TypeKind::Array(element) => {
            let list = array.as_list::<i32>().value(row);
            out.push('[');
            for index in 0..list.len() {
                out.push_str(if index == 0 { "" } else { ", " });
                or_null(out, element, list.as_ref(), index);
            }
            out.push(']');
        }
        TypeKind::Row(fields) => {
            let columns = array.as_struct();
            out.push('(');
            for (index, field) in fields.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                or_null(out, &field.data_type, columns.column(index).as_ref(), row);
            }
            out.push(')');
        }
        TypeKind::Map(key, value) => write_entries(out, [key, value], array, row, or_null),
        TypeKind::Multiset(element) => {
            write_entries(out, [element, &TypeKind::Int.not_null()], array, row, or_null);
        }
        _ => unreachable!("a constructed type is written"),
    }
}

fn write_entries(
    out: &mut String,
    types: [&DataType; 2],
    array: &dyn Array,
    row: usize,
    write: impl Fn(&mut String, &DataType, &dyn Array, usize),
) {
    let (keys, values) = map_entries(array.as_map(), row);
    out.push('{');
    for index in 0..keys.len() {
        out.push_str(if index == 0 { "" } else { ", " });
        write(out, types[0], keys.as_ref(), index);
        out.push('=');
        write(out, types[1], values.as_ref(), index);
    }
    out.push('}');
}
