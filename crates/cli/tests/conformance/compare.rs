//! Compares rows: changes are applied first, order does not matter, numbers are compared by value.
//!
//! Integers and decimals are compared exactly, floats within 1e-9 of their size, timestamps without trailing
//! zeros of their fraction.

use serde_json::{Map, Value};

const FLOAT_TOLERANCE: f64 = 1e-9;

/// The rows of a text of JSON lines.
pub fn rows(text: &str) -> Result<Vec<Value>, String> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| serde_json::from_str(line).map_err(|error| format!("{error} in {line}"))).collect()
}

/// The rows left after all changes of an output; lines that are no changes do not count.
pub fn folded(output: &str) -> Result<Vec<Value>, String> {
    let mut left: Vec<Value> = Vec::new();
    for line in output.lines() {
        let Ok(Value::Object(mut change)) = serde_json::from_str::<Value>(line) else { continue };
        let (Some(Value::String(op)), Some(row)) = (change.remove("op"), change.remove("row")) else {
            continue;
        };
        match op.as_str() {
            "+I" | "+U" => left.push(row),
            "-U" | "-D" => match left.iter().rposition(|other| *other == row) {
                Some(at) => drop(left.swap_remove(at)),
                None => return Err(format!("takes back a row that is not there: {row}")),
            },
            _ => return Err(format!("unknown op '{op}'")),
        }
    }
    Ok(left)
}

/// Whether a row stands for a line of a file that a case writes.
pub fn is_line_of_file(row: &Value) -> bool {
    row.as_object().is_some_and(|row| row.len() == 2 && row.contains_key("file") && row.contains_key("line"))
}

/// Whether these are the same rows; says which differ.
pub fn same_rows(expected: &[Value], mut given: Vec<Value>) -> Result<(), String> {
    let mut missing = Vec::new();
    for row in expected {
        match given.iter().position(|other| same(row, other)) {
            Some(at) => drop(given.swap_remove(at)),
            None => missing.push(row),
        }
    }
    if missing.is_empty() && given.is_empty() {
        return Ok(());
    }
    let mut why = format!("{} of {} rows missing, {} too many", missing.len(), expected.len(), given.len());
    missing.iter().take(2).for_each(|row| why.push_str(&format!("\n    expected {row}")));
    given.iter().take(2).for_each(|row| why.push_str(&format!("\n    got      {row}")));
    Err(why)
}

fn same(expected: &Value, given: &Value) -> bool {
    if let Some(decimal) = wrapped(expected, "$decimal") {
        return exact(decimal) == exact(wrapped(given, "$decimal").unwrap_or(given));
    }
    if let Some(interval) = wrapped(expected, "$interval_ms") {
        return same(interval, wrapped(given, "$interval_ms").unwrap_or(given));
    }
    match (expected, given) {
        (Value::Number(a), Value::Number(b)) => {
            if let (Some(a), Some(b)) = (a.as_i64(), b.as_i64()) {
                return a == b;
            }
            let (Some(a), Some(b)) = (a.as_f64(), b.as_f64()) else { return false };
            a == b || (a - b).abs() <= FLOAT_TOLERANCE * a.abs().max(b.abs())
        }
        (Value::String(a), Value::String(b)) => a == b || stamp(a).is_some_and(|a| stamp(b) == Some(a)),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        // A ROW may be given as an object of its fields; maps have no order, so only lengths and members count.
        (Value::Array(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|a| b.values().any(|b| same(a, b)))
        }
        (Value::Object(a), Value::Object(b)) => same_members(a, b),
        (a, b) => a == b,
    }
}

fn same_members(a: &Map<String, Value>, b: &Map<String, Value>) -> bool {
    a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
}

fn wrapped<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.as_object().filter(|object| object.len() == 1)?.get(name)
}

/// A decimal as sign, digits before and digits after the point, without zeros that do not count.
fn exact(value: &Value) -> Option<(bool, String, String)> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.as_str()),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole = whole.trim_start_matches('0').to_string();
    let fraction = fraction.trim_end_matches('0').to_string();
    Some((negative && !(whole.is_empty() && fraction.is_empty()), whole, fraction))
}

/// A date with time, or a time, in one form; `None` for any other text.
fn stamp(text: &str) -> Option<String> {
    let text = text.strip_suffix('Z').unwrap_or(text).replace('T', " ");
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    let time = shape.rsplit(' ').next()?;
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let is_time = matches!(clock, "99:99" | "99:99:99") && fraction.bytes().all(|byte| byte == b'9');
    if !is_time || shape.matches(' ').count() > 1 {
        return None;
    }
    let text = if clock == "99:99" { format!("{text}:00") } else { text };
    Some(match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text,
    })
}
