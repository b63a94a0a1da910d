//! Rows to records of a schema, by a plan that is compiled once.
//!
//! Source of the rules: the Avro specification, "Binary Encoding". An array or map is written as one block, as
//! Java's library writes it.

use super::cursor::write_long;
use super::schema::{Field, Kind, Logical, NodeId, Schema, Unit};
use crate::number::rescale;
use crate::parse::Instant;
use crate::typed::{Bound, Fields, Values};
use serde_json::Value;
use tidemill_types::text::NANOS_PER_DAY;
use tidemill_types::{DataType, TypeKind};

/// How a value is written.
#[derive(Debug)]
pub(crate) enum Write {
    /// In the only form that the type has.
    Plain,
    /// A whole number as a float.
    Float,
    /// A whole number as a double, and a float too.
    Double,
    Stamp(Unit),
    TimeMicros,
    /// With its size, if it is fixed, and its scale.
    Decimal(Option<usize>, u32),
    Fixed(usize),
    Symbol(Vec<String>),
    List(Box<Write>),
    Map(Box<Write>),
    /// A field of the schema for each field of the row.
    Row(Vec<Write>),
    /// The numbers of the branches for NULL, if there is one, and for values.
    Union(Option<i64>, i64, Box<Write>),
}

/// Compiles a plan for the columns of a table, whose schema must be a record of as many fields.
pub(crate) fn compile<'a>(
    schema: &Schema,
    columns: impl ExactSizeIterator<Item = (&'a str, &'a DataType)>,
) -> Result<Vec<Write>, String> {
    let fields = schema.record().ok_or("the schema is no record")?;
    rows(schema, fields, columns)
}

fn rows<'a>(
    schema: &Schema,
    fields: &[Field],
    columns: impl ExactSizeIterator<Item = (&'a str, &'a DataType)>,
) -> Result<Vec<Write>, String> {
    if fields.len() != columns.len() {
        return Err(format!("the schema has {} fields for {} columns", fields.len(), columns.len()));
    }
    fields
        .iter()
        .zip(columns)
        .map(|(field, (name, data_type))| {
            let refused = |error: String| format!("column '{name}': {error}");
            match field.name == name {
                true => of(schema, field.node, data_type).map_err(refused),
                false => Err(refused(format!("the schema has the field '{}' at its place", field.name))),
            }
        })
        .collect()
}

fn of(schema: &Schema, node: NodeId, data_type: &DataType) -> Result<Write, String> {
    let found = schema.node(node);
    if let Kind::Union(branches) = &found.kind {
        let null = branches.iter().position(|&branch| schema.node(branch).kind == Kind::Null);
        let fits = branches.iter().enumerate().filter(|(number, _)| Some(*number) != null);
        let mut fits =
            fits.filter_map(|(number, &branch)| Some((number, of(schema, branch, data_type).ok()?)));
        let (number, write) =
            fits.next().ok_or_else(|| format!("no branch of its union holds {data_type}"))?;
        return Ok(Write::Union(null.map(|null| null as i64), number as i64, Box::new(write)));
    }
    let refused = || format!("{} does not hold {data_type}", schema.name(node));
    let is_whole = data_type.kind.is_integer();
    Ok(match (&data_type.kind, &found.kind) {
        (TypeKind::Null, Kind::Null) | (TypeKind::Boolean, Kind::Boolean) => Write::Plain,
        (TypeKind::BigInt, Kind::Int) => return Err(refused()),
        (_, Kind::Int | Kind::Long) if is_whole => Write::Plain,
        (_, Kind::Float) if is_whole => Write::Float,
        (_, Kind::Double) if is_whole || data_type.kind == TypeKind::Float => Write::Double,
        (TypeKind::Float, Kind::Float) | (TypeKind::Double, Kind::Double) => Write::Plain,
        (TypeKind::Date | TypeKind::Time(_), Kind::Int) => Write::Plain,
        (TypeKind::Time(_), Kind::Long) => Write::TimeMicros,
        (TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_), Kind::Long) => {
            Write::Stamp(match found.logical {
                Some(Logical::Timestamp(unit)) => unit,
                _ => Unit::Millis,
            })
        }
        (TypeKind::Decimal { scale, .. }, Kind::Bytes | Kind::Fixed(_)) => {
            let size = if let Kind::Fixed(size) = found.kind { Some(size) } else { None };
            let scale = if let Some(Logical::Decimal(own)) = found.logical { own } else { u32::from(*scale) };
            Write::Decimal(size, scale)
        }
        (kind, Kind::Text | Kind::Bytes) if kind.is_text() || kind.is_bytes() => Write::Plain,
        (kind, Kind::Enum(symbols)) if kind.is_text() => Write::Symbol(symbols.clone()),
        (kind, Kind::Fixed(size)) if kind.is_bytes() => Write::Fixed(*size),
        (TypeKind::Array(element), Kind::List(items)) => Write::List(Box::new(of(schema, *items, element)?)),
        (TypeKind::Map(key, value), Kind::Map(values)) if key.kind.is_text() => {
            Write::Map(Box::new(of(schema, *values, value)?))
        }
        (TypeKind::Multiset(element), Kind::Map(values)) if element.kind.is_text() => {
            Write::Map(Box::new(of(schema, *values, &TypeKind::Int.not_null())?))
        }
        (TypeKind::Row(columns), Kind::Record(fields)) => {
            let columns = columns.iter().map(|field| (field.name.as_str(), &field.data_type));
            Write::Row(rows(schema, fields, columns)?)
        }
        _ => return Err(refused()),
    })
}

