//! `+ - * / %` and the signs, for numbers; times and intervals are handed to their own file.
//!
//! Integers wrap and keep the wider type, division truncates and fails on zero; a remainder has the type of
//! its divisor. Source: Flink's documentation, "System (Built-in) Functions", measured on Flink 2.3.

use super::{decimal, interval};
use crate::bind::{Closure, wrong_arguments};
use crate::lane::{Num, as_datum, map1, map2, row_count, typed};
use crate::types::common_number;
use arrow_array::types::{
    Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{Array, ArrowPrimitiveType, PrimitiveArray};
use arrow_buffer::{ArrowNativeType, NullBuffer};
use std::sync::Arc;
use tidemill_plan::{BindCall, BoundScalar, Datum, EvalContext, FunctionRegistry, Kernel, ScalarFunction};
use tidemill_types::{DataType, Error, Result, TypeKind};

/// An arithmetic operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Remainder,
}

impl Operator {
    /// The sign.
    pub fn sign(self) -> &'static str {
        match self {
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Remainder => "%",
        }
    }
}

struct Arithmetic(Operator);
struct Negate;
struct Positive;

/// Adds the arithmetic operators.
pub fn register(registry: &mut FunctionRegistry) {
    use Operator::*;
    for operator in [Add, Subtract, Multiply, Divide, Remainder] {
        registry.scalars.insert(operator.sign().into(), Arc::new(Arithmetic(operator)));
    }
    registry.scalars.insert("MOD".into(), Arc::new(Arithmetic(Remainder)));
    registry.scalars.insert("NEG".into(), Arc::new(Negate));
    registry.scalars.insert("POS".into(), Arc::new(Positive));
}

impl ScalarFunction for Arithmetic {
    fn bind(&self, call: &BindCall<'_>) -> Result<BoundScalar> {
        let refuse = || {
            let mut forms = vec!["(a number, a number)".to_owned()];
            match self.0 {
                Operator::Add | Operator::Subtract => {
                    forms.push("(a date or time, an interval)".into());
                    forms.push("(an interval, an interval)".into());
                }
                Operator::Multiply => forms.push("(an interval, a number)".into()),
                _ => {}
            }
            wrong_arguments(&format!("'{}'", self.0.sign()), &forms, call)
        };
        let [left, right] = call.args else { return Err(refuse()) };
        let (left, right) = fill_nulls(left.data_type, right.data_type);
        if !(left.kind.is_numeric() && right.kind.is_numeric()) {
            return interval::bind(self.0, &left, &right, call.session).ok_or_else(refuse);
        }
        bind_numbers(self.0, &left, &right).ok_or_else(refuse)
    }
}

/// A bare NULL takes the type of the other side; two of them are INT.
fn fill_nulls(left: &DataType, right: &DataType) -> (DataType, DataType) {
    let or = |kind: &TypeKind, other: &TypeKind| match (kind, other) {
        (TypeKind::Null, TypeKind::Null) => TypeKind::Int,
        (TypeKind::Null, other) => other.clone(),
        (kind, _) => kind.clone(),
    };
    (
        DataType { kind: or(&left.kind, &right.kind), nullable: left.nullable },
        DataType { kind: or(&right.kind, &left.kind), nullable: right.nullable },
    )
}

