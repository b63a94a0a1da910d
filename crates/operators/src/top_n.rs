//! Top-N: the rows of some ranks of each partition, kept up to date.
//!
//! Without the rank column a row that enters gives `+I` after a `-D` for the one that it pushes out; with it
//! every rank that gets another row gives `-U` and `+U`. A Top-1 that gives inserts only never takes a row back.
//! If the last rank is a column, its value in the first row of a key counts, and rows beyond the hundredth are only
//! taken if they rank before it, as in Flink.
//! State: of inserts only the rows up to the last rank of each key; with withdrawals all rows, until they are
//! taken back. With a time to live rows are forgotten that long after they came.
//! Not here: deduplication by time, windows.

use crate::build::JobInfo;
use crate::keys::Keys;
use crate::ranked_rows::RankedRows;
use crate::stored_rows::{SortKeys, StoredChanges, whole_rows};
use crate::{Operator, OperatorContext, Output};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use tidemill_plan::rank::{RankEnd, TopNPlan};
use tidemill_state::{OrderedTable, StateTable};
use tidemill_types::key::RowEncoder;
use tidemill_types::{Chunk, Error, Result, RowKind, Schema, TypeKind, WATERMARK_MAX};

/// Rows in one chunk of final results.
const FINAL_ROWS: usize = 4_096;
const RANK_END_HINT: &str = "Flink looks for the column at its place among all columns of the ranked table, \
    though unused ones are left out: select all of them, or rank a subquery that has only these";
/// How many rows Flink gathers of a key whose last rank is a column before it looks at their order.
const GATHERED_ROWS: u64 = 100;

/// The running Top-N.
pub struct TopN {
    plan: TopNPlan,
    input: Schema,
    keys: Keys,
    codec: Keys,
    order: SortKeys,
    /// The column of the last rank.
    end_column: Option<usize>,
    rows: RankedRows,
    /// The last rank of each key if it is a column.
    ends: OrderedTable,
    changes: StoredChanges,
    sort_key: Vec<u8>,
}

impl TopN {
    /// The operator of a plan node.
    pub fn new(plan: &TopNPlan, input: &Schema, job: &JobInfo) -> Result<Self> {
        let end_column = plan.ranks.end_column.as_ref().map(|end| end_column(end, input)).transpose()?;
        Ok(TopN {
            end_column,
            keys: Keys::new(&plan.ranks.keys, input),
            codec: whole_rows(input),
            order: SortKeys::new(&plan.ranks.order),
            rows: RankedRows::new(job.key_groups, plan.ttl_ms),
            ends: OrderedTable::new(job.key_groups),
            changes: StoredChanges::new(plan.update_before),
            sort_key: Vec::new(),
            plan: plan.clone(),
            input: input.clone(),
        })
    }

    /// Whether all rows must be kept.
    fn keeps_all(&self) -> bool {
        self.plan.retract || self.plan.final_only
    }

