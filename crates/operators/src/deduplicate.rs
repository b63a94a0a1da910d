//! Deduplication: one row for each key, the first or the last by a time attribute.
//!
//! - keep last: `+I`, then `-U +U` for each row that is no earlier than the one kept; nothing is late;
//! - keep first by processing time: the first arrival, at once;
//! - keep first by event time: the earliest row, when the watermark passes it; rows that the watermark has
//!   passed are late, rows of a key that was given are dropped.
//!
//! State: for each key its row (keep last), or that it was given (keep first); rows that wait for the watermark. Which
//! keys wait for what time is derived: an entry whose row has become an earlier one is passed over.
//! With a time to live a key is forgotten that long after its last change, and the next row is its first again.
//! Input is inserts only: over an updating input the same query is a Top-1.

use crate::build::JobInfo;
use crate::keys::Keys;
use crate::stored_rows::{StoredChanges, whole_rows};
use crate::window::time_values;
use crate::{Operator, OperatorContext, Output};
use std::collections::BTreeMap;
use tidemill_plan::rank::DeduplicatePlan;
use tidemill_state::{GroupTable, SharedValue, SlotCells, StateTable};
use tidemill_types::key::{EncodedKeys, RowEncoder, hash};
use tidemill_types::{CellKind, Cells, Chunk, Result, RowKind, Schema, TimeAttribute, WATERMARK_NONE};

/// What is known of a key: nothing, its row (which was given or waits), or that its row was given.
const NEW: i64 = 0;
const KEPT: i64 = 1;
const GIVEN: i64 = 2;
/// So many lists of keys that waited are kept to be used again.
const SPARE_MAX: usize = 16;

/// The running deduplication.
pub struct Deduplicate {
    plan: DeduplicatePlan,
    keys: Keys,
    codec: Keys,
    table: GroupTable,
    next_sweep: i64,
    reached: SharedValue,
    /// By time the keys of rows that wait for the watermark.
    waiting: BTreeMap<i64, EncodedKeys>,
    spare: Vec<EncodedKeys>,
    changes: StoredChanges,
    slots: Vec<u32>,
    /// Keys of the chunk that may hold nothing.
    idle: Vec<u32>,
}

/// The cells of all keys.
struct State<'a> {
    times: &'a mut [i64],
    known: &'a mut [i64],
    rows: &'a mut [Option<Box<[u8]>>],
    /// When each was written, with a time to live.
    written: &'a mut [i64],
}

impl<'a> State<'a> {
    fn of(values: &'a mut SlotCells) -> Self {
        match values.cells.as_mut_slice() {
            [Cells::I64(times), Cells::I64(known), Cells::Bytes(rows), Cells::I64(written)] => {
                State { times, known, rows, written }
            }
            _ => unreachable!("the table was made with these cells"),
        }
    }

    /// What is known of a key whose time to live is not over.
    #[inline]
    fn known(&self, slot: u32, ttl_ms: i64, now_ms: i64) -> i64 {
        let live = ttl_ms == 0 || self.written[slot as usize].saturating_add(ttl_ms) > now_ms;
        if live { self.known[slot as usize] } else { NEW }
    }

    #[inline]
    fn set(&mut self, slot: u32, known: i64, time: i64, now_ms: i64) {
        let slot = slot as usize;
        (self.known[slot], self.times[slot], self.written[slot]) = (known, time, now_ms);
    }

    /// Keeps a row, in the place of the former one if it has that length.
    #[inline]
    fn keep(&mut self, slot: u32, row: &[u8]) {
        match &mut self.rows[slot as usize] {
            Some(kept) if kept.len() == row.len() => kept.copy_from_slice(row),
            kept => *kept = Some(row.into()),
        }
    }

    fn row(&self, slot: u32) -> &[u8] {
        self.rows[slot as usize].as_deref().unwrap_or_default()
    }
}

