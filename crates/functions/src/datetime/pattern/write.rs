//! Writing a moment by a pattern.

use super::{DAYS, Item, MONTHS, Moment, SHORT, Style};
use crate::datetime::unit::{
    DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, day_of_week, day_of_year, iso_day_of_week, us_week,
};
use chrono::TimeZone;
use std::fmt::Write;
use tidemill_types::text::civil_from_days;

/// The moment taken apart.
struct Parts<'a> {
    moment: &'a Moment,
    style: Style,
    days: i64,
    ms_of_day: i64,
    year: i64,
    month: u32,
    day: u32,
}

pub(super) fn write(items: &[Item], style: Style, moment: &Moment, out: &mut String) {
    let days = moment.local_ms.div_euclid(DAY_MS);
    let (year, month, day) = civil_from_days(days);
    let ms_of_day = moment.local_ms.rem_euclid(DAY_MS);
    write_items(items, &Parts { moment, style, days, ms_of_day, year, month, day }, out);
}

fn write_items(items: &[Item], parts: &Parts<'_>, out: &mut String) {
    for item in items {
        match item {
            Item::Literal(text) => out.push_str(text),
            Item::Field(letter, count) => parts.field(*letter, *count, out),
            Item::Optional(items) => write_items(items, parts, out),
        }
    }
}

fn number(out: &mut String, value: i64, width: usize) {
    if (0..100).contains(&value) && width <= 2 {
        if value > 9 || width == 2 {
            out.push((b'0' + (value / 10) as u8).into());
        }
        return out.push((b'0' + (value % 10) as u8).into());
    }
    // Java counts the digits, not the sign.
    let sign = if value < 0 { "-" } else { "" };
    write!(out, "{sign}{:0width$}", value.unsigned_abs()).expect("writing to a string succeeds");
}

fn name(out: &mut String, name: &str, count: usize) {
    out.push_str(match count {
        0..=3 => &name[..SHORT],
        5 => &name[..1],
        _ => name,
    });
}

impl Parts<'_> {
    fn field(&self, letter: u8, count: usize, out: &mut String) {
        let formatter = self.style == Style::Formatter;
        let hour = self.ms_of_day / HOUR_MS;
        let nanos = self.ms_of_day % SECOND_MS * 1_000_000 + i64::from(self.moment.nanos);
        match letter {
            b'y' | b'Y' => self.era_year(letter, count, out),
            b'u' if formatter => self.wide_year(self.year, count, out),
            b'u' => number(out, iso_day_of_week(self.days), count),
            b'G' => out.push_str(match (self.year > 0, formatter && count == 4) {
                (true, true) => "Anno Domini",
                (false, true) => "Before Christ",
                (true, false) => "AD",
                (false, false) => "BC",
            }),
            b'M' | b'L' if count > 2 => name(out, MONTHS[self.month as usize - 1], count),
            b'M' | b'L' => number(out, self.month.into(), count),
            b'Q' | b'q' => self.quarter(count, out),
            b'w' => number(out, us_week(self.days).1, count),
            b'W' => number(out, self.week_of_month(), count),
            b'd' => number(out, self.day.into(), count),
            b'D' => number(out, day_of_year(self.days), count),
            b'F' if formatter => number(out, i64::from((self.day - 1) % 7 + 1), count),
            b'F' => number(out, i64::from((self.day - 1) / 7 + 1), count),
            b'e' | b'c' if count <= 2 => number(out, day_of_week(self.days), count),
            b'E' | b'e' | b'c' => name(out, DAYS[day_of_week(self.days) as usize - 1], count),
            b'a' => out.push_str(if hour < 12 { "AM" } else { "PM" }),
            b'H' => number(out, hour, count),
            b'k' => number(out, if hour == 0 { 24 } else { hour }, count),
            b'K' => number(out, hour % 12, count),
            b'h' => number(out, if hour % 12 == 0 { 12 } else { hour % 12 }, count),
            b'm' => number(out, self.ms_of_day % HOUR_MS / MINUTE_MS, count),
            b's' => number(out, self.ms_of_day % MINUTE_MS / SECOND_MS, count),
            b'S' if formatter => out.push_str(&format!("{nanos:09}")[..count]),
            b'S' => number(out, self.ms_of_day % SECOND_MS, count),
            b'A' => number(out, self.ms_of_day, count),
            b'n' => number(out, nanos, count),
            b'N' => number(out, self.ms_of_day / SECOND_MS * 1_000_000_000 + nanos, count),
            _ => self.zone(letter, count, out),
        }
    }

    fn era_year(&self, letter: u8, count: usize, out: &mut String) {
        let year = if letter == b'Y' { us_week(self.days).0 } else { self.year };
        let year = if letter == b'y' && year <= 0 { 1 - year } else { year };
        self.wide_year(year, count, out);
    }

    fn wide_year(&self, year: i64, count: usize, out: &mut String) {
        if count == 2 {
            return number(out, year.rem_euclid(100), 2);
        }
        if self.style == Style::Formatter && count >= 4 && year >= 10i64.pow(count.min(18) as u32) {
            out.push('+');
        }
        number(out, year, count);
    }

    fn quarter(&self, count: usize, out: &mut String) {
        let quarter = self.month.div_ceil(3);
        match count {
            1 | 2 | 5 => number(out, quarter.into(), count % 5),
            3 => write!(out, "Q{quarter}").expect("writing to a string succeeds"),
            _ => out.push_str(["1st", "2nd", "3rd", "4th"][quarter as usize - 1]),
        }
        if count == 4 {
            out.push_str(" quarter");
        }
    }

    /// The week of the month; the first may be short, weeks start on Sunday.
    fn week_of_month(&self) -> i64 {
        let first = self.days - i64::from(self.day) + 1;
        (i64::from(self.day) + day_of_week(first) - 2) / 7 + 1
    }

    fn zone(&self, letter: u8, count: usize, out: &mut String) {
        match letter {
            b'V' => out.push_str(self.moment.zone.name()),
            b'z' => {
                let utc = self.moment.local_ms - self.moment.offset_ms;
                let named = self.moment.zone.timestamp_millis_opt(utc).single();
                out.push_str(&named.map_or_else(|| "UTC".into(), |time| time.format("%Z").to_string()));
            }
            b'O' => {
                out.push_str("GMT");
                if self.moment.offset_ms != 0 {
                    self.offset(count == 4, true, out);
                }
            }
            b'X' if self.moment.offset_ms == 0 => out.push('Z'),
            b'X' | b'x' => self.offset(count >= 3, count >= 2, out),
            _ if count == 4 && self.style == Style::Formatter => self.zone(b'O', 4, out),
            _ => self.offset(count == 5, true, out),
        }
    }

    fn offset(&self, colon: bool, minutes: bool, out: &mut String) {
        let total = self.moment.offset_ms.abs() / MINUTE_MS;
        out.push(if self.moment.offset_ms < 0 { '-' } else { '+' });
        number(out, total / 60, 2);
        if minutes || total % 60 != 0 {
            out.push_str(if colon { ":" } else { "" });
            number(out, total % 60, 2);
        }
    }
}
