//! Functions from lists to single values: searching, extremes and joining.

use super::list::{ListReader, element_type, list_of};
use crate::bind::{Closure, STRING, declare_typed};
use crate::lane::{Flag, I32, Reader, Text, as_datum, map_rows, row_count, text_rows, typed_array};
use crate::operators::equality::encoded;
use crate::types::common_type;
use arrow_array::{Array, UInt32Array};
use arrow_ord::ord::make_comparator;
use arrow_schema::SortOptions;
use arrow_select::take::take;
use std::cmp::Ordering;
use tidemill_plan::{BindCall, BoundScalar, Datum, EvalContext, FunctionRegistry};
use tidemill_types::{DataType, Error, Result, TypeKind};

/// Adds the functions.
pub fn register(registry: &mut FunctionRegistry) {
    let form = ["(ARRAY, an element)"];
    declare_typed(registry, "ARRAY_CONTAINS", &form, |call| {
        search(call, TypeKind::Boolean, |args, ctx| {
            let list = ListReader::new(&args[0]);
            map_rows::<Flag>(args, ctx, |row| {
                Ok(list.range(row).map(|_| place(&list, &args[1], row).is_some()))
            })
        })
    });
    declare_typed(registry, "ARRAY_POSITION", &form, |call| {
        search(call, TypeKind::Int, |args, ctx| {
            let list = ListReader::new(&args[0]);
            map_rows::<I32>(args, ctx, |row| {
                let known = list.range(row).is_some() && !args[1].is_null(row);
                Ok(known.then(|| place(&list, &args[1], row).map_or(0, |place| place as i32 + 1)))
            })
        })
    });
    declare_typed(registry, "ARRAY_MAX", &["(ARRAY)"], |call| extreme(call, Ordering::Greater));
    declare_typed(registry, "ARRAY_MIN", &["(ARRAY)"], |call| extreme(call, Ordering::Less));
    let forms = ["(ARRAY<STRING>, STRING)", "(ARRAY<STRING>, STRING, STRING)"];
    declare_typed(registry, "ARRAY_JOIN", &forms, join);
}

type Body = fn(&[Datum], &EvalContext<'_>) -> Result<Datum>;

fn search(call: &BindCall<'_>, gives: TypeKind, body: Body) -> Result<Option<BoundScalar>> {
    let [list, value] = call.args else { return Ok(None) };
    let Some(common) = element_type(list.data_type)
        .and_then(|element| common_type(&[element.clone(), value.data_type.clone()]))
    else {
        return Ok(None);
    };
    let nullable = list.data_type.nullable || gives == TypeKind::Int && value.data_type.nullable;
    let arg_types = vec![
        list_of(common.clone(), list.data_type.nullable),
        common.with_nullable(value.data_type.nullable),
    ];
    let kernel = Closure::total(&gives, body);
    Ok(Some(BoundScalar { arg_types, return_type: DataType { kind: gives, nullable }, kernel }))
}

/// Where a value stands in a row's list.
fn place(list: &ListReader<'_>, value: &Datum, row: usize) -> Option<usize> {
    let wanted = encoded(value.array().as_ref(), value.index(row));
    list.range(row)?.position(|at| encoded(list.values().as_ref(), at) == wanted)
}

fn extreme(call: &BindCall<'_>, wanted: Ordering) -> Result<Option<BoundScalar>> {
    let [list] = call.args else { return Ok(None) };
    let Some(element) = element_type(list.data_type) else { return Ok(None) };
    let kernel = Closure::kernel(move |args: &[Datum], ctx: &EvalContext<'_>| {
        let list = ListReader::new(&args[0]);
        let values = list.values();
        let order = make_comparator(values.as_ref(), values.as_ref(), SortOptions::default())
            .map_err(|error| Error::data(format!("the elements can't be ordered: {error}")))?;
        let indices: UInt32Array = (0..row_count(args, ctx))
            .map(|row| {
                let known = list.range(row)?.filter(|&at| values.is_valid(at));
                known.reduce(|best, at| if order(at, best) == wanted { at } else { best }).map(|at| at as u32)
            })
            .collect();
        let taken = take(values, &indices, None);
        Ok(as_datum(args, taken.map_err(|error| Error::internal(format!("taking elements: {error}")))?))
    });
    Ok(Some(BoundScalar {
        arg_types: vec![list.data_type.clone()],
        return_type: element.clone().with_nullable(true),
        kernel,
    }))
}

/// NULLs are left out unless there is a text for them.
fn join(call: &BindCall<'_>) -> Result<Option<BoundScalar>> {
    let [list, texts @ ..] = call.args else { return Ok(None) };
    let is_text = |t: &DataType| t.kind.is_text();
    let fits = element_type(list.data_type).is_some_and(is_text)
        && (1..=2).contains(&texts.len())
        && texts.iter().all(|text| is_text(text.data_type));
    if !fits {
        return Ok(None);
    }
    let arg_types: Vec<DataType> = call.args.iter().map(|arg| arg.data_type.clone()).collect();
    let nullable = arg_types.iter().any(|t| t.nullable);
    let kernel = Closure::total(&STRING, |args: &[Datum], ctx: &EvalContext<'_>| {
        let (list, separator) = (ListReader::new(&args[0]), Reader::<Text>::new(&args[1]));
        let instead = args.get(2).map(Reader::<Text>::new);
        let values = typed_array::<Text>(list.values().as_ref());
        text_rows(args, ctx, |row, out| {
            let (Some(range), Some(separator)) = (list.range(row), separator.get(row)) else {
                return Ok(false);
            };
            let instead = instead.as_ref().map(|instead| instead.get(row));
            if instead == Some(None) {
                return Ok(false);
            }
            let texts = range.filter_map(|at| match values.is_valid(at) {
                true => Some(values.value(at)),
                false => instead.flatten(),
            });
            for (index, text) in texts.enumerate() {
                out.push_str(if index == 0 { "" } else { separator });
                out.push_str(text);
            }
            Ok(true)
        })
    });
    Ok(Some(BoundScalar { arg_types, return_type: DataType { kind: STRING, nullable }, kernel }))
}
