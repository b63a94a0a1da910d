//! Dates and times as text without trailing zeros in the fraction, and zone arithmetic.

use crate::parse::Instant;
use chrono::{DateTime, Offset, TimeZone};
use tidemill_types::text::{NANOS_PER_DAY, civil_from_days};

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

/// Date, separator and time.
pub(crate) fn write_timestamp(out: &mut Vec<u8>, at: Instant, separator: u8) {
    write_date(out, at.days);
    out.push(separator);
    write_time(out, at.nanos);
}

/// The wall-clock time in a zone of an instant.
pub(crate) fn wall_clock(at: Instant, zone: chrono_tz::Tz) -> Instant {
    if zone == chrono_tz::Tz::UTC {
        return at;
    }
    let seconds = at.days.saturating_mul(86_400).saturating_add(at.nanos / 1_000_000_000);
    let Some(instant) = DateTime::from_timestamp(seconds, 0) else { return at };
    let offset = zone.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc();
    let nanos = at.nanos + i64::from(offset) * 1_000_000_000;
    Instant { days: at.days + nanos.div_euclid(NANOS_PER_DAY), nanos: nanos.rem_euclid(NANOS_PER_DAY) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_lose_their_zeros() {
        for (days, nanos, expected) in [
            (0, 0, "1970-01-01 00:00:00"),
            (0, 120_000_000, "1970-01-01 00:00:00.12"),
            (-1, NANOS_PER_DAY - 1_000, "1969-12-31 23:59:59.999999"),
            (0, 1_000_000_001, "1970-01-01 00:00:01.000000001"),
            (2_932_897, 0, "10000-01-01 00:00:00"),
        ] {
            let mut out = Vec::new();
            write_timestamp(&mut out, Instant { days, nanos }, b' ');
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn zones_move_the_clock() {
        const HOUR: i64 = 3_600_000_000_000;
        let (shanghai, new_york) = (chrono_tz::Tz::Asia__Shanghai, chrono_tz::Tz::America__New_York);
        let at = |days, hours: i64| Instant { days, nanos: hours * HOUR };
        assert_eq!(wall_clock(at(0, 0), shanghai), at(0, 8));
        assert_eq!(wall_clock(at(19_907, 20), shanghai), at(19_908, 4));
        assert_eq!(wall_clock(at(19_907, 2), new_york), at(19_906, 22));
    }
}
