//! Interval join: pairs of rows whose times lie within bounds of each other.
//!
//! Times are those of the rows (event time) or of their arrival (processing time). For a left row of time `t`
//! the right times of a pair lie in `[t - upper, t - lower]`; for a right row the left times in
//! `[t + lower, t + upper]`. For each row of a chunk, with the operator's time (watermark or clock) before it:
//!
//! 1. Rows of the other side with the same key are looked at in the order of their times: those inside the
//!    bounds are candidates, those that have expired leave, padded if their side is outer and nothing matched
//!    them. If all that could match has expired, the row looks at none.
//! 2. The row is kept if rows that are still to come may match it; else, if it is of an outer side and matched
//!    nothing, it comes out padded at once.
//! 3. A mark (or the clock) makes keys due: their expired rows leave as in 1.
//!
//! The steps run over a whole chunk first; then the residual condition is evaluated over all candidates at
//! once, and the results are put in order with the marks between them.
//!
//! State: each side's rows until the operator's time passes the last time of a row that may match, and then up
//! to half the width of the bounds longer, since a key is cleaned only so often. Nothing is late: a row that
//! comes too late meets what is still kept. What comes out may lie behind the watermark by the larger bound,
//! so the watermark of the output is that much lower.
//! Source of the rules: Flink's `TimeIntervalJoin`. Deliberately not here: its record of how far each side was
//! cleaned, which depends on rows of other keys in the same task; the operator's time takes its place.

mod results;
mod steps;

use crate::build::JobInfo;
use crate::join_rows::{JoinInput, PAIRS, Residual};
use crate::touched::Touched;
use crate::window::time_values;
use crate::{Operator, OperatorContext, Output};
use steps::Steps;
use tidemill_plan::{IntervalJoinPlan, JoinKind};
use tidemill_state::{SharedValue, StateTable, TimedTable};
use tidemill_types::{Chunk, Result, Schema, TimeAttribute, WATERMARK_MAX, WATERMARK_NONE};

/// So many keys of a side are cleaned in one go.
const FIRE_KEYS: usize = 4_096;

/// The tag of a row that nothing has matched yet, and of one that something has.
const UNMATCHED: u8 = 0;
const MATCHED: u8 = 1;

/// The running join.
pub struct IntervalJoin {
    kind: JoinKind,
    proctime: bool,
    residual: Option<Residual>,
    sides: [Side; 2],
    clean_up_ms: i64,
    /// How far the watermark of the output lies behind.
    delay_ms: i64,
    reached: SharedValue,
    touched: Touched,
    own_touched: Touched,
}

/// One side.
struct Side {
    input: JoinInput,
    time_column: usize,
    /// How long a row may wait for a match.
    wait_ms: i64,
    outer: bool,
    table: TimedTable,
}

impl IntervalJoin {
    /// The operator of a plan node.
    pub fn new(plan: &IntervalJoinPlan, left: &Schema, right: &Schema, job: &JobInfo) -> Self {
        let (lower, upper) = (plan.lower_ms, plan.upper_ms);
        let side = |port: usize, schema: &Schema, time_column, wait_ms| Side {
            input: JoinInput::new(&plan.on, port, schema),
            time_column,
            wait_ms,
            outer: plan.on.kind.keeps(port == 0),
            table: TimedTable::new(job.key_groups),
        };
        let proctime = plan.time == TimeAttribute::Proctime;
        let empty = upper < lower;
        IntervalJoin {
            kind: plan.on.kind,
            proctime,
            residual: Residual::of(&plan.on, left.len()),
            sides: [side(0, left, plan.left_time, -lower), side(1, right, plan.right_time, upper)],
            clean_up_ms: plan.clean_up_ms(),
            delay_ms: if proctime || empty { 0 } else { upper.max(-lower) },
            reached: SharedValue::new(WATERMARK_NONE),
            touched: Touched::default(),
            own_touched: Touched::default(),
        }
    }

