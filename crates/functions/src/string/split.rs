//! SPLIT, SPLIT_INDEX and STR_TO_MAP.

use crate::bind::{Form, Gives, STRING, Want, declare};
use crate::lane::{I32, Reader, Text, as_datum, row_count, text_rows};
use crate::regex::{PatternCache, after_match};
use arrow_array::ArrayRef;
use arrow_array::builder::{ListBuilder, StringViewBuilder};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use std::sync::Arc;
use tidemill_plan::{Datum, EvalContext, FunctionRegistry};
use tidemill_types::arrow_type::element_field;
use tidemill_types::map::map_array;
use tidemill_types::{DataType, Error, Result, TypeKind};

/// Adds the functions.
pub fn register(registry: &mut FunctionRegistry) {
    use Want::{Int, Text as T};
    let string = || Box::new(DataType::string());
    declare(
        registry,
        "SPLIT_INDEX",
        [
            Form::new(&[T, T, Int], STRING, split_index).nullable().total(),
            Form::new(&[T, Int, Int], STRING, split_index_code).nullable().total(),
        ],
    );
    declare(registry, "SPLIT", [Form::new(&[T, T], TypeKind::Array(string()), split).total()]);
    let map = || Gives::Kind(TypeKind::Map(string(), string()));
    declare(
        registry,
        "STR_TO_MAP",
        [Form::new(&[T], map(), str_to_map).nullable(), Form::new(&[T, T, T], map(), str_to_map).nullable()],
    );
}

/// The piece of this number, counted from 0. An empty separator splits at white space.
fn piece<'a>(text: &'a str, separator: &str, index: i32) -> Option<&'a str> {
    let index = usize::try_from(index).ok()?;
    match () {
        () if text.is_empty() => None,
        () if separator.is_empty() => text.split(char::is_whitespace).nth(index),
        () => text.split(separator).nth(index),
    }
}

fn split_index(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let (text, separator) = (Reader::<Text>::new(&args[0]), Reader::<Text>::new(&args[1]));
    let index = Reader::<I32>::new(&args[2]);
    text_rows(args, ctx, |row, out| {
        let found = match (text.get(row), separator.get(row), index.get(row)) {
            (Some(text), Some(separator), Some(index)) => piece(text, separator, index),
            _ => None,
        };
        out.push_str(found.unwrap_or_default());
        Ok(found.is_some())
    })
}

/// The separator is the code of a character.
fn split_index_code(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let (text, code) = (Reader::<Text>::new(&args[0]), Reader::<I32>::new(&args[1]));
    let index = Reader::<I32>::new(&args[2]);
    text_rows(args, ctx, |row, out| {
        let found = match (text.get(row), code.get(row), index.get(row)) {
            (Some(text), Some(code @ 1..=255), Some(index)) => {
                piece(text, char::from(code as u8).encode_utf8(&mut [0; 4]), index)
            }
            _ => None,
        };
        out.push_str(found.unwrap_or_default());
        Ok(found.is_some())
    })
}

/// A builder of lists of text.
pub fn text_lists() -> ListBuilder<StringViewBuilder> {
    ListBuilder::new(StringViewBuilder::new()).with_field(element_field(&DataType::string()))
}

fn split(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let (text, separator) = (Reader::<Text>::new(&args[0]), Reader::<Text>::new(&args[1]));
    let mut lists = text_lists();
    for row in 0..row_count(args, ctx) {
        let (Some(text), Some(separator)) = (text.get(row), separator.get(row)) else {
            lists.append(false);
            continue;
        };
        if separator.is_empty() {
            text.encode_utf16().for_each(|unit| {
                lists
                    .values()
                    .append_value(char::from_u32(unit.into()).unwrap_or('?').encode_utf8(&mut [0; 4]));
            });
        } else if !text.is_empty() {
            text.split(separator).for_each(|piece| lists.values().append_value(piece));
        }
        lists.append(true);
    }
    Ok(as_datum(args, Arc::new(lists.finish())))
}

fn str_to_map(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let readers: Vec<Reader<'_, Text>> = args.iter().map(Reader::new).collect();
    let mut cache = PatternCache::default();
    let (mut keys, mut values) = (StringViewBuilder::new(), StringViewBuilder::new());
    let (mut lengths, mut valid) = (Vec::new(), Vec::new());
    for row in 0..row_count(args, ctx) {
        let entries = match (readers[0].get(row), readers.get(1), readers.get(2)) {
            (Some(text), None, None) => Some(entries(text, ",", "=", &mut cache)?),
            (Some(text), Some(items), Some(pairs)) => match (items.get(row), pairs.get(row)) {
                (Some(items), Some(pairs)) => Some(entries(text, items, pairs, &mut cache)?),
                _ => None,
            },
            _ => None,
        };
        for (key, value) in entries.iter().flatten() {
            keys.append_value(key);
            values.append_option(*value);
        }
        lengths.push(entries.as_ref().map_or(0, Vec::len));
        valid.push(entries.is_some());
    }
    let (key, value) = (DataType::string(), DataType::string());
    let columns: (ArrayRef, ArrayRef) = (Arc::new(keys.finish()), Arc::new(values.finish()));
    let nulls = Some(NullBuffer::from(valid));
    let maps = map_array((&key, &value), OffsetBuffer::from_lengths(lengths), columns, nulls);
    Ok(as_datum(args, Arc::new(maps)))
}

type Entry<'a> = (&'a str, Option<&'a str>);

/// The pairs of a text; of two with the same key the later counts.
fn entries<'a>(text: &'a str, items: &str, pairs: &str, cache: &mut PatternCache) -> Result<Vec<Entry<'a>>> {
    let mut found: Vec<Entry<'a>> = Vec::new();
    if text.is_empty() {
        return Ok(found);
    }
    for item in java_split(text, items, usize::MAX, cache)? {
        let pair = java_split(item, pairs, 2, cache)?;
        let (key, value) = (pair.first().copied().unwrap_or(""), pair.get(1).copied());
        match found.iter_mut().find(|(known, _)| *known == key) {
            Some(entry) => entry.1 = value,
            None => found.push((key, value)),
        }
    }
    Ok(found)
}

/// Java's `String.split`: a regular expression, at most so many pieces; trailing empty ones are dropped
/// unless the number is limited.
fn java_split<'a>(
    text: &'a str,
    pattern: &str,
    pieces_max: usize,
    cache: &mut PatternCache,
) -> Result<Vec<&'a str>> {
    let Some(regex) = cache.get(pattern) else {
        return Err(Error::data(format!("'{pattern}' is no valid regular expression")));
    };
    let (mut pieces, mut from, mut search) = (Vec::new(), 0, 0);
    while pieces.len() + 1 < pieces_max && search <= text.len() {
        let Some((start, end)) = regex.find_from(text, search)? else { break };
        search = after_match(text, start, end);
        if end == 0 || start == text.len() && start == end {
            continue;
        }
        pieces.push(&text[from..start]);
        from = end;
    }
    pieces.push(&text[from..]);
    if pieces_max == usize::MAX {
        while pieces.len() > 1 && pieces.last() == Some(&"") {
            pieces.pop();
        }
    }
    Ok(pieces)
}
