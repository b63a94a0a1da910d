//! Arithmetic with dates, times and intervals.
//!
//! Months and milliseconds never mix. Adding months clamps to the last day of the month. A TIME wraps around
//! midnight. An instant (TIMESTAMP_LTZ) moves by months on the calendar of the session zone.

use super::arithmetic::{self, Operator};
use crate::bind::{Closure, wrong_arguments};
use crate::lane::{Lane, Num, map2};
use arrow_array::ArrowPrimitiveType;
use arrow_array::types::{
    Date32Type, Decimal128Type, DurationMillisecondType, Float64Type, Int64Type, IntervalYearMonthType,
    Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType,
};
use std::sync::Arc;
use tidemill_plan::{
    BindCall, BoundScalar, Datum, EvalContext, FunctionRegistry, Kernel, ScalarFunction, SessionInfo,
};
use tidemill_types::arrow_type::{NANOS_PER_MS, units_per_ms};
use tidemill_types::text::{DAY_MS, civil_from_days, days_from_civil, days_in_month};
use tidemill_types::zone;
use tidemill_types::{DataType, Result, TypeKind};

type Months = Num<IntervalYearMonthType>;
type Millis = Num<DurationMillisecondType>;

/// Adds the differences of times; the binder calls them for `(a - b) DAY TO SECOND`.
pub fn register(registry: &mut FunctionRegistry) {
    registry.scalars.insert("MINUS_INTERVAL_DAY".into(), Arc::new(Difference { months: false }));
    registry.scalars.insert("MINUS_INTERVAL_MONTH".into(), Arc::new(Difference { months: true }));
}

/// Binds an operator with a date, time or interval among its operands.
pub fn bind(
    operator: Operator,
    left: &DataType,
    right: &DataType,
    session: SessionInfo,
) -> Option<BoundScalar> {
    use TypeKind::*;
    let (l, r) = (&left.kind, &right.kind);
    let nullable = left.nullable || right.nullable;
    let bound = |args: [&DataType; 2], kind: &TypeKind, kernel| {
        Some(BoundScalar {
            arg_types: args.map(Clone::clone).to_vec(),
            return_type: DataType { kind: kind.clone(), nullable },
            kernel,
        })
    };
    let sign = match operator {
        Operator::Add => 1,
        Operator::Subtract => -1,
        Operator::Multiply => return bind_product(left, right, nullable),
        _ => return None,
    };
    match (l, r) {
        (IntervalDay, IntervalDay) => bound([left, right], l, sum::<DurationMillisecondType>(l, sign)),
        (IntervalMonth, IntervalMonth) => bound([left, right], l, sum_months(l, sign as i32)),
        (t, IntervalDay | IntervalMonth) if t.is_datetime() => {
            bound([left, right], l, shift(l, r, sign, false, session))
        }
        (IntervalDay | IntervalMonth, t) if t.is_datetime() && sign == 1 => {
            bound([left, right], r, shift(r, l, sign, true, session))
        }
        _ => None,
    }
}

fn sum<T: ArrowPrimitiveType<Native = i64>>(kind: &TypeKind, sign: i64) -> Arc<dyn Kernel> {
    Closure::total(kind, move |args: &[Datum], ctx: &EvalContext<'_>| {
        Ok(arithmetic::elementwise::<T, T>(args, ctx, |a, b| a.wrapping_add(b.wrapping_mul(sign))))
    })
}

fn sum_months(kind: &TypeKind, sign: i32) -> Arc<dyn Kernel> {
    Closure::total(kind, move |args: &[Datum], ctx: &EvalContext<'_>| {
        Ok(arithmetic::elementwise::<IntervalYearMonthType, IntervalYearMonthType>(args, ctx, |a, b| {
            a.wrapping_add(b.wrapping_mul(sign))
        }))
    })
}

/// The negated interval.
pub fn negate(kind: &TypeKind) -> Arc<dyn Kernel> {
    match kind {
        TypeKind::IntervalMonth => arithmetic::negate::<IntervalYearMonthType>(kind, i32::wrapping_neg),
        _ => arithmetic::negate::<DurationMillisecondType>(kind, i64::wrapping_neg),
    }
}

fn bind_product(left: &DataType, right: &DataType, nullable: bool) -> Option<BoundScalar> {
    let swapped = right.kind.is_interval();
    let (span, number) = if swapped { (right, left) } else { (left, right) };
    if !(span.kind.is_interval() && number.kind.is_numeric()) {
        return None;
    }
    let exact = number.kind.is_integer();
    let factor = if exact { TypeKind::BigInt } else { TypeKind::Double };
    let factor = DataType { kind: factor, nullable: number.nullable };
    let months = span.kind == TypeKind::IntervalMonth;
    let kernel = match (months, exact) {
        (true, true) => product::<Months, Num<Int64Type>>(swapped, |m, n| m.wrapping_mul(n as i32)),
        (true, false) => product::<Months, Num<Float64Type>>(swapped, |m, n| (f64::from(m) * n) as i32),
        (false, true) => product::<Millis, Num<Int64Type>>(swapped, |m, n| m.wrapping_mul(n)),
        (false, false) => product::<Millis, Num<Float64Type>>(swapped, |m, n| (m as f64 * n) as i64),
    };
    let args = if swapped { vec![factor, span.clone()] } else { vec![span.clone(), factor] };
    Some(BoundScalar { arg_types: args, return_type: span.clone().with_nullable(nullable), kernel })
}