    /// Whether no two rows can match.
    fn empty(&self) -> bool {
        self.sides[0].wait_ms.saturating_add(self.sides[1].wait_ms) < 0
    }

    /// The time of the operator: no watermark counts as 0.
    fn operator_time(&self, ctx: &OperatorContext) -> i64 {
        if self.proctime { ctx.now_ms } else { self.reached.get().max(ctx.watermark).max(0) }
    }

    fn on_rows(&mut self, port: usize, chunk: &Chunk, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        let times: &[i64] = match self.proctime {
            true => &[],
            false => time_values(chunk, self.sides[port].time_column)?,
        };
        let mut steps = Steps::default();
        let mut now = self.operator_time(ctx);
        self.sides[port].input.encode(chunk);
        let given = (port, Some(chunk));
        if self.proctime {
            self.fire(now, &mut steps, given, ctx, out)?;
        }
        let mut marks = chunk.marks.iter().peekable();
        for row in 0..chunk.rows {
            while let Some(mark) = marks.next_if(|mark| mark.row as usize <= row) {
                now = self.on_mark(now, mark.watermark, &mut steps, given, ctx, out)?;
            }
            let time = times.get(row).copied().unwrap_or(now);
            self.on_row(port, row as u32, time, now, &mut steps);
            if steps.ids.len() >= PAIRS {
                self.finish(port, Some(chunk), std::mem::take(&mut steps), ctx, out)?;
            }
        }
        for mark in marks {
            now = self.on_mark(now, mark.watermark, &mut steps, given, ctx, out)?;
        }
        out.rows.absorbed += chunk.rows as u64;
        self.finish(port, Some(chunk), steps, ctx, out)
    }

