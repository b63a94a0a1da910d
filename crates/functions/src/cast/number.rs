//! Casts between numbers, and between numbers and truth values.
//!
//! Integers wrap into narrower ones. FLOAT and DOUBLE saturate into INT and BIGINT, and through INT into the
//! narrower ones. A number that does not fit a DECIMAL is NULL; its surplus digits are rounded half up.

use super::{CastFn, retyped};
use crate::lane::{Flag, Num, typed_array};
use crate::number_text::{self, parse_big_decimal};
use crate::operators::decimal::{pow10, rescaled};
use arrow_array::types::{
    Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray};
use std::sync::Arc;
use tidemill_types::{Result, TypeKind};

/// A cast of every value on its own that can't fail.
pub fn mapped<A: ArrowPrimitiveType, B: ArrowPrimitiveType>(
    to: &TypeKind,
    f: impl Fn(A::Native) -> B::Native + Send + Sync + 'static,
) -> CastFn {
    let to = to.clone();
    Box::new(move |array, _| {
        let array = typed_array::<Num<A>>(array.as_ref());
        Ok(retyped(Arc::new(array.unary::<_, B>(&f)), &to))
    })
}

/// A cast that gives NULL for some values.
fn mapped_opt<A: ArrowPrimitiveType, B: ArrowPrimitiveType>(
    to: &TypeKind,
    f: impl Fn(A::Native) -> Option<B::Native> + Send + Sync + 'static,
) -> CastFn {
    let to = to.clone();
    Box::new(move |array, _| {
        let array = typed_array::<Num<A>>(array.as_ref());
        let values: PrimitiveArray<B> = array.iter().map(|value| value.and_then(&f)).collect();
        Ok(retyped(Arc::new(values), &to))
    })
}

/// Any number to any number.
pub fn between(from: &TypeKind, to: &TypeKind) -> CastFn {
    match from {
        TypeKind::TinyInt => from_integer::<Int8Type>(to),
        TypeKind::SmallInt => from_integer::<Int16Type>(to),
        TypeKind::Int => from_integer::<Int32Type>(to),
        TypeKind::BigInt => from_integer::<Int64Type>(to),
        TypeKind::Float => from_float(to),
        TypeKind::Double => from_double(to),
        TypeKind::Decimal { scale, .. } => from_decimal(*scale, to),
        _ => unreachable!("a number is cast"),
    }
}

fn from_integer<A: ArrowPrimitiveType<Native: Into<i64>>>(to: &TypeKind) -> CastFn {
    match to {
        TypeKind::TinyInt => mapped::<A, Int8Type>(to, |v| v.into() as i8),
        TypeKind::SmallInt => mapped::<A, Int16Type>(to, |v| v.into() as i16),
        TypeKind::Int => mapped::<A, Int32Type>(to, |v| v.into() as i32),
        TypeKind::BigInt => mapped::<A, Int64Type>(to, |v| v.into()),
        TypeKind::Float => mapped::<A, Float32Type>(to, |v| v.into() as f32),
        TypeKind::Double => mapped::<A, Float64Type>(to, |v| v.into() as f64),
        TypeKind::Decimal { precision, scale } => {
            let (precision, scale) = (*precision, *scale);
            mapped_opt::<A, Decimal128Type>(to, move |v| rescaled(v.into().into(), 0, precision, scale))
        }
        _ => unreachable!("cast to a number"),
    }
}

fn from_float(to: &TypeKind) -> CastFn {
    match to {
        TypeKind::TinyInt => mapped::<Float32Type, Int8Type>(to, |v| v as i32 as i8),
        TypeKind::SmallInt => mapped::<Float32Type, Int16Type>(to, |v| v as i32 as i16),
        TypeKind::Int => mapped::<Float32Type, Int32Type>(to, |v| v as i32),
        TypeKind::BigInt => mapped::<Float32Type, Int64Type>(to, |v| v as i64),
        TypeKind::Double => mapped::<Float32Type, Float64Type>(to, f64::from),
        TypeKind::Decimal { precision, scale } => {
            to_decimal::<Float32Type>(to, *precision, *scale, f64::from)
        }
        _ => unreachable!("cast to a number"),
    }
}

fn from_double(to: &TypeKind) -> CastFn {
    match to {
        TypeKind::TinyInt => mapped::<Float64Type, Int8Type>(to, |v| v as i32 as i8),
        TypeKind::SmallInt => mapped::<Float64Type, Int16Type>(to, |v| v as i32 as i16),
        TypeKind::Int => mapped::<Float64Type, Int32Type>(to, |v| v as i32),
        TypeKind::BigInt => mapped::<Float64Type, Int64Type>(to, |v| v as i64),
        TypeKind::Float => mapped::<Float64Type, Float32Type>(to, |v| v as f32),
        TypeKind::Decimal { precision, scale } => to_decimal::<Float64Type>(to, *precision, *scale, |v| v),
        _ => unreachable!("cast to a number"),
    }
}

