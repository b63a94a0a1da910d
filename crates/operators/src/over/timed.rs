//! OVER by event or processing time: each row comes out once, with what its frame held when its time came.
//!
//! Event time: 1. a row waits until the watermark passes its time; 2. the waiting rows of a key with one time
//! come out together; 3. rows that left the frame are taken back from the aggregates, the new ones are added,
//! and each row gets the result: after all of its time with RANGE, after itself with ROWS.
//! Processing time is the same with the clock; only RANGE with a distance waits, until its millisecond is over.
//!
//! Late rows, as in Flink: with an unbounded frame those that the watermark has passed; with a bounded one those
//! that are no later than what last came out of their own key, and before 1970 all. RANGE with a distance
//! forgets a key once its last row is between one and one and a half distances old, and with it what came out
//! last.
//!
//! State: the rows that wait and, for bounded frames, those of the frame; one cell row per key with the
//! aggregates, the last time and when the key is forgotten; watermarked times at which keys are forgotten.
//! With a time to live, idle keys are forgotten that long, or half as long again, after their last use, as
//! Flink's clean-up timers do it.
//! Invariant: a result never depends on how rows were cut into chunks; cells change only when a chunk is done,
//! in the order of the steps.

use super::calls::{argument_columns, running};
use super::progress::{Layout, Progress};
use crate::aggregates::Aggregates;
use crate::build::JobInfo;
use crate::keys::Keys;
use crate::window::time_values;
use crate::{Operator, OperatorContext, Output};
use tidemill_plan::over::{OverMode, OverPlan};
use tidemill_state::{FrameTable, SharedValue, StateTable, Timers};
use tidemill_types::{CellKind, Cells, Chunk, Result, Schema, WATERMARK_NONE};

/// So many keys come to their time in one go.
const PASS_KEYS: usize = 4_096;

/// Which rows before a row are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frame {
    /// All; with or without the peers behind it.
    Unbounded { peers: bool },
    /// So many, with the row itself.
    Rows(usize),
    /// Those that are so much older at most.
    Range(i64),
}

/// The running operator.
pub(super) struct OverTime {
    frame: Frame,
    /// The time column; absent: processing time.
    rowtime: Option<usize>,
    keys: Keys,
    /// What the calls need of a row, and the rest of it.
    parts: [Keys; 2],
    layout: Layout,
    aggregates: Aggregates,
    table: FrameTable,
    forgets: Timers,
    reached: SharedValue,
    progress: Progress,
    ttl_ms: i64,
    next_sweep: i64,
    /// Keys that may hold nothing any more.
    idle: Vec<u32>,
    slots: Vec<u32>,
}

impl OverTime {
    /// The operator of a plan.
    pub(super) fn new(plan: &OverPlan, input: &Schema, job: &JobInfo) -> Result<Self> {
        let arguments = argument_columns(plan);
        let rest: Vec<usize> = (0..input.len()).filter(|column| !arguments.contains(column)).collect();
        let stored: Vec<usize> = arguments.iter().chain(&rest).copied().collect();
        let place = |column| stored.iter().position(|known| *known == column).expect("all are stored");
        let layout = Layout {
            types: stored.iter().map(|&column| input.fields[column].data_type.clone()).collect(),
            arguments: arguments.len(),
            places: (0..input.len()).map(place).collect(),
        };
        let aggregates = Aggregates::new(&running(plan, &arguments)?, false);
        let mut kinds = aggregates.kinds().to_vec();
        kinds.extend([CellKind::I64, CellKind::I64]);
        let frame = match (plan.frame.start, plan.frame.rows) {
            (None, rows) => Frame::Unbounded { peers: !rows },
            (Some(start), true) => Frame::Rows(start.unsigned_abs() as usize + 1),
            (Some(start), false) => Frame::Range(-start),
        };
        Ok(OverTime {
            frame,
            rowtime: (plan.mode == OverMode::Rowtime).then(|| plan.order[0].column),
            keys: Keys::new(&plan.keys, input),
            parts: [Keys::new(&arguments, input), Keys::new(&rest, input)],
            layout,
            table: FrameTable::new(&kinds, aggregates.sets(), job.key_groups),
            aggregates,
            forgets: Timers::new(job.key_groups),
            reached: SharedValue::new(WATERMARK_NONE),
            progress: Progress::default(),
            ttl_ms: if matches!(frame, Frame::Range(_)) { 0 } else { plan.ttl_ms },
            next_sweep: i64::MIN,
            idle: Vec::new(),
            slots: Vec::new(),
        })
    }

