//! Rows to the values and levels of one column of a Parquet file.
//!
//! 1. A column of the file is a path from a column of the table to a value inside of it.
//! 2. Row by row the path is walked: the definition level says how far it exists, the repetition level at which list a
//!    new item begins, and a value is taken where the path goes all the way.
//!
//! Source of the rules: the Parquet specification, "Nested Encoding".

use super::schema::decimal_bytes;
use super::stamp::{Zone, int96};
use crate::parse::Instant;
use crate::typed::{Bound, Values};
use bytes::Bytes;
use parquet::basic::TimeUnit;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{ByteArray, FixedLenByteArray, Int96};
use parquet::errors::ParquetError;
use std::ops::Range;
use tidemill_types::text::NANOS_PER_DAY;
use tidemill_types::{DataType, TypeKind};

/// A step from a value to what lies inside of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The value itself, which may be NULL or not.
    Value { nullable: bool },
    /// To this field of a row.
    Field(usize),
    /// To the items of a list.
    Items,
    /// To the keys of a map.
    Keys,
    /// To the values of a map.
    MapValues,
}

/// A column of a file.
#[derive(Debug)]
pub(super) struct Leaf {
    /// The column of the table.
    pub column: usize,
    pub path: Vec<Step>,
    pub kind: TypeKind,
}

/// The columns of a file for one of the table.
pub(super) fn leaves(column: usize, data_type: &DataType, before: &[Step], out: &mut Vec<Leaf>) {
    let own = |step: Option<Step>| {
        let value = Step::Value { nullable: data_type.nullable };
        before.iter().copied().chain([value]).chain(step).collect::<Vec<_>>()
    };
    match &data_type.kind {
        TypeKind::Array(element) => leaves(column, element, &own(Some(Step::Items)), out),
        TypeKind::Map(key, value) => {
            leaves(column, &key.as_ref().clone().with_nullable(false), &own(Some(Step::Keys)), out);
            leaves(column, value, &own(Some(Step::MapValues)), out);
        }
        TypeKind::Multiset(element) => {
            leaves(column, &element.as_ref().clone().with_nullable(false), &own(Some(Step::Keys)), out);
            leaves(column, &TypeKind::Int.not_null(), &own(Some(Step::MapValues)), out);
        }
        TypeKind::Row(fields) => {
            for (at, field) in fields.iter().enumerate() {
                leaves(column, &field.data_type, &own(Some(Step::Field(at))), out);
            }
        }
        kind => out.push(Leaf { column, path: own(None), kind: kind.clone() }),
    }
}

/// Levels and the rows of values inside the innermost column.
#[derive(Default)]
struct Levels {
    definition: Vec<i16>,
    repetition: Vec<i16>,
    values: Vec<usize>,
}

/// Where a walk stands.
#[derive(Clone, Copy)]
struct At {
    row: usize,
    definition: i16,
    /// The level at which the next item begins.
    repetition: i16,
    /// How many lists the walk is in.
    depth: i16,
}

impl Levels {
    fn end(&mut self, at: At) {
        self.definition.push(at.definition);
        self.repetition.push(at.repetition);
    }

    fn walk(&mut self, column: &Bound<'_>, path: &[Step], mut at: At) -> Result<(), String> {
        match (path, &column.values) {
            ([], _) => {
                self.end(at);
                self.values.push(at.row);
            }
            ([Step::Value { nullable }, rest @ ..], _) => match (column.is_null(at.row), nullable) {
                (true, true) => self.end(at),
                (true, false) => return Err("NULL stands in a column that is NOT NULL".into()),
                (false, _) => {
                    at.definition += i16::from(*nullable);
                    return self.walk(column, rest, at);
                }
            },
            ([Step::Field(field), rest @ ..], Values::Row(fields)) => {
                return self.walk(&fields.columns[*field], rest, at);
            }
            ([Step::Items, rest @ ..], Values::List(offsets, items)) => {
                return self.items(items, range(offsets, at.row), rest, at);
            }
            ([Step::Keys, rest @ ..], Values::Map(offsets, entries)) => {
                return self.items(&entries.0, range(offsets, at.row), rest, at);
            }
            ([Step::MapValues, rest @ ..], Values::Map(offsets, entries)) => {
                return self.items(&entries.1, range(offsets, at.row), rest, at);
            }
            _ => unreachable!("a path fits the columns it was made for"),
        }
        Ok(())
    }

    fn items(&mut self, items: &Bound<'_>, range: Range<usize>, rest: &[Step], at: At) -> Result<(), String> {
        if range.is_empty() {
            self.end(at);
        }
        let inner = At { definition: at.definition + 1, depth: at.depth + 1, ..at };
        for row in range.clone() {
            let repetition = if row == range.start { at.repetition } else { inner.depth };
            self.walk(items, rest, At { row, repetition, ..inner })?;
        }
        Ok(())
    }
}

fn range(offsets: &[i32], row: usize) -> Range<usize> {
    offsets[row] as usize..offsets[row + 1] as usize
}

/// How values are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub zone: Zone,
    /// The unit of timestamps; `None`: INT96.
    pub unit: Option<TimeUnit>,
}

/// Appends the rows of a column to a column of the file.
pub(super) fn write(
    leaf: &Leaf,
    column: &Bound<'_>,
    rows: usize,
    style: Style,
    writer: &mut ColumnWriter<'_>,
) -> Result<(), String> {
    let mut levels = Levels::default();
    for row in 0..rows {
        levels.walk(column, &leaf.path, At { row, definition: 0, repetition: 0, depth: 0 })?;
    }
    let innermost = innermost(column, &leaf.path);
    write_levels(leaf, innermost, &levels, style, writer)
}

