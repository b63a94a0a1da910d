//! Literals: their values and Flink's types for them.
//!
//! Measured on Flink 2.3: `0.908` is DECIMAL(4, 3) (the zero before the point counts), `1e0` DOUBLE, a whole
//! number INT, BIGINT or DECIMAL by size, text CHAR(n). An interval's leading field holds two digits unless
//! its precision says otherwise.

use super::{Bound, types};
use crate::ast::{IntervalLiteral, IntervalQualifier, Literal, TimeUnit};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use arrow_array::{
    ArrayRef, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, DurationMillisecondArray,
    Float64Array, Int32Array, Int64Array, IntervalYearMonthArray, NullArray, StringViewArray,
    Time32MillisecondArray, TimestampMicrosecondArray, TimestampMillisecondArray,
};
use std::sync::Arc;
use tidemill_plan::Expr;
use tidemill_types::arrow_type::arrow_type;
use tidemill_types::text::{NANOS_PER_DAY, days_from_civil, days_in_month};
use tidemill_types::{DataType, TypeKind};

/// The constant a literal is.
pub(crate) fn literal(literal: &Literal, span: Span) -> Bound<Expr> {
    match literal {
        Literal::Number(text) => number(text, span),
        Literal::Double(text) => {
            let value: f64 =
                text.parse().map_err(|_| Diagnostic::new(span, format!("'{text}' is no number")))?;
            if value.is_infinite() {
                return Err(Diagnostic::new(span, format!("the number {text} is out of range"))
                    .with_hint("a DOUBLE reaches up to 1.8e308"));
            }
            Ok(constant(Arc::new(Float64Array::from(vec![value])), TypeKind::Double, text.clone()))
        }
        Literal::String(text) => Ok(string(text)),
        Literal::Binary(hex) => binary(hex, span),
        Literal::Boolean(value) => Ok(boolean(*value)),
        Literal::Null | Literal::Unknown => Ok(Expr::Literal {
            value: Arc::new(NullArray::new(1)),
            data_type: TypeKind::Null.nullable(),
            text: "NULL".into(),
        }),
        Literal::Date(text) => {
            let days = parse_date(text).ok_or_else(|| bad(span, "DATE", text, "yyyy-MM-dd"))?;
            let value: ArrayRef = Arc::new(Date32Array::from(vec![days as i32]));
            Ok(constant(value, TypeKind::Date, format!("DATE '{text}'")))
        }
        Literal::Time(text) => time(text, span),
        Literal::Timestamp(text) => timestamp(text, span),
        Literal::Interval(interval) => interval_literal(interval, span),
    }
}

fn constant(value: ArrayRef, kind: TypeKind, text: String) -> Expr {
    Expr::Literal { value, data_type: kind.not_null(), text }
}

fn bad(span: Span, kind: &str, text: &str, form: &str) -> Diagnostic {
    Diagnostic::new(span, format!("'{text}' is no {kind}")).with_hint(format!("the form is {kind} '{form}'"))
}

/// An INT constant.
pub(crate) fn int(value: i32) -> Expr {
    constant(Arc::new(Int32Array::from(vec![value])), TypeKind::Int, value.to_string())
}

/// A BIGINT constant.
pub(crate) fn bigint(value: i64) -> Expr {
    constant(Arc::new(Int64Array::from(vec![value])), TypeKind::BigInt, value.to_string())
}

/// A text constant: CHAR(n), where n counts UTF-16 units as Java does.
pub(crate) fn string(text: &str) -> Expr {
    let length = text.encode_utf16().count() as u32;
    let value = Arc::new(StringViewArray::from(vec![text]));
    constant(value, TypeKind::Char(length), format!("'{}'", text.replace('\'', "''")))
}

/// TRUE or FALSE.
pub(crate) fn boolean(value: bool) -> Expr {
    let text = if value { "TRUE" } else { "FALSE" };
    constant(Arc::new(BooleanArray::from(vec![value])), TypeKind::Boolean, text.into())
}

