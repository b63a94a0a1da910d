//! Reading as a lenient `SimpleDateFormat` does: numbers of any width, fields that overflow into the next,
//! and whatever follows the matched text is ignored.

use super::{DAYS, Item, MONTHS, Read, read_name, read_offset};
use crate::datetime::unit::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use tidemill_types::text::days_from_civil;

/// Two-digit years above this one belong to the century before. Java takes the year of the run plus 20.
const TWO_DIGIT_YEAR_MAX: i64 = 45;

/// Larger numbers would leave the calendar.
const FIELD_MAX: i64 = 999_999_999;

struct Found {
    year: i64,
    month: i64,
    day: i64,
    day_of_year: Option<i64>,
    hour: i64,
    half: Option<i64>,
    ms: i64,
    offset_ms: Option<i64>,
}

pub(super) fn read(items: &[Item], text: &str) -> Option<Read> {
    let mut found = Found {
        year: 1970,
        month: 1,
        day: 1,
        day_of_year: None,
        hour: 0,
        half: None,
        ms: 0,
        offset_ms: None,
    };
    let mut rest = text;
    for (i, item) in items.iter().enumerate() {
        rest = match item {
            Item::Literal(literal) => rest.strip_prefix(literal.as_str())?,
            Item::Field(letter, count) => {
                let fixed = matches!(items.get(i + 1), Some(Item::Field(next, n)) if is_number(*next, *n));
                let rest = rest.trim_start_matches([' ', '\t']);
                let read = read_field(*letter, *count, fixed, rest, &mut found)?;
                rest.get(read..)?
            }
            Item::Optional(_) => rest,
        };
    }
    Some(found.resolve())
}

fn is_number(letter: u8, count: usize) -> bool {
    match letter {
        b'M' | b'L' => count <= 2,
        b'G' | b'E' | b'a' | b'z' | b'Z' | b'X' => false,
        _ => true,
    }
}

fn read_field(letter: u8, count: usize, fixed: bool, text: &str, found: &mut Found) -> Option<usize> {
    if !is_number(letter, count) {
        return read_text(letter, text, found);
    }
    let signed = text.starts_with('-');
    let digits = &text[usize::from(signed)..];
    let mut length = digits.bytes().take_while(u8::is_ascii_digit).count();
    if fixed {
        length = length.min(count);
    }
    let value: i64 = digits[..length].parse().ok().filter(|value| *value <= FIELD_MAX)?;
    let value = if signed { -value } else { value };
    found.set(letter, count <= 2 && length == 2 && !signed, value)?;
    Some(length + usize::from(signed))
}

fn read_text(letter: u8, text: &str, found: &mut Found) -> Option<usize> {
    let named = |names| read_name(text, names, false, true).or_else(|| read_name(text, names, true, true));
    match letter {
        b'M' | b'L' => {
            let (month, length) = named(&MONTHS[..])?;
            found.month = month;
            Some(length)
        }
        b'E' => named(&DAYS[..]).map(|(_, length)| length),
        b'a' => {
            let (half, length) = read_name(text, &["AM", "PM"], false, true)?;
            found.half = Some(half - 1);
            Some(length)
        }
        b'G' => read_name(text, &["AD", "BC"], false, true).map(|(_, length)| length),
        _ => {
            let named =
                ["GMT", "UTC"].iter().find(|name| text.starts_with(**name)).map_or(0, |name| name.len());
            match read_offset(&text[named..]) {
                Some((offset, length)) => {
                    found.offset_ms = Some(offset);
                    Some(named + length)
                }
                None if named > 0 => {
                    found.offset_ms = Some(0);
                    Some(named)
                }
                None => None,
            }
        }
    }
}

impl Found {
    fn set(&mut self, letter: u8, two_digits: bool, value: i64) -> Option<()> {
        match letter {
            b'y' | b'Y' if two_digits => {
                self.year = value + if value > TWO_DIGIT_YEAR_MAX { 1_900 } else { 2_000 };
            }
            b'y' | b'Y' => self.year = value,
            b'M' | b'L' => self.month = value,
            b'd' => self.day = value,
            b'D' => self.day_of_year = Some(value),
            b'H' | b'K' => self.hour = value,
            b'k' => self.hour = if value == 24 { 0 } else { value },
            b'h' => self.hour = if value == 12 { 0 } else { value },
            b'm' => self.add(value, MINUTE_MS)?,
            b's' => self.add(value, SECOND_MS)?,
            b'S' => self.add(value, 1)?,
            _ => {}
        }
        Some(())
    }

    fn add(&mut self, value: i64, unit_ms: i64) -> Option<()> {
        self.ms = self.ms.checked_add(value.checked_mul(unit_ms)?)?;
        Some(())
    }

    fn resolve(&self) -> Read {
        let months = self.year.wrapping_mul(12).wrapping_add(self.month - 1);
        let days = match self.day_of_year {
            Some(day) => days_from_civil(self.year, 1, 1) + day - 1,
            None => {
                let first = days_from_civil(months.div_euclid(12), months.rem_euclid(12) as u32 + 1, 1);
                first.wrapping_add(self.day - 1)
            }
        };
        let hour = self.hour + self.half.map_or(0, |half| half * 12);
        let local_ms =
            days.wrapping_mul(DAY_MS).wrapping_add(hour.wrapping_mul(HOUR_MS)).wrapping_add(self.ms);
        Read { local_ms, offset_ms: self.offset_ms }
    }
}
