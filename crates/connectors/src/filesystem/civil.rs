//! Dates and times in folder names: read from text, and written as Java's `LocalDateTime` prints them,
//! because that is what Flink names partitions after.

use chrono::{LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Timelike};
use chrono_tz::Tz;

/// Reads `yyyy-MM-dd`, alone or followed by a space or `T` and `H:mm[:ss[.fraction]]`.
pub(super) fn parse_timestamp(text: &str) -> Option<NaiveDateTime> {
    let text = text.trim();
    let (date, time) = match text.split_once([' ', 'T']) {
        Some((date, time)) => (date, parse_time(time)?),
        None => (text, NaiveTime::MIN),
    };
    Some(parse_date(date)?.and_time(time))
}

/// Reads `yyyy-MM-dd`; month and day may have one digit.
pub(super) fn parse_date(text: &str) -> Option<NaiveDate> {
    let mut parts = text.trim().splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
}

/// Reads `H:mm[:ss[.fraction]]`.
pub(super) fn parse_time(text: &str) -> Option<NaiveTime> {
    let mut parts = text.trim().splitn(3, ':');
    let (hour, minute) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let (second, nanos) = match parts.next() {
        None => (0, 0),
        Some(seconds) => {
            let (second, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
            (second.parse().ok()?, parse_fraction(fraction)?)
        }
    };
    NaiveTime::from_hms_nano_opt(hour, minute, second, nanos)
}

fn parse_fraction(digits: &str) -> Option<u32> {
    if digits.is_empty() {
        return Some(0);
    }
    let value: u32 = digits.get(..digits.len().min(9))?.parse().ok()?;
    Some(value * 10u32.pow(9 - digits.len().min(9) as u32))
}

/// `2024-05-01T10:30`; seconds and the fraction only where they are not zero, in 3, 6 or 9 digits.
pub(super) fn write_timestamp(at: NaiveDateTime) -> String {
    format!("{}T{}", at.date(), write_time(at.time()))
}

/// `10:30`, `10:30:05`, `10:30:05.120`.
pub(super) fn write_time(time: NaiveTime) -> String {
    let minutes = time.format("%H:%M").to_string();
    match (time.second(), time.nanosecond()) {
        (0, 0) => minutes,
        (second, 0) => format!("{minutes}:{second:02}"),
        (second, nanos) if nanos % 1_000_000 == 0 => {
            format!("{minutes}:{second:02}.{:03}", nanos / 1_000_000)
        }
        (second, nanos) if nanos % 1_000 == 0 => format!("{minutes}:{second:02}.{:06}", nanos / 1_000),
        (second, nanos) => format!("{minutes}:{second:02}.{nanos:09}"),
    }
}

/// Milliseconds since 1970 of a wall-clock time in a zone; in a gap the time after it, twice the first.
pub(super) fn instant_ms(at: NaiveDateTime, zone: Tz) -> i64 {
    match zone.from_local_datetime(&at) {
        LocalResult::Single(instant) | LocalResult::Ambiguous(instant, _) => instant.timestamp_millis(),
        LocalResult::None => zone.from_utc_datetime(&at).timestamp_millis() - offset_ms_before(at, zone),
    }
}

fn offset_ms_before(at: NaiveDateTime, zone: Tz) -> i64 {
    let earlier = at - chrono::Duration::hours(24);
    let instant = zone.from_local_datetime(&earlier).earliest();
    instant.map_or(0, |instant| earlier.and_utc().timestamp_millis() - instant.timestamp_millis())
}

/// Reads a text after a pattern of Java's `DateTimeFormatter`, of the letters `y u M d H m s S`, quoted text
/// and other characters as they are. Digits that follow one another without a sign between are counted.
pub(super) fn parse_with(pattern: &str, text: &str) -> Option<NaiveDateTime> {
    let pieces = pieces(pattern)?;
    let (mut fields, mut rest) = (Fields::default(), text);
    for (i, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Literal(literal) => rest = rest.strip_prefix(literal.as_str())?,
            Piece::Digits(letter, width) => {
                let next_is_digits = matches!(pieces.get(i + 1), Some(Piece::Digits(..)));
                let available = rest.bytes().take_while(u8::is_ascii_digit).count();
                let taken = if next_is_digits { *width } else { available };
                fields.set(*letter, rest.get(..taken)?)?;
                rest = &rest[taken..];
            }
        }
    }
    if rest.is_empty() { fields.timestamp() } else { None }
}

