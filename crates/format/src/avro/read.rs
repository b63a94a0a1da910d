//! Reads records into columns after a plan.
//!
//! Invariant: a fault leaves values behind that the caller takes back; nothing is read beyond the record.

use super::cursor::{Cursor, Fault};
use super::plan::{Missing, Read, RowPlan, Step};
use super::schema::{Kind, NodeId, Schema};
use crate::column::{Column, ListColumn, MapColumn};
use crate::json::Shape;
use crate::number::rescale;
use crate::parse::Instant;

/// How deep values that are skipped may lie in one another.
const DEPTH_MAX: usize = 128;

/// Reads a record as one more row.
pub(crate) fn row(
    plan: &RowPlan,
    schema: &Schema,
    cursor: &mut Cursor<'_>,
    shape: &mut Shape,
) -> Result<(), Fault> {
    if let Some(branch) = plan.branch
        && cursor.long()? != branch
    {
        return Err("it is null where a record is asked for".into());
    }
    for step in &plan.steps {
        match step {
            Step::Read(column, read) => value(read, schema, cursor, shape.column_mut(*column))?,
            Step::Skip(node) => skip(schema, *node, cursor, 0)?,
        }
    }
    for (column, missing) in &plan.missing {
        let column = shape.column_mut(*column);
        match missing {
            Missing::Null => column.push_null(),
            Missing::Default(bytes, read) => value_copied(read, bytes, schema, column)?,
            Missing::Fault(reason) => return Err(reason.clone()),
        }
    }
    shape.end_row();
    Ok(())
}

/// Reads a value that does not lie in the blob.
fn value_copied(read: &Read, bytes: &[u8], schema: &Schema, column: &mut Column) -> Result<(), Fault> {
    let mut cursor = Cursor { bytes, at: 0 };
    match (read, &mut *column) {
        (Read::Text | Read::Bytes, Column::Text(text) | Column::Bytes(text)) => {
            let (start, end) = cursor.prefixed()?;
            text.push_copy(&bytes[start..end]);
            Ok(())
        }
        (Read::Fixed(_), Column::Bytes(text)) => {
            text.push_copy(bytes);
            Ok(())
        }
        (Read::Union(branches), _) => {
            let branch = branch(branches, &mut cursor)?;
            value_copied(branch, &bytes[cursor.at..], schema, column)
        }
        (Read::List(_) | Read::Map(_) | Read::Row(_), _) if bytes.len() > 1 => {
            Err("defaults of nested types other than empty ones can't be read".into())
        }
        _ => value(read, schema, &mut cursor, column),
    }
}

fn branch<'a>(branches: &'a [Read], cursor: &mut Cursor<'_>) -> Result<&'a Read, Fault> {
    let number = cursor.long()?;
    let found = usize::try_from(number).ok().and_then(|number| branches.get(number));
    found.ok_or_else(|| format!("there is no branch {number} in a union of {}", branches.len()))
}

#[inline]
fn value(read: &Read, schema: &Schema, cursor: &mut Cursor<'_>, column: &mut Column) -> Result<(), Fault> {
    match read {
        Read::Union(branches) => {
            let branch = branch(branches, cursor)?;
            return match branch {
                Read::Union(_) => Err("a union stands directly in a union".into()),
                branch => value(branch, schema, cursor, column),
            };
        }
        Read::Null => column.push_null(),
        Read::Number => return number(cursor.long()?, column),
        Read::Text | Read::Bytes => {
            let (start, end) = cursor.prefixed()?;
            return text(read, cursor.bytes, (start, end), column);
        }
        Read::Boolean => return boolean(cursor, column),
        Read::Float => return float(f64::from(f32::from_le_bytes(cursor.array()?)), column),
        Read::Double => return float(f64::from_le_bytes(cursor.array()?), column),
        Read::Stamp(unit) => return stamp(cursor.long()?, unit.nanos(), column),
        _ => return seldom(read, schema, cursor, column),
    }
    Ok(())
}

