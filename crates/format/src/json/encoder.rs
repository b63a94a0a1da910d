//! Chunks to JSON text, one object a row.
//!
//! What a column holds is resolved once a chunk (see [`Bound`]); writing a value is a match over it.

use super::options::{EncodeOptions, NullKey, Standard, check_type};
use super::scan::equal_bytes;
use crate::number::{write_double, write_float, write_integer, write_plain_decimal, write_stripped_decimal};
use crate::parse::Instant;
use crate::time_text::{wall_clock, write_date, write_time, write_timestamp};
use crate::typed::{Bound, Fields, Values};
use crate::{EncodeRequest, Encoder};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tidemill_types::bitmap::set_text;
use tidemill_types::{Chunk, Error, Result, Schema};

/// How instants are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Zoned {
    /// In UTC with a `Z`.
    Zulu,
    /// As the clock on the wall of a zone.
    Wall(chrono_tz::Tz),
}

/// How decimals are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decimals {
    Stripped,
    Plain,
    /// `{"$decimal":"1.50"}`
    Tagged,
}

/// How values are written.
#[derive(Debug, Clone)]
pub(crate) struct Style {
    /// What stands between date and time.
    pub separator: u8,
    pub zoned: Zoned,
    pub decimals: Decimals,
    /// Day-time intervals as `{"$interval_ms":n}`.
    pub tagged_intervals: bool,
    pub null_key: NullKey,
    pub ignore_nulls: bool,
    /// Characters beyond the basic plane as pairs of escapes.
    pub escape_astral: bool,
}

impl Style {
    /// Flink's.
    pub fn flink(options: &EncodeOptions) -> Self {
        Style {
            separator: options.standard.separator(),
            zoned: Zoned::Zulu,
            decimals: if options.plain_decimals { Decimals::Plain } else { Decimals::Stripped },
            tagged_intervals: false,
            null_key: options.null_key.clone(),
            ignore_nulls: options.ignore_nulls,
            escape_astral: true,
        }
    }

    /// The one of query results: nothing of a value's type is lost.
    pub fn result(zone: chrono_tz::Tz) -> Self {
        Style {
            separator: Standard::Sql.separator(),
            zoned: Zoned::Wall(zone),
            decimals: Decimals::Tagged,
            tagged_intervals: true,
            null_key: NullKey::Literal("null".into()),
            ignore_nulls: false,
            escape_astral: false,
        }
    }
}

