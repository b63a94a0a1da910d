//! The units of EXTRACT, FLOOR, CEIL, TIMESTAMPADD and TIMESTAMPDIFF, and the calendar behind them.

use crate::bind::Binding;
use tidemill_types::text::{civil_from_days, days_from_civil, days_in_month};
use tidemill_types::{Error, Result};

/// Milliseconds of a second, minute, hour, day and week.
pub(super) const SECOND_MS: i64 = 1_000;
pub(super) const MINUTE_MS: i64 = 60 * SECOND_MS;
pub(super) const HOUR_MS: i64 = 60 * MINUTE_MS;
pub(super) const DAY_MS: i64 = 24 * HOUR_MS;
pub(super) const WEEK_MS: i64 = 7 * DAY_MS;

/// A field of a date or time, or a span of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Nanosecond,
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Dow,
    IsoDow,
    Doy,
    Week,
    Month,
    Quarter,
    Year,
    IsoYear,
    Decade,
    Century,
    Millennium,
    Epoch,
}

impl Unit {
    /// The unit of this name, also in its plural and with the prefix of JDBC.
    fn parse(name: &str) -> Option<Unit> {
        let name = name.trim().to_ascii_uppercase();
        let name = name.strip_prefix("SQL_TSI_").unwrap_or(&name);
        Some(match name.strip_suffix('S').unwrap_or(name) {
            "NANOSECOND" => Unit::Nanosecond,
            "MICROSECOND" => Unit::Microsecond,
            "MILLISECOND" => Unit::Millisecond,
            "SECOND" => Unit::Second,
            "MINUTE" => Unit::Minute,
            "HOUR" => Unit::Hour,
            "DAY" | "DAYOFMONTH" => Unit::Day,
            "DOW" | "DAYOFWEEK" => Unit::Dow,
            "ISODOW" => Unit::IsoDow,
            "DOY" | "DAYOFYEAR" => Unit::Doy,
            "WEEK" => Unit::Week,
            "MONTH" => Unit::Month,
            "QUARTER" => Unit::Quarter,
            "YEAR" => Unit::Year,
            "ISOYEAR" => Unit::IsoYear,
            "DECADE" => Unit::Decade,
            "CENTURY" => Unit::Century,
            "MILLENNIUM" => Unit::Millennium,
            "EPOCH" => Unit::Epoch,
            _ => return None,
        })
    }

    /// The unit that a call names in an argument.
    pub(super) fn of(binding: &Binding<'_>, arg: usize) -> Result<Unit> {
        let name = binding.text(arg).unwrap_or_default();
        Unit::parse(name).ok_or_else(|| {
            Error::user_hint(
                format!("{} knows no unit '{name}'", binding.name),
                "units are SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER and YEAR",
            )
        })
    }

    /// The milliseconds of units of fixed length.
    pub(super) fn fixed_ms(self) -> Option<i64> {
        Some(match self {
            Unit::Millisecond => 1,
            Unit::Second => SECOND_MS,
            Unit::Minute => MINUTE_MS,
            Unit::Hour => HOUR_MS,
            Unit::Day => DAY_MS,
            Unit::Week => WEEK_MS,
            _ => return None,
        })
    }

    /// The months of units that are counted in months.
    pub(super) fn months(self) -> Option<i64> {
        Some(match self {
            Unit::Month => 1,
            Unit::Quarter => 3,
            Unit::Year => 12,
            Unit::Decade => 120,
            Unit::Century => 1_200,
            Unit::Millennium => 12_000,
            _ => return None,
        })
    }
}

/// The same day some months later, or the last of a shorter month.
pub(super) fn add_months(days: i64, months: i64) -> i64 {
    let (year, month, day) = civil_from_days(days);
    let count = year * 12 + i64::from(month) - 1 + months;
    let (year, month) = (count.div_euclid(12), count.rem_euclid(12) as u32 + 1);
    days_from_civil(year, month, day.min(days_in_month(year, month)))
}

/// The ISO week-based year and the week in it.
pub(super) fn iso_week(days: i64) -> (i64, i64) {
    let thursday = days - (days + 3).rem_euclid(7) + 3;
    let (year, _, _) = civil_from_days(thursday);
    (year, (thursday - days_from_civil(year, 1, 1)) / 7 + 1)
}

/// The week-based year and week by US rules: weeks start on Sunday, the first holds January 1.
pub(super) fn us_week(days: i64) -> (i64, i64) {
    let saturday = days - (days + 4).rem_euclid(7) + 6;
    let (year, _, _) = civil_from_days(saturday);
    (year, (saturday - days_from_civil(year, 1, 1)) / 7 + 1)
}

/// Sunday is 1, Saturday 7.
pub(super) fn day_of_week(days: i64) -> i64 {
    (days + 4).rem_euclid(7) + 1
}

/// Monday is 1, Sunday 7.
pub(super) fn iso_day_of_week(days: i64) -> i64 {
    (days + 3).rem_euclid(7) + 1
}

/// January 1 is 1.
pub(super) fn day_of_year(days: i64) -> i64 {
    let (year, _, _) = civil_from_days(days);
    days - days_from_civil(year, 1, 1) + 1
}
