//! Blobs of CSV records to rows.

use super::options::{Dialect, check_columns};
use super::split::{Part, Splitter};
use crate::column::{Column, Int32Kind, Values};
use crate::parse::{self, Strictness, Suffix};
use crate::{DecodeRequest, Decoded, Decoder, Reject};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tidemill_types::{Blob, DataType, Error, Framing, Result, TypeKind};

const SHOWN_MAX: usize = 60;

/// A wanted column.
struct Target {
    /// Its place in the record.
    place: usize,
    name: String,
    data_type: DataType,
    column: Column,
}

struct CsvDecoder {
    dialect: Dialect,
    width: usize,
    targets: Vec<Target>,
    splitter: Splitter,
    rows: usize,
}

/// Opens the decoder.
pub(super) fn open(request: &DecodeRequest<'_>) -> Result<Box<dyn Decoder>> {
    if let Some((key, _)) = request.metadata.first() {
        return Err(Error::user(format!("the format 'csv' has no metadata column '{key}'")));
    }
    check_columns(request.physical)?;
    let target = |&place: &usize| {
        let field = &request.physical.fields[place];
        let (name, data_type) = (field.name.clone(), field.data_type.clone());
        Target { place, name, column: Column::new(&data_type), data_type }
    };
    Ok(Box::new(CsvDecoder {
        dialect: Dialect::read(request.options)?,
        width: request.physical.len(),
        targets: request.wanted.iter().map(target).collect(),
        splitter: Splitter::default(),
        rows: 0,
    }))
}

impl Decoder for CsvDecoder {
    fn decode(&mut self, blob: &Blob) -> Result<Decoded> {
        if blob.bytes.len() > i32::MAX as usize {
            return Err(Error::internal("a blob is larger than 2 GiB"));
        }
        let bytes: &[u8] = &blob.bytes;
        let valid = simdutf8::basic::from_utf8(bytes).is_ok();
        let mut decoded = Decoded::default();
        match &blob.framing {
            Framing::Lines | Framing::Whole => {
                let mut at = 0;
                while at < bytes.len() {
                    at = self.record(bytes, at, bytes.len(), true, valid, &mut decoded) + 1;
                }
            }
            Framing::Records(ranges) => {
                for range in ranges {
                    self.record(bytes, range.start as usize, range.end as usize, false, valid, &mut decoded);
                }
            }
        }
        Ok(self.finish(blob, decoded))
    }

    fn decode_traced(&mut self, blob: &Blob, origins: &mut Vec<u32>) -> Option<Result<Decoded>> {
        let Framing::Records(ranges) = &blob.framing else { return None };
        let (bytes, mut decoded): (&[u8], _) = (&blob.bytes, Decoded::default());
        for (number, range) in ranges.iter().enumerate() {
            let before = self.rows;
            self.record(bytes, range.start as usize, range.end as usize, false, false, &mut decoded);
            origins.extend((before..self.rows).map(|_| number as u32));
        }
        Some(Ok(self.finish(blob, decoded)))
    }
}

impl CsvDecoder {
    fn finish(&mut self, blob: &Blob, mut decoded: Decoded) -> Decoded {
        decoded.rows = std::mem::take(&mut self.rows);
        decoded.columns = self.targets.iter_mut().map(|target| target.column.finish(&blob.bytes)).collect();
        decoded
    }

    /// Reads the record at `start` and says where it ends.
    fn record(
        &mut self,
        bytes: &[u8],
        start: usize,
        limit: usize,
        lines: bool,
        valid: bool,
        decoded: &mut Decoded,
    ) -> usize {
        if self.dialect.comments && bytes.get(start) == Some(&b'#') {
            return if lines { super::split::end_of_line(&bytes[..limit], start) } else { limit };
        }
        let (end, split) = self.splitter.split(bytes, start, limit, lines, &self.dialect);
        decoded.records += 1;
        let read = match split {
            Err(reason) => Err(reason.to_string()),
            Ok(()) if !valid && simdutf8::basic::from_utf8(&bytes[start..end]).is_err() => {
                Err("the record is not valid UTF-8".to_string())
            }
            Ok(()) => self.row(bytes),
        };
        match read {
            Ok(()) => self.rows += 1,
            Err(reason) => {
                let rows = self.rows;
                self.targets.iter_mut().for_each(|target| target.column.truncate(rows));
                if self.dialect.ignore_errors {
                    decoded.skipped += 1;
                } else {
                    let shown_end = if end > start && bytes[end - 1] == b'\r' { end - 1 } else { end };
                    decoded.rejects.push(Reject { range: start..shown_end, reason });
                }
            }
        }
        end
    }

    fn row(&mut self, bytes: &[u8]) -> Result<(), String> {
        let found = self.splitter.parts.len();
        if found > self.width || (found < self.width && !self.dialect.ignore_errors) {
            return Err(format!("the record has {found} fields instead of {}", self.width));
        }
        for target in &mut self.targets {
            let Some(part) = self.splitter.parts.get(target.place) else {
                target.column.push_null();
                continue;
            };
            let text = self.splitter.bytes(part, bytes);
            let before = target.column.len();
            let pushed = push_field(&mut target.column, &target.data_type, text, part, bytes, &self.dialect);
            match pushed {
                Ok(()) => {}
                Err(_) if self.dialect.ignore_errors => {
                    target.column.truncate(before);
                    target.column.push_null();
                }
                Err(what) => return Err(format!("can't read field '{}': {what}", target.name)),
            }
        }
        Ok(())
    }
}

