//! TIMESTAMPADD, TIMESTAMPDIFF and OVERLAPS.

use super::times::{Times, map_fine_times, map_times, per_ms};
use super::unit::{DAY_MS, Unit, add_months};
use crate::bind::{Binding, Closure, Form, Gives, Want, declare};
use crate::lane::{Flag, I64, Reader, map_rows};
use crate::operators::interval::months_between;
use std::sync::Arc;
use tidemill_plan::{BindCall, BoundScalar, FunctionRegistry, Kernel, ScalarFunction};
use tidemill_types::{Error, Result, TypeKind};

const MOMENTS: [Want; 4] = [Want::Timestamp, Want::TimestampLtz, Want::Date, Want::Time];

pub(super) fn register(registry: &mut FunctionRegistry) {
    let add =
        MOMENTS.map(|want| Form::made(&[Want::Text, Want::BigInt, want], Gives::From(sum_type), add_kernel));
    declare(registry, "TIMESTAMPADD", add);
    let pairs = MOMENTS.iter().flat_map(|a| MOMENTS.iter().map(move |b| (*a, *b)));
    let diff =
        pairs.map(|(a, b)| Form::made(&[Want::Text, a, b], Gives::From(difference_type), difference_kernel));
    declare(registry, "TIMESTAMPDIFF", diff);
    registry.scalars.insert("OVERLAPS".into(), Arc::new(Overlaps));
}

/// A DATE with a time added becomes a TIMESTAMP.
fn sum_type(binding: &Binding<'_>) -> Result<TypeKind> {
    let unit = Unit::of(binding, 0)?;
    Ok(match &binding.args[2].kind {
        TypeKind::Date if unit.fixed_ms().is_some_and(|ms| ms < DAY_MS) => TypeKind::Timestamp(6),
        kind => kind.clone(),
    })
}

fn add_kernel(binding: &Binding<'_>) -> Result<Arc<dyn Kernel>> {
    let unit = Unit::of(binding, 0)?;
    let kind = sum_type(binding)?;
    let (fixed, months) = (unit.fixed_ms(), unit.months());
    if fixed.is_none() && months.is_none() {
        return Err(Error::user(format!("TIMESTAMPADD can't add {unit:?}")));
    }
    // Flink counts months in an INT.
    let whole_months = move |count: i64| i64::from(count as i32) * months.unwrap_or(1);
    let from_date = binding.args[2].kind == TypeKind::Date;
    let per_ms = per_ms(&kind);
    Ok(Closure::total(&kind.clone(), move |args, ctx| {
        let (counts, times) = (Reader::<I64>::new(&args[1]), Times::new(&args[2]));
        map_fine_times(&kind, args, ctx, |row| {
            let (Some(count), Some(raw)) = (counts.get(row), times.raw(row)) else { return Ok(None) };
            let sum = match (fixed, per_ms) {
                (Some(ms), 0) => raw.wrapping_add(count.wrapping_mul(ms / DAY_MS)),
                (Some(ms), per_ms) => {
                    let raw = if from_date { raw * DAY_MS * per_ms } else { raw };
                    raw.wrapping_add(count.wrapping_mul(ms).wrapping_mul(per_ms))
                }
                (None, 0) => add_months(raw, whole_months(count)),
                (None, per_ms) => {
                    let day = DAY_MS * per_ms;
                    let days = add_months(raw.div_euclid(day), whole_months(count));
                    days * day + raw.rem_euclid(day)
                }
            };
            let sum = if matches!(kind, TypeKind::Time(_)) { sum.rem_euclid(DAY_MS) } else { sum };
            Ok(Some((sum, times.finer(row))))
        })
    }))
}

/// A count is an INT, that of nanoseconds a BIGINT.
fn difference_type(binding: &Binding<'_>) -> Result<TypeKind> {
    Ok(if Unit::of(binding, 0)? == Unit::Nanosecond { TypeKind::BigInt } else { TypeKind::Int })
}

