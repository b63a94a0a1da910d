//! MAP_KEYS, MAP_VALUES, MAP_ENTRIES and MAP_UNION.

use super::access::entry_range;
use super::construct::build_maps;
use super::list::list_of;
use crate::bind::{Closure, declare_typed};
use crate::lane::as_datum;
use crate::types::common_type;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, StructArray};
use arrow_schema::DataType as Arrow;
use std::sync::Arc;
use tidemill_plan::{BindCall, BoundScalar, Datum, EvalContext, FunctionRegistry};
use tidemill_types::arrow_type::{arrow_type, element_field};
use tidemill_types::map::map_keys;
use tidemill_types::{DataType, Error, Result, RowField, TypeKind};

/// Adds the functions.
pub fn register(registry: &mut FunctionRegistry) {
    declare_typed(registry, "MAP_KEYS", &["(MAP)"], |call| {
        part(call, |key, _| key.clone(), |_, keys, _| Ok(keys))
    });
    declare_typed(registry, "MAP_VALUES", &["(MAP)"], |call| {
        part(call, |_, value| value.clone(), |_, _, values| Ok(values))
    });
    declare_typed(registry, "MAP_ENTRIES", &["(MAP)"], |call| part(call, entry_type, entries));
    declare_typed(registry, "MAP_UNION", &["(MAP, …)"], union);
}

fn key_and_value(data_type: &DataType) -> Option<(&DataType, &DataType)> {
    match &data_type.kind {
        TypeKind::Map(key, value) => Some((key, value)),
        _ => None,
    }
}

type Column = fn(&DataType, ArrayRef, ArrayRef) -> Result<ArrayRef>;

/// The list of one column of the entries.
fn part(
    call: &BindCall<'_>,
    element: fn(&DataType, &DataType) -> DataType,
    column: Column,
) -> Result<Option<BoundScalar>> {
    let [map] = call.args else { return Ok(None) };
    let Some((key, value)) = key_and_value(map.data_type) else { return Ok(None) };
    let element = element(key, value);
    let return_type = list_of(element.clone(), map.data_type.nullable);
    let kernel = Closure::kernel(move |args: &[Datum], _: &EvalContext<'_>| {
        let map = args[0].array().as_map();
        let values = column(&element, map_keys(map).clone(), map.values().clone())?;
        let list =
            ListArray::try_new(element_field(&element), map.offsets().clone(), values, map.nulls().cloned());
        let list = list.map_err(|error| Error::internal(format!("the entries of a map: {error}")))?;
        Ok(as_datum(args, Arc::new(list)))
    });
    Ok(Some(BoundScalar { arg_types: vec![map.data_type.clone()], return_type, kernel }))
}

fn entry_type(key: &DataType, value: &DataType) -> DataType {
    let field =
        |name: &str, data_type: &DataType| RowField { name: name.into(), data_type: data_type.clone() };
    TypeKind::Row(vec![field("key", key), field("value", value)]).nullable()
}

fn entries(element: &DataType, keys: ArrayRef, values: ArrayRef) -> Result<ArrayRef> {
    let Arrow::Struct(fields) = arrow_type(element) else {
        return Err(Error::internal("an entry is a row"));
    };
    Ok(Arc::new(StructArray::new(fields, vec![keys, values], None)))
}

/// Later maps win.
fn union(call: &BindCall<'_>) -> Result<Option<BoundScalar>> {
    let types: Vec<DataType> = call.args.iter().map(|arg| arg.data_type.clone()).collect();
    let Some(common) = common_type(&types) else { return Ok(None) };
    let Some((key, value)) = key_and_value(&common) else { return Ok(None) };
    let (key, value) = (key.clone(), value.clone());
    let arg_types = types.iter().map(|t| common.clone().with_nullable(t.nullable)).collect();
    let kernel = Closure::kernel(move |args: &[Datum], ctx: &EvalContext<'_>| {
        let maps: Vec<_> = args.iter().map(|arg| arg.array().as_map()).collect();
        let sources: Vec<&ArrayRef> = maps.iter().flat_map(|map| [map_keys(map), map.values()]).collect();
        build_maps(args, ctx, (&key, &value), &sources, |row, entries| {
            for (number, (map, arg)) in maps.iter().zip(args).enumerate() {
                let Some(range) = entry_range(map, arg.index(row)) else {
                    entries.clear();
                    return Ok(false);
                };
                entries.extend(range.map(|at| ((2 * number, at), (2 * number + 1, at))));
            }
            Ok(true)
        })
    });
    Ok(Some(BoundScalar { arg_types, return_type: common, kernel }))
}
