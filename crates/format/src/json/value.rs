//! JSON values into columns, with the conversions that Flink makes between JSON's types and SQL's.

use super::options::Settings;
use super::scan::{Cursor, Fault, Outcome, unescape};
use super::text::write_compact;
use crate::column::{Column, Int32Kind, ListColumn, MapColumn, RowColumn, TextColumn};
use crate::parse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;
use std::collections::HashSet;

/// How much of a bad value a message shows.
const SHOWN_MAX: usize = 60;
/// Up to this many keys are compared pair by pair.
const PAIRWISE_MAX: usize = 16;

/// A value that is neither object nor array nor null.
enum Scalar<'a> {
    Text(Cow<'a, [u8]>),
    /// And whether it has a fraction or exponent.
    Number(&'a [u8], bool),
    Word(bool),
}

impl Column {
    /// Appends the value at the cursor. If errors are ignored, a value that doesn't fit becomes NULL.
    #[inline]
    pub fn read_or_null(&mut self, cursor: &mut Cursor<'_>, settings: &Settings) -> Outcome {
        if !settings.ignore_errors {
            return self.read(cursor, settings);
        }
        let (at, depth, len) = (cursor.at, cursor.depth(), self.len());
        if self.read(cursor, settings).is_err() {
            self.truncate(len);
            cursor.rewind(at, depth);
            cursor.skip_value()?;
            self.push_null();
        }
        Ok(())
    }

    fn read(&mut self, cursor: &mut Cursor<'_>, settings: &Settings) -> Outcome {
        if cursor.peek() == b'n' {
            cursor.word(b"null")?;
            self.push_null();
            return Ok(());
        }
        match self {
            Column::Text(column) => return read_text(column, cursor, settings),
            Column::List(list) => return read_list(list, cursor, settings),
            Column::Map(map) => return read_map(map, cursor, settings),
            Column::Row(row) => return read_row(row, cursor, settings),
            Column::Null(len) => {
                cursor.skip_value()?;
                *len += 1;
                return Ok(());
            }
            _ => {}
        }
        let at = cursor.at;
        let scalar = scalar(cursor)?;
        match self {
            Column::Int64(values, _) => values.push(integer(&scalar, true, "BIGINT", at)?),
            Column::Int32(values, kind) => values.push(int32(&scalar, *kind, at)?),
            Column::Int16(values) => values.push(integer(&scalar, false, "SMALLINT", at)?),
            Column::Int8(values) => values.push(integer(&scalar, false, "TINYINT", at)?),
            Column::Float64(values) => {
                values.push(parse::float(scalar.text()).ok_or_else(|| misfit(&scalar, "DOUBLE", at))?)
            }
            Column::Float32(values) => {
                values.push(parse::float(scalar.text()).ok_or_else(|| misfit(&scalar, "FLOAT", at))?)
            }
            Column::Boolean(values) => values.push(match &scalar {
                Scalar::Word(value) => *value,
                other => parse::boolean(other.text()),
            }),
            Column::Decimal(values, precision, scale) => {
                let text = parse::trim(scalar.text());
                let value = parse::decimal(text, *precision, *scale);
                values.push_option(value.ok_or_else(|| misfit(&scalar, "DECIMAL", at))?);
            }
            Column::Timestamp(_, _, zoned) | Column::WideTimestamp(_, zoned) => {
                let zoned = *zoned;
                let instant = settings.timestamp(scalar.text(), zoned);
                if !instant.is_some_and(|instant| self.push_instant(instant)) {
                    let example = format!("timestamp such as '{}'", settings.timestamp_example(zoned));
                    return Err(misfit(&scalar, &example, at));
                }
            }
            Column::Bytes(column) => read_bytes(column, &scalar, at)?,
            _ => unreachable!("columns of other kinds were read above"),
        }
        Ok(())
    }
}

impl Scalar<'_> {
    fn text(&self) -> &[u8] {
        match self {
            Scalar::Text(text) => text,
            Scalar::Number(text, _) => text,
            Scalar::Word(true) => b"true",
            Scalar::Word(false) => b"false",
        }
    }
}

