//! The metadata columns of the envelopes: from which field each comes and what is made of it.

use crate::parse::{Strictness, Suffix, integer, timestamp};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, StringViewArray, TimestampMicrosecondArray, TimestampMillisecondArray};
use std::sync::Arc;
use tidemill_types::arrow_type::time_unit;
use tidemill_types::map::map_keys;
use tidemill_types::{DataType, Error, Result, TypeKind};

/// Keys with their types, as a format offers them.
pub(super) type Offered = &'static [crate::MetadataKey];

fn instant() -> DataType {
    TypeKind::TimestampLtz(3).nullable()
}

fn fine_instant() -> DataType {
    TypeKind::TimestampLtz(6).nullable()
}

fn text_map() -> DataType {
    TypeKind::Map(Box::new(DataType::string()), Box::new(DataType::string())).nullable()
}

fn type_codes() -> DataType {
    TypeKind::Map(Box::new(DataType::string()), Box::new(TypeKind::Int.nullable())).nullable()
}

fn texts() -> DataType {
    TypeKind::Array(Box::new(DataType::string())).nullable()
}

pub(super) const DEBEZIUM: Offered = &[
    ("schema", DataType::string),
    ("ingestion-timestamp", instant),
    ("source.timestamp", instant),
    ("source.database", DataType::string),
    ("source.schema", DataType::string),
    ("source.table", DataType::string),
    ("source.properties", text_map),
];

pub(super) const CANAL: Offered = &[
    ("database", DataType::string),
    ("table", DataType::string),
    ("sql-type", type_codes),
    ("pk-names", texts),
    ("ingestion-timestamp", instant),
    ("event-timestamp", instant),
];

pub(super) const MAXWELL: Offered = &[
    ("database", DataType::string),
    ("table", DataType::string),
    ("primary-key-columns", texts),
    ("ingestion-timestamp", instant),
];

pub(super) const OGG: Offered = &[
    ("table", DataType::string),
    ("primary-keys", texts),
    ("ingestion-timestamp", fine_instant),
    ("event-timestamp", fine_instant),
];

/// What is made of a field of the envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Derived {
    /// The value as it is.
    Value,
    /// A number of units of this many milliseconds, as an instant.
    Epoch(i64),
    /// A wall-clock text read as UTC, as an instant in microseconds.
    Utc,
    /// The text under a key of a map.
    Entry(&'static str),
    /// Milliseconds as text under a key of a map, as an instant.
    EntryEpoch(&'static str),
}

/// A metadata column: the field with its type, and what is made of it.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub field: &'static str,
    /// Whether the field stands beside the payload, not in it, when there is a payload.
    pub at_root: bool,
    pub data_type: DataType,
    pub derived: Derived,
}

/// Where a metadata column of a format comes from, if the type it was declared with fits.
pub(super) fn source(format: &str, offered: Offered, key: &str, declared: &DataType) -> Result<Source> {
    let Some((_, data_type)) = offered.iter().find(|(known, _)| *known == key) else {
        let keys = offered.iter().map(|(known, _)| format!("'{known}'")).collect::<Vec<_>>().join(", ");
        return Err(Error::user_hint(
            format!("the format '{format}' has no metadata column '{key}'"),
            format!("it has {keys}"),
        ));
    };
    let offered_type = data_type();
    if !same_layout(&offered_type.kind, &declared.kind) {
        return Err(Error::user_hint(
            format!("metadata column '{key}' of the format '{format}' is {offered_type}, not {declared}"),
            format!("declare it as {offered_type} and cast where it is used"),
        ));
    }
    Ok(find(format, key, offered_type))
}

fn same_layout(offered: &TypeKind, declared: &TypeKind) -> bool {
    match (offered, declared) {
        (TypeKind::Varchar(_), TypeKind::Varchar(_)) => true,
        (TypeKind::TimestampLtz(a), TypeKind::TimestampLtz(b)) => time_unit(*a) == time_unit(*b),
        (TypeKind::Map(_, a), TypeKind::Map(_, b)) | (TypeKind::Array(a), TypeKind::Array(b)) => {
            same_layout(&a.kind, &b.kind)
        }
        (offered, declared) => offered == declared,
    }
}

