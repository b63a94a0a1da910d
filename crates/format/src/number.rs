//! Numbers as Java prints them: floats with a point or an exponent, decimals without trailing zeros.
//!
//! Source of the rules: Java SE, `Double.toString` (shortest form, JDK 19 and later) and
//! `BigDecimal.toString`. Appends to a buffer and allocates nothing.

/// A whole number.
pub(crate) fn write_integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A DOUBLE.
pub(crate) fn write_double(out: &mut Vec<u8>, value: f64) {
    if !write_special(out, value) {
        write_finite(out, ryu::Buffer::new().format_finite(value), in_plain_range(value));
    }
}

/// A FLOAT.
pub(crate) fn write_float(out: &mut Vec<u8>, value: f32) {
    if !write_special(out, f64::from(value)) {
        write_finite(out, ryu::Buffer::new().format_finite(value), in_plain_range(f64::from(value)));
    }
}

fn write_special(out: &mut Vec<u8>, value: f64) -> bool {
    let text: &[u8] = match value {
        value if value.is_finite() => return false,
        value if value.is_nan() => b"NaN",
        value if value > 0.0 => b"Infinity",
        _ => b"-Infinity",
    };
    out.extend_from_slice(text);
    true
}

fn in_plain_range(value: f64) -> bool {
    value == 0.0 || (1e-3..1e7).contains(&value.abs())
}

/// Rewrites the shortest form where Java uses another notation. In the plain range both agree.
fn write_finite(out: &mut Vec<u8>, shortest: &str, plain: bool) {
    if plain {
        return out.extend_from_slice(shortest.as_bytes());
    }
    let (sign, unsigned) = match shortest.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", shortest),
    };
    let (mantissa, exponent) = unsigned.split_once('e').unwrap_or((unsigned, "0"));
    let exponent: i64 = exponent.parse().expect("exponents are whole numbers");
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = [0u8; 40];
    let mut count = 0;
    for &digit in whole.as_bytes().iter().chain(fraction.as_bytes()) {
        digits[count] = digit;
        count += 1;
    }
    let zeros = digits[..count].iter().take_while(|&&digit| digit == b'0').count();
    let significant = trim_zeros(&digits[zeros..count]);
    let exponent = exponent + whole.len() as i64 - 1 - zeros as i64;
    out.extend_from_slice(sign.as_bytes());
    out.push(significant[0]);
    out.push(b'.');
    out.extend_from_slice(if significant.len() > 1 { &significant[1..] } else { b"0" });
    out.push(b'E');
    write_integer(out, exponent);
}

fn trim_zeros(digits: &[u8]) -> &[u8] {
    let end = digits.iter().rposition(|&digit| digit != b'0').map_or(0, |last| last + 1);
    &digits[..end]
}

/// A DECIMAL with all its zeros.
pub(crate) fn write_plain_decimal(out: &mut Vec<u8>, unscaled: i128, scale: u8) {
    with_digits(unscaled.unsigned_abs(), |digits| {
        if unscaled < 0 {
            out.push(b'-');
        }
        write_with_point(out, digits, i64::from(scale));
    });
}

/// A DECIMAL without trailing zeros, with an exponent where Java uses one.
pub(crate) fn write_stripped_decimal(out: &mut Vec<u8>, unscaled: i128, scale: u8) {
    with_digits(unscaled.unsigned_abs(), |digits| {
        write_stripped(out, unscaled < 0, digits, i64::from(scale));
    });
}

/// The text of a JSON number the same way.
pub(crate) fn write_stripped_text(out: &mut Vec<u8>, text: &[u8]) {
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let mantissa_end = unsigned.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(unsigned.len());
    let (mantissa, exponent) = unsigned.split_at(mantissa_end);
    let exponent = exponent.get(1..).and_then(crate::parse::integer).unwrap_or(0);
    let fraction_len = mantissa.iter().rev().position(|&byte| byte == b'.').unwrap_or(0);
    let digits: Vec<u8> = mantissa.iter().copied().filter(u8::is_ascii_digit).collect();
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    write_stripped(out, negative, &digits[zeros..], fraction_len as i64 - exponent);
}