/// Whether [`parse_with`] knows everything in a pattern.
pub(super) fn is_known_pattern(pattern: &str) -> bool {
    pieces(pattern).is_some()
}

enum Piece {
    Literal(String),
    Digits(char, usize),
}

fn pieces(pattern: &str) -> Option<Vec<Piece>> {
    let (mut out, mut chars) = (Vec::new(), pattern.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            'y' | 'u' | 'M' | 'd' | 'H' | 'm' | 's' | 'S' => {
                let mut width = 1;
                while chars.next_if_eq(&c).is_some() {
                    width += 1;
                }
                out.push(Piece::Digits(c, width));
            }
            '\'' => {
                let quoted: String = chars.by_ref().take_while(|&c| c != '\'').collect();
                out.push(Piece::Literal(if quoted.is_empty() { "'".into() } else { quoted }));
            }
            c if c.is_ascii_alphabetic() => return None,
            c => out.push(Piece::Literal(c.to_string())),
        }
    }
    Some(out)
}

struct Fields {
    year: i32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    nanos: u32,
}

impl Default for Fields {
    fn default() -> Self {
        Fields { year: 1970, month: 1, day: 1, hour: 0, minute: 0, second: 0, nanos: 0 }
    }
}

impl Fields {
    fn set(&mut self, letter: char, digits: &str) -> Option<()> {
        let number = || digits.parse::<u32>().ok();
        match letter {
            'y' | 'u' if digits.len() == 2 => self.year = 2000 + number()? as i32,
            'y' | 'u' => self.year = digits.parse().ok()?,
            'M' => self.month = number()?,
            'd' => self.day = number()?,
            'H' => self.hour = number()?,
            'm' => self.minute = number()?,
            's' => self.second = number()?,
            _ => self.nanos = parse_fraction(digits)?,
        }
        Some(())
    }

    fn timestamp(&self) -> Option<NaiveDateTime> {
        let date = NaiveDate::from_ymd_opt(self.year, self.month, self.day)?;
        date.and_hms_nano_opt(self.hour, self.minute, self.second, self.nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_read_in_all_their_forms() {
        let shown = |text: &str| parse_timestamp(text).map(write_timestamp);
        for (text, expected) in [
            ("2024-05-01", "2024-05-01T00:00"),
            ("2024-5-1 7:05", "2024-05-01T07:05"),
            ("2024-05-01T10:00:07", "2024-05-01T10:00:07"),
            ("2024-05-01 10:00:07.12", "2024-05-01T10:00:07.120"),
            ("2024-05-01 10:00:00.000001", "2024-05-01T10:00:00.000001"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(shown("2024-13-01"), None);
        assert_eq!(shown("yesterday"), None);
    }

    #[test]
    fn patterns_are_javas() {
        let read = |pattern, text| parse_with(pattern, text).map(write_timestamp);
        assert_eq!(read("yyyyMMddHH", "2024050107").as_deref(), Some("2024-05-01T07:00"));
        assert_eq!(read("yyyy/M/d 'at' H:mm", "2024/5/1 at 7:30").as_deref(), Some("2024-05-01T07:30"));
        assert_eq!(read("yyyy-MM-dd", "2024-05-01x"), None);
        assert!(!is_known_pattern("yyyy-MMM EEE"[8..].trim()));
    }

    #[test]
    fn a_time_in_a_gap_is_moved_forward() {
        let zone: Tz = "Europe/Berlin".parse().unwrap();
        let ms = |text| instant_ms(parse_timestamp(text).unwrap(), zone);
        assert_eq!(ms("2024-03-31 02:30") - ms("2024-03-31 01:30"), 3_600_000);
        assert_eq!(ms("2024-07-01 02:00"), 1_719_792_000_000);
    }
}
