//! CAST, TRY_CAST and the casts that the binder inserts.
//!
//! Invariant: a cast is a function of one array, made once for a pair of types. What cannot be cast is an
//! error, or NULL if the cast is lenient; a DECIMAL that does not fit is NULL in any case, as in Flink.
//! Source of the pairs: Flink documentation, "Data Types", "CAST".

pub mod binary;
pub mod nested;
pub mod number;
pub mod temporal;
pub mod text;
pub mod write;

use arrow_array::{ArrayRef, make_array, new_null_array};
use std::sync::Arc;
use tidemill_plan::{CastMode, Datum, EvalContext, FunctionRegistry, Kernel, SessionInfo};
use tidemill_types::arrow_type::arrow_type;
use tidemill_types::{DataType, Error, Result, TypeKind};

/// Casts a column. `lenient` turns what can't be cast into NULL.
pub type CastFn = Box<dyn Fn(&ArrayRef, bool) -> Result<ArrayRef> + Send + Sync>;

/// Adds the casts and the rules on common types.
pub fn register(registry: &mut FunctionRegistry) {
    registry.cast = Some(lookup);
    registry.common_type = Some(crate::types::common_type);
    registry.merged_type = Some(crate::types::merged_type);
    registry.implicit_cast = Some(crate::types::can_implicitly_cast);
}

/// The kernel of a cast, `None` if there is none between these types.
pub fn lookup(
    from: &DataType,
    to: &DataType,
    mode: CastMode,
    session: SessionInfo,
) -> Option<Arc<dyn Kernel>> {
    let cast = plan(from, to, session)?;
    let lenient = mode == CastMode::TryCast || session.legacy_cast && mode == CastMode::Cast;
    let infallible = lenient || never_fails(&from.kind, &to.kind);
    Some(Arc::new(CastKernel { cast, lenient, infallible }))
}

struct CastKernel {
    cast: CastFn,
    lenient: bool,
    infallible: bool,
}

impl Kernel for CastKernel {
    fn eval(&self, args: &[Datum], _: &EvalContext<'_>) -> Result<Datum> {
        Ok(match &args[0] {
            Datum::Array(array) => Datum::Array((self.cast)(array, self.lenient)?),
            Datum::Scalar(value) => Datum::Scalar((self.cast)(value, self.lenient)?),
        })
    }

    fn infallible(&self) -> bool {
        self.infallible
    }
}

fn never_fails(from: &TypeKind, to: &TypeKind) -> bool {
    let exact = |kind: &TypeKind| kind.is_integer() || matches!(kind, TypeKind::Decimal { .. });
    to.is_text() || from.is_numeric() && (exact(from) || !exact(to) || to.is_integer()) && to.is_numeric()
}

/// Finds how to cast between two types.
pub fn plan(from: &DataType, to: &DataType, session: SessionInfo) -> Option<CastFn> {
    use TypeKind::*;
    let target = arrow_type(to);
    match (&from.kind, &to.kind) {
        (Null, _) => Some(Box::new(move |array, _| Ok(new_null_array(&target, array.len())))),
        (a, b) if a == b => Some(identity()),
        (a, b) if a.is_text() && b.is_text() => Some(text::resize(a, b)),
        (a, b) if a.is_bytes() && b.is_bytes() => Some(binary::resize(b)),
        (a, b) if a.is_text() && b.is_bytes() => Some(binary::from_text(b)),
        (a, b) if a.is_bytes() && b.is_text() => Some(binary::to_text(b)),
        (a, b) if a.is_numeric() && b.is_numeric() => Some(number::between(a, b)),
        (Boolean, b) if b.is_numeric() => Some(number::from_boolean(b)),
        (a, Boolean) if a.is_numeric() => Some(number::to_boolean(a)),
        (a, Boolean) if a.is_text() => Some(text::to_boolean()),
        (a, b) if a.is_text() && b.is_numeric() => Some(text::to_number(b)),
        (a, b) if a.is_text() && b.is_datetime() => Some(temporal::from_text(b, session.zone)),
        (a, b) if a.is_datetime() && b.is_datetime() => temporal::between(a, b, session.zone),
        (_, b) if b.is_text() => write::to_text(from, b, session.zone),
        _ => nested::between(from, to, session),
    }
}

/// Hands the column on.
pub fn identity() -> CastFn {
    Box::new(|array, _| Ok(array.clone()))
}

/// Gives an array the parameters of its type.
pub fn retyped(array: ArrayRef, to: &TypeKind) -> ArrayRef {
    let to = arrow_type(&to.clone().nullable());
    if *array.data_type() == to {
        return array;
    }
    let data = array.to_data().into_builder().data_type(to).build();
    make_array(data.expect("a cast gives the layout of its type"))
}

/// The refusal of one value.
pub fn failed(value: &str, to: &TypeKind) -> Error {
    Error::data(format!("'{value}' can't be cast to {to}; TRY_CAST gives NULL instead"))
}