fn seldom(read: &Read, schema: &Schema, cursor: &mut Cursor<'_>, column: &mut Column) -> Result<(), Fault> {
    match (read, column) {
        (Read::TimeMicros, column) => number(cursor.long()?.div_euclid(1_000), column),
        (Read::Decimal(size, scale), column) => {
            let (start, end) = match size {
                Some(size) => (cursor.take(*size)?, cursor.at),
                None => cursor.prefixed()?,
            };
            decimal(&cursor.bytes[start..end], *scale, column)
        }
        (Read::Fixed(size), Column::Bytes(values)) => {
            let start = cursor.take(*size)?;
            values.push_blob(cursor.bytes, start, start + size);
            Ok(())
        }
        (Read::Symbol(symbols), Column::Text(values)) => {
            let number = cursor.long()?;
            let symbol = usize::try_from(number).ok().and_then(|number| symbols.get(number));
            let symbol = symbol.ok_or_else(|| format!("there is no symbol {number} in the enum"))?;
            values.push_copy(symbol.as_bytes());
            Ok(())
        }
        (Read::List(items), Column::List(list)) => self::list(items, schema, cursor, list),
        (Read::Map(values), Column::Map(map)) => self::map(values, schema, cursor, map),
        (Read::Row(plan), Column::Row(inner)) => {
            row(plan, schema, cursor, &mut inner.shape)?;
            inner.len += 1;
            Ok(())
        }
        (Read::Fault(reason), _) => Err(reason.clone()),
        _ => unreachable!("a plan fits the columns it was compiled for"),
    }
}

fn list(items: &Read, schema: &Schema, cursor: &mut Cursor<'_>, list: &mut ListColumn) -> Result<(), Fault> {
    loop {
        match cursor.block()? {
            0 => break,
            count => (0..count).try_for_each(|_| value(items, schema, cursor, &mut list.child))?,
        }
    }
    list.offsets.push(list.child.len() as i32);
    Ok(())
}

/// Writers give each key once.
fn map(values: &Read, schema: &Schema, cursor: &mut Cursor<'_>, map: &mut MapColumn) -> Result<(), Fault> {
    loop {
        match cursor.block()? {
            0 => break,
            count => (0..count).try_for_each(|_| {
                let (start, end) = cursor.prefixed()?;
                text(&Read::Text, cursor.bytes, (start, end), &mut map.keys)?;
                value(values, schema, cursor, &mut map.values)
            })?,
        }
    }
    map.offsets.push(map.keys.len() as i32);
    Ok(())
}

fn boolean(cursor: &mut Cursor<'_>, column: &mut Column) -> Result<(), Fault> {
    match (cursor.array::<1>()?, column) {
        ([byte @ (0 | 1)], Column::Boolean(values)) => values.push(byte == 1),
        ([byte], _) => return Err(format!("the byte {byte} is no boolean")),
    }
    Ok(())
}

#[inline]
fn number(value: i64, column: &mut Column) -> Result<(), Fault> {
    let narrow = |what: &str| format!("{value} is out of the range of {what}");
    match column {
        Column::Int64(values, _) => values.push(value),
        Column::Int32(values, _) => values.push(value.try_into().map_err(|_| narrow("INT"))?),
        Column::Int16(values) => values.push(value.try_into().map_err(|_| narrow("SMALLINT"))?),
        Column::Int8(values) => values.push(value.try_into().map_err(|_| narrow("TINYINT"))?),
        Column::Float32(values) => values.push(value as f32),
        Column::Float64(values) => values.push(value as f64),
        _ => unreachable!("a plan fits the columns it was compiled for"),
    }
    Ok(())
}

fn float(value: f64, column: &mut Column) -> Result<(), Fault> {
    match column {
        Column::Float32(values) => values.push(value as f32),
        Column::Float64(values) => values.push(value),
        _ => unreachable!("a plan fits the columns it was compiled for"),
    }
    Ok(())
}

#[inline]
fn text(read: &Read, blob: &[u8], (start, end): (usize, usize), column: &mut Column) -> Result<(), Fault> {
    match (read, column) {
        (Read::Text, Column::Text(values)) => match simdutf8::basic::from_utf8(&blob[start..end]) {
            Ok(_) => values.push_blob(blob, start, end),
            Err(_) => return Err("a string is not valid UTF-8".into()),
        },
        (_, Column::Bytes(values)) => values.push_blob(blob, start, end),
        _ => unreachable!("a plan fits the columns it was compiled for"),
    }
    Ok(())
}

