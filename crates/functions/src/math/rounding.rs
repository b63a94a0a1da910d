//! CEIL, FLOOR, ROUND and TRUNCATE of numbers.
//!
//! Rounding is half up (away from zero) on the decimal text of a number; a DECIMAL keeps as many digits as
//! are asked for in its type. Negative digits round before the point.

use super::{decimal_of, same};
use crate::bind::{Binding, Closure, Form, Gives, Make, Want, declare, declare_all};
use crate::lane::{Collect, Lane, Num, Reader, map_rows, map1};
use crate::operators::decimal::{half_up, pow10};
use arrow_array::types::{
    Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use std::sync::Arc;
use tidemill_plan::{Datum, EvalContext, FunctionRegistry, Kernel};
use tidemill_types::{Result, TypeKind};

type Dec = Num<Decimal128Type>;

/// Adds the functions.
pub fn register(registry: &mut FunctionRegistry) {
    let ceil: Make = |binding| whole(binding, true);
    let floor: Make = |binding| whole(binding, false);
    let forms = |make| {
        [
            Form::made(&[Want::Decimal], Gives::From(whole_type), make),
            Form::made(&[Want::Numeric], Gives::Same(0), make),
        ]
    };
    declare_all(registry, &["CEIL", "CEILING"], &forms(ceil));
    declare(registry, "FLOOR", forms(floor));
    let round: Make = |binding| digits(binding, false);
    let truncate: Make = |binding| digits(binding, true);
    let forms = |make| {
        [
            Form::made(&[Want::Decimal], Gives::From(digits_type), make),
            Form::made(&[Want::Decimal, Want::Int], Gives::From(digits_type), make),
            Form::made(&[Want::Numeric], Gives::Same(0), make),
            Form::made(&[Want::Numeric, Want::Int], Gives::Same(0), make),
        ]
    };
    declare(registry, "ROUND", forms(round));
    declare(registry, "TRUNCATE", forms(truncate));
}

fn whole_type(binding: &Binding<'_>) -> Result<TypeKind> {
    let (precision, _) = decimal_of(binding)?;
    Ok(TypeKind::Decimal { precision, scale: 0 })
}

fn whole(binding: &Binding<'_>, up: bool) -> Result<Arc<dyn Kernel>> {
    let kind = &binding.args[0].kind;
    Ok(match (kind, up) {
        (TypeKind::Float, true) => same::<Float32Type>(kind, f32::ceil),
        (TypeKind::Float, false) => same::<Float32Type>(kind, f32::floor),
        (TypeKind::Double, true) => same::<Float64Type>(kind, f64::ceil),
        (TypeKind::Double, false) => same::<Float64Type>(kind, f64::floor),
        (TypeKind::Decimal { scale, .. }, _) => {
            let unit = pow10(u32::from(*scale));
            Closure::total(&whole_type(binding)?, move |args: &[Datum], ctx: &EvalContext<'_>| {
                map1::<Dec, Dec>(args, ctx, |a| {
                    let floor = a.div_euclid(unit);
                    Ok(Some(if up && a.rem_euclid(unit) != 0 { floor + 1 } else { floor }))
                })
            })
        }
        _ => Closure::total(kind, |args: &[Datum], _: &EvalContext<'_>| Ok(args[0].clone())),
    })
}

/// The number of digits asked for, if it is known when the call is bound.
fn constant_digits(binding: &Binding<'_>) -> Option<i64> {
    if binding.args.len() == 1 { Some(0) } else { binding.integer(1) }
}

fn digits_type(binding: &Binding<'_>) -> Result<TypeKind> {
    let (precision, scale) = decimal_of(binding)?;
    let (p, s) = (i64::from(precision), i64::from(scale));
    let Some(digits) = constant_digits(binding).filter(|digits| *digits < s) else {
        return Ok(TypeKind::Decimal { precision, scale });
    };
    let kept = digits.max(0);
    Ok(TypeKind::Decimal { precision: (1 + p - s + kept).min(38) as u8, scale: kept as u8 })
}

fn digits(binding: &Binding<'_>, truncate: bool) -> Result<Arc<dyn Kernel>> {
    let kind = &binding.args[0].kind;
    Ok(match kind {
        TypeKind::TinyInt => loops::<Num<Int8Type>>(kind, move |v, d| integer(v.into(), d, truncate) as i8),
        TypeKind::SmallInt => {
            loops::<Num<Int16Type>>(kind, move |v, d| integer(v.into(), d, truncate) as i16)
        }
        TypeKind::Int => loops::<Num<Int32Type>>(kind, move |v, d| integer(v.into(), d, truncate) as i32),
        TypeKind::BigInt => loops::<Num<Int64Type>>(kind, move |v, d| integer(v, d, truncate) as i64),
        TypeKind::Float => loops::<Num<Float32Type>>(kind, move |v: f32, d| {
            let text = format!("{v:e}");
            float(v.into(), &text, d, truncate) as f32
        }),
        TypeKind::Double => loops::<Num<Float64Type>>(kind, move |v: f64, d| {
            let text = format!("{v:e}");
            float(v, &text, d, truncate)
        }),
        _ => {
            let (_, from) = decimal_of(binding)?;
            let to = digits_type(binding)?;
            let scale = to.as_decimal().map_or(0, |(_, scale)| scale);
            loops::<Dec>(&to, move |v, d| {
                let rounded = drop_digits(v, i64::from(from) - i64::from(d), truncate);
                if scale < from { rounded / pow10(u32::from(from - scale)) } else { rounded }
            })
        }
    })
}

/// Runs over values and numbers of digits; a missing number is 0.
fn loops<L>(
    kind: &TypeKind,
    f: impl for<'a> Fn(L::Value<'a>, i32) -> L::Owned + Send + Sync + 'static,
) -> Arc<dyn Kernel>
where
    L: Lane + Collect + 'static,
{
    Closure::total(kind, move |args: &[Datum], ctx: &EvalContext<'_>| {
        let values = Reader::<L>::new(&args[0]);
        let digits = args.get(1).map(Reader::<Num<Int32Type>>::new);
        map_rows::<L>(args, ctx, |row| {
            let digits = digits.as_ref().map_or(Some(0), |digits| digits.get(row));
            Ok(values.get(row).zip(digits).map(|(value, digits)| f(value, digits)))
        })
    })
}