    /// The time that last came out of a key; 0: none.
    fn last(&mut self, slot: u32) -> &mut i64 {
        own_cell(&mut self.table, 2, slot)
    }

    /// When a key is forgotten, by event time or by the clock; 0: not known.
    fn forget_at(&mut self, slot: u32) -> &mut i64 {
        own_cell(&mut self.table, 1, slot)
    }

    fn on_rows(&mut self, chunk: &Chunk, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        self.sweep(ctx.now_ms);
        self.keys.encode(chunk);
        self.parts.iter_mut().for_each(|part| part.encode(chunk));
        let mut slots = std::mem::take(&mut self.slots);
        self.table.resolve(&self.keys.encoded, &self.keys.hashes, &mut slots);
        match self.rowtime {
            Some(column) => self.by_rowtime(chunk, time_values(chunk, column)?, &slots, ctx, out),
            None => self.by_proctime(chunk, &slots, ctx, out),
        }
        self.slots = slots;
        Ok(())
    }

    fn by_rowtime(
        &mut self,
        chunk: &Chunk,
        times: &[i64],
        slots: &[u32],
        ctx: &OperatorContext,
        out: &mut Output,
    ) {
        let mut watermark = self.reached.get().max(ctx.watermark);
        let mut late = Vec::new();
        let mut marks = chunk.marks.iter().peekable();
        for (row, (&time, &slot)) in times.iter().zip(slots).enumerate() {
            while let Some(mark) = marks.next_if(|mark| mark.row as usize <= row) {
                watermark = watermark.max(mark.watermark);
                self.advance(mark.watermark, ctx.now_ms);
            }
            self.touch(slot, ctx.now_ms);
            let passed = match self.frame {
                Frame::Unbounded { .. } => watermark,
                _ => *self.last(slot),
            };
            match time <= passed {
                true => {
                    late.push(row as u32);
                    self.idle.push(slot);
                }
                false => self.wait(row, time, slot),
            }
        }
        out.rows.absorbed += (chunk.rows - late.len()) as u64;
        out.late(chunk, &late);
    }

    fn by_proctime(&mut self, chunk: &Chunk, slots: &[u32], ctx: &OperatorContext, out: &mut Output) {
        let mut marks = chunk.marks.iter().peekable();
        for (row, &slot) in slots.iter().enumerate() {
            while let Some(mark) = marks.next_if(|mark| mark.row as usize <= row) {
                self.progress.mark(mark.watermark);
            }
            self.touch(slot, ctx.now_ms);
            match self.frame {
                Frame::Unbounded { .. } => {
                    let parts = row_parts(&self.parts, row);
                    self.progress.add(slot, parts);
                    self.progress.give(slot);
                    *self.last(slot) = ctx.now_ms;
                }
                Frame::Rows(kept) => {
                    self.table.push(slot, ctx.now_ms, row_parts(&self.parts, row));
                    self.give_by_rows(slot, kept, ctx.now_ms);
                }
                Frame::Range(_) => self.wait(row, ctx.now_ms, slot),
            }
        }
        out.rows.absorbed += chunk.rows as u64;
    }

    /// Puts a row among those that wait.
    fn wait(&mut self, row: usize, time: i64, slot: u32) {
        if self.table.push(slot, time, row_parts(&self.parts, row)) {
            self.table.set_due(slot, time);
        }
        let Frame::Range(distance) = self.frame else { return };
        let known = *self.forget_at(slot);
        if known == 0 || known < time.saturating_add(distance + 1) {
            let at = time.saturating_add(distance + distance / 2 + 1);
            self.forgets.set(at, self.keys.encoded.key(row));
            *self.forget_at(slot) = at;
        }
    }

    /// The watermark, or the clock, reaches a time: rows come out, keys are forgotten.
    fn pass(&mut self, until: i64, now_ms: i64) {
        while self.pass_some(until, now_ms) {}
    }

