//! Roots, logarithms, powers and trigonometry, all on DOUBLE.
//!
//! Out of their domain they give NaN or an infinity, never an error.

use crate::bind::{Compute, Form, Want, declare};
use crate::lane::{F64, map1, map2};
use arrow_array::Float64Array;
use std::sync::Arc;
use tidemill_plan::{Datum, FunctionRegistry};
use tidemill_types::TypeKind;

/// Adds the functions.
pub fn register(registry: &mut FunctionRegistry) {
    macro_rules! unary {
        ($($name:literal => $f:expr),* $(,)?) => {$(
            one(registry, $name, |args, ctx| map1::<F64, F64>(args, ctx, |x| {
                let f: fn(f64) -> f64 = $f;
                Ok(Some(f(x)))
            }));
        )*};
    }
    unary! {
        "SQRT" => f64::sqrt,
        "LN" => f64::ln,
        "LOG10" => f64::log10,
        "LOG2" => |x| x.ln() / std::f64::consts::LN_2,
        "EXP" => f64::exp,
        "SIN" => f64::sin,
        "COS" => f64::cos,
        "TAN" => f64::tan,
        "COT" => |x| 1.0 / x.tan(),
        "ASIN" => f64::asin,
        "ACOS" => f64::acos,
        "ATAN" => f64::atan,
        "SINH" => f64::sinh,
        "COSH" => f64::cosh,
        "TANH" => f64::tanh,
        "DEGREES" => |x| x * (180.0 / std::f64::consts::PI),
        "RADIANS" => |x| x * (std::f64::consts::PI / 180.0),
    }
    two(registry, "POWER", |args, ctx| map2::<F64, F64, F64>(args, ctx, |x, y| Ok(Some(power(x, y)))));
    two(registry, "ATAN2", |args, ctx| map2::<F64, F64, F64>(args, ctx, |y, x| Ok(Some(y.atan2(x)))));
    let log = [
        form(&[Want::Double], |args, ctx| map1::<F64, F64>(args, ctx, |x| Ok(Some(x.ln())))),
        form(&[Want::Double, Want::Double], |args, ctx| {
            map2::<F64, F64, F64>(args, ctx, |base, x| Ok(Some(x.ln() / base.ln())))
        }),
    ];
    declare(registry, "LOG", log);
    constant(registry, "PI", |_, _| scalar(std::f64::consts::PI));
    constant(registry, "E", |_, _| scalar(std::f64::consts::E));
}

/// Java's `Math.pow`: 1 to the power of NaN or of an infinity is NaN.
fn power(x: f64, y: f64) -> f64 {
    if y.is_nan() || x.abs() == 1.0 && y.is_infinite() { f64::NAN } else { x.powf(y) }
}

fn form(wants: &[Want], compute: Compute) -> Form {
    Form::new(wants, TypeKind::Double, compute).total()
}

fn one(registry: &mut FunctionRegistry, name: &str, compute: Compute) {
    declare(registry, name, [form(&[Want::Double], compute)]);
}

fn two(registry: &mut FunctionRegistry, name: &str, compute: Compute) {
    declare(registry, name, [form(&[Want::Double, Want::Double], compute)]);
}

fn constant(registry: &mut FunctionRegistry, name: &str, compute: Compute) {
    declare(registry, name, [form(&[], compute).not_null()]);
}

fn scalar(value: f64) -> tidemill_types::Result<Datum> {
    Ok(Datum::Scalar(Arc::new(Float64Array::from(vec![value]))))
}