fn bind_numbers(operator: Operator, left: &DataType, right: &DataType) -> Option<BoundScalar> {
    let nullable = left.nullable || right.nullable;
    let (l, r) = (&left.kind, &right.kind);
    let decimal = |kind: &TypeKind| matches!(kind, TypeKind::Decimal { .. });
    if operator == Operator::Remainder && (l.is_approximate() || r.is_approximate()) {
        return None;
    }
    if (decimal(l) || decimal(r)) && !l.is_approximate() && !r.is_approximate() {
        let whole = |kind: &TypeKind| kind.as_decimal().is_some_and(|(_, scale)| scale == 0);
        let bound = decimal::bind(operator, left, right);
        return Some(match operator == Operator::Remainder && whole(l) && whole(r) {
            true => recast(bound, &right.kind),
            false => bound,
        });
    }
    let common = common_number(l, r);
    let kind = if operator == Operator::Remainder { r.clone() } else { common.clone() };
    let arg = |side: &DataType| DataType { kind: common.clone(), nullable: side.nullable };
    let kernel: Arc<dyn Kernel> = match (operator, &common) {
        (Operator::Remainder, _) => return bind_remainder(left, right, common),
        (_, TypeKind::TinyInt) => integer_kernel::<Int8Type>(operator),
        (_, TypeKind::SmallInt) => integer_kernel::<Int16Type>(operator),
        (_, TypeKind::Int) => integer_kernel::<Int32Type>(operator),
        (_, TypeKind::BigInt) => integer_kernel::<Int64Type>(operator),
        (_, TypeKind::Float) => float_kernel::<Float32Type>(operator),
        _ => float_kernel::<Float64Type>(operator),
    };
    Some(BoundScalar {
        arg_types: vec![arg(left), arg(right)],
        return_type: DataType { kind, nullable },
        kernel,
    })
}

/// The same with the result cast to a number type that holds it.
fn recast(bound: BoundScalar, to: &TypeKind) -> BoundScalar {
    let cast = crate::cast::number::between(&bound.return_type.kind, to);
    let kernel = bound.kernel.clone();
    BoundScalar {
        arg_types: bound.arg_types,
        return_type: DataType { kind: to.clone(), nullable: bound.return_type.nullable },
        kernel: Closure::typed(to, move |args: &[Datum], ctx: &EvalContext<'_>| {
            Ok(match kernel.eval(args, ctx)? {
                Datum::Array(array) => Datum::Array(cast(&array, false)?),
                Datum::Scalar(value) => Datum::Scalar(cast(&value, false)?),
            })
        }),
    }
}

/// The remainder is computed in the wider type and given the type of the divisor.
fn bind_remainder(left: &DataType, right: &DataType, common: TypeKind) -> Option<BoundScalar> {
    fn kernel<W, R>() -> Arc<dyn Kernel>
    where
        W: ArrowPrimitiveType<Native: num_like::Integer>,
        R: ArrowPrimitiveType<Native: num_like::Integer>,
    {
        Closure::kernel(|args: &[Datum], ctx: &EvalContext<'_>| {
            use num_like::Integer;
            map2::<Num<W>, Num<W>, Num<R>>(args, ctx, |a, b| {
                let (a, b) = (a.wide(), b.wide());
                if b == 0 { Err(division_by_zero()) } else { Ok(Some(R::Native::narrow(a.wrapping_rem(b)))) }
            })
        })
    }
    fn narrowed<W: ArrowPrimitiveType<Native: num_like::Integer>>(to: &TypeKind) -> Arc<dyn Kernel> {
        match to {
            TypeKind::TinyInt => kernel::<W, Int8Type>(),
            TypeKind::SmallInt => kernel::<W, Int16Type>(),
            TypeKind::Int => kernel::<W, Int32Type>(),
            _ => kernel::<W, Int64Type>(),
        }
    }
    let kernel = match common {
        TypeKind::TinyInt => narrowed::<Int8Type>(&right.kind),
        TypeKind::SmallInt => narrowed::<Int16Type>(&right.kind),
        TypeKind::Int => narrowed::<Int32Type>(&right.kind),
        _ => narrowed::<Int64Type>(&right.kind),
    };
    let arg = |side: &DataType| DataType { kind: common.clone(), nullable: side.nullable };
    Some(BoundScalar {
        arg_types: vec![arg(left), arg(right)],
        return_type: right.clone().with_nullable(left.nullable || right.nullable),
        kernel,
    })
}

/// The integer operations that Java's types have in common.
mod num_like {
    use arrow_buffer::ArrowNativeType;

