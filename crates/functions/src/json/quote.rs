//! JSON_QUOTE, JSON_UNQUOTE, and JSON, which marks text that is JSON already.

use crate::bind::{Form, STRING, Want, declare};
use crate::lane::{Text, text1};
use std::fmt::Write;
use tidemill_plan::FunctionRegistry;

/// Adds the functions.
pub fn register(registry: &mut FunctionRegistry) {
    declare(
        registry,
        "JSON_QUOTE",
        [Form::new(&[Want::Text], STRING, |args, ctx| {
            text1::<Text>(args, ctx, |text, out| {
                quote(text, out);
                Ok(true)
            })
        })
        .total()],
    );
    declare(registry, "JSON", [Form::new(&[Want::Text], STRING, |args, _| Ok(args[0].clone())).total()]);
    declare(
        registry,
        "JSON_UNQUOTE",
        [Form::new(&[Want::Text], STRING, |args, ctx| {
            text1::<Text>(args, ctx, |text, out| {
                // Text that is no JSON string stays as it is.
                match serde_json::from_str::<String>(text) {
                    Ok(inner) => out.push_str(&inner),
                    Err(_) => out.push_str(text),
                }
                Ok(true)
            })
        })
        .total()],
    );
}

/// In quotes, with everything beyond ASCII escaped by its UTF-16 units.
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' | '/' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            c => c
                .encode_utf16(&mut [0; 2])
                .iter()
                .for_each(|unit| write!(out, "\\u{unit:04x}").expect("text can be written")),
        }
    }
    out.push('"');
}
