//! Moments from text and numbers: TO_DATE, TO_TIMESTAMP, TO_TIMESTAMP_LTZ, UNIX_TIMESTAMP.

use super::java_zone::JavaZone;
use super::pattern::{Pattern, Style};
use super::pattern_argument::PatternArgument;
use super::printing::DEFAULT_PATTERN;
use super::times::map_times;
use super::unit::DAY_MS;
use crate::bind::{Binding, Closure, Form, Want, declare};
use crate::lane::{F64, I64, Num, Reader, Text};
use crate::time_text::{parse_date, parse_timestamp};
use arrow_array::types::Decimal128Type;
use std::sync::Arc;
use tidemill_plan::{FunctionRegistry, Kernel};
use tidemill_types::text::days_from_civil;
use tidemill_types::{Error, Result, TypeKind};

/// What Flink makes of a text that `SimpleDateFormat` can't read.
const UNREADABLE: i64 = i64::MIN;

pub(super) fn register(registry: &mut FunctionRegistry) {
    declare(
        registry,
        "TO_DATE",
        [
            Form::made(&[Want::Text], TypeKind::Date, to_date).nullable(),
            Form::made(&[Want::Text, Want::Text], TypeKind::Date, to_date_by_pattern).nullable(),
        ],
    );
    let timestamp = |wants: &[Want]| Form::made(wants, TypeKind::Timestamp(3), to_timestamp).nullable();
    declare(registry, "TO_TIMESTAMP", [timestamp(&[Want::Text]), timestamp(&[Want::Text, Want::Text])]);
    let ltz = |wants: &[Want], make| Form::made(wants, TypeKind::TimestampLtz(3), make).nullable();
    declare(
        registry,
        "TO_TIMESTAMP_LTZ",
        [
            ltz(&[Want::BigInt], ltz_from_integer),
            ltz(&[Want::BigInt, Want::Int], ltz_from_integer),
            ltz(&[Want::Decimal], ltz_from_decimal),
            ltz(&[Want::Decimal, Want::Int], ltz_from_decimal),
            ltz(&[Want::Double], ltz_from_double),
            ltz(&[Want::Double, Want::Int], ltz_from_double),
            ltz(&[Want::Text], ltz_from_text),
            ltz(&[Want::Text, Want::Text], ltz_from_text),
            ltz(&[Want::Text, Want::Text, Want::Text], ltz_from_text),
        ],
    );
    declare(
        registry,
        "UNIX_TIMESTAMP",
        [
            Form::new(&[], TypeKind::BigInt, |args, ctx| {
                map_times(&TypeKind::BigInt, args, ctx, |_| Ok(Some(ctx.now_ms.div_euclid(1_000))))
            })
            .not_null()
            .volatile(),
            Form::made(&[Want::Text], TypeKind::BigInt, unix_timestamp),
            Form::made(&[Want::Text, Want::Text], TypeKind::BigInt, unix_timestamp),
        ],
    );
}

fn to_date(_binding: &Binding<'_>) -> Result<Arc<dyn Kernel>> {
    Ok(Closure::total(&TypeKind::Date, |args, ctx| {
        let texts = Reader::<Text>::new(&args[0]);
        map_times(&TypeKind::Date, args, ctx, |row| Ok(texts.get(row).and_then(parse_date).map(i64::from)))
    }))
}

/// An unreadable text becomes a date far away, as in Flink.
fn to_date_by_pattern(binding: &Binding<'_>) -> Result<Arc<dyn Kernel>> {
    let pattern = PatternArgument::bind(binding, 1, Style::Simple, DEFAULT_PATTERN)?;
    Ok(Closure::kernel(move |args, ctx| {
        let texts = Reader::<Text>::new(&args[0]);
        let mut patterns = pattern.reader(args);
        map_times(&TypeKind::Date, args, ctx, |row| {
            let (Some(text), Some(pattern)) = (texts.get(row), patterns.at(row)?) else { return Ok(None) };
            let ms = pattern.read(text).map_or(UNREADABLE, |read| read.local_ms);
            Ok(Some(i64::from((ms / DAY_MS) as i32)))
        })
    }))
}

