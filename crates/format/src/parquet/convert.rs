//! Columns as the Parquet reader gives them to columns as they lie here.
//!
//! Text and bytes come as views already; what differs is the width of numbers, the units of times, the scale of decimals,
//! and the rows around the keys of maps. A whole column is converted at once.

use super::stamp::Zone;
use crate::column::Column;
use crate::number::rescale;
use crate::parse::Instant;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ListArray, PrimitiveArray, StructArray, new_null_array};
use arrow_buffer::Buffer;
use arrow_schema::{DataType as Arrow, Field, Fields, TimeUnit};
use std::sync::Arc;
use tidemill_types::arrow_type::{arrow_type, element_field, is_wide};
use tidemill_types::map::map_array;
use tidemill_types::text::NANOS_PER_DAY;
use tidemill_types::{DataType, TypeKind};

/// How the reader is to give a column of a file: text as views, INT96 in the unit that is wanted.
pub(super) fn wanted(given: &Arrow, data_type: &DataType) -> Arrow {
    let child = |field: &Arc<Field>, data_type: &DataType| {
        Arc::new(field.as_ref().clone().with_data_type(wanted(field.data_type(), data_type)))
    };
    match (given, &data_type.kind) {
        (Arrow::Utf8, _) => Arrow::Utf8View,
        (Arrow::Binary, kind) if kind.is_text() => Arrow::Utf8View,
        (Arrow::Binary, _) => Arrow::BinaryView,
        (
            Arrow::Timestamp(TimeUnit::Nanosecond, None),
            TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p),
        ) if !is_wide(*p) => Arrow::Timestamp(TimeUnit::Microsecond, None),
        (Arrow::List(element), TypeKind::Array(inner)) => Arrow::List(child(element, inner)),
        (Arrow::Struct(fields), TypeKind::Row(columns)) => {
            let fields =
                fields.iter().map(|field| match columns.iter().find(|column| column.name == *field.name()) {
                    Some(column) => child(field, &column.data_type),
                    None => field.clone(),
                });
            Arrow::Struct(fields.collect())
        }
        (Arrow::Map(entries, sorted), kind) => {
            let types = match kind {
                TypeKind::Map(key, value) => [key.as_ref().clone(), value.as_ref().clone()],
                TypeKind::Multiset(element) => [element.as_ref().clone(), TypeKind::Int.not_null()],
                _ => return given.clone(),
            };
            let Arrow::Struct(fields) = entries.data_type() else { return given.clone() };
            let fields: Fields =
                fields.iter().zip(&types).map(|(field, inner)| child(field, inner)).collect();
            Arrow::Map(Arc::new(entries.as_ref().clone().with_data_type(Arrow::Struct(fields))), *sorted)
        }
        _ => given.clone(),
    }
}

/// The column as one of this type; the error says what it can't be.
pub(super) fn convert(array: &ArrayRef, data_type: &DataType, zone: Zone) -> Result<ArrayRef, String> {
    let target = arrow_type(data_type);
    let is_time = data_type.kind.is_timestamp();
    if *array.data_type() == target && !is_time && !matches!(target, Arrow::List(_) | Arrow::Struct(_)) {
        return Ok(array.clone());
    }
    let refused = || format!("{} can't be read as {data_type}", array.data_type());
    match &data_type.kind {
        TypeKind::Null => Ok(new_null_array(&Arrow::Null, array.len())),
        TypeKind::TinyInt => whole::<Int8Type>(array).ok_or_else(refused),
        TypeKind::SmallInt => whole::<Int16Type>(array).ok_or_else(refused),
        TypeKind::Int => whole::<Int32Type>(array).ok_or_else(refused),
        TypeKind::BigInt => whole::<Int64Type>(array).ok_or_else(refused),
        TypeKind::Double if *array.data_type() == Arrow::Float32 => {
            Ok(Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float64Type>(f64::from)))
        }
        TypeKind::Time(_) => time(array).ok_or_else(refused),
        TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_) => timestamp(array, data_type, zone),
        TypeKind::Decimal { precision, scale } => decimal(array, *precision, *scale, refused),
        TypeKind::Array(element) => list(array, element, zone, refused),
        TypeKind::Map(key, value) => map(array, (key, value), zone, refused),
        TypeKind::Multiset(element) => map(array, (element, &TypeKind::Int.not_null()), zone, refused),
        TypeKind::Row(_) => row(array, data_type, zone, refused),
        _ => Err(refused()),
    }
}

fn whole<T: ArrowPrimitiveType>(array: &ArrayRef) -> Option<ArrayRef>
where
    T::Native: TryFrom<i64>,
{
    macro_rules! from {
        ($kind:ty) => {{
            let values = array.as_primitive::<$kind>();
            // A value that does not fit ends the reading: `None` is told as a wrong type.
            let converted: Result<PrimitiveArray<T>, ()> =
                values.try_unary(|value| i64::try_from(value).ok().and_then(|v| v.try_into().ok()).ok_or(()));
            Some(Arc::new(converted.ok()?))
        }};
    }
    match array.data_type() {
        Arrow::Int8 => from!(Int8Type),
        Arrow::Int16 => from!(Int16Type),
        Arrow::Int32 => from!(Int32Type),
        Arrow::Int64 => from!(Int64Type),
        Arrow::UInt8 => from!(UInt8Type),
        Arrow::UInt16 => from!(UInt16Type),
        Arrow::UInt32 => from!(UInt32Type),
        Arrow::UInt64 => from!(UInt64Type),
        _ => None,
    }
}

