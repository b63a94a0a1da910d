//! Exact arithmetic on DECIMAL: result types and 128-bit kernels with 256-bit room where digits need it.
//!
//! Invariant: a result has the declared scale, rounded half up; one with more than its precision is NULL.

use super::arithmetic::{Operator, division_by_zero};
use crate::bind::Closure;
use crate::lane::{Num, map2};
use arrow_array::types::Decimal128Type;
use arrow_buffer::i256;
use tidemill_plan::{BoundScalar, Datum, EvalContext};
use tidemill_types::data_type::DECIMAL_PRECISION_MAX;
use tidemill_types::{DataType, TypeKind};

type Dec = Num<Decimal128Type>;

/// 10^n for the scales of a DECIMAL.
#[inline]
pub fn pow10(n: u32) -> i128 {
    10i128.pow(n)
}

/// The type of `a operator b` for DECIMAL(p1, s1) and DECIMAL(p2, s2).
pub fn result_type(operator: Operator, (p1, s1): (u8, u8), (p2, s2): (u8, u8)) -> TypeKind {
    let (p1, s1, p2, s2) = (i32::from(p1), i32::from(s1), i32::from(p2), i32::from(s2));
    let (precision, scale) = match operator {
        Operator::Add | Operator::Subtract => {
            let scale = s1.max(s2);
            ((p1 - s1).max(p2 - s2) + scale + 1, scale)
        }
        Operator::Multiply => (p1 + p2 + 1, s1 + s2),
        Operator::Divide => {
            let scale = 6.max(s1 + p2 + 1);
            (p1 - s1 + s2 + scale, scale)
        }
        Operator::Remainder => {
            let scale = s1.max(s2);
            ((p1 - s1).min(p2 - s2) + scale, scale)
        }
    };
    capped(precision, scale)
}

/// A DECIMAL of at most 38 digits: the whole digits are kept before those of the fraction.
fn capped(precision: i32, scale: i32) -> TypeKind {
    let most = i32::from(DECIMAL_PRECISION_MAX);
    if precision <= most {
        return TypeKind::Decimal { precision: precision.max(1) as u8, scale: scale as u8 };
    }
    let whole = precision - scale;
    let scale = (most - whole).max(scale.min(6));
    TypeKind::Decimal { precision: DECIMAL_PRECISION_MAX, scale: scale as u8 }
}

/// Binds an operator on two exact numbers, one of them a DECIMAL.
pub fn bind(operator: Operator, left: &DataType, right: &DataType) -> BoundScalar {
    let (d1, d2) = (left.kind.as_decimal(), right.kind.as_decimal());
    let d1 = d1.expect("an exact number has a decimal form");
    let d2 = d2.expect("an exact number has a decimal form");
    let kind = result_type(operator, d1, d2);
    let arg = |(precision, scale): (u8, u8), side: &DataType| DataType {
        kind: TypeKind::Decimal { precision, scale },
        nullable: side.nullable,
    };
    let (precision, scale) = kind.as_decimal().expect("the result is a DECIMAL");
    let shape = Shape { s1: d1.1.into(), s2: d2.1.into(), precision: precision.into(), scale: scale.into() };
    let digits = |d: (u8, u8), shift: u32| u32::from(d.0) + shift;
    let narrow = match operator {
        Operator::Add | Operator::Subtract | Operator::Remainder => {
            let most = shape.s1.max(shape.s2);
            shape.scale == most && digits(d1, most - shape.s1) < 38 && digits(d2, most - shape.s2) < 38
        }
        Operator::Multiply => digits(d1, d2.0.into()) <= 38 && shape.scale == shape.s1 + shape.s2,
        Operator::Divide => {
            let shift = (shape.scale + shape.s2) as i32 - shape.s1 as i32;
            shift >= 0 && digits(d1, shift as u32) < 38 && d2.0 < 38
        }
    };
    let kernel = Closure::typed(&kind, move |args: &[Datum], ctx: &EvalContext<'_>| {
        map2::<Dec, Dec, Dec>(args, ctx, |a, b| {
            if matches!(operator, Operator::Divide | Operator::Remainder) && b == 0 {
                return Err(division_by_zero());
            }
            Ok(if narrow { Some(shape.narrow(operator, a, b)) } else { shape.wide(operator, a, b) })
        })
    });
    let nullable = left.nullable || right.nullable;
    BoundScalar {
        arg_types: vec![arg(d1, left), arg(d2, right)],
        return_type: DataType { kind, nullable },
        kernel,
    }
}

/// The scales of the operands and the type of the result.
#[derive(Clone, Copy)]
struct Shape {
    s1: u32,
    s2: u32,
    precision: u32,
    scale: u32,
}

