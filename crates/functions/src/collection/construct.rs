//! `ARRAY[…]`, `MAP[…]`, `ROW(…)` and MAP_FROM_ARRAYS.

use super::list::{ListReader, build, element_type, gather, list_of};
use crate::bind::{Closure, declare_typed};
use crate::lane::{as_datum, row_count};
use crate::operators::equality::encoded;
use crate::types::common_type;
use arrow_array::{Array, ArrayRef, StructArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::DataType as Arrow;
use std::collections::HashMap;
use std::sync::Arc;
use tidemill_plan::{BindCall, BoundScalar, Datum, EvalContext, FunctionRegistry};
use tidemill_types::arrow_type::arrow_type;
use tidemill_types::map::map_array;
use tidemill_types::{DataType, Error, Result, RowField, TypeKind};

/// Adds the constructors.
pub fn register(registry: &mut FunctionRegistry) {
    declare_typed(registry, "ARRAY", &["elements of one type, at least one"], array);
    declare_typed(registry, "MAP", &["keys of one type, each with a value of one type"], map);
    declare_typed(registry, "ROW", &["at least one field"], row);
    declare_typed(registry, "MAP_FROM_ARRAYS", &["(ARRAY of keys, ARRAY of values)"], from_arrays);
}

fn types(call: &BindCall<'_>) -> Vec<DataType> {
    call.args.iter().map(|arg| arg.data_type.clone()).collect()
}

fn array(call: &BindCall<'_>) -> Result<Option<BoundScalar>> {
    let Some(element) = common_type(&types(call)) else { return Ok(None) };
    let arg_types = vec![element.clone(); call.args.len()];
    let return_type = list_of(element.clone(), false);
    let kernel = Closure::kernel(move |args: &[Datum], ctx: &EvalContext<'_>| {
        let sources: Vec<&ArrayRef> = args.iter().map(Datum::array).collect();
        build(args, ctx, &element, &sources, |row, picks| {
            picks.extend(args.iter().enumerate().map(|(source, arg)| (source, arg.index(row))));
            true
        })
    });
    Ok(Some(BoundScalar { arg_types, return_type, kernel }))
}

fn map(call: &BindCall<'_>) -> Result<Option<BoundScalar>> {
    let types = types(call);
    if types.is_empty() || types.len() % 2 == 1 {
        return Ok(None);
    }
    let every_other = |from: usize| types.iter().skip(from).step_by(2).cloned().collect::<Vec<_>>();
    let (Some(key), Some(value)) = (common_type(&every_other(0)), common_type(&every_other(1))) else {
        return Ok(None);
    };
    let arg_types = (0..types.len()).map(|i| if i % 2 == 0 { key.clone() } else { value.clone() }).collect();
    let kind = TypeKind::Map(Box::new(key.clone()), Box::new(value.clone()));
    let kernel = Closure::kernel(move |args: &[Datum], ctx: &EvalContext<'_>| {
        let sources: Vec<&ArrayRef> = args.iter().map(Datum::array).collect();
        build_maps(args, ctx, (&key, &value), &sources, |row, entries| {
            entries.extend(
                (0..args.len())
                    .step_by(2)
                    .map(|at| ((at, args[at].index(row)), (at + 1, args[at + 1].index(row)))),
            );
            Ok(true)
        })
    });
    Ok(Some(BoundScalar { arg_types, return_type: kind.not_null(), kernel }))
}

/// A key and its value, as places in the sources.
pub type EntryPick = ((usize, usize), (usize, usize));

