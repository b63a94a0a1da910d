//! Mathematical functions.

pub mod random;
pub mod rounding;
pub mod transcendental;

use crate::bind::{Binding, Closure, Form, Gives, Make, Want, declare};
use crate::lane::{Num, map1};
use arrow_array::ArrowPrimitiveType;
use arrow_array::types::{
    Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use std::sync::Arc;
use tidemill_plan::{Datum, EvalContext, FunctionRegistry, Kernel};
use tidemill_types::{Result, TypeKind};

/// Adds the mathematical functions.
pub fn register(registry: &mut FunctionRegistry) {
    let abs: Make = |binding| Ok(abs(&binding.args[0].kind));
    declare(registry, "ABS", [Form::made(&[Want::Numeric], Gives::Same(0), abs)]);
    let sign: Make = |binding| Ok(sign(&binding.args[0].kind));
    declare(registry, "SIGN", [Form::made(&[Want::Numeric], Gives::Same(0), sign)]);
    rounding::register(registry);
    transcendental::register(registry);
    random::register(registry);
}

/// A kernel that maps each number to one of the same type.
pub fn same<T: ArrowPrimitiveType>(kind: &TypeKind, f: fn(T::Native) -> T::Native) -> Arc<dyn Kernel> {
    Closure::total(kind, move |args: &[Datum], ctx: &EvalContext<'_>| {
        map1::<Num<T>, Num<T>>(args, ctx, |a| Ok(Some(f(a))))
    })
}

fn abs(kind: &TypeKind) -> Arc<dyn Kernel> {
    match kind {
        TypeKind::TinyInt => same::<Int8Type>(kind, i8::wrapping_abs),
        TypeKind::SmallInt => same::<Int16Type>(kind, i16::wrapping_abs),
        TypeKind::Int => same::<Int32Type>(kind, i32::wrapping_abs),
        TypeKind::BigInt => same::<Int64Type>(kind, i64::wrapping_abs),
        TypeKind::Float => same::<Float32Type>(kind, f32::abs),
        TypeKind::Double => same::<Float64Type>(kind, f64::abs),
        _ => same::<Decimal128Type>(kind, i128::abs),
    }
}

fn sign(kind: &TypeKind) -> Arc<dyn Kernel> {
    match kind {
        TypeKind::TinyInt => same::<Int8Type>(kind, i8::signum),
        TypeKind::SmallInt => same::<Int16Type>(kind, i16::signum),
        TypeKind::Int => same::<Int32Type>(kind, i32::signum),
        TypeKind::BigInt => same::<Int64Type>(kind, i64::signum),
        TypeKind::Float => same::<Float32Type>(kind, |a| if a == 0.0 { a } else { a.signum() }),
        TypeKind::Double => same::<Float64Type>(kind, |a| if a == 0.0 { a } else { a.signum() }),
        _ => {
            let one = 10i128.pow(kind.as_decimal().map_or(0, |(_, scale)| u32::from(scale)));
            Closure::total(kind, move |args: &[Datum], ctx: &EvalContext<'_>| {
                map1::<Num<Decimal128Type>, Num<Decimal128Type>>(args, ctx, |a| Ok(Some(a.signum() * one)))
            })
        }
    }
}

/// The precision and scale of a DECIMAL argument.
pub fn decimal_of(binding: &Binding<'_>) -> Result<(u8, u8)> {
    match binding.args[0].kind {
        TypeKind::Decimal { precision, scale } => Ok((precision, scale)),
        _ => Err(tidemill_types::Error::internal("a DECIMAL form was bound to another type")),
    }
}
