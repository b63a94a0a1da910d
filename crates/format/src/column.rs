//! Growing Arrow columns that can be cut back: what every row decoder writes into.
//!
//! Invariant: all columns of a row have the same length between rows; `truncate` undoes any number of
//! values, so a row that turns out bad leaves no trace. Text that needs no change stays in the blob.

mod nulls;
mod scalar;
mod text;

pub(crate) use nulls::Nulls;
pub(crate) use scalar::Values;
pub(crate) use text::TextColumn;

use crate::parse::Instant;
use arrow_array::types::{
    Date32Type, DurationMillisecondType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalYearMonthType, Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType,
};
use arrow_array::{ArrayRef, BooleanArray, Decimal128Array, ListArray, NullArray, StructArray};
use arrow_buffer::{Buffer, OffsetBuffer};
use arrow_schema::{DataType as Arrow, Fields, TimeUnit};
use std::sync::Arc;
use tidemill_types::arrow_type::{arrow_type, element_field, is_wide, time_unit};
use tidemill_types::data_type::DECIMAL_PRECISION_MAX;
use tidemill_types::map::map_array;
use tidemill_types::{DataType, TypeKind};

/// A column of one of Flink's types.
pub(crate) enum Column {
    /// Nothing but NULL.
    Null(usize),
    /// TRUE, FALSE.
    Boolean(Values<bool>),
    /// TINYINT.
    Int8(Values<i8>),
    /// SMALLINT.
    Int16(Values<i16>),
    /// INT, and INTERVAL MONTH if so marked.
    Int32(Values<i32>, Int32Kind),
    /// BIGINT, and INTERVAL SECOND if so marked.
    Int64(Values<i64>, bool),
    /// FLOAT.
    Float32(Values<f32>),
    /// DOUBLE.
    Float64(Values<f64>),
    /// DECIMAL with precision and scale.
    Decimal(Values<i128>, u8, u8),
    /// TIMESTAMP and, if zoned, TIMESTAMP_LTZ, with its precision.
    Timestamp(Values<i64>, u8, bool),
    /// The same of a precision above 6, in nanoseconds.
    WideTimestamp(Values<i128>, bool),
    /// CHAR, VARCHAR.
    Text(TextColumn),
    /// BINARY, VARBINARY.
    Bytes(TextColumn),
    /// ARRAY.
    List(Box<ListColumn>),
    /// MAP, MULTISET.
    Map(Box<MapColumn>),
    /// ROW.
    Row(Box<RowColumn>),
}

/// What a column of 32 bit numbers stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Int32Kind {
    /// INT.
    Number,
    /// DATE.
    Date,
    /// TIME.
    Time,
    /// INTERVAL MONTH.
    Months,
}

/// Lists: where each ends in the elements.
pub(crate) struct ListColumn {
    /// The type of an element.
    pub element: DataType,
    /// Where each list starts, and where the last one ends.
    pub offsets: Vec<i32>,
    /// Which lists are NULL.
    pub nulls: Nulls,
    /// The elements of all lists.
    pub child: Column,
}

/// Maps: where each ends in the entries.
pub(crate) struct MapColumn {
    /// The types of key and value.
    pub types: (DataType, DataType),
    /// Where each map starts, and where the last one ends.
    pub offsets: Vec<i32>,
    /// Which maps are NULL.
    pub nulls: Nulls,
    /// The keys of all maps.
    pub keys: Column,
    /// The values of all maps.
    pub values: Column,
}

/// Rows: their fields side by side.
pub(crate) struct RowColumn {
    /// Names and types of the fields.
    pub fields: Fields,
    /// Which rows are NULL.
    pub nulls: Nulls,
    /// How many rows there are.
    pub len: usize,
    /// The fields with what the JSON decoder learns about their order.
    pub shape: crate::json::Shape,
}

impl Column {
    /// An empty column of this type.
    pub fn new(data_type: &DataType) -> Self {
        match &data_type.kind {
            TypeKind::Null => Column::Null(0),
            TypeKind::Char(_) | TypeKind::Varchar(_) | TypeKind::Variant => {
                Column::Text(TextColumn::default())
            }
            TypeKind::Binary(_) | TypeKind::Varbinary(_) | TypeKind::Bitmap => {
                Column::Bytes(TextColumn::default())
            }
            TypeKind::Boolean => Column::Boolean(Values::default()),
            TypeKind::TinyInt => Column::Int8(Values::default()),
            TypeKind::SmallInt => Column::Int16(Values::default()),
            TypeKind::Int => Column::Int32(Values::default(), Int32Kind::Number),
            TypeKind::Date => Column::Int32(Values::default(), Int32Kind::Date),
            TypeKind::Time(_) => Column::Int32(Values::default(), Int32Kind::Time),
            TypeKind::IntervalMonth => Column::Int32(Values::default(), Int32Kind::Months),
            TypeKind::BigInt => Column::Int64(Values::default(), false),
            TypeKind::IntervalDay => Column::Int64(Values::default(), true),
            TypeKind::Float => Column::Float32(Values::default()),
            TypeKind::Double => Column::Float64(Values::default()),
            TypeKind::Decimal { precision, scale } => Column::Decimal(Values::default(), *precision, *scale),
            TypeKind::Timestamp(precision) => Column::timestamp(*precision, false),
            TypeKind::TimestampLtz(precision) => Column::timestamp(*precision, true),
            TypeKind::Array(element) => Column::list(element),
            TypeKind::Map(key, value) => Column::map(key, value),
            TypeKind::Multiset(element) => Column::map(element, &TypeKind::Int.not_null()),
            TypeKind::Row(fields) => {
                let names = fields.iter().map(|field| field.name.as_str());
                let types = fields.iter().map(|field| &field.data_type);
                Column::row(data_type, crate::json::Shape::new(names.zip(types)))
            }
        }
    }

