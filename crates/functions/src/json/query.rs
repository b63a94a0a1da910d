//! JSON_VALUE and JSON_QUERY.

use super::path::Found;
use super::predicate::constant_path;
use super::write::write_tree;
use crate::bind::{Binding, Closure, Form, Make, STRING, Want, declare, declare_typed};
use crate::lane::{Reader, Text, as_datum, row_count, text_rows};
use arrow_array::ListArray;
use arrow_array::builder::StringViewBuilder;
use arrow_buffer::{NullBuffer, OffsetBuffer};
use serde_json::Value;
use std::sync::Arc;
use tidemill_plan::{BindCall, BoundScalar, Datum, EvalContext, FunctionRegistry, Kernel};
use tidemill_types::arrow_type::element_field;
use tidemill_types::{DataType, Error, Result, TypeKind};

/// Adds the functions. RETURNING another type than STRING is a cast that the binder puts around the call;
/// a value that is of another JSON type fails the run, as in Flink.
pub fn register(registry: &mut FunctionRegistry) {
    use Want::Text as T;
    let value: Make = value;
    let forms = [5, 6, 7].map(|count| Form::made(&vec![T; count], STRING, value).nullable());
    declare(registry, "JSON_VALUE", forms);
    let query: Make = query;
    declare(registry, "JSON_QUERY", [Form::made(&[T; 5], STRING, query).nullable()]);
    declare_typed(registry, "$JSON_TEXTS", &["(STRING)"], texts);
}

/// The elements of a JSON array as texts; strings lose their quotes. NULL if it is no array.
fn texts(call: &BindCall<'_>) -> Result<Option<BoundScalar>> {
    let [arg] = call.args else { return Ok(None) };
    let element = DataType::string();
    let kernel = Closure::kernel(move |args: &[Datum], ctx: &EvalContext<'_>| {
        let text = Reader::<Text>::new(&args[0]);
        let mut values = StringViewBuilder::new();
        let (mut lengths, mut valid) = (Vec::new(), Vec::new());
        for row in 0..row_count(args, ctx) {
            let parsed = text.get(row).and_then(|text| serde_json::from_str::<Vec<Value>>(text).ok());
            valid.push(parsed.is_some());
            let elements = parsed.unwrap_or_default();
            lengths.push(elements.len());
            elements.iter().for_each(|element| values.append_option(element_text(element)));
        }
        let field = element_field(&DataType::string());
        let offsets = OffsetBuffer::from_lengths(lengths);
        let list = ListArray::new(field, offsets, Arc::new(values.finish()), Some(NullBuffer::from(valid)));
        Ok(as_datum(args, Arc::new(list)))
    });
    Ok(Some(BoundScalar {
        arg_types: vec![arg.data_type.clone()],
        return_type: TypeKind::Array(Box::new(element)).nullable(),
        kernel,
    }))
}

fn element_text(element: &Value) -> Option<String> {
    match element {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => {
            let mut out = String::new();
            write_tree(other, &mut out);
            Some(out)
        }
    }
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
    let wanted = binding.text(4).unwrap_or("STRING").to_owned();
    Ok(Closure::kernel(move |args: &[Datum], ctx: &EvalContext<'_>| {
        let text = Reader::<Text>::new(&args[0]);
        let defaults = [args.get(5).map(Reader::new), args.get(6).map(Reader::new)];
        text_rows(args, ctx, |row, out| {
            let Some(text) = text.get(row) else { return Ok(false) };
            match path.find(text) {
                Found::Value(Value::Null | Value::Array(_) | Value::Object(_)) if path.lax => {
                    on_empty.write("JSON_VALUE", &defaults, row, out)
                }
                Found::Empty => on_empty.write("JSON_VALUE", &defaults, row, out),
                Found::Error | Found::Value(Value::Null | Value::Array(_) | Value::Object(_)) => {
                    on_error.write("JSON_VALUE", &defaults, row, out)
                }
                Found::Value(scalar) if !is_of(&scalar, &wanted) => {
                    Err(Error::data(format!("JSON_VALUE found {scalar}, which is no {wanted}")))
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

/// Whether a JSON value has the Java type that stands for the wanted one.
fn is_of(value: &Value, wanted: &str) -> bool {
    match (wanted, value) {
        ("INTEGER", Value::Number(number)) => {
            number.as_i64().is_some_and(|whole| i32::try_from(whole).is_ok())
        }
        ("DOUBLE", Value::Number(number)) => number.is_f64(),
        ("BOOLEAN", value) => value.is_boolean(),
        ("STRING", _) => true,
        _ => false,
    }
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
