//! Flink's built-in functions: typed signatures and vectorised kernels over Arrow, one file per family.
//!
//! Invariant: a kernel is deterministic in its arguments and the evaluation context, and fails only where
//! Flink does. Nothing here knows SQL text or the operators of a dataflow.

pub mod aggregate;
pub mod bind;
pub mod bitmap;
pub mod cast;
pub mod classes;
pub mod collection;
pub mod conditional;
pub mod datetime;
pub mod hash;
pub mod json;
pub mod lane;
pub mod math;
pub mod number_text;
pub mod operators;
pub mod regex;
pub mod string;
pub mod time_text;
pub mod types;
pub mod want;

pub use types::{can_implicitly_cast, common_type};

use tidemill_plan::FunctionRegistry;

/// All built-in functions.
pub fn registry() -> FunctionRegistry {
    let mut registry = FunctionRegistry::default();
    operators::register(&mut registry);
    cast::register(&mut registry);
    string::register(&mut registry);
    regex::register(&mut registry);
    math::register(&mut registry);
    conditional::register(&mut registry);
    collection::register(&mut registry);
    hash::register(&mut registry);
    json::register(&mut registry);
    bitmap::register(&mut registry);
    datetime::register(&mut registry);
    aggregate::register(&mut registry);
    classes::register(&mut registry);
    registry
}