    fn timestamp(precision: u8, zoned: bool) -> Self {
        match is_wide(precision) {
            true => Column::WideTimestamp(Values::default(), zoned),
            false => Column::Timestamp(Values::default(), precision, zoned),
        }
    }

    /// Appends a timestamp and says whether the column can hold it.
    pub fn push_instant(&mut self, instant: Instant) -> bool {
        match self {
            Column::Timestamp(values, precision, _) => {
                let value = instant.in_unit(*precision);
                value.map(|value| values.push(value)).is_some()
            }
            Column::WideTimestamp(values, ..) => {
                values.push(instant.in_nanos());
                true
            }
            _ => false,
        }
    }

    fn list(element: &DataType) -> Self {
        Column::List(Box::new(ListColumn {
            element: element.clone(),
            offsets: vec![0],
            nulls: Nulls::default(),
            child: Column::new(element),
        }))
    }

    fn map(key: &DataType, value: &DataType) -> Self {
        Column::Map(Box::new(MapColumn {
            types: (key.clone(), value.clone()),
            offsets: vec![0],
            nulls: Nulls::default(),
            keys: Column::new(key),
            values: Column::new(value),
        }))
    }

    fn row(data_type: &DataType, shape: crate::json::Shape) -> Self {
        let Arrow::Struct(fields) = arrow_type(data_type) else {
            unreachable!("a ROW lies in a struct column");
        };
        Column::Row(Box::new(RowColumn { fields, nulls: Nulls::default(), len: 0, shape }))
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        match self {
            Column::Null(len) => *len,
            Column::Boolean(values) => values.len(),
            Column::Int8(values) => values.len(),
            Column::Int16(values) => values.len(),
            Column::Int32(values, _) => values.len(),
            Column::Int64(values, _) => values.len(),
            Column::Float32(values) => values.len(),
            Column::Float64(values) => values.len(),
            Column::Decimal(values, ..) => values.len(),
            Column::Timestamp(values, ..) => values.len(),
            Column::WideTimestamp(values, ..) => values.len(),
            Column::Text(column) | Column::Bytes(column) => column.len(),
            Column::List(list) => list.offsets.len() - 1,
            Column::Map(map) => map.offsets.len() - 1,
            Column::Row(row) => row.len,
        }
    }

    /// Appends a NULL.
    pub fn push_null(&mut self) {
        match self {
            Column::Null(len) => *len += 1,
            Column::Boolean(values) => values.push_null(),
            Column::Int8(values) => values.push_null(),
            Column::Int16(values) => values.push_null(),
            Column::Int32(values, _) => values.push_null(),
            Column::Int64(values, _) => values.push_null(),
            Column::Float32(values) => values.push_null(),
            Column::Float64(values) => values.push_null(),
            Column::Decimal(values, ..) => values.push_null(),
            Column::Timestamp(values, ..) => values.push_null(),
            Column::WideTimestamp(values, ..) => values.push_null(),
            Column::Text(column) | Column::Bytes(column) => column.push_null(),
            Column::List(list) => {
                list.nulls.push_null(list.offsets.len() - 1);
                list.offsets.push(list.child.len() as i32);
            }
            Column::Map(map) => {
                map.nulls.push_null(map.offsets.len() - 1);
                map.offsets.push(map.keys.len() as i32);
            }
            Column::Row(row) => Column::push_null_row(row),
        }
    }

    /// Appends a NULL to rows.
    pub fn push_null_row(row: &mut RowColumn) {
        row.nulls.push_null(row.len);
        row.shape.push_nulls();
        row.len += 1;
    }

