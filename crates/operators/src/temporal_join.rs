//! Event-time temporal join: each left row meets the version of the right table that was valid at its time.
//!
//! 1. Left rows wait until the watermark passes their time. A right row is a version of its key from its time
//!    on; one of the same time takes its place, a deletion ends the one before.
//! 2. A key is due at the least time of what came since it was last cleaned. When the watermark passes that,
//!    its left rows up to the watermark meet the last versions that are not younger than they are, and come out
//!    with their kind; of the versions up to the watermark only the last is kept.
//! 3. Results are collected over a chunk, with the marks between them, and the residual condition is evaluated
//!    over all of them at once.
//!
//! State: left rows until the watermark passes their time; of each right key the versions from the one that is
//! valid at the watermark on, for ever (a deletion only until it is the last).
//! Source of the rules: Flink's `TemporalRowTimeJoinOperator`. A left row that comes behind the watermark meets
//! the versions that are still kept at the next rise of the watermark.

use crate::build::JobInfo;
use crate::join_rows::{JoinInput, NONE, Residual};
use crate::touched::Touched;
use crate::window::time_values;
use crate::{Operator, OperatorContext, Output};
use tidemill_plan::{JoinKind, TemporalJoinPlan};
use tidemill_state::{StateTable, TimedTable};
use tidemill_types::{Chunk, Marks, Result, RowKind, Schema};

const KINDS: [RowKind; 4] = [RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete];
/// Added to the tag of a left row that can match nothing.
const UNMATCHABLE: u8 = 4;
/// So many keys are looked at in one go when the watermark rises.
const MEET_KEYS: usize = 4_096;

/// The running join.
pub struct TemporalJoin {
    outer: bool,
    update_before: bool,
    times: [usize; 2],
    inputs: [JoinInput; 2],
    residual: Option<Residual>,
    /// Rows with their kind; keys with when they are due.
    left: TimedTable,
    /// Versions with their kind.
    right: TimedTable,
    touched: Touched,
}

/// What comes out of a chunk, before the residual condition is known.
#[derive(Default)]
struct Found {
    /// The left rows, which have left their chains.
    left: Vec<u32>,
    /// For each its version, or [`NONE`].
    right: Vec<u32>,
    /// How many rows stand before a mark, and the watermark.
    marks: Vec<(usize, i64)>,
    /// Versions that have left their chains.
    old: Vec<u32>,
}

impl TemporalJoin {
    /// The operator of a plan node.
    pub fn new(plan: &TemporalJoinPlan, left: &Schema, right: &Schema, job: &JobInfo) -> Self {
        TemporalJoin {
            outer: plan.on.kind == JoinKind::Left,
            update_before: plan.update_before,
            times: [plan.left_time, plan.right_time],
            inputs: [JoinInput::new(&plan.on, 0, left), JoinInput::new(&plan.on, 1, right)],
            residual: Residual::of(&plan.on, left.len()),
            left: TimedTable::new(job.key_groups),
            right: TimedTable::new(job.key_groups),
            touched: Touched::default(),
        }
    }

    fn on_rows(
        &mut self,
        port: usize,
        chunk: &Chunk,
        found: &mut Found,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        let times = time_values(chunk, self.times[port])?;
        self.inputs[port].encode(chunk);
        let mut marks = chunk.marks.iter().peekable();
        let mut filtered = 0;
        for (row, &time) in times.iter().enumerate() {
            while let Some(mark) = marks.next_if(|mark| mark.row as usize <= row) {
                self.on_mark(mark.watermark, found, ctx, out)?;
            }
            let kept = match port {
                0 => self.keep_left(row, time, chunk.kind(row)),
                _ => self.keep_version(row, time, chunk.kind(row), found),
            };
            filtered += u64::from(!kept);
        }
        out.rows.filtered += filtered;
        out.rows.absorbed += chunk.rows as u64 - filtered;
        Ok(())
    }

    /// Step 1 for a left row; whether it was kept.
    fn keep_left(&mut self, row: usize, time: i64, kind: RowKind) -> bool {
        let input = &self.inputs[0];
        let can_match = input.can_match(row);
        if !can_match && !self.outer {
            return false;
        }
        let (hash, key) = input.key(row);
        let key = self.left.resolve(hash, key);
        let tag = KINDS.iter().position(|known| *known == kind).unwrap_or(0) as u8;
        let tag = if can_match { tag } else { tag | UNMATCHABLE };
        self.left.insert(key, time, tag, input.row(row));
        make_due(&mut self.left, key, time);
        true
    }

    /// Step 1 for a version; whether it was kept.
    fn keep_version(&mut self, row: usize, time: i64, kind: RowKind, found: &mut Found) -> bool {
        let input = &self.inputs[1];
        if !input.can_match(row) || (kind == RowKind::UpdateBefore && !self.update_before) {
            return false;
        }
        let (hash, key) = input.key(row);
        let known = self.right.resolve(hash, key);
        let mut last = self.right.last(known);
        while let Some(id) = last.filter(|&id| self.right.time(id) >= time) {
            last = self.right.previous(id);
            if self.right.time(id) == time {
                self.right.unlink(known, id);
                found.old.push(id);
            }
        }
        self.right.insert(known, time, u8::from(kind.adds()), input.row(row));
        let key = self.left.resolve(hash, key);
        make_due(&mut self.left, key, time);
        true
    }

    /// Step 2. After some keys what was found goes out, and keys that were brought back may be moved out again.
    fn on_mark(
        &mut self,
        watermark: i64,
        found: &mut Found,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        while self.meet_some(watermark, found) {
            self.finish(std::mem::take(found), ctx, out)?;
            self.left.tend()?;
            self.right.tend()?;
        }
        found.marks.push((found.left.len(), watermark));
        Ok(())
    }

