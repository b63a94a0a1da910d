//! Casts between dates and times, and from text.
//!
//! Instants become wall-clock times in the session zone and back. A smaller precision cuts digits off.

use super::{CastFn, identity, number, text};
use crate::lane::Num;
use crate::time_text::{parse_date, parse_time, parse_timestamp};
use arrow_array::ArrowPrimitiveType;
use arrow_array::types::{
    Date32Type, Decimal128Type, Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType,
};
use chrono_tz::Tz;
use tidemill_types::TypeKind;
use tidemill_types::arrow_type::NANOS_PER_MS;
use tidemill_types::text::DAY_MS;
use tidemill_types::zone;

/// Text to a date or time.
pub fn from_text(to: &TypeKind, zone: Tz) -> CastFn {
    match to {
        TypeKind::Date => text::parsed::<Num<Date32Type>>(to, parse_date),
        TypeKind::Time(p) => {
            let step = time_step(*p);
            text::parsed::<Num<Time32MillisecondType>>(to, move |text| {
                parse_time(text).map(|ms| ms / step * step)
            })
        }
        TypeKind::Timestamp(p) => timestamp_from_text(to, *p, None),
        TypeKind::TimestampLtz(p) => timestamp_from_text(to, *p, Some(zone)),
        _ => unreachable!("cast to a date or time"),
    }
}

/// How the timestamps of a precision are kept, as milliseconds and the nanoseconds beyond them.
trait Stored: ArrowPrimitiveType {
    fn split(value: Self::Native) -> (i64, i64);
    fn join(ms: i64, nanos: i64) -> Self::Native;
}

impl Stored for TimestampMillisecondType {
    fn split(value: i64) -> (i64, i64) {
        (value, 0)
    }

    fn join(ms: i64, _nanos: i64) -> i64 {
        ms
    }
}

impl Stored for TimestampMicrosecondType {
    fn split(value: i64) -> (i64, i64) {
        (value.div_euclid(1_000), value.rem_euclid(1_000) * 1_000)
    }

    fn join(ms: i64, nanos: i64) -> i64 {
        ms.wrapping_mul(1_000).wrapping_add(nanos / 1_000)
    }
}

/// Timestamps of more than six digits.
impl Stored for Decimal128Type {
    fn split(value: i128) -> (i64, i64) {
        (value.div_euclid(NANOS_PER_MS) as i64, value.rem_euclid(NANOS_PER_MS) as i64)
    }

    fn join(ms: i64, nanos: i64) -> i128 {
        i128::from(ms) * NANOS_PER_MS + i128::from(nanos)
    }
}

/// Evaluates the body with `$stored` as the layout of a precision.
macro_rules! by_layout {
    ($precision:expr, $stored:ident => $body:expr) => {
        match $precision {
            0..=3 => {
                type $stored = TimestampMillisecondType;
                $body
            }
            4..=6 => {
                type $stored = TimestampMicrosecondType;
                $body
            }
            _ => {
                type $stored = Decimal128Type;
                $body
            }
        }
    };
}

/// Digits beyond the precision are dropped, those of a time before 1970 too.
fn timestamp_from_text(to: &TypeKind, precision: u8, zone: Option<Tz>) -> CastFn {
    let step = 10i64.pow(9 - u32::from(precision));
    let parse = move |text: &str| {
        let (local_ms, nanos) = parse_timestamp(text)?;
        let ms = zone.map_or(local_ms, |zone| zone::utc_from_local_ms(zone, local_ms));
        let nanos = i64::from(nanos);
        let nanos = nanos - nanos % step;
        Some((ms + nanos / 1_000_000, nanos % 1_000_000))
    };
    by_layout!(precision, T => text::parsed::<Num<T>>(to, move |text| {
        parse(text).map(|(ms, nanos)| T::join(ms, nanos))
    }))
}

/// Of how many milliseconds, and nanoseconds beyond them, a precision counts multiples.
fn steps(precision: u8) -> (i64, i64) {
    match precision {
        0..=3 => (10i64.pow(3 - u32::from(precision)), 1_000_000),
        _ => (1, 10i64.pow(9 - u32::from(precision))),
    }
}