/// An exact number, with its sign.
pub(crate) fn number(text: &str, span: Span) -> Bound<Expr> {
    let whole = text.strip_suffix('.').unwrap_or(text);
    if !whole.contains('.') {
        if let Ok(value) = whole.parse::<i32>() {
            return Ok(int(value));
        }
        return whole.parse::<i64>().map(bigint).map_err(|_| {
            Diagnostic::new(span, format!("the number {text} is out of range")).with_hint(
                "write it with a point (….0) for a DECIMAL, or with an exponent (1e40) for a DOUBLE",
            )
        });
    }
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, text),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let whole = if fraction.len() == 38 && whole == "0" { "" } else { whole };
    let digits = format!("{whole}{fraction}");
    let (precision, scale) = (digits.len().max(1), fraction.len());
    let unscaled: Option<i128> = digits.parse().ok().filter(|_| precision <= 38);
    let unscaled = unscaled.ok_or_else(|| {
        Diagnostic::new(span, format!("the number {text} has more than 38 digits"))
            .with_hint("write it with an exponent (1e40) for a DOUBLE")
    })?;
    let (precision, scale) = (precision as u8, scale as u8);
    let array = Decimal128Array::from(vec![if negative { -unscaled } else { unscaled }])
        .with_precision_and_scale(precision, scale as i8)
        .map_err(|error| Diagnostic::new(span, error.to_string()))?;
    Ok(constant(Arc::new(array), TypeKind::Decimal { precision, scale }, text.into()))
}

fn binary(hex: &str, span: Span) -> Bound<Expr> {
    let bytes: Option<Vec<u8>> = hex
        .len()
        .is_multiple_of(2)
        .then(|| (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(hex.get(i..i + 2)?, 16).ok()).collect())
        .flatten();
    let bytes = bytes.ok_or_else(|| bad(span, "binary", hex, "hex digits in pairs"))?;
    let length = bytes.len() as u32;
    let value = Arc::new(BinaryViewArray::from(vec![bytes.as_slice()]));
    Ok(constant(value, TypeKind::Binary(length), format!("X'{hex}'")))
}

fn parse_date(text: &str) -> Option<i64> {
    let mut parts = text.trim().splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let (year, month, day): (i64, u32, u32) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    let valid = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    valid.then(|| days_from_civil(year, month, day))
}

/// Nanoseconds of the day and how many digits the fraction has.
fn parse_time(text: &str) -> Option<(i64, u8)> {
    let (clock, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let mut parts = clock.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if hour > 23 || minute > 59 || second > 59 || fraction.len() > 9 {
        return None;
    }
    let nanos: i64 = format!("{fraction:0<9}").parse().ok()?;
    Some((((hour * 60 + minute) * 60 + second) * 1_000_000_000 + nanos, fraction.len() as u8))
}

fn time(text: &str, span: Span) -> Bound<Expr> {
    let (nanos, digits) = parse_time(text).ok_or_else(|| bad(span, "TIME", text, "HH:mm:ss"))?;
    let value: ArrayRef = Arc::new(Time32MillisecondArray::from(vec![(nanos / 1_000_000) as i32]));
    Ok(constant(value, TypeKind::Time(digits.min(3)), format!("TIME '{text}'")))
}

fn timestamp(text: &str, span: Span) -> Bound<Expr> {
    let wrong = || bad(span, "TIMESTAMP", text, "yyyy-MM-dd HH:mm:ss.fff");
    let (date, clock) = text.trim().split_once(' ').ok_or_else(wrong)?;
    let days = parse_date(date).ok_or_else(wrong)?;
    let (nanos, digits) = parse_time(clock).ok_or_else(wrong)?;
    let value: ArrayRef = match digits {
        0..=3 => Arc::new(TimestampMillisecondArray::from(vec![days * 86_400_000 + nanos / 1_000_000])),
        4..=6 => Arc::new(TimestampMicrosecondArray::from(vec![days * 86_400_000_000 + nanos / 1_000])),
        _ => wide_timestamp(days, nanos),
    };
    Ok(constant(value, TypeKind::Timestamp(digits), format!("TIMESTAMP '{text}'")))
}

/// A timestamp of more than six digits, in nanoseconds.
fn wide_timestamp(days: i64, nanos: i64) -> ArrayRef {
    let value = i128::from(days) * i128::from(NANOS_PER_DAY) + i128::from(nanos);
    let layout = arrow_type(&TypeKind::Timestamp(9).not_null());
    Arc::new(Decimal128Array::from(vec![value]).with_data_type(layout))
}

fn interval_literal(interval: &IntervalLiteral, span: Span) -> Bound<Expr> {
    let total = interval_value(interval)?;
    let text = format!("INTERVAL '{}' {}", interval.value, interval.qualifier.start.keyword());
    Ok(match types::interval(interval.qualifier.start) {
        TypeKind::IntervalMonth => {
            let months =
                i32::try_from(total).map_err(|_| Diagnostic::new(span, "the interval is too long"))?;
            constant(Arc::new(IntervalYearMonthArray::from(vec![months])), TypeKind::IntervalMonth, text)
        }
        kind => constant(Arc::new(DurationMillisecondArray::from(vec![total])), kind, text),
    })
}

/// Months or milliseconds of an interval literal.
fn interval_value(interval: &IntervalLiteral) -> Bound<i64> {
    let qualifier = &interval.qualifier;
    let text = interval.value.trim();
    let (negative, digits) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-') != interval.negative, rest),
        None => (interval.negative, text),
    };
    let units = units(qualifier);
    let fields = split_fields(digits, &units).ok_or_else(|| {
        let form = units.iter().map(|unit| unit.keyword()).collect::<Vec<_>>().join(" TO ");
        Diagnostic::new(interval.value_span, format!("'{}' is no interval of {form}", interval.value))
            .with_hint(
                "an interval is written as INTERVAL '5' SECOND or INTERVAL '1 02:03:04.5' DAY TO SECOND",
            )
    })?;
    check_fields(&fields, &units, qualifier, interval.value_span)?;
    let total = fields.iter().zip(&units).map(|(field, unit)| field.scaled(*unit)).sum::<i64>();
    Ok(if negative { -total } else { total })
}

