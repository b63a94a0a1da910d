//! Places and ends of a text in another.

use crate::bind::{Form, Want, declare, declare_all};
use crate::lane::{Bytes, Flag, I32, Text, map2, map3};
use tidemill_plan::FunctionRegistry;
use tidemill_types::{Error, TypeKind};

/// Adds the functions.
pub fn register(registry: &mut FunctionRegistry) {
    use Want::{Int, Text as T};
    let locate = [
        Form::new(&[T, T], TypeKind::Int, |a, c| {
            map2::<Text, Text, I32>(a, c, |needle, text| Ok(Some(position(text, needle, 1))))
        })
        .total(),
        Form::new(&[T, T, Int], TypeKind::Int, |a, c| {
            map3::<Text, Text, I32, I32>(a, c, |needle, text, from| Ok(Some(position(text, needle, from))))
        })
        .total(),
    ];
    declare_all(registry, &["POSITION", "LOCATE"], &locate);
    declare(
        registry,
        "INSTR",
        [
            Form::new(&[T, T], TypeKind::Int, |a, c| {
                map2::<Text, Text, I32>(a, c, |text, needle| Ok(Some(position(text, needle, 1))))
            })
            .total(),
            Form::new(&[T, T, Int], TypeKind::Int, |a, c| {
                map3::<Text, Text, I32, I32>(a, c, |text, needle, from| {
                    Ok(Some(instr(text, needle, from, 1)))
                })
            })
            .total(),
            Form::new(&[T, T, Int, Int], TypeKind::Int, |a, c| {
                let nth = crate::lane::Reader::<I32>::new(&a[3]);
                let (text, needle) =
                    (crate::lane::Reader::<Text>::new(&a[0]), crate::lane::Reader::<Text>::new(&a[1]));
                let from = crate::lane::Reader::<I32>::new(&a[2]);
                crate::lane::map_rows::<I32>(a, c, |row| {
                    Ok(match (text.get(row), needle.get(row), from.get(row), nth.get(row)) {
                        (Some(_), Some(_), Some(_), Some(nth)) if nth < 1 => {
                            return Err(Error::data(format!(
                                "INSTR looks for the n-th place, n from 1 on, not {nth}"
                            )));
                        }
                        (Some(text), Some(needle), Some(from), Some(nth)) => {
                            Some(instr(text, needle, from, nth))
                        }
                        _ => None,
                    })
                })
            }),
        ],
    );
    ends(
        registry,
        "STARTSWITH",
        |a, c| map2::<Text, Text, Flag>(a, c, |text, start| Ok(Some(text.starts_with(start)))),
        |a, c| map2::<Bytes, Bytes, Flag>(a, c, |text, start| Ok(Some(text.starts_with(start)))),
    );
    ends(
        registry,
        "ENDSWITH",
        |a, c| map2::<Text, Text, Flag>(a, c, |text, end| Ok(Some(text.ends_with(end)))),
        |a, c| map2::<Bytes, Bytes, Flag>(a, c, |text, end| Ok(Some(text.ends_with(end)))),
    );
}

fn ends(
    registry: &mut FunctionRegistry,
    name: &str,
    text: crate::bind::Compute,
    bytes: crate::bind::Compute,
) {
    declare(
        registry,
        name,
        [
            Form::new(&[Want::Text, Want::Text], TypeKind::Boolean, text).total(),
            Form::new(&[Want::Bytes, Want::Bytes], TypeKind::Boolean, bytes).total(),
        ],
    );
}

/// The place of a needle, counted from 1, not before `from`; 0 if it is not there.
fn position(text: &str, needle: &str, from: i32) -> i32 {
    if needle.is_empty() {
        return 1;
    }
    let skipped = usize::try_from(from - 1).unwrap_or(0);
    let start = match text.is_ascii() {
        true => skipped.min(text.len()),
        false => text.char_indices().nth(skipped).map_or(text.len(), |(at, _)| at),
    };
    text[start..].find(needle).map_or(0, |at| text[..start + at].chars().count() as i32 + 1)
}

/// The place of the nth needle from `from` on; a negative `from` searches backwards from the end.
fn instr(text: &str, needle: &str, from: i32, nth: i32) -> i32 {
    let (text, needle): (Vec<char>, Vec<char>) = (text.chars().collect(), needle.chars().collect());
    if needle.is_empty() || nth < 1 || from == 0 || needle.len() > text.len() {
        return 0;
    }
    let fits = |at: &usize| text[*at..].starts_with(&needle);
    let last = text.len() - needle.len();
    let nth = nth as usize - 1;
    let found = match from {
        1.. => (from as usize - 1..=last).filter(fits).nth(nth),
        _ => text
            .len()
            .checked_sub(from.unsigned_abs() as usize)
            .and_then(|end| (0..=end.min(last)).rev().filter(fits).nth(nth)),
    };
    found.map_or(0, |at| at as i32 + 1)
}