/// A date or time to another kind, if there is such a cast.
pub fn between(from: &TypeKind, to: &TypeKind, zone: Tz) -> Option<CastFn> {
    use TypeKind::*;
    Some(match (from, to) {
        (Time(p), Time(q)) if q >= p => identity(),
        (Time(_), Time(q)) => {
            let step = time_step(*q);
            number::mapped::<Time32MillisecondType, Time32MillisecondType>(to, move |ms| ms / step * step)
        }
        (Date, Timestamp(p)) => from_days(to, *p, None),
        (Date, TimestampLtz(p)) => from_days(to, *p, Some(zone)),
        (Timestamp(p), Date) => to_days(*p, None),
        (TimestampLtz(p), Date) => to_days(*p, Some(zone)),
        (Timestamp(p), Time(q)) => to_time(to, *p, None, time_step(*q)),
        (TimestampLtz(p), Time(q)) => to_time(to, *p, Some(zone), time_step(*q)),
        (Time(_), Timestamp(p)) => from_time(to, *p, None),
        (Time(_), TimestampLtz(p)) => from_time(to, *p, Some(zone)),
        (Timestamp(p), Timestamp(q)) | (TimestampLtz(p), TimestampLtz(q)) => timestamps(to, *p, *q, |ms| ms),
        (Timestamp(p), TimestampLtz(q)) => {
            timestamps(to, *p, *q, move |ms| zone::utc_from_local_ms(zone, ms))
        }
        (TimestampLtz(p), Timestamp(q)) => {
            timestamps(to, *p, *q, move |ms| zone::local_from_utc_ms(zone, ms))
        }
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
    let ms = move |value: I::Native| {
        let local = local(value);
        zone.map_or(local, |zone| zone::utc_from_local_ms(zone, local))
    };
    by_layout!(precision, T => number::mapped::<I, T>(to, move |value| T::join(ms(value), 0)))
}

fn local(zone: Option<Tz>, ms: i64) -> i64 {
    zone.map_or(ms, |zone| zone::local_from_utc_ms(zone, ms))
}

/// As in Flink a wall-clock time before 1970 counts to the day after, an instant does not.
fn to_days(precision: u8, zone: Option<Tz>) -> CastFn {
    let day = match zone {
        None => |ms: i64| (ms / DAY_MS) as i32,
        Some(_) => |ms: i64| ms.div_euclid(DAY_MS) as i32,
    };
    to_part::<Date32Type>(&TypeKind::Date, precision, zone, day)
}

fn to_time(to: &TypeKind, precision: u8, zone: Option<Tz>, step: i32) -> CastFn {
    let time = move |ms: i64| ms.rem_euclid(DAY_MS) as i32 / step * step;
    to_part::<Time32MillisecondType>(to, precision, zone, time)
}

/// Of how many milliseconds the precision of a TIME counts multiples.
fn time_step(precision: u8) -> i32 {
    10i32.pow(3u32.saturating_sub(precision.into()))
}

/// From a timestamp what milliseconds on the wall clock say.
fn to_part<O: ArrowPrimitiveType>(
    to: &TypeKind,
    precision: u8,
    zone: Option<Tz>,
    part: impl Fn(i64) -> O::Native + Copy + Send + Sync + 'static,
) -> CastFn {
    by_layout!(precision, T => number::mapped::<T, O>(to, move |value| part(local(zone, T::split(value).0))))
}

/// Between timestamps; `ms` maps the milliseconds and leaves the finer digits alone. A smaller precision of
/// whole milliseconds cuts toward zero also before 1970, a finer one cuts the nanoseconds: so Flink does it.
fn timestamps(to: &TypeKind, p: u8, q: u8, ms: impl Fn(i64) -> i64 + Copy + Send + Sync + 'static) -> CastFn {
    let (ms_step, nanos_step) = if q < p { steps(q) } else { (1, 1) };
    let moved = move |(old, nanos): (i64, i64)| {
        let new = ms(old);
        (new - new % ms_step, nanos - nanos % nanos_step)
    };
    by_layout!(p, A => by_layout!(q, B => number::mapped::<A, B>(to, move |value| {
        let (ms, nanos) = moved(A::split(value));
        B::join(ms, nanos)
    })))
}
