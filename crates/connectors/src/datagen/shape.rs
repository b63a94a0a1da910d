//! From the options of a column to how its values are made.

use super::field::{Field, Length, Shape};
use std::collections::BTreeSet;
use tidemill_types::data_type::LENGTH_MAX;
use tidemill_types::options::parse_duration;
use tidemill_types::{DataType, Error, Options, Result, TypeKind};

/// How long texts and bytes are by default.
const TEXT_LENGTH: u32 = 100;
/// How many elements collections have by default.
const COLLECTION_LENGTH: u32 = 3;
/// How long a value may be made, so that a typo does not take all memory.
const LENGTH_LIMIT: u32 = 1 << 20;
/// Flink's largest random span of months.
const MONTHS_MAX: i64 = 120_000;
/// The largest random span of milliseconds: 10,000 years.
const MILLIS_MAX: i64 = 10_000 * 365 * 86_400_000;

/// The options given, with a note of those that were asked for.
pub(super) struct Given<'a> {
    options: &'a Options,
    asked: BTreeSet<String>,
}

impl<'a> Given<'a> {
    pub(super) fn new(options: &'a Options) -> Self {
        Given { options, asked: BTreeSet::new() }
    }

    fn text(&mut self, name: &str, option: &str) -> Option<&'a str> {
        let key = format!("fields.{name}.{option}");
        let found = self.options.get(&key);
        self.asked.insert(key);
        found
    }

    fn parsed<T: std::str::FromStr>(&mut self, name: &str, option: &str, wanted: &str) -> Result<Option<T>> {
        let Some(text) = self.text(name, option) else { return Ok(None) };
        text.trim().parse().map(Some).map_err(|_| bad(name, option, text, wanted))
    }

    fn integer(&mut self, name: &str, option: &str) -> Result<Option<i64>> {
        self.parsed(name, option, "a whole number")
    }

    /// An option under `fields.` that no column asked for.
    pub(super) fn unused(&self) -> Option<&'a str> {
        let mut keys = self.options.0.keys();
        keys.find(|key| key.starts_with("fields.") && !self.asked.contains(*key)).map(String::as_str)
    }

    /// Every option that a column asked for.
    pub(super) fn offered(&self) -> impl Iterator<Item = &str> {
        self.asked.iter().map(String::as_str)
    }
}

fn bad(name: &str, option: &str, text: &str, wanted: &str) -> Error {
    Error::user(format!("option 'fields.{name}.{option}' is '{text}', but must be {wanted}"))
}

/// How the values of a column (or of a part of one) are made.
pub(super) fn shape_of(given: &mut Given<'_>, name: &str, data_type: &DataType, top: bool) -> Result<Field> {
    let sequence = top && given.text(name, "kind").is_some_and(|kind| kind.eq_ignore_ascii_case("sequence"));
    let (null_rate, shape) = match sequence {
        true => (0.0, sequence_shape(given, name, data_type)?),
        false => (null_rate(given, name)?, random_shape(given, name, data_type)?),
    };
    Ok(Field { data_type: data_type.clone(), null_rate, shape })
}

fn null_rate(given: &mut Given<'_>, name: &str) -> Result<f64> {
    let rate = given.parsed(name, "null-rate", "a number from 0 to 1")?.unwrap_or(0.0);
    match (0.0..=1.0).contains(&rate) {
        true => Ok(rate),
        false => Err(bad(name, "null-rate", &rate.to_string(), "a number from 0 to 1")),
    }
}

fn sequence_shape(given: &mut Given<'_>, name: &str, data_type: &DataType) -> Result<Shape> {
    if !data_type.kind.is_numeric() && !data_type.kind.is_text() {
        return Err(Error::user_hint(
            format!("the column '{name}' is {data_type}, of which there are no sequences"),
            "sequences are made of numbers and text",
        ));
    }
    let mut bound = |option| {
        given.integer(name, option)?.ok_or_else(|| {
            Error::user_hint(
                format!("the sequence '{name}' needs the option 'fields.{name}.{option}'"),
                "a sequence has a 'start' and an 'end', both included",
            )
        })
    };
    let (start, end) = (bound("start")?, bound("end")?);
    if start > end {
        return Err(Error::user(format!("the sequence '{name}' starts at {start} behind its end {end}")));
    }
    Ok(Shape::Sequence { start, end })
}

