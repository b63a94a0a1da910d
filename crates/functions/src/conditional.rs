//! GREATEST, LEAST, TYPEOF and CURRENT_DATABASE. The binder rewrites CASE, IF, IFNULL, NULLIF and COALESCE.

use crate::bind::{Closure, STRING, declare_typed};
use crate::lane::{as_datum, row_count};
use crate::operators::comparison::{Comparison, kernel};
use crate::types::merged_type;
use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, make_array};
use arrow_buffer::NullBuffer;
use arrow_select::zip::zip;
use std::sync::Arc;
use tidemill_plan::{BindCall, BoundScalar, Datum, EvalContext, FunctionRegistry, Kernel};
use tidemill_types::{DataType, Error, Result, TypeKind};

/// Adds the functions.
pub fn register(registry: &mut FunctionRegistry) {
    let forms = ["(values of one type that can be ordered, …)"];
    declare_typed(registry, "GREATEST", &forms, |call| extreme(call, Comparison::Less));
    declare_typed(registry, "LEAST", &forms, |call| extreme(call, Comparison::Greater));
    declare_typed(registry, "TYPEOF", &["(anything)", "(anything, BOOLEAN)"], |call| {
        let [arg, rest @ ..] = call.args else { return Ok(None) };
        let bound = (rest.len() < 2).then(|| constant(call, &arg.data_type.to_string()));
        Ok(bound.map(|bound| BoundScalar { return_type: STRING.nullable(), ..bound }))
    });
    declare_typed(registry, "CURRENT_DATABASE", &["()"], |call| {
        Ok(call.args.is_empty().then(|| constant(call, "default_database")))
    });
}

/// A text that is known when the call is bound.
fn constant(call: &BindCall<'_>, text: &str) -> BoundScalar {
    let mut value = StringViewBuilder::new();
    value.append_value(text);
    let value: ArrayRef = Arc::new(value.finish());
    BoundScalar {
        arg_types: call.args.iter().map(|arg| arg.data_type.clone()).collect(),
        return_type: STRING.not_null(),
        kernel: Closure::total(&STRING, move |_: &[Datum], _: &EvalContext<'_>| {
            Ok(Datum::Scalar(value.clone()))
        }),
    }
}

fn extreme(call: &BindCall<'_>, replaces: Comparison) -> Result<Option<BoundScalar>> {
    let types: Vec<DataType> = call.args.iter().map(|arg| arg.data_type.clone()).collect();
    let Some(common) = merged_type(&types) else { return Ok(None) };
    let kind = match &common.kind {
        TypeKind::Null => TypeKind::Int,
        kind => kind.clone(),
    };
    let ordered = kind.is_numeric() || kind.is_text() || kind.is_bytes() || kind.is_datetime();
    if !(ordered || kind.is_interval() || kind == TypeKind::Boolean) {
        return Ok(None);
    }
    let arg_types = types.iter().map(|t| DataType { kind: kind.clone(), nullable: t.nullable }).collect();
    let compare = kernel(replaces, &kind, &kind);
    Ok(Some(BoundScalar {
        arg_types,
        return_type: DataType { kind: kind.clone(), nullable: common.nullable },
        kernel: Closure::total(&kind, move |args: &[Datum], ctx: &EvalContext<'_>| {
            pick(compare.as_ref(), args, ctx)
        }),
    }))
}

/// 1. Keeps for each row the value that no later one replaces. 2. Rows with a NULL among them are NULL.
fn pick(replaces: &dyn Kernel, args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let rows = row_count(args, ctx);
    let mut nulls: Option<NullBuffer> = None;
    let mut best: Option<ArrayRef> = None;
    for arg in args {
        let next = arg.clone().into_array(rows);
        nulls = NullBuffer::union(nulls.as_ref(), next.nulls());
        best = Some(match best {
            None => next,
            Some(best) => {
                let pair = [Datum::Array(best.clone()), Datum::Array(next.clone())];
                let mask = replaces.eval(&pair, ctx)?.into_array(rows);
                choose(mask.as_boolean(), &next, &best)?
            }
        });
    }
    let best = best.ok_or_else(|| Error::internal("GREATEST was bound without arguments"))?;
    let data = best.to_data().into_builder().nulls(nulls).build();
    Ok(as_datum(args, make_array(data.expect("NULLs fit any column"))))
}

fn choose(mask: &BooleanArray, yes: &ArrayRef, no: &ArrayRef) -> Result<ArrayRef> {
    zip(mask, yes, no).map_err(|error| Error::internal(format!("values of one type: {error}")))
}
