//! Aggregate functions: what each keeps in its cells, one file per family.
//!
//! Invariant: an accumulator has no state of its own, and merging partial results gives what the rows
//! themselves would have given in the same order. Rows are taken back by subtraction where that is exact
//! enough for Flink, else from a counted multiset or a log of the values. Not here: DISTINCT and FILTER,
//! which the operators apply, and the functions that need an order (LAG, ROW_NUMBER).

mod bitmap;
mod collect;
mod count;
mod extreme;
mod json;
mod listagg;
mod log;
mod percentile;
mod position;
mod rows;
mod single_value;
mod sum;
mod variance;

use std::sync::Arc;
use tidemill_plan::{AggregateFunction, BindCall, BoundAggregate, FunctionRegistry};
use tidemill_types::{DataType, Error, Result};

/// Adds the aggregate functions.
pub fn register(registry: &mut FunctionRegistry) {
    add(registry, "COUNT", count::bind);
    add(registry, "SUM", sum::bind_sum);
    add(registry, "AVG", sum::bind_avg);
    add(registry, "MIN", extreme::bind_min);
    add(registry, "MAX", extreme::bind_max);
    add(registry, "FIRST_VALUE", position::bind_first);
    add(registry, "LAST_VALUE", position::bind_last);
    add(registry, "LISTAGG", listagg::bind);
    add(registry, "COLLECT", collect::bind_collect);
    add(registry, "ARRAY_AGG", collect::bind_array_agg);
    add(registry, "STDDEV_POP", variance::bind_stddev_pop);
    add(registry, "STDDEV_SAMP", variance::bind_stddev_samp);
    add(registry, "STDDEV", variance::bind_stddev_samp);
    add(registry, "VAR_POP", variance::bind_var_pop);
    add(registry, "VAR_SAMP", variance::bind_var_samp);
    add(registry, "VARIANCE", variance::bind_var_samp);
    add(registry, "PERCENTILE", percentile::bind);
    add(registry, "JSON_ARRAYAGG", json::bind_array);
    add(registry, "JSON_OBJECTAGG", json::bind_object);
    bitmap::FUNCTIONS.iter().for_each(|(name, bind)| add(registry, name, *bind));
    add(registry, "$SINGLE_VALUE", single_value::bind);
}

/// Binds a call; told whether rows may be taken back.
type Bind = fn(&BindCall<'_>, bool) -> Result<BoundAggregate>;

struct Function(Bind);

impl AggregateFunction for Function {
    fn bind(&self, call: &BindCall<'_>, retract: bool) -> Result<BoundAggregate> {
        (self.0)(call, retract)
    }
}

fn add(registry: &mut FunctionRegistry, name: &str, bind: Bind) {
    registry.aggregates.insert(name.into(), Arc::new(Function(bind)));
}

/// The types of a call's arguments.
fn types_of(call: &BindCall<'_>) -> Vec<DataType> {
    call.args.iter().map(|arg| arg.data_type.clone()).collect()
}

/// The only argument's type.
fn only_argument(name: &str, call: &BindCall<'_>) -> Result<DataType> {
    match call.args {
        [arg] => Ok(arg.data_type.clone()),
        _ => Err(Error::user(format!("{name} takes one argument, not {}", call.args.len()))),
    }
}

/// The refusal of an argument's type.
fn wrong_type(name: &str, wanted: &str, given: &DataType) -> Error {
    Error::user(format!("{name} takes {wanted}, not {}", given.kind))
}
