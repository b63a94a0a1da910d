//! The aggregates of a plan node over the cells of a table: the one place where accumulators are called.
//!
//! Layout of the cells: those of each aggregate in order, then the number of rows if it is asked for.
//! Invariant: aggregates that are DISTINCT on the same arguments under the same filter share one counted
//! set, and their accumulators see a value when its count gets above zero and, taken back, when it leaves
//! it again.

mod distinct;
mod running;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BooleanArray};
use distinct::DistinctSet;
use std::ops::Range;
use std::sync::Arc;
use tidemill_plan::{Accumulator, AggregateCall, UpdateBatch};
use tidemill_state::SlotCells;
use tidemill_types::{CellKind, Cells, DataType, Result, RowKind};

/// Rows to aggregate: the columns of the input cut to the rows, with the slot of each.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// The columns of the input.
    pub columns: &'a [ArrayRef],
    /// The kind of each row, if rows may be taken back.
    pub kinds: Option<&'a [RowKind]>,
    /// The slot of each row.
    pub slots: &'a [u32],
}

struct Call {
    accumulator: Arc<dyn Accumulator>,
    args: Vec<usize>,
    filter: Option<usize>,
    cells: Range<usize>,
    return_type: DataType,
}

/// The aggregates of one operator.
pub struct Aggregates {
    calls: Vec<Call>,
    plain: Vec<usize>,
    sets: Vec<DistinctSet>,
    kinds: Vec<CellKind>,
    row_count: Option<usize>,
}

impl Aggregates {
    /// The aggregates of a plan, with the number of rows of each slot if `count_rows`.
    pub fn new(calls: &[AggregateCall], count_rows: bool) -> Self {
        let mut out = Aggregates {
            calls: Vec::new(),
            plain: Vec::new(),
            sets: Vec::new(),
            kinds: Vec::new(),
            row_count: None,
        };
        for (at, call) in calls.iter().enumerate() {
            let start = out.kinds.len();
            out.kinds.extend(call.accumulator.cells());
            out.calls.push(Call {
                accumulator: call.accumulator.clone(),
                args: call.args.clone(),
                filter: call.filter,
                cells: start..out.kinds.len(),
                return_type: call.return_type.clone(),
            });
            match call.distinct {
                false => out.plain.push(at),
                true => out.add_distinct(at, call),
            }
        }
        if count_rows {
            out.row_count = Some(out.kinds.len());
            out.kinds.push(CellKind::I64);
        }
        out
    }

    fn add_distinct(&mut self, at: usize, call: &AggregateCall) {
        match self.sets.iter_mut().find(|set| set.args == call.args && set.filter == call.filter) {
            Some(set) => set.calls.push(at),
            None => self.sets.push(DistinctSet::new(at, call)),
        }
    }

    /// The cells of a slot.
    pub fn kinds(&self) -> &[CellKind] {
        &self.kinds
    }

    /// How many counted sets a slot has.
    pub fn sets(&self) -> usize {
        self.sets.len()
    }

    /// Whether [`Aggregates::unmerge`] works.
    pub fn invertible(&self) -> bool {
        self.sets.is_empty() && self.calls.iter().all(|call| call.accumulator.invertible())
    }

    /// The types of the results.
    pub fn return_types(&self) -> impl Iterator<Item = &DataType> {
        self.calls.iter().map(|call| &call.return_type)
    }

    /// Adds rows, or takes them back.
    pub fn update(&mut self, values: &mut SlotCells, batch: &Batch<'_>) -> Result<()> {
        let kinds = batch.kinds.filter(|kinds| kinds.iter().any(|kind| !kind.adds()));
        let batch = &Batch { kinds, ..*batch };
        for &at in &self.plain {
            let call = &self.calls[at];
            let args: Vec<ArrayRef> = call.args.iter().map(|&i| batch.columns[i].clone()).collect();
            let filter = call.filter.map(|i| without_nulls(batch.columns[i].as_boolean()));
            let update =
                UpdateBatch { slots: batch.slots, args: &args, kinds: batch.kinds, filter: filter.as_ref() };
            call.accumulator.update(&mut values.cells[call.cells.clone()], &update)?;
        }
        for (set_at, set) in self.sets.iter_mut().enumerate() {
            let changes = set.add_rows(&mut values.sets[set_at], batch);
            changes.apply(&self.calls, &set.calls, &mut values.cells)?;
        }
        self.count_rows(values, batch.slots, batch.kinds);
        Ok(())
    }

