//! Regular join: both sides are kept, and each change of one side meets the rows of the other.
//!
//! A chunk changes its own side only, so the pairs of all its rows are found first, the residual condition
//! is evaluated over them at once, and then row after row gives its changes as Flink gives them: a row of an
//! outer side without a match comes out padded with NULLs and is taken back (`-D`) by its first match.
//! Invariant: a kept row of an outer, semi or anti side knows how many rows match it. A row whose key is
//! NULL matches nothing and is never kept. Time attributes end here, so a chunk's marks become one behind
//! its changes.

mod changes;
mod side;

use crate::build::JobInfo;
use crate::join_rows::{PAIRS, Residual};
use crate::touched::Touched;
use crate::{Operator, OperatorContext, Output};
use arrow_array::ArrayRef;
use changes::{Changes, Row};
use side::Side;
use tidemill_plan::{JoinKind, JoinPlan};
use tidemill_state::StateTable;
use tidemill_types::{Chunk, Result, Schema, WATERMARK_MAX};

/// The running join.
pub struct RegularJoin {
    kind: JoinKind,
    final_only: bool,
    residual: Option<Residual>,
    sides: [Side; 2],
    touched: Touched,
}

/// Rows of a chunk with rows of the other side that have the same key.
#[derive(Default)]
struct Pairs {
    own: Vec<u32>,
    ids: Vec<u32>,
}

impl RegularJoin {
    /// The operator of a plan node.
    pub fn new(plan: &JoinPlan, left: &Schema, right: &Schema, job: &JobInfo) -> Self {
        let on = &plan.on;
        RegularJoin {
            kind: on.kind,
            final_only: plan.final_only,
            residual: Residual::of(on, left.len()),
            sides: [Side::new(on, 0, &plan.left, left, job), Side::new(on, 1, &plan.right, right, job)],
            touched: Touched::default(),
        }
    }

    fn on_rows(&mut self, port: usize, chunk: &Chunk, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        self.sides.iter_mut().for_each(|side| side.table.expire(ctx.now_ms));
        self.sides[port].encode(chunk);
        self.load(port);
        let mut start = 0;
        while start < chunk.rows {
            let (end, pairs) = self.candidates(port, start, chunk.rows, ctx.now_ms);
            self.touched.collect(&pairs.ids, self.sides[1 - port].table.capacity());
            let others = self.sides[1 - port].decode(&self.touched.slots);
            let pairs = self.matching(port, chunk, pairs, &others, ctx)?;
            let mut changes = Changes::new(self.kind, port == 0, self.final_only);
            let mut at = 0;
            for row in start..end {
                let first = at;
                while pairs.own.get(at) == Some(&(row as u32)) {
                    at += 1;
                }
                self.change(port, chunk, row, &pairs.ids[first..at], &mut changes, ctx.now_ms, out);
            }
            self.emit(port, chunk, &others, &changes, out);
            start = end;
        }
        Ok(())
    }

    /// Brings back what the rows of the chunk meet and what they change.
    fn load(&mut self, port: usize) {
        let [left, right] = &mut self.sides;
        let (own, other) = if port == 0 { (left, right) } else { (right, left) };
        let (keys, hashes) = own.input.keys();
        other.table.load(keys, hashes);
        own.load();
    }

    /// The pairs of rows from `start` on, until they are many; and the row behind the last.
    fn candidates(&self, port: usize, start: usize, rows: usize, now_ms: i64) -> (usize, Pairs) {
        let (own, other) = (&self.sides[port], &self.sides[1 - port]);
        let mut pairs = Pairs::default();
        let mut row = start;
        while row < rows && pairs.ids.len() < PAIRS {
            if own.input.can_match(row) {
                let (hash, key) = own.input.key(row);
                pairs.ids.extend(other.table.of_key(hash, key, now_ms));
                pairs.own.resize(pairs.ids.len(), row as u32);
            }
            row += 1;
        }
        (row, pairs)
    }

