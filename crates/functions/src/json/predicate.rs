//! `IS [NOT] JSON [VALUE | SCALAR | ARRAY | OBJECT]` and JSON_EXISTS.

use super::path::{Found, Path};
use crate::bind::{Binding, Closure, Form, Make, Want, declare};
use crate::lane::{Flag, Reader, Text, map_rows, map1};
use serde_json::Value;
use std::sync::Arc;
use tidemill_plan::{Datum, EvalContext, FunctionRegistry, Kernel};
use tidemill_types::{Error, Result, TypeKind};

/// Adds the predicates.
pub fn register(registry: &mut FunctionRegistry) {
    let kinds: [(&str, fn(&Value) -> bool); 5] = [
        ("JSON", |_| true),
        ("JSON VALUE", |_| true),
        ("JSON SCALAR", |value| !value.is_array() && !value.is_object()),
        ("JSON ARRAY", Value::is_array),
        ("JSON OBJECT", Value::is_object),
    ];
    for (name, kind) in kinds {
        for (prefix, wanted) in [("IS", true), ("IS NOT", false)] {
            let function = IsJson { kind, wanted };
            registry.scalars.insert(format!("{prefix} {name}"), Arc::new(function));
        }
    }
    let exists: Make = exists;
    let form = Form::made(&[Want::Text, Want::Text, Want::Text], TypeKind::Boolean, exists).nullable();
    declare(registry, "JSON_EXISTS", [form]);
}

#[derive(Clone, Copy)]
struct IsJson {
    kind: fn(&Value) -> bool,
    wanted: bool,
}

impl tidemill_plan::ScalarFunction for IsJson {
    fn bind(&self, call: &tidemill_plan::BindCall<'_>) -> Result<tidemill_plan::BoundScalar> {
        let test = *self;
        let arg = match call.args {
            [arg] => Want::Text.accept(arg.data_type),
            _ => None,
        };
        let arg = arg.ok_or_else(|| crate::bind::wrong_arguments("IS JSON", &["(STRING)".into()], call))?;
        Ok(tidemill_plan::BoundScalar {
            arg_types: vec![arg],
            return_type: TypeKind::Boolean.not_null(),
            kernel: Closure::total(&TypeKind::Boolean, move |args: &[Datum], ctx: &EvalContext<'_>| {
                let text = Reader::<Text>::new(&args[0]);
                map_rows::<Flag>(args, ctx, |row| {
                    let value = text.get(row).and_then(|text| serde_json::from_str::<Value>(text).ok());
                    Ok(Some(value.is_some_and(|value| (test.kind)(&value)) == test.wanted))
                })
            }),
        })
    }
}

/// A path that is known when the call is bound; others are refused, as in Flink.
pub fn constant_path(binding: &Binding<'_>) -> Result<Path> {
    let Some(text) = binding.text(1) else {
        return Err(Error::user(format!("the path of {} must be a constant", binding.name)));
    };
    Path::parse(text).ok_or_else(|| Error::user(format!("'{text}' is no valid JSON path")))
}

fn exists(binding: &Binding<'_>) -> Result<Arc<dyn Kernel>> {
    let path = constant_path(binding)?;
    let on_error = match binding.text(2) {
        Some("TRUE") => Ok(Some(true)),
        Some("UNKNOWN") => Ok(None),
        Some("ERROR") => Err(Error::data("JSON_EXISTS found no value at its path")),
        _ => Ok(Some(false)),
    };
    Ok(Closure::kernel(move |args: &[Datum], ctx: &EvalContext<'_>| {
        map1::<Text, Flag>(&args[..1], ctx, |text| match path.find(text) {
            Found::Value(value) => Ok(Some(!value.is_null() || !path.lax)),
            Found::Empty => Ok(Some(false)),
            Found::Error => on_error.clone(),
        })
    }))
}
