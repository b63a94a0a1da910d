//! The schema of a table's columns, as Flink derives it.
//!
//! Lists and maps have the three levels that the Parquet specification asks for.

use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::schema::types::{Type, TypePtr};
use std::sync::Arc;
use tidemill_types::{DataType, Error, Result, Schema as Columns, TypeKind};

/// What Flink calls the message of a table.
const MESSAGE: &str = "flink_schema";

/// The unit of timestamps that are written as INT64. `None`: as INT96.
pub(super) type Int64Stamps = Option<TimeUnit>;

/// The schema of these columns.
pub(super) fn of(columns: &Columns, stamps: Int64Stamps) -> Result<TypePtr> {
    let fields = columns.fields.iter().map(|field| {
        node(&field.name, &field.data_type, stamps).map_err(|kind| {
            Error::user(format!("column '{}': the format 'parquet' can't carry {kind}", field.name))
        })
    });
    group(MESSAGE, None, None, fields.collect::<Result<_>>()?)
}

fn built(built: std::result::Result<Type, parquet::errors::ParquetError>) -> Result<TypePtr> {
    built.map(Arc::new).map_err(|error| Error::user(format!("no Parquet schema: {error}")))
}

fn group(
    name: &str,
    repetition: Option<Repetition>,
    logical: Option<LogicalType>,
    fields: Vec<TypePtr>,
) -> Result<TypePtr> {
    let mut builder = Type::group_type_builder(name).with_fields(fields).with_logical_type(logical);
    if let Some(repetition) = repetition {
        builder = builder.with_repetition(repetition);
    }
    built(builder.build())
}

/// The error is the type that can't be carried.
fn node(name: &str, data_type: &DataType, stamps: Int64Stamps) -> std::result::Result<TypePtr, String> {
    let repetition = if data_type.nullable { Repetition::OPTIONAL } else { Repetition::REQUIRED };
    let made = |made: Result<TypePtr>| made.map_err(|error| error.to_string());
    match &data_type.kind {
        TypeKind::Array(element) => {
            let element = node("element", element, stamps)?;
            let list = made(group("list", Some(Repetition::REPEATED), None, vec![element]))?;
            made(group(name, Some(repetition), Some(LogicalType::List), vec![list]))
        }
        TypeKind::Map(key, value) => {
            let entry = vec![key_node(key, stamps)?, node("value", value, stamps)?];
            let entries = made(group("key_value", Some(Repetition::REPEATED), None, entry))?;
            made(group(name, Some(repetition), Some(LogicalType::Map), vec![entries]))
        }
        TypeKind::Multiset(element) => {
            let entry = vec![key_node(element, stamps)?, node("value", &TypeKind::Int.not_null(), stamps)?];
            let entries = made(group("key_value", Some(Repetition::REPEATED), None, entry))?;
            made(group(name, Some(repetition), Some(LogicalType::Map), vec![entries]))
        }
        TypeKind::Row(fields) => {
            let fields = fields.iter().map(|field| node(&field.name, &field.data_type, stamps));
            made(group(name, Some(repetition), None, fields.collect::<std::result::Result<_, _>>()?))
        }
        _ => leaf(name, repetition, data_type, stamps),
    }
}

/// Keys are never NULL.
fn key_node(key: &DataType, stamps: Int64Stamps) -> std::result::Result<TypePtr, String> {
    node("key", &key.clone().with_nullable(false), stamps)
}

fn leaf(
    name: &str,
    repetition: Repetition,
    data_type: &DataType,
    stamps: Int64Stamps,
) -> std::result::Result<TypePtr, String> {
    let integer = |bit_width| Some(LogicalType::integer(bit_width, true));
    let (physical, logical) = match &data_type.kind {
        TypeKind::Boolean => (Physical::BOOLEAN, None),
        TypeKind::TinyInt => (Physical::INT32, integer(8)),
        TypeKind::SmallInt => (Physical::INT32, integer(16)),
        TypeKind::Int => (Physical::INT32, None),
        TypeKind::BigInt => (Physical::INT64, None),
        TypeKind::Float => (Physical::FLOAT, None),
        TypeKind::Double => (Physical::DOUBLE, None),
        TypeKind::Char(_) | TypeKind::Varchar(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        TypeKind::Binary(_) | TypeKind::Varbinary(_) => (Physical::BYTE_ARRAY, None),
        TypeKind::Date => (Physical::INT32, Some(LogicalType::Date)),
        TypeKind::Time(_) => (Physical::INT32, Some(LogicalType::time(true, TimeUnit::MILLIS))),
        TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_) => match stamps {
            None => (Physical::INT96, None),
            // Never adjusted to UTC, whatever `utc-timezone` says: so Flink writes it.
            Some(unit) => (Physical::INT64, Some(LogicalType::timestamp(false, unit))),
        },
        TypeKind::Decimal { precision, scale } => {
            let (scale, precision) = (i32::from(*scale), i32::from(*precision));
            let built = Type::primitive_type_builder(name, Physical::FIXED_LEN_BYTE_ARRAY)
                .with_repetition(repetition)
                .with_length(decimal_bytes(precision as u32) as i32)
                .with_precision(precision)
                .with_scale(scale)
                .with_logical_type(Some(LogicalType::decimal(scale, precision)))
                .build();
            return self::built(built).map_err(|error| error.to_string());
        }
        kind => return Err(kind.to_string()),
    };
    let builder = Type::primitive_type_builder(name, physical).with_repetition(repetition);
    built(builder.with_logical_type(logical).build()).map_err(|error| error.to_string())
}

/// How many bytes any number of so many digits fits into.
pub(super) fn decimal_bytes(precision: u32) -> usize {
    let largest = 10i128.pow(precision) - 1;
    // One bit more for the sign.
    (129 - largest.leading_zeros() as usize).div_ceil(8)
}

#[cfg(test)]
mod tests {
    use super::decimal_bytes;

    #[test]
    fn decimals_take_as_few_bytes_as_they_can() {
        let sizes = [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (9, 4), (10, 5), (18, 8), (19, 9), (38, 16)];
        for (precision, bytes) in sizes {
            assert_eq!(decimal_bytes(precision), bytes, "{precision}");
        }
    }
}
