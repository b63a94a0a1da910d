//! Case, length, parts and trimming of one text.

use crate::bind::{Binding, Form, STRING, Want, declare, declare_all};
use crate::lane::{I32, Reader, Text, map_rows, map1, text_rows, text1, text2, text3};
use tidemill_plan::{Datum, EvalContext, FunctionRegistry};
use tidemill_types::data_type::LENGTH_MAX;
use tidemill_types::{Result, TypeKind};

/// Adds the functions.
pub fn register(registry: &mut FunctionRegistry) {
    use crate::bind::Gives::{From, Same};
    use Want::{Int, Text as T};
    declare(
        registry,
        "UPPER",
        [Form::new(&[T], Same(0), |a, c| cased(a, c, str::to_uppercase, str::make_ascii_uppercase)).total()],
    );
    declare(
        registry,
        "LOWER",
        [Form::new(&[T], Same(0), |a, c| cased(a, c, str::to_lowercase, str::make_ascii_lowercase)).total()],
    );
    let length = [Form::new(&[T], TypeKind::Int, |a, c| {
        map1::<Text, I32>(a, c, |text| Ok(Some(text.chars().count() as i32)))
    })
    .total()];
    declare_all(registry, &["CHAR_LENGTH", "CHARACTER_LENGTH"], &length);
    let substring = [
        Form::new(&[T, Int], From(varying), substring_from).nullable().total(),
        Form::new(&[T, Int, Int], From(varying), substring).nullable().total(),
    ];
    declare_all(registry, &["SUBSTRING", "SUBSTR"], &substring);
    declare(registry, "LEFT", [Form::new(&[T, Int], From(varying), left).nullable().total()]);
    declare(registry, "RIGHT", [Form::new(&[T, Int], From(varying), right).nullable().total()]);
    trims(registry);
    rewriting(registry);
}

/// Functions that give another text of the same or any length.
fn rewriting(registry: &mut FunctionRegistry) {
    use crate::bind::Gives::Same;
    use Want::{Int, Text as T};
    declare(
        registry,
        "REVERSE",
        [Form::new(&[T], STRING, |a, c| {
            text1::<Text>(a, c, |text, out| {
                out.extend(text.chars().rev());
                Ok(true)
            })
        })
        .nullable()
        .total()],
    );
    declare(registry, "INITCAP", [Form::new(&[T], Same(0), initcap).total()]);
    declare(
        registry,
        "REPEAT",
        [Form::new(&[T, Int], STRING, |a, c| {
            text2::<Text, I32>(a, c, |text, times, out| {
                (0..times).for_each(|_| out.push_str(text));
                Ok(true)
            })
        })
        .total()],
    );
    declare(
        registry,
        "REPLACE",
        [Form::new(&[T, T, T], STRING, |a, c| {
            text3::<Text, Text, Text>(a, c, |text, search, with, out| {
                replace(text, search, with, out);
                Ok(true)
            })
        })
        .total()],
    );
    declare(
        registry,
        "TRANSLATE",
        [Form::new(&[T, T, T], STRING, |a, c| {
            let [text, from, to] = [0, 1, 2].map(|arg| Reader::<Text>::new(&a[arg]));
            text_rows(a, c, |row, out| {
                let Some(text) = text.get(row) else { return Ok(false) };
                translate(text, from.get(row).unwrap_or(""), to.get(row).unwrap_or(""), out);
                Ok(true)
            })
        })
        .nullable_if_first()
        .total()],
    );
    declare(
        registry,
        "ASCII",
        [Form::new(&[T], TypeKind::Int, |a, c| {
            map1::<Text, I32>(a, c, |text| {
                Ok(Some(text.bytes().next().map_or(0, |byte| i32::from(byte as i8))))
            })
        })
        .total()],
    );
    declare(
        registry,
        "CHR",
        [Form::new(&[Want::BigInt], STRING, |a, c| {
            text1::<crate::lane::I64>(a, c, |code, out| {
                if code >= 0 {
                    out.push(char::from((code & 0xFF) as u8));
                }
                Ok(true)
            })
        })
        .nullable()
        .total()],
    );
}

/// The type of a part of the first argument.
fn varying(binding: &Binding<'_>) -> Result<TypeKind> {
    Ok(match binding.args[0].kind {
        TypeKind::Char(n) | TypeKind::Varchar(n) => TypeKind::Varchar(n),
        _ => TypeKind::Varchar(LENGTH_MAX),
    })
}

fn cased(
    args: &[Datum],
    ctx: &EvalContext<'_>,
    full: fn(&str) -> String,
    ascii: fn(&mut str),
) -> Result<Datum> {
    text1::<Text>(args, ctx, |text, out| {
        match text.is_ascii() {
            true => {
                let start = out.len();
                out.push_str(text);
                ascii(&mut out[start..]);
            }
            false => out.push_str(&full(text)),
        }
        Ok(true)
    })
}

