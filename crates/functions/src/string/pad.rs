//! LPAD, RPAD and OVERLAY, which count UTF-16 units as Java strings do.

use crate::bind::{Binding, Form, Gives, STRING, Want, declare};
use crate::lane::{I32, Reader, Text, text_rows, text3};
use tidemill_plan::{Datum, EvalContext, FunctionRegistry};
use tidemill_types::data_type::LENGTH_MAX;
use tidemill_types::{Result, TypeKind};

/// Adds the functions.
pub fn register(registry: &mut FunctionRegistry) {
    use Want::{Int, Text as T};
    declare(registry, "LPAD", [Form::new(&[T, Int, T], STRING, |a, c| pad(a, c, true)).total()]);
    declare(registry, "RPAD", [Form::new(&[T, Int, T], STRING, |a, c| pad(a, c, false)).total()]);
    declare(
        registry,
        "OVERLAY",
        [
            Form::new(&[T, T, Int], Gives::From(overlay_type), overlay).total(),
            Form::new(&[T, T, Int, Int], Gives::From(overlay_type), overlay).total(),
        ],
    );
}

/// A VARCHAR as long as both texts together.
fn overlay_type(binding: &Binding<'_>) -> Result<TypeKind> {
    let length = |kind: &TypeKind| match kind {
        TypeKind::Char(n) | TypeKind::Varchar(n) => *n,
        _ => LENGTH_MAX,
    };
    let both = length(&binding.args[0].kind).saturating_add(length(&binding.args[1].kind));
    Ok(TypeKind::Varchar(both.min(LENGTH_MAX)))
}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// Half of a character becomes `?`, as Java encodes it.
pub fn push_units(out: &mut String, units: &[u16]) {
    out.extend(char::decode_utf16(units.iter().copied()).map(|c| c.unwrap_or('?')));
}

fn pad(args: &[Datum], ctx: &EvalContext<'_>, left: bool) -> Result<Datum> {
    text3::<Text, I32, Text>(args, ctx, |text, length, with, out| {
        let (Ok(length), false) = (usize::try_from(length), with.is_empty()) else { return Ok(false) };
        let text = units(text);
        if text.len() >= length {
            push_units(out, &text[..length]);
            return Ok(true);
        }
        let filling: Vec<u16> = with.encode_utf16().cycle().take(length - text.len()).collect();
        let whole = if left { [filling, text].concat() } else { [text, filling].concat() };
        push_units(out, &whole);
        Ok(true)
    })
}

fn overlay(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let (text, with) = (Reader::<Text>::new(&args[0]), Reader::<Text>::new(&args[1]));
    let start = Reader::<I32>::new(&args[2]);
    let length = args.get(3).map(Reader::<I32>::new);
    text_rows(args, ctx, |row, out| {
        let (Some(text), Some(with), Some(start)) = (text.get(row), with.get(row), start.get(row)) else {
            return Ok(false);
        };
        let given = match &length {
            Some(length) => match length.get(row) {
                Some(length) => i64::from(length),
                None => return Ok(false),
            },
            None => with.encode_utf16().count() as i64,
        };
        let all = units(text);
        let (start, size) = (i64::from(start), all.len() as i64);
        if start <= 0 || start > size {
            out.push_str(text);
            return Ok(true);
        }
        push_units(out, &all[..start as usize - 1]);
        out.push_str(with);
        if start + given <= size && given > 0 {
            push_units(out, &all[(start - 1 + given) as usize..]);
        }
        Ok(true)
    })
}