fn find(format: &str, key: &str, data_type: DataType) -> Source {
    let bigint = || TypeKind::BigInt.nullable();
    let (field, data_type, derived) = match (format, key) {
        ("debezium-json", "ingestion-timestamp") => ("ts_ms", bigint(), Derived::Epoch(1)),
        ("debezium-json", "source.timestamp") => ("source", text_map(), Derived::EntryEpoch("ts_ms")),
        ("debezium-json", "source.database") => ("source", text_map(), Derived::Entry("db")),
        ("debezium-json", "source.schema") => ("source", text_map(), Derived::Entry("schema")),
        ("debezium-json", "source.table") => ("source", text_map(), Derived::Entry("table")),
        ("debezium-json", "source.properties") => ("source", text_map(), Derived::Value),
        ("canal-json", "sql-type") => ("sqlType", data_type, Derived::Value),
        ("canal-json", "pk-names") => ("pkNames", data_type, Derived::Value),
        ("canal-json", "ingestion-timestamp") => ("ts", bigint(), Derived::Epoch(1)),
        ("canal-json", "event-timestamp") => ("es", bigint(), Derived::Epoch(1)),
        ("maxwell-json", "primary-key-columns") => ("primary_key_columns", data_type, Derived::Value),
        ("maxwell-json", "ingestion-timestamp") => ("ts", bigint(), Derived::Epoch(1_000)),
        ("ogg-json", "primary-keys") => ("primary_keys", data_type, Derived::Value),
        ("ogg-json", "ingestion-timestamp") => ("current_ts", DataType::string(), Derived::Utc),
        ("ogg-json", "event-timestamp") => ("op_ts", DataType::string(), Derived::Utc),
        (_, "schema") => ("schema", data_type, Derived::Value),
        (_, "database") => ("database", data_type, Derived::Value),
        (_, "table") => ("table", data_type, Derived::Value),
        _ => unreachable!("every offered key has a source"),
    };
    Source { field, at_root: field == "schema", data_type, derived }
}

/// The metadata column that the field of all envelopes gives.
pub(super) fn derive(source: &Source, field: &ArrayRef) -> Result<ArrayRef> {
    Ok(match source.derived {
        Derived::Value => field.clone(),
        Derived::Epoch(factor) => {
            let numbers = field.as_primitive::<Int64Type>();
            let millis: TimestampMillisecondArray = numbers.unary(|value| value.wrapping_mul(factor));
            Arc::new(millis.with_timezone("UTC"))
        }
        Derived::Utc => {
            let micros = field.as_string_view().iter().map(|text| {
                let text = text?.as_bytes();
                let separator = if text.get(10) == Some(&b'T') { b'T' } else { b' ' };
                timestamp(text, separator, Suffix::None, Strictness::Clamp)?.in_unit(6)
            });
            Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
        }
        Derived::Entry(key) => Arc::new(entries(field, key).collect::<StringViewArray>()),
        Derived::EntryEpoch(key) => {
            let millis = entries(field, key).map(|text| integer(text?.as_bytes()));
            Arc::new(millis.collect::<TimestampMillisecondArray>().with_timezone("UTC"))
        }
    })
}

/// The text under a key in each map of texts.
fn entries<'a>(maps: &'a ArrayRef, key: &'a str) -> impl Iterator<Item = Option<&'a str>> {
    let maps = maps.as_map();
    let (keys, values) = (map_keys(maps).as_string_view(), maps.values().as_string_view());
    (0..maps.len()).map(move |row| {
        let entries = maps.value_offsets()[row] as usize..maps.value_offsets()[row + 1] as usize;
        let found = entries.into_iter().find(|&entry| keys.value(entry) == key)?;
        (!maps.is_null(row) && !values.is_null(found)).then(|| values.value(found))
    })
}
