//! Text to values: whole numbers, floats, decimals, dates and times, as Flink's formats read them.
//!
//! Pure functions over bytes that allocate nothing; `None` means the text is not such a value. Java's
//! leniencies that Flink inherits (trimming, a leading plus, `1.5d`, `NaN`) live here.

use tidemill_types::arrow_type::units_per_ms;
use tidemill_types::text::{NANOS_PER_DAY, days_from_civil, days_in_month};

/// The text without the characters that Java's `trim` strips.
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&byte| byte > b' ').unwrap_or(text.len());
    let end = text.iter().rposition(|&byte| byte > b' ').map_or(start, |last| last + 1);
    &text[start..end]
}

/// A whole number with an optional sign.
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    if digits.len() <= 18 {
        let value = digits.iter().try_fold(0i64, |sum, byte| {
            let digit = byte.wrapping_sub(b'0');
            (digit <= 9).then(|| sum * 10 + i64::from(digit))
        })?;
        return Some(if negative { -value } else { value });
    }
    digits.iter().try_fold(0i64, |sum, byte| {
        let digit = i64::from(byte.wrapping_sub(b'0'));
        let shifted = if digit <= 9 { sum.checked_mul(10)? } else { return None };
        if negative { shifted.checked_sub(digit) } else { shifted.checked_add(digit) }
    })
}

/// `true` in any case; everything else is false.
pub(crate) fn boolean(text: &[u8]) -> bool {
    trim(text).eq_ignore_ascii_case(b"true")
}

/// A float as Java's `parseDouble` and `parseFloat` read it, hexadecimal forms excepted.
pub(crate) fn float<F: fast_float2::FastFloat + std::ops::Neg<Output = F>>(text: &[u8]) -> Option<F> {
    let text = trim(text);
    match text {
        b"NaN" | b"+NaN" | b"-NaN" => return Some(F::NAN),
        b"Infinity" | b"+Infinity" => return Some(F::INFINITY),
        b"-Infinity" => return Some(F::NEG_INFINITY),
        _ => {}
    }
    let (negative, body) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let body = match body {
        [init @ .., b'd' | b'D' | b'f' | b'F'] => init,
        _ => body,
    };
    // What the library reads beyond digits (inf, nan, a second sign) is not Java's.
    if !body.first().is_some_and(|&byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let value: F = fast_float2::parse(body).ok()?;
    Some(if negative { -value } else { value })
}

/// A decimal rounded half up to `scale`. `None`: no number; `Some(None)`: too large for the precision,
/// which Flink reads as NULL.
pub(crate) fn decimal(text: &[u8], precision: u8, scale: u8) -> Option<Option<i128>> {
    let parts = DecimalParts::read(text)?;
    Some(parts.unscaled(scale).filter(|value| *value < 10u128.pow(u32::from(precision))).map(|value| {
        let value = value as i128;
        if parts.negative { -value } else { value }
    }))
}

/// A decimal literal cut into its pieces: `0.d1d2d3... * 10^point`.
struct DecimalParts<'a> {
    negative: bool,
    /// The digits before and after the point, the first without leading zeros.
    whole: &'a [u8],
    fraction: &'a [u8],
    point: i64,
}

impl<'a> DecimalParts<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (whole, rest) = rest.split_at(digits(rest));
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => rest.split_at(digits(rest)),
            _ => (&rest[..0], rest),
        };
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', rest @ ..] => integer(rest).filter(|value| i32::try_from(*value).is_ok())?,
            _ => return None,
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let zeros = whole.iter().take_while(|&&byte| byte == b'0').count();
        let whole = &whole[zeros..];
        Some(DecimalParts { negative, whole, fraction, point: whole.len() as i64 + exponent })
    }

    /// The digits with `scale` of them behind the point; `None` above 38 digits.
    fn unscaled(&self, scale: u8) -> Option<u128> {
        let mut digits = self.whole.iter().chain(self.fraction).map(|byte| byte - b'0');
        let keep = self.point + i64::from(scale);
        let mut value = 0u128;
        let mut left = keep;
        let mut round = 0;
        for digit in digits.by_ref() {
            if left <= 0 {
                round = if left == 0 { digit } else { 0 };
                break;
            }
            value = value.checked_mul(10)?.checked_add(u128::from(digit))?;
            left -= 1;
        }
        if left > 0 && value > 0 {
            value = value.checked_mul(10u128.checked_pow(u32::try_from(left).ok()?)?)?;
        }
        Some(value + u128::from(round >= 5))
    }
}

/// A day or a point in time cut into what every unit can be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instant {
    /// Days since 1970-01-01.
    pub days: i64,
    /// Nanoseconds of the day.
    pub nanos: i64,
}

