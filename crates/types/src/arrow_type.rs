//! How Flink's types lie in Arrow columns; one layout for each, everywhere.
//!
//! Text is `Utf8View` and bytes `BinaryView`, so that decoded strings stay where the input blob is.
//! TIMESTAMP(p) is in milliseconds (p <= 3), microseconds (p <= 6) or nanoseconds; TIME in milliseconds.
//! Nanoseconds in 64 bits end in 2262 and Flink's timestamps in 9999, so they lie in columns of 128 bit
//! decimals. What to do with such a column follows from its Flink type, never from Arrow's.

use crate::data_type::DECIMAL_PRECISION_MAX;
use crate::{DataType, TypeKind};
use arrow_schema::{DataType as Arrow, Field, Fields, IntervalUnit, TimeUnit};
use std::sync::Arc;

/// The unit in which a timestamp of this precision is kept.
pub fn time_unit(precision: u8) -> TimeUnit {
    match precision {
        0..=3 => TimeUnit::Millisecond,
        4..=6 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}

/// How many units of a timestamp of this precision make a millisecond.
pub fn units_per_ms(precision: u8) -> i64 {
    match precision {
        0..=3 => 1,
        4..=6 => 1_000,
        _ => 1_000_000,
    }
}

/// How many nanoseconds make a millisecond.
pub const NANOS_PER_MS: i128 = 1_000_000;

/// Whether timestamps of this precision are nanoseconds in 128 bits.
pub fn is_wide(precision: u8) -> bool {
    precision > 6
}

fn timestamp_type(precision: u8, zone: Option<Arc<str>>) -> Arrow {
    match is_wide(precision) {
        true => Arrow::Decimal128(DECIMAL_PRECISION_MAX, 0),
        false => Arrow::Timestamp(time_unit(precision), zone),
    }
}

/// The Arrow type of a column of this type. TIMESTAMP_LTZ carries the zone name `UTC`.
pub fn arrow_type(data_type: &DataType) -> Arrow {
    match &data_type.kind {
        TypeKind::Null => Arrow::Null,
        TypeKind::Char(_) | TypeKind::Varchar(_) | TypeKind::Variant => Arrow::Utf8View,
        TypeKind::Binary(_) | TypeKind::Varbinary(_) | TypeKind::Bitmap => Arrow::BinaryView,
        TypeKind::Boolean => Arrow::Boolean,
        TypeKind::TinyInt => Arrow::Int8,
        TypeKind::SmallInt => Arrow::Int16,
        TypeKind::Int => Arrow::Int32,
        TypeKind::BigInt => Arrow::Int64,
        TypeKind::Float => Arrow::Float32,
        TypeKind::Double => Arrow::Float64,
        TypeKind::Decimal { precision, scale } => Arrow::Decimal128(*precision, *scale as i8),
        TypeKind::Date => Arrow::Date32,
        TypeKind::Time(_) => Arrow::Time32(TimeUnit::Millisecond),
        TypeKind::Timestamp(p) => timestamp_type(*p, None),
        TypeKind::TimestampLtz(p) => timestamp_type(*p, Some("UTC".into())),
        TypeKind::IntervalMonth => Arrow::Interval(IntervalUnit::YearMonth),
        TypeKind::IntervalDay => Arrow::Duration(TimeUnit::Millisecond),
        TypeKind::Array(element) => Arrow::List(element_field(element)),
        TypeKind::Map(key, value) => Arrow::Map(entries_field(key, value), false),
        TypeKind::Multiset(element) => Arrow::Map(entries_field(element, &TypeKind::Int.not_null()), false),
        TypeKind::Row(fields) => Arrow::Struct(
            fields
                .iter()
                .map(|field| Field::new(field.name.clone(), arrow_type(&field.data_type), true))
                .collect(),
        ),
    }
}

/// The field of a list's elements; always nullable, so that casts between nullabilities are free.
pub fn element_field(element: &DataType) -> Arc<Field> {
    Arc::new(Field::new("element", arrow_type(element), true))
}

/// The field of a map's entries; see [`crate::map`] for the row around the key.
pub(crate) fn entries_field(key: &DataType, value: &DataType) -> Arc<Field> {
    let fields = Fields::from(vec![
        Field::new("key", Arrow::Struct(vec![Field::new("key", arrow_type(key), true)].into()), false),
        Field::new("value", arrow_type(value), true),
    ]);
    Arc::new(Field::new("entries", Arrow::Struct(fields), false))
}
