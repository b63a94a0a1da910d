//! `IN` over a list of values.
//!
//! TRUE if one is equal, otherwise UNKNOWN if one or the value itself is NULL, otherwise FALSE. Long lists of
//! constant text or integers go through a hash set, made once for each chunk.

use super::comparison::{self, Comparison};
use crate::bind::wrong_arguments;
use crate::lane::{Flag, I32, I64, Lane, Reader, Text, as_datum, map_rows, row_count, typed_array};
use crate::types::common_type;
use arrow_array::{Array, BooleanArray};
use arrow_buffer::BooleanBuffer;
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;
use tidemill_plan::{BindCall, BoundScalar, Datum, EvalContext, FunctionRegistry, Kernel, ScalarFunction};
use tidemill_types::{DataType, Result, TypeKind};

/// From how many constants on a hash set is faster than comparing columns.
const HASHED_MIN: usize = 6;

struct In;

/// Adds `IN`.
pub fn register(registry: &mut FunctionRegistry) {
    registry.scalars.insert("IN".into(), Arc::new(In));
}

impl ScalarFunction for In {
    fn bind(&self, call: &BindCall<'_>) -> Result<BoundScalar> {
        let refuse = || wrong_arguments("IN", &["a value and a list of values of its type".into()], call);
        let [value, list @ ..] = call.args else { return Err(refuse()) };
        if list.is_empty() {
            return Err(refuse());
        }
        let datetime = value.data_type.kind.is_datetime();
        let types: Vec<DataType> = call
            .args
            .iter()
            .map(|arg| match datetime && arg.data_type.kind.is_text() {
                true => value.data_type.clone().with_nullable(arg.data_type.nullable),
                false => arg.data_type.clone(),
            })
            .collect();
        let mut common = common_type(&types).ok_or_else(refuse)?;
        if common.kind == TypeKind::Null {
            common.kind = TypeKind::Int;
        }
        let kernel = Arc::new(InKernel {
            equal: comparison::kernel(Comparison::Equal, &common.kind, &common.kind),
            kind: common.kind.clone(),
        });
        let arg = |t: &DataType| match (t.kind.is_text(), common.kind.is_text()) {
            (true, true) => t.clone(),
            _ => common.clone().with_nullable(t.nullable),
        };
        Ok(BoundScalar {
            arg_types: types.iter().map(arg).collect(),
            return_type: DataType { kind: TypeKind::Boolean, nullable: common.nullable },
            kernel,
        })
    }
}

struct InKernel {
    equal: Arc<dyn Kernel>,
    kind: TypeKind,
}

impl Kernel for InKernel {
    fn eval(&self, args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
        let (value, list) = args.split_first().expect("IN is bound with a value");
        let hashed = list.len() >= HASHED_MIN && list.iter().all(Datum::is_scalar);
        match &self.kind {
            kind if hashed && kind.is_text() => probe::<Text>(args, value, list, ctx),
            TypeKind::Int if hashed => probe::<I32>(args, value, list, ctx),
            TypeKind::BigInt if hashed => probe::<I64>(args, value, list, ctx),
            _ => self.compare(args, value, list, ctx),
        }
    }

    fn infallible(&self) -> bool {
        true
    }
}

impl InKernel {
    fn compare(&self, args: &[Datum], value: &Datum, list: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
        let rows = row_count(args, ctx);
        let mut found = BooleanBuffer::new_unset(rows);
        let mut unknown = BooleanBuffer::new_unset(rows);
        for item in list {
            let equal = self.equal.eval(&[value.clone(), item.clone()], ctx)?.into_array(rows);
            let equal = typed_array::<Flag>(equal.as_ref());
            match equal.nulls() {
                Some(nulls) => {
                    found = &found | &(equal.values() & nulls.inner());
                    unknown = &unknown | &!nulls.inner();
                }
                None => found = &found | equal.values(),
            }
        }
        let valid = &found | &!&unknown;
        Ok(as_datum(args, Arc::new(BooleanArray::new(found, Some(valid.into())))))
    }
}

fn probe<L: Lane>(args: &[Datum], value: &Datum, list: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum>
where
    for<'a> L::Value<'a>: Hash + Eq,
{
    let mut with_null = false;
    let mut set = HashSet::with_capacity(list.len());
    for item in list {
        match Reader::<L>::new(item).get(0) {
            Some(item) => {
                set.insert(item);
            }
            None => with_null = true,
        }
    }
    let value = Reader::<L>::new(value);
    map_rows::<Flag>(args, ctx, |row| {
        Ok(value.get(row).and_then(|value| match set.contains(&value) {
            true => Some(true),
            false if with_null => None,
            false => Some(false),
        }))
    })
}
