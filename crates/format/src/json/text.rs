//! A JSON value as compact text: what a STRING column over an object or array receives.
//!
//! Numbers get the text they have after a trip through Java's types, and of several fields with one name
//! the last value stays at the first one's place, because Flink builds a tree and prints it.

use super::encoder::escape;
use super::scan::{Cursor, unescape};
use crate::number;
use crate::parse;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// Up to this many names are compared pair by pair.
const PAIRWISE_MAX: usize = 16;

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
    let (at, depth, start) = (cursor.at, cursor.depth(), out.len());
    let mut names: Vec<Range<usize>> = Vec::new();
    out.push(b'{');
    each_field(cursor, |cursor| {
        if !names.is_empty() {
            out.push(b',');
        }
        let name = out.len();
        write_string(cursor, out);
        names.push(name..out.len());
        out.push(b':');
        cursor.colon().expect(CHECKED);
        write_value(cursor, exact, out);
    });
    out.push(b'}');
    if has_repeated(&names, out) {
        out.truncate(start);
        cursor.rewind(at, depth);
        write_last_of_each(cursor, exact, out);
    }
}

fn each_field(cursor: &mut Cursor<'_>, mut field: impl FnMut(&mut Cursor<'_>)) {
    cursor.enter().expect(CHECKED);
    cursor.skip_space();
    if cursor.peek() != b'}' {
        loop {
            field(cursor);
            if !cursor.more(b'}').expect(CHECKED) {
                break;
            }
        }
    }
    cursor.leave();
}

fn has_repeated(names: &[Range<usize>], text: &[u8]) -> bool {
    if names.len() <= PAIRWISE_MAX {
        let repeats = |(place, name): (usize, &Range<usize>)| {
            names[..place].iter().any(|other| text[other.clone()] == text[name.clone()])
        };
        return names.iter().enumerate().any(repeats);
    }
    let mut seen: HashSet<&[u8], ahash::RandomState> = HashSet::default();
    !names.iter().all(|name| seen.insert(&text[name.clone()]))
}

/// The object with the last value of each name at the place of its first.
fn write_last_of_each(cursor: &mut Cursor<'_>, exact: bool, out: &mut Vec<u8>) {
    let mut values: Vec<Vec<u8>> = Vec::new();
    let mut places: HashMap<Vec<u8>, usize, ahash::RandomState> = HashMap::default();
    each_field(cursor, |cursor| {
        let mut name = Vec::new();
        write_string(cursor, &mut name);
        let place = *places.entry(name.clone()).or_insert(values.len());
        name.push(b':');
        cursor.colon().expect(CHECKED);
        write_value(cursor, exact, &mut name);
        match values.get_mut(place) {
            Some(value) => *value = name,
            None => values.push(name),
        }
    });
    out.push(b'{');
    out.extend_from_slice(&values.join(&b','));
    out.push(b'}');
}
