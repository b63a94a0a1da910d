//! Numbers as text and back, as Java writes and Flink reads them.
//!
//! Doubles are written as Java does up to version 18: the shortest digits, except that whole numbers that
//! fit 63 bits show the digits their precision can hold.

use crate::operators::decimal::{half_up, pow10};
use std::fmt::Write;

/// Java's `Double.toString`.
pub fn double_text(value: f64) -> String {
    let mut out = String::new();
    write_double(&mut out, value);
    out
}

/// Java's `Double.toString`.
pub fn write_double(out: &mut String, value: f64) {
    let whole = value.abs().log2();
    if value.fract() == 0.0 && (53.0..62.99).contains(&whole) {
        return write_whole(out, value < 0.0, value.abs() as u64, whole as i32 - 53 - 1);
    }
    write_shortest(out, value, format_args!("{value:e}"));
}

/// Java's `Float.toString`.
pub fn write_float(out: &mut String, value: f32) {
    let whole = f64::from(value).abs().log2();
    if value.fract() == 0.0 && (24.0..62.99).contains(&whole) {
        return write_whole(out, value < 0.0, value.abs() as u64, whole as i32 - 24 - 1);
    }
    write_shortest(out, value.into(), format_args!("{value:e}"));
}

/// A whole number beyond the precision of its type, of which 2^`spare` can't be told apart.
fn write_whole(out: &mut String, negative: bool, value: u64, spare: i32) {
    let dropped = if spare > 1 { (f64::from(spare) * std::f64::consts::LOG10_2 - 1e-9) as u32 } else { 0 };
    let unit = 10u64.pow(dropped);
    let mut digits = value / unit;
    if dropped > 0 && value % unit >= unit / 2 {
        digits += 1;
    }
    let all = digits.to_string();
    let exponent = all.len() as i32 + dropped as i32 - 1;
    write_digits(out, negative, all.trim_end_matches('0'), exponent);
}

fn write_shortest(out: &mut String, value: f64, scientific: std::fmt::Arguments<'_>) {
    if !value.is_finite() {
        let text = if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        };
        return out.push_str(text);
    }
    if value == 0.0 {
        return out.push_str(if value.is_sign_negative() { "-0.0" } else { "0.0" });
    }
    let mut text = ShortText::default();
    write!(text, "{scientific}").expect("a float has at most 32 characters");
    let text = text.as_str();
    let (mantissa, exponent) = text.split_once('e').expect("the form has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a number");
    let negative = mantissa.starts_with('-');
    let mut digits = ShortText::default();
    for digit in mantissa.chars().filter(char::is_ascii_digit) {
        digits.write_char(digit).expect("a float has at most 32 digits");
    }
    write_digits(out, negative, digits.as_str(), exponent);
}

/// Plain notation from 10^-3 up to 10^7, otherwise scientific.
fn write_digits(out: &mut String, negative: bool, digits: &str, exponent: i32) {
    if negative {
        out.push('-');
    }
    let or_zero = |text: &str| if text.is_empty() { "0".to_owned() } else { text.to_owned() };
    match exponent {
        0..=6 => {
            let split = digits.len().min(exponent as usize + 1);
            let (whole, fraction) = digits.split_at(split);
            out.push_str(whole);
            (whole.len()..exponent as usize + 1).for_each(|_| out.push('0'));
            out.push('.');
            out.push_str(if fraction.is_empty() { "0" } else { fraction });
        }
        -3..=-1 => {
            out.push_str("0.");
            (1..-exponent).for_each(|_| out.push('0'));
            out.push_str(digits);
        }
        _ => {
            let (whole, fraction) = digits.split_at(1);
            write!(out, "{whole}.{}E{exponent}", or_zero(fraction)).expect("text can be written");
        }
    }
}

/// Text of at most 32 bytes on the stack.
#[derive(Default)]
struct ShortText {
    bytes: [u8; 32],
    length: usize,
}

impl ShortText {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).expect("only text was written")
    }
}

impl Write for ShortText {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(std::fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// A whole number from text: blanks around it, a sign and a fraction (cut off) are fine.
pub fn parse_integer(text: &str) -> Option<i64> {
    let text = text.trim_matches(' ');
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, fraction),
        None => (digits, ""),
    };
    if digits.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    whole.bytes().try_fold(0i64, |value, digit| {
        let digit = i64::from(digit - b'0');
        let value = value.checked_mul(10)?;
        if negative { value.checked_sub(digit) } else { value.checked_add(digit) }
    })
}