impl Deduplicate {
    /// The operator of a plan node.
    pub fn new(plan: &DeduplicatePlan, input: &Schema, job: &JobInfo) -> Self {
        let cells = [CellKind::I64, CellKind::I64, CellKind::Bytes, CellKind::I64];
        Deduplicate {
            keys: Keys::new(&plan.keys, input),
            codec: whole_rows(input),
            // What is not written does not live longer, so the time to live is seen to here.
            table: GroupTable::new(&cells, 0, 0, job.key_groups),
            next_sweep: i64::MIN,
            reached: SharedValue::new(WATERMARK_NONE),
            waiting: BTreeMap::new(),
            spare: Vec::new(),
            changes: StoredChanges::new(plan.update_before),
            slots: Vec::new(),
            idle: Vec::new(),
            plan: plan.clone(),
        }
    }

    fn rowtime(&self) -> bool {
        self.plan.time == TimeAttribute::Rowtime
    }

    /// Keeps the last row.
    fn last(&mut self, row: usize, slot: u32, time: i64, encoder: &mut RowEncoder<'_>, now_ms: i64) {
        let mut state = State::of(&mut self.table.values);
        let bytes = encoder.row(row);
        if state.known(slot, self.plan.ttl_ms, now_ms) == NEW {
            self.changes.push_own(RowKind::Insert, row, 1);
        } else {
            let rowtime = self.plan.time == TimeAttribute::Rowtime;
            let stays = if rowtime { time < state.times[slot as usize] } else { state.row(slot) == bytes };
            if stays {
                return;
            }
            self.changes.push(RowKind::UpdateBefore, state.row(slot), 1);
            self.changes.push_own(RowKind::UpdateAfter, row, 1);
        }
        state.set(slot, KEPT, time, now_ms);
        state.keep(slot, bytes);
    }

    /// Keeps the first row by processing time.
    fn first_arrival(&mut self, row: usize, slot: u32, now_ms: i64) {
        let mut state = State::of(&mut self.table.values);
        if state.known(slot, self.plan.ttl_ms, now_ms) == NEW {
            self.changes.push_own(RowKind::Insert, row, 1);
            state.set(slot, GIVEN, 0, now_ms);
        }
    }

    /// Keeps the first row by event time; `false` if it is late.
    fn first(
        &mut self,
        row: usize,
        slot: u32,
        (time, watermark): (i64, i64),
        encoder: &mut RowEncoder<'_>,
        now_ms: i64,
    ) -> bool {
        let mut state = State::of(&mut self.table.values);
        let known = state.known(slot, self.plan.ttl_ms, now_ms);
        if known == GIVEN {
            return true;
        }
        if time <= watermark {
            self.idle.push(slot);
            return false;
        }
        if known == NEW || time < state.times[slot as usize] {
            state.set(slot, KEPT, time, now_ms);
            state.keep(slot, encoder.row(row));
            let spare = &mut self.spare;
            let keys = self.waiting.entry(time).or_insert_with(|| spare.pop().unwrap_or_default());
            keys.bytes.extend_from_slice(self.keys.encoded.key(row));
            keys.ends.push(keys.bytes.len() as u32);
        }
        true
    }

    /// Gives the rows that the watermark has passed.
    fn advance(&mut self, watermark: i64, now_ms: i64) {
        while let Some(entry) = self.waiting.first_entry().filter(|entry| *entry.key() <= watermark) {
            let (time, mut keys) = entry.remove_entry();
            self.give(time, &keys, now_ms);
            keys.bytes.clear();
            keys.ends.clear();
            if self.spare.len() < SPARE_MAX {
                self.spare.push(keys);
            }
        }
        self.changes.mark(watermark);
    }

    /// Gives the rows of one time, in the order of their keys.
    fn give(&mut self, time: i64, keys: &EncodedKeys, now_ms: i64) {
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_unstable_by_key(|&at| keys.key(at));
        let mut slots = Vec::with_capacity(keys.len());
        let hashes: Vec<u64> = keys.iter().map(hash).collect();
        self.table.resolve(keys, &hashes, now_ms, &mut slots);
        let mut state = State::of(&mut self.table.values);
        for at in order {
            let slot = slots[at];
            if state.known[slot as usize] == KEPT && state.times[slot as usize] == time {
                self.changes.push(RowKind::Insert, state.row(slot), 1);
                state.set(slot, GIVEN, 0, now_ms);
                state.rows[slot as usize] = None;
            }
        }
    }

