//! Which rows of a partition belong to the frame of each row.
//!
//! Invariant: from row to row neither edge of a frame moves up.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType as Arrow, TimeUnit};
use std::cmp::Ordering;
use std::ops::Range;
use tidemill_plan::over::{OverFrame, OverPlan};
use tidemill_types::{Error, Result};

const DAY_MS: i64 = 86_400_000;

/// The frames of a partition.
pub(super) struct Frames<'a> {
    frame: OverFrame,
    peers: &'a [Range<usize>],
    /// What distances are measured by; only for RANGE with a distance.
    values: Measures,
}

/// The values that rows are ordered by, ascending: negated if they descend.
enum Measures {
    /// Whole numbers, decimals in units of this scale, ms of times.
    Whole(Vec<Option<i128>>, u8),
    /// Floating point numbers.
    Float(Vec<Option<f64>>),
}

impl<'a> Frames<'a> {
    /// The frames over the decoded rows of a partition.
    pub(super) fn new(plan: &OverPlan, columns: &[ArrayRef], peers: &'a [Range<usize>]) -> Result<Self> {
        let frame = plan.frame;
        let measured = |edge: Option<i64>| edge.is_some_and(|distance| distance != 0);
        let values = match plan.order.as_slice() {
            [sort] if !frame.rows && (measured(frame.start) || measured(frame.end)) => {
                Measures::new(&columns[sort.column], sort.descending, frame.scale)?
            }
            _ => Measures::Whole(Vec::new(), 0),
        };
        Ok(Frames { frame, peers, values })
    }

    /// The frame of a row; empty if it starts behind its end.
    pub(super) fn of(&self, row: usize) -> Range<usize> {
        let rows = self.peers.len();
        let start = self.frame.start.map_or(0, |distance| self.edge(row, distance, true));
        let end = self.frame.end.map_or(rows, |distance| self.edge(row, distance, false));
        start..end
    }

    /// Where a frame starts, or where it has ended.
    fn edge(&self, row: usize, distance: i64, start: bool) -> usize {
        let rows = self.peers.len();
        if self.frame.rows {
            let at = (row as i64).saturating_add(distance) + i64::from(!start);
            return at.clamp(0, rows as i64) as usize;
        }
        let peers = &self.peers[row];
        let found = match &self.values {
            _ if distance == 0 => None,
            Measures::Whole(values, scale) => {
                let distance = scaled(i128::from(distance), scale - self.frame.scale);
                found(values, row, start, |value| value.saturating_add(distance), i128::cmp)
            }
            Measures::Float(values) => {
                let distance = distance as f64 / 10f64.powi(i32::from(self.frame.scale));
                found(values, row, start, |value| value + distance, f64::total_cmp)
            }
        };
        found.unwrap_or(if start { peers.start } else { peers.end })
    }
}

/// How many rows stand before the bound that is so far from the value of a row; nothing for NULL, which has peers
/// only. NULLs come first or last, and no bound lies among them.
fn found<T: Copy>(
    values: &[Option<T>],
    row: usize,
    start: bool,
    bound: impl Fn(T) -> T,
    order: impl Fn(&T, &T) -> Ordering,
) -> Option<usize> {
    let bound = bound(values.get(row).copied().flatten()?);
    let nulls = values.partition_point(|value| value.is_none() && values[0].is_none());
    let count = values[nulls..].partition_point(|known| match known {
        Some(known) if start => order(known, &bound).is_lt(),
        Some(known) => order(known, &bound).is_le(),
        None => false,
    });
    Some(nulls + count)
}

/// A number such that the total order is that of ORDER BY: one zero, NaN above all.
fn ordered(value: f64, descending: bool) -> f64 {
    let value = if value.is_nan() { f64::NAN } else { value };
    let value = if descending { -value } else { value };
    if value == 0.0 { 0.0 } else { value }
}

fn scaled(value: i128, digits: u8) -> i128 {
    value.saturating_mul(10i128.saturating_pow(u32::from(digits)))
}