/// Appends the record of a row.
pub(crate) fn row(plan: &[Write], fields: &Fields<'_>, row: usize, out: &mut Vec<u8>) -> Result<(), String> {
    plan.iter().zip(&fields.columns).try_for_each(|(write, column)| value(write, column, row, out))
}

fn value(write: &Write, column: &Bound<'_>, row: usize, out: &mut Vec<u8>) -> Result<(), String> {
    let null = column.is_null(row);
    match write {
        Write::Union(Some(branch), ..) if null => write_long(*branch, out),
        Write::Union(_, branch, inner) if !null => {
            write_long(*branch, out);
            return value(inner, column, row, out);
        }
        Write::Plain if matches!(column.values, Values::Null) => {}
        _ if null => return Err("NULL stands where the schema has no null".into()),
        Write::Plain => plain(&column.values, row, out),
        Write::Float => out.extend_from_slice(&(column.values.whole(row) as f32).to_le_bytes()),
        Write::Double => out.extend_from_slice(&double(&column.values, row).to_le_bytes()),
        _ => return seldom(write, &column.values, row, out),
    }
    Ok(())
}

fn seldom(write: &Write, values: &Values<'_>, row: usize, out: &mut Vec<u8>) -> Result<(), String> {
    match (write, values) {
        (Write::Stamp(unit), Values::Timestamp(stamps, _) | Values::Instant(stamps, _)) => {
            write_long(in_unit(stamps.at(row), *unit)?, out);
        }
        (Write::TimeMicros, Values::Time(values)) => write_long(i64::from(values[row]) * 1_000, out),
        (Write::Decimal(size, to), Values::Decimal(values, scale)) => {
            return decimal(values[row], u32::from(*scale), (*size, *to), out);
        }
        (Write::Fixed(size), Values::Bytes(values)) => match values.value(row) {
            bytes if bytes.len() == *size => out.extend_from_slice(bytes),
            bytes => return Err(format!("{} bytes stand where the schema has {size}", bytes.len())),
        },
        (Write::Symbol(symbols), Values::Text(texts)) => {
            let text = texts.value(row);
            let number = symbols.iter().position(|symbol| symbol == text);
            write_long(number.ok_or_else(|| format!("'{text}' is no symbol of the enum"))? as i64, out);
        }
        (Write::List(items), Values::List(offsets, column)) => {
            let range = offsets[row] as usize..offsets[row + 1] as usize;
            blocks(range, out, |at, out| value(items, column, at, out))?;
        }
        (Write::Map(items), Values::Map(offsets, columns)) => {
            let range = offsets[row] as usize..offsets[row + 1] as usize;
            let (keys, values) = &**columns;
            blocks(range, out, |at, out| {
                value(&Write::Plain, keys, at, out).map_err(|_| "the key of a map is NULL".to_string())?;
                value(items, values, at, out)
            })?;
        }
        (Write::Row(plan), Values::Row(fields)) => return self::row(plan, fields, row, out),
        _ => unreachable!("a plan fits the columns it was compiled for"),
    }
    Ok(())
}

/// One block of all items, and the end.
fn blocks(
    range: std::ops::Range<usize>,
    out: &mut Vec<u8>,
    mut item: impl FnMut(usize, &mut Vec<u8>) -> Result<(), String>,
) -> Result<(), String> {
    if !range.is_empty() {
        write_long(range.len() as i64, out);
        range.into_iter().try_for_each(|at| item(at, out))?;
    }
    out.push(0);
    Ok(())
}

