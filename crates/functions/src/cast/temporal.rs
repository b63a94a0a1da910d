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
    Date32Type, Decimal128Type, Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType,
};
use chrono_tz::Tz;
use tidemill_types::TypeKind;
use tidemill_types::arrow_type::{NANOS_PER_MS, units_per_ms};
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
    let parse = move |text: &str| {
        let (local_ms, nanos) = parse_timestamp(text)?;
        Some((zone.map_or(local_ms, |zone| zone::from_local_ms(zone, local_ms)), nanos))
    };
    let (units, step) = (units_per_ms(precision), fraction_step(precision));
    let narrow = move |text: &str| {
        let (ms, nanos) = parse(text)?;
        let fraction = i64::from(nanos) * units / 1_000_000;
        Some(cut(ms.checked_mul(units)?.checked_add(fraction)?, step))
    };
    match precision {
        0..=3 => text::parsed::<Num<TimestampMillisecondType>>(to, narrow),
        4..=6 => text::parsed::<Num<TimestampMicrosecondType>>(to, narrow),
        _ => text::parsed::<Num<Decimal128Type>>(to, move |text| {
            let (ms, nanos) = parse(text)?;
            Some(wide_cut(wide(ms) + i128::from(nanos), precision))
        }),
    }
}

/// Milliseconds as a timestamp of more than six digits.
fn wide(ms: i64) -> i128 {
    i128::from(ms) * NANOS_PER_MS
}

/// The whole milliseconds of a timestamp of more than six digits.
fn wide_ms(nanos: i128) -> i64 {
    nanos.div_euclid(NANOS_PER_MS) as i64
}

/// Drops what is finer than a precision.
fn wide_cut(nanos: i128, precision: u8) -> i128 {
    nanos - nanos % 10i128.pow(9 - u32::from(precision))
}

/// How many of its stored units the last digit of a precision of at most six counts.
fn fraction_step(precision: u8) -> i64 {
    let stored = match precision {
        0..=3 => 3,
        4..=6 => 6,
        _ => u32::from(precision),
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
    from_ms::<Date32Type>(to, precision, zone, |day| i64::from(day) * DAY_MS)
}

fn from_time(to: &TypeKind, precision: u8, zone: Option<Tz>) -> CastFn {
    from_ms::<Time32MillisecondType>(to, precision, zone, i64::from)
}

/// To a timestamp from what is milliseconds on the wall clock.
fn from_ms<I: ArrowPrimitiveType>(
    to: &TypeKind,
    precision: u8,
    zone: Option<Tz>,
    local: fn(I::Native) -> i64,
) -> CastFn {
    let units = units_per_ms(precision);
    let ms = move |value: I::Native| {
        let local = local(value);
        zone.map_or(local, |zone| zone::from_local_ms(zone, local))
    };
    match precision {
        0..=3 => number::mapped::<I, TimestampMillisecondType>(to, ms),
        4..=6 => {
            number::mapped::<I, TimestampMicrosecondType>(to, move |value| ms(value).wrapping_mul(units))
        }
        _ => number::mapped::<I, Decimal128Type>(to, move |value| wide(ms(value))),
    }
}

fn local(zone: Option<Tz>, ms: i64) -> i64 {
    zone.map_or(ms, |zone| zone::to_local_ms(zone, ms))
}

fn to_days(precision: u8, zone: Option<Tz>) -> CastFn {
    to_part::<Date32Type>(&TypeKind::Date, precision, zone, |ms| ms.div_euclid(DAY_MS) as i32)
}

fn to_time(to: &TypeKind, precision: u8, zone: Option<Tz>) -> CastFn {
    to_part::<Time32MillisecondType>(to, precision, zone, |ms| ms.rem_euclid(DAY_MS) as i32 / 1_000 * 1_000)
}

/// From a timestamp what milliseconds on the wall clock say.
fn to_part<O: ArrowPrimitiveType>(
    to: &TypeKind,
    precision: u8,
    zone: Option<Tz>,
    part: fn(i64) -> O::Native,
) -> CastFn {
    let units = units_per_ms(precision);
    let narrow = move |value: i64| part(local(zone, value.div_euclid(units)));
    match precision {
        0..=3 => number::mapped::<TimestampMillisecondType, O>(to, narrow),
        4..=6 => number::mapped::<TimestampMicrosecondType, O>(to, narrow),
        _ => number::mapped::<Decimal128Type, O>(to, move |value| part(local(zone, wide_ms(value)))),
    }
}

/// Between timestamps; `ms` maps the milliseconds and leaves the finer digits alone.
fn timestamps(to: &TypeKind, p: u8, q: u8, ms: impl Fn(i64) -> i64 + Copy + Send + Sync + 'static) -> CastFn {
    let (from_units, to_units, step) = (units_per_ms(p), units_per_ms(q), fraction_step(q));
    let moved = move |value: i64| {
        let rest = value.rem_euclid(from_units);
        ms(value.div_euclid(from_units)).wrapping_mul(from_units).wrapping_add(rest)
    };
    let narrow = move |value: i64| match q < p {
        false => moved(value).wrapping_mul(to_units / from_units),
        true => cut(moved(value) / (from_units / to_units), step),
    };
    let widened = move |value: i64| i128::from(moved(value)) * (NANOS_PER_MS / i128::from(from_units));
    let wide_moved = move |value: i128| wide(ms(wide_ms(value))) + value.rem_euclid(NANOS_PER_MS);
    let narrowed =
        move |value: i128| cut((wide_moved(value) / (NANOS_PER_MS / i128::from(to_units))) as i64, step);
    type Ms = TimestampMillisecondType;
    type Us = TimestampMicrosecondType;
    type Wide = Decimal128Type;
    match (p, q) {
        (0..=3, 0..=3) => number::mapped::<Ms, Ms>(to, narrow),
        (0..=3, 4..=6) => number::mapped::<Ms, Us>(to, narrow),
        (0..=3, _) => number::mapped::<Ms, Wide>(to, widened),
        (4..=6, 0..=3) => number::mapped::<Us, Ms>(to, narrow),
        (4..=6, 4..=6) => number::mapped::<Us, Us>(to, narrow),
        (4..=6, _) => number::mapped::<Us, Wide>(to, widened),
        (_, 0..=3) => number::mapped::<Wide, Ms>(to, narrowed),
        (_, 4..=6) => number::mapped::<Wide, Us>(to, narrowed),
        _ => number::mapped::<Wide, Wide>(to, move |value| wide_cut(wide_moved(value), q)),
    }
}