    /// The same for some keys; false: there are no more.
    fn pass_some(&mut self, until: i64, now_ms: i64) -> bool {
        // By the clock, rows come out when their millisecond is over.
        let delay = i64::from(self.rowtime.is_none());
        for _ in 0..PASS_KEYS {
            let rows = self.table.next_due().map(|time| time.saturating_add(delay));
            let keys = self.forgets.next();
            match (rows, keys) {
                (Some(time), keys) if time <= until && keys.is_none_or(|key| time <= key) => {
                    if let Some((time, slot)) = self.table.pop_due(time.saturating_sub(delay)) {
                        self.fire(time, slot, now_ms);
                    }
                }
                (_, Some(time)) if time <= until => {
                    if let Some((time, key)) = self.forgets.pop(until)
                        && let Some(slot) = self.table.lookup(&key)
                    {
                        self.fire(time - delay, slot, now_ms);
                    }
                }
                _ => return false,
            }
        }
        true
    }

    /// The same between chunks: what came out goes, and keys that were brought back may be moved out again.
    fn pass_by_parts(&mut self, until: i64, now_ms: i64, out: &mut Output) -> Result<()> {
        while self.pass_some(until, now_ms) {
            self.finish(out)?;
            self.table.tend()?;
            self.forgets.tend()?;
        }
        Ok(())
    }

    fn advance(&mut self, watermark: i64, now_ms: i64) {
        if self.rowtime.is_some() {
            self.pass(watermark, now_ms);
        }
        self.progress.mark(watermark);
    }

    /// A timer of a key: rows of this time come out, or the key is forgotten.
    fn fire(&mut self, time: i64, slot: u32, now_ms: i64) {
        match self.frame {
            Frame::Unbounded { .. } | Frame::Rows(_) if self.table.waiting(slot) != Some(time) => return,
            Frame::Unbounded { peers } => self.give_all(slot, time, peers),
            Frame::Rows(kept) => self.give_by_rows(slot, kept, time),
            Frame::Range(distance) => {
                let forget_at = *self.forget_at(slot);
                if forget_at != 0 && forget_at <= time + i64::from(self.rowtime.is_none()) {
                    return self.forget(slot);
                }
                if self.table.waiting(slot) == Some(time) {
                    self.give_by_range(slot, distance, time);
                }
            }
        }
        // With an unbounded frame it only tells that something came out.
        *self.last(slot) = if matches!(self.frame, Frame::Unbounded { .. }) { time | 1 } else { time };
        self.touch(slot, now_ms);
    }

    fn give_all(&mut self, slot: u32, time: i64, peers: bool) {
        let mut count = 0;
        while self.table.waiting(slot) == Some(time) {
            self.progress.add(slot, self.table.waiting_row(slot));
            self.table.drop_first(slot);
            match peers {
                true => count += 1,
                false => self.progress.give(slot),
            }
        }
        (0..count).for_each(|_| self.progress.give(slot));
    }

    fn give_by_rows(&mut self, slot: u32, kept: usize, time: i64) {
        while self.table.waiting(slot) == Some(time) {
            if self.table.held(slot) >= kept {
                self.progress.take(slot, self.table.oldest_row(slot));
                self.table.drop_first(slot);
            }
            self.progress.add(slot, self.table.waiting_row(slot));
            self.progress.give(slot);
            self.table.hold(slot);
        }
    }

    fn give_by_range(&mut self, slot: u32, distance: i64, time: i64) {
        while self.table.oldest(slot).is_some_and(|oldest| time - oldest > distance) {
            self.progress.take(slot, self.table.oldest_row(slot));
            self.table.drop_first(slot);
        }
        let mut count = 0;
        while self.table.waiting(slot) == Some(time) {
            self.progress.add(slot, self.table.waiting_row(slot));
            self.table.hold(slot);
            count += 1;
        }
        (0..count).for_each(|_| self.progress.give(slot));
    }

    fn forget(&mut self, slot: u32) {
        self.progress.clear(slot);
        self.table.drop_rows(slot);
        *self.last(slot) = 0;
        *self.forget_at(slot) = 0;
        self.idle.push(slot);
    }