fn to_timestamp(binding: &Binding<'_>) -> Result<Arc<dyn Kernel>> {
    let kind = TypeKind::Timestamp(3);
    if binding.args.len() == 1 {
        return Ok(Closure::total(&kind, |args, ctx| {
            let texts = Reader::<Text>::new(&args[0]);
            map_times(&TypeKind::Timestamp(3), args, ctx, |row| {
                Ok(texts.get(row).and_then(usual_timestamp_ms))
            })
        }));
    }
    let pattern = PatternArgument::bind(binding, 1, Style::Formatter, DEFAULT_PATTERN)?;
    Ok(Closure::kernel(move |args, ctx| {
        let texts = Reader::<Text>::new(&args[0]);
        let mut patterns = pattern.reader(args);
        map_times(&TypeKind::Timestamp(3), args, ctx, |row| {
            let (Some(text), Some(pattern)) = (texts.get(row), patterns.at(row)?) else { return Ok(None) };
            Ok(patterned_timestamp_ms(text, pattern))
        })
    }))
}

/// The layout that a CAST reads.
fn usual_timestamp_ms(text: &str) -> Option<i64> {
    parse_timestamp(text).map(|(ms, nanos)| ms + i64::from(nanos / 1_000_000))
}

/// By the pattern, or else as JDBC reads timestamps.
fn patterned_timestamp_ms(text: &str, pattern: &Pattern) -> Option<i64> {
    pattern.read(text).map(|read| read.local_ms).or_else(|| jdbc_timestamp_ms(text.trim()))
}

