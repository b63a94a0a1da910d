//! Group aggregate: one row for each key, kept up to date without end.
//!
//! For each chunk: 1. every row finds the slot of its key; 2. the results of the touched groups are kept;
//! 3. the rows are aggregated; 4. for each touched group the results before and after make at most one net
//! change (`+I`, `-U +U`, `-D`), in the order in which the groups were first touched. Where each row must
//! give its own change, the aggregates are looked at behind each row (`each_row`).
//! Invariant: a group exists while its hidden number of rows is not 0. A withdrawal for a group that does
//! not exist is dropped and counted as bad, as Flink drops it. A result that stays equal gives nothing
//! while state has no time to live; with one it is given again.

mod changes;
mod each_row;

use crate::aggregates::{Aggregates, Batch};
use crate::build::JobInfo;
use crate::keys::Keys;
use crate::touched::Touched;
use crate::{Operator, OperatorContext, Output};
use arrow_array::ArrayRef;
use changes::{Changes, Fate};
use each_row::EachRow;
use std::borrow::Cow;
use tidemill_plan::stream::GroupAggregatePlan;
use tidemill_state::{GroupTable, StateTable};
use tidemill_types::{Chunk, Marks, Result, Schema, WATERMARK_MAX};

/// Rows in one chunk of final results.
const FINAL_ROWS: usize = 4_096;

/// The running aggregation.
pub struct GroupAggregate {
    keys: Keys,
    aggregates: Aggregates,
    table: GroupTable,
    update_before: bool,
    net_changes: bool,
    ttl_ms: i64,
    final_only: bool,
    row_without_input: bool,
    slots: Vec<u32>,
    touched: Touched,
    each_row: EachRow,
}

impl GroupAggregate {
    /// The operator of a plan node.
    pub fn new(plan: &GroupAggregatePlan, input: &Schema, job: &JobInfo) -> Self {
        let aggregates = Aggregates::new(&plan.aggregates, true);
        let table = GroupTable::new(aggregates.kinds(), aggregates.sets(), plan.ttl_ms, job.key_groups);
        GroupAggregate {
            keys: Keys::new(&plan.keys, input),
            aggregates,
            table,
            update_before: plan.update_before,
            net_changes: plan.net_changes,
            ttl_ms: plan.ttl_ms,
            final_only: plan.final_only,
            row_without_input: plan.row_without_input && plan.keys.is_empty() && job.task == 0,
            slots: Vec::new(),
            touched: Touched::default(),
            each_row: EachRow::default(),
        }
    }

    fn count(&self, slot: u32) -> i64 {
        self.aggregates.row_count(&self.table.values, slot)
    }