impl Instant {
    /// In the unit that a timestamp of this precision, which is not wide, is kept in. Digits that the unit can
    /// hold stay even if they are more than the precision's: Flink's formats do not cut.
    pub fn in_unit(self, precision: u8) -> Option<i64> {
        let per_day = units_per_ms(precision).checked_mul(86_400_000)?;
        let nanos_per_unit = NANOS_PER_DAY / per_day;
        self.days.checked_mul(per_day)?.checked_add(self.nanos / nanos_per_unit)
    }

    /// In nanoseconds.
    pub fn in_nanos(self) -> i128 {
        i128::from(self.days) * i128::from(NANOS_PER_DAY) + i128::from(self.nanos)
    }
}

/// What stands after the time of a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Suffix {
    /// Nothing.
    None,
    /// `Z`.
    Zulu,
    /// `Z`, `+08:00` and the like; the result is in UTC.
    Offset,
}

/// How strictly the parts of a date are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// Two digits each, and the day exists.
    Strict,
    /// Two digits each; a day beyond its month becomes the last one.
    Clamp,
    /// One or two digits each (the forms of `java.sql`); the day exists.
    Short,
}

/// `yyyy-MM-dd`.
pub(crate) fn date(text: &[u8], strictness: Strictness) -> Option<i64> {
    let (days, rest) = date_prefix(text, strictness)?;
    rest.is_empty().then_some(days)
}

/// `HH:mm[:ss[.fraction]]` in nanoseconds of the day; the seconds may lack only if `short`.
pub(crate) fn time(text: &[u8], short: bool) -> Option<i64> {
    let (nanos, rest) = time_prefix(text, short)?;
    rest.is_empty().then_some(nanos)
}

/// Date, separator, time and suffix.
pub(crate) fn timestamp(
    text: &[u8],
    separator: u8,
    suffix: Suffix,
    strictness: Strictness,
) -> Option<Instant> {
    let (days, rest) = date_prefix(text, strictness)?;
    let rest = rest.strip_prefix(&[separator])?;
    let (nanos, rest) = time_prefix(rest, false)?;
    let offset = match (suffix, rest) {
        (Suffix::None, []) | (Suffix::Zulu | Suffix::Offset, b"Z") => 0,
        (Suffix::Offset, rest) => zone_offset(rest)?,
        _ => return None,
    };
    let shifted = nanos - offset * 1_000_000_000;
    Some(Instant { days: days + shifted.div_euclid(NANOS_PER_DAY), nanos: shifted.rem_euclid(NANOS_PER_DAY) })
}

fn zone_offset(text: &[u8]) -> Option<i64> {
    let (sign, rest) = match text {
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let [h1, h2, b':', m1, m2, seconds @ ..] = rest else { return None };
    let seconds = match seconds {
        [] => 0,
        [b':', s1, s2] => two(*s1, *s2)?,
        _ => return None,
    };
    Some(sign * i64::from(two(*h1, *h2)? * 3_600 + two(*m1, *m2)? * 60 + seconds))
}

fn two(tens: u8, ones: u8) -> Option<u32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| u32::from(tens) * 10 + u32::from(ones))
}

fn date_prefix(text: &[u8], strictness: Strictness) -> Option<(i64, &[u8])> {
    if let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, rest @ ..] = text
        && !(strictness == Strictness::Short && rest.first().is_some_and(u8::is_ascii_digit))
        && let (Some(century), Some(year), Some(month), Some(day)) =
            (two(*y1, *y2), two(*y3, *y4), two(*m1, *m2), two(*d1, *d2))
    {
        return Some((civil(i64::from(century * 100 + year), month, day, strictness)?, rest));
    }
    odd_date_prefix(text, strictness)
}

/// Dates with a signed or long year, and, where allowed, with one-digit months and days.
fn odd_date_prefix(text: &[u8], strictness: Strictness) -> Option<(i64, &[u8])> {
    let (sign, rest) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (0, text),
    };
    let (year, width, rest) = number_prefix(rest, 9)?;
    let width_fits = match sign {
        0 => width == 4,
        1 => width > 4,
        _ => width >= 4,
    };
    let (month, month_width, rest) = number_prefix(rest.strip_prefix(b"-")?, 2)?;
    let (day, day_width, rest) = number_prefix(rest.strip_prefix(b"-")?, 2)?;
    let parts_fit = strictness == Strictness::Short || (month_width == 2 && day_width == 2);
    let year = if sign < 0 { -year } else { year };
    (width_fits && parts_fit)
        .then(|| civil(year, month as u32, day as u32, strictness))
        .flatten()
        .map(|days| (days, rest))
}

fn number_prefix(text: &[u8], max_width: usize) -> Option<(i64, usize, &[u8])> {
    let width = text.iter().take(max_width).take_while(|byte| byte.is_ascii_digit()).count();
    Some((integer(&text[..width])?, width, &text[width..]))
}

fn civil(year: i64, month: u32, day: u32, strictness: Strictness) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let last = days_in_month(year, month);
    match strictness {
        Strictness::Clamp => Some(days_from_civil(year, month, day.min(last))),
        _ => (day <= last).then(|| days_from_civil(year, month, day)),
    }
}