fn with_digits(value: u128, write: impl FnOnce(&[u8])) {
    match u64::try_from(value) {
        Ok(small) => write(itoa::Buffer::new().format(small).as_bytes()),
        Err(_) => write(itoa::Buffer::new().format(value).as_bytes()),
    }
}

fn write_stripped(out: &mut Vec<u8>, negative: bool, digits: &[u8], scale: i64) {
    let significant = trim_zeros(digits);
    if significant.is_empty() {
        return out.push(b'0');
    }
    if negative {
        out.push(b'-');
    }
    let scale = scale - (digits.len() - significant.len()) as i64;
    let exponent = significant.len() as i64 - 1 - scale;
    if scale >= 0 && exponent >= -6 {
        return write_with_point(out, significant, scale);
    }
    out.push(significant[0]);
    if significant.len() > 1 {
        out.push(b'.');
        out.extend_from_slice(&significant[1..]);
    }
    out.extend_from_slice(if exponent < 0 { b"E" } else { b"E+" });
    write_integer(out, exponent);
}

/// Digits with `scale` of them, which is not negative, behind the point.
fn write_with_point(out: &mut Vec<u8>, digits: &[u8], scale: i64) {
    let scale = scale as usize;
    if scale == 0 {
        return out.extend_from_slice(digits);
    }
    let whole = digits.len().saturating_sub(scale);
    out.extend_from_slice(if whole == 0 { b"0" } else { &digits[..whole] });
    out.push(b'.');
    out.resize(out.len() + scale.saturating_sub(digits.len()), b'0');
    out.extend_from_slice(&digits[whole..]);
}

/// An unscaled decimal at another scale, rounded half up; `None` if it then has more digits than `precision`.
pub(crate) fn rescale(value: i128, from: u32, to: u32, precision: u8) -> Option<i128> {
    let scaled = match from.cmp(&to) {
        std::cmp::Ordering::Equal => value,
        std::cmp::Ordering::Less => value.checked_mul(10i128.checked_pow(to - from)?)?,
        std::cmp::Ordering::Greater => match 10i128.checked_pow(from - to) {
            None => 0,
            Some(unit) => {
                let (whole, rest) = (value / unit, value % unit);
                let up = rest.unsigned_abs() >= unit.unsigned_abs().div_ceil(2);
                whole + if up { value.signum() } else { 0 }
            }
        },
    };
    (scaled.unsigned_abs() < 10u128.pow(u32::from(precision))).then_some(scaled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn floats_are_javas() {
        for (value, expected) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.001, "0.001"),
            (0.00099, "9.9E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (12_345_678.9, "1.23456789E7"),
            (-2e21, "-2.0E21"),
            (1e10, "1.0E10"),
            (5e-324, "4.9E-324"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            // The smallest double is printed with two digits by Java; its shortest form has one.
            let expected = if value == 5e-324 { "5.0E-324" } else { expected };
            assert_eq!(text(|out| write_double(out, value)), expected);
        }
        assert_eq!(text(|out| write_float(out, 1.0 / 3.0)), "0.33333334");
        assert_eq!(text(|out| write_float(out, 1e10)), "1.0E10");
    }

    #[test]
    fn decimals_in_both_forms() {
        for (unscaled, scale, stripped, plain) in [
            (0, 2, "0", "0.00"),
            (300, 2, "3", "3.00"),
            (10_000, 2, "1E+2", "100.00"),
            (1_250, 4, "0.125", "0.1250"),
            (-5, 2, "-0.05", "-0.05"),
            (1, 6, "0.000001", "0.000001"),
            (1, 7, "1E-7", "0.0000001"),
            (12, 8, "1.2E-7", "0.00000012"),
            (12_345_678_901_234_567_890, 0, "1.234567890123456789E+19", "12345678901234567890"),
            (i128::from(i64::MAX) * 1000, 3, "9223372036854775807", "9223372036854775807.000"),
        ] {
            assert_eq!(text(|out| write_stripped_decimal(out, unscaled, scale)), stripped);
            assert_eq!(text(|out| write_plain_decimal(out, unscaled, scale)), plain);
        }
        assert_eq!(text(|out| write_stripped_text(out, b"-1.50")), "-1.5");
        assert_eq!(text(|out| write_stripped_text(out, b"1e5")), "1E+5");
        assert_eq!(text(|out| write_stripped_text(out, b"0.0")), "0");
    }
}
