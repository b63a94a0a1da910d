//! Dates and times from text, as Flink's CAST reads them.

use tidemill_types::text::{DAY_MS, days_from_civil, days_in_month};

/// `yyyy[-M[-d]]` with anything after a blank; blanks around are dropped. The day must exist.
pub fn parse_date(text: &str) -> Option<i32> {
    let text = match text.find(' ') {
        Some(blank) if blank > 0 => &text[..blank],
        _ => text,
    };
    let mut parts = text.splitn(3, '-').map(|part| digits(part.trim()));
    let year = parts.next()??;
    let month = parts.next().unwrap_or(Some(1))?;
    let day = parts.next().unwrap_or(Some(1))?;
    let exists =
        year <= 9_999 && (1..=12).contains(&month) && (1..=days_in_month(year.into(), month)).contains(&day);
    exists.then(|| days_from_civil(year.into(), month, day) as i32)
}

/// `H[:m[:s[.fraction]]]` in milliseconds of the day.
pub fn parse_time(text: &str) -> Option<i32> {
    let mut parts = text.splitn(3, ':');
    let hour = digits(parts.next()?.trim())?;
    let minute = parts.next().map_or(Some(0), |part| digits(part.trim()))?;
    let (second, millis) = match parts.next() {
        None => (0, 0),
        Some(part) => match part.split_once('.') {
            None => (digits(part.trim())?, 0),
            Some((second, fraction)) => {
                (digits(second.trim())?, fraction_nanos(fraction.trim())? / 1_000_000)
            }
        },
    };
    let exists = hour < 24 && minute < 60 && second < 60;
    exists.then(|| ((hour * 3_600 + minute * 60 + second) * 1_000 + millis) as i32)
}

/// `yyyy-[M]M-[d]d[ [H]H:[m]m:[s]s[.fraction]]` as milliseconds of wall-clock time and the nanoseconds of
/// its second. A day beyond the end of its month is the last day of it.
pub fn parse_timestamp(text: &str) -> Option<(i64, u32)> {
    let (date, time) = match text.split_once(' ') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 {
        return None;
    }
    let (year, month, day) = (digits(year)?, one_or_two(month)?, one_or_two(day)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let day = day.min(days_in_month(year.into(), month));
    let days = days_from_civil(year.into(), month, day);
    let (seconds, nanos) = match time {
        Some(time) => clock(time)?,
        None => (0, 0),
    };
    Some((days * DAY_MS + i64::from(seconds) * 1_000, nanos))
}

fn clock(text: &str) -> Option<(u32, u32)> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let mut parts = whole.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    let (hour, minute, second) = (one_or_two(hour)?, one_or_two(minute)?, one_or_two(second)?);
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let nanos = match fraction {
        Some(fraction) if fraction.len() > 9 => return None,
        Some(fraction) => fraction_nanos(fraction)?,
        None => 0,
    };
    Some((hour * 3_600 + minute * 60 + second, nanos))
}

fn one_or_two(text: &str) -> Option<u32> {
    if text.len() > 2 { None } else { digits(text) }
}

fn digits(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// The nanoseconds of the digits after the point.
fn fraction_nanos(fraction: &str) -> Option<u32> {
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nine: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    nine.parse().ok()
}
