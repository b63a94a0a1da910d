//! Window Top-N: the rows of some ranks of each window and key, given once when the window ends.
//!
//! State: the rows up to the last rank of each window and key, until the watermark (or the time) passes the
//! window's end. Rows of windows that have ended are late.

use crate::build::JobInfo;
use crate::keys::Keys;
use crate::ranked_rows::RankedRows;
use crate::stored_rows::{SortKeys, StoredChanges, whole_rows};
use crate::wall_clock::WallClock;
use crate::window::time_values;
use crate::{Operator, OperatorContext, Output};
use std::collections::BTreeSet;
use tidemill_plan::rank::WindowTopNPlan;
use tidemill_state::{SharedValue, StateTable};
use tidemill_types::key::RowEncoder;
use tidemill_types::{Chunk, Result, RowKind, Schema, TimeAttribute, WATERMARK_NONE};

/// The running Top-N.
pub struct WindowTopN {
    plan: WindowTopNPlan,
    input: Schema,
    keys: Keys,
    codec: Keys,
    order: SortKeys,
    rows: RankedRows,
    reached: SharedValue,
    clock: WallClock,
    /// Window ends with the keys that have rows; derived from the rows.
    open: BTreeSet<(i64, Box<[u8]>)>,
    changes: StoredChanges,
}

impl WindowTopN {
    /// The operator of a plan node.
    pub fn new(plan: &WindowTopNPlan, input: &Schema, job: &JobInfo) -> Self {
        WindowTopN {
            keys: Keys::new(&plan.ranks.keys, input),
            codec: whole_rows(input),
            order: SortKeys::new(&plan.ranks.order),
            rows: RankedRows::new(job.key_groups, 0),
            reached: SharedValue::new(WATERMARK_NONE),
            clock: WallClock::new(plan.zone),
            open: BTreeSet::new(),
            changes: StoredChanges::new(true),
            plan: plan.clone(),
            input: input.clone(),
        }
    }

    fn proctime(&self) -> bool {
        self.plan.time == TimeAttribute::Proctime
    }

    fn fire_until(&mut self, watermark: i64) {
        while let Some((end, _)) = self.open.first()
            && self.clock.fires_at(*end) <= watermark
            && let Some((_, key)) = self.open.pop_first()
        {
            let ranks = &self.plan.ranks;
            self.rows.table.load_one(&key);
            for (rank, row) in (ranks.start..).zip(self.rows.rows(&key, ranks.start - 1, ranks.end)) {
                self.changes.push(RowKind::Insert, row, rank);
            }
            self.rows.drop_key(&key);
        }
    }

    fn on_rows(&mut self, chunk: &Chunk, mut watermark: i64, out: &mut Output) -> Result<()> {
        self.keys.encode(chunk);
        self.order.encode(chunk, &self.input);
        self.rows.table.load(&self.keys.encoded);
        let ends = time_values(chunk, self.plan.window_end)?;
        let mut encoder = RowEncoder::new(&chunk.columns);
        let (mut late, mut sort_key) = (Vec::new(), Vec::new());
        let mut marks = chunk.marks.iter().peekable();
        for (row, &end) in ends.iter().enumerate() {
            while let Some(mark) = marks.next_if(|mark| mark.row as usize <= row) {
                watermark = self.advance(watermark, mark.watermark);
            }
            if self.clock.fires_at(end) <= watermark {
                late.push(row as u32);
                continue;
            }
            let key = self.keys.encoded.key(row);
            sort_key.clear();
            self.order.write(row, &mut sort_key);
            let (hash, end_rank) = (self.keys.hashes[row], self.plan.ranks.end);
            if self.rows.ranks_behind((hash, key), &sort_key, end_rank, self.plan.latest_first) {
                continue;
            }
            self.rows.number(&mut sort_key, self.plan.latest_first);
            if self.rows.size(key) == 0 {
                self.open.insert((end, key.into()));
            }
            self.rows.insert(key, &sort_key, encoder.row(row), 0);
            self.rows.trim(key, self.plan.ranks.end);
        }
        out.rows.absorbed += (chunk.rows - late.len()) as u64;
        out.late(chunk, &late);
        Ok(())
    }

    /// The watermark of the rows behind a mark.
    fn advance(&mut self, watermark: i64, mark: i64) -> i64 {
        let watermark = if self.proctime() { watermark } else { watermark.max(mark) };
        if !self.proctime() {
            self.fire_until(watermark);
        }
        self.changes.mark(mark);
        watermark
    }
}

impl Operator for WindowTopN {
    fn on_chunk(
        &mut self,
        _port: usize,
        chunk: Chunk,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        let before = if self.proctime() { ctx.now_ms - 1 } else { self.reached.get().max(ctx.watermark) };
        if self.proctime() {
            self.fire_until(before);
        }
        if chunk.rows > 0 {
            self.on_rows(&chunk, before, out)?;
        }
        for mark in chunk.marks.iter().filter(|mark| mark.row as usize >= chunk.rows) {
            self.advance(before, mark.watermark);
        }
        if let Some(mark) = chunk.marks.last() {
            self.reached.raise(mark);
        }
        self.changes.finish(&self.codec, self.plan.ranks.rank, &[], out);
        Ok(())
    }

    fn on_time(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        if self.proctime() {
            self.fire_until(ctx.now_ms - 1);
            self.changes.finish(&self.codec, self.plan.ranks.rank, &[], out);
        }
        Ok(())
    }

    fn next_time(&self) -> Option<i64> {
        let (end, _) = self.open.first().filter(|_| self.proctime())?;
        Some(self.clock.instant(*end))
    }

    fn tables(&mut self) -> Vec<(&'static str, &mut dyn StateTable)> {
        vec![
            ("rows", &mut self.rows.table),
            ("arrivals", &mut self.rows.arrivals),
            ("watermark", &mut self.reached),
        ]
    }

    fn on_restored(&mut self) -> Result<()> {
        self.open.clear();
        let WindowTopN { rows, open, codec, plan, .. } = self;
        let (mut last, mut done) = (Vec::new(), Ok(()));
        // The rows of a key come together and have one end.
        rows.table.for_each(|key, _, row| {
            if (last == key && !open.is_empty()) || done.is_err() {
                return;
            }
            last = key.to_vec();
            let chunk = Chunk::new(codec.decode([row]), 1);
            match time_values(&chunk, plan.window_end) {
                Ok(ends) => open.extend([(ends[0], key.into())]),
                Err(error) => done = Err(error),
            }
        });
        done
    }
}
