//! Casts from text to other lengths, to numbers and to truth values.

use super::{CastFn, failed, identity, retyped};
use crate::lane::{Collect, Flag, Num, Text, typed_array};
use crate::number_text::{parse_decimal, parse_double, parse_integer};
use arrow_array::builder::StringViewBuilder;
use arrow_array::types::{
    Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{Array, StringViewArray};
use std::sync::Arc;
use tidemill_types::data_type::LENGTH_MAX;
use tidemill_types::{Error, Result, TypeKind};

/// Text to another length: cut to the length of its new type, and filled with blanks if that is a CHAR.
pub fn resize(from: &TypeKind, to: &TypeKind) -> CastFn {
    let (most, fixed) = match to {
        TypeKind::Char(n) => (*n, true),
        TypeKind::Varchar(n) => (*n, false),
        _ => (LENGTH_MAX, false),
    };
    let longest = match from {
        TypeKind::Char(n) | TypeKind::Varchar(n) => *n,
        _ => LENGTH_MAX,
    };
    if !fixed && (most == LENGTH_MAX || longest <= most) {
        return identity();
    }
    let most = most as usize;
    Box::new(move |array, _| {
        let array = typed_array::<Text>(array.as_ref());
        let mut out = StringViewBuilder::with_capacity(array.len());
        let mut padded = String::new();
        for value in array {
            let Some(value) = value else {
                out.append_null();
                continue;
            };
            let cut = value.char_indices().nth(most).map_or(value, |(end, _)| &value[..end]);
            if fixed && cut.len() < most.saturating_mul(4) {
                padded.clear();
                padded.push_str(cut);
                let length = cut.chars().count();
                padded.extend(std::iter::repeat_n(' ', most - length));
                out.append_value(&padded);
            } else {
                out.append_value(cut);
            }
        }
        Ok(Arc::new(out.finish()))
    })
}

/// A cast that reads each text on its own.
pub fn parsed<O: Collect + 'static>(
    to: &TypeKind,
    parse: impl Fn(&str) -> Option<O::Owned> + Send + Sync + 'static,
) -> CastFn {
    read::<O>(to, move |text| parse(text).map(Some).ok_or(()))
}

/// The same for a reader that knows NULL (`Ok(None)`) besides failure.
fn read<O: Collect + 'static>(
    to: &TypeKind,
    read: impl Fn(&str) -> Result<Option<O::Owned>, ()> + Send + Sync + 'static,
) -> CastFn {
    let to = to.clone();
    Box::new(move |array, lenient| {
        let array: &StringViewArray = typed_array::<Text>(array.as_ref());
        let mut out = O::builder(array.len());
        for value in array {
            let value = match value.map(&read) {
                None => None,
                Some(Ok(value)) => value,
                Some(Err(())) if lenient => None,
                Some(Err(())) => return Err(refusal(value, &to)),
            };
            O::push(&mut out, value);
        }
        Ok(retyped(O::finish(out), &to))
    })
}

fn refusal(value: Option<&str>, to: &TypeKind) -> Error {
    failed(value.unwrap_or("NULL"), to)
}

/// Text to a number.
pub fn to_number(to: &TypeKind) -> CastFn {
    match to {
        TypeKind::TinyInt => {
            parsed::<Num<Int8Type>>(to, |text| parse_integer(text).and_then(|v| v.try_into().ok()))
        }
        TypeKind::SmallInt => {
            parsed::<Num<Int16Type>>(to, |text| parse_integer(text).and_then(|v| v.try_into().ok()))
        }
        TypeKind::Int => {
            parsed::<Num<Int32Type>>(to, |text| parse_integer(text).and_then(|v| v.try_into().ok()))
        }
        TypeKind::BigInt => parsed::<Num<Int64Type>>(to, parse_integer),
        TypeKind::Float => parsed::<Num<Float32Type>>(to, |text| match parse_double(text)? {
            value if value.is_finite() => {
                text.trim_matches(|c: char| c <= ' ').trim_end_matches(['d', 'D', 'f', 'F']).parse().ok()
            }
            value => Some(value as f32),
        }),
        TypeKind::Double => parsed::<Num<Float64Type>>(to, parse_double),
        TypeKind::Decimal { precision, scale } => {
            let (precision, scale) = (*precision, *scale);
            read::<Num<Decimal128Type>>(to, move |text| parse_decimal(text, precision, scale).map_err(|_| ()))
        }
        _ => unreachable!("cast to a number"),
    }
}

/// Text to a truth value; blanks around it are not dropped.
pub fn to_boolean() -> CastFn {
    parsed::<Flag>(&TypeKind::Boolean, |text| {
        let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
        if is(&["t", "true", "y", "yes", "1"]) {
            Some(true)
        } else if is(&["f", "false", "n", "no", "0"]) {
            Some(false)
        } else {
            None
        }
    })
}