fn innermost<'a>(column: &'a Bound<'a>, path: &[Step]) -> &'a Values<'a> {
    let mut column = column;
    for step in path {
        column = match (step, &column.values) {
            (Step::Field(field), Values::Row(fields)) => &fields.columns[*field],
            (Step::Items, Values::List(_, items)) => items,
            (Step::Keys, Values::Map(_, entries)) => &entries.0,
            (Step::MapValues, Values::Map(_, entries)) => &entries.1,
            _ => column,
        };
    }
    &column.values
}

fn write_levels(
    leaf: &Leaf,
    values: &Values<'_>,
    levels: &Levels,
    style: Style,
    writer: &mut ColumnWriter<'_>,
) -> Result<(), String> {
    let (definition, repetition) = (Some(&levels.definition[..]), Some(&levels.repetition[..]));
    let rows = levels.values.iter().copied();
    macro_rules! write {
        ($writer:expr, $values:expr) => {{
            let values: Vec<_> = $values;
            $writer.write_batch(&values, definition, repetition).map(drop)
        }};
    }
    let written: Result<(), ParquetError> = match writer {
        ColumnWriter::BoolColumnWriter(writer) => {
            write!(writer, rows.map(|row| boolean(values, row)).collect())
        }
        ColumnWriter::Int32ColumnWriter(writer) => {
            write!(writer, rows.map(|row| narrow(values, row)).collect())
        }
        ColumnWriter::Int64ColumnWriter(writer) => {
            let values = rows.map(|row| long(values, row, style)).collect::<Result<_, String>>()?;
            write!(writer, values)
        }
        ColumnWriter::Int96ColumnWriter(writer) => {
            write!(writer, rows.map(|row| stamp(values, row, style.zone)).collect())
        }
        ColumnWriter::FloatColumnWriter(writer) => {
            write!(writer, rows.map(|row| float(values, row)).collect())
        }
        ColumnWriter::DoubleColumnWriter(writer) => {
            write!(writer, rows.map(|row| double(values, row)).collect())
        }
        ColumnWriter::ByteArrayColumnWriter(writer) => write!(writer, texts(values, &levels.values)),
        ColumnWriter::FixedLenByteArrayColumnWriter(writer) => {
            write!(writer, decimals(values, &levels.values, &leaf.kind))
        }
    };
    written.map_err(|error| error.to_string())
}

const UNFIT: &str = "a column of the file fits the type it was made for";

fn boolean(values: &Values<'_>, row: usize) -> bool {
    let Values::Boolean(values) = values else { unreachable!("{UNFIT}") };
    values.value(row)
}

fn narrow(values: &Values<'_>, row: usize) -> i32 {
    match values {
        Values::Int8(values) => i32::from(values[row]),
        Values::Int16(values) => i32::from(values[row]),
        Values::Int32(values) | Values::Date(values) | Values::Time(values) => values[row],
        _ => unreachable!("{UNFIT}"),
    }
}

fn long(values: &Values<'_>, row: usize, style: Style) -> Result<i64, String> {
    let nanos = match (values, style.unit) {
        (Values::Int64(values), _) => return Ok(values[row]),
        (_, Some(TimeUnit::MILLIS)) => 1_000_000,
        (_, Some(TimeUnit::NANOS)) => 1,
        _ => 1_000,
    };
    let instant = style.zone.write(at(values, row));
    let per_day = NANOS_PER_DAY / nanos;
    let value = instant.days.checked_mul(per_day).and_then(|days| days.checked_add(instant.nanos / nanos));
    value.ok_or_else(|| "a timestamp is out of the range of 'timestamp.time.unit'".into())
}

fn at(values: &Values<'_>, row: usize) -> Instant {
    match values {
        Values::Timestamp(stamps, _) | Values::Instant(stamps, _) => stamps.at(row),
        _ => unreachable!("{UNFIT}"),
    }
}

fn stamp(values: &Values<'_>, row: usize, zone: Zone) -> Int96 {
    int96(zone.write(at(values, row)))
}

fn float(values: &Values<'_>, row: usize) -> f32 {
    let Values::Float32(values) = values else { unreachable!("{UNFIT}") };
    values[row]
}

fn double(values: &Values<'_>, row: usize) -> f64 {
    let Values::Float64(values) = values else { unreachable!("{UNFIT}") };
    values[row]
}

/// All values in one allocation, which they share.
fn texts(values: &Values<'_>, rows: &[usize]) -> Vec<ByteArray> {
    let value = |row: usize| match values {
        Values::Text(texts) => texts.value(row).as_bytes(),
        Values::Bytes(bytes) => bytes.value(row),
        _ => unreachable!("{UNFIT}"),
    };
    let mut all = Vec::with_capacity(rows.iter().map(|&row| value(row).len()).sum());
    rows.iter().for_each(|&row| all.extend_from_slice(value(row)));
    let all = Bytes::from(all);
    let mut start = 0;
    let shared = |&row: &usize| {
        let end = start + value(row).len();
        let bytes = all.slice(start..end);
        start = end;
        ByteArray::from(bytes)
    };
    rows.iter().map(shared).collect()
}

fn decimals(values: &Values<'_>, rows: &[usize], kind: &TypeKind) -> Vec<FixedLenByteArray> {
    let (Values::Decimal(values, _), TypeKind::Decimal { precision, .. }) = (values, kind) else {
        unreachable!("{UNFIT}")
    };
    let size = decimal_bytes(u32::from(*precision));
    let mut all = Vec::with_capacity(rows.len() * size);
    rows.iter().for_each(|&row| all.extend_from_slice(&values[row].to_be_bytes()[16 - size..]));
    let all = Bytes::from(all);
    let value = |at: usize| FixedLenByteArray::from(ByteArray::from(all.slice(at * size..(at + 1) * size)));
    (0..rows.len()).map(value).collect()
}
