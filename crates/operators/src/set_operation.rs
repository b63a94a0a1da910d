//! INTERSECT and EXCEPT, with and without ALL, over two changelogs.
//!
//! Each different row is a key that counts how often the left and the right input have it; what comes out of
//! the two counts is a number of copies, and a change of that number is given as `+I` or `-D`. Equal rows are
//! those that are not distinct: NULL equals NULL.
//! State: two counts for each row that some input has. Invariant: a row that no input has is not kept.
//! Time attributes end here, so a chunk's marks become one behind its changes.

use crate::build::JobInfo;
use crate::keys::Keys;
use crate::stored_rows::whole_rows;
use crate::{Operator, OperatorContext, Output};
use arrow_array::UInt32Array;
use tidemill_plan::SetOperationPlan;
use tidemill_state::{GroupTable, SlotCells, StateTable};
use tidemill_types::{CellKind, Cells, Chunk, Marks, Result, RowKind, Schema, WATERMARK_MAX};

/// Rows in one chunk of final results.
const FINAL_ROWS: usize = 4_096;

/// The running set operation.
pub struct SetOperation {
    plan: SetOperationPlan,
    keys: Keys,
    table: GroupTable,
    slots: Vec<u32>,
}

impl SetOperation {
    /// The operator of a plan node; both inputs have the types of `input`.
    pub fn new(plan: SetOperationPlan, input: &Schema, job: &JobInfo) -> Self {
        SetOperation {
            plan,
            keys: whole_rows(input),
            table: GroupTable::new(&[CellKind::I64, CellKind::I64], 0, plan.ttl_ms, job.key_groups),
            slots: Vec::new(),
        }
    }

    /// Counts the rows of one side and gives the changes; they have the columns of their rows.
    fn on_rows(&mut self, port: usize, chunk: &Chunk, now_ms: i64) -> Chunk {
        self.table.expire(now_ms);
        self.keys.encode(chunk);
        self.table.resolve(&self.keys.encoded, &self.keys.hashes, now_ms, &mut self.slots);
        let (mut rows, mut kinds) = (Vec::new(), Vec::new());
        for (row, &slot) in self.slots.iter().enumerate() {
            let before = copies(&self.plan, &self.table.values, slot);
            counts(&mut self.table.values, port)[slot as usize] += chunk.kind(row).sign();
            let change = copies(&self.plan, &self.table.values, slot) - before;
            let kind = if change > 0 { RowKind::Insert } else { RowKind::Delete };
            rows.extend(std::iter::repeat_n(row as u32, change.unsigned_abs() as usize));
            kinds.extend(std::iter::repeat_n(kind, change.unsigned_abs() as usize));
        }
        self.drop_empty();
        if self.plan.final_only {
            return Chunk::default();
        }
        let mut changes = Chunk { kinds: None, ..chunk.clone() }.take(&UInt32Array::from(rows));
        changes.kinds = kinds.contains(&RowKind::Delete).then(|| kinds.into());
        changes
    }

    fn drop_empty(&mut self) {
        self.slots.sort_unstable();
        self.slots.dedup();
        for &slot in &self.slots {
            if both(&self.table.values, slot) == (0, 0) {
                self.table.remove(slot);
            }
        }
    }

    /// Gives all rows at the end of a batch job.
    fn emit_final(&mut self, out: &mut Output) {
        loop {
            let held = self.table.more_slots();
            if held.is_empty() {
                break;
            }
            let copies_of = |slot: u32| copies(&self.plan, &self.table.values, slot) as usize;
            let slots: Vec<u32> =
                held.iter().flat_map(|&slot| std::iter::repeat_n(slot, copies_of(slot))).collect();
            for slots in slots.chunks(FINAL_ROWS) {
                let columns = self.keys.decode(slots.iter().map(|&slot| self.table.key(slot)));
                out.emit(Chunk::new(columns, slots.len()));
            }
            held.into_iter().for_each(|slot| self.table.remove(slot));
        }
        self.table.clear();
    }
}

fn counts(values: &mut SlotCells, port: usize) -> &mut Vec<i64> {
    match &mut values.cells[port] {
        Cells::I64(counts) => counts,
        _ => unreachable!("the table was made with counts"),
    }
}

fn both(values: &SlotCells, slot: u32) -> (i64, i64) {
    match values.cells.as_slice() {
        [Cells::I64(left), Cells::I64(right)] => (left[slot as usize], right[slot as usize]),
        _ => unreachable!("the table was made with two counts"),
    }
}

fn copies(plan: &SetOperationPlan, values: &SlotCells, slot: u32) -> i64 {
    let (left, right) = both(values, slot);
    plan.count(left, right)
}

impl Operator for SetOperation {
    fn on_chunk(&mut self, port: usize, chunk: Chunk, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        let mut changes = match chunk.rows {
            0 => Chunk::default(),
            _ => self.on_rows(port, &chunk, ctx.now_ms),
        };
        out.rows.absorbed += chunk.rows as u64;
        if let Some(watermark) = chunk.marks.last() {
            if self.plan.final_only && watermark == WATERMARK_MAX {
                self.emit_final(out);
            }
            changes.marks = Marks::at(changes.rows, watermark);
        }
        out.emit(changes);
        Ok(())
    }

    fn tables(&mut self) -> Vec<(&'static str, &mut dyn StateTable)> {
        vec![("rows", &mut self.table)]
    }
}