fn time_prefix(text: &[u8], short: bool) -> Option<(i64, &[u8])> {
    let [h1, h2, b':', m1, m2, rest @ ..] = text else { return None };
    let (hours, minutes) = (two(*h1, *h2)?, two(*m1, *m2)?);
    let (seconds, rest) = match rest {
        [b':', s1, s2, rest @ ..] => (two(*s1, *s2)?, rest),
        _ if short => (0, rest),
        _ => return None,
    };
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => {
            let (value, width, rest) = number_prefix(rest, 9)?;
            (value * 10i64.pow(9 - width as u32), rest)
        }
        _ => (0, rest),
    };
    Some((i64::from(hours * 3_600 + minutes * 60 + seconds) * 1_000_000_000 + fraction, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_to_their_very_ends() {
        for (text, value) in [
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("+5", Some(5)),
            ("007", Some(7)),
            ("", None),
            ("-", None),
            ("1.0", None),
            ("1:", None),
        ] {
            assert_eq!(integer(text.as_bytes()), value, "{text}");
        }
    }

    #[test]
    fn decimals_round_half_up_and_overflow_to_null() {
        for (text, value) in [
            ("1.239", Some(Some(124))),
            ("1.235", Some(Some(124))),
            ("-1.235", Some(Some(-124))),
            ("99999.99", Some(None)),
            ("9999.995", Some(None)),
            ("1e2", Some(Some(10_000))),
            ("12345e-4", Some(Some(123))),
            ("0.004", Some(Some(0))),
            ("0.0005e1", Some(Some(1))),
            ("1e-400", Some(Some(0))),
            ("1e400", Some(None)),
            ("0e400", Some(Some(0))),
            (".5", Some(Some(50))),
            ("5.", Some(Some(500))),
            (".", None),
            ("1x", None),
        ] {
            assert_eq!(decimal(text.as_bytes(), 6, 2), value, "{text}");
        }
        let long = "0".repeat(50) + "1." + &"3".repeat(60);
        assert_eq!(decimal(long.as_bytes(), 38, 2), Some(Some(133)));
    }

    #[test]
    fn floats_are_javas() {
        assert_eq!(float::<f64>(b" 1e400 "), Some(f64::INFINITY));
        assert_eq!(float::<f64>(b"-0").map(f64::to_bits), Some((-0.0f64).to_bits()));
        assert_eq!(float::<f32>(b"1.5f"), Some(1.5));
        assert_eq!(float::<f64>(b"-Infinity"), Some(f64::NEG_INFINITY));
        assert_eq!(float::<f64>(b"+2"), Some(2.0));
        assert!(float::<f64>(b"inf").is_none() && float::<f64>(b"").is_none());
        assert!(float::<f64>(b"+-1").is_none() && float::<f64>(b"nan").is_none());
    }

    #[test]
    fn dates_and_times_know_their_limits() {
        use Strictness::{Clamp, Short, Strict};
        assert_eq!(date(b"1970-01-02", Strict), Some(1));
        assert_eq!(date(b"2023-02-29", Strict), None);
        assert_eq!(date(b"2023-02-29", Clamp), date(b"2023-02-28", Strict));
        assert_eq!(date(b"1970-1-2", Short), Some(1));
        assert_eq!(date(b"1970-1-2", Strict), None);
        assert_eq!(date(b"-0001-01-01", Strict), Some(-719_893));
        assert_eq!(time(b"23:59:59.9", false), Some(86_399_900_000_000));
        assert_eq!(time(b"24:00:00", false), None);
        assert_eq!(time(b"10:00", true), Some(36_000_000_000_000));
    }

    #[test]
    fn timestamps_end_as_asked() {
        let read = |text: &str, suffix| timestamp(text.as_bytes(), b'T', suffix, Strictness::Strict);
        let noon = Instant { days: 0, nanos: 43_200_000_000_000 };
        assert_eq!(read("1970-01-01T12:00:00", Suffix::None), Some(noon));
        assert_eq!(read("1970-01-01T12:00:00Z", Suffix::None), None);
        assert_eq!(read("1970-01-01T12:00:00Z", Suffix::Zulu), Some(noon));
        assert_eq!(read("1970-01-01T20:00:00+08:00", Suffix::Offset), Some(noon));
        assert_eq!(read("1970-01-01T20:00:00+08:00", Suffix::Zulu), None);
        assert_eq!(Instant { days: -1, nanos: 999_999_999 }.in_unit(3), Some(-86_399_001));
        assert_eq!(Instant { days: 0, nanos: 999_999_999 }.in_unit(1), Some(999));
        assert_eq!(Instant { days: i64::MAX / 1_000, nanos: 0 }.in_unit(6), None);
        let far = Instant { days: 4_000_000, nanos: 999_999_999 };
        assert_eq!(far.in_nanos(), 4_000_000 * i128::from(NANOS_PER_DAY) + 999_999_999);
    }
}