    /// The rows of some keys that are due meet their versions; false: there are no more.
    fn meet_some(&mut self, watermark: i64, found: &mut Found) -> bool {
        for _ in 0..MEET_KEYS {
            let Some((_, key)) = self.left.pop_due(watermark) else { return false };
            let version = self.right.find(self.left.key_hash(key), self.left.key(key));
            let mut valid = None;
            let mut next = version.and_then(|version| self.right.first(version));
            while let Some(id) = self.left.first(key).filter(|&id| self.left.time(id) <= watermark) {
                while let Some(later) = next.filter(|&later| self.right.time(later) <= self.left.time(id)) {
                    (valid, next) = (next, self.right.next(later));
                }
                let can_match = self.left.tag(id) & UNMATCHABLE == 0;
                let matched = valid.filter(|&valid| can_match && self.right.tag(valid) != 0);
                if matched.is_some() || self.outer {
                    found.left.push(id);
                    found.right.push(matched.unwrap_or(NONE));
                    self.left.unlink(key, id);
                } else {
                    self.left.remove(key, id);
                }
            }
            match self.left.first(key) {
                Some(id) => self.left.set_due(key, self.left.time(id)),
                None => {
                    self.left.release(key);
                }
            }
            if let Some(version) = version {
                self.drop_old(version, watermark, found);
            }
        }
        true
    }

    /// Keeps of the versions up to the watermark only the last, and none if that is a deletion.
    fn drop_old(&mut self, version: u32, watermark: i64, found: &mut Found) {
        while let Some(first) = self.right.first(version).filter(|&id| self.right.time(id) <= watermark) {
            let succeeded = self.right.next(first).is_some_and(|next| self.right.time(next) <= watermark);
            if !succeeded && self.right.tag(first) != 0 {
                break;
            }
            self.right.unlink(version, first);
            found.old.push(first);
        }
        self.right.release(version);
    }

    /// Step 3.
    fn finish(&mut self, found: Found, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        let chunk = self.results(&found, ctx)?;
        found.left.iter().for_each(|&id| self.left.free(id));
        found.old.iter().for_each(|&id| self.right.free(id));
        out.emit(chunk);
        Ok(())
    }

    fn results(&mut self, found: &Found, ctx: &OperatorContext) -> Result<Chunk> {
        let versions: Vec<u32> = found.right.iter().copied().filter(|&id| id != NONE).collect();
        self.touched.collect(&versions, self.right.capacity());
        let left = self.inputs[0].decode(found.left.iter().map(|&id| self.left.row(id)));
        let right = self.inputs[1].decode(self.touched.slots.iter().map(|&id| self.right.row(id)));
        let place = |&id: &u32| if id == NONE { NONE } else { self.touched.place(id) as u32 };
        let mut places: Vec<u32> = found.right.iter().map(place).collect();
        let mut rows: Vec<u32> = (0..found.left.len() as u32).collect();
        if let Some(residual) = self.residual.as_ref().filter(|_| !versions.is_empty()) {
            let pairs: Vec<u32> = rows.iter().copied().filter(|&row| places[row as usize] != NONE).collect();
            let of_right: Vec<u32> = pairs.iter().map(|&row| places[row as usize]).collect();
            let holds = residual.holds((&left, &pairs), (&right, &of_right), ctx)?;
            let failed = pairs.iter().zip(holds.values()).filter(|(_, holds)| !holds);
            failed.for_each(|(&row, _)| places[row as usize] = NONE);
        }
        if !self.outer {
            rows.retain(|&row| places[row as usize] != NONE);
        }
        let mut marks = Marks::none();
        for &(before, watermark) in &found.marks {
            let row = rows.partition_point(|&row| (row as usize) < before);
            marks.push(row as u32, watermark);
        }
        if rows.is_empty() {
            return Ok(Chunk { marks, ..Chunk::default() });
        }
        let of_right: Vec<u32> = rows.iter().map(|&row| places[row as usize]).collect();
        let mut columns = self.inputs[0].gather(&left, &rows);
        columns.extend(self.inputs[1].gather(&right, &of_right));
        let kinds: Vec<RowKind> = (rows.iter())
            .map(|&row| KINDS[usize::from(self.left.tag(found.left[row as usize]) & !UNMATCHABLE)])
            .collect();
        let mut chunk = Chunk::new(columns, rows.len());
        chunk.kinds = kinds.iter().any(|kind| *kind != RowKind::Insert).then(|| kinds.into());
        chunk.marks = marks;
        Ok(chunk)
    }
}

/// Makes a key due at this time unless it is due earlier.
fn make_due(table: &mut TimedTable, key: u32, time: i64) {
    if table.due(key).is_none_or(|due| time < due) {
        table.set_due(key, time);
    }
}

impl Operator for TemporalJoin {
    fn on_chunk(&mut self, port: usize, chunk: Chunk, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        let mut found = Found::default();
        if chunk.rows > 0 {
            self.on_rows(port, &chunk, &mut found, ctx, out)?;
        }
        for mark in chunk.marks.iter().filter(|mark| mark.row as usize >= chunk.rows) {
            self.on_mark(mark.watermark, &mut found, ctx, out)?;
        }
        self.finish(found, ctx, out)
    }

    fn tables(&mut self) -> Vec<(&'static str, &mut dyn StateTable)> {
        vec![("left", &mut self.left), ("right", &mut self.right)]
    }
}
