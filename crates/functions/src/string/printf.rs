//! PRINTF with the conversions of `java.util.Formatter` that numbers and text need.
//!
//! A NULL argument is written `null`, cut to the precision, and `false` for `%b`. A TIMESTAMP prints its
//! shortest ISO form. A pattern that does not fit its arguments gives NULL.

use crate::bind::{Binding, Closure, Form, STRING, Want, declare};
use crate::cast::write::write_value;
use crate::lane::{Reader, Text, text_rows};
use crate::number_text::round_decimal;
use std::fmt::Write;
use std::iter::Peekable;
use std::str::Chars;
use std::sync::Arc;
use tidemill_plan::{Datum, EvalContext, FunctionRegistry, Kernel};
use tidemill_types::{DataType, Result, TypeKind};

/// Adds the function.
pub fn register(registry: &mut FunctionRegistry) {
    let form = Form::made(&[Want::Text, Want::Any], STRING, bind).repeats().nullable();
    declare(registry, "PRINTF", [form]);
}

fn bind(binding: &Binding<'_>) -> Result<Arc<dyn Kernel>> {
    let types: Vec<DataType> = binding.args[1..].to_vec();
    let zone = binding.session.zone;
    Ok(Closure::kernel(move |args: &[Datum], ctx: &EvalContext<'_>| {
        let pattern = Reader::<Text>::new(&args[0]);
        text_rows(args, ctx, |row, out| {
            let Some(pattern) = pattern.get(row) else { return Ok(false) };
            let value = |index: usize| {
                let (datum, data_type) = (args.get(index + 1)?, types.get(index)?);
                Some((!datum.is_null(row)).then(|| {
                    let mut text = String::new();
                    write_value(&mut text, &data_type.kind, datum.array().as_ref(), datum.index(row), zone);
                    (java_text(text, &data_type.kind), data_type)
                }))
            };
            Ok(format(pattern, value, out).is_some())
        })
    }))
}

type Value<'a> = Option<(String, &'a DataType)>;

fn format<'a>(pattern: &str, value: impl Fn(usize) -> Option<Value<'a>>, out: &mut String) -> Option<()> {
    let mut chars = pattern.chars().peekable();
    let mut next = 0;
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let spec = Spec::parse(&mut chars)?;
        match spec.conversion {
            '%' => spec.pad("%", out),
            'n' => out.push('\n'),
            _ => {
                let index = match spec.index {
                    Some(index) => index.checked_sub(1)?,
                    None => {
                        next += 1;
                        next - 1
                    }
                };
                match value(index)? {
                    Some((text, data_type)) => spec.pad(&spec.convert(&text, data_type)?, out),
                    None => spec.pad(&spec.null(), out),
                }
            }
        }
    }
    Some(())
}

#[derive(Default, Clone, Copy)]
struct Spec {
    index: Option<usize>,
    left: bool,
    plus: bool,
    blank: bool,
    zero: bool,
    group: bool,
    bracket: bool,
    width: usize,
    precision: Option<usize>,
    conversion: char,
}

impl Spec {
    fn parse(chars: &mut Peekable<Chars<'_>>) -> Option<Spec> {
        let mut spec = Spec::default();
        let mut ahead = chars.clone();
        if let (Some(index), Some('$')) = (number(&mut ahead), ahead.next()) {
            spec.index = Some(index);
            *chars = ahead;
        }
        while let Some(flag) = chars.next_if(|c| "-+ 0,(".contains(*c)) {
            match flag {
                '-' => spec.left = true,
                '+' => spec.plus = true,
                ' ' => spec.blank = true,
                '0' => spec.zero = true,
                '(' => spec.bracket = true,
                _ => spec.group = true,
            }
        }
        spec.width = number(chars).unwrap_or(0);
        if chars.next_if_eq(&'.').is_some() {
            spec.precision = Some(number(chars)?);
        }
        spec.conversion = chars.next()?;
        Some(spec)
    }

    /// What stands for NULL.
    fn null(&self) -> String {
        let (text, most) = match self.conversion {
            'b' | 'B' => ("false", self.precision),
            _ => ("null", self.precision),
        };
        let text: String = text.chars().take(most.unwrap_or(usize::MAX)).collect();
        if self.conversion.is_ascii_uppercase() { text.to_uppercase() } else { text }
    }

    fn convert(&self, text: &str, data_type: &DataType) -> Option<String> {
        let kind = &data_type.kind;
        let converted = match self.conversion {
            's' | 'S' => match self.precision {
                Some(most) => text.chars().take(most).collect(),
                None => text.to_owned(),
            },
            'd' if kind.is_integer() => self.signed(text.to_owned()),
            'x' | 'X' if kind.is_integer() => format!("{:x}", two_complement(text, kind)?),
            'o' if kind.is_integer() => format!("{:o}", two_complement(text, kind)?),
            'f' if kind.is_numeric() && !kind.is_integer() => self.signed(self.fixed(text)?),
            'e' | 'E' if kind.is_approximate() => self.signed(self.scientific(text)?),
            'b' | 'B' => text.to_lowercase(),
            'c' => char::from_u32(text.parse().ok()?)?.to_string(),
            _ => return None,
        };
        Some(if self.conversion.is_ascii_uppercase() { converted.to_uppercase() } else { converted })
    }