    /// A two's complement integer.
    pub trait Integer: ArrowNativeType {
        fn wrapping_add(self, other: Self) -> Self;
        fn wrapping_sub(self, other: Self) -> Self;
        fn wrapping_mul(self, other: Self) -> Self;
        fn wrapping_div(self, other: Self) -> Self;
        fn wrapping_neg(self) -> Self;
        fn wide(self) -> i64;
        fn narrow(wide: i64) -> Self;
    }

    macro_rules! integer {
        ($($t:ty),*) => {$(
            impl Integer for $t {
                #[inline]
                fn wrapping_add(self, other: Self) -> Self { <$t>::wrapping_add(self, other) }
                #[inline]
                fn wrapping_sub(self, other: Self) -> Self { <$t>::wrapping_sub(self, other) }
                #[inline]
                fn wrapping_mul(self, other: Self) -> Self { <$t>::wrapping_mul(self, other) }
                #[inline]
                fn wrapping_div(self, other: Self) -> Self { <$t>::wrapping_div(self, other) }
                #[inline]
                fn wrapping_neg(self) -> Self { <$t>::wrapping_neg(self) }
                #[inline]
                fn wide(self) -> i64 { self as i64 }
                #[inline]
                fn narrow(wide: i64) -> Self { wide as $t }
            }
        )*};
    }
    integer!(i8, i16, i32, i64);
}

/// What a division by zero gives.
pub fn division_by_zero() -> Error {
    Error::data("division by zero")
}

fn integer_kernel<T>(operator: Operator) -> Arc<dyn Kernel>
where
    T: ArrowPrimitiveType<Native: num_like::Integer>,
{
    use num_like::Integer;
    match operator {
        Operator::Add => total::<T>(Integer::wrapping_add),
        Operator::Subtract => total::<T>(Integer::wrapping_sub),
        Operator::Multiply => total::<T>(Integer::wrapping_mul),
        Operator::Divide | Operator::Remainder => Closure::kernel(|args: &[Datum], ctx: &EvalContext<'_>| {
            map2::<Num<T>, Num<T>, Num<T>>(args, ctx, |a, b| {
                if b == T::Native::default() {
                    return Err(division_by_zero());
                }
                Ok(Some(Integer::wrapping_div(a, b)))
            })
        }),
    }
}

fn float_kernel<T>(operator: Operator) -> Arc<dyn Kernel>
where
    T: ArrowPrimitiveType,
    T::Native: std::ops::Add<Output = T::Native>
        + std::ops::Sub<Output = T::Native>
        + std::ops::Mul<Output = T::Native>
        + std::ops::Div<Output = T::Native>,
{
    match operator {
        Operator::Add => total::<T>(|a, b| a + b),
        Operator::Subtract => total::<T>(|a, b| a - b),
        Operator::Multiply => total::<T>(|a, b| a * b),
        Operator::Divide | Operator::Remainder => total::<T>(|a, b| a / b),
    }
}

