//! Casts between dates and times, and from text.
//!
//! Instants become wall-clock times in the session zone and back. A smaller precision cuts digits off,
//! toward zero also before 1970, as Flink does.

use super::{CastFn, identity, number, text};
use crate::lane::Num;
use crate::time_text::{parse_date, parse_time, parse_timestamp};
use crate::zone;
use arrow_array::ArrowPrimitiveType;
use arrow_array::types::{
    Date32Type, Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType,
};
use chrono_tz::Tz;
use tidemill_types::TypeKind;
use tidemill_types::arrow_type::units_per_ms;
use tidemill_types::text::DAY_MS;

/// Text to a date or time.
pub fn from_text(to: &TypeKind, zone: Tz) -> CastFn {
    match to {
        TypeKind::Date => text::parsed::<Num<Date32Type>>(to, parse_date),
        TypeKind::Time(_) => text::parsed::<Num<Time32MillisecondType>>(to, |text| {
            parse_time(text).map(|ms| ms / 1_000 * 1_000)
        }),
        TypeKind::Timestamp(p) => timestamp_from_text(to, *p, None),
        TypeKind::TimestampLtz(p) => timestamp_from_text(to, *p, Some(zone)),
        _ => unreachable!("cast to a date or time"),
    }
}

fn timestamp_from_text(to: &TypeKind, precision: u8, zone: Option<Tz>) -> CastFn {
    let units = units_per_ms(precision);
    let step = fraction_step(precision);
    let parse = move |text: &str| {
        let (local_ms, nanos) = parse_timestamp(text)?;
        let ms = zone.map_or(local_ms, |zone| zone::from_local_ms(zone, local_ms));
        let fraction = i64::from(nanos) * units / 1_000_000;
        Some(cut(ms.checked_mul(units)?.checked_add(fraction)?, step))
    };
    match units {
        1 => text::parsed::<Num<TimestampMillisecondType>>(to, parse),
        1_000 => text::parsed::<Num<TimestampMicrosecondType>>(to, parse),
        _ => text::parsed::<Num<TimestampNanosecondType>>(to, parse),
    }
}

/// How many of its stored units the last digit of a precision counts.
fn fraction_step(precision: u8) -> i64 {
    let stored = match precision {
        0..=3 => 3,
        4..=6 => 6,
        _ => 9,
    };
    10i64.pow(stored - u32::from(precision))
}

/// Drops what is finer than a step.
fn cut(value: i64, step: i64) -> i64 {
    value - value % step
}

/// A date or time to another kind, if there is such a cast.
pub fn between(from: &TypeKind, to: &TypeKind, zone: Tz) -> Option<CastFn> {
    use TypeKind::*;
    Some(match (from, to) {
        (Time(_), Time(_)) => identity(),
        (Date, Timestamp(p)) => from_days(to, *p, None),
        (Date, TimestampLtz(p)) => from_days(to, *p, Some(zone)),
        (Timestamp(p), Date) => to_days(*p, None),
        (TimestampLtz(p), Date) => to_days(*p, Some(zone)),
        (Timestamp(p), Time(_)) => to_time(to, *p, None),
        (TimestampLtz(p), Time(_)) => to_time(to, *p, Some(zone)),
        (Time(_), Timestamp(p)) => from_time(to, *p, None),
        (Time(_), TimestampLtz(p)) => from_time(to, *p, Some(zone)),
        (Timestamp(p), Timestamp(q)) | (TimestampLtz(p), TimestampLtz(q)) => timestamps(to, *p, *q, |ms| ms),
        (Timestamp(p), TimestampLtz(q)) => timestamps(to, *p, *q, move |ms| zone::from_local_ms(zone, ms)),
        (TimestampLtz(p), Timestamp(q)) => timestamps(to, *p, *q, move |ms| zone::to_local_ms(zone, ms)),
        _ => return None,
    })
}

fn from_days(to: &TypeKind, precision: u8, zone: Option<Tz>) -> CastFn {
    let units = units_per_ms(precision);
    let at = move |day: i32| {
        let local = i64::from(day) * DAY_MS;
        zone.map_or(local, |zone| zone::from_local_ms(zone, local)).wrapping_mul(units)
    };
    match units {
        1 => number::mapped::<Date32Type, TimestampMillisecondType>(to, at),
        1_000 => number::mapped::<Date32Type, TimestampMicrosecondType>(to, at),
        _ => number::mapped::<Date32Type, TimestampNanosecondType>(to, at),
    }
}

fn from_time(to: &TypeKind, precision: u8, zone: Option<Tz>) -> CastFn {
    type Time = Time32MillisecondType;
    let units = units_per_ms(precision);
    let at = move |time: i32| {
        let local = i64::from(time);
        zone.map_or(local, |zone| zone::from_local_ms(zone, local)).wrapping_mul(units)
    };
    match units {
        1 => number::mapped::<Time, TimestampMillisecondType>(to, at),
        1_000 => number::mapped::<Time, TimestampMicrosecondType>(to, at),
        _ => number::mapped::<Time, TimestampNanosecondType>(to, at),
    }
}

fn local(zone: Option<Tz>, ms: i64) -> i64 {
    zone.map_or(ms, |zone| zone::to_local_ms(zone, ms))
}

fn to_days(precision: u8, zone: Option<Tz>) -> CastFn {
    let day =
        move |value: i64| local(zone, value.div_euclid(units_per_ms(precision))).div_euclid(DAY_MS) as i32;
    from_timestamp::<Date32Type>(&TypeKind::Date, precision, day)
}

fn to_time(to: &TypeKind, precision: u8, zone: Option<Tz>) -> CastFn {
    let time =
        move |value: i64| local(zone, value.div_euclid(units_per_ms(precision))).rem_euclid(DAY_MS) as i32;
    from_timestamp::<Time32MillisecondType>(to, precision, move |value| time(value) / 1_000 * 1_000)
}

fn from_timestamp<O: ArrowPrimitiveType>(
    to: &TypeKind,
    precision: u8,
    f: impl Fn(i64) -> O::Native + Send + Sync + 'static,
) -> CastFn {
    match precision {
        0..=3 => number::mapped::<TimestampMillisecondType, O>(to, f),
        4..=6 => number::mapped::<TimestampMicrosecondType, O>(to, f),
        _ => number::mapped::<TimestampNanosecondType, O>(to, f),
    }
}

/// Between timestamps; `ms` maps the milliseconds and leaves the finer digits alone.
fn timestamps(to: &TypeKind, p: u8, q: u8, ms: impl Fn(i64) -> i64 + Copy + Send + Sync + 'static) -> CastFn {
    let (from_units, to_units) = (units_per_ms(p), units_per_ms(q));
    let step = fraction_step(q);
    let narrower = q < p;
    let f = move |value: i64| {
        let rest = value.rem_euclid(from_units);
        let moved = ms(value.div_euclid(from_units)).wrapping_mul(from_units).wrapping_add(rest);
        if !narrower {
            return moved.wrapping_mul(to_units / from_units);
        }
        cut(moved / (from_units / to_units), step)
    };
    match to_units {
        1 => from_timestamp::<TimestampMillisecondType>(to, p, f),
        1_000 => from_timestamp::<TimestampMicrosecondType>(to, p, f),
        _ => from_timestamp::<TimestampNanosecondType>(to, p, f),
    }
}
