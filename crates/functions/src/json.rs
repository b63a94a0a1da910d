//! SQL/JSON functions, in the calling convention of the binder: clauses come as constant text arguments.
//!
//! `JSON_EXISTS(text, path, on_error)`, `JSON_VALUE(text, path, on_empty, on_error, type[, empty default[, error
//! default]])`, `JSON_QUERY(text, path, wrapper, on_empty, on_error)`, `JSON_OBJECT(on_null, (key, raw,
//! value)…)` and `JSON_ARRAY(on_null, (raw, value)…)`, where `raw` is TRUE for a value that is JSON text.
//! Objects are written with their keys in alphabetical order and without blanks, as Flink does.

pub mod construct;
pub mod path;
pub mod predicate;
pub mod query;
pub mod quote;
pub mod variant;
pub mod write;

use tidemill_plan::FunctionRegistry;

/// Adds the functions.
pub fn register(registry: &mut FunctionRegistry) {
    construct::register(registry);
    predicate::register(registry);
    query::register(registry);
    quote::register(registry);
    variant::register(registry);
}
