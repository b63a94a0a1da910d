//! Which rows of a partition belong to the frame of each row.
//!
//! Invariant: from row to row neither edge of a frame moves up.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType as Arrow, TimeUnit};
use std::ops::Range;
use tidemill_plan::over::{OverFrame, OverPlan};
use tidemill_types::{Error, Result};

const DAY_MS: i64 = 86_400_000;

/// The frames of a partition.
pub(super) struct Frames<'a> {
    frame: OverFrame,
    peers: &'a [Range<usize>],
    /// What distances are measured by, ascending; only for RANGE with a distance.
    values: Vec<Option<i64>>,
}

impl<'a> Frames<'a> {
    /// The frames over the decoded rows of a partition.
    pub(super) fn new(plan: &OverPlan, columns: &[ArrayRef], peers: &'a [Range<usize>]) -> Result<Self> {
        let frame = plan.frame;
        let measured = |edge: Option<i64>| edge.is_some_and(|distance| distance != 0);
        let values = match plan.order.as_slice() {
            [sort] if !frame.rows && (measured(frame.start) || measured(frame.end)) => {
                measures(&columns[sort.column], sort.descending)?
            }
            _ => Vec::new(),
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
        let Some(value) = self.values.get(row).copied().flatten().filter(|_| distance != 0) else {
            return if start { peers.start } else { peers.end };
        };
        let bound = value.saturating_add(distance);
        let nulls = self.values.iter().take_while(|value| value.is_none()).count();
        let count = self.values[nulls..].partition_point(|known| match known {
            Some(known) if start => *known < bound,
            Some(known) => *known <= bound,
            None => false,
        });
        nulls + count
    }
}

/// The values that rows are ordered by as whole numbers, ms for times; negated if they descend.
fn measures(column: &ArrayRef, descending: bool) -> Result<Vec<Option<i64>>> {
    macro_rules! lane {
        ($t:ty, $factor:expr) => {
            column.as_primitive::<$t>().iter().map(|v| v.map(|v| i64::from(v) * $factor)).collect::<Vec<_>>()
        };
    }
    let mut values = match column.data_type() {
        Arrow::Int8 => lane!(Int8Type, 1),
        Arrow::Int16 => lane!(Int16Type, 1),
        Arrow::Int32 => lane!(Int32Type, 1),
        Arrow::Int64 => lane!(Int64Type, 1),
        Arrow::Date32 => lane!(Date32Type, DAY_MS),
        Arrow::Time32(_) => lane!(Time32MillisecondType, 1),
        Arrow::Timestamp(TimeUnit::Millisecond, _) => lane!(TimestampMillisecondType, 1),
        other => {
            return Err(Error::user_hint(
                format!("RANGE with a distance can't measure {other}"),
                "order by a whole number, a date or a timestamp of at most 3 digits, or use ROWS",
            ));
        }
    };
    if descending {
        values.iter_mut().flatten().for_each(|value| *value = -*value);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Int64Array;
    use std::sync::Arc;
    use tidemill_plan::over::OverMode;
    use tidemill_plan::rank::SortColumn;

    fn frames(rows: bool, start: Option<i64>, end: Option<i64>, descending: bool) -> Vec<Range<usize>> {
        let plan = OverPlan {
            keys: Vec::new(),
            order: vec![SortColumn { column: 0, descending, nulls_first: !descending }],
            mode: OverMode::Batch,
            frame: OverFrame { rows, start, end },
            calls: Vec::new(),
            ttl_ms: 0,
        };
        let mut values = vec![None, Some(1), Some(3), Some(3), Some(7)];
        let mut peers = vec![0..1, 1..2, 2..4, 2..4, 4..5];
        if descending {
            values.reverse();
            peers = vec![0..1, 1..3, 1..3, 3..4, 4..5];
        }
        let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(values))];
        let frames = Frames::new(&plan, &columns, &peers).unwrap();
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
}