fn total<T: ArrowPrimitiveType>(
    f: impl Fn(T::Native, T::Native) -> T::Native + Copy + Send + Sync + 'static,
) -> Arc<dyn Kernel> {
    let kind = match T::DATA_TYPE {
        arrow_schema::DataType::Int8 => TypeKind::TinyInt,
        arrow_schema::DataType::Int16 => TypeKind::SmallInt,
        arrow_schema::DataType::Int32 => TypeKind::Int,
        arrow_schema::DataType::Int64 => TypeKind::BigInt,
        arrow_schema::DataType::Float32 => TypeKind::Float,
        _ => TypeKind::Double,
    };
    Closure::total(&kind, move |args: &[Datum], ctx: &EvalContext<'_>| Ok(elementwise::<T, T>(args, ctx, f)))
}

/// Applies an operation that can't fail to all values, also those under a NULL, which is faster than asking.
pub fn elementwise<T: ArrowPrimitiveType, O: ArrowPrimitiveType>(
    args: &[Datum],
    ctx: &EvalContext<'_>,
    f: impl Fn(T::Native, T::Native) -> O::Native,
) -> Datum {
    let (a, b) = (typed::<Num<T>>(&args[0]), typed::<Num<T>>(&args[1]));
    let rows = row_count(args, ctx);
    let constant_null = |datum: &Datum| datum.is_scalar() && datum.array().is_null(0);
    if constant_null(&args[0]) || constant_null(&args[1]) {
        return as_datum(args, Arc::new(PrimitiveArray::<O>::new_null(rows)));
    }
    let nulls = |datum: &Datum, array: &PrimitiveArray<T>| match datum.is_scalar() && rows != 1 {
        true => None,
        false => array.nulls().cloned(),
    };
    let nulls = NullBuffer::union(nulls(&args[0], a).as_ref(), nulls(&args[1], b).as_ref());
    let (x, y) = (a.values(), b.values());
    let values: Vec<O::Native> = match (args[0].is_scalar(), args[1].is_scalar()) {
        (true, false) => y.iter().map(|&y| f(x[0], y)).collect(),
        (false, true) => x.iter().map(|&x| f(x, y[0])).collect(),
        _ => x.iter().zip(y.iter()).map(|(&x, &y)| f(x, y)).collect(),
    };
    as_datum(args, Arc::new(PrimitiveArray::<O>::new(values.into(), nulls)))
}

impl ScalarFunction for Negate {
    fn bind(&self, call: &BindCall<'_>) -> Result<BoundScalar> {
        let refuse = || wrong_arguments("'-'", &["(a number)".into(), "(an interval)".into()], call);
        let [arg] = call.args else { return Err(refuse()) };
        let mut data_type = arg.data_type.clone();
        if data_type.kind == TypeKind::Null {
            data_type.kind = TypeKind::Int;
        }
        use num_like::Integer;
        let kernel = match &data_type.kind {
            kind @ TypeKind::TinyInt => negate::<Int8Type>(kind, Integer::wrapping_neg),
            kind @ TypeKind::SmallInt => negate::<Int16Type>(kind, Integer::wrapping_neg),
            kind @ TypeKind::Int => negate::<Int32Type>(kind, Integer::wrapping_neg),
            kind @ TypeKind::BigInt => negate::<Int64Type>(kind, Integer::wrapping_neg),
            kind @ TypeKind::Float => negate::<Float32Type>(kind, |a| -a),
            kind @ TypeKind::Double => negate::<Float64Type>(kind, |a| -a),
            kind @ TypeKind::Decimal { .. } => negate::<Decimal128Type>(kind, |a| -a),
            kind if kind.is_interval() => interval::negate(kind),
            _ => return Err(refuse()),
        };
        Ok(BoundScalar { arg_types: vec![data_type.clone()], return_type: data_type, kernel })
    }
}

/// A kernel that turns the sign of each value.
pub fn negate<T: ArrowPrimitiveType>(
    kind: &TypeKind,
    f: impl Fn(T::Native) -> T::Native + Copy + Send + Sync + 'static,
) -> Arc<dyn Kernel>
where
    T::Native: ArrowNativeType,
{
    Closure::total(kind, move |args: &[Datum], ctx: &EvalContext<'_>| {
        map1::<Num<T>, Num<T>>(args, ctx, |a| Ok(Some(f(a))))
    })
}

impl ScalarFunction for Positive {
    fn bind(&self, call: &BindCall<'_>) -> Result<BoundScalar> {
        match call.args {
            [arg] if arg.data_type.kind.is_numeric() || arg.data_type.kind.is_interval() => Ok(BoundScalar {
                arg_types: vec![arg.data_type.clone()],
                return_type: arg.data_type.clone(),
                kernel: Closure::total(&arg.data_type.kind, |args: &[Datum], _: &EvalContext<'_>| {
                    Ok(args[0].clone())
                }),
            }),
            _ => Err(wrong_arguments("'+'", &["(a number)".into()], call)),
        }
    }
}
