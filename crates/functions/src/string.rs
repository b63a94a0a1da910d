//! Functions on text.
//!
//! Positions and lengths count code points, except where Flink counts UTF-16 units (LPAD, RPAD, OVERLAY,
//! SPLIT by nothing).

pub mod basic;
pub mod concat;
pub mod encode;
pub mod enforce;
pub mod pad;
pub mod printf;
pub mod search;
pub mod split;
pub mod test;
pub mod url;

use tidemill_plan::FunctionRegistry;

/// Adds the functions on text.
pub fn register(registry: &mut FunctionRegistry) {
    basic::register(registry);
    concat::register(registry);
    encode::register(registry);
    enforce::register(registry);
    pad::register(registry);
    printf::register(registry);
    search::register(registry);
    split::register(registry);
    test::register(registry);
    url::register(registry);
}
