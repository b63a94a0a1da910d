//! JSON_VALUE and JSON_QUERY.

use super::path::Found;
use super::predicate::constant_path;
use super::write::write_tree;
use crate::bind::{Binding, Closure, Form, Make, STRING, Want, declare};
use crate::lane::{Reader, Text, text_rows};
use serde_json::Value;
use std::sync::Arc;
use tidemill_plan::{Datum, EvalContext, FunctionRegistry, Kernel};
use tidemill_types::{Error, Result};

/// Adds the functions. RETURNING another type than STRING is a cast that the binder puts around the call.
pub fn register(registry: &mut FunctionRegistry) {
    use Want::Text as T;
    let value: Make = value;
    let forms = [4, 5, 6].map(|count| Form::made(&vec![T; count], STRING, value).nullable());
    declare(registry, "JSON_VALUE", forms);
    let query: Make = query;
    declare(registry, "JSON_QUERY", [Form::made(&[T; 5], STRING, query).nullable()]);
}

/// What stands in for a missing result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Instead {
    Null,
    Error,
    /// The text of an argument.
    Default(usize),
    EmptyArray,
    EmptyObject,
}

impl Instead {
    fn parse(clause: Option<&str>, default: usize) -> Instead {
        match clause {
            Some("ERROR") => Instead::Error,
            Some("DEFAULT") => Instead::Default(default),
            Some("EMPTY ARRAY") => Instead::EmptyArray,
            Some("EMPTY OBJECT") => Instead::EmptyObject,
            _ => Instead::Null,
        }
    }

    fn write(
        self,
        name: &str,
        defaults: &[Option<Reader<'_, Text>>],
        row: usize,
        out: &mut String,
    ) -> Result<bool> {
        match self {
            Instead::Null => return Ok(false),
            Instead::Error => return Err(Error::data(format!("{name} found no fitting value at its path"))),
            Instead::EmptyArray => out.push_str("[]"),
            Instead::EmptyObject => out.push_str("{}"),
            Instead::Default(arg) => {
                let text = defaults.get(arg).and_then(Option::as_ref).and_then(|text| text.get(row));
                out.push_str(text.unwrap_or_default());
                return Ok(text.is_some());
            }
        }
        Ok(true)
    }
}

fn value(binding: &Binding<'_>) -> Result<Arc<dyn Kernel>> {
    let path = constant_path(binding)?;
    let on_empty = Instead::parse(binding.text(2), 0);
    let on_error = Instead::parse(binding.text(3), 1);
    Ok(Closure::kernel(move |args: &[Datum], ctx: &EvalContext<'_>| {
        let text = Reader::<Text>::new(&args[0]);
        let defaults = [args.get(4).map(Reader::new), args.get(5).map(Reader::new)];
        text_rows(args, ctx, |row, out| {
            let Some(text) = text.get(row) else { return Ok(false) };
            match path.find(text) {
                Found::Value(Value::Null) | Found::Empty => on_empty.write("JSON_VALUE", &defaults, row, out),
                Found::Error | Found::Value(Value::Array(_) | Value::Object(_)) => {
                    on_error.write("JSON_VALUE", &defaults, row, out)
                }
                Found::Value(Value::String(text)) => {
                    out.push_str(&text);
                    Ok(true)
                }
                Found::Value(scalar) => {
                    write_tree(&scalar, out);
                    Ok(true)
                }
            }
        })
    }))
}

fn query(binding: &Binding<'_>) -> Result<Arc<dyn Kernel>> {
    let path = constant_path(binding)?;
    let wrapper = binding.text(2).unwrap_or("WITHOUT").to_owned();
    let on_empty = Instead::parse(binding.text(3), 0);
    let on_error = Instead::parse(binding.text(4), 0);
    Ok(Closure::kernel(move |args: &[Datum], ctx: &EvalContext<'_>| {
        let text = Reader::<Text>::new(&args[0]);
        text_rows(args, ctx, |row, out| {
            let Some(text) = text.get(row) else { return Ok(false) };
            let found = match path.find(text) {
                Found::Value(Value::Null) | Found::Empty => {
                    return on_empty.write("JSON_QUERY", &[], row, out);
                }
                Found::Error => return on_error.write("JSON_QUERY", &[], row, out),
                Found::Value(found) => found,
            };
            let result = match wrapper.as_str() {
                "UNCONDITIONAL" => Value::Array(vec![found]),
                "CONDITIONAL" if !found.is_array() => Value::Array(vec![found]),
                _ => found,
            };
            if !result.is_array() && !result.is_object() {
                return on_error.write("JSON_QUERY", &[], row, out);
            }
            write_tree(&result, out);
            Ok(true)
        })
    }))
}
