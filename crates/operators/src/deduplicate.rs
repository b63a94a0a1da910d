//! Deduplication: one row for each key, the first or the last by a time attribute.
//!
//! - keep last: `+I`, then `-U +U` for each row that is no earlier than the one kept; nothing is late;
//! - keep first by processing time: the first arrival, at once;
//! - keep first by event time: the earliest row, when the watermark passes it; rows that the watermark has
//!   passed are late, rows of a key that was given are dropped.
//!
//! State: for each key its row (keep last), or that it was given (keep first); rows that wait for the watermark.
//! With a time to live a key is forgotten that long after its last change, and the next row is its first again.
//! Input is inserts only: over an updating input the same query is a Top-1.

use crate::build::JobInfo;
use crate::keys::Keys;
use crate::stored_rows::{StoredChanges, whole_rows};
use crate::window::time_values;
use crate::{Operator, OperatorContext, Output};
use std::collections::BTreeSet;
use tidemill_plan::rank::DeduplicatePlan;
use tidemill_state::{OrderedTable, SharedValue, StateTable};
use tidemill_types::{Chunk, Result, RowKind, Schema, TimeAttribute, WATERMARK_NONE};

/// The running deduplication.
pub struct Deduplicate {
    plan: DeduplicatePlan,
    keys: Keys,
    codec: Keys,
    /// For each key, behind the time of writing if there is a time to live: its time and row; nothing if the key was
    /// given and only that counts.
    table: OrderedTable,
    next_sweep: i64,
    reached: SharedValue,
    /// Rows that wait for the watermark by time; derived from the table.
    waiting: BTreeSet<(i64, Box<[u8]>)>,
    changes: StoredChanges,
}

impl Deduplicate {
    /// The operator of a plan node.
    pub fn new(plan: &DeduplicatePlan, input: &Schema, job: &JobInfo) -> Self {
        Deduplicate {
            keys: Keys::new(&plan.keys, input),
            codec: whole_rows(input),
            table: OrderedTable::new(job.key_groups),
            next_sweep: i64::MIN,
            reached: SharedValue::new(WATERMARK_NONE),
            waiting: BTreeSet::new(),
            changes: StoredChanges::new(plan.update_before),
            plan: plan.clone(),
        }
    }

    fn rowtime(&self) -> bool {
        self.plan.time == TimeAttribute::Rowtime
    }

    /// Takes a row; `false` if it is late.
    fn on_row(&mut self, row: usize, time: i64, watermark: i64, now_ms: i64) -> bool {
        let ttl_ms = self.plan.ttl_ms;
        let key = self.keys.encoded.key(row);
        let bytes = self.codec.encoded.key(row);
        let known = self.table.get(key, &[]).and_then(|value| live(value, ttl_ms, now_ms)).map(split);
        match (self.plan.keep_last, self.plan.time) {
            (true, time_kind) => {
                let rowtime = time_kind == TimeAttribute::Rowtime;
                match known.flatten() {
                    None => self.changes.push(RowKind::Insert, bytes, 1),
                    Some((old, _)) if rowtime && time < old => return true,
                    Some((_, old)) if !rowtime && old == bytes => return true,
                    Some((_, old)) => {
                        self.changes.push(RowKind::UpdateBefore, old, 1);
                        self.changes.push(RowKind::UpdateAfter, bytes, 1);
                    }
                }
                self.table.insert(key, &[], &stamped(&joined(time, bytes), ttl_ms, now_ms));
            }
            (false, TimeAttribute::Proctime) => {
                if known.is_none() {
                    self.changes.push(RowKind::Insert, bytes, 1);
                    self.table.insert(key, &[], &stamped(&[], ttl_ms, now_ms));
                }
            }
            (false, TimeAttribute::Rowtime) => {
                if known == Some(None) {
                    return true;
                }
                if time <= watermark {
                    return false;
                }
                let old = known.flatten().map(|(old, _)| old);
                if old.is_none_or(|old| time < old) {
                    if let Some(old) = old {
                        self.waiting.remove(&(old, key.into()));
                    }
                    self.waiting.insert((time, key.into()));
                    self.table.insert(key, &[], &stamped(&joined(time, bytes), ttl_ms, now_ms));
                }
            }
        }
        true
    }

