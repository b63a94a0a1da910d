//! FLOOR and CEIL of a moment to a unit.
//!
//! As in Flink, units from WEEK up look at the date alone: CEIL leaves the first day of a unit where it is,
//! whatever the time of day, and before 1970 a timestamp counts to the day after. Only January 1 is left by a
//! QUARTER; from a DECADE up, and for a DATE from a DAY up, CEIL always goes on to the next unit. A TIMESTAMP_LTZ is rounded
//! with the zone offset of the instant itself.

use super::times::{Times, map_times, per_ms, shift_of};
use super::unit::{DAY_MS, Unit, day_of_week};
use crate::bind::{Binding, Closure, Form, Gives, Want, declare};
use std::sync::Arc;
use tidemill_plan::{FunctionRegistry, Kernel};
use tidemill_types::text::{civil_from_days, days_from_civil};
use tidemill_types::{Error, Result, TypeKind};

pub(super) fn register(registry: &mut FunctionRegistry) {
    let wants = [Want::Timestamp, Want::TimestampLtz, Want::Date, Want::Time];
    let floor = wants.map(|want| Form::made(&[want, Want::Text], Gives::Same(0), |b| kernel(b, false)));
    let ceil = wants.map(|want| Form::made(&[want, Want::Text], Gives::Same(0), |b| kernel(b, true)));
    declare(registry, "FLOOR_TO", floor);
    declare(registry, "CEIL_TO", ceil);
}

fn kernel(binding: &Binding<'_>, up: bool) -> Result<Arc<dyn Kernel>> {
    let unit = Unit::of(binding, 1)?;
    let kind = binding.args[0].kind.clone();
    let fits = unit == Unit::Week || unit.months().is_some() || unit.fixed_ms().is_some();
    if !fits || (matches!(kind, TypeKind::Time(_)) && unit.fixed_ms().is_none_or(|ms| ms >= DAY_MS)) {
        return Err(Error::user(format!("a {kind} can't be rounded to {unit:?}")));
    }
    let zone = binding.session.zone;
    let next_day = up && unit == Unit::Day && kind == TypeKind::Date;
    let per_ms = per_ms(&kind);
    Ok(Closure::total(&kind.clone(), move |args, ctx| {
        let times = Times::new(&args[0]);
        let mut shift = shift_of(&kind, zone);
        map_times(&kind, args, ctx, |row| {
            Ok(times.ms(row).map(|ms| {
                let finer = up && unit == Unit::Millisecond && times.nanos(row) > 0;
                let ms = if finer { ms + 1 } else { ms };
                let ms = if next_day { ms + DAY_MS } else { ms };
                let offset = shift.local_from_utc_ms(ms) - ms;
                let rounded = round(unit, ms + offset, up) - offset;
                if per_ms == 0 { rounded / DAY_MS } else { rounded * per_ms }
            }))
        })
    }))
}

fn round(unit: Unit, ms: i64, up: bool) -> i64 {
    if unit != Unit::Week
        && let Some(length) = unit.fixed_ms()
    {
        let floor = ms - ms.rem_euclid(length);
        return if up && floor < ms { floor + length } else { floor };
    }
    round_date(unit, ms / DAY_MS, up) * DAY_MS
}

fn round_date(unit: Unit, days: i64, up: bool) -> i64 {
    let floor = match unit {
        Unit::Week => days - (day_of_week(days) - 1),
        _ => first_day(unit, days),
    };
    let onward = match unit {
        Unit::Quarter => days != first_day(Unit::Year, days),
        Unit::Decade | Unit::Century | Unit::Millennium => true,
        _ => floor < days,
    };
    match (up && onward, unit) {
        (false, _) => floor,
        (true, Unit::Week) => floor + 7,
        (true, _) => super::unit::add_months(floor, unit.months().unwrap_or(1)),
    }
}

/// The first day of the month, quarter, year … of a day; centuries begin with a year 1.
fn first_day(unit: Unit, days: i64) -> i64 {
    let (year, month, _) = civil_from_days(days);
    match unit {
        Unit::Month => days_from_civil(year, month, 1),
        Unit::Quarter => days_from_civil(year, (month - 1) / 3 * 3 + 1, 1),
        Unit::Decade => days_from_civil(year - year.rem_euclid(10), 1, 1),
        Unit::Century => days_from_civil((year - 1).div_euclid(100) * 100 + 1, 1, 1),
        Unit::Millennium => days_from_civil((year - 1).div_euclid(1_000) * 1_000 + 1, 1, 1),
        _ => days_from_civil(year, 1, 1),
    }
}