    /// Takes back all values from `len` on.
    pub fn truncate(&mut self, len: usize) {
        match self {
            Column::Null(count) => *count = len.min(*count),
            Column::Boolean(values) => values.truncate(len),
            Column::Int8(values) => values.truncate(len),
            Column::Int16(values) => values.truncate(len),
            Column::Int32(values, _) => values.truncate(len),
            Column::Int64(values, _) => values.truncate(len),
            Column::Float32(values) => values.truncate(len),
            Column::Float64(values) => values.truncate(len),
            Column::Decimal(values, ..) => values.truncate(len),
            Column::Timestamp(values, ..) => values.truncate(len),
            Column::WideTimestamp(values, ..) => values.truncate(len),
            Column::Text(column) | Column::Bytes(column) => column.truncate(len),
            Column::List(list) => {
                list.offsets.truncate(len + 1);
                list.nulls.truncate(len);
                list.child.truncate(last(&list.offsets));
            }
            Column::Map(map) => {
                map.offsets.truncate(len + 1);
                map.nulls.truncate(len);
                map.keys.truncate(last(&map.offsets));
                map.values.truncate(last(&map.offsets));
            }
            Column::Row(row) => {
                row.len = row.len.min(len);
                row.nulls.truncate(len);
                row.shape.truncate(len);
            }
        }
    }

    /// The values as an Arrow array; the column is empty afterwards. Text may lie in `blob`.
    pub fn finish(&mut self, blob: &Buffer) -> ArrayRef {
        match self {
            Column::Null(len) => Arc::new(NullArray::new(std::mem::take(len))),
            Column::Boolean(values) => {
                let (values, nulls) = values.take();
                Arc::new(BooleanArray::new(values.into(), nulls))
            }
            Column::Int8(values) => values.finish::<Int8Type>(),
            Column::Int16(values) => values.finish::<Int16Type>(),
            Column::Int32(values, Int32Kind::Number) => values.finish::<Int32Type>(),
            Column::Int32(values, Int32Kind::Date) => values.finish::<Date32Type>(),
            Column::Int32(values, Int32Kind::Time) => values.finish::<Time32MillisecondType>(),
            Column::Int32(values, Int32Kind::Months) => values.finish::<IntervalYearMonthType>(),
            Column::Int64(values, false) => values.finish::<Int64Type>(),
            Column::Int64(values, true) => values.finish::<DurationMillisecondType>(),
            Column::Float32(values) => values.finish::<Float32Type>(),
            Column::Float64(values) => values.finish::<Float64Type>(),
            Column::Decimal(values, precision, scale) => decimals(values, *precision, *scale),
            Column::WideTimestamp(values, ..) => decimals(values, DECIMAL_PRECISION_MAX, 0),
            Column::Timestamp(values, precision, zoned) => timestamps(values, *precision, *zoned),
            Column::Text(column) => column.finish_text(blob),
            Column::Bytes(column) => column.finish_bytes(blob),
            Column::List(list) => {
                let offsets = OffsetBuffer::new(std::mem::replace(&mut list.offsets, vec![0]).into());
                let nulls = list.nulls.take(offsets.len() - 1);
                let child = list.child.finish(blob);
                Arc::new(ListArray::new(element_field(&list.element), offsets, child, nulls))
            }
            Column::Map(map) => finish_map(map, blob),
            Column::Row(row) => {
                let len = std::mem::take(&mut row.len);
                let nulls = row.nulls.take(len);
                let children = row.shape.finish(blob);
                Arc::new(
                    StructArray::try_new_with_length(row.fields.clone(), children, nulls, len)
                        .expect("fields of a row are equally long"),
                )
            }
        }
    }
}

fn last(offsets: &[i32]) -> usize {
    *offsets.last().expect("offsets start with 0") as usize
}

fn decimals(values: &mut Values<i128>, precision: u8, scale: u8) -> ArrayRef {
    let (values, nulls) = values.take();
    let array = Decimal128Array::new(values.into(), nulls);
    Arc::new(array.with_data_type(Arrow::Decimal128(precision, scale as i8)))
}

fn timestamps(values: &mut Values<i64>, precision: u8, zoned: bool) -> ArrayRef {
    let (values, nulls) = values.take();
    macro_rules! array {
        ($kind:ty) => {
            Arc::new(
                arrow_array::PrimitiveArray::<$kind>::new(values.into(), nulls)
                    .with_timezone_opt(zoned.then_some("UTC")),
            )
        };
    }
    match time_unit(precision) {
        TimeUnit::Second | TimeUnit::Millisecond => array!(TimestampMillisecondType),
        _ => array!(TimestampMicrosecondType),
    }
}

fn finish_map(map: &mut MapColumn, blob: &Buffer) -> ArrayRef {
    let offsets = OffsetBuffer::new(std::mem::replace(&mut map.offsets, vec![0]).into());
    let nulls = map.nulls.take(offsets.len() - 1);
    let entries = (map.keys.finish(blob), map.values.finish(blob));
    Arc::new(map_array((&map.types.0, &map.types.1), offsets, entries, nulls))
}