    /// Gives the rows that the watermark has passed.
    fn advance(&mut self, watermark: i64, now_ms: i64) {
        let ttl_ms = self.plan.ttl_ms;
        while self.waiting.first().is_some_and(|(time, _)| *time <= watermark)
            && let Some((_, key)) = self.waiting.pop_first()
        {
            self.table.load_one(&key);
            if let Some((_, row)) =
                self.table.get(&key, &[]).and_then(|value| split(unstamped(value, ttl_ms)))
            {
                self.changes.push(RowKind::Insert, row, 1);
            }
            self.table.insert(&key, &[], &stamped(&[], ttl_ms, now_ms));
        }
        self.changes.mark(watermark);
    }

    /// Forgets keys whose time to live is over; needed only to get their memory back.
    fn sweep(&mut self, now_ms: i64) {
        let ttl_ms = self.plan.ttl_ms;
        if ttl_ms == 0 || now_ms < self.next_sweep {
            return;
        }
        self.next_sweep = now_ms.saturating_add(ttl_ms / 2 + 1);
        for key in self.table.keys() {
            let value = self.table.get(&key, &[]).unwrap_or_default();
            let waits = !self.plan.keep_last && split(unstamped(value, ttl_ms)).is_some();
            if !waits && live(value, ttl_ms, now_ms).is_none() {
                self.table.remove(&key, &[]);
            }
        }
    }

    fn on_rows(&mut self, chunk: &Chunk, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        self.sweep(ctx.now_ms);
        let mut watermark = self.reached.get().max(ctx.watermark);
        self.keys.encode(chunk);
        self.codec.encode(chunk);
        self.table.load(&self.keys.encoded);
        let times = if self.rowtime() { time_values(chunk, self.plan.time_column)? } else { &[] };
        let mut late = Vec::new();
        let mut marks = chunk.marks.iter().peekable();
        for row in 0..chunk.rows {
            while let Some(mark) = marks.next_if(|mark| mark.row as usize <= row) {
                watermark = watermark.max(mark.watermark);
                self.advance(mark.watermark, ctx.now_ms);
            }
            let time = times.get(row).copied().unwrap_or(0);
            if !self.on_row(row, time, watermark, ctx.now_ms) {
                late.push(row as u32);
            }
        }
        out.rows.absorbed += (chunk.rows - late.len()) as u64;
        out.late(chunk, &late);
        Ok(())
    }
}

/// A value behind the time of writing, if there is a time to live.
fn stamped(value: &[u8], ttl_ms: i64, now_ms: i64) -> Vec<u8> {
    match ttl_ms {
        0 => value.to_vec(),
        _ => [&now_ms.to_be_bytes()[..], value].concat(),
    }
}

fn unstamped(value: &[u8], ttl_ms: i64) -> &[u8] {
    if ttl_ms == 0 { value } else { &value[8..] }
}

/// The value if its time to live is not over.
fn live(value: &[u8], ttl_ms: i64, now_ms: i64) -> Option<&[u8]> {
    let Some((written, rest)) = value.split_first_chunk::<8>().filter(|_| ttl_ms > 0) else {
        return Some(value);
    };
    (i64::from_be_bytes(*written).saturating_add(ttl_ms) > now_ms).then_some(rest)
}

fn joined(time: i64, row: &[u8]) -> Vec<u8> {
    [&time.to_be_bytes()[..], row].concat()
}

fn split(value: &[u8]) -> Option<(i64, &[u8])> {
    let (time, row) = value.split_first_chunk::<8>()?;
    Some((i64::from_be_bytes(*time), row))
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
        self.changes.finish(&self.codec, false, out);
        Ok(())
    }

    fn tables(&mut self) -> Vec<(&'static str, &mut dyn StateTable)> {
        vec![("rows", &mut self.table), ("watermark", &mut self.reached)]
    }

    fn on_restored(&mut self) -> Result<()> {
        self.waiting.clear();
        if self.rowtime() && !self.plan.keep_last {
            let (waiting, ttl_ms) = (&mut self.waiting, self.plan.ttl_ms);
            self.table.for_each(|key, _, value| {
                waiting.extend(split(unstamped(value, ttl_ms)).map(|(time, _)| (time, key.into())));
            });
        }
        Ok(())
    }
}
