//! `= <> < <= > >=` and `IS [NOT] DISTINCT FROM`.
//!
//! Text compares by UTF-8 bytes, floating point as IEEE 754 says (NaN equals nothing, -0.0 equals 0.0).
//! Text next to a date or time is read as one; text next to a number is refused, as in Flink.

use super::decimal;
use super::equality;
use crate::bind::{Closure, wrong_arguments};
use crate::lane::{Num, Reader, as_datum, row_count};
use crate::types::common_type;
use arrow_array::types::{Decimal128Type, Float32Type, Float64Type};
use arrow_array::{ArrayRef, ArrowPrimitiveType, BooleanArray, Scalar};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use arrow_ord::cmp;
use arrow_schema::ArrowError;
use std::cmp::Ordering;
use std::sync::Arc;
use tidemill_plan::{BindCall, BoundScalar, Datum, EvalContext, FunctionRegistry, Kernel, ScalarFunction};
use tidemill_types::{DataType, Error, Result, TypeKind};

/// A comparison operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `IS DISTINCT FROM`
    Distinct,
    /// `IS NOT DISTINCT FROM`
    NotDistinct,
}

use Comparison::*;

impl Comparison {
    /// The sign or words.
    pub fn sign(self) -> &'static str {
        match self {
            Equal => "=",
            NotEqual => "<>",
            Less => "<",
            LessOrEqual => "<=",
            Greater => ">",
            GreaterOrEqual => ">=",
            Distinct => "IS DISTINCT FROM",
            NotDistinct => "IS NOT DISTINCT FROM",
        }
    }

    fn orders(self) -> bool {
        matches!(self, Less | LessOrEqual | Greater | GreaterOrEqual)
    }

    fn sees_nulls(self) -> bool {
        matches!(self, Distinct | NotDistinct)
    }

    /// Whether it holds for this order; `None`: values that can't be ordered (NaN).
    #[inline]
    fn holds(self, order: Option<Ordering>) -> bool {
        match self {
            Equal | NotDistinct => order == Some(Ordering::Equal),
            NotEqual | Distinct => order != Some(Ordering::Equal),
            Less => order == Some(Ordering::Less),
            LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Greater => order == Some(Ordering::Greater),
            GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

/// Adds the comparisons.
pub fn register(registry: &mut FunctionRegistry) {
    for comparison in [Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual, Distinct, NotDistinct] {
        registry.scalars.insert(comparison.sign().into(), Arc::new(comparison));
    }
    registry.scalars.insert("!=".into(), Arc::new(NotEqual));
}

impl ScalarFunction for Comparison {
    fn bind(&self, call: &BindCall<'_>) -> Result<BoundScalar> {
        let refuse = || {
            let forms = ["(two values that can be compared)".to_owned()];
            wrong_arguments(&format!("'{}'", self.sign()), &forms, call)
        };
        let [left, right] = call.args else { return Err(refuse()) };
        let (left, right) = operand_types(left.data_type, right.data_type, *self).ok_or_else(refuse)?;
        let nullable = !self.sees_nulls() && (left.nullable || right.nullable);
        let kernel = kernel(*self, &left.kind, &right.kind);
        let return_type = DataType { kind: TypeKind::Boolean, nullable };
        Ok(BoundScalar { arg_types: vec![left, right], return_type, kernel })
    }
}

/// The types in which two operands are compared.
fn operand_types(left: &DataType, right: &DataType, comparison: Comparison) -> Option<(DataType, DataType)> {
    let (l, r) = (&left.kind, &right.kind);
    let as_kind = |kind: &TypeKind| {
        let of = |side: &DataType| DataType { kind: kind.clone(), nullable: side.nullable };
        Some((of(left), of(right)))
    };
    match (l, r) {
        (TypeKind::Null, TypeKind::Null) => as_kind(&TypeKind::Int),
        (TypeKind::Null, kind) | (kind, TypeKind::Null) => as_kind(kind),
        _ if l.is_numeric() && r.is_numeric() => number_types(left, right),
        _ if l.is_text() && r.is_text() || l.is_bytes() && r.is_bytes() => {
            Some((left.clone(), right.clone()))
        }
        _ if l.is_datetime() && r.is_text() => as_kind(l),
        _ if l.is_text() && r.is_datetime() => as_kind(r),
        _ => {
            let common = common_type(&[left.clone(), right.clone()])?;
            let atomic =
                common.kind == TypeKind::Boolean || common.kind.is_datetime() || common.kind.is_interval();
            let comparable = atomic || !comparison.orders();
            comparable.then(|| as_kind(&common.kind)).flatten()
        }
    }
}

fn number_types(left: &DataType, right: &DataType) -> Option<(DataType, DataType)> {
    let decimal = |side: &DataType| {
        let (precision, scale) = side.kind.as_decimal().expect("an exact number has a decimal form");
        DataType { kind: TypeKind::Decimal { precision, scale }, nullable: side.nullable }
    };
    let (l, r) = (&left.kind, &right.kind);
    let kind = match (l.is_approximate(), r.is_approximate()) {
        (false, false) if l.is_integer() && r.is_integer() => crate::types::common_number(l, r),
        (false, false) => return Some((decimal(left), decimal(right))),
        (true, true) if l != r => TypeKind::Double,
        _ => crate::types::common_number(l, r),
    };
    let of = |side: &DataType| DataType { kind: kind.clone(), nullable: side.nullable };
    Some((of(left), of(right)))
}

/// The kernel that compares values of these types, which are the same but for the scale of a DECIMAL.
pub fn kernel(comparison: Comparison, left: &TypeKind, right: &TypeKind) -> Arc<dyn Kernel> {
    let boolean = TypeKind::Boolean;
    match (left, right) {
        (TypeKind::Decimal { scale: s1, .. }, TypeKind::Decimal { scale: s2, .. }) => {
            let (s1, s2) = (u32::from(*s1), u32::from(*s2));
            Closure::total(&boolean, move |args: &[Datum], ctx: &EvalContext<'_>| {
                Ok(match s1 == s2 {
                    true => primitive::<Decimal128Type>(comparison, args, ctx, |a, b| Some(a.cmp(&b))),
                    false => primitive::<Decimal128Type>(comparison, args, ctx, move |a, b| {
                        Some(decimal::compare(a, s1, b, s2))
                    }),
                })
            })
        }
        (TypeKind::Float, _) => Closure::total(&boolean, move |args: &[Datum], ctx: &EvalContext<'_>| {
            Ok(primitive::<Float32Type>(comparison, args, ctx, |a, b| a.partial_cmp(&b)))
        }),
        (TypeKind::Double, _) => Closure::total(&boolean, move |args: &[Datum], ctx: &EvalContext<'_>| {
            Ok(primitive::<Float64Type>(comparison, args, ctx, |a, b| a.partial_cmp(&b)))
        }),
        (TypeKind::Array(_) | TypeKind::Map(..) | TypeKind::Multiset(_) | TypeKind::Row(_), _) => {
            Closure::total(&boolean, move |args: &[Datum], ctx: &EvalContext<'_>| {
                Ok(nested(comparison, args, ctx))
            })
        }
        _ => {
            let compare = match comparison {
                Equal => cmp::eq,
                NotEqual => cmp::neq,
                Less => cmp::lt,
                LessOrEqual => cmp::lt_eq,
                Greater => cmp::gt,
                GreaterOrEqual => cmp::gt_eq,
                Distinct => cmp::distinct,
                NotDistinct => cmp::not_distinct,
            };
            Closure::total(&boolean, move |args: &[Datum], _: &EvalContext<'_>| with_arrow(args, compare))
        }
    }
}