    /// Drops withdrawals for groups that do not exist when the row comes.
    fn without_strays<'a>(&mut self, chunk: &'a Chunk, out: &mut Output) -> Cow<'a, Chunk> {
        let Some(kinds) = &chunk.kinds else { return Cow::Borrowed(chunk) };
        if kinds.iter().all(|kind| kind.adds()) {
            return Cow::Borrowed(chunk);
        }
        let mut counts: Vec<i64> = self.touched.slots.iter().map(|&slot| self.count(slot)).collect();
        let mut kept = Vec::with_capacity(chunk.rows);
        for (row, &slot) in self.slots.iter().enumerate() {
            let count = &mut counts[self.touched.place(slot)];
            if *count != 0 || kinds[row].adds() {
                *count += kinds[row].sign();
                kept.push(row as u32);
            }
        }
        if kept.len() == chunk.rows {
            return Cow::Borrowed(chunk);
        }
        out.rows.bad += (chunk.rows - kept.len()) as u64;
        self.slots = kept.iter().map(|&row| self.slots[row as usize]).collect();
        Cow::Owned(chunk.take(&kept.into()))
    }

    fn aggregate(&mut self, chunk: &Chunk) -> Result<()> {
        let kinds = chunk.kinds.as_deref();
        let batch = Batch { columns: &chunk.columns, kinds, slots: &self.slots };
        self.aggregates.update(&mut self.table.values, &batch)
    }

    fn on_rows(&mut self, chunk: &Chunk, ctx: &OperatorContext, out: &mut Output) -> Result<Option<Chunk>> {
        self.table.expire(ctx.now_ms);
        self.keys.encode(chunk);
        self.table.resolve(&self.keys.encoded, &self.keys.hashes, ctx.now_ms, &mut self.slots);
        self.touched.collect(&self.slots, self.table.values.len());
        let kept = self.without_strays(chunk, out);
        out.rows.absorbed += kept.rows as u64;
        if self.final_only {
            self.aggregate(&kept)?;
            self.drop_empty();
            return Ok(None);
        }
        let single = self.net_changes || self.touched.slots.len() == kept.rows;
        let emitted = if single { self.change(&kept)? } else { self.change_each(&kept)? };
        self.drop_empty();
        Ok(Some(emitted))
    }

    /// Aggregates rows whose groups were just collected, and gives one change for each group.
    fn change(&mut self, chunk: &Chunk) -> Result<Chunk> {
        let touched = &self.touched.slots;
        let existed: Vec<bool> = touched.iter().map(|&slot| self.count(slot) != 0).collect();
        let before = match existed.contains(&true) {
            true => Some(self.aggregates.finish(&self.table.values, touched)?),
            false => None,
        };
        self.aggregate(chunk)?;
        let touched = &self.touched.slots;
        let fate = |(&slot, existed)| Fate { existed, exists: self.count(slot) != 0 };
        let fates: Vec<Fate> = touched.iter().zip(existed).map(fate).collect();
        let after = self.aggregates.finish(&self.table.values, touched)?;
        let changes = Changes {
            fates: &fates,
            before: before.as_deref().unwrap_or(&after),
            after: &after,
            update_before: self.update_before,
            repeat_equal: self.ttl_ms > 0,
        };
        Ok(changes.changed(&self.key_columns(chunk), &self.touched.rows))
    }

    fn key_columns(&self, chunk: &Chunk) -> Vec<ArrayRef> {
        self.keys.columns().iter().map(|&column| chunk.columns[column].clone()).collect()
    }

    /// The same with one change for each row, in the order of the rows.
    fn change_each(&mut self, chunk: &Chunk) -> Result<Chunk> {
        let counts = self.touched.slots.iter().map(|&slot| self.count(slot)).collect();
        self.each_row.plan(chunk, &self.slots, &self.touched, counts);
        let (keys, given) = (self.key_columns(chunk), (self.update_before, self.ttl_ms > 0));
        let values = &mut self.table.values;
        let emitted = self.each_row.run(&mut self.aggregates, values, chunk, &keys, given)?;
        self.aggregates.count_rows(values, &self.slots, chunk.kinds.as_deref());
        Ok(emitted)
    }

    fn drop_empty(&mut self) {
        for at in 0..self.touched.slots.len() {
            let slot = self.touched.slots[at];
            if self.count(slot) == 0 {
                self.table.remove(slot);
            }
        }
    }

    /// Gives all groups at the end of a batch job.
    fn emit_final(&mut self, out: &mut Output) -> Result<()> {
        if self.row_without_input && self.table.is_empty() {
            self.table.resolve(
                &tidemill_types::key::EncodedKeys { bytes: Vec::new(), ends: vec![0] },
                &[tidemill_types::key::hash(&[])],
                0,
                &mut self.slots,
            );
        }
        loop {
            let slots = self.table.more_slots();
            if slots.is_empty() {
                break;
            }
            for slots in slots.chunks(FINAL_ROWS) {
                let mut columns = self.keys.decode(slots.iter().map(|&slot| self.table.key(slot)));
                columns.extend(self.aggregates.finish(&self.table.values, slots)?);
                out.emit(Chunk::new(columns, slots.len()));
            }
            slots.into_iter().for_each(|slot| self.table.remove(slot));
        }
        self.table.clear();
        Ok(())
    }
}

impl Operator for GroupAggregate {
    fn on_chunk(
        &mut self,
        _port: usize,
        chunk: Chunk,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        let changes = if chunk.rows > 0 { self.on_rows(&chunk, ctx, out)? } else { None };
        let mut emitted = changes.unwrap_or_default();
        if let Some(watermark) = chunk.marks.last() {
            if self.final_only && watermark == WATERMARK_MAX {
                self.emit_final(out)?;
            }
            emitted.marks = Marks::at(emitted.rows, watermark);
        }
        out.emit(emitted);
        Ok(())
    }

    fn tables(&mut self) -> Vec<(&'static str, &mut dyn StateTable)> {
        vec![("groups", &mut self.table)]
    }
}
