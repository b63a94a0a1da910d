//! `a[i]`, `m[k]`, ELEMENT, CARDINALITY and field access.

use super::list::{ListReader, element_type};
use crate::bind::{Closure, declare_typed, literal_integer};
use crate::lane::{I32, I64, Reader, as_datum, map_rows, row_count};
use crate::operators::equality::encode;
use crate::types::can_implicitly_cast;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, MapArray, UInt32Array};
use arrow_select::nullif::nullif;
use arrow_select::take::take;
use std::ops::Range;
use tidemill_plan::{BindCall, BoundScalar, Datum, EvalContext, FunctionRegistry};
use tidemill_types::map::map_keys;
use tidemill_types::{DataType, Error, Result, TypeKind};

/// Adds the accessors.
pub fn register(registry: &mut FunctionRegistry) {
    let forms = ["(ARRAY, an integer)", "(MAP, one of its keys)", "(VARIANT, a name or an integer)"];
    declare_typed(registry, "ITEM", &forms, item);
    declare_typed(registry, "ELEMENT", &["(ARRAY)"], element);
    declare_typed(registry, "CARDINALITY", &["(ARRAY)", "(MAP)"], cardinality);
    declare_typed(registry, "FIELD", &["(ROW, the number of a field)"], field);
}

/// Takes one value for each row.
fn taken(args: &[Datum], values: &ArrayRef, indices: UInt32Array) -> Result<Datum> {
    let taken = take(values, &indices, None);
    Ok(as_datum(args, taken.map_err(|error| Error::internal(format!("taking elements: {error}")))?))
}

fn item(call: &BindCall<'_>) -> Result<Option<BoundScalar>> {
    let [base, key] = call.args else { return Ok(None) };
    match &base.data_type.kind {
        TypeKind::Array(_) => {
            if let Some(index) = key.literal.and_then(literal_integer).filter(|index| *index < 1) {
                return Err(bad_index(index));
            }
            Ok(list_item(base.data_type, key.data_type))
        }
        TypeKind::Map(wanted, value) if can_implicitly_cast(key.data_type, wanted) => {
            let key_type = wanted.as_ref().clone().with_nullable(key.data_type.nullable);
            Ok(Some(BoundScalar {
                arg_types: vec![base.data_type.clone(), key_type],
                return_type: value.as_ref().clone().with_nullable(true),
                kernel: Closure::kernel(map_item),
            }))
        }
        TypeKind::Variant => Ok(crate::json::variant::item(base.data_type, key.data_type)),
        _ => Ok(None),
    }
}

fn bad_index(index: i64) -> Error {
    Error::data(format!("the elements of an array are counted from 1, there is none at {index}"))
}

fn list_item(list: &DataType, index: &DataType) -> Option<BoundScalar> {
    let element = element_type(list)?;
    if !(index.kind.is_integer() || index.kind == TypeKind::Null) {
        return None;
    }
    let index_type = TypeKind::BigInt.nullable().with_nullable(index.nullable);
    Some(BoundScalar {
        arg_types: vec![list.clone(), index_type],
        return_type: element.clone().with_nullable(true),
        kernel: Closure::kernel(|args: &[Datum], ctx: &EvalContext<'_>| {
            let (list, index) = (ListReader::new(&args[0]), Reader::<I64>::new(&args[1]));
            let indices = (0..row_count(args, ctx)).map(|row| {
                let (Some(range), Some(index)) = (list.range(row), index.get(row)) else { return Ok(None) };
                match index {
                    ..1 => Err(bad_index(index)),
                    _ => Ok(Some(range.start as i64 + index - 1).filter(|at| *at < range.end as i64)),
                }
            });
            let indices = indices.map(|at| at.map(|at| at.map(|at| at as u32))).collect::<Result<_>>()?;
            taken(args, list.values(), indices)
        }),
    })
}

/// Where a row's entries stand in a map's columns.
pub fn entry_range(map: &MapArray, index: usize) -> Option<Range<usize>> {
    let offsets = map.value_offsets();
    map.is_valid(index).then(|| offsets[index] as usize..offsets[index + 1] as usize)
}