/// Sets the last `dropped` digits to zero.
fn drop_digits(value: i128, dropped: i64, truncate: bool) -> i128 {
    match u32::try_from(dropped) {
        Err(_) | Ok(0) => value,
        Ok(dropped) if dropped > 38 => 0,
        Ok(dropped) => {
            let unit = pow10(dropped);
            let quotient = if truncate { value / unit } else { half_up(value, unit) };
            quotient * unit
        }
    }
}

/// The result wraps into the type, as in Flink.
fn integer(value: i64, digits: i32, truncate: bool) -> i128 {
    drop_digits(value.into(), -i64::from(digits), truncate)
}

/// Rounds the shortest decimal text of the number, as Java's `BigDecimal.valueOf` does.
fn float(value: f64, scientific: &str, digits: i32, truncate: bool) -> f64 {
    if !value.is_finite() || value == 0.0 {
        return value;
    }
    let (mantissa, exponent) = scientific.split_once('e').expect("the form has an exponent");
    let exponent: i64 = exponent.parse().expect("the exponent is a number");
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let scale = fraction.len() as i64 - exponent;
    if scale <= i64::from(digits) {
        return value;
    }
    let unscaled: i128 = format!("{whole}{fraction}").parse().expect("the mantissa has digits only");
    let dropped = scale - i64::from(digits);
    let kept = drop_digits(unscaled, dropped, truncate);
    format!("{kept}e{}", -scale).parse().expect("a decimal is a number")
}
