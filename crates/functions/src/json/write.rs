//! Values as JSON text: keys in alphabetical order, no blanks.

use crate::cast::write::write_value;
use crate::number_text::{double_text, write_double};
use crate::string::encode::base64_text;
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use chrono_tz::Tz;
use serde_json::Value;
use std::fmt::Write;
use tidemill_types::map::map_entries;
use tidemill_types::{DataType, TypeKind};

/// Appends a parsed document.
pub fn write_tree(value: &Value, out: &mut String) {
    match value {
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (None, Some(double)) => write_double(out, double),
            _ => write!(out, "{number}").expect("text can be written"),
        },
        Value::String(text) => write_string(text, out),
        Value::Array(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                write_tree(element, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            out.push('{');
            for (index, (name, member)) in members.into_iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                write_string(name, out);
                out.push(':');
                write_tree(member, out);
            }
            out.push('}');
        }
        Value::Null | Value::Bool(_) => write!(out, "{value}").expect("text can be written"),
    }
}

/// Appends a text in quotes.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' => write!(out, "\\u{:04X}", u32::from(c)).expect("text can be written"),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Appends a value of any type, NULL as the JSON null.
pub fn write_json(data_type: &DataType, array: &dyn Array, row: usize, zone: Tz, out: &mut String) {
    let kind = &data_type.kind;
    if array.is_null(row) || *kind == TypeKind::Null {
        return out.push_str("null");
    }
    match kind {
        TypeKind::Boolean => out.push_str(if array.as_boolean().value(row) { "true" } else { "false" }),
        TypeKind::Double => write_float(array.as_primitive::<Float64Type>().value(row), out),
        TypeKind::Float => write_float(array.as_primitive::<Float32Type>().value(row).into(), out),
        _ if kind.is_numeric() => write_value(out, kind, array, row, zone),
        TypeKind::Variant => out.push_str(array.as_string_view().value(row)),
        TypeKind::Char(_) | TypeKind::Varchar(_) => write_string(array.as_string_view().value(row), out),
        TypeKind::Binary(_) | TypeKind::Varbinary(_) => {
            write_string(&base64_text(array.as_binary_view().value(row)), out);
        }
        TypeKind::Array(element) => {
            let list = array.as_list::<i32>().value(row);
            out.push('[');
            for index in 0..list.len() {
                out.push_str(if index == 0 { "" } else { "," });
                write_json(element, list.as_ref(), index, zone, out);
            }
            out.push(']');
        }
        TypeKind::Row(fields) => {
            let columns = array.as_struct();
            let member = |(index, field): (usize, &tidemill_types::RowField)| {
                let mut text = String::new();
                write_json(&field.data_type, columns.column(index).as_ref(), row, zone, &mut text);
                (field.name.clone(), text)
            };
            write_members(fields.iter().enumerate().map(member).collect(), out);
        }
        TypeKind::Map(key, value) => write_map(key, value, array, row, zone, out),
        TypeKind::Multiset(element) => write_map(element, &TypeKind::Int.not_null(), array, row, zone, out),
        _ => {
            let mut text = String::new();
            write_value(&mut text, kind, array, row, zone);
            if kind.is_timestamp() {
                text = text.replacen(' ', "T", 1);
            }
            write_string(&text, out);
        }
    }
}

/// Appends a floating point number as Flink does: a FLOAT as the DOUBLE it is, as the text of Java's
/// `BigDecimal.valueOf`, which has few exponents and a sign in front of them.
fn write_float(value: f64, out: &mut String) {
    let text = double_text(value);
    let parts = text.split_once('E').and_then(|(mantissa, exponent)| {
        let (whole, fraction) = mantissa.split_once('.')?;
        Some((whole, fraction, exponent.parse::<i64>().ok()?))
    });
    let Some((whole, fraction, exponent)) = parts else { return out.push_str(&text) };
    let scale = fraction.len() as i64 - exponent;
    if scale != 0 && (scale < 0 || exponent < -6) {
        let sign = if exponent < 0 { "" } else { "+" };
        return out.push_str(&format!("{whole}.{fraction}E{sign}{exponent}"));
    }
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let digits = format!("{:0>1$}", format!("{whole}{fraction}"), scale as usize + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
    out.push_str(sign);
    out.push_str(whole);
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
}

fn write_map(key: &DataType, value: &DataType, array: &dyn Array, row: usize, zone: Tz, out: &mut String) {
    let (keys, values) = map_entries(array.as_map(), row);
    let member = |index: usize| {
        let (mut name, mut text) = (String::new(), String::new());
        write_value(&mut name, &key.kind, keys.as_ref(), index, zone);
        write_json(value, values.as_ref(), index, zone, &mut text);
        (name, text)
    };
    write_members((0..keys.len()).map(member).collect(), out);
}

/// Appends an object of members that are JSON text already; of two with one name the later counts.
pub fn write_members(members: Vec<(String, String)>, out: &mut String) {
    let sorted: std::collections::BTreeMap<String, String> = members.into_iter().collect();
    out.push('{');
    for (index, (name, text)) in sorted.iter().enumerate() {
        out.push_str(if index == 0 { "" } else { "," });
        write_string(name, out);
        out.push(':');
        out.push_str(text);
    }
    out.push('}');
}
