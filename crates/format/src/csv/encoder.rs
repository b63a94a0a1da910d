//! Chunks to CSV records.
//!
//! Text is quoted as Flink's library does it: if it holds a character not above the largest of delimiter
//! and quote, or is long. Numbers, booleans and NULL never are.

use super::options::{Dialect, check_columns};
use crate::json::write_base64;
use crate::number::{write_double, write_float, write_integer, write_stripped_decimal};
use crate::time_text::{write_date, write_time, write_timestamp};
use crate::typed::{Bound, Fields, Values};
use crate::{EncodeRequest, Encoder};
use tidemill_types::{Chunk, Result, Schema};

/// Text longer than this is quoted without a look at it.
const UNQUOTED_CHARS_MAX: usize = 24;

struct CsvEncoder {
    schema: Schema,
    dialect: Dialect,
    scratch: Vec<u8>,
}

/// Opens the encoder.
pub(super) fn open(request: &EncodeRequest<'_>) -> Result<Box<dyn Encoder>> {
    check_columns(request.schema)?;
    let dialect = Dialect::read(request.options)?;
    Ok(Box::new(CsvEncoder { schema: request.schema.clone(), dialect, scratch: Vec::new() }))
}

impl Encoder for CsvEncoder {
    fn encode(
        &mut self,
        chunk: &Chunk,
        delimiter: &[u8],
        out: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> Result<()> {
        let columns = Fields::of_chunk(&self.schema, chunk).columns;
        for row in 0..chunk.rows {
            for (place, column) in columns.iter().enumerate() {
                if place > 0 {
                    out.push(self.dialect.delimiter);
                }
                self.dialect.write_field(column, row, &mut self.scratch, out);
            }
            out.extend_from_slice(delimiter);
            ends.push(out.len());
        }
        Ok(())
    }
}

impl Dialect {
    fn write_field(&self, column: &Bound<'_>, row: usize, scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
        if column.is_null(row) {
            return out.extend_from_slice(self.null_literal.as_deref().unwrap_or_default());
        }
        match &column.values {
            Values::Text(array) => return self.write_text(array.value(row).as_bytes(), out),
            _ if write_bare(column, row, out) => return,
            _ => {}
        }
        scratch.clear();
        match &column.values {
            Values::List(offsets, child) => {
                self.write_parts((offsets[row]..offsets[row + 1]).map(|at| (&**child, at as usize)), scratch);
            }
            Values::Row(fields) => self.write_parts(fields.columns.iter().map(|child| (child, row)), scratch),
            _ => write_plain(column, row, scratch),
        }
        self.write_text(scratch, out);
    }

    fn write_parts<'a>(&self, parts: impl Iterator<Item = (&'a Bound<'a>, usize)>, out: &mut Vec<u8>) {
        for (place, (column, row)) in parts.enumerate() {
            if place > 0 {
                out.extend_from_slice(&self.array_delimiter);
            }
            if column.is_null(row) {
                out.extend_from_slice(self.null_literal.as_deref().unwrap_or_default());
            } else if !write_bare(column, row, out) {
                write_plain(column, row, out);
            }
        }
    }

    fn write_text(&self, text: &[u8], out: &mut Vec<u8>) {
        let Some(quote) = self.quote.filter(|_| self.needs_quotes(text)) else {
            return out.extend_from_slice(text);
        };
        out.push(quote);
        for &byte in text {
            if byte == quote || Some(byte) == self.escape {
                out.push(byte);
            }
            out.push(byte);
        }
        out.push(quote);
    }

    fn needs_quotes(&self, text: &[u8]) -> bool {
        let highest = self.delimiter.max(self.quote.unwrap_or(0)).max(b'\r');
        let special = |&byte: &u8| byte <= highest || Some(byte) == self.escape;
        text.iter().any(special) || (text.len() > UNQUOTED_CHARS_MAX && utf16_len(text) > UNQUOTED_CHARS_MAX)
    }
}

/// The length as Java counts it.
fn utf16_len(text: &[u8]) -> usize {
    text.iter().map(|&byte| usize::from(byte & 0xC0 != 0x80) + usize::from(byte >= 0xF0)).sum()
}

/// Writes a value that is never quoted, or says that it is none.
fn write_bare(column: &Bound<'_>, row: usize, out: &mut Vec<u8>) -> bool {
    match &column.values {
        Values::Boolean(array) => out.extend_from_slice(if array.value(row) { b"true" } else { b"false" }),
        Values::Int8(values) => write_integer(out, values[row]),
        Values::Int16(values) => write_integer(out, values[row]),
        Values::Months(values) => write_integer(out, values[row]),
        Values::Int32(values) => write_integer(out, values[row]),
        Values::Int64(values) => write_integer(out, values[row]),
        Values::Millis(values) => write_integer(out, values[row]),
        Values::Float32(values) => write_float(out, values[row]),
        Values::Float64(values) => write_double(out, values[row]),
        Values::Decimal(values, scale) => write_stripped_decimal(out, values[row], *scale),
        _ => return false,
    }
    true
}

/// Writes a value that is text in Flink's eyes, without quotes.
fn write_plain(column: &Bound<'_>, row: usize, out: &mut Vec<u8>) {
    match &column.values {
        Values::Text(array) => out.extend_from_slice(array.value(row).as_bytes()),
        Values::Bytes(array) => write_base64(out, array.value(row)),
        Values::Date(values) => write_date(out, i64::from(values[row])),
        Values::Time(values) => write_time(out, i64::from(values[row]) * 1_000_000),
        Values::Timestamp(values, _) => write_timestamp(out, values.at(row), b' '),
        Values::Instant(values, _) => {
            write_timestamp(out, values.at(row), b' ');
            out.push(b'Z');
        }
        _ => unreachable!("bare values were written before, other types refused"),
    }
}
