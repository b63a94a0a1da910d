//! Java classes that published SQL files name in CREATE FUNCTION, each as a function of ours that does the same.
//!
//! Deliberately not here: running Java. Any other class is refused where it is declared.

use crate::bind::{Form, Want, declare};
use crate::lane::{I64, Reader, Text, map_rows};
use tidemill_plan::{Datum, EvalContext, FunctionRegistry};
use tidemill_types::{Error, Result, TypeKind};

/// Adds the classes.
pub fn register(registry: &mut FunctionRegistry) {
    let mut declared = FunctionRegistry::default();
    let count = Form::new(&[Want::Text, Want::Text], TypeKind::BigInt, count_char).not_null();
    declare(&mut declared, "COUNT_CHAR", [count]);
    let classes = declared.scalars.into_values().zip(["com.github.nexmark.flink.udf.CountChar"]);
    registry.classes.extend(classes.map(|(function, class)| (class.to_owned(), function)));
}

/// Nexmark's CountChar: how often the first byte of the second text stands in the first; 0 for NULL.
fn count_char(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let (text, character) = (Reader::<Text>::new(&args[0]), Reader::<Text>::new(&args[1]));
    map_rows::<I64>(args, ctx, |row| {
        let Some(text) = text.get(row) else { return Ok(Some(0)) };
        let Some(&wanted) = character.get(row).and_then(|character| character.as_bytes().first()) else {
            return Err(Error::data("count_char: the character to count is NULL or empty"));
        };
        Ok(Some(text.bytes().filter(|&byte| byte == wanted).count() as i64))
    })
}