fn map_item(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let map = args[0].array().as_map();
    let (keys, wanted) = (map_keys(map), args[1].array());
    let (mut key, mut other) = (Vec::new(), Vec::new());
    let indices: UInt32Array = (0..row_count(args, ctx))
        .map(|row| {
            let range = entry_range(map, args[0].index(row)).filter(|_| !args[1].is_null(row))?;
            key.clear();
            encode(wanted.as_ref(), args[1].index(row), &mut key);
            let found = range.into_iter().find(|&at| {
                other.clear();
                encode(keys.as_ref(), at, &mut other);
                other == key
            });
            found.map(|at| at as u32)
        })
        .collect();
    taken(args, map.values(), indices)
}

fn element(call: &BindCall<'_>) -> Result<Option<BoundScalar>> {
    let [list] = call.args else { return Ok(None) };
    let Some(element) = element_type(list.data_type) else { return Ok(None) };
    Ok(Some(BoundScalar {
        arg_types: vec![list.data_type.clone()],
        return_type: element.clone().with_nullable(true),
        kernel: Closure::kernel(|args: &[Datum], ctx: &EvalContext<'_>| {
            let list = ListReader::new(&args[0]);
            let indices = (0..row_count(args, ctx)).map(|row| match list.range(row) {
                Some(range) if range.len() > 1 => {
                    Err(Error::data(format!("ELEMENT takes an array of one element, not of {}", range.len())))
                }
                Some(range) => Ok((range.len() == 1).then_some(range.start as u32)),
                None => Ok(None),
            });
            let indices = indices.collect::<Result<_>>()?;
            taken(args, list.values(), indices)
        }),
    }))
}

fn cardinality(call: &BindCall<'_>) -> Result<Option<BoundScalar>> {
    let [arg] = call.args else { return Ok(None) };
    let list = match &arg.data_type.kind {
        TypeKind::Array(_) => true,
        TypeKind::Map(..) => false,
        _ => return Ok(None),
    };
    Ok(Some(BoundScalar {
        arg_types: vec![arg.data_type.clone()],
        return_type: TypeKind::Int.nullable().with_nullable(arg.data_type.nullable),
        kernel: Closure::total(&TypeKind::Int, move |args: &[Datum], ctx: &EvalContext<'_>| {
            if list {
                let list = ListReader::new(&args[0]);
                return map_rows::<I32>(args, ctx, |row| Ok(list.range(row).map(|range| range.len() as i32)));
            }
            let map = args[0].array().as_map();
            map_rows::<I32>(args, ctx, |row| {
                Ok(entry_range(map, args[0].index(row)).map(|range| range.len() as i32))
            })
        }),
    }))
}

/// The field keeps its own nullability, also if the row may be NULL: so Flink shows it.
fn field(call: &BindCall<'_>) -> Result<Option<BoundScalar>> {
    let [row, number] = call.args else { return Ok(None) };
    let TypeKind::Row(fields) = &row.data_type.kind else { return Ok(None) };
    let Some(number) = number.literal.and_then(literal_integer).and_then(|n| usize::try_from(n).ok()) else {
        return Ok(None);
    };
    let Some(field) = fields.get(number) else { return Ok(None) };
    let arg_types = call.args.iter().map(|arg| arg.data_type.clone()).collect();
    let kind = field.data_type.kind.clone();
    Ok(Some(BoundScalar {
        arg_types,
        return_type: field.data_type.clone(),
        // The number is looked at in each call, for it is another one when a source leaves fields out.
        kernel: Closure::total(&kind, move |args: &[Datum], _: &EvalContext<'_>| {
            let number = literal_integer(args[1].array()).and_then(|number| usize::try_from(number).ok());
            let row = args[0].array().as_struct();
            let column = row.column(number.expect("the number of a field is a literal"));
            let field = match row.nulls().filter(|nulls| nulls.null_count() > 0) {
                None => column.clone(),
                Some(nulls) => nullif(column, &BooleanArray::new(!nulls.inner(), None)).expect("one length"),
            };
            Ok(as_datum(&args[..1], field))
        }),
    }))
}
