//! `CHECK_LENGTH$(value, column)`: the value, or a failure if it is not as long as its type says.
//!
//! The binder calls it for a sink under `'table.exec.sink.type-length-enforcer' = 'ERROR'`; SHOW
//! FUNCTIONS does not list it. CHAR and BINARY values may be too short as well. Cutting and filling is left to casts.

use crate::bind::{Closure, declare_typed};
use crate::lane::{Text, typed_array};
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use tidemill_plan::{BindCall, BoundScalar, Datum, EvalContext, FunctionRegistry};
use tidemill_types::{DataType, Error, Result, TypeKind};

/// Adds the function.
pub fn register(registry: &mut FunctionRegistry) {
    declare_typed(registry, "CHECK_LENGTH$", &["(text or bytes of a length, column)"], check);
}

fn check(call: &BindCall<'_>) -> Result<Option<BoundScalar>> {
    let [value, column] = call.args else { return Ok(None) };
    let (length, fixed) = match value.data_type.kind {
        TypeKind::Char(n) | TypeKind::Binary(n) => (n as usize, true),
        TypeKind::Varchar(n) | TypeKind::Varbinary(n) => (n as usize, false),
        _ => return Ok(None),
    };
    let Some(column) = column.literal.map(|name| name.as_string_view().value(0).to_owned()) else {
        return Ok(None);
    };
    let data_type = value.data_type.clone();
    let return_type = data_type.clone();
    let kernel = Closure::kernel(move |args: &[Datum], _: &EvalContext<'_>| {
        let values = args[0].array();
        let wrong = |found: &usize| *found > length || (fixed && *found < length);
        match lengths(values).flatten().find(wrong) {
            Some(found) => Err(wrong_length(&column, &data_type, found)),
            None => Ok(args[0].clone()),
        }
    });
    let arg_types = call.args.iter().map(|arg| arg.data_type.clone()).collect();
    Ok(Some(BoundScalar { arg_types, return_type, kernel }))
}

/// The characters of texts, or the bytes of bytes.
fn lengths(values: &ArrayRef) -> Box<dyn Iterator<Item = Option<usize>> + '_> {
    match values.as_binary_view_opt() {
        Some(bytes) => Box::new(bytes.iter().map(|value| value.map(<[u8]>::len))),
        None => {
            let texts = typed_array::<Text>(values.as_ref());
            Box::new(texts.iter().map(|value| value.map(|text| text.chars().count())))
        }
    }
}

fn wrong_length(column: &str, data_type: &DataType, found: usize) -> Error {
    Error::data(format!(
        "column '{column}' is {}, but a value of length {found} is being written into it; \
         'table.exec.sink.type-length-enforcer' says what happens to such values",
        data_type.kind.clone().nullable()
    ))
}
