//! Interval joins: conditions that bound the times of two inputs by each other.
//!
//! Rule (Flink's `IntervalJoinUtil`): a time condition compares, with `=`, `<`, `<=`, `>` or `>=`, an expression over
//! a time attribute of one side with one over a time attribute of the other, both of event time or both of
//! processing time, and nothing else. One equality, or one lower and one upper bound and no more, make the join
//! an interval join; any other number leaves it a regular one. Other conditions pair rows as in any join.

use super::join_placement::{Joining, Keyed, Pending};
use super::{Binder, Bound, NodeTraits, RelationColumn};
use crate::diagnostic::Diagnostic;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, ArrayRef, TimestampMillisecondArray};
use arrow_schema::{DataType as ArrowType, TimeUnit};
use std::sync::Arc;
use tidemill_plan::{EvalContext, Expr, IntervalJoinPlan, Operator};
use tidemill_types::arrow_type::arrow_type;
use tidemill_types::{Chunk, TimeAttribute};

/// How far the left time may lie from the right one.
pub(super) struct TimeBounds {
    left_time: usize,
    right_time: usize,
    time: TimeAttribute,
    lower_ms: i64,
    upper_ms: i64,
}

/// A condition that bounds the left time by the right one.
struct TimeCondition {
    left_time: usize,
    right_time: usize,
    time: TimeAttribute,
    /// How the left time compares with the right time plus the bound.
    compares: Compares,
    /// Absent if it can't be known before rows come.
    bound_ms: Option<i64>,
}

#[derive(Clone, Copy, PartialEq)]
enum Compares {
    Equal,
    AtLeast,
    AtMost,
}

impl Binder<'_> {
    /// Takes the time conditions out of a join that has just those of an interval join.
    pub(super) fn take_time_bounds(&self, pending: &mut Pending) -> Bound<Option<TimeBounds>> {
        if self.session.info().batch || pending.kind.left_only() {
            return Ok(None);
        }
        let (left, right) = (&pending.left.columns, &pending.right.columns);
        let (mut times, mut places) = (Vec::new(), Vec::new());
        for (place, term) in pending.pairing.iter().enumerate() {
            if let Some(time) = time_condition(term, left, right) {
                times.push(time);
                places.push(place);
            }
        }
        let Some((lower_ms, upper_ms)) = bounds(&times) else { return Ok(None) };
        let first = &times[0];
        let types =
            [&left[first.left_time], &right[first.right_time]].map(|column| &column.field.data_type.kind);
        if first.time == TimeAttribute::Rowtime && types[0] != types[1] {
            let message = format!(
                "Interval join with rowtime attribute requires same rowtime types, but the types are {} *ROWTIME* and {} *ROWTIME*",
                types[0], types[1]
            );
            return Err(Diagnostic::new(pending.span, message).with_hint(
                "declare both watermarks on TIMESTAMP(3) columns, or both on TIMESTAMP_LTZ(3) columns",
            ));
        }
        let (left_time, right_time, time) = (first.left_time, first.right_time, first.time);
        let mut place = 0;
        pending.pairing.retain(|_| {
            place += 1;
            !places.contains(&(place - 1))
        });
        Ok(Some(TimeBounds { left_time, right_time, time, lower_ms, upper_ms }))
    }

    pub(super) fn interval_join(&mut self, pending: Pending, bounds: TimeBounds) -> Bound<Joining> {
        let keyed: Keyed = self.keyed(pending)?;
        for side in [&keyed.left, &keyed.right] {
            self.refuse_updating("an interval join", side, keyed.span)?;
        }
        let TimeBounds { left_time, right_time, time, lower_ms, upper_ms } = bounds;
        let on = keyed.on.clone();
        let plan = IntervalJoinPlan { on, left_time, right_time, time, lower_ms, upper_ms };
        Ok(self.push_join(Operator::IntervalJoin(plan), keyed, NodeTraits::append(), [true, true]))
    }
}

/// The lower and the upper bound, if the conditions are those of an interval join.
fn bounds(times: &[TimeCondition]) -> Option<(i64, i64)> {
    use Compares::{AtLeast, AtMost, Equal};
    match times {
        [one] if one.compares == Equal => Some((one.bound_ms?, one.bound_ms?)),
        [first, second] => match (first.compares, second.compares) {
            (AtLeast, AtMost) => Some((first.bound_ms?, second.bound_ms?)),
            (AtMost, AtLeast) => Some((second.bound_ms?, first.bound_ms?)),
            _ => None,
        },
        _ => None,
    }
}