fn product<S, N>(
    swapped: bool,
    f: for<'a> fn(S::Value<'a>, N::Value<'a>) -> <S as crate::lane::Collect>::Owned,
) -> Arc<dyn Kernel>
where
    S: crate::lane::Collect + 'static,
    N: Lane + 'static,
{
    Closure::kernel(move |args: &[Datum], ctx: &EvalContext<'_>| {
        let (span, number) = if swapped { (&args[1], &args[0]) } else { (&args[0], &args[1]) };
        let (span, number) = (crate::lane::Reader::<S>::new(span), crate::lane::Reader::<N>::new(number));
        crate::lane::map_rows::<S>(args, ctx, |row| {
            Ok(span.get(row).zip(number.get(row)).map(|(span, number)| f(span, number)))
        })
    })
}

/// `time ± interval`; `swapped` when the interval comes first.
fn shift(
    time: &TypeKind,
    span: &TypeKind,
    sign: i64,
    swapped: bool,
    session: SessionInfo,
) -> Arc<dyn Kernel> {
    let months = *span == TypeKind::IntervalMonth;
    match time {
        TypeKind::Date if months => shifted::<Date32Type, Months>(time, swapped, move |day, months| {
            i32::try_from(add_months(day.into(), sign * i64::from(months))).ok()
        }),
        TypeKind::Date => shifted::<Date32Type, Millis>(time, swapped, move |day, ms| {
            // Flink drops the part of a day of the interval.
            i32::try_from(i64::from(day) + sign * (ms / DAY_MS)).ok()
        }),
        TypeKind::Time(_) if months => {
            shifted::<Time32MillisecondType, Months>(time, swapped, |time, _| Some(time))
        }
        TypeKind::Time(_) => shifted::<Time32MillisecondType, Millis>(time, swapped, move |time, ms| {
            i32::try_from((i64::from(time) + sign * (ms % DAY_MS)).rem_euclid(DAY_MS)).ok()
        }),
        TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) => {
            let zone = matches!(time, TypeKind::TimestampLtz(_)).then_some(session.zone);
            let units = units_per_ms(*p);
            match p {
                0..=3 => {
                    shift_timestamp::<TimestampMillisecondType>(time, months, sign, swapped, units, zone)
                }
                4..=6 => {
                    shift_timestamp::<TimestampMicrosecondType>(time, months, sign, swapped, units, zone)
                }
                _ => shift_wide_timestamp(time, months, sign, swapped, zone),
            }
        }
        _ => unreachable!("only dates and times are shifted"),
    }
}

fn shift_timestamp<T: ArrowPrimitiveType<Native = i64>>(
    kind: &TypeKind,
    months: bool,
    sign: i64,
    swapped: bool,
    units: i64,
    zone: Option<chrono_tz::Tz>,
) -> Arc<dyn Kernel> {
    if !months {
        return shifted::<T, Millis>(kind, swapped, move |time, ms| {
            Some(time.wrapping_add(sign.wrapping_mul(ms).wrapping_mul(units)))
        });
    }
    shifted::<T, Months>(kind, swapped, move |time, months| {
        let (ms, rest) = (time.div_euclid(units), time.rem_euclid(units));
        Some(ms_add_months(ms, sign * i64::from(months), zone).wrapping_mul(units).wrapping_add(rest))
    })
}

/// The same for timestamps of more than six digits.
fn shift_wide_timestamp(
    kind: &TypeKind,
    months: bool,
    sign: i64,
    swapped: bool,
    zone: Option<chrono_tz::Tz>,
) -> Arc<dyn Kernel> {
    if !months {
        return shifted::<Decimal128Type, Millis>(kind, swapped, move |time, ms| {
            Some(time + i128::from(sign) * i128::from(ms) * NANOS_PER_MS)
        });
    }
    shifted::<Decimal128Type, Months>(kind, swapped, move |time, months| {
        let (ms, rest) = (time.div_euclid(NANOS_PER_MS), time.rem_euclid(NANOS_PER_MS));
        let ms = ms_add_months(ms as i64, sign * i64::from(months), zone);
        Some(i128::from(ms) * NANOS_PER_MS + rest)
    })
}

/// Milliseconds so many months later on the calendar of a zone.
fn ms_add_months(ms: i64, months: i64, zone: Option<chrono_tz::Tz>) -> i64 {
    match zone {
        None => timestamp_add_months(ms, months, 1),
        Some(zone) => {
            let local = timestamp_add_months(zone::local_from_utc_ms(zone, ms), months, 1);
            zone::utc_from_local_ms(zone, local)
        }
    }
}