#[inline]
fn scalar<'a>(cursor: &mut Cursor<'a>) -> Outcome<Scalar<'a>> {
    match cursor.peek() {
        b'"' => {
            let bytes = cursor.bytes;
            let quoted = cursor.string()?;
            let literal = &bytes[quoted.start..quoted.end];
            if !quoted.escaped {
                return Ok(Scalar::Text(Cow::Borrowed(literal)));
            }
            let mut text = Vec::with_capacity(literal.len());
            unescape(literal, &mut text);
            Ok(Scalar::Text(Cow::Owned(text)))
        }
        b'-' | b'0'..=b'9' => cursor.number().map(|(text, float)| Scalar::Number(text, float)),
        b't' => cursor.word(b"true").map(|()| Scalar::Word(true)),
        b'f' => cursor.word(b"false").map(|()| Scalar::Word(false)),
        b'{' => Err(cursor.fault("an object stands where a single value is expected")),
        b'[' => Err(cursor.fault("an array stands where a single value is expected")),
        _ => Err(cursor.unexpected("a value")),
    }
}

#[cold]
fn misfit(scalar: &Scalar<'_>, wanted: &str, at: usize) -> Box<Fault> {
    let text = String::from_utf8_lossy(scalar.text()).into_owned();
    let shown: String = text.chars().take(SHOWN_MAX).collect();
    let dots = if shown.len() < text.len() { "..." } else { "" };
    Fault::new(at, format!("'{shown}{dots}' is no {wanted}"))
}

/// A whole number; a fraction is cut off if `truncates`, as Flink does for INT and BIGINT only.
#[inline]
fn integer<T: TryFrom<i64>>(scalar: &Scalar<'_>, truncates: bool, name: &str, at: usize) -> Outcome<T> {
    let value = match scalar {
        Scalar::Number(text, true) if truncates => parse::float::<f64>(text).and_then(float_to_integer),
        Scalar::Number(text, _) => parse::integer(text),
        other => parse::integer(parse::trim(other.text())),
    };
    value.and_then(|value| T::try_from(value).ok()).ok_or_else(|| misfit(scalar, name, at))
}

fn float_to_integer(value: f64) -> Option<i64> {
    let range = i64::MIN as f64..=i64::MAX as f64;
    range.contains(&value).then_some(value as i64)
}

fn int32(scalar: &Scalar<'_>, kind: Int32Kind, at: usize) -> Outcome<i32> {
    match kind {
        Int32Kind::Number => integer(scalar, true, "INT", at),
        Int32Kind::Months => integer(scalar, true, "number of months", at),
        Int32Kind::Date => parse::date(scalar.text(), parse::Strictness::Strict)
            .and_then(|days| i32::try_from(days).ok())
            .ok_or_else(|| misfit(scalar, "date such as '2024-01-31'", at)),
        Int32Kind::Time => parse::time(scalar.text(), false)
            .map(|nanos| (nanos / 1_000_000) as i32)
            .ok_or_else(|| misfit(scalar, "time such as '12:00:00'", at)),
    }
}

#[inline]
fn read_text(column: &mut TextColumn, cursor: &mut Cursor<'_>, settings: &Settings) -> Outcome {
    let start = cursor.at;
    match cursor.peek() {
        b'"' => {
            let quoted = cursor.string()?;
            if quoted.escaped {
                let literal = &cursor.bytes[quoted.start..quoted.end];
                column.push_with(|out| unescape(literal, out));
            } else {
                column.push_blob(cursor.bytes, quoted.start, quoted.end);
            }
            return Ok(());
        }
        b'{' | b'[' => {
            cursor.skip_value()?;
            let value = &cursor.bytes[start..cursor.at];
            column.push_with(|out| write_compact(value, settings.exact_numbers, out));
            return Ok(());
        }
        b'-' | b'0'..=b'9' => drop(cursor.number()?),
        b't' => cursor.word(b"true")?,
        b'f' => cursor.word(b"false")?,
        _ => return Err(cursor.unexpected("a value")),
    }
    column.push_blob(cursor.bytes, start, cursor.at);
    Ok(())
}