fn plain(values: &Values<'_>, row: usize, out: &mut Vec<u8>) {
    match values {
        Values::Boolean(values) => out.push(u8::from(values.value(row))),
        Values::Float32(values) => out.extend_from_slice(&values[row].to_le_bytes()),
        Values::Float64(values) => out.extend_from_slice(&values[row].to_le_bytes()),
        Values::Text(texts) => prefixed(texts.value(row).as_bytes(), out),
        Values::Bytes(values) => prefixed(values.value(row), out),
        Values::Date(values) | Values::Time(values) => write_long(i64::from(values[row]), out),
        values => write_long(values.whole(row), out),
    }
}

fn prefixed(bytes: &[u8], out: &mut Vec<u8>) {
    write_long(bytes.len() as i64, out);
    out.extend_from_slice(bytes);
}

fn double(values: &Values<'_>, row: usize) -> f64 {
    match values {
        Values::Float32(values) => f64::from(values[row]),
        values => values.whole(row) as f64,
    }
}

/// What is finer than the unit is cut off.
fn in_unit(instant: Instant, unit: Unit) -> Result<i64, String> {
    let per_day = NANOS_PER_DAY / unit.nanos();
    let value =
        instant.days.checked_mul(per_day).and_then(|days| days.checked_add(instant.nanos / unit.nanos()));
    value.ok_or_else(|| "a timestamp is out of the range of the schema's unit".into())
}

fn decimal(
    value: i128,
    from: u32,
    (size, to): (Option<usize>, u32),
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let value = rescale(value, from, to, 38).ok_or("a decimal has more digits than its schema holds")?;
    let bytes = value.to_be_bytes();
    let sign = if value < 0 { 0xFF } else { 0 };
    let spare = bytes.windows(2).take_while(|pair| pair[0] == sign && (pair[1] ^ sign) & 0x80 == 0).count();
    let short = &bytes[spare..];
    match size {
        None => prefixed(short, out),
        Some(size) if size >= short.len() => {
            out.resize(out.len() + size - short.len(), sign);
            out.extend_from_slice(short);
        }
        Some(size) => return Err(format!("a decimal needs more than the {size} bytes of its schema")),
    }
    Ok(())
}

/// Appends a value given as JSON, as defaults are: of a union it is of the first branch.
pub(crate) fn json(schema: &Schema, node: NodeId, value: &Value, out: &mut Vec<u8>) -> Result<(), String> {
    let refused = || format!("{value} is no {}", schema.name(node));
    match &schema.node(node).kind {
        Kind::Union(branches) => {
            out.push(0);
            json(schema, *branches.first().ok_or_else(refused)?, value, out)?;
        }
        Kind::Null => value.as_null().ok_or_else(refused)?,
        Kind::Boolean => out.push(u8::from(value.as_bool().ok_or_else(refused)?)),
        Kind::Int | Kind::Long => write_long(value.as_i64().ok_or_else(refused)?, out),
        Kind::Float => out.extend_from_slice(&(value.as_f64().ok_or_else(refused)? as f32).to_le_bytes()),
        Kind::Double => out.extend_from_slice(&value.as_f64().ok_or_else(refused)?.to_le_bytes()),
        Kind::Text => prefixed(value.as_str().ok_or_else(refused)?.as_bytes(), out),
        Kind::Bytes => prefixed(&latin(value.as_str().ok_or_else(refused)?), out),
        Kind::Fixed(size) => {
            let bytes = latin(value.as_str().ok_or_else(refused)?);
            if bytes.len() != *size {
                return Err(refused());
            }
            out.extend_from_slice(&bytes);
        }
        Kind::Enum(symbols) => {
            let number = symbols.iter().position(|symbol| value == symbol.as_str());
            write_long(number.ok_or_else(refused)? as i64, out);
        }
        Kind::List(items) => {
            let list = value.as_array().ok_or_else(refused)?;
            blocks(0..list.len(), out, |at, out| json(schema, *items, &list[at], out))?;
        }
        Kind::Map(values) => {
            let entries: Vec<_> = value.as_object().ok_or_else(refused)?.iter().collect();
            blocks(0..entries.len(), out, |at, out| {
                prefixed(entries[at].0.as_bytes(), out);
                json(schema, *values, entries[at].1, out)
            })?;
        }
        Kind::Record(fields) => {
            for field in fields {
                let value = value.get(&field.name).or(field.default.as_ref()).ok_or_else(refused)?;
                json(schema, field.node, value, out)?;
            }
        }
    }
    Ok(())
}

/// Bytes in JSON are characters of their numbers.
fn latin(text: &str) -> Vec<u8> {
    text.chars().map(|c| u32::from(c) as u8).collect()
}
