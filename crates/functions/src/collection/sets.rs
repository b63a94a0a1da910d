//! Functions from lists to lists: appending, slicing, sorting and set operations.

use super::list::{ListReader, Pick, build, element_type, list_of};
use crate::bind::{BindTypes, Closure, declare_typed};
use crate::lane::{Flag, I32, Reader};
use crate::operators::equality::encoded;
use crate::types::common_type;
use arrow_array::{Array, ArrayRef};
use arrow_ord::ord::make_comparator;
use arrow_schema::SortOptions;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::ops::Range;
use tidemill_plan::{BindCall, BoundScalar, Datum, EvalContext, FunctionRegistry};
use tidemill_types::{DataType, Error, Result, TypeKind};

/// Adds the functions.
pub fn register(registry: &mut FunctionRegistry) {
    let mut add = |name: &str, form: &str, bind: BindTypes| declare_typed(registry, name, &[form], bind);
    add("ARRAY_APPEND", "(ARRAY, an element)", |call| with_element(call, append, |common| common));
    add("ARRAY_PREPEND", "(ARRAY, an element)", |call| with_element(call, prepend, |common| common));
    add("ARRAY_REMOVE", "(ARRAY, an element)", |call| {
        // Removing NULL makes no NULL.
        let [list, _] = call.args else { return Ok(None) };
        let nullable = element_type(list.data_type).is_some_and(|element| element.nullable);
        let mut bound = with_element(call, remove, |common| common.with_nullable(nullable))?;
        if let Some(bound) = &mut bound {
            bound.return_type.nullable = list.data_type.nullable;
        }
        Ok(bound)
    });
    add("ARRAY_CONCAT", "(ARRAY, …)", |call| lists(call, 1, usize::MAX, concat));
    add("ARRAY_DISTINCT", "(ARRAY)", |call| lists(call, 1, 1, distinct));
    add("ARRAY_REVERSE", "(ARRAY)", |call| lists(call, 1, 1, reverse));
    add("ARRAY_UNION", "(ARRAY, ARRAY)", |call| lists(call, 2, 2, union));
    add("ARRAY_EXCEPT", "(ARRAY, ARRAY)", |call| lists(call, 2, 2, except));
    add("ARRAY_INTERSECT", "(ARRAY, ARRAY)", |call| lists(call, 2, 2, intersect));
    declare_typed(registry, "ARRAY_SLICE", &["(ARRAY, INT)", "(ARRAY, INT, INT)"], |call| {
        with_options(call, TypeKind::Int, 1, slice)
    });
    declare_typed(
        registry,
        "ARRAY_SORT",
        &["(ARRAY)", "(ARRAY, BOOLEAN)", "(ARRAY, BOOLEAN, BOOLEAN)"],
        |call| with_options(call, TypeKind::Boolean, 0, sort),
    );
}

