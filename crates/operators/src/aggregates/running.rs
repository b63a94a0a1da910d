//! Results while rows come and go: the steps of groups are done in order, with looks at them in between.

use super::{Aggregates, Call, without_nulls};
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, BooleanArray};
use arrow_select::concat::concat;
use tidemill_plan::{Step, Steps, UpdateBatch};
use tidemill_state::SlotCells;
use tidemill_types::{Cells, Result, RowKind};

impl Aggregates {
    /// Does the steps and gives the result of each [`Step::Give`], one column for each aggregate. Rows are those of
    /// `columns`; nothing here counts rows.
    pub fn run(
        &mut self,
        values: &mut SlotCells,
        columns: &[ArrayRef],
        slots: &[u32],
        steps: &[Step],
    ) -> Result<Vec<ArrayRef>> {
        let mut results: Vec<Option<ArrayRef>> = vec![None; self.calls.len()];
        for &at in &self.plain {
            let call = &self.calls[at];
            let args: Vec<ArrayRef> = call.args.iter().map(|&i| columns[i].clone()).collect();
            let filter = call.filter.map(|i| without_nulls(columns[i].as_boolean()));
            let steps = Steps { slots, steps, args: &args, filter: filter.as_ref() };
            results[at] = Some(accumulate(call, &mut values.cells, &steps)?);
        }
        for (set, sets) in self.sets.iter_mut().zip(&mut values.sets) {
            let args: Vec<ArrayRef> = set.args.iter().map(|&i| columns[i].clone()).collect();
            let (slots, steps) = set.run(sets, columns, slots, steps);
            let steps = Steps { slots: &slots, steps: &steps, args: &args, filter: None };
            for &at in &set.calls {
                results[at] = Some(accumulate(&self.calls[at], &mut values.cells, &steps)?);
            }
        }
        Ok(results.into_iter().map(|result| result.expect("every call has its result")).collect())
    }
}

fn accumulate(call: &Call, cells: &mut [Cells], steps: &Steps<'_>) -> Result<ArrayRef> {
    let cells = &mut cells[call.cells.clone()];
    match call.accumulator.run(cells, steps)? {
        Some(result) => Ok(result),
        None => row_by_row(call, cells, steps),
    }
}

/// Row by row, for accumulators that can do no better.
fn row_by_row(call: &Call, cells: &mut [Cells], steps: &Steps<'_>) -> Result<ArrayRef> {
    let mut given = Vec::new();
    for (slot, step) in steps.slots.iter().zip(steps.steps) {
        let slots = std::slice::from_ref(slot);
        match step {
            Step::Add(row) | Step::Take(row) => {
                let row = *row as usize;
                let args: Vec<ArrayRef> = steps.args.iter().map(|arg| arg.slice(row, 1)).collect();
                let filter: Option<BooleanArray> = steps.filter.map(|filter| filter.slice(row, 1));
                let kinds = Some(kind_of(*step)).filter(|kinds| !kinds[0].adds());
                let batch = UpdateBatch { slots, args: &args, kinds, filter: filter.as_ref() };
                call.accumulator.update(cells, &batch)?;
            }
            Step::Give => given.push(call.accumulator.finish(cells, slots)?),
            Step::Clear => clear(cells, *slot),
        }
    }
    Ok(joined(call, &given))
}

fn kind_of(step: Step) -> &'static [RowKind] {
    match step {
        Step::Take(_) => &[RowKind::Delete],
        _ => &[RowKind::Insert],
    }
}

fn clear(cells: &mut [Cells], slot: u32) {
    cells.iter_mut().for_each(|cells| cells.clear(slot));
}

fn joined(call: &Call, parts: &[ArrayRef]) -> ArrayRef {
    if parts.is_empty() {
        return tidemill_types::key::decode(std::slice::from_ref(&call.return_type), [])
            .pop()
            .expect("one type gives one column");
    }
    let parts: Vec<_> = parts.iter().map(AsRef::as_ref).collect();
    concat(&parts).expect("results of one aggregate have one type")
}
