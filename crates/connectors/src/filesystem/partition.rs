//! Partition values: from columns to the text of a folder and back.
//!
//! Invariant: reading the folder that a value was written to gives the value. NULL and the empty text share
//! the default partition, as in Flink.

use super::civil::{self, instant_ms};
use crate::columns::fixed;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType,
};
use arrow_array::{Array, ArrayRef, BooleanArray, StringViewArray, new_null_array};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use chrono_tz::Tz;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use tidemill_types::arrow_type::{NANOS_PER_MS, arrow_type, is_wide, units_per_ms};
use tidemill_types::{DataType, Error, Result, Schema, TypeKind, text};

/// Checks that a table has the partition column and that its type can name a folder.
pub(super) fn check(schema: &Schema, column: &str) -> Result<()> {
    let Some(index) = schema.index_of(column) else {
        return Err(Error::user(format!("the partition column '{column}' is not a column of the table")));
    };
    let kind = &schema.fields[index].data_type.kind;
    let named =
        kind.is_text() || kind.is_numeric() || kind.is_datetime() || matches!(kind, TypeKind::Boolean);
    if named {
        return Ok(());
    }
    Err(Error::user_hint(
        format!("the partition column '{column}' is {kind}, which can't name a folder"),
        "partition by text, numbers, BOOLEAN, dates or times",
    ))
}

/// The array of one value that the text of a folder stands for; `None` as text is NULL.
pub(super) fn read_value(value: Option<&str>, data_type: &DataType, zone: Tz) -> Option<ArrayRef> {
    let Some(value) = value else { return Some(new_null_array(&arrow_type(data_type), 1)) };
    let number = value.trim();
    Some(match &data_type.kind {
        TypeKind::Char(_) | TypeKind::Varchar(_) => Arc::new(StringViewArray::from_iter_values([value])),
        TypeKind::Boolean => {
            Arc::new(BooleanArray::from(vec![number.to_ascii_lowercase().parse::<bool>().ok()?]))
        }
        TypeKind::TinyInt => fixed(data_type, vec![number.parse::<i8>().ok()?], None),
        TypeKind::SmallInt => fixed(data_type, vec![number.parse::<i16>().ok()?], None),
        TypeKind::Int => fixed(data_type, vec![number.parse::<i32>().ok()?], None),
        TypeKind::BigInt => fixed(data_type, vec![number.parse::<i64>().ok()?], None),
        TypeKind::Float => fixed(data_type, vec![number.parse::<f32>().ok()?], None),
        TypeKind::Double => fixed(data_type, vec![number.parse::<f64>().ok()?], None),
        TypeKind::Decimal { scale, .. } => fixed(data_type, vec![read_decimal(number, *scale)?], None),
        TypeKind::Date => fixed(data_type, vec![days(civil::parse_date(value)?)], None),
        TypeKind::Time(_) => fixed(data_type, vec![ms_of_day(civil::parse_time(value)?)], None),
        TypeKind::Timestamp(p) => instant(civil::parse_timestamp(value)?.and_utc(), *p, data_type),
        TypeKind::TimestampLtz(p) => instant(read_instant(value, zone)?, *p, data_type),
        _ => return None,
    })
}

fn days(date: NaiveDate) -> i32 {
    (date - NaiveDate::default()).num_days() as i32
}

fn ms_of_day(time: NaiveTime) -> i32 {
    (time - NaiveTime::MIN).num_milliseconds() as i32
}

fn instant(at: DateTime<chrono::Utc>, precision: u8, data_type: &DataType) -> ArrayRef {
    let (ms, nanos) = (at.timestamp_millis(), at.timestamp_subsec_nanos() % 1_000_000);
    if is_wide(precision) {
        return fixed(data_type, vec![i128::from(ms) * NANOS_PER_MS + i128::from(nanos)], None);
    }
    let per_ms = units_per_ms(precision);
    fixed(data_type, vec![ms * per_ms + i64::from(nanos) * per_ms / 1_000_000], None)
}