impl Shape {
    /// When all intermediate values are known to have at most 38 digits.
    #[inline]
    fn narrow(self, operator: Operator, a: i128, b: i128) -> i128 {
        let most = self.s1.max(self.s2);
        let align = |a: i128, b: i128| (a * pow10(most - self.s1), b * pow10(most - self.s2));
        match operator {
            Operator::Add => {
                let (a, b) = align(a, b);
                a + b
            }
            Operator::Subtract => {
                let (a, b) = align(a, b);
                a - b
            }
            Operator::Multiply => a * b,
            Operator::Divide => half_up(a * pow10(self.scale + self.s2 - self.s1), b),
            Operator::Remainder => {
                let (a, b) = align(a, b);
                a % b
            }
        }
    }

    fn wide(self, operator: Operator, a: i128, b: i128) -> Option<i128> {
        let (a, b) = (i256::from_i128(a), i256::from_i128(b));
        let most = self.s1.max(self.s2);
        let align = |v: i256, scale: u32| v.wrapping_mul(wide_pow10(most - scale));
        let (value, scale) = match operator {
            Operator::Add => (align(a, self.s1).wrapping_add(align(b, self.s2)), most),
            Operator::Subtract => (align(a, self.s1).wrapping_sub(align(b, self.s2)), most),
            Operator::Remainder => (align(a, self.s1).wrapping_rem(align(b, self.s2)), most),
            Operator::Multiply => (a.wrapping_mul(b), self.s1 + self.s2),
            Operator::Divide => (self.quotient(a, b)?, self.scale),
        };
        fit(rescale(value, scale, self.scale)?, self.precision)
    }

    /// `a / b` at the result's scale. 1. The whole part. 2. One digit at a time from the remainder, which
    /// never leaves 256 bits. 3. The digit after the last decides the rounding.
    fn quotient(self, a: i256, b: i256) -> Option<i256> {
        let shift = (self.scale + self.s2) as i32 - self.s1 as i32;
        let negative = (a < i256::ZERO) != (b < i256::ZERO);
        let (a, mut b) = (a.wrapping_abs(), b.wrapping_abs());
        if shift < 0 {
            b = b.checked_mul(wide_pow10(shift.unsigned_abs()))?;
        }
        let ten = i256::from_i128(10);
        let (mut quotient, mut rest) = (a.wrapping_div(b), a.wrapping_rem(b));
        for _ in 0..shift.max(0) {
            rest = rest.checked_mul(ten)?;
            quotient = quotient.checked_mul(ten)?.wrapping_add(rest.wrapping_div(b));
            rest = rest.wrapping_rem(b);
        }
        if rest.checked_mul(i256::from_i128(2))? >= b {
            quotient = quotient.wrapping_add(i256::ONE);
        }
        Some(if negative { quotient.wrapping_neg() } else { quotient })
    }
}

/// 10^n in 256 bits, for n up to 76.
fn wide_pow10(n: u32) -> i256 {
    i256::from_i128(10).wrapping_pow(n)
}

/// `a / b` rounded half away from zero.
#[inline]
pub fn half_up(a: i128, b: i128) -> i128 {
    let (quotient, rest) = (a / b, a % b);
    let up = rest.unsigned_abs() >= b.unsigned_abs() - rest.unsigned_abs() && rest != 0;
    match (up, (a < 0) != (b < 0)) {
        (false, _) => quotient,
        (true, false) => quotient + 1,
        (true, true) => quotient - 1,
    }
}

fn rescale(value: i256, from: u32, to: u32) -> Option<i256> {
    if to >= from {
        return value.checked_mul(wide_pow10(to - from));
    }
    let divisor = wide_pow10(from - to);
    let (quotient, rest) = (value.wrapping_div(divisor), value.wrapping_rem(divisor));
    let up = rest.wrapping_abs().checked_mul(i256::from_i128(2))? >= divisor;
    Some(match (up, value < i256::ZERO) {
        (false, _) => quotient,
        (true, false) => quotient.wrapping_add(i256::ONE),
        (true, true) => quotient.wrapping_sub(i256::ONE),
    })
}

fn fit(value: i256, precision: u32) -> Option<i128> {
    let value = value.to_i128()?;
    (value.unsigned_abs() < pow10(precision).unsigned_abs()).then_some(value)
}

/// A decimal at another scale, rounded half up; `None` if it has more than `precision` digits.
pub fn rescaled(value: i128, from: u8, precision: u8, scale: u8) -> Option<i128> {
    if scale >= from {
        let limit = pow10(precision.into());
        let scaled = value.checked_mul(pow10(u32::from(scale - from)))?;
        return (scaled.unsigned_abs() < limit.unsigned_abs()).then_some(scaled);
    }
    let scaled = half_up(value, pow10(u32::from(from - scale)));
    (scaled.unsigned_abs() < pow10(precision.into()).unsigned_abs()).then_some(scaled)
}

/// Which of two decimals of any scales is greater.
pub fn compare(a: i128, s1: u32, b: i128, s2: u32) -> std::cmp::Ordering {
    let most = s1.max(s2);
    let scaled = |v: i128, s: u32| i256::from_i128(v).wrapping_mul(wide_pow10(most - s));
    scaled(a, s1).cmp(&scaled(b, s2))
}
