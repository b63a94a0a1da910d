//! VARIANT: semi-structured values. PARSE_JSON, TRY_PARSE_JSON and access to members and elements.
//!
//! A VARIANT lies in its column as JSON text in Flink's form (keys sorted, no blanks). Rules (measured on
//! Flink 2.3): text behind the first complete value is ignored; elements are counted from 1; what is not there is
//! NULL, the JSON null is not. Not here: CAST, which Flink 2.3 refuses; JSON_STRING gives the text.

use super::write::write_tree;
use crate::bind::{Closure, Form, Want, declare};
use crate::lane::{I64, Reader, Text, text_rows, text1};
use serde_json::Value;
use tidemill_plan::{BoundScalar, Datum, EvalContext, FunctionRegistry};
use tidemill_types::{DataType, Error, Result, TypeKind};

/// Adds the functions.
pub fn register(registry: &mut FunctionRegistry) {
    let strict = |wants: &[Want]| {
        Form::new(wants, TypeKind::Variant, |args, ctx| {
            text1::<Text>(&args[..1], ctx, |text, out| {
                let value = parse(text)
                    .ok_or_else(|| Error::data(format!("'{text}' is no JSON document for PARSE_JSON")))?;
                write_tree(&value, out);
                Ok(true)
            })
        })
    };
    declare(registry, "PARSE_JSON", [strict(&[Want::Text]), strict(&[Want::Text, Want::Boolean])]);
    let lenient = |wants: &[Want]| {
        Form::new(wants, TypeKind::Variant, |args, ctx| {
            text1::<Text>(&args[..1], ctx, |text, out| {
                let value = parse(text);
                value.iter().for_each(|value| write_tree(value, out));
                Ok(value.is_some())
            })
        })
        .nullable()
        .total()
    };
    declare(registry, "TRY_PARSE_JSON", [lenient(&[Want::Text]), lenient(&[Want::Text, Want::Boolean])]);
}

/// The first value of a text.
fn parse(text: &str) -> Option<Value> {
    serde_json::Deserializer::from_str(text).into_iter::<Value>().next()?.ok()
}

/// `v['key']` and `v[1]`.
pub fn item(variant: &DataType, key: &DataType) -> Option<BoundScalar> {
    let by_name = key.kind.is_text();
    if !by_name && !key.kind.is_integer() {
        return None;
    }
    let key_type =
        if by_name { key.clone() } else { TypeKind::BigInt.nullable().with_nullable(key.nullable) };
    let body = if by_name { member } else { element };
    Some(BoundScalar {
        arg_types: vec![variant.clone(), key_type],
        return_type: TypeKind::Variant.nullable(),
        kernel: Closure::total(&TypeKind::Variant, body),
    })
}

fn member(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let name = Reader::<Text>::new(&args[1]);
    part(args, ctx, |value, row| match value {
        Value::Object(mut members) => members.remove(name.get(row)?),
        _ => None,
    })
}

fn element(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let place = Reader::<I64>::new(&args[1]);
    part(args, ctx, |value, row| match value {
        Value::Array(mut elements) => {
            let at = usize::try_from(place.get(row)?.checked_sub(1)?).ok()?;
            (at < elements.len()).then(|| elements.swap_remove(at))
        }
        _ => None,
    })
}

fn part(
    args: &[Datum],
    ctx: &EvalContext<'_>,
    find: impl Fn(Value, usize) -> Option<Value>,
) -> Result<Datum> {
    let text = Reader::<Text>::new(&args[0]);
    text_rows(args, ctx, |row, out| {
        let found = text.get(row).and_then(parse).and_then(|value| find(value, row));
        found.iter().for_each(|found| write_tree(found, out));
        Ok(found.is_some())
    })
}