impl Bound<'_> {
    /// Appends the value of a row, `null` included.
    #[inline]
    pub fn write(&self, row: usize, style: &Style, out: &mut Vec<u8>) -> Result<()> {
        if self.is_null(row) {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        match &self.values {
            Values::Text(array) => {
                out.push(b'"');
                escape(array.value(row).as_bytes(), style.escape_astral, out);
                out.push(b'"');
            }
            Values::Int32(values) => write_integer(out, values[row]),
            Values::Int64(values) => write_integer(out, values[row]),
            Values::Float64(values) => {
                quoted_if(!values[row].is_finite(), out, |out| write_double(out, values[row]))
            }
            Values::Timestamp(values, _) => {
                out.push(b'"');
                write_timestamp(out, values.at(row), style.separator);
                out.push(b'"');
            }
            _ => return self.write_other(row, style, out),
        }
        Ok(())
    }

    fn write_other(&self, row: usize, style: &Style, out: &mut Vec<u8>) -> Result<()> {
        match &self.values {
            Values::Boolean(array) => {
                out.extend_from_slice(if array.value(row) { b"true" } else { b"false" })
            }
            Values::Int8(values) => write_integer(out, values[row]),
            Values::Int16(values) => write_integer(out, values[row]),
            Values::Months(values) => write_integer(out, values[row]),
            Values::Float32(values) => {
                quoted_if(!values[row].is_finite(), out, |out| write_float(out, values[row]))
            }
            Values::Decimal(values, scale) => write_decimal(out, values[row], *scale, style.decimals),
            Values::Date(values) => quoted(out, |out| write_date(out, i64::from(values[row]))),
            Values::Time(values) => quoted(out, |out| write_time(out, i64::from(values[row]) * 1_000_000)),
            Values::Instant(values, _) => quoted(out, |out| write_instant(out, values.at(row), style)),
            Values::Millis(values) if style.tagged_intervals => {
                out.extend_from_slice(b"{\"$interval_ms\":");
                write_integer(out, values[row]);
                out.push(b'}');
            }
            Values::Millis(values) => write_integer(out, values[row]),
            Values::Json(array) => out.extend_from_slice(array.value(row).as_bytes()),
            Values::Bytes(array) => quoted(out, |out| write_base64(out, array.value(row))),
            Values::Set(array) => {
                quoted(out, |out| out.extend_from_slice(set_text(array.value(row)).as_bytes()))
            }
            Values::List(offsets, child) => {
                out.push(b'[');
                for place in offsets[row]..offsets[row + 1] {
                    if place > offsets[row] {
                        out.push(b',');
                    }
                    child.write(place as usize, style, out)?;
                }
                out.push(b']');
            }
            Values::Map(offsets, entries) => {
                return write_map(offsets[row] as usize..offsets[row + 1] as usize, entries, style, out);
            }
            Values::Row(fields) => return fields.write(row, style, out),
            _ => unreachable!("values of other kinds were written above"),
        }
        Ok(())
    }

    /// Appends a key of a map between its quotes.
    fn write_key(&self, row: usize, style: &Style, out: &mut Vec<u8>) -> Result<()> {
        if let Values::Text(array) = &self.values {
            out.push(b'"');
            escape(array.value(row).as_bytes(), style.escape_astral, out);
            out.push(b'"');
            return Ok(());
        }
        let mut text = Vec::new();
        self.write(row, style, &mut text)?;
        if text.first() == Some(&b'"') {
            out.extend_from_slice(&text);
        } else {
            quoted(out, |out| escape(&text, style.escape_astral, out));
        }
        Ok(())
    }
}

fn write_map(
    entries: std::ops::Range<usize>,
    (keys, values): &(Bound<'_>, Bound<'_>),
    style: &Style,
    out: &mut Vec<u8>,
) -> Result<()> {
    out.push(b'{');
    let mut first = true;
    for entry in entries {
        let null = keys.is_null(entry);
        if null && style.null_key == NullKey::Drop {
            continue;
        }
        if !first {
            out.push(b',');
        }
        first = false;
        match &style.null_key {
            _ if !null => keys.write_key(entry, style, out)?,
            NullKey::Literal(text) => quoted(out, |out| escape(text.as_bytes(), style.escape_astral, out)),
            NullKey::Fail | NullKey::Drop => {
                return Err(Error::data(
                    "a map with a NULL key can't be written as JSON; option 'map-null-key.mode' can be DROP or LITERAL",
                ));
            }
        }
        out.push(b':');
        values.write(entry, style, out)?;
    }
    out.push(b'}');
    Ok(())
}

impl Fields<'_> {
    /// Appends a row as an object.
    #[inline]
    pub fn write(&self, row: usize, style: &Style, out: &mut Vec<u8>) -> Result<()> {
        out.push(b'{');
        let mut first = true;
        for (name, column) in self.names.iter().zip(&self.columns) {
            if style.ignore_nulls && column.is_null(row) {
                continue;
            }
            if !first {
                out.push(b',');
            }
            first = false;
            out.extend_from_slice(name);
            column.write(row, style, out)?;
        }
        out.push(b'}');
        Ok(())
    }
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

fn quoted_if(needed: bool, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    if needed { quoted(out, write) } else { write(out) }
}