fn time(array: &ArrayRef) -> Option<ArrayRef> {
    let narrowed = |unit: i64| move |value: i64| (value / unit) as i32;
    Some(match array.data_type() {
        Arrow::Int32 => {
            Arc::new(array.as_primitive::<Int32Type>().unary::<_, Time32MillisecondType>(|value| value))
        }
        Arrow::Time64(TimeUnit::Microsecond) => Arc::new(
            array.as_primitive::<Time64MicrosecondType>().unary::<_, Time32MillisecondType>(narrowed(1_000)),
        ),
        Arrow::Time64(TimeUnit::Nanosecond) => Arc::new(
            array
                .as_primitive::<Time64NanosecondType>()
                .unary::<_, Time32MillisecondType>(narrowed(1_000_000)),
        ),
        _ => return None,
    })
}

fn timestamp(array: &ArrayRef, data_type: &DataType, zone: Zone) -> Result<ArrayRef, String> {
    let (nanos, values): (i64, &[i64]) = match array.data_type() {
        Arrow::Timestamp(TimeUnit::Millisecond, _) => {
            (1_000_000, array.as_primitive::<TimestampMillisecondType>().values())
        }
        Arrow::Timestamp(TimeUnit::Microsecond, _) => {
            (1_000, array.as_primitive::<TimestampMicrosecondType>().values())
        }
        Arrow::Timestamp(TimeUnit::Nanosecond, _) => {
            (1, array.as_primitive::<TimestampNanosecondType>().values())
        }
        Arrow::Int64 => (1_000_000, array.as_primitive::<Int64Type>().values()),
        other => return Err(format!("{other} can't be read as {data_type}")),
    };
    let per_day = NANOS_PER_DAY / nanos;
    let mut column = Column::new(data_type);
    for (row, &value) in values.iter().enumerate() {
        if array.is_null(row) {
            column.push_null();
            continue;
        }
        let instant = Instant { days: value.div_euclid(per_day), nanos: value.rem_euclid(per_day) * nanos };
        if !column.push_instant(zone.read(instant)) {
            return Err(format!("{value} is out of the range of {data_type}"));
        }
    }
    Ok(column.finish(&Buffer::from(&[] as &[u8])))
}

fn decimal(
    array: &ArrayRef,
    precision: u8,
    scale: u8,
    refused: impl Fn() -> String,
) -> Result<ArrayRef, String> {
    let from = match array.data_type() {
        Arrow::Decimal128(_, from) if *from >= 0 => *from as u32,
        _ => return Err(refused()),
    };
    let values = array.as_primitive::<Decimal128Type>();
    let too_large = || format!("a decimal has more digits than DECIMAL({precision}, {scale}) holds");
    let rescaled: PrimitiveArray<Decimal128Type> =
        values.try_unary(|value| rescale(value, from, u32::from(scale), precision).ok_or_else(too_large))?;
    Ok(Arc::new(rescaled.with_data_type(Arrow::Decimal128(precision, scale as i8))))
}

fn list(
    array: &ArrayRef,
    element: &DataType,
    zone: Zone,
    refused: impl Fn() -> String,
) -> Result<ArrayRef, String> {
    let list = array.as_list_opt::<i32>().ok_or_else(refused)?;
    let values = convert(list.values(), element, zone)?;
    Ok(Arc::new(ListArray::new(
        element_field(element),
        list.offsets().clone(),
        values,
        list.nulls().cloned(),
    )))
}

fn map(
    array: &ArrayRef,
    types: (&DataType, &DataType),
    zone: Zone,
    refused: impl Fn() -> String,
) -> Result<ArrayRef, String> {
    let map = array.as_map_opt().ok_or_else(refused)?;
    let entries = (convert(map.keys(), types.0, zone)?, convert(map.values(), types.1, zone)?);
    Ok(Arc::new(map_array(types, map.offsets().clone(), entries, map.nulls().cloned())))
}

fn row(
    array: &ArrayRef,
    data_type: &DataType,
    zone: Zone,
    refused: impl Fn() -> String,
) -> Result<ArrayRef, String> {
    let (TypeKind::Row(fields), Arrow::Struct(arrow)) = (&data_type.kind, arrow_type(data_type)) else {
        return Err(refused());
    };
    let rows = array.as_struct_opt().ok_or_else(refused)?;
    let columns = fields.iter().map(|field| match rows.column_by_name(&field.name) {
        Some(column) => convert(column, &field.data_type, zone),
        None => Ok(new_null_array(&arrow_type(&field.data_type), rows.len())),
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let built = StructArray::try_new_with_length(arrow, columns, rows.nulls().cloned(), rows.len());
    built.map(|built| Arc::new(built) as ArrayRef).map_err(|error| error.to_string())
}