/// `yyyy-[m]m-[d]d[ h:m:s[.f]]`; fields of time of any size, and days beyond their month, run over.
fn jdbc_timestamp_ms(text: &str) -> Option<i64> {
    let (date, time) = match text.split_once(' ') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let number = |text: &str| -> Option<i64> {
        let digits = !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
        if digits { text.parse().ok() } else { None }
    };
    let parts: Vec<&str> = date.split('-').collect();
    let [year, month, day] = parts[..] else { return None };
    if year.len() != 4 || month.len() > 2 || day.len() > 2 {
        return None;
    }
    let (year, month, day) = (number(year)?, number(month)?, number(day)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let midnight = (days_from_civil(year, month as u32, 1) + day - 1) * DAY_MS;
    let Some(time) = time else { return Some(midnight) };
    let parts: Vec<&str> = time.split(':').collect();
    let [hour, minute, second] = parts[..] else { return None };
    let (second, fraction) = second.split_once('.').unwrap_or((second, "0"));
    let millis = number(&format!("{fraction:0<9}"))? / 1_000_000;
    let seconds = number(hour)? * 3_600 + number(minute)? * 60 + number(second)?;
    Some(midnight + seconds * 1_000 + millis)
}

/// What a number counts by TO_TIMESTAMP_LTZ's precision: milliseconds a unit.
fn unit_ms(binding: &Binding<'_>) -> Result<i64> {
    let precision = if binding.args.len() > 1 { binding.integer(1) } else { Some(3) };
    match precision {
        Some(0) => Ok(1_000),
        Some(3) => Ok(1),
        _ => Err(Error::user_hint(
            "the precision of TO_TIMESTAMP_LTZ must be the literal 0 or 3",
            "0 means seconds, 3 milliseconds",
        )),
    }
}

fn ltz_from_integer(binding: &Binding<'_>) -> Result<Arc<dyn Kernel>> {
    let unit_ms = unit_ms(binding)?;
    Ok(Closure::total(&TypeKind::TimestampLtz(3), move |args, ctx| {
        let values = Reader::<I64>::new(&args[0]);
        map_times(&TypeKind::TimestampLtz(3), args, ctx, |row| {
            Ok(values.get(row).and_then(|value| in_calendar(value.saturating_mul(unit_ms))))
        })
    }))
}

/// The fraction of a DECIMAL is dropped.
fn ltz_from_decimal(binding: &Binding<'_>) -> Result<Arc<dyn Kernel>> {
    let unit_ms = unit_ms(binding)?;
    let scale = binding.args[0].kind.as_decimal().map_or(0, |(_, scale)| u32::from(scale));
    Ok(Closure::total(&TypeKind::TimestampLtz(3), move |args, ctx| {
        let values = Reader::<Num<Decimal128Type>>::new(&args[0]);
        map_times(&TypeKind::TimestampLtz(3), args, ctx, |row| {
            let whole = values.get(row).and_then(|value| i64::try_from(value / 10i128.pow(scale)).ok());
            Ok(whole.and_then(|value| in_calendar(value.saturating_mul(unit_ms))))
        })
    }))
}

/// Moments of the years 0 to 9999; Flink gives NULL for others.
fn in_calendar(ms: i64) -> Option<i64> {
    let days = days_from_civil(0, 1, 1)..days_from_civil(10_000, 1, 1);
    days.contains(&ms.div_euclid(DAY_MS)).then_some(ms)
}

fn ltz_from_double(binding: &Binding<'_>) -> Result<Arc<dyn Kernel>> {
    let unit_ms = unit_ms(binding)? as f64;
    Ok(Closure::total(&TypeKind::TimestampLtz(3), move |args, ctx| {
        let values = Reader::<F64>::new(&args[0]);
        map_times(&TypeKind::TimestampLtz(3), args, ctx, |row| {
            Ok(values.get(row).and_then(|value| in_calendar((value * unit_ms) as i64)))
        })
    }))
}

/// Text is read as UTC unless a zone is given. Without a pattern unreadable text fails the job, as in Flink.
fn ltz_from_text(binding: &Binding<'_>) -> Result<Arc<dyn Kernel>> {
    let patterned = binding.args.len() > 1;
    let zoned = binding.args.len() > 2;
    let fixed_zone = if zoned { binding.text(2).map(JavaZone::named) } else { Some(JavaZone::Fixed(0)) };
    let pattern = PatternArgument::bind(binding, 1, Style::Formatter, DEFAULT_PATTERN)?;
    Ok(Closure::kernel(move |args, ctx| {
        let texts = Reader::<Text>::new(&args[0]);
        let zones = zoned.then(|| Reader::<Text>::new(&args[2]));
        let mut patterns = pattern.reader(args);
        map_times(&TypeKind::TimestampLtz(3), args, ctx, |row| {
            let (Some(text), Some(pattern)) = (texts.get(row), patterns.at(row)?) else { return Ok(None) };
            let named = || zones.as_ref()?.get(row).map(JavaZone::named);
            let Some(zone) = fixed_zone.or_else(named) else { return Ok(None) };
            let local = match patterned {
                true => patterned_timestamp_ms(text, pattern),
                false => Some(usual_timestamp_ms(text).ok_or_else(|| {
                    Error::data(format!("TO_TIMESTAMP_LTZ can't read '{text}' as a timestamp"))
                })?),
            };
            Ok(local.map(|local| zone.utc_from_local_ms(local)))
        })
    }))
}

fn unix_timestamp(binding: &Binding<'_>) -> Result<Arc<dyn Kernel>> {
    let pattern = PatternArgument::bind(binding, 1, Style::Simple, DEFAULT_PATTERN)?;
    let zone = JavaZone::Region(binding.session.zone);
    Ok(Closure::kernel(move |args, ctx| {
        let texts = Reader::<Text>::new(&args[0]);
        let mut patterns = pattern.reader(args);
        map_times(&TypeKind::BigInt, args, ctx, |row| {
            let (Some(text), Some(pattern)) = (texts.get(row), patterns.at(row)?) else { return Ok(None) };
            Ok(Some(match pattern.read(text) {
                None => UNREADABLE,
                Some(read) => match read.offset_ms {
                    Some(offset) => (read.local_ms - offset) / 1_000,
                    None => zone.calendar_utc_ms(read.local_ms) / 1_000,
                },
            }))
        })
    }))
}