fn read_bytes(column: &mut TextColumn, scalar: &Scalar<'_>, at: usize) -> Outcome {
    let Scalar::Text(text) = scalar else { return Err(misfit(scalar, "text in base64", at)) };
    let bytes = STANDARD.decode(text).map_err(|_| misfit(scalar, "text in base64", at))?;
    column.push_copy(&bytes);
    Ok(())
}

fn read_list(list: &mut ListColumn, cursor: &mut Cursor<'_>, settings: &Settings) -> Outcome {
    if cursor.peek() != b'[' {
        return Err(cursor.unexpected("an array"));
    }
    cursor.enter()?;
    cursor.skip_space();
    if cursor.peek() != b']' {
        loop {
            list.child.read_or_null(cursor, settings)?;
            if !cursor.more(b']')? {
                break;
            }
        }
    }
    cursor.leave();
    list.offsets.push(list.child.len() as i32);
    Ok(())
}

fn read_row(row: &mut RowColumn, cursor: &mut Cursor<'_>, settings: &Settings) -> Outcome {
    row.shape.read(cursor, settings)?;
    row.len += 1;
    Ok(())
}

fn read_map(map: &mut MapColumn, cursor: &mut Cursor<'_>, settings: &Settings) -> Outcome {
    let (at, depth, first) = (cursor.at, cursor.depth(), map.keys.len());
    read_entries(map, cursor, settings, |_| true)?;
    let dropped = repeated_keys(map, first, cursor.bytes);
    if !dropped.is_empty() {
        // Rare: the object is read again without the entries that a later one with the same key replaces.
        map.keys.truncate(first);
        map.values.truncate(first);
        cursor.rewind(at, depth);
        read_entries(map, cursor, settings, |entry| dropped.binary_search(&(first + entry)).is_err())?;
    }
    map.offsets.push(map.keys.len() as i32);
    Ok(())
}

fn read_entries(
    map: &mut MapColumn,
    cursor: &mut Cursor<'_>,
    settings: &Settings,
    keep: impl Fn(usize) -> bool,
) -> Outcome {
    if cursor.peek() != b'{' {
        return Err(cursor.unexpected("an object"));
    }
    cursor.enter()?;
    cursor.skip_space();
    let mut entry = 0;
    if cursor.peek() != b'}' {
        loop {
            if cursor.peek() != b'"' {
                return Err(cursor.unexpected("a field name"));
            }
            if keep(entry) {
                map.keys.read(cursor, settings)?;
                cursor.colon()?;
                map.values.read_or_null(cursor, settings)?;
            } else {
                cursor.string()?;
                cursor.colon()?;
                cursor.skip_value()?;
            }
            entry += 1;
            if !cursor.more(b'}')? {
                break;
            }
        }
    }
    cursor.leave();
    Ok(())
}

/// The entries from `first` on whose key comes again later, rising.
fn repeated_keys(map: &MapColumn, first: usize, blob: &[u8]) -> Vec<usize> {
    let Column::Text(keys) = &map.keys else { return Vec::new() };
    let len = keys.len();
    if len - first <= PAIRWISE_MAX {
        let comes_again =
            |&entry: &usize| (entry + 1..len).any(|later| keys.key(entry, blob) == keys.key(later, blob));
        return (first..len).filter(comes_again).collect();
    }
    let mut seen: HashSet<_, ahash::RandomState> = HashSet::default();
    let mut repeated: Vec<usize> =
        (first..len).rev().filter(|&entry| !seen.insert(keys.key(entry, blob))).collect();
    repeated.reverse();
    repeated
}