/// The text from the code point `start` on, at most `length` of them.
fn part(text: &str, start: usize, length: usize) -> &str {
    if text.is_ascii() {
        let start = start.min(text.len());
        return &text[start..start + length.min(text.len() - start)];
    }
    let from = text.char_indices().nth(start).map_or(text.len(), |(at, _)| at);
    let rest = &text[from..];
    rest.char_indices().nth(length).map_or(rest, |(at, _)| &rest[..at])
}

/// SUBSTRING: positions count from 1, 0 is 1, negative ones count from the end.
fn sql_part(text: &str, position: i32, length: usize) -> &str {
    let start = match position {
        0 => 0,
        1.. => position as usize - 1,
        _ => {
            let back = position.unsigned_abs() as usize;
            match text.chars().count().checked_sub(back) {
                Some(start) => start,
                None => return "",
            }
        }
    };
    part(text, start, length)
}

fn substring_from(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    text2::<Text, I32>(args, ctx, |text, position, out| {
        out.push_str(sql_part(text, position, usize::MAX));
        Ok(true)
    })
}

fn substring(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    text3::<Text, I32, I32>(args, ctx, |text, position, length, out| {
        let Ok(length) = usize::try_from(length) else { return Ok(false) };
        out.push_str(sql_part(text, position, length));
        Ok(true)
    })
}

fn left(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    text2::<Text, I32>(args, ctx, |text, length, out| {
        out.push_str(part(text, 0, length.max(0) as usize));
        Ok(true)
    })
}

fn right(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    text2::<Text, I32>(args, ctx, |text, length, out| {
        let length = length.max(0) as usize;
        let start = text.chars().count().saturating_sub(length);
        out.push_str(part(text, start, length));
        Ok(true)
    })
}

fn trims(registry: &mut FunctionRegistry) {
    use crate::bind::Gives::From;
    use Want::Text as T;
    let forms = |trim: crate::bind::Compute| {
        [Form::new(&[T], From(varying), trim).total(), Form::new(&[T, T], From(varying), trim).total()]
    };
    let both = forms(|a, c| trimmed(a, c, true, true));
    declare(registry, "TRIM", both.clone());
    declare(registry, "BTRIM", both.map(|form| form.gives(STRING)));
    declare(registry, "LTRIM", forms(|a, c| trimmed(a, c, true, false)));
    declare(registry, "RTRIM", forms(|a, c| trimmed(a, c, false, true)));
}

/// Drops blanks, or any of the given characters.
fn trimmed(args: &[Datum], ctx: &EvalContext<'_>, start: bool, end: bool) -> Result<Datum> {
    let text = Reader::<Text>::new(&args[0]);
    let set = args.get(1).map(Reader::<Text>::new);
    text_rows(args, ctx, |row, out| {
        let Some(text) = text.get(row) else { return Ok(false) };
        let Some(set) = set.as_ref().map_or(Some(" "), |set| set.get(row)) else { return Ok(false) };
        let text = if start { text.trim_start_matches(|c| set.contains(c)) } else { text };
        let text = if end { text.trim_end_matches(|c| set.contains(c)) } else { text };
        out.push_str(text);
        Ok(true)
    })
}

/// A letter after anything but an ASCII letter or digit is upper case, others lower; only ASCII letters count.
fn initcap(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    text1::<Text>(args, ctx, |text, out| {
        let mut start = true;
        for c in text.chars() {
            out.push(if start { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() });
            start = !c.is_ascii_alphanumeric();
        }
        Ok(true)
    })
}

fn replace(text: &str, search: &str, with: &str, out: &mut String) {
    let mut from = 0;
    for (at, found) in text.match_indices(search) {
        out.push_str(&text[from..at]);
        out.push_str(with);
        from = at + found.len();
    }
    out.push_str(&text[from..]);
}

/// Each character of `from` becomes the one at its place in `to`, or disappears.
fn translate(text: &str, from: &str, to: &str, out: &mut String) {
    for c in text.chars() {
        match from.chars().position(|f| f == c) {
            None => out.push(c),
            Some(place) => out.extend(to.chars().nth(place)),
        }
    }
}

/// The rows of a text argument, for functions that look at NULLs.
pub fn flag_rows(args: &[Datum], ctx: &EvalContext<'_>, test: impl Fn(&str) -> bool) -> Result<Datum> {
    let text = Reader::<Text>::new(&args[0]);
    map_rows::<crate::lane::Flag>(args, ctx, |row| Ok(Some(text.get(row).is_some_and(&test))))
}
