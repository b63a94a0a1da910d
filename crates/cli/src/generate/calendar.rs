//! Times as text, in UTC: `2024-03-01 00:00:01.123` and the web log's `01/Mar/2024:00:00:01 +0000`.
//! Invariant: a date is worked out once per day of event time, for events stay within days of each other.
//! The conversion between days and dates is Hinnant's ("chrono-compatible low-level date algorithms").

use super::line::{number, two};
use std::time::{SystemTime, UNIX_EPOCH};

const DAY_MS: i64 = 86_400_000;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Writes times, remembering the day it wrote last.
#[derive(Debug)]
pub(super) struct Calendar {
    day: i64,
    sql: Vec<u8>,
    log: Vec<u8>,
}

impl Calendar {
    /// A calendar that starts at 1970.
    pub(super) fn new() -> Self {
        let mut calendar = Calendar { day: 0, sql: Vec::with_capacity(16), log: Vec::with_capacity(16) };
        calendar.turn(0);
        calendar
    }

    /// Appends `2024-03-01 00:00:01.123`.
    #[inline]
    pub(super) fn sql(&mut self, out: &mut Vec<u8>, time_ms: i64) {
        let of_day = self.enter(time_ms);
        out.extend_from_slice(&self.sql);
        out.push(b' ');
        clock(out, of_day);
        out.push(b'.');
        out.push(b'0' + (of_day % 1_000 / 100) as u8);
        two(out, of_day % 100);
    }

    /// Appends `01/Mar/2024:00:00:01 +0000`.
    #[inline]
    pub(super) fn log(&mut self, out: &mut Vec<u8>, time_ms: i64) {
        let of_day = self.enter(time_ms);
        out.extend_from_slice(&self.log);
        out.push(b':');
        clock(out, of_day);
        out.extend_from_slice(b" +0000");
    }

    /// Makes the day of this time the current one and gives the milliseconds since its midnight.
    #[inline]
    fn enter(&mut self, time_ms: i64) -> u32 {
        let day = time_ms.div_euclid(DAY_MS);
        if day != self.day {
            self.turn(day);
        }
        time_ms.rem_euclid(DAY_MS) as u32
    }

    #[cold]
    fn turn(&mut self, day: i64) {
        let (year, month, day_of_month) = date_of(day);
        self.day = day;
        self.sql.clear();
        number(&mut self.sql, year);
        self.sql.push(b'-');
        two(&mut self.sql, month);
        self.sql.push(b'-');
        two(&mut self.sql, day_of_month);
        self.log.clear();
        two(&mut self.log, day_of_month);
        self.log.push(b'/');
        self.log.extend_from_slice(MONTHS[month as usize - 1].as_bytes());
        self.log.push(b'/');
        number(&mut self.log, year);
    }
}

/// Appends `00:00:01`.
#[inline]
fn clock(out: &mut Vec<u8>, of_day_ms: u32) {
    let second = of_day_ms / 1_000;
    two(out, second / 3_600);
    out.push(b':');
    two(out, second / 60 % 60);
    out.push(b':');
    two(out, second % 60);
}

/// Year, month and day of a number of days since 1970.
fn date_of(day: i64) -> (i64, u32, u32) {
    let z = day + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as u32, (of_year - (153 * shifted + 2) / 5 + 1) as u32)
}

/// Days since 1970 of a date.
fn day_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    year.div_euclid(400) * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Milliseconds since 1970 of `YYYY-MM-DD[ HH:MM[:SS]]`, also with a `T` between and a `Z` behind.
pub(super) fn parse(text: &str) -> Option<i64> {
    let text = text.trim().trim_end_matches('Z');
    let (date, time) = text.split_once([' ', 'T']).unwrap_or((text, "00:00:00"));
    let [year, month, day] = fields(date, '-')?;
    let time = if time.matches(':').count() == 1 { format!("{time}:00") } else { time.to_owned() };
    let [hour, minute, second] = fields(&time, ':')?;
    let days = day_of(year, month, day);
    let is_date = (1..=12).contains(&month) && date_of(days) == (year, month as u32, day as u32);
    let is_time = hour < 24 && minute < 60 && second < 60;
    let of_day = (hour * 60 + minute) * 60 + second;
    ((1..=9_999).contains(&year) && is_date && is_time).then_some(days * DAY_MS + of_day * 1_000)
}

fn fields(text: &str, between: char) -> Option<[i64; 3]> {
    let mut parts = text.split(between).map(|part| {
        (part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok()).flatten()
    });
    let fields = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(fields)
}

/// The time by this machine's clock.
pub(super) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_parsing_and_writing() {
        for (text, log) in [
            ("2024-02-29 23:59:59", "29/Feb/2024:23:59:59 +0000"),
            ("1969-12-31 00:00:01", "31/Dec/1969:00:00:01 +0000"),
            ("2100-03-01 12:30:00", "01/Mar/2100:12:30:00 +0000"),
        ] {
            let (mut out, mut calendar) = (Vec::new(), Calendar::new());
            let time_ms = parse(text).unwrap();
            calendar.sql(&mut out, time_ms + 7);
            calendar.log(&mut out, time_ms);
            assert_eq!(String::from_utf8(out).unwrap(), format!("{text}.007{log}"));
        }
    }

    #[test]
    fn other_spellings_and_nonsense() {
        let midnight = parse("2024-03-01 00:00:00");
        assert_eq!(midnight, Some(1_709_251_200_000));
        assert_eq!(parse("2024-03-01"), midnight);
        assert_eq!(parse("2024-03-01T00:00Z"), midnight);
        for text in ["", "now!", "2024-02-30", "2024-13-01", "2024-03-01 24:00:00", "1-2", "2024-03-01-01"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
