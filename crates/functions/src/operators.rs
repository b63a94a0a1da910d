//! Operators under their signs: arithmetic, comparison, predicates, patterns and membership.

pub mod arithmetic;
pub mod comparison;
pub mod decimal;
pub mod equality;
pub mod interval;
pub mod membership;
pub mod pattern;
pub mod predicate;

use tidemill_plan::FunctionRegistry;

/// Adds the operators.
pub fn register(registry: &mut FunctionRegistry) {
    arithmetic::register(registry);
    comparison::register(registry);
    interval::register(registry);
    membership::register(registry);
    pattern::register(registry);
    predicate::register(registry);
}
