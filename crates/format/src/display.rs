//! Values as people read them: the text that Flink's CAST to STRING gives, and rows as its print
//! connector shows them, `+I[a, b]`.

use crate::number::{write_double, write_float, write_integer, write_plain_decimal};
use crate::parse::Instant;
use crate::time_text::wall_clock;
use crate::typed::{Bound, Values};
use arrow_array::Array;
use chrono_tz::Tz;
use tidemill_types::bitmap::set_text;
use tidemill_types::text::{DAY_MS, write_date, write_moment, write_time};
use tidemill_types::{Chunk, DataType, Schema};

/// Appends the value of one row as text; NULL is `NULL`.
pub fn write_display(column: &dyn Array, data_type: &DataType, row: usize, zone: Tz, out: &mut Vec<u8>) {
    write_value(&Bound::new(column, data_type), row, zone, out);
}

/// Appends each row of a chunk with its kind and a line end, as Flink's print connector does, each line
/// after `prefix`. NULL is `null`.
pub fn write_changes(schema: &Schema, chunk: &Chunk, zone: Tz, prefix: &str, out: &mut Vec<u8>) {
    let columns: Vec<Bound<'_>> =
        chunk.columns.iter().zip(schema.types()).map(|(array, kind)| Bound::new(array, kind)).collect();
    for row in 0..chunk.rows {
        out.extend_from_slice(prefix.as_bytes());
        out.extend_from_slice(chunk.kind(row).short().as_bytes());
        out.push(b'[');
        for (place, column) in columns.iter().enumerate() {
            if place > 0 {
                out.extend_from_slice(b", ");
            }
            match column.is_null(row) {
                true => out.extend_from_slice(b"null"),
                false => write_value(column, row, zone, out),
            }
        }
        out.extend_from_slice(b"]\n");
    }
}

fn write_value(column: &Bound<'_>, row: usize, zone: Tz, out: &mut Vec<u8>) {
    if column.is_null(row) {
        return out.extend_from_slice(b"NULL");
    }
    match &column.values {
        Values::Null => out.extend_from_slice(b"NULL"),
        Values::Boolean(array) => out.extend_from_slice(if array.value(row) { b"TRUE" } else { b"FALSE" }),
        Values::Int8(values) => write_integer(out, values[row]),
        Values::Int16(values) => write_integer(out, values[row]),
        Values::Int32(values) => write_integer(out, values[row]),
        Values::Int64(values) => write_integer(out, values[row]),
        Values::Float32(values) => write_float(out, values[row]),
        Values::Float64(values) => write_double(out, values[row]),
        Values::Decimal(values, scale) => write_plain_decimal(out, values[row], *scale),
        Values::Date(values) => write_date(out, i64::from(values[row])),
        Values::Time(values) => write_clock(out, i64::from(values[row])),
        Values::Timestamp(values, precision) => write_instant(out, values.at(row), *precision),
        Values::Instant(values, precision) => {
            write_instant(out, wall_clock(values.at(row), zone), *precision);
        }
        Values::Months(values) => write_months(out, values[row]),
        Values::Millis(values) => write_millis(out, values[row]),
        Values::Text(array) | Values::Json(array) => out.extend_from_slice(array.value(row).as_bytes()),
        Values::Bytes(array) => write_hex(out, array.value(row)),
        Values::Set(array) => out.extend_from_slice(set_text(array.value(row)).as_bytes()),
        Values::List(offsets, child) => {
            let elements = offsets[row] as usize..offsets[row + 1] as usize;
            write_list(out, *b"[]", elements, |out, place| write_value(child, place, zone, out));
        }
        Values::Map(offsets, entries) => {
            let places = offsets[row] as usize..offsets[row + 1] as usize;
            write_list(out, *b"{}", places, |out, place| {
                write_value(&entries.0, place, zone, out);
                out.push(b'=');
                write_value(&entries.1, place, zone, out);
            });
        }
        Values::Row(fields) => write_list(out, *b"()", 0..fields.columns.len(), |out, place| {
            write_value(&fields.columns[place], row, zone, out);
        }),
    }
}

fn write_list(
    out: &mut Vec<u8>,
    [open, close]: [u8; 2],
    places: std::ops::Range<usize>,
    write: impl Fn(&mut Vec<u8>, usize),
) {
    out.push(open);
    for (count, place) in places.enumerate() {
        if count > 0 {
            out.extend_from_slice(b", ");
        }
        write(out, place);
    }
    out.push(close);
}

/// The time of a day with milliseconds where there are some.
fn write_clock(out: &mut Vec<u8>, ms: i64) {
    write_time(out, ms);
    if ms % 1_000 != 0 {
        out.push(b'.');
        write_padded(out, ms % 1_000);
    }
}

fn write_padded(out: &mut Vec<u8>, below_thousand: i64) {
    let digit = |unit: i64| b'0' + (below_thousand / unit % 10) as u8;
    out.extend_from_slice(&[digit(100), digit(10), digit(1)]);
}

/// `+years-months`.
fn write_months(out: &mut Vec<u8>, months: i32) {
    out.push(if months < 0 { b'-' } else { b'+' });
    let months = months.unsigned_abs();
    write_integer(out, months / 12);
    out.extend_from_slice(&[b'-', b'0' + (months % 12 / 10) as u8, b'0' + (months % 12 % 10) as u8]);
}

/// `+days HH:mm:ss.SSS`.
fn write_millis(out: &mut Vec<u8>, ms: i64) {
    out.push(if ms < 0 { b'-' } else { b'+' });
    let ms = ms.unsigned_abs();
    write_integer(out, ms / DAY_MS as u64);
    out.push(b' ');
    let of_day = (ms % DAY_MS as u64) as i64;
    write_time(out, of_day);
    out.push(b'.');
    write_padded(out, of_day % 1_000);
}

/// `x'00ff'`
fn write_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"x'");
    out.extend(
        bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
    );
    out.push(b'\'');
}

fn write_instant(out: &mut Vec<u8>, at: Instant, precision: u8) {
    write_moment(out, at.days, at.nanos, precision, b' ');
}