    /// The watermark rises; gives the operator's time after that.
    fn on_mark(
        &mut self,
        now: i64,
        watermark: i64,
        steps: &mut Steps,
        given: (usize, Option<&Chunk>),
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<i64> {
        let now = if self.proctime { now } else { now.max(watermark) };
        if !self.proctime {
            self.fire(now, steps, given, ctx, out)?;
        }
        steps.mark(self.delayed(watermark));
        Ok(now)
    }

    fn delayed(&self, watermark: i64) -> i64 {
        if watermark == WATERMARK_MAX { watermark } else { watermark.saturating_sub(self.delay_ms) }
    }

    /// Steps 1 and 2 for one row.
    fn on_row(&mut self, port: usize, row: u32, time: i64, now: i64, steps: &mut Steps) {
        let [left, right] = &mut self.sides;
        let (own, other) = if port == 0 { (left, right) } else { (right, left) };
        let (first, last) = (time.saturating_sub(other.wait_ms), time.saturating_add(own.wait_ms));
        let can_match = own.input.can_match(row as usize);
        let (hash, key) = own.input.key(row as usize);
        if !can_match && !own.outer && !other.outer {
            return;
        }
        steps.begin_row(row);
        if expired_until(now, other.wait_ms) < last
            && let Some(key) = other.table.find(hash, key)
        {
            let expired = expired_until(now, other.wait_ms);
            let mut next = other.table.first(key);
            while let Some(id) = next {
                next = other.table.next(id);
                let other_time = other.table.time(id);
                if can_match && other_time >= first && other_time <= last {
                    steps.pair(id);
                }
                if other_time <= expired {
                    other.table.unlink(key, id);
                    steps.leave(1 - port, id);
                } else if other_time > last {
                    break;
                }
            }
        }
        if now < last && (can_match || own.outer) {
            let key = own.table.resolve(hash, key);
            let id = own.table.insert(key, time, UNMATCHED, own.input.row(row as usize));
            if own.table.due(key).is_none() {
                own.table.set_due(key, due(time, own.wait_ms, self.clean_up_ms));
            }
            steps.end_row(Some(id));
        } else {
            steps.end_row(None);
        }
    }

    /// Step 3: cleans the keys that are due. After some of them what they gave goes out, and keys that were brought back
    /// may be moved out again.
    fn fire(
        &mut self,
        now: i64,
        steps: &mut Steps,
        (port, chunk): (usize, Option<&Chunk>),
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        while self.fire_some(now, steps) {
            self.finish(port, chunk, std::mem::take(steps), ctx, out)?;
            self.sides.iter_mut().try_for_each(|side| side.table.tend())?;
        }
        Ok(())
    }

    /// The same for some keys; false: there are no more.
    fn fire_some(&mut self, now: i64, steps: &mut Steps) -> bool {
        for (port, side) in self.sides.iter_mut().enumerate() {
            let expired = expired_until(now, side.wait_ms);
            for _ in 0..FIRE_KEYS {
                let Some((_, key)) = side.table.pop_due(now) else { break };
                while let Some(id) = side.table.first(key).filter(|&id| side.table.time(id) <= expired) {
                    side.table.unlink(key, id);
                    steps.leave(port, id);
                }
                match side.table.first(key) {
                    Some(id) => {
                        let time = side.table.time(id);
                        side.table.set_due(key, due(time, side.wait_ms, self.clean_up_ms));
                    }
                    None => {
                        side.table.release(key);
                    }
                }
            }
        }
        self.sides.iter().any(|side| side.table.next_due().is_some_and(|due| due <= now))
    }

    /// All rows of outer sides come out padded, since no two can match.
    fn pad_all(&mut self, port: usize, chunk: &Chunk, out: &mut Output) {
        let outer = self.sides[port].outer;
        let counter = if outer { &mut out.rows.forwarded } else { &mut out.rows.filtered };
        *counter += chunk.rows as u64;
        if !outer {
            out.emit(Chunk { marks: chunk.marks.filter(|_| false), ..Chunk::default() });
            return;
        }
        let nulls = self.sides[1 - port].input.nulls(chunk.rows);
        let own = chunk.columns.clone();
        let columns: Vec<_> = match port {
            0 => own.into_iter().chain(nulls).collect(),
            _ => nulls.into_iter().chain(own).collect(),
        };
        out.emit(Chunk { columns, rows: chunk.rows, kinds: None, marks: chunk.marks.clone() });
    }
}

/// The times up to which rows of a side have expired.
fn expired_until(now: i64, wait_ms: i64) -> i64 {
    if now == WATERMARK_MAX { WATERMARK_MAX } else { now.saturating_sub(wait_ms).saturating_sub(1) }
}

/// When a key whose first row has this time is to be cleaned.
fn due(time: i64, wait_ms: i64, clean_up_ms: i64) -> i64 {
    time.saturating_add(wait_ms).saturating_add(clean_up_ms).saturating_add(1)
}

impl Operator for IntervalJoin {
    fn on_chunk(&mut self, port: usize, chunk: Chunk, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        if self.empty() {
            self.pad_all(port, &chunk, out);
            return Ok(());
        }
        if chunk.rows > 0 {
            self.on_rows(port, &chunk, ctx, out)?;
        } else if !chunk.marks.is_empty() {
            let mut steps = Steps::default();
            let mut now = self.operator_time(ctx);
            for mark in chunk.marks.iter() {
                now = self.on_mark(now, mark.watermark, &mut steps, (port, None), ctx, out)?;
            }
            self.finish(port, None, steps, ctx, out)?;
        }
        if let Some(mark) = chunk.marks.last() {
            self.reached.raise(mark);
        }
        Ok(())
    }

    fn on_time(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        let mut steps = Steps::default();
        if self.proctime {
            self.fire(ctx.now_ms, &mut steps, (0, None), ctx, out)?;
        }
        self.finish(0, None, steps, ctx, out)
    }

    fn next_time(&self) -> Option<i64> {
        let next = self.sides.iter().filter_map(|side| side.table.next_due()).min();
        next.filter(|_| self.proctime)
    }

    fn tables(&mut self) -> Vec<(&'static str, &mut dyn StateTable)> {
        let [left, right] = &mut self.sides;
        vec![("left", &mut left.table), ("right", &mut right.table), ("watermark", &mut self.reached)]
    }
}
