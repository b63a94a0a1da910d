//! Text forms of dates, times and decimals, as Flink prints them. Writes into a buffer, allocates nothing.

use crate::arrow_type::units_per_ms;

/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;

/// Nanoseconds of a day.
pub const NANOS_PER_DAY: i64 = DAY_MS * 1_000_000;

/// Year, month (1-12) and day (1-31) of a day counted from 1970-01-01 (proleptic Gregorian).
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468; // days since 0000-03-01, so that leap days end a year
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The day counted from 1970-01-01 of a date; month and day must be in range.
pub fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// How many days a month has.
pub fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `yyyy-MM-dd`.
pub fn write_date(out: &mut Vec<u8>, days: i64) {
    let (year, month, day) = civil_from_days(days);
    if year < 0 {
        out.push(b'-');
    }
    write_padded(out, year.unsigned_abs(), 4);
    out.push(b'-');
    write_padded(out, u64::from(month), 2);
    out.push(b'-');
    write_padded(out, u64::from(day), 2);
}

/// `HH:mm:ss` of the milliseconds of a day.
pub fn write_time(out: &mut Vec<u8>, ms_of_day: i64) {
    let seconds = (ms_of_day / 1_000) as u64;
    write_padded(out, seconds / 3_600, 2);
    out.push(b':');
    write_padded(out, seconds / 60 % 60, 2);
    out.push(b':');
    write_padded(out, seconds % 60, 2);
}

/// The same of a TIME of this precision: one with a fraction shows its digits without trailing zeros, but at
/// least one, as Flink's CAST does.
pub fn write_fine_time(out: &mut Vec<u8>, ms_of_day: i64, precision: u8) {
    write_time(out, ms_of_day);
    if precision == 0 {
        return;
    }
    let (mut fraction, mut digits) = ((ms_of_day % 1_000) as u64, 3);
    while digits > 1 && fraction.is_multiple_of(10) {
        (fraction, digits) = (fraction / 10, digits - 1);
    }
    out.push(b'.');
    write_padded(out, fraction, digits);
}

/// `yyyy-MM-dd HH:mm:ss[.fraction]` with exactly `precision` digits; `value` is in the unit of the
/// precision (see [`crate::arrow_type::time_unit`]); `separator` stands between date and time.
pub fn write_timestamp(out: &mut Vec<u8>, value: i64, precision: u8, separator: u8) {
    let per_day = units_per_ms(precision) * DAY_MS;
    let nanos = value.rem_euclid(per_day) * (NANOS_PER_DAY / per_day);
    write_moment(out, value.div_euclid(per_day), nanos, precision, separator);
}

/// The same of a timestamp in nanoseconds.
pub fn write_wide_timestamp(out: &mut Vec<u8>, nanos: i128, precision: u8, separator: u8) {
    let per_day = i128::from(NANOS_PER_DAY);
    let (days, nanos) = (nanos.div_euclid(per_day), nanos.rem_euclid(per_day));
    write_moment(out, days as i64, nanos as i64, precision, separator);
}

/// The same of a day and the nanoseconds of the day.
pub fn write_moment(out: &mut Vec<u8>, days: i64, nanos: i64, precision: u8, separator: u8) {
    write_date(out, days);
    out.push(separator);
    write_time(out, nanos / 1_000_000);
    if precision > 0 {
        out.push(b'.');
        let fraction = (nanos % 1_000_000_000) as u64;
        write_padded(out, fraction / 10u64.pow(9 - u32::from(precision)), precision.into());
    }
}

/// A decimal with exactly `scale` digits after the point.
pub fn write_decimal(out: &mut Vec<u8>, unscaled: i128, scale: u8) {
    if unscaled < 0 {
        out.push(b'-');
    }
    let digits = unscaled.unsigned_abs().to_string();
    let scale = usize::from(scale);
    if scale == 0 {
        return out.extend_from_slice(digits.as_bytes());
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    out.extend_from_slice(whole.as_bytes());
    out.push(b'.');
    out.extend_from_slice(fraction.as_bytes());
}

fn write_padded(out: &mut Vec<u8>, mut value: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    while value > 0 {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    out.extend_from_slice(&digits[at.min(digits.len() - width)..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("text forms are ASCII")
    }

    #[test]
    fn dates_round_trip_around_the_epoch_and_leap_years() {
        for days in [-719_528, -1, 0, 59, 11_016, 19_782, 2_932_896] {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
        assert_eq!(text(|out| write_date(out, 19_782)), "2024-02-29");
        assert_eq!(text(|out| write_date(out, -719_528)), "0000-01-01");
    }

    #[test]
    fn timestamps_show_exactly_their_precision() {
        assert_eq!(text(|out| write_timestamp(out, -1, 3, b' ')), "1969-12-31 23:59:59.999");
        assert_eq!(text(|out| write_timestamp(out, 1_500, 0, b'T')), "1970-01-01T00:00:01");
        assert_eq!(text(|out| write_timestamp(out, 1_234_567, 4, b' ')), "1970-01-01 00:00:01.2345");
        let last = (2_932_897 * i128::from(NANOS_PER_DAY)) - 1;
        assert_eq!(text(|out| write_wide_timestamp(out, last, 9, b' ')), "9999-12-31 23:59:59.999999999");
        assert_eq!(text(|out| write_wide_timestamp(out, -1, 7, b' ')), "1969-12-31 23:59:59.9999999");
    }

    #[test]
    fn decimals_keep_their_scale() {
        assert_eq!(text(|out| write_decimal(out, -5, 2)), "-0.05");
        assert_eq!(text(|out| write_decimal(out, 1_000, 0)), "1000");
        assert_eq!(text(|out| write_decimal(out, 12_345, 3)), "12.345");
    }
}
