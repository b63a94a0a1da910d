//! Dates and times as text without trailing zeros in the fraction, and zone arithmetic.

use chrono::{DateTime, Offset, TimeZone};
use tidemill_types::arrow_type::units_per_ms;
use tidemill_types::text::civil_from_days;

const PAIRS: &[u8; 200] =
    b"0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849\
5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

fn pair(value: u32) -> [u8; 2] {
    let at = value as usize * 2;
    [PAIRS[at], PAIRS[at + 1]]
}

/// `yyyy-MM-dd`.
pub(crate) fn write_date(out: &mut Vec<u8>, days: i64) {
    let (year, month, day) = civil_from_days(days);
    if !(0..=9999).contains(&year) {
        return tidemill_types::text::write_date(out, days);
    }
    let ([y1, y2], [y3, y4]) = (pair(year as u32 / 100), pair(year as u32 % 100));
    let ([m1, m2], [d1, d2]) = (pair(month), pair(day));
    out.extend_from_slice(&[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2]);
}

/// `HH:mm:ss` and the fraction, if any, of nanoseconds of a day.
pub(crate) fn write_time(out: &mut Vec<u8>, nanos: i64) {
    let (seconds, fraction) = ((nanos / 1_000_000_000) as u32, (nanos % 1_000_000_000) as u32);
    let ([h1, h2], [m1, m2], [s1, s2]) = (pair(seconds / 3_600), pair(seconds / 60 % 60), pair(seconds % 60));
    out.extend_from_slice(&[h1, h2, b':', m1, m2, b':', s1, s2]);
    if fraction > 0 {
        write_fraction(out, fraction);
    }
}

fn write_fraction(out: &mut Vec<u8>, nanos: u32) {
    let (upper, lower) = (nanos / 100_000, nanos % 100_000);
    let ([a, b], [c, d]) = (pair(upper / 100), pair(upper % 100));
    let ([e, f], [g, h]) = (pair(lower / 1_000), pair(lower / 10 % 100));
    let digits = [b'.', a, b, c, d, e, f, g, h, b'0' + (lower % 10) as u8];
    let last = digits.iter().rposition(|&digit| digit != b'0').expect("the point is no zero");
    out.extend_from_slice(&digits[..=last]);
}

/// Date, separator and time of a timestamp kept in the unit of its precision.
pub(crate) fn write_timestamp(out: &mut Vec<u8>, value: i64, precision: u8, separator: u8) {
    let per_ms = units_per_ms(precision);
    let per_day = per_ms * 86_400_000;
    write_date(out, value.div_euclid(per_day));
    out.push(separator);
    write_time(out, value.rem_euclid(per_day) * (1_000_000 / per_ms));
}

/// The wall-clock time in a zone of an instant, both in the unit of the precision.
pub(crate) fn wall_clock(value: i64, precision: u8, zone: chrono_tz::Tz) -> i64 {
    if zone == chrono_tz::Tz::UTC {
        return value;
    }
    let per_second = units_per_ms(precision) * 1_000;
    let Some(instant) = DateTime::from_timestamp(value.div_euclid(per_second), 0) else { return value };
    let offset = zone.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc();
    value.saturating_add(i64::from(offset) * per_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_lose_their_zeros() {
        for (value, precision, expected) in [
            (0, 3, "1970-01-01 00:00:00"),
            (120, 3, "1970-01-01 00:00:00.12"),
            (-1, 6, "1969-12-31 23:59:59.999999"),
            (1_000_000_001, 9, "1970-01-01 00:00:01.000000001"),
            (253_402_300_800_000, 3, "10000-01-01 00:00:00"),
        ] {
            let mut out = Vec::new();
            write_timestamp(&mut out, value, precision, b' ');
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn zones_move_the_clock() {
        let shanghai = chrono_tz::Tz::Asia__Shanghai;
        assert_eq!(wall_clock(0, 3, shanghai), 8 * 3_600_000);
        let berlin = chrono_tz::Tz::Europe__Berlin;
        assert_eq!(wall_clock(1_720_000_000_000_000, 6, berlin), 1_720_007_200_000_000);
    }
}
