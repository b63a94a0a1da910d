//! FIRST_VALUE and LAST_VALUE by arrival; NULLs are skipped.
//!
//! With retraction all values are kept in a log: Flink takes the earliest occurrence of a value back.

use super::log::{append, change, entries};
use super::only_argument;
use super::rows::{encoded_column, for_values, foreign_cells, set_bytes, slots_only};
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use std::sync::Arc;
use tidemill_plan::{Accumulator, BindCall, BoundAggregate, UpdateBatch};
use tidemill_types::{CellKind, Cells, DataType, EncodedKeys, KeyEncoder, Result};

pub(super) fn bind_first(call: &BindCall<'_>, retract: bool) -> Result<BoundAggregate> {
    bind::<false>("FIRST_VALUE", call, retract)
}

pub(super) fn bind_last(call: &BindCall<'_>, retract: bool) -> Result<BoundAggregate> {
    bind::<true>("LAST_VALUE", call, retract)
}

fn bind<const LAST: bool>(name: &str, call: &BindCall<'_>, retract: bool) -> Result<BoundAggregate> {
    let arg = only_argument(name, call)?;
    let returns = arg.clone().with_nullable(true);
    let accumulator: Arc<dyn Accumulator> = match retract {
        true => Arc::new(Logged::<LAST> { returns: returns.clone() }),
        false => Arc::new(Position::<LAST> { returns: returns.clone() }),
    };
    Ok(BoundAggregate { arg_types: vec![arg], return_type: returns, accumulator })
}

/// Cell: the encoded value.
struct Position<const LAST: bool> {
    returns: DataType,
}

#[inline]
fn keep<const LAST: bool>(cell: &mut Option<Box<[u8]>>, value: &[u8]) {
    if LAST || cell.is_none() {
        set_bytes(cell, value);
    }
}

impl<const LAST: bool> Accumulator for Position<LAST> {
    fn ordered(&self) -> bool {
        true
    }

    fn cells(&self) -> Vec<CellKind> {
        vec![CellKind::Bytes]
    }

    fn update(&self, cells: &mut [Cells], batch: &UpdateBatch<'_>) -> Result<()> {
        let [Cells::Bytes(held)] = cells else { foreign_cells(cells) };
        let mut encoded = EncodedKeys::default();
        KeyEncoder::encode_one(&batch.args[0], &mut encoded);
        for_values(batch, &batch.args[0], |row, slot, _| keep::<LAST>(&mut held[slot], encoded.key(row)));
        Ok(())
    }

    fn merge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        let [Cells::Bytes(held)] = cells else { foreign_cells(cells) };
        let values = partial[0].as_binary_view();
        for_values(&slots_only(slots), values, |row, slot, _| {
            keep::<LAST>(&mut held[slot], values.value(row));
        });
        Ok(())
    }

    fn finish(&self, cells: &[Cells], slots: &[u32]) -> Result<ArrayRef> {
        let [Cells::Bytes(held)] = cells else { foreign_cells(cells) };
        Ok(encoded_column(&self.returns, slots.iter().map(|&slot| held[slot as usize].as_deref())))
    }

    fn retracts(&self) -> bool {
        false
    }
}

/// Cell: a log of the encoded values.
struct Logged<const LAST: bool> {
    returns: DataType,
}

impl<const LAST: bool> Accumulator for Logged<LAST> {
    fn ordered(&self) -> bool {
        true
    }

    fn cells(&self) -> Vec<CellKind> {
        vec![CellKind::Bytes]
    }

    fn update(&self, cells: &mut [Cells], batch: &UpdateBatch<'_>) -> Result<()> {
        let [Cells::Bytes(logs)] = cells else { foreign_cells(cells) };
        let mut encoded = EncodedKeys::default();
        KeyEncoder::encode_one(&batch.args[0], &mut encoded);
        for_values(batch, &batch.args[0], |row, slot, sign| {
            change(&mut logs[slot], encoded.key(row), sign);
        });
        Ok(())
    }

    fn merge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        let [Cells::Bytes(logs)] = cells else { foreign_cells(cells) };
        let more = partial[0].as_binary_view();
        for_values(&slots_only(slots), more, |row, slot, _| append(&mut logs[slot], &[more.value(row)]));
        Ok(())
    }

    fn finish(&self, cells: &[Cells], slots: &[u32]) -> Result<ArrayRef> {
        let [Cells::Bytes(logs)] = cells else { foreign_cells(cells) };
        let values = slots.iter().map(|&slot| {
            let mut values = entries(logs[slot as usize].as_deref()?);
            if LAST { values.last() } else { values.next() }
        });
        Ok(encoded_column(&self.returns, values))
    }

    fn retracts(&self) -> bool {
        true
    }
}