fn random_shape(given: &mut Given<'_>, name: &str, data_type: &DataType) -> Result<Shape> {
    Ok(match &data_type.kind {
        TypeKind::Boolean => Shape::Boolean,
        TypeKind::TinyInt => integers(given, name, i8::MIN.into(), i8::MAX.into())?,
        TypeKind::SmallInt => integers(given, name, i16::MIN.into(), i16::MAX.into())?,
        TypeKind::Int => integers(given, name, i32::MIN.into(), i32::MAX.into())?,
        TypeKind::BigInt => integers(given, name, i64::MIN, i64::MAX)?,
        TypeKind::IntervalMonth => integers(given, name, 0, MONTHS_MAX)?,
        TypeKind::IntervalDay => integers(given, name, 0, MILLIS_MAX)?,
        TypeKind::Float => reals(given, name, 0.0, f32::MAX.into())?,
        TypeKind::Double => reals(given, name, 0.0, f64::MAX)?,
        TypeKind::Decimal { precision, scale } => {
            let bound = 10f64.powi(i32::from(*precision) - i32::from(*scale));
            reals(given, name, -bound, bound)?
        }
        TypeKind::Date => Shape::Today,
        TypeKind::Time(_) => Shape::TimeOfDay,
        TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_) => {
            Shape::Now { max_past_ms: max_past(given, name)? }
        }
        TypeKind::Char(n) | TypeKind::Binary(n) => Shape::Text(Length { max: *n, varies: false }),
        TypeKind::Varchar(n) | TypeKind::Varbinary(n) => text(given, name, *n)?,
        TypeKind::Array(element) => {
            let length = length(given, name, COLLECTION_LENGTH)?;
            Shape::Array(Box::new(part(given, name, "element", element)?), length)
        }
        TypeKind::Map(key, value) => {
            let length = length(given, name, COLLECTION_LENGTH)?;
            let key = Field { null_rate: 0.0, ..part(given, name, "key", key)? };
            Shape::Map(Box::new(key), Box::new(part(given, name, "value", value)?), length)
        }
        TypeKind::Multiset(element) => {
            let length = length(given, name, COLLECTION_LENGTH)?;
            let counts = Shape::Integer { min: 1, max: 100 };
            let counts = Field { data_type: TypeKind::Int.not_null(), null_rate: 0.0, shape: counts };
            let element = Field { null_rate: 0.0, ..part(given, name, "element", element)? };
            Shape::Map(Box::new(element), Box::new(counts), length)
        }
        TypeKind::Row(fields) => {
            let fields = fields.iter().map(|field| part(given, name, &field.name, &field.data_type));
            Shape::Row(fields.collect::<Result<Vec<_>>>()?)
        }
        TypeKind::Null | TypeKind::Variant | TypeKind::Bitmap => {
            return Err(Error::user(format!("the column '{name}' is {data_type}, which can't be made up")));
        }
    })
}

fn part(given: &mut Given<'_>, name: &str, part: &str, data_type: &DataType) -> Result<Field> {
    shape_of(given, &format!("{name}.{part}"), data_type, false)
}

fn integers(given: &mut Given<'_>, name: &str, least: i64, most: i64) -> Result<Shape> {
    let min = given.integer(name, "min")?.unwrap_or(least);
    let max = given.integer(name, "max")?.unwrap_or(most);
    if min < least || max > most {
        let message = format!("'min' and 'max' of the column '{name}' must lie between {least} and {most}");
        return Err(Error::user(message));
    }
    match min <= max {
        true => Ok(Shape::Integer { min, max }),
        false => Err(crossed(name)),
    }
}

fn reals(given: &mut Given<'_>, name: &str, least: f64, most: f64) -> Result<Shape> {
    let min: f64 = given.parsed(name, "min", "a number")?.unwrap_or(least);
    let max: f64 = given.parsed(name, "max", "a number")?.unwrap_or(most);
    match min <= max {
        true => Ok(Shape::Real { min, max }),
        false => Err(crossed(name)),
    }
}

fn crossed(name: &str) -> Error {
    Error::user(format!("the column '{name}' has a 'min' above its 'max'"))
}

fn max_past(given: &mut Given<'_>, name: &str) -> Result<i64> {
    let Some(text) = given.text(name, "max-past") else { return Ok(0) };
    let duration =
        parse_duration(text).ok_or_else(|| bad(name, "max-past", text, "a duration such as '10s'"))?;
    Ok(duration.as_millis() as i64)
}

fn length(given: &mut Given<'_>, name: &str, default: u32) -> Result<u32> {
    let length = given.parsed(name, "length", "a whole number")?.unwrap_or(default);
    match length <= LENGTH_LIMIT {
        true => Ok(length),
        false => Err(bad(name, "length", &length.to_string(), &format!("at most {LENGTH_LIMIT}"))),
    }
}

fn text(given: &mut Given<'_>, name: &str, declared: u32) -> Result<Shape> {
    let default = if declared == LENGTH_MAX { TEXT_LENGTH } else { declared.min(LENGTH_LIMIT) };
    let max = length(given, name, default)?;
    if max > declared {
        let message =
            format!("texts of length {max} do not fit into the column '{name}' of length {declared}");
        return Err(Error::user_hint(message, format!("lower the option 'fields.{name}.length'")));
    }
    let varies = given.parsed(name, "var-len", "true or false")?.unwrap_or(false);
    Ok(Shape::Text(Length { max, varies }))
}