#[inline]
fn stamp(value: i64, unit_nanos: i64, column: &mut Column) -> Result<(), Fault> {
    const DAY_NANOS: i64 = 86_400_000_000_000;
    let per_day = DAY_NANOS / unit_nanos;
    let instant = Instant { days: value.div_euclid(per_day), nanos: value.rem_euclid(per_day) * unit_nanos };
    match column.push_instant(instant) {
        true => Ok(()),
        false => Err(format!("{value} is out of the range of timestamps")),
    }
}

fn decimal(bytes: &[u8], scale: u32, column: &mut Column) -> Result<(), Fault> {
    let Column::Decimal(values, precision, to) = column else {
        unreachable!("a plan fits the columns it was compiled for")
    };
    let unscaled = unscaled(bytes).and_then(|value| rescale(value, scale, u32::from(*to), *precision));
    let fault = || format!("a decimal has more digits than DECIMAL({precision}, {to}) holds");
    values.push(unscaled.ok_or_else(fault)?);
    Ok(())
}

/// A number in two's complement, the highest byte first; `None` if it has more than 128 bits.
pub(crate) fn unscaled(bytes: &[u8]) -> Option<i128> {
    let sign = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { 0xFF } else { 0 };
    let extra = bytes.len().saturating_sub(16);
    let (extra, bytes) = bytes.split_at(extra);
    let mut all = [sign; 16];
    all[16 - bytes.len()..].copy_from_slice(bytes);
    let value = i128::from_be_bytes(all);
    let fits = extra.iter().all(|&byte| byte == sign) && (extra.is_empty() || (value < 0) == (sign == 0xFF));
    fits.then_some(value)
}

/// Goes over a value.
pub(crate) fn skip(
    schema: &Schema,
    node: NodeId,
    cursor: &mut Cursor<'_>,
    depth: usize,
) -> Result<(), Fault> {
    if depth > DEPTH_MAX {
        return Err(format!("values lie more than {DEPTH_MAX} levels deep in one another"));
    }
    match &schema.node(node).kind {
        Kind::Null => {}
        Kind::Boolean => drop(cursor.take(1)?),
        Kind::Int | Kind::Long | Kind::Enum(_) => drop(cursor.long()?),
        Kind::Float => drop(cursor.take(4)?),
        Kind::Double => drop(cursor.take(8)?),
        Kind::Bytes | Kind::Text => drop(cursor.prefixed()?),
        Kind::Fixed(size) => drop(cursor.take(*size)?),
        Kind::List(items) => skip_blocks(schema, *items, false, cursor, depth)?,
        Kind::Map(values) => skip_blocks(schema, *values, true, cursor, depth)?,
        Kind::Union(branches) => {
            let number = cursor.long()?;
            let branch = usize::try_from(number).ok().and_then(|number| branches.get(number));
            let branch = branch.ok_or_else(|| format!("there is no branch {number} in a union"))?;
            skip(schema, *branch, cursor, depth + 1)?;
        }
        Kind::Record(fields) => {
            fields.iter().try_for_each(|field| skip(schema, field.node, cursor, depth + 1))?;
        }
    }
    Ok(())
}

fn skip_blocks(
    schema: &Schema,
    items: NodeId,
    keyed: bool,
    cursor: &mut Cursor<'_>,
    depth: usize,
) -> Result<(), Fault> {
    loop {
        let count = cursor.block()?;
        if count == 0 {
            return Ok(());
        }
        for _ in 0..count {
            if keyed {
                cursor.prefixed()?;
            }
            skip(schema, items, cursor, depth + 1)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::unscaled;

    #[test]
    fn unscaled_numbers_have_any_length() {
        for (bytes, expected) in [
            (&[][..], Some(0)),
            (&[0x7F], Some(127)),
            (&[0x80], Some(-128)),
            (&[0, 0x80], Some(128)),
            (&[0xFF; 20], Some(-1)),
            (&[0; 20], Some(0)),
        ] {
            assert_eq!(unscaled(bytes), expected, "{bytes:?}");
        }
        assert_eq!(unscaled(&[1; 17]), None);
        let too_high = [&[0][..], &[0x80; 16]].concat();
        assert_eq!(unscaled(&too_high), None);
    }
}
