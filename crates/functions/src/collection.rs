//! Lists, maps and rows: construction, access and the `ARRAY_` and `MAP_` functions.
//!
//! Two elements are equal if they have the same encoding (see [`crate::operators::equality`]); two NULLs are.

pub mod access;
pub mod construct;
pub mod element;
pub mod list;
pub mod map;
pub mod sets;

use tidemill_plan::FunctionRegistry;

/// Adds the functions.
pub fn register(registry: &mut FunctionRegistry) {
    access::register(registry);
    construct::register(registry);
    element::register(registry);
    map::register(registry);
    sets::register(registry);
}
