//! Window join: pairs of rows of the same window, given once when the window ends.
//!
//! The window's start and end are part of the key, so a key belongs to one window; it is due when that ends.
//! Then all its rows of both sides meet, rows of outer, semi and anti joins come out as they matched, and the
//! key is forgotten.
//!
//! State: both sides' rows until the watermark (or the clock) passes their window's end. Rows of windows that
//! have ended are late. Input is inserts only.

mod meeting;

use crate::build::JobInfo;
use crate::join_rows::{JoinInput, PAIRS, Residual};
use crate::wall_clock::WallClock;
use crate::window::{Emission, time_values};
use crate::{Operator, OperatorContext, Output};
use meeting::Meeting;
use tidemill_plan::{JoinKind, WindowJoinPlan};
use tidemill_state::{SharedValue, StateTable, TimedTable};
use tidemill_types::{Chunk, Result, Schema, TimeAttribute, WATERMARK_NONE};

/// The tag of a row whose key may match, and of one whose key may not.
const MATCHABLE: u8 = 0;
const UNMATCHABLE: u8 = 1;

/// The running join.
pub struct WindowJoin {
    kind: JoinKind,
    proctime: bool,
    residual: Option<Residual>,
    sides: [Side; 2],
    clock: WallClock,
    reached: SharedValue,
}

/// One side.
struct Side {
    input: JoinInput,
    end_column: usize,
    table: TimedTable,
}

impl WindowJoin {
    /// The operator of a plan node.
    pub fn new(plan: &WindowJoinPlan, left: &Schema, right: &Schema, job: &JobInfo) -> Self {
        let side = |port: usize, schema: &Schema, end_column| Side {
            input: JoinInput::new(&plan.on, port, schema),
            end_column,
            table: TimedTable::new(job.key_groups),
        };
        WindowJoin {
            kind: plan.on.kind,
            proctime: plan.time == TimeAttribute::Proctime,
            residual: Residual::of(&plan.on, left.len()),
            sides: [side(0, left, plan.left_end), side(1, right, plan.right_end)],
            clock: WallClock::new(plan.zone),
            reached: SharedValue::new(WATERMARK_NONE),
        }
    }

    /// Whether a row of this side that can match nothing comes out or not: it need not be kept if not.
    fn keeps_unmatchable(&self, port: usize) -> bool {
        self.kind.keeps(port == 0) || (self.kind == JoinKind::Anti && port == 0)
    }

    fn on_rows(
        &mut self,
        port: usize,
        chunk: &Chunk,
        mut watermark: i64,
        ctx: &OperatorContext,
        out: &mut Output,
        emission: &mut Emission,
    ) -> Result<()> {
        self.sides[port].input.encode(chunk);
        let ends = time_values(chunk, self.sides[port].end_column)?;
        let mut late = Vec::new();
        let mut marks = chunk.marks.iter().peekable();
        for (row, &end) in ends.iter().enumerate() {
            while let Some(mark) = marks.next_if(|mark| mark.row as usize <= row) {
                watermark = self.on_mark(watermark, mark.watermark, ctx, out, emission)?;
            }
            match self.clock.fires_at(end) {
                fires if fires <= watermark => late.push(row as u32),
                fires => self.keep(port, row, end, fires),
            }
        }
        out.rows.absorbed += (chunk.rows - late.len()) as u64;
        out.late(chunk, &late);
        Ok(())
    }

    fn keep(&mut self, port: usize, row: usize, end: i64, fires: i64) {
        let can_match = self.sides[port].input.can_match(row);
        if !can_match && !self.keeps_unmatchable(port) {
            return;
        }
        let side = &mut self.sides[port];
        let (hash, key) = side.input.key(row);
        let key = side.table.resolve(hash, key);
        let tag = if can_match { MATCHABLE } else { UNMATCHABLE };
        side.table.insert(key, end, tag, side.input.row(row));
        if side.table.due(key).is_none() {
            side.table.set_due(key, fires);
        }
    }

    /// The watermark of the rows behind a mark.
    fn on_mark(
        &mut self,
        watermark: i64,
        mark: i64,
        ctx: &OperatorContext,
        out: &mut Output,
        emission: &mut Emission,
    ) -> Result<i64> {
        let watermark = if self.proctime { watermark } else { watermark.max(mark) };
        if !self.proctime {
            self.fire_until(watermark, ctx, out, emission)?;
        }
        emission.mark(mark);
        Ok(watermark)
    }

    /// Ends the windows that fire at or before a time.
    fn fire_until(
        &mut self,
        until: i64,
        ctx: &OperatorContext,
        out: &mut Output,
        emission: &mut Emission,
    ) -> Result<()> {
        let mut meeting = Meeting::default();
        while let Some([left, right]) = self.due_keys(until) {
            meeting.add(left, right, &self.sides);
            if meeting.rows() >= PAIRS {
                self.meet(std::mem::take(&mut meeting), ctx, out, emission)?;
                self.sides.iter_mut().try_for_each(|side| side.table.tend())?;
            }
        }
        self.meet(meeting, ctx, out, emission)
    }

    /// The numbers that the next due key has in the tables.
    fn due_keys(&mut self, until: i64) -> Option<[Option<u32>; 2]> {
        for port in 0..2 {
            let Some((_, key)) = self.sides[port].table.pop_due(until) else { continue };
            let own = &self.sides[port].table;
            let (hash, bytes) = (own.key_hash(key), own.key(key).to_vec());
            let other = &mut self.sides[1 - port].table;
            let found = other.find(hash, &bytes);
            if let Some(found) = found {
                other.unset_due(found);
            }
            return Some(if port == 0 { [Some(key), found] } else { [found, Some(key)] });
        }
        None
    }
}

impl Operator for WindowJoin {
    fn on_chunk(&mut self, port: usize, chunk: Chunk, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        let mut emission = Emission::default();
        let mut before = if self.proctime { ctx.now_ms - 1 } else { self.reached.get().max(ctx.watermark) };
        if self.proctime {
            self.fire_until(before, ctx, out, &mut emission)?;
        }
        if chunk.rows > 0 {
            self.on_rows(port, &chunk, before, ctx, out, &mut emission)?;
        }
        for mark in chunk.marks.iter().filter(|mark| mark.row as usize >= chunk.rows) {
            before = self.on_mark(before, mark.watermark, ctx, out, &mut emission)?;
        }
        if let Some(mark) = chunk.marks.last() {
            self.reached.raise(mark);
        }
        emission.flush(out);
        Ok(())
    }

    fn on_time(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        let mut emission = Emission::default();
        if self.proctime {
            self.fire_until(ctx.now_ms - 1, ctx, out, &mut emission)?;
        }
        emission.flush(out);
        Ok(())
    }

    fn next_time(&self) -> Option<i64> {
        let next = self.sides.iter().filter_map(|side| side.table.next_due()).min();
        next.filter(|_| self.proctime).map(|due| due.saturating_add(1))
    }

    fn tables(&mut self) -> Vec<(&'static str, &mut dyn StateTable)> {
        let [left, right] = &mut self.sides;
        vec![("left", &mut left.table), ("right", &mut right.table), ("watermark", &mut self.reached)]
    }
}
