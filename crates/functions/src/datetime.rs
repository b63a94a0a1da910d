//! Functions of dates and times.
//!
//! Invariant: a TIMESTAMP_LTZ is read on the session zone's clock. Where Flink divides toward zero before
//! 1970, so does this. Text is read and written by Java's patterns, compiled when the call is bound if the
//! pattern is a literal. Not here: arithmetic with intervals, casts.

mod arithmetic;
mod clock;
mod fields;
mod java_zone;
mod parsing;
pub mod pattern;
mod pattern_argument;
mod printing;
mod round;
mod times;
mod unit;

use tidemill_plan::FunctionRegistry;

/// Adds the functions of dates and times.
pub fn register(registry: &mut FunctionRegistry) {
    fields::register(registry);
    round::register(registry);
    arithmetic::register(registry);
    clock::register(registry);
    printing::register(registry);
    parsing::register(registry);
}