fn write_decimal(out: &mut Vec<u8>, unscaled: i128, scale: u8, form: Decimals) {
    match form {
        Decimals::Stripped => write_stripped_decimal(out, unscaled, scale),
        Decimals::Plain => write_plain_decimal(out, unscaled, scale),
        Decimals::Tagged => {
            out.extend_from_slice(b"{\"$decimal\":\"");
            write_plain_decimal(out, unscaled, scale);
            out.extend_from_slice(b"\"}");
        }
    }
}

fn write_instant(out: &mut Vec<u8>, at: Instant, style: &Style) {
    match style.zoned {
        Zoned::Zulu => {
            write_timestamp(out, at, style.separator);
            out.push(b'Z');
        }
        Zoned::Wall(zone) => write_timestamp(out, wall_clock(at, zone), style.separator),
    }
}

/// Appends bytes in base64.
pub(crate) fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(bytes, &mut out[start..]).expect("the room fits base64");
    out.truncate(start + written);
}

/// Appends text as it stands between quotes in JSON.
#[inline]
pub(crate) fn escape(text: &[u8], astral: bool, out: &mut Vec<u8>) {
    if text.chunks(8).any(|chunk| needs_escape(chunk, astral)) {
        return escape_slowly(text, astral, out);
    }
    out.extend_from_slice(text);
}

#[inline]
fn needs_escape(chunk: &[u8], astral: bool) -> bool {
    if let Some(eight) = chunk.first_chunk::<8>() {
        const HIGH: u64 = 0x8080_8080_8080_8080;
        let word = u64::from_le_bytes(*eight);
        // Bytes below 0x20: subtracting 0x20 from each borrows into the top bit.
        let control = word.wrapping_sub(0x2020_2020_2020_2020) & !word & HIGH;
        let special = equal_bytes(word, b'"') | equal_bytes(word, b'\\');
        // Bytes from 0xF0 on: the four top bits are set.
        let top = if astral { word & (word << 1) & (word << 2) & (word << 3) & HIGH } else { 0 };
        return control | special | top != 0;
    }
    chunk.iter().any(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\' || (astral && byte >= 0xF0))
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

#[cold]
fn escape_slowly(text: &[u8], astral: bool, out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(&byte) = rest.first() {
        let mut used = 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            8 => out.extend_from_slice(b"\\b"),
            12 => out.extend_from_slice(b"\\f"),
            0..0x20 => write_unit(out, u16::from(byte)),
            0xF0.. if astral && rest.len() >= 4 => {
                let character = std::str::from_utf8(&rest[..4]).ok().and_then(|text| text.chars().next());
                let mut units = [0; 2];
                let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
                character.encode_utf16(&mut units).iter().for_each(|&unit| write_unit(out, unit));
                used = 4;
            }
            _ => out.push(byte),
        }
        rest = &rest[used..];
    }
}

fn write_unit(out: &mut Vec<u8>, unit: u16) {
    let digit = |shift: u16| HEX[usize::from(unit >> shift & 15)];
    out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
}

struct JsonEncoder {
    schema: Schema,
    style: Style,
}

/// Opens the encoder of the format `json`.
pub(crate) fn open(request: &EncodeRequest<'_>) -> Result<Box<dyn Encoder>> {
    check_columns(request.schema)?;
    let style = Style::flink(&EncodeOptions::read(request.options)?);
    Ok(Box::new(JsonEncoder { schema: request.schema.clone(), style }))
}

/// Refuses columns that JSON has no form for.
pub(crate) fn check_columns(schema: &Schema) -> Result<()> {
    schema.fields.iter().try_for_each(|field| check_type(&field.name, &field.data_type))
}

impl Encoder for JsonEncoder {
    fn encode(
        &mut self,
        chunk: &Chunk,
        delimiter: &[u8],
        out: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> Result<()> {
        let fields = Fields::of_chunk(&self.schema, chunk);
        for row in 0..chunk.rows {
            fields.write(row, &self.style, out)?;
            out.extend_from_slice(delimiter);
            ends.push(out.len());
        }
        Ok(())
    }
}
