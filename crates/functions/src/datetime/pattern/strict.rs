//! Reading as `DateTimeFormatter` does with its SMART resolver: widths and ranges count, but a day beyond the
//! end of its month is the last day of it. What the pattern leaves out is that of 1970-01-01 00:00.

use super::{DAYS, Item, MONTHS, Read, read_name, read_offset};
use crate::datetime::unit::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, day_of_week};
use tidemill_types::text::{days_from_civil, days_in_month};

/// The longest number.
const DIGITS_MAX: usize = 19;
/// The last year of Java's calendar.
const YEAR_MAX: i64 = 999_999_999;

#[derive(Debug, Clone, Default)]
struct Found {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    day_of_week: Option<i64>,
    hour: Option<i64>,
    hour_of_half: Option<i64>,
    half: Option<i64>,
    minute: i64,
    second: i64,
    nanos: i64,
    before_christ: bool,
    offset_ms: Option<i64>,
}

pub(super) fn read(items: &[Item], text: &str) -> Option<Read> {
    let mut found = Found::default();
    let rest = read_items(items, text, &mut found)?;
    if !rest.is_empty() {
        return None;
    }
    found.resolve()
}

fn read_items<'a>(items: &[Item], mut text: &'a str, found: &mut Found) -> Option<&'a str> {
    for (i, item) in items.iter().enumerate() {
        text = match item {
            Item::Literal(literal) => text.strip_prefix(literal.as_str())?,
            Item::Field(letter, count) => {
                let read = read_field(*letter, *count, &items[i + 1..], text, found)?;
                text.get(read..)?
            }
            Item::Optional(items) => {
                let mut tried = found.clone();
                match read_items(items, text, &mut tried) {
                    Some(rest) => {
                        *found = tried;
                        rest
                    }
                    None => text,
                }
            }
        };
    }
    Some(text)
}

/// Least and most digits of a numeric field; `None` if it is no number.
fn width(letter: u8, count: usize) -> Option<(usize, usize)> {
    match letter {
        b'y' | b'u' | b'Y' if count != 2 => Some((count, DIGITS_MAX)),
        b'M' | b'L' | b'Q' | b'q' | b'e' | b'c' if count > 2 => None,
        b'G' | b'E' | b'a' | b'z' | b'V' | b'O' | b'X' | b'x' | b'Z' => None,
        b'S' => Some((count, count)),
        b'D' if count > 1 => Some((count, 3)),
        _ if count == 1 => Some((1, DIGITS_MAX)),
        b'A' | b'n' | b'N' => Some((count, DIGITS_MAX)),
        _ => Some((count, count)),
    }
}

/// The digits that the fields right behind a number of any width need.
fn reserved(following: &[Item]) -> usize {
    following
        .iter()
        .map_while(|item| match item {
            Item::Field(letter, count) => width(*letter, *count).filter(|(least, most)| least == most),
            _ => None,
        })
        .map(|(least, _)| least)
        .sum()
}

fn read_field(letter: u8, count: usize, following: &[Item], text: &str, found: &mut Found) -> Option<usize> {
    let Some((least, most)) = width(letter, count) else { return read_text(letter, count, text, found) };
    let signed = matches!(letter, b'y' | b'u' | b'Y') && text.starts_with(['-', '+']);
    let digits = &text[usize::from(signed)..];
    let there = digits.bytes().take_while(u8::is_ascii_digit).count().min(most);
    let length = match least == most {
        true => there,
        false => there.saturating_sub(reserved(following)).max(least.min(there)),
    };
    if length < least {
        return None;
    }
    let value: i64 = digits[..length].parse().ok()?;
    let value = if signed && text.starts_with('-') { -value } else { value };
    found.set(letter, count, value)?;
    Some(length + usize::from(signed))
}

fn read_text(letter: u8, count: usize, text: &str, found: &mut Found) -> Option<usize> {
    match letter {
        b'M' | b'L' => {
            let (month, length) = read_name(text, &MONTHS, count == 3, false)?;
            found.month = Some(month);
            Some(length)
        }
        b'E' | b'e' | b'c' => {
            let (day, length) = read_name(text, &DAYS, count <= 3, false)?;
            found.day_of_week = Some(day);
            Some(length)
        }
        b'a' => {
            found.half = Some(if text.starts_with("AM") { 0 } else { 1 });
            (text.starts_with("AM") || text.starts_with("PM")).then_some(2)
        }
        b'G' => {
            found.before_christ = text.starts_with("BC");
            (text.starts_with("AD") || text.starts_with("BC")).then_some(2)
        }
        b'X' | b'x' | b'Z' => {
            let (offset, length) = read_offset(text)?;
            found.offset_ms = Some(offset);
            Some(length)
        }
        _ => None,
    }
}

impl Found {
    fn set(&mut self, letter: u8, count: usize, value: i64) -> Option<()> {
        let within = |least: i64, most: i64| (least..=most).contains(&value).then_some(value);
        match letter {
            b'y' | b'u' if count == 2 => self.year = Some(2_000 + value),
            b'y' | b'u' => self.year = Some(within(-YEAR_MAX, YEAR_MAX)?),
            b'M' | b'L' => self.month = Some(within(1, 12)?),
            b'd' => self.day = Some(within(1, 31)?),
            b'D' => self.day_of_year = Some(within(1, 366)?),
            b'H' => self.hour = Some(within(0, 23)?),
            b'k' => self.hour = Some(within(1, 24)? % 24),
            b'h' => self.hour_of_half = Some(within(1, 12)? % 12),
            b'K' => self.hour_of_half = Some(within(0, 11)?),
            b'm' => self.minute = within(0, 59)?,
            b's' => self.second = within(0, 59)?,
            b'S' => self.nanos = value * 10i64.pow(9 - count as u32),
            b'n' => self.nanos = within(0, 999_999_999)?,
            _ => {}
        }
        Some(())
    }

    fn resolve(&self) -> Option<Read> {
        let year = self.year.unwrap_or(1970);
        let year = if self.before_christ { 1 - year } else { year };
        let days = match (self.day_of_year, self.month) {
            (Some(day), None) => {
                let days = days_from_civil(year, 1, 1) + day - 1;
                (day <= 365 || days_in_month(year, 2) == 29).then_some(days)?
            }
            _ => {
                let month = self.month.unwrap_or(1) as u32;
                let day = (self.day.unwrap_or(1) as u32).min(days_in_month(year, month));
                days_from_civil(year, month, day)
            }
        };
        let whole = self.year.is_some() && self.month.is_some() && self.day.is_some();
        if whole && self.day_of_week.is_some_and(|day| day != day_of_week(days)) {
            return None;
        }
        let hour = match (self.hour, self.half, self.hour_of_half) {
            (Some(hour), ..) => hour,
            (None, Some(half), Some(hour)) => half * 12 + hour,
            _ => 0,
        };
        // A multiplication that overflows is a year that no timestamp holds.
        let local_ms = days.checked_mul(DAY_MS)?.checked_add(
            hour * HOUR_MS + self.minute * MINUTE_MS + self.second * SECOND_MS + self.nanos / 1_000_000,
        )?;
        Some(Read { local_ms, offset_ms: self.offset_ms })
    }
}