type ArrowCompare =
    fn(&dyn arrow_array::Datum, &dyn arrow_array::Datum) -> std::result::Result<BooleanArray, ArrowError>;

fn with_arrow(args: &[Datum], compare: ArrowCompare) -> Result<Datum> {
    let (a, b) = (args[0].array(), args[1].array());
    let result = match (args[0].is_scalar(), args[1].is_scalar()) {
        (true, false) => compare(&Scalar::new(a.clone()), b),
        (false, true) => compare(a, &Scalar::new(b.clone())),
        _ => compare(a, b),
    };
    let result = result.map_err(|error| Error::internal(format!("comparing bound types: {error}")))?;
    Ok(as_datum(args, Arc::new(result)))
}

fn primitive<T: ArrowPrimitiveType>(
    comparison: Comparison,
    args: &[Datum],
    ctx: &EvalContext<'_>,
    order: impl Fn(T::Native, T::Native) -> Option<Ordering>,
) -> Datum {
    let rows = row_count(args, ctx);
    let (a, b) = (Reader::<Num<T>>::new(&args[0]), Reader::<Num<T>>::new(&args[1]));
    let array = loop_rows(comparison, rows, |row| (a.get(row), b.get(row)), order);
    as_datum(args, array)
}

fn nested(comparison: Comparison, args: &[Datum], ctx: &EvalContext<'_>) -> Datum {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let get = |datum: &Datum, row: usize| (!datum.is_null(row)).then(|| datum.index(row));
    let rows = row_count(args, ctx);
    let array = loop_rows(
        comparison,
        rows,
        |row| (get(&args[0], row), get(&args[1], row)),
        |a, b| {
            left.clear();
            right.clear();
            equality::encode(args[0].array(), a, &mut left);
            equality::encode(args[1].array(), b, &mut right);
            Some(if left == right { Ordering::Equal } else { Ordering::Less })
        },
    );
    as_datum(args, array)
}

fn loop_rows<V>(
    comparison: Comparison,
    rows: usize,
    get: impl Fn(usize) -> (Option<V>, Option<V>),
    mut order: impl FnMut(V, V) -> Option<Ordering>,
) -> ArrayRef {
    let mut values = BooleanBufferBuilder::new(rows);
    let mut valid = BooleanBufferBuilder::new(rows);
    for row in 0..rows {
        let (value, known) = match get(row) {
            (Some(a), Some(b)) => (comparison.holds(order(a, b)), true),
            (None, None) => (comparison == NotDistinct, comparison.sees_nulls()),
            _ => (comparison == Distinct, comparison.sees_nulls()),
        };
        values.append(value);
        valid.append(known);
    }
    let valid: BooleanBuffer = valid.finish();
    Arc::new(BooleanArray::new(values.finish(), Some(valid.into())))
}
