//! Sort by event time: rows wait until the watermark passes them and go out in order.
//!
//! State: the rows that the watermark has not passed. Rows that it has passed when they come are late.

use crate::build::JobInfo;
use crate::keys::Keys;
use crate::stored_rows::{SortKeys, StoredChanges, whole_rows};
use crate::window::time_values;
use crate::{Operator, OperatorContext, Output};
use tidemill_plan::rank::TimeSortPlan;
use tidemill_state::{OrderedTable, SharedValue, StateTable};
use tidemill_types::{Chunk, Result, RowKind, Schema, WATERMARK_NONE};

/// The running sort.
pub struct TimeSort {
    plan: TimeSortPlan,
    input: Schema,
    codec: Keys,
    order: SortKeys,
    /// Sort key: time, order, arrival.
    table: OrderedTable,
    arrivals: SharedValue,
    reached: SharedValue,
    changes: StoredChanges,
}

impl TimeSort {
    /// The operator of a plan node.
    pub fn new(plan: &TimeSortPlan, input: &Schema, job: &JobInfo) -> Self {
        TimeSort {
            codec: whole_rows(input),
            order: SortKeys::new(&plan.order),
            table: OrderedTable::new(job.key_groups),
            arrivals: SharedValue::new(0),
            reached: SharedValue::new(WATERMARK_NONE),
            changes: StoredChanges::new(true),
            plan: plan.clone(),
            input: input.clone(),
        }
    }

    fn advance(&mut self, watermark: i64) {
        let end = ordered(watermark.saturating_add(1));
        for (_, row) in self.table.take_below(&[], &end) {
            self.changes.push(RowKind::Insert, &row, 0);
        }
        self.changes.mark(watermark);
    }

    fn on_rows(&mut self, chunk: &Chunk, mut watermark: i64, out: &mut Output) -> Result<()> {
        self.codec.encode(chunk);
        self.order.encode(chunk, &self.input);
        let mut late = Vec::new();
        let mut marks = chunk.marks.iter().peekable();
        for (row, &time) in time_values(chunk, self.plan.time_column)?.iter().enumerate() {
            while let Some(mark) = marks.next_if(|mark| mark.row as usize <= row) {
                watermark = watermark.max(mark.watermark);
                self.advance(mark.watermark);
            }
            if time <= watermark {
                late.push(row as u32);
                continue;
            }
            let mut sort_key = ordered(time).to_vec();
            self.order.write(row, &mut sort_key);
            self.arrivals.raise(self.arrivals.get() + 1);
            sort_key.extend(self.arrivals.get().to_be_bytes());
            self.table.insert(&[], &sort_key, self.codec.encoded.key(row));
        }
        out.rows.absorbed += (chunk.rows - late.len()) as u64;
        out.late(chunk, &late);
        Ok(())
    }
}

/// A time as bytes in the order of time.
fn ordered(time: i64) -> [u8; 8] {
    (time ^ i64::MIN).to_be_bytes()
}

impl Operator for TimeSort {
    fn on_chunk(
        &mut self,
        _port: usize,
        chunk: Chunk,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        if chunk.rows > 0 {
            self.on_rows(&chunk, self.reached.get().max(ctx.watermark), out)?;
        }
        for mark in chunk.marks.iter().filter(|mark| mark.row as usize >= chunk.rows) {
            self.advance(mark.watermark);
        }
        if let Some(mark) = chunk.marks.last() {
            self.reached.raise(mark);
        }
        self.changes.finish(&self.codec, false, &[], out);
        Ok(())
    }

    fn tables(&mut self) -> Vec<(&'static str, &mut dyn StateTable)> {
        vec![("rows", &mut self.table), ("arrivals", &mut self.arrivals), ("watermark", &mut self.reached)]
    }
}