impl Measures {
    /// The values of a column, in units of at least this scale.
    fn new(column: &ArrayRef, descending: bool, scale: u8) -> Result<Self> {
        let sign = if descending { -1 } else { 1 };
        macro_rules! whole {
            ($t:ty, $factor:expr, $scale:expr) => {{
                let units = Ord::max($scale, scale);
                let factor = scaled(sign * i128::from($factor), units - $scale);
                let values = column.as_primitive::<$t>().iter();
                Measures::Whole(
                    values.map(|v| v.map(|v| i128::from(v).saturating_mul(factor))).collect(),
                    units,
                )
            }};
        }
        macro_rules! float {
            ($t:ty) => {{
                let values = column.as_primitive::<$t>().iter();
                Measures::Float(values.map(|v| v.map(|v| ordered(v.into(), descending))).collect())
            }};
        }
        Ok(match column.data_type() {
            Arrow::Int8 => whole!(Int8Type, 1, 0),
            Arrow::Int16 => whole!(Int16Type, 1, 0),
            Arrow::Int32 => whole!(Int32Type, 1, 0),
            Arrow::Int64 => whole!(Int64Type, 1, 0),
            Arrow::Decimal128(_, digits) => whole!(Decimal128Type, 1, *digits as u8),
            Arrow::Float32 => float!(Float32Type),
            Arrow::Float64 => float!(Float64Type),
            Arrow::Date32 => whole!(Date32Type, DAY_MS, 0),
            Arrow::Time32(_) => whole!(Time32MillisecondType, 1, 0),
            Arrow::Timestamp(TimeUnit::Millisecond, _) => whole!(TimestampMillisecondType, 1, 0),
            other => {
                return Err(Error::user_hint(
                    format!("RANGE with a distance can't measure {other}"),
                    "order by a number, a date or a timestamp of at most 3 digits, or use ROWS",
                ));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Decimal128Array, Float64Array, Int64Array};
    use std::sync::Arc;
    use tidemill_plan::over::OverMode;
    use tidemill_plan::rank::SortColumn;

    fn frames(rows: bool, start: Option<i64>, end: Option<i64>, descending: bool) -> Vec<Range<usize>> {
        let mut values = vec![None, Some(1), Some(3), Some(3), Some(7)];
        if descending {
            values.reverse();
        }
        framed(OverFrame { rows, start, end, scale: 0 }, Arc::new(Int64Array::from(values)), descending)
    }

    fn framed(frame: OverFrame, values: ArrayRef, descending: bool) -> Vec<Range<usize>> {
        let plan = OverPlan {
            keys: Vec::new(),
            order: vec![SortColumn { column: 0, descending, nulls_first: !descending }],
            mode: OverMode::Batch,
            frame,
            calls: Vec::new(),
            ttl_ms: 0,
        };
        let peers = match descending {
            false => vec![0..1, 1..2, 2..4, 2..4, 4..5],
            true => vec![0..1, 1..3, 1..3, 3..4, 4..5],
        };
        let frames = Frames::new(&plan, &[values], &peers).unwrap();
        (0..5).map(|row| frames.of(row)).collect()
    }

    #[test]
    fn rows_are_counted() {
        assert_eq!(frames(true, Some(-1), Some(1), false), [0..2, 0..3, 1..4, 2..5, 3..5]);
        assert_eq!(frames(true, None, Some(-1), false), [0..0, 0..1, 0..2, 0..3, 0..4]);
        assert_eq!(frames(true, Some(1), None, false), [1..5, 2..5, 3..5, 4..5, 5..5]);
    }

    #[test]
    fn ranges_are_measured_and_nulls_are_only_peers() {
        assert_eq!(frames(false, Some(-2), Some(0), false), [0..1, 1..2, 1..4, 1..4, 4..5]);
        assert_eq!(frames(false, Some(-2), Some(4), false), [0..1, 1..4, 1..5, 1..5, 4..5]);
        assert_eq!(frames(false, None, Some(0), false), [0..1, 0..2, 0..4, 0..4, 0..5]);
        // Descending: 7, 3, 3, 1, NULL.
        assert_eq!(frames(false, Some(-4), Some(0), true), [0..1, 0..3, 0..3, 1..4, 4..5]);
    }

    #[test]
    fn decimals_and_floating_point_numbers_are_measured() {
        let half = |start, end| OverFrame { rows: false, start: Some(start), end: Some(end), scale: 1 };
        let decimals = Decimal128Array::from(vec![None, Some(100), Some(150), Some(150), Some(201)]);
        let decimals: ArrayRef = Arc::new(decimals.with_precision_and_scale(10, 2).unwrap());
        assert_eq!(framed(half(-5, 0), decimals.clone(), false), [0..1, 1..2, 1..4, 1..4, 4..5]);
        assert_eq!(framed(half(-5, 6), decimals, false), [0..1, 1..4, 1..5, 1..5, 4..5]);
        let floats = vec![Some(f64::NAN), Some(2.0), Some(2.0), Some(1.5), Some(-0.0)];
        let floats: ArrayRef = Arc::new(Float64Array::from(floats));
        assert_eq!(framed(half(-5, 5), floats, true), [0..1, 1..4, 1..4, 1..4, 4..5]);
    }
}