/// Through the shortest text of the DOUBLE, as Java's `BigDecimal.valueOf` goes.
fn to_decimal<A: ArrowPrimitiveType>(
    to: &TypeKind,
    precision: u8,
    scale: u8,
    double: fn(A::Native) -> f64,
) -> CastFn {
    let to = to.clone();
    Box::new(move |array, lenient| {
        let array = typed_array::<Num<A>>(array.as_ref());
        let cast = |value: A::Native| -> Result<Option<i128>> {
            let value = double(value);
            if !value.is_finite() {
                let text = number_text::double_text(value);
                return if lenient { Ok(None) } else { Err(super::failed(&text, &to)) };
            }
            Ok(double_to_decimal(value, precision, scale))
        };
        let values = array.iter().map(|value| match value {
            Some(value) => cast(value),
            None => Ok(None),
        });
        let values: PrimitiveArray<Decimal128Type> =
            values.collect::<Result<Vec<_>>>()?.into_iter().collect();
        Ok(retyped(Arc::new(values), &to))
    })
}

/// A finite DOUBLE as a DECIMAL, `None` if it has too many digits.
pub fn double_to_decimal(value: f64, precision: u8, scale: u8) -> Option<i128> {
    parse_big_decimal(&format!("{value:e}"), precision, scale).ok().flatten()
}

fn from_decimal(scale: u8, to: &TypeKind) -> CastFn {
    type D = Decimal128Type;
    let divisor = pow10(scale.into());
    match to {
        TypeKind::TinyInt => mapped::<D, Int8Type>(to, move |v| (v / divisor) as i8),
        TypeKind::SmallInt => mapped::<D, Int16Type>(to, move |v| (v / divisor) as i16),
        TypeKind::Int => mapped::<D, Int32Type>(to, move |v| (v / divisor) as i32),
        TypeKind::BigInt => mapped::<D, Int64Type>(to, move |v| (v / divisor) as i64),
        TypeKind::Float => mapped::<D, Float32Type>(to, move |v| decimal_to_double(v, scale) as f32),
        TypeKind::Double => mapped::<D, Float64Type>(to, move |v| decimal_to_double(v, scale)),
        TypeKind::Decimal { precision, scale: wanted } => {
            let (precision, wanted) = (*precision, *wanted);
            mapped_opt::<D, D>(to, move |v| rescaled(v, scale, precision, wanted))
        }
        _ => unreachable!("cast to a number"),
    }
}

/// The DOUBLE nearest to a decimal.
pub fn decimal_to_double(unscaled: i128, scale: u8) -> f64 {
    const EXACT: u128 = 1 << 53;
    if unscaled.unsigned_abs() <= EXACT && scale <= 22 {
        return unscaled as f64 / 10f64.powi(scale.into());
    }
    format!("{unscaled}e-{scale}").parse().expect("a decimal is a number")
}

/// TRUE is 1, FALSE 0.
pub fn from_boolean(to: &TypeKind) -> CastFn {
    let widen = between(&TypeKind::Int, to);
    let same = *to == TypeKind::Int;
    Box::new(move |array, lenient| {
        let array = typed_array::<Flag>(array.as_ref());
        let ints: PrimitiveArray<Int32Type> = array.iter().map(|value| value.map(i32::from)).collect();
        let ints: ArrayRef = Arc::new(ints);
        if same { Ok(ints) } else { widen(&ints, lenient) }
    })
}

/// All but 0 is TRUE.
pub fn to_boolean(from: &TypeKind) -> CastFn {
    fn non_zero<T: ArrowPrimitiveType>() -> CastFn {
        Box::new(|array, _| {
            let array = typed_array::<Num<T>>(array.as_ref());
            let zero = T::Native::default();
            Ok(Arc::new(BooleanArray::from_unary(array, |value| value != zero)))
        })
    }
    match from {
        TypeKind::TinyInt => non_zero::<Int8Type>(),
        TypeKind::SmallInt => non_zero::<Int16Type>(),
        TypeKind::Int => non_zero::<Int32Type>(),
        TypeKind::BigInt => non_zero::<Int64Type>(),
        TypeKind::Float => non_zero::<Float32Type>(),
        TypeKind::Double => non_zero::<Float64Type>(),
        _ => non_zero::<Decimal128Type>(),
    }
}
