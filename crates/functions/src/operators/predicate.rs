//! `IS [NOT] NULL`, `IS [NOT] TRUE | FALSE | UNKNOWN` and `NOT`.

use crate::bind::{Form, Want, declare};
use crate::lane::{Flag, as_datum, row_count, typed};
use arrow_array::{Array, BooleanArray};
use arrow_buffer::BooleanBuffer;
use std::sync::Arc;
use tidemill_plan::{Datum, EvalContext, FunctionRegistry};
use tidemill_types::{Result, TypeKind};

/// Adds the predicates.
pub fn register(registry: &mut FunctionRegistry) {
    let boolean = TypeKind::Boolean;
    let mut null = |name: &str, compute| {
        declare(registry, name, [Form::new(&[Want::Any], boolean.clone(), compute).not_null().total()]);
    };
    null("IS NULL", |args, ctx| is_null(args, ctx, true));
    null("IS NOT NULL", |args, ctx| is_null(args, ctx, false));
    let mut truth = |name: &str, compute| {
        declare(registry, name, [Form::new(&[Want::Boolean], boolean.clone(), compute).not_null().total()]);
    };
    truth("IS TRUE", |args, _| Ok(is_truth(args, true, false)));
    truth("IS NOT TRUE", |args, _| Ok(is_truth(args, true, true)));
    truth("IS FALSE", |args, _| Ok(is_truth(args, false, false)));
    truth("IS NOT FALSE", |args, _| Ok(is_truth(args, false, true)));
    truth("IS UNKNOWN", |args, ctx| is_null(args, ctx, true));
    truth("IS NOT UNKNOWN", |args, ctx| is_null(args, ctx, false));
    declare(registry, "NOT", [Form::new(&[Want::Boolean], boolean.clone(), not).total()]);
}

fn is_null(args: &[Datum], ctx: &EvalContext<'_>, wanted: bool) -> Result<Datum> {
    let array = args[0].array();
    let rows = row_count(args, ctx);
    let valid = match array.logical_nulls() {
        Some(nulls) => nulls.inner().clone(),
        None => BooleanBuffer::new_set(rows),
    };
    let values = if wanted { !&valid } else { valid };
    Ok(as_datum(args, Arc::new(BooleanArray::new(values, None))))
}

fn is_truth(args: &[Datum], truth: bool, negated: bool) -> Datum {
    let array = typed::<Flag>(&args[0]);
    let values = if truth { array.values().clone() } else { !array.values() };
    let known = match array.nulls() {
        Some(nulls) => &values & nulls.inner(),
        None => values,
    };
    let values = if negated { !&known } else { known };
    as_datum(args, Arc::new(BooleanArray::new(values, None)))
}

fn not(args: &[Datum], _: &EvalContext<'_>) -> Result<Datum> {
    let array = typed::<Flag>(&args[0]);
    let negated = BooleanArray::new(!array.values(), array.nulls().cloned());
    Ok(as_datum(args, Arc::new(negated)))
}