/// A floating-point number as Java's `Double.parseDouble` reads it, without hexadecimal forms.
pub fn parse_double(text: &str) -> Option<f64> {
    let text = text.trim_matches(|c: char| c <= ' ');
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    match unsigned {
        "NaN" => return Some(f64::NAN),
        "Infinity" => return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }),
        _ => {}
    }
    let number = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    let first = number.strip_prefix(['-', '+']).unwrap_or(number).bytes().next()?;
    if !(first.is_ascii_digit() || first == b'.') {
        return None;
    }
    number.parse().ok()
}

/// The text is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoNumber;

/// The digits up to which Flink reads a decimal in one machine word.
const SHORT_DECIMAL_MAX: usize = 18;

/// A decimal from text as a cast reads it, with or without an exponent, rounded half up; `None` if it has too
/// many digits. Of short texts Flink counts the digits as they are written, with the zeros in front and
/// before it rounds: `99999999.999` becomes the DECIMAL(10, 2) 100000000.00, and `0012` no DECIMAL(3, 0).
pub fn parse_decimal(text: &str, precision: u8, scale: u8) -> Result<Option<i128>, NoNumber> {
    let short = usize::from(precision) <= SHORT_DECIMAL_MAX && text.len() <= SHORT_DECIMAL_MAX;
    let number = DecimalText::read(text)?;
    let fits = |value: &i128| short || *value < pow10(precision.into());
    if short && number.digit_count() + number.shift(scale) > i64::from(precision) {
        return Ok(None);
    }
    Ok(number.value(scale).filter(fits).map(|value| if number.negative { -value } else { value }))
}

/// A decimal from text whose digits are counted after rounding, as Java's `BigDecimal` does.
pub fn parse_big_decimal(text: &str, precision: u8, scale: u8) -> Result<Option<i128>, NoNumber> {
    let number = DecimalText::read(text)?;
    let value = number.value(scale).filter(|value| *value < pow10(precision.into()));
    Ok(value.map(|value| if number.negative { -value } else { value }))
}

/// The parts of a number in text.
struct DecimalText<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: i32,
}

impl<'a> DecimalText<'a> {
    fn read(text: &'a str) -> Result<Self, NoNumber> {
        let text = text.trim_matches(|c: char| c <= ' ');
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| NoNumber)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let number = DecimalText { negative: text.starts_with('-'), whole, fraction, exponent };
        let is_number = number.digit_count() > 0 && number.digits().all(|b| b.is_ascii_digit());
        if is_number { Ok(number) } else { Err(NoNumber) }
    }

    fn digits(&self) -> impl Iterator<Item = u8> + 'a {
        self.whole.bytes().chain(self.fraction.bytes())
    }

    fn digit_count(&self) -> i64 {
        (self.whole.len() + self.fraction.len()) as i64
    }

    /// How far the digits move to the left to be unscaled.
    fn shift(&self, scale: u8) -> i64 {
        i64::from(self.exponent) - self.fraction.len() as i64 + i64::from(scale)
    }

    fn value(&self, scale: u8) -> Option<i128> {
        scaled_digits(self.digits(), self.shift(scale))
    }
}

/// The digits times 10^`shift`, rounded half up; `None` beyond 38 digits.
fn scaled_digits(digits: impl Iterator<Item = u8>, shift: i64) -> Option<i128> {
    const LIMIT: i128 = 10i128.pow(38);
    let mut digits = digits.map(|digit| i128::from(digit - b'0')).skip_while(|digit| *digit == 0).peekable();
    if digits.peek().is_none() {
        return Some(0);
    }
    if shift >= 0 {
        let value = digits.try_fold(0i128, |value, digit| {
            value.checked_mul(10)?.checked_add(digit).filter(|value| *value < LIMIT)
        })?;
        let factor = 10i128.checked_pow(u32::try_from(shift).ok()?)?;
        return value.checked_mul(factor).filter(|value| *value < LIMIT);
    }
    let all: Vec<i128> = digits.collect();
    let kept = all.len() as i64 + shift;
    if kept < 0 {
        return Some(0);
    }
    let (kept, dropped) = all.split_at(kept as usize);
    let value = kept.iter().try_fold(0i128, |value, digit| {
        value.checked_mul(10)?.checked_add(*digit).filter(|value| *value < LIMIT)
    })?;
    Some(value + i128::from(dropped.first().is_some_and(|digit| *digit >= 5)))
}

/// `unscaled / 10^scale` rounded half up to a whole number of 10^`-to` steps.
pub fn round_decimal(unscaled: i128, scale: u8, to: i32) -> i128 {
    let drop = i32::from(scale) - to;
    if drop <= 0 {
        return unscaled;
    }
    match u32::try_from(drop).ok().filter(|drop| *drop <= 38) {
        Some(drop) => half_up(unscaled, pow10(drop)),
        None => 0,
    }
}
