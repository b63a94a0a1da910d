//! `||`, CONCAT, CONCAT_WS and ELT.

use crate::bind::{BYTES, Binding, Closure, Form, Gives, STRING, Want, declare};
use crate::lane::{Bytes, I64, Reader, Text, map2, text_rows};
use std::sync::Arc;
use tidemill_plan::{Datum, EvalContext, FunctionRegistry, Kernel};
use tidemill_types::data_type::LENGTH_MAX;
use tidemill_types::{Error, Result, TypeKind};

/// Adds the functions.
pub fn register(registry: &mut FunctionRegistry) {
    use Want::Text as T;
    declare(
        registry,
        "||",
        [
            Form::new(&[T, T], Gives::From(joined_type), concat).total(),
            Form::new(&[Want::Bytes, Want::Bytes], BYTES, |args, ctx| {
                map2::<Bytes, Bytes, Bytes>(args, ctx, |a, b| Ok(Some([a, b].concat())))
            })
            .total(),
        ],
    );
    declare(registry, "CONCAT", [Form::new(&[T], STRING, concat).repeats().total()]);
    declare(registry, "CONCAT_WS", [Form::new(&[T, T], STRING, concat_ws).repeats().total()]);
    declare(
        registry,
        "ELT",
        [Form::made(&[Want::BigInt, T], Gives::From(elt_type), elt_of).repeats().nullable()],
    );
}

/// The type the texts have in common.
fn elt_type(binding: &Binding<'_>) -> Result<TypeKind> {
    let common = crate::types::common_type(&binding.args[1..]);
    Ok(common.map_or(STRING, |common| common.kind))
}

/// A constant index below 0 is refused, as in Flink; one that no text has gives NULL.
fn elt_of(binding: &Binding<'_>) -> Result<Arc<dyn Kernel>> {
    match binding.integer(0) {
        Some(index) if index < 0 => {
            Err(Error::user(format!("the index of ELT must be a whole number from 0 on, not {index}")))
        }
        _ => Ok(Closure::total(&STRING, elt)),
    }
}

fn joined_type(binding: &Binding<'_>) -> Result<TypeKind> {
    let length = |kind: &TypeKind| match kind {
        TypeKind::Char(n) | TypeKind::Varchar(n) => *n,
        _ => LENGTH_MAX,
    };
    let (a, b) = (&binding.args[0].kind, &binding.args[1].kind);
    let total = length(a).saturating_add(length(b)).min(LENGTH_MAX);
    Ok(match (a, b) {
        (TypeKind::Char(_), TypeKind::Char(_)) => TypeKind::Char(total),
        _ => TypeKind::Varchar(total),
    })
}

/// NULL if any part is.
fn concat(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let parts: Vec<Reader<'_, Text>> = args.iter().map(Reader::new).collect();
    text_rows(args, ctx, |row, out| {
        for part in &parts {
            let Some(text) = part.get(row) else { return Ok(false) };
            out.push_str(text);
        }
        Ok(true)
    })
}

/// NULL parts are skipped, empty ones are not.
fn concat_ws(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let parts: Vec<Reader<'_, Text>> = args.iter().map(Reader::new).collect();
    let (separator, parts) = parts.split_first().expect("it is bound with a separator");
    text_rows(args, ctx, |row, out| {
        let Some(separator) = separator.get(row) else { return Ok(false) };
        for (index, text) in parts.iter().filter_map(|part| part.get(row)).enumerate() {
            out.push_str(if index == 0 { "" } else { separator });
            out.push_str(text);
        }
        Ok(true)
    })
}

fn elt(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let (place, texts) = args.split_first().expect("it is bound with a place");
    let place = Reader::<I64>::new(place);
    let texts: Vec<Reader<'_, Text>> = texts.iter().map(Reader::new).collect();
    text_rows(args, ctx, |row, out| {
        let place = place.get(row).and_then(|place| usize::try_from(place - 1).ok());
        let text = place.and_then(|place| texts.get(place)).and_then(|text| text.get(row));
        out.push_str(text.unwrap_or_default());
        Ok(text.is_some())
    })
}