fn shifted<T, S>(
    kind: &TypeKind,
    swapped: bool,
    f: impl for<'a> Fn(T::Native, S::Value<'a>) -> Option<T::Native> + Copy + Send + Sync + 'static,
) -> Arc<dyn Kernel>
where
    T: ArrowPrimitiveType,
    S: Lane + 'static,
{
    Closure::total(kind, move |args: &[Datum], ctx: &EvalContext<'_>| {
        if swapped {
            map2::<S, Num<T>, Num<T>>(args, ctx, |span, time| Ok(f(time, span)))
        } else {
            map2::<Num<T>, S, Num<T>>(args, ctx, |time, span| Ok(f(time, span)))
        }
    })
}

/// A day so many months later, clamped to the end of the month.
pub fn add_months(day: i64, months: i64) -> i64 {
    let (year, month, day_of_month) = civil_from_days(day);
    let total = year * 12 + i64::from(month) - 1 + months;
    let (year, month) = (total.div_euclid(12), total.rem_euclid(12) as u32 + 1);
    days_from_civil(year, month, day_of_month.min(days_in_month(year, month)))
}

/// A wall-clock time so many months later, in units of which `units` make a millisecond.
pub fn timestamp_add_months(time: i64, months: i64, units: i64) -> i64 {
    let day = DAY_MS * units;
    add_months(time.div_euclid(day), months).wrapping_mul(day).wrapping_add(time.rem_euclid(day))
}

/// `a - b` as an interval.
struct Difference {
    months: bool,
}

impl ScalarFunction for Difference {
    fn bind(&self, call: &BindCall<'_>) -> Result<BoundScalar> {
        let forms = ["(a date or time, a date or time)".to_owned()];
        let refuse = || wrong_arguments("the difference of times", &forms, call);
        let [left, right] = call.args else { return Err(refuse()) };
        let common = crate::types::common_type(&[left.data_type.clone(), right.data_type.clone()])
            .filter(|common| common.kind.is_datetime())
            .filter(|_| {
                std::mem::discriminant(&left.data_type.kind) == std::mem::discriminant(&right.data_type.kind)
            })
            .ok_or_else(refuse)?;
        let wanted = |nullable: bool| {
            let kind = match &common.kind {
                TypeKind::TimestampLtz(_) => TypeKind::TimestampLtz(3),
                TypeKind::Time(p) => TypeKind::Time(*p),
                _ => TypeKind::Timestamp(3),
            };
            DataType { kind, nullable }
        };
        let kind = if self.months { TypeKind::IntervalMonth } else { TypeKind::IntervalDay };
        let kernel: Arc<dyn Kernel> = match (&common.kind, self.months) {
            (TypeKind::Time(_), true) => return Err(refuse()),
            (TypeKind::Time(_), false) => {
                difference::<Time32MillisecondType, DurationMillisecondType>(&kind, |a, b| {
                    i64::from(a) - i64::from(b)
                })
            }
            (_, false) => difference::<TimestampMillisecondType, DurationMillisecondType>(&kind, |a, b| {
                a.wrapping_sub(b)
            }),
            (_, true) => difference::<TimestampMillisecondType, IntervalYearMonthType>(&kind, months_between),
        };
        Ok(BoundScalar {
            arg_types: vec![wanted(left.data_type.nullable), wanted(right.data_type.nullable)],
            return_type: DataType { kind, nullable: common.nullable },
            kernel,
        })
    }
}

fn difference<T: ArrowPrimitiveType, O: ArrowPrimitiveType>(
    kind: &TypeKind,
    f: fn(T::Native, T::Native) -> O::Native,
) -> Arc<dyn Kernel> {
    Closure::total(kind, move |args: &[Datum], ctx: &EvalContext<'_>| {
        map2::<Num<T>, Num<T>, Num<O>>(args, ctx, |a, b| Ok(Some(f(a, b))))
    })
}

/// Whole months from `from` to `to`, both in milliseconds.
///
/// Counted as Calcite's `subtractMonths` does: by days alone, and one less if those are whole months and the
/// time of day of `to` is the earlier one.
pub fn months_between(to: i64, from: i64) -> i32 {
    let (from_day, to_day) = (from.div_euclid(DAY_MS), to.div_euclid(DAY_MS));
    let months = months_between_days(to_day, from_day);
    let exact = add_months(from_day, months) == to_day;
    let short = exact && to.rem_euclid(DAY_MS) < from.rem_euclid(DAY_MS);
    (months - i64::from(short)) as i32
}

fn months_between_days(to: i64, from: i64) -> i64 {
    if to < from {
        return -months_between_days(from, to);
    }
    // No month is longer than 31 days, so this is never too much.
    let mut months = (to - from) / 31;
    while add_months(from, months) < to && add_months(from, months + 1) <= to {
        months += 1;
    }
    months
}