type Body = fn(&DataType, &[Datum], &EvalContext<'_>) -> Result<Datum>;

fn bound(arg_types: Vec<DataType>, element: DataType, body: Body) -> BoundScalar {
    let nullable = arg_types.iter().any(|t| t.nullable);
    let return_type = list_of(element.clone(), nullable);
    let kernel = Closure::kernel(move |args: &[Datum], ctx: &EvalContext<'_>| body(&element, args, ctx));
    BoundScalar { arg_types, return_type, kernel }
}

/// Binds a list and a value of its elements' type; the elements of the result have a type made of the common one.
/// As in Flink the type of the result is nullable if the value may be NULL, unless no NULL comes in.
fn with_element(
    call: &BindCall<'_>,
    body: Body,
    kept: impl Fn(DataType) -> DataType,
) -> Result<Option<BoundScalar>> {
    let [list, value] = call.args else { return Ok(None) };
    let Some(common) = element_type(list.data_type)
        .and_then(|element| common_type(&[element.clone(), value.data_type.clone()]))
    else {
        return Ok(None);
    };
    let element = kept(common.clone());
    let nullable = list.data_type.nullable || (element.nullable && value.data_type.nullable);
    let args = vec![
        list_of(element.clone(), list.data_type.nullable),
        common.with_nullable(value.data_type.nullable),
    ];
    let mut result = bound(args, element, body);
    result.return_type.nullable = nullable;
    Ok(Some(result))
}

/// Binds lists of one type.
fn lists(call: &BindCall<'_>, least: usize, most: usize, body: Body) -> Result<Option<BoundScalar>> {
    if !(least..=most).contains(&call.args.len()) {
        return Ok(None);
    }
    let types: Vec<DataType> = call.args.iter().map(|arg| arg.data_type.clone()).collect();
    let common = common_type(&types);
    let Some(element) = common.as_ref().and_then(element_type) else { return Ok(None) };
    let args = types.iter().map(|t| list_of(element.clone(), t.nullable)).collect();
    Ok(Some(bound(args, element.clone(), body)))
}

/// Binds a list and up to two options of a type, so many of them at least.
fn with_options(
    call: &BindCall<'_>,
    option: TypeKind,
    least: usize,
    body: Body,
) -> Result<Option<BoundScalar>> {
    let [list, options @ ..] = call.args else { return Ok(None) };
    let Some(element) = element_type(list.data_type) else { return Ok(None) };
    let fits = |kind: &TypeKind| {
        *kind == TypeKind::Null || *kind == option || option == TypeKind::Int && kind.is_integer()
    };
    if !(least..=2).contains(&options.len()) || !options.iter().all(|o| fits(&o.data_type.kind)) {
        return Ok(None);
    }
    let options = options.iter().map(|o| DataType { kind: option.clone(), nullable: o.data_type.nullable });
    let args = [list.data_type.clone()].into_iter().chain(options).collect();
    Ok(Some(bound(args, element.clone(), body)))
}

fn append(element: &DataType, args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let list = ListReader::new(&args[0]);
    build(args, ctx, element, &[list.values(), args[1].array()], |row, picks| {
        let Some(range) = list.range(row) else { return false };
        picks.extend(range.map(|at| (0, at)));
        picks.push((1, args[1].index(row)));
        true
    })
}

fn prepend(element: &DataType, args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let list = ListReader::new(&args[0]);
    build(args, ctx, element, &[list.values(), args[1].array()], |row, picks| {
        let Some(range) = list.range(row) else { return false };
        picks.push((1, args[1].index(row)));
        picks.extend(range.map(|at| (0, at)));
        true
    })
}

fn remove(element: &DataType, args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let list = ListReader::new(&args[0]);
    build(args, ctx, element, &[list.values()], |row, picks| {
        let Some(range) = list.range(row) else { return false };
        let unwanted = encoded(args[1].array().as_ref(), args[1].index(row));
        let keep = range.filter(|&at| encoded(list.values().as_ref(), at) != unwanted);
        picks.extend(keep.map(|at| (0, at)));
        true
    })
}

fn concat(element: &DataType, args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let lists: Vec<ListReader<'_>> = args.iter().map(ListReader::new).collect();
    let sources: Vec<&ArrayRef> = lists.iter().map(ListReader::values).collect();
    build(args, ctx, element, &sources, |row, picks| {
        for (source, list) in lists.iter().enumerate() {
            let Some(range) = list.range(row) else { return false };
            picks.extend(range.map(|at| (source, at)));
        }
        true
    })
}

fn reverse(element: &DataType, args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let list = ListReader::new(&args[0]);
    build(args, ctx, element, &[list.values()], |row, picks| {
        let Some(range) = list.range(row) else { return false };
        picks.extend(range.rev().map(|at| (0, at)));
        true
    })
}

/// Appends the elements whose encoding is not in `seen` yet.
fn extend_new(
    picks: &mut Vec<Pick>,
    source: usize,
    list: &ListReader<'_>,
    range: Range<usize>,
    seen: &mut HashSet<Vec<u8>>,
) {
    let new = range.filter(|&at| seen.insert(encoded(list.values().as_ref(), at)));
    picks.extend(new.map(|at| (source, at)));
}

fn distinct(element: &DataType, args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let list = ListReader::new(&args[0]);
    build(args, ctx, element, &[list.values()], |row, picks| {
        let Some(range) = list.range(row) else { return false };
        extend_new(picks, 0, &list, range, &mut HashSet::new());
        true
    })
}

fn union(element: &DataType, args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let (a, b) = (ListReader::new(&args[0]), ListReader::new(&args[1]));
    build(args, ctx, element, &[a.values(), b.values()], |row, picks| {
        let (Some(x), Some(y)) = (a.range(row), b.range(row)) else { return false };
        let mut seen = HashSet::new();
        extend_new(picks, 0, &a, x, &mut seen);
        extend_new(picks, 1, &b, y, &mut seen);
        true
    })
}

fn set_of(list: &ListReader<'_>, range: Range<usize>) -> HashSet<Vec<u8>> {
    range.map(|at| encoded(list.values().as_ref(), at)).collect()
}

fn except(element: &DataType, args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let (a, b) = (ListReader::new(&args[0]), ListReader::new(&args[1]));
    build(args, ctx, element, &[a.values()], |row, picks| {
        let (Some(x), Some(y)) = (a.range(row), b.range(row)) else { return false };
        extend_new(picks, 0, &a, x, &mut set_of(&b, y));
        true
    })
}

fn intersect(element: &DataType, args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let (a, b) = (ListReader::new(&args[0]), ListReader::new(&args[1]));
    build(args, ctx, element, &[a.values()], |row, picks| {
        let (Some(x), Some(y)) = (a.range(row), b.range(row)) else { return false };
        let mut wanted = set_of(&b, y);
        let common = x.filter(|&at| wanted.remove(&encoded(a.values().as_ref(), at)));
        picks.extend(common.map(|at| (0, at)));
        true
    })
}

/// Places count from 1, negative ones from the end; the end is part of the slice.
fn slice(element: &DataType, args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let (list, start) = (ListReader::new(&args[0]), Reader::<I32>::new(&args[1]));
    let end = args.get(2).map(Reader::<I32>::new);
    build(args, ctx, element, &[list.values()], |row, picks| {
        let (Some(range), Some(start)) = (list.range(row), start.get(row)) else { return false };
        let length = range.len() as i64;
        let Some(end) = end.as_ref().map_or(Some(length), |end| end.get(row).map(i64::from)) else {
            return false;
        };
        let from_end = |place: i64| if place < 0 { place + length + 1 } else { place };
        let start = from_end(start.into()).max(1);
        let end = match from_end(end) {
            0 => 1,
            end => end,
        };
        let end = end.min(length);
        picks.extend((start..=end).map(|place| (0, range.start + place as usize - 1)));
        true
    })
}

/// NULLs come first in ascending order and last in descending order, unless the second option says.
fn sort(element: &DataType, args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let list = ListReader::new(&args[0]);
    let options: Vec<Reader<'_, Flag>> = args[1..].iter().map(Reader::new).collect();
    let values = list.values();
    let order = make_comparator(values.as_ref(), values.as_ref(), SortOptions::default())
        .map_err(|error| Error::data(format!("the elements can't be ordered: {error}")))?;
    build(args, ctx, element, &[values], |row, picks| {
        let Some(range) = list.range(row) else { return false };
        let Some(ascending) = options.first().map_or(Some(true), |option| option.get(row)) else {
            return false;
        };
        let Some(nulls_first) = options.get(1).map_or(Some(ascending), |option| option.get(row)) else {
            return false;
        };
        let mut places: Vec<usize> = range.collect();
        places.sort_by(|&a, &b| match (values.is_null(a), values.is_null(b)) {
            (true, true) => Ordering::Equal,
            (true, false) => {
                if nulls_first {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            (false, true) => {
                if nulls_first {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
            (false, false) if ascending => order(a, b),
            (false, false) => order(b, a),
        });
        picks.extend(places.into_iter().map(|at| (0, at)));
        true
    })
}
