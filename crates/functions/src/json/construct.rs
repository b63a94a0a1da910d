//! JSON_OBJECT, JSON_ARRAY and JSON_STRING.

use super::write::{write_json, write_members};
use crate::bind::{Closure, STRING, declare_typed};
use crate::lane::{Flag, Reader, Text, text_rows};
use chrono_tz::Tz;
use tidemill_plan::{BindCall, BoundScalar, Datum, EvalContext, FunctionRegistry};
use tidemill_types::{DataType, Error, Result, TypeKind};

/// Adds the constructors.
pub fn register(registry: &mut FunctionRegistry) {
    declare_typed(registry, "JSON_OBJECT", &["keys with their values"], object);
    declare_typed(registry, "JSON_ARRAY", &["values"], array);
    declare_typed(registry, "JSON_STRING", &["(anything)"], string);
}

fn types(call: &BindCall<'_>) -> Vec<DataType> {
    call.args.iter().map(|arg| arg.data_type.clone()).collect()
}

fn drops_nulls(call: &BindCall<'_>) -> bool {
    use arrow_array::cast::AsArray;
    let clause = call.args.first().and_then(|arg| arg.literal);
    clause.and_then(|text| text.as_string_view_opt()).is_some_and(|text| text.value(0) == "ABSENT")
}

fn check_value(data_type: &DataType) -> Result<()> {
    let kind = &data_type.kind;
    if kind.is_datetime() || kind.is_interval() {
        return Err(Error::user_hint(format!("{kind} is no JSON value"), "CAST it to STRING"));
    }
    Ok(())
}

/// The JSON text of an argument, `None` if it is NULL.
fn json(datum: &Datum, data_type: &DataType, raw: bool, row: usize, zone: Tz) -> Option<String> {
    if datum.is_null(row) || data_type.kind == TypeKind::Null {
        return None;
    }
    if raw {
        return Reader::<Text>::new(datum).get(row).map(str::to_owned);
    }
    let mut out = String::new();
    write_json(data_type, datum.array().as_ref(), datum.index(row), zone, &mut out);
    Some(out)
}

fn is_raw(datum: &Datum) -> bool {
    Reader::<Flag>::new(datum).get(0) == Some(true)
}

fn object(call: &BindCall<'_>) -> Result<Option<BoundScalar>> {
    let types = types(call);
    let fits = types.len() % 3 == 1
        && types[1..].chunks(3).all(|member| member[0].kind.is_text() && member[1].kind == TypeKind::Boolean);
    if !fits {
        return Ok(None);
    }
    types[1..].chunks(3).try_for_each(|member| check_value(&member[2]))?;
    let (drop, zone, arg_types) = (drops_nulls(call), call.session.zone, types.clone());
    let kernel = Closure::kernel(move |args: &[Datum], ctx: &EvalContext<'_>| {
        text_rows(args, ctx, |row, out| {
            let mut members = Vec::new();
            for (args, types) in args[1..].chunks(3).zip(types[1..].chunks(3)) {
                let Some(key) = Reader::<Text>::new(&args[0]).get(row) else {
                    return Err(Error::data("a key of JSON_OBJECT is NULL"));
                };
                match json(&args[2], &types[2], is_raw(&args[1]), row, zone) {
                    None if drop => {}
                    value => members.push((key.to_owned(), value.unwrap_or_else(|| "null".into()))),
                }
            }
            write_members(members, out);
            Ok(true)
        })
    });
    Ok(Some(BoundScalar { arg_types, return_type: STRING.not_null(), kernel }))
}

fn array(call: &BindCall<'_>) -> Result<Option<BoundScalar>> {
    let types = types(call);
    if types.len().is_multiple_of(2) || !types[1..].chunks(2).all(|item| item[0].kind == TypeKind::Boolean) {
        return Ok(None);
    }
    types[1..].chunks(2).try_for_each(|item| check_value(&item[1]))?;
    let (drop, zone, arg_types) = (drops_nulls(call), call.session.zone, types.clone());
    let kernel = Closure::kernel(move |args: &[Datum], ctx: &EvalContext<'_>| {
        text_rows(args, ctx, |row, out| {
            out.push('[');
            let items =
                args[1..].chunks(2).zip(types[1..].chunks(2)).filter_map(|(args, types)| {
                    match json(&args[1], &types[1], is_raw(&args[0]), row, zone) {
                        None if drop => None,
                        item => Some(item.unwrap_or_else(|| "null".into())),
                    }
                });
            for (index, item) in items.enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                out.push_str(&item);
            }
            out.push(']');
            Ok(true)
        })
    });
    Ok(Some(BoundScalar { arg_types, return_type: STRING.not_null(), kernel }))
}

fn string(call: &BindCall<'_>) -> Result<Option<BoundScalar>> {
    let [arg] = call.args else { return Ok(None) };
    let (data_type, zone) = (arg.data_type.clone(), call.session.zone);
    let nullable = data_type.nullable;
    let kernel = Closure::kernel(move |args: &[Datum], ctx: &EvalContext<'_>| {
        text_rows(args, ctx, |row, out| match json(&args[0], &data_type, false, row, zone) {
            Some(text) => {
                out.push_str(&text);
                Ok(true)
            }
            None => Ok(false),
        })
    });
    Ok(Some(BoundScalar {
        arg_types: vec![arg.data_type.clone()],
        return_type: DataType { kind: STRING, nullable },
        kernel,
    }))
}
