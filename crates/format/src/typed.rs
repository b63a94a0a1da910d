//! Columns of a chunk with their types resolved once, for writers that go row by row.

use crate::json::escape;
use crate::parse::Instant;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, DurationMillisecondType, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, IntervalYearMonthType, Time32MillisecondType,
    TimestampMicrosecondType, TimestampMillisecondType,
};
use arrow_array::{Array, ArrayRef, BinaryViewArray, BooleanArray, StringViewArray};
use arrow_buffer::NullBuffer;
use tidemill_types::arrow_type::units_per_ms;
use tidemill_types::map::map_keys;
use tidemill_types::text::{DAY_MS, NANOS_PER_DAY};
use tidemill_types::{Chunk, DataType, Schema, TypeKind};

/// A column of a chunk with its type resolved.
pub(crate) struct Bound<'a> {
    nulls: Option<&'a NullBuffer>,
    /// What it holds where it is not NULL.
    pub values: Values<'a>,
}

/// The values of a column by type.
pub(crate) enum Values<'a> {
    Null,
    Boolean(&'a BooleanArray),
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    Float32(&'a [f32]),
    Float64(&'a [f64]),
    Decimal(&'a [i128], u8),
    Date(&'a [i32]),
    Time(&'a [i32]),
    Timestamp(Stamps<'a>, u8),
    Instant(Stamps<'a>, u8),
    Months(&'a [i32]),
    Millis(&'a [i64]),
    Text(&'a StringViewArray),
    /// Text that is JSON already.
    Json(&'a StringViewArray),
    Bytes(&'a BinaryViewArray),
    /// BITMAP.
    Set(&'a BinaryViewArray),
    List(&'a [i32], Box<Bound<'a>>),
    Map(&'a [i32], Box<(Bound<'a>, Bound<'a>)>),
    Row(Fields<'a>),
}

impl Values<'_> {
    /// A whole number, whatever its width.
    ///
    /// # Panics
    ///
    /// For other types: plans of formats are compiled for the types of their columns.
    pub(crate) fn whole(&self, row: usize) -> i64 {
        match self {
            Values::Int8(values) => i64::from(values[row]),
            Values::Int16(values) => i64::from(values[row]),
            Values::Int32(values) => i64::from(values[row]),
            Values::Int64(values) => values[row],
            _ => unreachable!("a plan fits the columns it was compiled for"),
        }
    }
}

/// Fields of an object with their names as written before each value.
pub(crate) struct Fields<'a> {
    /// `"name":`
    pub names: Vec<Box<[u8]>>,
    /// The values.
    pub columns: Vec<Bound<'a>>,
}

fn primitive<T: ArrowPrimitiveType>(array: &dyn Array) -> &[T::Native] {
    array.as_primitive::<T>().values()
}

/// The values of a column of timestamps.
pub(crate) enum Stamps<'a> {
    /// In a unit of which so many make a day.
    Narrow(&'a [i64], i64),
    /// In nanoseconds.
    Wide(&'a [i128]),
}

impl<'a> Stamps<'a> {
    fn of(array: &'a dyn Array, precision: u8) -> Self {
        let per_day = units_per_ms(precision) * DAY_MS;
        match precision {
            0..=3 => Stamps::Narrow(primitive::<TimestampMillisecondType>(array), per_day),
            4..=6 => Stamps::Narrow(primitive::<TimestampMicrosecondType>(array), per_day),
            _ => Stamps::Wide(primitive::<Decimal128Type>(array)),
        }
    }

    /// The value of a row.
    #[inline]
    pub fn at(&self, row: usize) -> Instant {
        match self {
            Stamps::Narrow(values, per_day) => Instant {
                days: values[row].div_euclid(*per_day),
                nanos: values[row].rem_euclid(*per_day) * (NANOS_PER_DAY / per_day),
            },
            Stamps::Wide(values) => {
                const PER_DAY: i128 = NANOS_PER_DAY as i128;
                let (days, nanos) = (values[row].div_euclid(PER_DAY), values[row].rem_euclid(PER_DAY));
                Instant { days: days as i64, nanos: nanos as i64 }
            }
        }
    }
}

impl<'a> Bound<'a> {
    /// Resolves a column of this type.
    pub fn new(array: &'a dyn Array, data_type: &'a DataType) -> Self {
        let values = match &data_type.kind {
            TypeKind::Null => Values::Null,
            TypeKind::Boolean => Values::Boolean(array.as_boolean()),
            TypeKind::TinyInt => Values::Int8(primitive::<Int8Type>(array)),
            TypeKind::SmallInt => Values::Int16(primitive::<Int16Type>(array)),
            TypeKind::Int => Values::Int32(primitive::<Int32Type>(array)),
            TypeKind::BigInt => Values::Int64(primitive::<Int64Type>(array)),
            TypeKind::Float => Values::Float32(primitive::<Float32Type>(array)),
            TypeKind::Double => Values::Float64(primitive::<Float64Type>(array)),
            TypeKind::Decimal { scale, .. } => Values::Decimal(primitive::<Decimal128Type>(array), *scale),
            TypeKind::Date => Values::Date(primitive::<Date32Type>(array)),
            TypeKind::Time(_) => Values::Time(primitive::<Time32MillisecondType>(array)),
            TypeKind::Timestamp(precision) => Values::Timestamp(Stamps::of(array, *precision), *precision),
            TypeKind::TimestampLtz(precision) => Values::Instant(Stamps::of(array, *precision), *precision),
            TypeKind::IntervalMonth => Values::Months(primitive::<IntervalYearMonthType>(array)),
            TypeKind::IntervalDay => Values::Millis(primitive::<DurationMillisecondType>(array)),
            TypeKind::Char(_) | TypeKind::Varchar(_) => Values::Text(array.as_string_view()),
            TypeKind::Variant => Values::Json(array.as_string_view()),
            TypeKind::Binary(_) | TypeKind::Varbinary(_) => Values::Bytes(array.as_binary_view()),
            TypeKind::Bitmap => Values::Set(array.as_binary_view()),
            TypeKind::Array(element) => {
                let list = array.as_list::<i32>();
                Values::List(list.value_offsets(), Box::new(Bound::new(list.values(), element)))
            }
            TypeKind::Map(key, value) => Bound::map(array, key, value),
            TypeKind::Multiset(element) => Bound::map(array, element, &COUNT),
            TypeKind::Row(fields) => {
                let names = fields.iter().map(|field| field.name.as_str());
                let types = fields.iter().map(|field| &field.data_type);
                let columns = array.as_struct().columns();
                Values::Row(Fields::new(names.zip(types).zip(columns)))
            }
        };
        Bound { nulls: array.nulls(), values }
    }

    fn map(array: &'a dyn Array, key: &'a DataType, value: &'a DataType) -> Values<'a> {
        let map = array.as_map();
        let entries = (Bound::new(map_keys(map), key), Bound::new(map.values(), value));
        Values::Map(map.value_offsets(), Box::new(entries))
    }

    /// Whether the value of a row is NULL.
    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        match self.nulls {
            Some(nulls) => nulls.is_null(row),
            None => matches!(self.values, Values::Null),
        }
    }
}

impl<'a> Fields<'a> {
    fn new(fields: impl Iterator<Item = ((&'a str, &'a DataType), &'a ArrayRef)>) -> Self {
        let (mut names, mut columns) = (Vec::new(), Vec::new());
        for ((name, data_type), array) in fields {
            let mut literal = vec![b'"'];
            escape(name.as_bytes(), true, &mut literal);
            literal.extend_from_slice(b"\":");
            names.push(literal.into());
            columns.push(Bound::new(array, data_type));
        }
        Fields { names, columns }
    }

    /// The columns of a chunk as fields of an object.
    pub fn of_chunk(schema: &'a Schema, chunk: &'a Chunk) -> Self {
        let fields = schema.fields.iter().map(|field| (field.name.as_str(), &field.data_type));
        Fields::new(fields.zip(&chunk.columns))
    }
}

/// The type of an element's count in a MULTISET.
static COUNT: DataType = DataType { kind: TypeKind::Int, nullable: false };