    /// Counts the rows of slots, if that was asked for; [`Aggregates::update`] does it.
    pub fn count_rows(&self, values: &mut SlotCells, slots: &[u32], kinds: Option<&[RowKind]>) {
        let Some(Cells::I64(counts)) = self.row_count.map(|at| &mut values.cells[at]) else { return };
        match kinds {
            None => slots.iter().for_each(|&slot| counts[slot as usize] += 1),
            Some(kinds) => {
                slots.iter().zip(kinds).for_each(|(&slot, kind)| counts[slot as usize] += kind.sign())
            }
        }
    }

    /// Adds the values of the slots `from` to the slots `to`, pair by pair.
    pub fn merge(&mut self, values: &mut SlotCells, from: &[u32], to: &[u32]) -> Result<()> {
        let partial = self.partial(values, from);
        self.merge_partial(values, to, &partial)?;
        for (set_at, set) in self.sets.iter_mut().enumerate() {
            let changes = set.add_slots(&mut values.sets[set_at], from, to);
            changes.apply(&self.calls, &set.calls, &mut values.cells)?;
        }
        Ok(())
    }

    /// Takes the values of the slots `from` away from the slots `to` again.
    pub fn unmerge(&mut self, values: &mut SlotCells, from: &[u32], to: &[u32]) -> Result<()> {
        let partial = self.partial(values, from);
        for &at in &self.plain {
            let Call { accumulator, cells, .. } = &self.calls[at];
            accumulator.unmerge(&mut values.cells[cells.clone()], to, &partial[cells.clone()])?;
        }
        self.add_counts(values, to, &partial, -1);
        Ok(())
    }

    /// The cells of these slots as columns, in the order of [`Aggregates::kinds`].
    pub fn partial(&self, values: &SlotCells, slots: &[u32]) -> Vec<ArrayRef> {
        values.cells.iter().map(|cells| cells.to_array(slots)).collect()
    }

    /// Adds columns made by [`Aggregates::partial`]. Counted sets are not in them.
    pub fn merge_partial(&mut self, values: &mut SlotCells, to: &[u32], partial: &[ArrayRef]) -> Result<()> {
        for &at in &self.plain {
            let Call { accumulator, cells, .. } = &self.calls[at];
            accumulator.merge(&mut values.cells[cells.clone()], to, &partial[cells.clone()])?;
        }
        self.add_counts(values, to, partial, 1);
        Ok(())
    }

    fn add_counts(&self, values: &mut SlotCells, to: &[u32], partial: &[ArrayRef], sign: i64) {
        let Some(at) = self.row_count else { return };
        let added = partial[at].as_primitive::<Int64Type>().values();
        if let Cells::I64(counts) = &mut values.cells[at] {
            to.iter().zip(added).for_each(|(&slot, &count)| counts[slot as usize] += sign * count);
        }
    }

    /// The results of these slots, one column for each aggregate.
    pub fn finish(&self, values: &SlotCells, slots: &[u32]) -> Result<Vec<ArrayRef>> {
        self.calls
            .iter()
            .map(|call| call.accumulator.finish(&values.cells[call.cells.clone()], slots))
            .collect()
    }

    /// How many rows a slot stands for; only with `count_rows`.
    #[inline]
    pub fn row_count(&self, values: &SlotCells, slot: u32) -> i64 {
        match self.row_count.map(|at| &values.cells[at]) {
            Some(Cells::I64(counts)) => counts[slot as usize],
            _ => 1,
        }
    }
}

/// A filter in which NULL is FALSE.
fn without_nulls(filter: &BooleanArray) -> BooleanArray {
    match filter.nulls() {
        None => filter.clone(),
        Some(nulls) => BooleanArray::new(filter.values() & nulls.inner(), None),
    }
}