    /// The last rank of the key of this row.
    fn end_of(&mut self, chunk: &Chunk, row: usize) -> u64 {
        let Some(column) = self.end_column else { return self.plan.ranks.end };
        let key = self.keys.encoded.key(row);
        if let Some(end) = self.ends.get(key, &[]).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok()) {
            return u64::from_be_bytes(end);
        }
        let end = whole_number(&chunk.columns[column], row);
        self.ends.insert(key, &[], &end.to_be_bytes());
        end
    }

    fn insert(&mut self, row: usize, end: u64, encoder: &mut RowEncoder<'_>, now_ms: i64) {
        let all = self.keeps_all();
        let key = self.keys.encoded.key(row);
        let full = if self.end_column.is_some() { end.min(GATHERED_ROWS) } else { end };
        if !all && self.rows.ranks_behind((self.keys.hashes[row], key), &self.sort_key, full, false) {
            return;
        }
        let bytes = encoder.row(row);
        self.rows.number(&mut self.sort_key, false);
        if self.plan.final_only {
            return self.rows.insert(key, &self.sort_key, bytes, now_ms);
        }
        let (start, ranked) = (self.plan.ranks.start, self.plan.ranks.rank);
        if !all && !ranked && start == 1 {
            if self.rows.size(key) >= end
                && !self.plan.inserts_only
                && let Some((_, last)) = self.rows.last(key)
            {
                self.changes.push(RowKind::Delete, last, end);
            }
            self.changes.push_own(RowKind::Insert, row, 0);
        } else {
            let place = self.rows.place(key, &self.sort_key, end);
            if place < end {
                let low = place.max(start.saturating_sub(2));
                let before: Vec<&[u8]> = self.rows.rows(key, low, end).collect();
                let before = Before { low, rows: &before };
                match ranked {
                    true => before.shifted_down(place, start, end, bytes, &mut self.changes),
                    false => before.entered(place, start, end, bytes, &mut self.changes),
                }
            }
        }
        self.rows.insert(key, &self.sort_key, bytes, now_ms);
        if !all {
            self.rows.trim(key, end);
        }
    }

    /// Whether the row was there.
    fn delete(&mut self, row: usize, end: u64, encoder: &mut RowEncoder<'_>) -> bool {
        let key = self.keys.encoded.key(row);
        let bytes = encoder.row(row);
        let Some(sort_key) = self.rows.find(key, &self.sort_key, bytes) else { return false };
        let (start, ranked) = (self.plan.ranks.start, self.plan.ranks.rank);
        if !self.plan.final_only {
            let place = self.rows.place(key, &sort_key, end);
            if place < end {
                let low = place.max(start - 1);
                let before: Vec<&[u8]> = self.rows.rows(key, low, end.saturating_add(1)).collect();
                let before = Before { low, rows: &before };
                match ranked {
                    true => before.shifted_up(place, start, end, &mut self.changes),
                    false => before.left(end, &mut self.changes),
                }
            }
        }
        self.rows.remove(key, &sort_key);
        true
    }

    fn on_rows(&mut self, chunk: &Chunk, now_ms: i64, out: &mut Output) {
        for key in self.rows.sweep(now_ms) {
            self.ends.remove(&key, &[]);
        }
        self.keys.encode(chunk);
        self.order.encode(chunk, &self.input);
        self.rows.table.load(&self.keys.encoded);
        self.ends.load(&self.keys.encoded);
        let mut encoder = RowEncoder::new(&chunk.columns);
        let mut marks = chunk.marks.iter().peekable();
        for row in 0..chunk.rows {
            while let Some(mark) = marks.next_if(|mark| mark.row as usize <= row) {
                self.changes.mark(mark.watermark);
            }
            self.sort_key.clear();
            self.order.write(row, &mut self.sort_key);
            if self.rows.expire(self.keys.encoded.key(row), now_ms) {
                self.ends.remove(self.keys.encoded.key(row), &[]);
            }
            let end = self.end_of(chunk, row);
            let kept = match chunk.kind(row).adds() {
                true => {
                    self.insert(row, end, &mut encoder, now_ms);
                    true
                }
                false => self.delete(row, end, &mut encoder),
            };
            out.rows.absorbed += u64::from(kept);
            out.rows.bad += u64::from(!kept);
        }
    }

    /// Gives the final ranks at the end of a batch job.
    fn emit_final(&mut self, out: &mut Output) {
        let ranks = &self.plan.ranks;
        let (changes, mut held) = (&mut self.changes, 0);
        loop {
            for key in self.rows.table.keys() {
                self.ends.load_one(&key);
                let end = self.ends.get(&key, &[]).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
                let end = end.map_or(ranks.end, u64::from_be_bytes);
                for (rank, row) in (ranks.start..).zip(self.rows.rows(&key, ranks.start - 1, end)) {
                    changes.push(RowKind::Insert, row, rank);
                    held += 1;
                    if held == FINAL_ROWS {
                        changes.finish(&self.codec, ranks.rank, &[], out);
                        held = 0;
                    }
                }
            }
            if !self.rows.table.next_part() {
                break;
            }
        }
        self.rows.table.clear();
        self.ends.clear();
    }
}

/// The rows of a partition from a place on, before a change.
struct Before<'a> {
    low: u64,
    rows: &'a [&'a [u8]],
}