    /// A key is used: it is forgotten if its time to live is over, and then lives on.
    fn touch(&mut self, slot: u32, now_ms: i64) {
        if self.ttl_ms == 0 {
            return;
        }
        // Flink gives the accumulators of an unbounded frame by the clock a plain time to live, all else timers.
        let plain = self.rowtime.is_none() && matches!(self.frame, Frame::Unbounded { .. });
        let longest = if plain { self.ttl_ms } else { self.ttl_ms + self.ttl_ms / 2 };
        let mut at = *self.forget_at(slot);
        while at != 0 && at <= now_ms {
            if self.table.waiting(slot).is_none() {
                self.forget(slot);
                at = 0;
            } else {
                at = at.saturating_add(longest);
            }
        }
        if at == 0 || plain || now_ms.saturating_add(self.ttl_ms) > at {
            at = now_ms.saturating_add(longest);
        }
        *self.forget_at(slot) = at;
    }

    /// Gives up keys whose time to live is over; needed only to get their memory back.
    fn sweep(&mut self, now_ms: i64) {
        if self.ttl_ms == 0 {
            return;
        }
        self.table.expire_moved_out(|values, slot| match values.cells.last() {
            Some(Cells::I64(times)) => (1..=now_ms).contains(&times[slot as usize]),
            _ => false,
        });
        if now_ms < self.next_sweep {
            return;
        }
        self.next_sweep = now_ms.saturating_add(self.ttl_ms / 2 + 1);
        let slots: Vec<u32> = self.table.slots().collect();
        for slot in slots {
            let at = *self.forget_at(slot);
            if at != 0 && at <= now_ms && self.table.waiting(slot).is_none() {
                self.forget(slot);
            }
        }
    }

    /// Does what was gathered; then keys that hold nothing are given up.
    fn finish(&mut self, out: &mut Output) -> Result<()> {
        self.progress.finish(&self.layout, &mut self.aggregates, &mut self.table.values, out)?;
        let mut idle = std::mem::take(&mut self.idle);
        idle.sort_unstable();
        idle.dedup();
        for slot in idle {
            let empty = self.table.waiting(slot).is_none() && self.table.held(slot) == 0;
            if empty && *self.last(slot) == 0 {
                *self.forget_at(slot) = 0;
                self.table.remove(slot);
            }
        }
        Ok(())
    }
}

fn own_cell(table: &mut FrameTable, from_the_end: usize, slot: u32) -> &mut i64 {
    let cells = &mut table.values.cells;
    let at = cells.len() - from_the_end;
    match &mut cells[at] {
        Cells::I64(values) => &mut values[slot as usize],
        _ => unreachable!("the last two cells are times"),
    }
}

fn row_parts(parts: &[Keys; 2], row: usize) -> [&[u8]; 2] {
    [parts[0].encoded.key(row), parts[1].encoded.key(row)]
}

impl Operator for OverTime {
    fn on_chunk(
        &mut self,
        _port: usize,
        chunk: Chunk,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        if chunk.rows > 0 {
            self.on_rows(&chunk, ctx, out)?;
        }
        for mark in chunk.marks.iter().filter(|mark| mark.row as usize >= chunk.rows) {
            if self.rowtime.is_some() {
                self.pass_by_parts(mark.watermark, ctx.now_ms, out)?;
            }
            self.progress.mark(mark.watermark);
        }
        if let Some(mark) = chunk.marks.last() {
            self.reached.raise(mark);
        }
        self.finish(out)
    }

    fn on_time(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        if self.rowtime.is_none() {
            self.pass_by_parts(ctx.now_ms, ctx.now_ms, out)?;
        }
        self.finish(out)
    }

    fn next_time(&self) -> Option<i64> {
        if self.rowtime.is_some() {
            return None;
        }
        let rows = self.table.due_bound().map(|time| time.saturating_add(1));
        [rows, self.forgets.next()].into_iter().flatten().min()
    }

    fn tables(&mut self) -> Vec<(&'static str, &mut dyn StateTable)> {
        vec![("rows", &mut self.table), ("forgets", &mut self.forgets), ("watermark", &mut self.reached)]
    }
}