/// A comparison and its sides, NOT in front of it resolved.
fn comparison(term: &Expr) -> Option<(&str, &Expr, &Expr)> {
    let Expr::Call { name, args, .. } = term else { return None };
    match (name.as_str(), args.as_slice()) {
        ("NOT", [inner]) => {
            let (name, first, second) = comparison(inner)?;
            let name = match name {
                "<" => ">=",
                "<=" => ">",
                ">" => "<=",
                ">=" => "<",
                _ => return None,
            };
            Some((name, first, second))
        }
        ("=" | "<" | "<=" | ">" | ">=", [first, second]) => Some((name, first, second)),
        _ => None,
    }
}

fn time_condition(term: &Expr, left: &[RelationColumn], right: &[RelationColumn]) -> Option<TimeCondition> {
    let (name, first, second) = comparison(term)?;
    let width = left.len();
    let first_time = only_column(first)?;
    let second_time = only_column(second)?;
    let first_is_left = first_time < width;
    if first_is_left == (second_time < width) {
        return None;
    }
    let time_of = |column: usize| match column.checked_sub(width) {
        None => left[column].field.time,
        Some(column) => right[column].field.time,
    };
    let time = time_of(first_time)?;
    if time_of(second_time)? != time {
        return None;
    }
    let offset = match (offset_ms(first), offset_ms(second)) {
        (Some(first), Some(second)) if first_is_left => Some(second - first),
        (Some(first), Some(second)) => Some(first - second),
        _ => None,
    };
    let (compares, strict) = match (name, first_is_left) {
        ("=", _) => (Compares::Equal, 0),
        (">=", true) | ("<=", false) => (Compares::AtLeast, 0),
        (">", true) | ("<", false) => (Compares::AtLeast, 1),
        ("<=", true) | (">=", false) => (Compares::AtMost, 0),
        _ => (Compares::AtMost, -1),
    };
    let (left_time, right_time) =
        if first_is_left { (first_time, second_time) } else { (second_time, first_time) };
    Some(TimeCondition {
        left_time,
        right_time: right_time - width,
        time,
        compares,
        bound_ms: offset.map(|offset| offset + strict),
    })
}

/// The column of an expression that names one column once.
fn only_column(expr: &Expr) -> Option<usize> {
    fn count(expr: &Expr) -> usize {
        let own = usize::from(matches!(expr, Expr::Column { .. }));
        own + expr.children().into_iter().map(count).sum::<usize>()
    }
    (count(expr) == 1).then(|| expr.columns().into_iter().next())?
}

/// What an expression over a time gives for the time 0, in ms.
fn offset_ms(expr: &Expr) -> Option<i64> {
    if expr.volatile() {
        return None;
    }
    let zero = expr.map_columns(&|_, name, data_type| match arrow_type(data_type) {
        ArrowType::Timestamp(TimeUnit::Millisecond, zone) => Expr::Literal {
            value: Arc::new(TimestampMillisecondArray::from_value(0, 1).with_timezone_opt(zone)),
            data_type: data_type.clone(),
            text: name.to_string(),
        },
        _ => super::fold::null(data_type),
    });
    let value = zero.eval_array(&Chunk::new(Vec::new(), 1), &EvalContext::constant(0)).ok()?;
    milliseconds(&value)
}

fn milliseconds(value: &ArrayRef) -> Option<i64> {
    if value.is_null(0) {
        return None;
    }
    match value.data_type() {
        ArrowType::Timestamp(TimeUnit::Second, _) => {
            Some(value.as_primitive::<TimestampSecondType>().value(0) * 1_000)
        }
        ArrowType::Timestamp(TimeUnit::Millisecond, _) => {
            Some(value.as_primitive::<TimestampMillisecondType>().value(0))
        }
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => {
            Some(value.as_primitive::<TimestampMicrosecondType>().value(0).div_euclid(1_000))
        }
        ArrowType::Timestamp(TimeUnit::Nanosecond, _) => {
            Some(value.as_primitive::<TimestampNanosecondType>().value(0).div_euclid(1_000_000))
        }
        _ => None,
    }
}