impl Before<'_> {
    fn get(&self, place: u64) -> Option<&[u8]> {
        self.rows.get(place.checked_sub(self.low)? as usize).copied()
    }

    /// A row came in at a place: one enters the ranks, one leaves them.
    fn entered(&self, place: u64, start: u64, end: u64, new: &[u8], changes: &mut StoredChanges) {
        let entering = if place + 1 >= start { Some(new) } else { self.get(start - 2) };
        let Some(entering) = entering else { return };
        if let Some(leaving) = self.get(end - 1) {
            changes.push(RowKind::Delete, leaving, 0);
        }
        changes.push(RowKind::Insert, entering, 0);
    }

    /// A row came in at a place: every rank from there on gets another row.
    fn shifted_down(&self, place: u64, start: u64, end: u64, new: &[u8], changes: &mut StoredChanges) {
        for at in place.max(start - 1)..end {
            let now = if at == place { Some(new) } else { self.get(at - 1) };
            let Some(now) = now else { return };
            let Some(old) = self.get(at) else {
                return changes.push(RowKind::Insert, now, at + 1);
            };
            changes.push(RowKind::UpdateBefore, old, at + 1);
            changes.push(RowKind::UpdateAfter, now, at + 1);
        }
    }

    /// The row at `low` leaves the ranks, the one behind the last enters them.
    fn left(&self, end: u64, changes: &mut StoredChanges) {
        let Some(leaving) = self.get(self.low).filter(|_| self.low < end) else { return };
        changes.push(RowKind::Delete, leaving, 0);
        if let Some(entering) = self.get(end) {
            changes.push(RowKind::Insert, entering, 0);
        }
    }

    /// A row went from a place: every rank from there on gets the next row.
    fn shifted_up(&self, place: u64, start: u64, end: u64, changes: &mut StoredChanges) {
        for at in place.max(start - 1)..end {
            let Some(old) = self.get(at) else { return };
            let Some(now) = self.get(at + 1) else {
                return changes.push(RowKind::Delete, old, at + 1);
            };
            changes.push(RowKind::UpdateBefore, old, at + 1);
            changes.push(RowKind::UpdateAfter, now, at + 1);
        }
    }
}

/// The column that decides, of a type that Flink takes.
fn end_column(end: &RankEnd, input: &Schema) -> Result<usize> {
    let field = input.fields.get(end.column).ok_or_else(|| {
        let message =
            "the last rank of a Top-N is a column that is not left where the query does not use others";
        Error::user_hint(message, RANK_END_HINT)
    })?;
    match field.data_type.kind {
        TypeKind::BigInt | TypeKind::Int | TypeKind::SmallInt => Ok(end.column),
        _ => {
            let (name, given) = (&field.name, &field.data_type);
            let message =
                format!("the last rank of a Top-N must be BIGINT, INT or SMALLINT, '{name}' is {given}");
            Err(Error::user_hint(message, RANK_END_HINT))
        }
    }
}

/// A whole number of at least 0; NULL is 0.
fn whole_number(column: &ArrayRef, row: usize) -> u64 {
    if column.is_null(row) {
        return 0;
    }
    let value = if let Some(values) = column.as_primitive_opt::<Int64Type>() {
        values.value(row)
    } else if let Some(values) = column.as_primitive_opt::<Int32Type>() {
        values.value(row).into()
    } else {
        column.as_primitive::<Int16Type>().value(row).into()
    };
    value.max(0) as u64
}

impl Operator for TopN {
    fn on_chunk(
        &mut self,
        _port: usize,
        chunk: Chunk,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        if chunk.rows > 0 {
            self.on_rows(&chunk, ctx.now_ms, out);
        }
        for mark in chunk.marks.iter().filter(|mark| mark.row as usize >= chunk.rows) {
            if self.plan.final_only && mark.watermark == WATERMARK_MAX {
                self.emit_final(out);
            }
            self.changes.mark(mark.watermark);
        }
        self.changes.finish(&self.codec, self.plan.ranks.rank, &chunk.columns, out);
        Ok(())
    }

    fn tables(&mut self) -> Vec<(&'static str, &mut dyn StateTable)> {
        vec![("rows", &mut self.rows.table), ("arrivals", &mut self.rows.arrivals), ("ends", &mut self.ends)]
    }
}