/// Builds maps out of `sources`. `pick` appends a row's entries and says whether there is a map; of two
/// entries with the same key the later counts, at the place of the first. NULL is a key like others.
pub fn build_maps(
    args: &[Datum],
    ctx: &EvalContext<'_>,
    types: (&DataType, &DataType),
    sources: &[&ArrayRef],
    mut pick: impl FnMut(usize, &mut Vec<EntryPick>) -> Result<bool>,
) -> Result<Datum> {
    let rows = row_count(args, ctx);
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    let mut offsets = vec![0i32];
    let mut valid = Vec::with_capacity(rows);
    let mut entries: Vec<EntryPick> = Vec::new();
    let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
    for row in 0..rows {
        entries.clear();
        places.clear();
        valid.push(pick(row, &mut entries)?);
        for &(key, value) in &entries {
            let source = sources[key.0];
            match places.get(&encoded(source.as_ref(), key.1)) {
                Some(place) => values[*place] = value,
                None => {
                    places.insert(encoded(source.as_ref(), key.1), keys.len());
                    keys.push(key);
                    values.push(value);
                }
            }
        }
        offsets.push(keys.len() as i32);
    }
    let entries = (gather_of(types.0, sources, &keys)?, gather_of(types.1, sources, &values)?);
    let maps = map_array(types, OffsetBuffer::new(offsets.into()), entries, Some(NullBuffer::from(valid)));
    Ok(as_datum(args, Arc::new(maps)))
}

/// Gathers from those sources that have this type; keys and values may differ in theirs.
fn gather_of(data_type: &DataType, sources: &[&ArrayRef], picks: &[(usize, usize)]) -> Result<ArrayRef> {
    let arrow = arrow_type(data_type);
    let mut numbers = vec![usize::MAX; sources.len()];
    let mut fitting: Vec<&ArrayRef> = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        if *source.data_type() == arrow {
            numbers[number] = fitting.len();
            fitting.push(source);
        }
    }
    let picks: Vec<(usize, usize)> = picks.iter().map(|(source, index)| (numbers[*source], *index)).collect();
    if picks.is_empty() {
        return Ok(arrow_array::new_empty_array(&arrow));
    }
    gather(&fitting, &picks)
}

fn row(call: &BindCall<'_>) -> Result<Option<BoundScalar>> {
    let types = types(call);
    if types.is_empty() {
        return Ok(None);
    }
    let fields = types
        .iter()
        .enumerate()
        .map(|(index, data_type)| RowField { name: format!("EXPR${index}"), data_type: data_type.clone() })
        .collect();
    let return_type = TypeKind::Row(fields).not_null();
    let Arrow::Struct(fields) = arrow_type(&return_type) else {
        return Err(Error::internal("a row is a struct"));
    };
    let kernel = Closure::kernel(move |args: &[Datum], ctx: &EvalContext<'_>| {
        let rows = row_count(args, ctx);
        let columns = args.iter().map(|arg| arg.clone().into_array(rows)).collect();
        Ok(as_datum(args, Arc::new(StructArray::new(fields.clone(), columns, None))))
    });
    Ok(Some(BoundScalar { arg_types: types, return_type, kernel }))
}

fn from_arrays(call: &BindCall<'_>) -> Result<Option<BoundScalar>> {
    let [keys, values] = call.args else { return Ok(None) };
    let (Some(key), Some(value)) = (element_type(keys.data_type), element_type(values.data_type)) else {
        return Ok(None);
    };
    let (key, value) = (key.clone(), value.clone());
    let kind = TypeKind::Map(Box::new(key.clone()), Box::new(value.clone()));
    let nullable = keys.data_type.nullable || values.data_type.nullable;
    let kernel = Closure::kernel(move |args: &[Datum], ctx: &EvalContext<'_>| {
        let (keys, values) = (ListReader::new(&args[0]), ListReader::new(&args[1]));
        build_maps(args, ctx, (&key, &value), &[keys.values(), values.values()], |row, entries| {
            let (Some(keys), Some(values)) = (keys.range(row), values.range(row)) else { return Ok(false) };
            if keys.len() != values.len() {
                return Err(Error::data(format!(
                    "MAP_FROM_ARRAYS got {} keys but {} values",
                    keys.len(),
                    values.len()
                )));
            }
            entries.extend(keys.zip(values).map(|(key, value)| ((0, key), (1, value))));
            Ok(true)
        })
    });
    Ok(Some(BoundScalar { arg_types: types(call), return_type: DataType { kind, nullable }, kernel }))
}
