//! EXTRACT and the functions named after a field.
//!
//! A moment before 1970 is divided toward zero, as Flink does: with a time of day its hours come out
//! negative and its day one too late. The EPOCH of a TIMESTAMP_LTZ counts in the session zone's wall clock.

use super::times::{Times, map_times, shift_of};
use super::unit::{
    DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Unit, day_of_week, day_of_year, iso_day_of_week, iso_week,
};
use crate::bind::{Binding, Closure, Form, Want, declare};
use crate::lane::{I64, Num, map1};
use arrow_array::ArrowPrimitiveType;
use arrow_array::types::{DurationMillisecondType, IntervalYearMonthType};
use std::sync::Arc;
use tidemill_plan::{Datum, EvalContext, FunctionRegistry, Kernel};
use tidemill_types::text::civil_from_days;
use tidemill_types::{Error, Result, TypeKind};

const MOMENTS: [Want; 4] = [Want::Timestamp, Want::TimestampLtz, Want::Date, Want::Time];

pub(super) fn register(registry: &mut FunctionRegistry) {
    let extract = |want| {
        Form::made(&[Want::Text, want], TypeKind::BigInt, |b| {
            let unit = Unit::of(b, 0)?;
            kernel(b, unit, 1)
        })
    };
    let intervals = [
        Form::made(&[Want::Text, Want::IntervalDay], TypeKind::BigInt, |b| {
            let unit = Unit::of(b, 0)?;
            of_interval::<DurationMillisecondType>(unit, day_part(unit, 0).is_some(), move |ms| {
                day_part(unit, ms)
            })
        }),
        Form::made(&[Want::Text, Want::IntervalMonth], TypeKind::BigInt, |b| {
            let unit = Unit::of(b, 0)?;
            let part = move |months: i32| month_part(unit, months.into());
            of_interval::<IntervalYearMonthType>(unit, month_part(unit, 0).is_some(), part)
        }),
    ];
    declare(registry, "EXTRACT", MOMENTS.map(extract).into_iter().chain(intervals));
    named(registry, "YEAR", |b| kernel(b, Unit::Year, 0));
    named(registry, "QUARTER", |b| kernel(b, Unit::Quarter, 0));
    named(registry, "MONTH", |b| kernel(b, Unit::Month, 0));
    named(registry, "WEEK", |b| kernel(b, Unit::Week, 0));
    named(registry, "DAYOFYEAR", |b| kernel(b, Unit::Doy, 0));
    named(registry, "DAYOFMONTH", |b| kernel(b, Unit::Day, 0));
    named(registry, "DAYOFWEEK", |b| kernel(b, Unit::Dow, 0));
    named(registry, "HOUR", |b| kernel(b, Unit::Hour, 0));
    named(registry, "MINUTE", |b| kernel(b, Unit::Minute, 0));
    named(registry, "SECOND", |b| kernel(b, Unit::Second, 0));
}

fn named(registry: &mut FunctionRegistry, name: &str, make: crate::bind::Make) {
    declare(registry, name, MOMENTS.map(|want| Form::made(&[want], TypeKind::BigInt, make)));
}

fn kernel(binding: &Binding<'_>, unit: Unit, arg: usize) -> Result<Arc<dyn Kernel>> {
    let kind = binding.args[arg].kind.clone();
    let of_time = matches!(unit, Unit::Hour | Unit::Minute | Unit::Second | Unit::Millisecond);
    if matches!(kind, TypeKind::Time(_)) && !of_time {
        return Err(Error::user(format!("a TIME has no {}", format!("{unit:?}").to_uppercase())));
    }
    let zone = binding.session.zone;
    Ok(Closure::total(&TypeKind::BigInt, move |args, ctx| {
        let times = Times::new(&args[arg]);
        let mut shift = shift_of(&kind, zone);
        map_times(&TypeKind::BigInt, args, ctx, |row| {
            Ok(times.ms(row).map(|ms| match unit {
                Unit::Epoch => shift.local_from_utc_ms(ms) / SECOND_MS,
                Unit::Microsecond => ms % SECOND_MS * 1_000 + times.nanos(row) / 1_000,
                Unit::Nanosecond => ms % SECOND_MS * 1_000_000 + times.nanos(row),
                _ => field(unit, shift.local_from_utc_ms(ms)),
            }))
        })
    }))
}

/// A part of an interval; whole units, with its sign.
fn of_interval<T: ArrowPrimitiveType>(
    unit: Unit,
    has_it: bool,
    part: impl Fn(T::Native) -> Option<i64> + Send + Sync + 'static,
) -> Result<Arc<dyn Kernel>> {
    if !has_it {
        return Err(Error::user(format!("this interval has no {}", format!("{unit:?}").to_uppercase())));
    }
    Ok(Closure::total(&TypeKind::BigInt, move |args: &[Datum], ctx: &EvalContext<'_>| {
        map1::<Num<T>, I64>(&args[1..], ctx, |value| Ok(part(value)))
    }))
}

fn day_part(unit: Unit, ms: i64) -> Option<i64> {
    match unit {
        Unit::Day => Some(ms / DAY_MS),
        Unit::Hour | Unit::Minute | Unit::Second | Unit::Millisecond => Some(field(unit, ms)),
        _ => None,
    }
}

fn month_part(unit: Unit, months: i64) -> Option<i64> {
    match unit {
        Unit::Year => Some(months / 12),
        Unit::Quarter => Some(months % 12 / 3 + 1),
        Unit::Month => Some(months % 12),
        _ => None,
    }
}

/// A field of a wall-clock time.
fn field(unit: Unit, ms: i64) -> i64 {
    match unit {
        Unit::Hour => ms % DAY_MS / HOUR_MS,
        Unit::Minute => ms % HOUR_MS / MINUTE_MS,
        Unit::Second => ms % MINUTE_MS / SECOND_MS,
        Unit::Millisecond => ms % SECOND_MS,
        _ => date_field(unit, ms / DAY_MS),
    }
}

fn date_field(unit: Unit, days: i64) -> i64 {
    let (year, month, day) = civil_from_days(days);
    match unit {
        Unit::Day => day.into(),
        Unit::Month => month.into(),
        Unit::Quarter => i64::from(month + 2) / 3,
        Unit::Dow => day_of_week(days),
        Unit::IsoDow => iso_day_of_week(days),
        Unit::Doy => day_of_year(days),
        Unit::Week => iso_week(days).1,
        Unit::IsoYear => iso_week(days).0,
        Unit::Decade => year.div_euclid(10),
        Unit::Century => (if year > 0 { year + 99 } else { year - 99 }) / 100,
        Unit::Millennium => (if year > 0 { year + 999 } else { year - 999 }) / 1_000,
        _ => year,
    }
}