/// A number of an interval with the milliseconds of its fraction.
struct IntervalField {
    whole: i64,
    fraction_ms: i64,
}

impl IntervalField {
    fn scaled(&self, unit: TimeUnit) -> i64 {
        let per_unit = match unit {
            TimeUnit::Year => 12,
            TimeUnit::Quarter => 3,
            TimeUnit::Month => 1,
            TimeUnit::Week => 7 * 86_400_000,
            TimeUnit::Day => 86_400_000,
            TimeUnit::Hour => 3_600_000,
            TimeUnit::Minute => 60_000,
            _ => 1_000,
        };
        self.whole.saturating_mul(per_unit).saturating_add(self.fraction_ms)
    }
}

fn units(qualifier: &IntervalQualifier) -> Vec<TimeUnit> {
    const ORDER: [TimeUnit; 6] =
        [TimeUnit::Year, TimeUnit::Month, TimeUnit::Day, TimeUnit::Hour, TimeUnit::Minute, TimeUnit::Second];
    let place = |unit: TimeUnit| ORDER.iter().position(|candidate| *candidate == unit);
    match (place(qualifier.start), qualifier.end.and_then(place)) {
        (Some(start), Some(end)) if start < end => ORDER[start..=end].to_vec(),
        _ => vec![qualifier.start],
    }
}

fn split_fields(text: &str, units: &[TimeUnit]) -> Option<Vec<IntervalField>> {
    let parts: Vec<&str> = text.split([' ', ':', '-']).filter(|part| !part.is_empty()).collect();
    if parts.len() != units.len() {
        return None;
    }
    parts.iter().zip(units).map(|(part, unit)| field(part, *unit == TimeUnit::Second)).collect()
}

fn field(text: &str, may_have_fraction: bool) -> Option<IntervalField> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let valid = (fraction.is_empty() || may_have_fraction) && fraction.bytes().all(|b| b.is_ascii_digit());
    let fraction_ms = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    valid.then_some(IntervalField { whole: whole.parse().ok()?, fraction_ms })
}

fn check_fields(
    fields: &[IntervalField],
    units: &[TimeUnit],
    qualifier: &IntervalQualifier,
    span: Span,
) -> Bound<()> {
    let precision = qualifier.start_precision.unwrap_or(2);
    let leading = fields[0].whole;
    if leading >= 10i64.saturating_pow(precision) {
        let unit = units[0].keyword();
        let digits = leading.to_string().len();
        return Err(Diagnostic::new(
            span,
            format!("interval field value {leading} exceeds precision of {unit}({precision}) field"),
        )
        .with_hint(format!("say how many digits it has: INTERVAL '{leading}' {unit}({digits})")));
    }
    for (field, unit) in fields.iter().zip(units).skip(1) {
        let limit = match unit {
            TimeUnit::Month => 12,
            TimeUnit::Hour => 24,
            _ => 60,
        };
        if field.whole >= limit {
            let message =
                format!("{} of an interval must be below {limit}, not {}", unit.keyword(), field.whole);
            return Err(Diagnostic::new(span, message));
        }
    }
    Ok(())
}

/// The milliseconds of a constant day-time interval.
pub(crate) fn interval_ms(expr: &Expr) -> Option<i64> {
    use arrow_array::cast::AsArray;
    use arrow_array::types::DurationMillisecondType;
    let value = expr.literal()?;
    matches!(expr.data_type(), DataType { kind: TypeKind::IntervalDay, .. })
        .then(|| value.as_primitive::<DurationMillisecondType>().value(0))
}