/// `2024-05-01T10:00:00Z` as Flink writes instants; without the `Z` wall-clock time of the session zone.
fn read_instant(value: &str, zone: Tz) -> Option<DateTime<chrono::Utc>> {
    match value.strip_suffix('Z') {
        Some(utc) => Some(civil::parse_timestamp(utc)?.and_utc()),
        None => DateTime::from_timestamp_millis(instant_ms(civil::parse_timestamp(value)?, zone)),
    }
}

fn read_decimal(value: &str, scale: u8) -> Option<i128> {
    let (negative, digits) = match value.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, value),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let scale = usize::from(scale);
    let shown = format!("{whole}{:0<scale$}", fraction.get(..fraction.len().min(scale))?);
    let unscaled: i128 = shown.parse().ok()?;
    Some(if negative { -unscaled } else { unscaled })
}

/// For each row which of the distinct texts its value has.
pub(super) struct Codes {
    /// The text of each code; `None` for NULL and the empty text.
    pub(super) texts: Vec<Option<String>>,
    /// The code of each row.
    pub(super) codes: Vec<u32>,
}

/// The texts of a partition column. Only distinct values are written out.
pub(super) fn codes(column: &ArrayRef, data_type: &DataType) -> Result<Codes> {
    let codes = match &data_type.kind {
        TypeKind::Char(_) | TypeKind::Varchar(_) => {
            number_values(column.as_string_view().iter(), str::to_string)
        }
        TypeKind::Boolean => number_values(column.as_boolean().iter(), |value| value.to_string()),
        TypeKind::TinyInt => primitive::<Int8Type, _>(column, |value| value.to_string()),
        TypeKind::SmallInt => primitive::<Int16Type, _>(column, |value| value.to_string()),
        TypeKind::Int => primitive::<Int32Type, _>(column, |value| value.to_string()),
        TypeKind::BigInt => primitive::<Int64Type, _>(column, |value| value.to_string()),
        TypeKind::Float => {
            let bits = column.as_primitive::<Float32Type>().iter().map(|value| value.map(f32::to_bits));
            number_values(bits, |bits| format!("{:?}", f32::from_bits(bits)))
        }
        TypeKind::Double => {
            let bits = column.as_primitive::<Float64Type>().iter().map(|value| value.map(f64::to_bits));
            number_values(bits, |bits| format!("{:?}", f64::from_bits(bits)))
        }
        TypeKind::Decimal { scale, .. } => primitive::<Decimal128Type, _>(column, |value| {
            written(|out| text::write_decimal(out, value, *scale))
        }),
        TypeKind::Date => {
            primitive::<Date32Type, _>(column, |value| written(|out| text::write_date(out, value.into())))
        }
        TypeKind::Time(_) => primitive::<Time32MillisecondType, _>(column, |ms| {
            let (seconds, ms) = (ms as u32 / 1_000, ms as u32 % 1_000);
            NaiveTime::from_num_seconds_from_midnight_opt(seconds, ms * 1_000_000)
                .map_or_else(String::new, civil::write_time)
        }),
        TypeKind::Timestamp(p) if is_wide(*p) => wide_timestamps(column, ""),
        TypeKind::TimestampLtz(p) if is_wide(*p) => wide_timestamps(column, "Z"),
        TypeKind::Timestamp(p) => number_values(timestamps(column), |value| write_units(value, *p, "")),
        TypeKind::TimestampLtz(p) => number_values(timestamps(column), |value| write_units(value, *p, "Z")),
        other => return Err(Error::internal(format!("{other} was checked not to be a partition column"))),
    };
    Ok(codes)
}

fn timestamps(column: &ArrayRef) -> impl Iterator<Item = Option<i64>> {
    let data = column.to_data();
    let nulls = data.nulls().cloned();
    let values = arrow_buffer::ScalarBuffer::<i64>::new(data.buffers()[0].clone(), data.offset(), data.len());
    (0..values.len()).map(move |row| nulls.as_ref().is_none_or(|n| n.is_valid(row)).then(|| values[row]))
}