fn push_field(
    column: &mut Column,
    data_type: &DataType,
    text: &[u8],
    part: &Part,
    bytes: &[u8],
    dialect: &Dialect,
) -> Result<(), String> {
    match (column, &data_type.kind) {
        (Column::List(list), _) => {
            for piece in pieces(text, &dialect.array_delimiter) {
                push_piece(&mut list.child, piece, dialect)?;
            }
            list.offsets.push(list.child.len() as i32);
            Ok(())
        }
        (Column::Row(row), TypeKind::Row(fields)) => {
            let found: Vec<&[u8]> = pieces(text, &dialect.array_delimiter).collect();
            if found.is_empty() {
                Column::push_null_row(row);
                return Ok(());
            }
            if found.len() != fields.len() && !dialect.ignore_errors {
                return Err(format!("it has {} parts instead of {}", found.len(), fields.len()));
            }
            for place in 0..fields.len() {
                let child = row.shape.column_mut(place);
                match found.get(place) {
                    Some(piece) => push_piece(child, piece, dialect)?,
                    None => child.push_null(),
                }
            }
            row.shape.end_row();
            row.len += 1;
            Ok(())
        }
        (column, _) if dialect.is_null(text) => {
            column.push_null();
            Ok(())
        }
        (Column::Text(column), _) => {
            match part {
                Part::Blob(range) => column.push_blob(bytes, range.start, range.end),
                Part::Own(_) => column.push_copy(text),
            }
            Ok(())
        }
        (column, _) => push_text(column, text),
    }
}

/// A part of an array or row; NULL if it is bad and errors are ignored.
fn push_piece(column: &mut Column, text: &[u8], dialect: &Dialect) -> Result<(), String> {
    if dialect.is_null(text) {
        column.push_null();
        return Ok(());
    }
    let before = column.len();
    push_text(column, text).or_else(|what| {
        if !dialect.ignore_errors {
            return Err(what);
        }
        column.truncate(before);
        column.push_null();
        Ok(())
    })
}

/// The parts of a field; a blank field has none.
fn pieces<'a>(text: &'a [u8], delimiter: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = (!parse::trim(text).is_empty()).then_some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let found = if delimiter.is_empty() { None } else { memchr::memmem::find(text, delimiter) };
        let Some(at) = found else {
            rest = None;
            return Some(text);
        };
        rest = Some(&text[at + delimiter.len()..]);
        Some(&text[..at])
    })
}

fn push_text(column: &mut Column, text: &[u8]) -> Result<(), String> {
    let trimmed = parse::trim(text);
    match column {
        Column::Null(len) => *len += 1,
        Column::Text(column) => column.push_copy(text),
        Column::Boolean(values) => values.push(parse::boolean(text)),
        Column::Int8(values) => push_integer(values, trimmed, "TINYINT")?,
        Column::Int16(values) => push_integer(values, trimmed, "SMALLINT")?,
        Column::Int32(values, kind) => push_int32(values, *kind, text)?,
        Column::Int64(values, _) => push_integer(values, trimmed, "BIGINT")?,
        Column::Float32(values) => values.push(parse::float(text).ok_or_else(|| misfit(text, "FLOAT"))?),
        Column::Float64(values) => values.push(parse::float(text).ok_or_else(|| misfit(text, "DOUBLE"))?),
        Column::Decimal(values, precision, scale) => {
            let value = parse::decimal(trimmed, *precision, *scale);
            values.push_option(value.ok_or_else(|| misfit(text, "DECIMAL"))?);
        }
        Column::Timestamp(_, _, zoned) | Column::WideTimestamp(_, zoned) => {
            let suffix = if *zoned { Suffix::Zulu } else { Suffix::None };
            let strictness = if *zoned { Strictness::Clamp } else { Strictness::Short };
            let instant = parse::timestamp(trimmed, b' ', suffix, strictness);
            let example = if *zoned {
                "timestamp such as '2024-01-31 12:00:00.123Z'"
            } else {
                "timestamp such as '2024-01-31 12:00:00.123'"
            };
            if !instant.is_some_and(|instant| column.push_instant(instant)) {
                return Err(misfit(text, example));
            }
        }
        Column::Bytes(column) => {
            let bytes = STANDARD.decode(text).map_err(|_| misfit(text, "text in base64"))?;
            column.push_copy(&bytes);
        }
        Column::List(_) | Column::Map(_) | Column::Row(_) => {
            unreachable!("nested parts were refused when the decoder was opened")
        }
    }
    Ok(())
}

fn push_integer<T: TryFrom<i64> + Copy + Default>(
    values: &mut Values<T>,
    text: &[u8],
    name: &str,
) -> Result<(), String> {
    let value = parse::integer(text).and_then(|value| T::try_from(value).ok());
    values.push(value.ok_or_else(|| misfit(text, name))?);
    Ok(())
}

fn push_int32(values: &mut Values<i32>, kind: Int32Kind, text: &[u8]) -> Result<(), String> {
    match kind {
        Int32Kind::Number => return push_integer(values, parse::trim(text), "INT"),
        Int32Kind::Months => return push_integer(values, parse::trim(text), "number of months"),
        Int32Kind::Date => {
            let days = parse::date(text, Strictness::Short).and_then(|days| i32::try_from(days).ok());
            values.push(days.ok_or_else(|| misfit(text, "date such as '2024-01-31'"))?);
        }
        Int32Kind::Time => {
            let nanos = parse::time(text, true).ok_or_else(|| misfit(text, "time such as '12:00:00'"))?;
            values.push((nanos / 1_000_000) as i32);
        }
    }
    Ok(())
}

#[cold]
fn misfit(text: &[u8], wanted: &str) -> String {
    let text = String::from_utf8_lossy(text);
    let shown: String = text.chars().take(SHOWN_MAX).collect();
    let dots = if shown.len() < text.len() { "..." } else { "" };
    format!("'{shown}{dots}' is no {wanted}")
}