/// How many of a unit below the second make a second.
fn per_second(unit: Unit) -> Option<i64> {
    match unit {
        Unit::Millisecond => Some(1_000),
        Unit::Microsecond => Some(1_000_000),
        Unit::Nanosecond => Some(1_000_000_000),
        _ => None,
    }
}

/// Units below the second count whole seconds, as Flink does.
fn difference_kernel(binding: &Binding<'_>) -> Result<Arc<dyn Kernel>> {
    let unit = Unit::of(binding, 0)?;
    let (from, to) = (&binding.args[1].kind, &binding.args[2].kind);
    let of = |wanted: fn(&TypeKind) -> bool| wanted(from) != wanted(to);
    if of(|kind| matches!(kind, TypeKind::TimestampLtz(_))) || of(|kind| matches!(kind, TypeKind::Time(_))) {
        return Err(Error::user_hint(
            format!("TIMESTAMPDIFF can't compare a {from} with a {to}"),
            "cast one of them to the type of the other",
        ));
    }
    let (fixed, months) = (unit.fixed_ms(), unit.months());
    let (fine, kind) = (per_second(unit), difference_type(binding)?);
    if fixed.is_none() && months.is_none() && fine.is_none() {
        return Err(Error::user(format!("TIMESTAMPDIFF can't count {unit:?}")));
    }
    Ok(Closure::total(&kind.clone(), move |args, ctx| {
        let (from, to) = (Times::new(&args[1]), Times::new(&args[2]));
        map_times(&kind, args, ctx, |row| {
            let (Some(from), Some(to)) = (from.ms(row), to.ms(row)) else { return Ok(None) };
            Ok(Some(match (fine, fixed) {
                (Some(fine), _) => (to.wrapping_sub(from) / 1_000).wrapping_mul(fine),
                (None, Some(ms)) => to.wrapping_sub(from) / ms,
                (None, None) => i64::from(months_between(to, from)) / months.unwrap_or(1),
            }))
        })
    }))
}

/// `(start, end or length) OVERLAPS (start, end or length)`: whether two periods share a moment, their ends
/// included.
struct Overlaps;

impl ScalarFunction for Overlaps {
    fn bind(&self, call: &BindCall<'_>) -> Result<BoundScalar> {
        let kinds: Vec<&TypeKind> = call.args.iter().map(|arg| &arg.data_type.kind).collect();
        let fits = match kinds.as_slice() {
            [a, b, c, d] => {
                let end = |kind: &TypeKind| kind.is_datetime() || kind.is_interval();
                a.is_datetime() && c.is_datetime() && end(b) && end(d)
            }
            _ => false,
        };
        if !fits {
            return Err(Error::user("OVERLAPS compares two periods, each (start, end) or (start, interval)"));
        }
        let lengths = [kinds[1].clone(), kinds[3].clone()];
        let arg_types: Vec<_> = call.args.iter().map(|arg| arg.data_type.clone()).collect();
        let nullable = arg_types.iter().any(|arg| arg.nullable);
        let kernel = Closure::total(&TypeKind::Boolean, move |args, ctx| {
            let times: Vec<Times<'_>> = args.iter().map(Times::new).collect();
            map_rows::<Flag>(args, ctx, |row| {
                let period = |at: usize| {
                    let (start, end) = (times[at].ms(row)?, times[at + 1].ms(row)?);
                    let end = end_of(start, end, &lengths[at / 2]);
                    Some((start.min(end), start.max(end)))
                };
                let (Some(a), Some(b)) = (period(0), period(2)) else { return Ok(None) };
                Ok(Some(a.0 <= b.1 && b.0 <= a.1))
            })
        });
        let return_type = tidemill_types::DataType { kind: TypeKind::Boolean, nullable };
        Ok(BoundScalar { arg_types, return_type, kernel })
    }
}

fn end_of(start: i64, end: i64, kind: &TypeKind) -> i64 {
    match kind {
        TypeKind::IntervalDay => start + end,
        TypeKind::IntervalMonth => {
            add_months(start.div_euclid(DAY_MS), end) * DAY_MS + start.rem_euclid(DAY_MS)
        }
        _ => end,
    }
}