    /// Exactly so many digits after the point, rounded half up.
    fn fixed(&self, text: &str) -> Option<String> {
        let digits = self.precision.unwrap_or(6);
        let text = &plain(text);
        let value: f64 = text.parse().ok()?;
        let scale = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let exact = text.replace('.', "").parse::<i128>().ok();
        match exact {
            Some(unscaled) if scale > digits && scale < 38 => {
                let rounded = round_decimal(unscaled, scale as u8, digits as i32);
                let mut out = Vec::new();
                tidemill_types::text::write_decimal(&mut out, rounded, digits as u8);
                String::from_utf8(out).ok()
            }
            _ if scale <= digits && text.bytes().any(|byte| byte.is_ascii_digit()) => {
                let point = if scale == 0 && digits > 0 { "." } else { "" };
                Some(format!("{}{point}{:0<zeros$}", text, "", zeros = digits - scale))
            }
            _ => Some(format!("{value:.digits$}")),
        }
    }

    fn scientific(&self, text: &str) -> Option<String> {
        let value: f64 = text.parse().ok()?;
        let rust = format!("{value:.digits$e}", digits = self.precision.unwrap_or(6));
        let (mantissa, exponent) = rust.split_once('e')?;
        let exponent: i32 = exponent.parse().ok()?;
        let sign = if exponent < 0 { '-' } else { '+' };
        Some(format!("{mantissa}e{sign}{:02}", exponent.abs()))
    }

    fn signed(&self, number: String) -> String {
        let (sign, digits) = match number.strip_prefix('-') {
            Some(digits) if self.bracket => return self.bracketed(digits),
            Some(digits) => ("-", digits),
            None if self.plus => ("+", number.as_str()),
            None if self.blank => (" ", number.as_str()),
            None => ("", number.as_str()),
        };
        let digits = if self.group { grouped(digits) } else { digits.to_owned() };
        let zeros = match self.zero {
            true => self.width.saturating_sub(sign.len() + digits.len()),
            false => 0,
        };
        format!("{sign}{:0<zeros$}{digits}", "")
    }

    /// A negative number in brackets instead of with a sign.
    fn bracketed(&self, digits: &str) -> String {
        let digits = if self.group { grouped(digits) } else { digits.to_owned() };
        let zeros = if self.zero { self.width.saturating_sub(digits.len() + 2) } else { 0 };
        format!("({:0<zeros$}{digits})", "")
    }

    fn pad(&self, text: &str, out: &mut String) {
        let width = self.width;
        let written = match self.left {
            true => write!(out, "{text:<width$}"),
            false => write!(out, "{text:>width$}"),
        };
        written.expect("text can be written");
    }
}

/// The text that Java gives for the value as it is held.
fn java_text(text: String, kind: &TypeKind) -> String {
    match kind {
        TypeKind::Boolean => text.to_lowercase(),
        TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_) => iso(&text),
        _ => text,
    }
}

/// The shortest ISO form: no seconds if they are 0, a fraction of 3, 6 or 9 digits.
fn iso(text: &str) -> String {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.trim_end_matches('0');
    let mut out = seconds.replacen(' ', "T", 1);
    if !fraction.is_empty() {
        let width = fraction.len().next_multiple_of(3);
        write!(out, ".{fraction:0<width$}").expect("text can be written");
    } else if out.ends_with(":00") {
        out.truncate(out.len() - 3);
    }
    out
}

/// The bits of an integer, as wide as its type.
fn two_complement(text: &str, kind: &TypeKind) -> Option<u64> {
    let value: i64 = text.parse().ok()?;
    Some(match kind {
        TypeKind::TinyInt => u64::from(value as u8),
        TypeKind::SmallInt => u64::from(value as u16),
        TypeKind::Int => u64::from(value as u32),
        _ => value as u64,
    })
}

/// The digits of a number without an exponent; the zero after the point of `2.0E10` is no digit.
fn plain(text: &str) -> String {
    let Some((mantissa, exponent)) = text.split_once('E') else { return text.to_owned() };
    let Ok(exponent) = exponent.parse::<i32>() else { return text.to_owned() };
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{whole}{fraction}");
    let point = whole.len() as i32 + exponent;
    if point <= 0 {
        return format!("{sign}0.{:0<zeros$}{digits}", "", zeros = point.unsigned_abs() as usize);
    }
    let point = point as usize;
    match digits.len() <= point {
        true => format!("{sign}{digits:0<point$}"),
        false => format!("{sign}{}.{}", &digits[..point], &digits[point..]),
    }
}

fn number(chars: &mut Peekable<Chars<'_>>) -> Option<usize> {
    let mut digits = String::new();
    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    digits.parse().ok()
}

fn grouped(digits: &str) -> String {
    let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut out = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + fraction
}
