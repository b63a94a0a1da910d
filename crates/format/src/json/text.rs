//! A JSON value as compact text: what a STRING column over an object or array receives.
//!
//! Numbers get the text they have after a trip through Java's types, and of several fields with one name
//! the last value stays at the first one's place, because Flink builds a tree and prints it.

use super::encoder::escape;
use super::scan::{Cursor, unescape};
use crate::number;
use crate::parse;

/// Appends the compact form of a value whose syntax was checked.
pub(crate) fn write_compact(value: &[u8], exact_numbers: bool, out: &mut Vec<u8>) {
    let mut cursor = Cursor::new(value, 0);
    write_value(&mut cursor, exact_numbers, out);
}

const CHECKED: &str = "the syntax of the value was checked";

fn write_value(cursor: &mut Cursor<'_>, exact: bool, out: &mut Vec<u8>) {
    let start = cursor.at;
    match cursor.peek() {
        b'{' => write_object(cursor, exact, out),
        b'[' => write_array(cursor, exact, out),
        b'"' => write_string(cursor, out),
        b'-' | b'0'..=b'9' => {
            let (text, float) = cursor.number().expect(CHECKED);
            write_number(text, float, exact, out);
        }
        _ => {
            cursor.skip_value().expect(CHECKED);
            out.extend_from_slice(&cursor.bytes[start..cursor.at]);
        }
    }
}

fn write_number(text: &[u8], float: bool, exact: bool, out: &mut Vec<u8>) {
    match (float, exact) {
        (false, _) if text == b"-0" => out.push(b'0'),
        (false, _) => out.extend_from_slice(text),
        (true, true) => number::write_stripped_text(out, text),
        (true, false) => number::write_double(out, parse::float(text).expect(CHECKED)),
    }
}

fn write_string(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) {
    let quoted = cursor.string().expect(CHECKED);
    let literal = &cursor.bytes[quoted.start..quoted.end];
    out.push(b'"');
    if quoted.escaped {
        let mut text = Vec::with_capacity(literal.len());
        unescape(literal, &mut text);
        escape(&text, false, out);
    } else {
        escape(literal, false, out);
    }
    out.push(b'"');
}

fn write_array(cursor: &mut Cursor<'_>, exact: bool, out: &mut Vec<u8>) {
    cursor.enter().expect(CHECKED);
    cursor.skip_space();
    out.push(b'[');
    if cursor.peek() != b']' {
        loop {
            write_value(cursor, exact, out);
            if !cursor.more(b']').expect(CHECKED) {
                break;
            }
            out.push(b',');
        }
    }
    cursor.leave();
    out.push(b']');
}

fn write_object(cursor: &mut Cursor<'_>, exact: bool, out: &mut Vec<u8>) {
    cursor.enter().expect(CHECKED);
    cursor.skip_space();
    let mut fields: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    if cursor.peek() != b'}' {
        loop {
            let (mut name, mut value) = (Vec::new(), Vec::new());
            write_string(cursor, &mut name);
            cursor.colon().expect(CHECKED);
            write_value(cursor, exact, &mut value);
            match fields.iter_mut().find(|(known, _)| *known == name) {
                Some(field) => field.1 = value,
                None => fields.push((name, value)),
            }
            if !cursor.more(b'}').expect(CHECKED) {
                break;
            }
        }
    }
    cursor.leave();
    out.push(b'{');
    for (place, (name, value)) in fields.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(name);
        out.push(b':');
        out.extend_from_slice(value);
    }
    out.push(b'}');
}