    /// Forgets keys whose time to live is over; needed only to get their memory back.
    fn sweep(&mut self, now_ms: i64) {
        let ttl_ms = self.plan.ttl_ms;
        if ttl_ms == 0 || now_ms < self.next_sweep {
            return;
        }
        self.next_sweep = now_ms.saturating_add(ttl_ms / 2 + 1);
        let slots: Vec<u32> = self.table.slots().collect();
        let state = State::of(&mut self.table.values);
        let over = |slot: &u32| {
            let waits = !self.plan.keep_last && state.known[*slot as usize] == KEPT;
            !waits && state.known(*slot, ttl_ms, now_ms) == NEW
        };
        let over: Vec<u32> = slots.into_iter().filter(over).collect();
        over.into_iter().for_each(|slot| self.table.remove(slot));
    }

    fn on_rows(&mut self, chunk: &Chunk, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        self.sweep(ctx.now_ms);
        let mut watermark = self.reached.get().max(ctx.watermark);
        self.keys.encode(chunk);
        let mut slots = std::mem::take(&mut self.slots);
        self.table.resolve(&self.keys.encoded, &self.keys.hashes, ctx.now_ms, &mut slots);
        let mut encoder = RowEncoder::new(&chunk.columns);
        let times = if self.rowtime() { time_values(chunk, self.plan.time_column)? } else { &[] };
        let mut late = Vec::new();
        let mut marks = chunk.marks.iter().peekable();
        for (row, &slot) in slots.iter().enumerate() {
            while let Some(mark) = marks.next_if(|mark| mark.row as usize <= row) {
                watermark = watermark.max(mark.watermark);
                self.advance(mark.watermark, ctx.now_ms);
            }
            let time = times.get(row).copied().unwrap_or(0);
            match (self.plan.keep_last, self.plan.time) {
                (true, _) => self.last(row, slot, time, &mut encoder, ctx.now_ms),
                (false, TimeAttribute::Proctime) => self.first_arrival(row, slot, ctx.now_ms),
                (false, TimeAttribute::Rowtime) => {
                    if !self.first(row, slot, (time, watermark), &mut encoder, ctx.now_ms) {
                        late.push(row as u32);
                    }
                }
            }
        }
        out.rows.absorbed += (chunk.rows - late.len()) as u64;
        out.late(chunk, &late);
        self.slots = slots;
        self.drop_idle();
        Ok(())
    }

    /// Gives up the keys of late rows of which nothing is known.
    fn drop_idle(&mut self) {
        let mut idle = std::mem::take(&mut self.idle);
        idle.sort_unstable();
        idle.dedup();
        for slot in idle.drain(..) {
            if State::of(&mut self.table.values).known[slot as usize] == NEW {
                self.table.remove(slot);
            }
        }
        self.idle = idle;
    }
}

impl Operator for Deduplicate {
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
            self.advance(mark.watermark, ctx.now_ms);
        }
        if let Some(mark) = chunk.marks.last() {
            self.reached.raise(mark);
        }
        self.changes.finish(&self.codec, false, &chunk.columns, out);
        Ok(())
    }

    fn tables(&mut self) -> Vec<(&'static str, &mut dyn StateTable)> {
        vec![("rows", &mut self.table), ("watermark", &mut self.reached)]
    }

    fn on_restored(&mut self) -> Result<()> {
        self.waiting.clear();
        if self.rowtime() && !self.plan.keep_last {
            let waiting = &mut self.waiting;
            self.table.for_each(|key, values, slot| {
                if let [Cells::I64(times), Cells::I64(known), ..] = values.cells.as_slice()
                    && known[slot as usize] == KEPT
                {
                    let keys: &mut EncodedKeys = waiting.entry(times[slot as usize]).or_default();
                    keys.bytes.extend_from_slice(key);
                    keys.ends.push(keys.bytes.len() as u32);
                }
            });
        }
        Ok(())
    }
}