    /// The pairs for which the residual condition holds.
    fn matching(
        &self,
        port: usize,
        chunk: &Chunk,
        pairs: Pairs,
        others: &[ArrayRef],
        ctx: &OperatorContext,
    ) -> Result<Pairs> {
        let Some(residual) = self.residual.as_ref().filter(|_| !pairs.ids.is_empty()) else {
            return Ok(pairs);
        };
        let mut kept = Pairs::default();
        for (own, ids) in pairs.own.chunks(PAIRS).zip(pairs.ids.chunks(PAIRS)) {
            let places: Vec<u32> = ids.iter().map(|&id| self.touched.place(id) as u32).collect();
            let (own_side, other_side) = ((&chunk.columns[..], own), (others, &places[..]));
            let holds = match port {
                0 => residual.holds(own_side, other_side, ctx)?,
                _ => residual.holds(other_side, own_side, ctx)?,
            };
            for at in holds.values().set_indices() {
                kept.own.push(own[at]);
                kept.ids.push(ids[at]);
            }
        }
        Ok(kept)
    }

    /// Changes the state by one row and notes what comes out.
    #[allow(clippy::too_many_arguments)]
    fn change(
        &mut self,
        port: usize,
        chunk: &Chunk,
        row: usize,
        matched: &[u32],
        changes: &mut Changes,
        now_ms: i64,
        out: &mut Output,
    ) {
        let [left, right] = &mut self.sides;
        let (own, other) = if port == 0 { (left, right) } else { (right, left) };
        let kind = chunk.kind(row);
        let touched = &self.touched;
        let row = Row { row: row as u32, kind };
        if !own.input.can_match(row.row as usize) {
            let given = changes.unmatchable(row);
            let counter = if given { &mut out.rows.forwarded } else { &mut out.rows.filtered };
            *counter += 1;
            return;
        }
        let partners: i64 = matched.iter().map(|&id| other.table.count(id)).sum();
        let place = |id| touched.place(id) as u32;
        changes.matchable(row, matched, &mut other.table, &place, now_ms);
        own.keep(row.row as usize, kind.adds(), partners, now_ms);
        out.rows.absorbed += 1;
    }

    fn emit(&self, port: usize, chunk: &Chunk, others: &[ArrayRef], changes: &Changes, out: &mut Output) {
        for part in changes.parts(PAIRS) {
            let own = self.sides[port].input.gather(&chunk.columns, part.own);
            let other = self.sides[1 - port].input.gather(others, part.other);
            let columns = match (self.kind.left_only(), port) {
                (true, 0) => own,
                (true, _) => other,
                (false, 0) => own.into_iter().chain(other).collect(),
                (false, _) => other.into_iter().chain(own).collect(),
            };
            let mut chunk = Chunk::new(columns, part.own.len());
            chunk.kinds = part.kinds;
            out.emit(chunk);
        }
    }

    fn emit_unmatched(&self, port: usize, out: &mut Output) {
        let left = port == 0;
        let unmatched = self.sides[port].unmatched();
        for ids in unmatched.chunks(PAIRS) {
            let own = self.sides[port].decode(ids);
            let mut columns = Vec::with_capacity(own.len());
            if self.kind.left_only() || left {
                columns.extend(own);
                columns.extend(if self.kind.left_only() {
                    Vec::new()
                } else {
                    self.sides[1].input.nulls(ids.len())
                });
            } else {
                columns.extend(self.sides[0].input.nulls(ids.len()));
                columns.extend(own);
            }
            out.emit(Chunk::new(columns, ids.len()));
        }
    }

    /// Gives the rows that found no match, at the end of a batch job.
    fn emit_final(&mut self, out: &mut Output) {
        for port in 0..2 {
            let left = port == 0;
            if !(self.kind.keeps(left) || self.kind == JoinKind::Anti && left) {
                continue;
            }
            loop {
                self.emit_unmatched(port, out);
                if !self.sides[port].table.next_part() {
                    break;
                }
            }
        }
        self.sides.iter_mut().for_each(|side| side.table.clear());
    }
}

impl Operator for RegularJoin {
    fn on_chunk(&mut self, port: usize, chunk: Chunk, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        if chunk.rows > 0 {
            self.on_rows(port, &chunk, ctx, out)?;
        }
        if let Some(watermark) = chunk.marks.last() {
            if self.final_only && watermark == WATERMARK_MAX {
                self.emit_final(out);
            }
            out.emit(Chunk::watermark(watermark));
        }
        Ok(())
    }

    fn tables(&mut self) -> Vec<(&'static str, &mut dyn StateTable)> {
        let [left, right] = &mut self.sides;
        vec![("left", &mut left.table), ("right", &mut right.table)]
    }
}
