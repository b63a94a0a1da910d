//! COUNT(*) and COUNT(x).

use super::rows::{Event, Given, for_rows, for_steps, for_values, foreign_cells, slots_only};
use super::types_of;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array};
use std::sync::Arc;
use tidemill_plan::{Accumulator, BindCall, BoundAggregate, Steps, UpdateBatch};
use tidemill_types::{CellKind, Cells, Error, Result, TypeKind};

pub(super) fn bind(call: &BindCall<'_>, _retract: bool) -> Result<BoundAggregate> {
    if call.args.len() > 1 {
        return Err(Error::user_hint(
            "COUNT takes one argument or '*'",
            "to count distinct combinations, use COUNT(DISTINCT ROW(a, b)) or count a subquery with SELECT DISTINCT",
        ));
    }
    Ok(BoundAggregate {
        arg_types: types_of(call),
        return_type: TypeKind::BigInt.not_null(),
        accumulator: Arc::new(Count),
    })
}

/// Cell: the count.
struct Count;

fn counts(cells: &[Cells]) -> &[i64] {
    match cells {
        [Cells::I64(counts)] => counts,
        other => foreign_cells(other),
    }
}

fn counts_mut(cells: &mut [Cells]) -> &mut [i64] {
    match cells {
        [Cells::I64(counts)] => counts,
        other => foreign_cells(other),
    }
}

fn add_partial(cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef], sign: i64) {
    let counts = counts_mut(cells);
    let partial = partial[0].as_primitive::<Int64Type>().values();
    for_rows(&slots_only(slots), None, |row, slot, _| counts[slot] += sign * partial[row]);
}

impl Accumulator for Count {
    fn cells(&self) -> Vec<CellKind> {
        vec![CellKind::I64]
    }

    fn update(&self, cells: &mut [Cells], batch: &UpdateBatch<'_>) -> Result<()> {
        let counts = counts_mut(cells);
        let each = |_, slot: usize, sign| counts[slot] += sign;
        match batch.args {
            [] => for_rows(batch, None, each),
            args => for_values(batch, &args[0], each),
        }
        Ok(())
    }

    fn merge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        add_partial(cells, slots, partial, 1);
        Ok(())
    }

    fn finish(&self, cells: &[Cells], slots: &[u32]) -> Result<ArrayRef> {
        let counts = counts(cells);
        Ok(Arc::new(Int64Array::from_iter_values(slots.iter().map(|&slot| counts[slot as usize]))))
    }

    fn run(&self, cells: &mut [Cells], steps: &Steps<'_>) -> Result<Option<ArrayRef>> {
        let counts = counts_mut(cells);
        let mut given = Given::new(steps);
        for_steps(steps, steps.args.first().map(AsRef::as_ref), |slot, event| match event {
            Event::Change(_, sign) => counts[slot] += sign,
            Event::Give => given.push(counts[slot], true),
            Event::Clear => counts[slot] = 0,
        });
        Ok(Some(Arc::new(Int64Array::from(given.values))))
    }

    fn retracts(&self) -> bool {
        true
    }

    fn invertible(&self) -> bool {
        true
    }

    fn unmerge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        add_partial(cells, slots, partial, -1);
        Ok(())
    }
}