fn wide_timestamps(column: &ArrayRef, suffix: &str) -> Codes {
    const PER_SECOND: i128 = NANOS_PER_MS * 1_000;
    number_values(column.as_primitive::<Decimal128Type>().iter(), |value| {
        write_seconds(value.div_euclid(PER_SECOND) as i64, value.rem_euclid(PER_SECOND) as u32, suffix)
    })
}

fn write_units(value: i64, precision: u8, suffix: &str) -> String {
    let per_second = units_per_ms(precision) * 1_000;
    let nanos = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
    write_seconds(value.div_euclid(per_second), nanos as u32, suffix)
}

fn write_seconds(seconds: i64, nanos: u32, suffix: &str) -> String {
    let at: Option<NaiveDateTime> = DateTime::from_timestamp(seconds, nanos).map(|at| at.naive_utc());
    at.map_or_else(String::new, |at| civil::write_timestamp(at) + suffix)
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn primitive<T, F>(column: &ArrayRef, show: F) -> Codes
where
    T: ArrowPrimitiveType,
    T::Native: Eq + Hash,
    F: Fn(T::Native) -> String,
{
    number_values(column.as_primitive::<T>().iter(), show)
}

/// Numbers distinct values in order of appearance; neighbours are often equal, so the last one is kept.
fn number_values<V: Eq + Hash + Copy>(
    values: impl Iterator<Item = Option<V>>,
    show: impl Fn(V) -> String,
) -> Codes {
    let mut out = Codes { texts: Vec::new(), codes: Vec::with_capacity(values.size_hint().0) };
    let mut known: HashMap<Option<V>, u32> = HashMap::new();
    let mut last: Option<(Option<V>, u32)> = None;
    for value in values {
        let code = match last {
            Some((before, code)) if before == value => code,
            _ => *known.entry(value).or_insert_with(|| {
                out.texts.push(value.map(&show).filter(|text| !text.is_empty()));
                out.texts.len() as u32 - 1
            }),
        };
        last = Some((value, code));
        out.codes.push(code);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_their_folder() {
        let cases: &[(TypeKind, &str)] = &[
            (TypeKind::Varchar(10), "a b/c"),
            (TypeKind::Boolean, "true"),
            (TypeKind::TinyInt, "-7"),
            (TypeKind::Int, "42"),
            (TypeKind::BigInt, "9000000000"),
            (TypeKind::Double, "0.5"),
            (TypeKind::Decimal { precision: 10, scale: 2 }, "-1.50"),
            (TypeKind::Date, "2024-02-29"),
            (TypeKind::Time(0), "10:30:05"),
            (TypeKind::Timestamp(3), "2024-05-01T10:00"),
            (TypeKind::Timestamp(6), "2024-05-01T10:00:07.000120"),
            (TypeKind::TimestampLtz(3), "2024-05-01T10:00:07.120Z"),
            (TypeKind::Timestamp(9), "9999-12-31T23:59:59.999999999"),
            (TypeKind::TimestampLtz(9), "0001-01-01T10:00:07.000000120Z"),
        ];
        for (kind, text) in cases {
            let data_type = kind.clone().nullable();
            let value = read_value(Some(text), &data_type, Tz::UTC).expect(text);
            assert_eq!(value.data_type(), &arrow_type(&data_type));
            let back = codes(&value, &data_type).unwrap();
            assert_eq!(back.texts, [Some(text.to_string())], "{kind}");
        }
        assert!(read_value(Some("x"), &TypeKind::Int.nullable(), Tz::UTC).is_none());
    }

    #[test]
    fn null_and_empty_share_a_folder() {
        let column: ArrayRef = Arc::new(StringViewArray::from(vec![Some("a"), None, Some(""), Some("a")]));
        let codes = codes(&column, &DataType::string()).unwrap();
        assert_eq!(codes.texts, [Some("a".to_string()), None, None]);
        assert_eq!(codes.codes, [0, 1, 2, 0]);
        assert!(read_value(None, &DataType::string(), Tz::UTC).unwrap().is_null(0));
    }
}
