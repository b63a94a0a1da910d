//! The value of a scalar subquery: of no row NULL, of one row its value; a second row fails the run.
//!
//! Cells: how many rows there are, and the encoded value of the last one. A row that is taken back makes room for
//! another, so that an update of the only row is no failure.

use super::only_argument;
use super::rows::{encoded_column, for_rows, foreign_cells, set_bytes, slots_only};
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use std::sync::Arc;
use tidemill_plan::{Accumulator, BindCall, BoundAggregate, UpdateBatch};
use tidemill_types::key::{EncodedKeys, KeyEncoder};
use tidemill_types::{CellKind, Cells, DataType, Error, Result};

/// Binds it to its argument's type.
pub(super) fn bind(call: &BindCall<'_>, _retract: bool) -> Result<BoundAggregate> {
    let data_type = only_argument("SINGLE_VALUE", call)?;
    let accumulator = Arc::new(SingleValue { data_type: data_type.clone() });
    Ok(BoundAggregate {
        arg_types: vec![data_type.clone()],
        return_type: data_type.with_nullable(true),
        accumulator,
    })
}

struct SingleValue {
    data_type: DataType,
}

fn count(rows: &mut i64, sign: i64) -> Result<()> {
    if sign > 0 && *rows > 0 {
        return Err(Error::data("a scalar subquery gave more than one row"));
    }
    *rows += sign;
    Ok(())
}

impl Accumulator for SingleValue {
    fn cells(&self) -> Vec<CellKind> {
        vec![CellKind::I64, CellKind::Bytes]
    }

    fn update(&self, cells: &mut [Cells], batch: &UpdateBatch<'_>) -> Result<()> {
        let [Cells::I64(rows), Cells::Bytes(values)] = cells else { foreign_cells(cells) };
        let mut encoded = EncodedKeys::default();
        KeyEncoder::new([self.data_type.clone()]).encode(batch.args, batch.slots.len(), &mut encoded);
        let mut outcome = Ok(());
        for_rows(batch, None, |row, slot, sign| {
            if outcome.is_err() {
                return;
            }
            outcome = count(&mut rows[slot], sign);
            match sign > 0 {
                true => set_bytes(&mut values[slot], encoded.key(row)),
                false => values[slot] = None,
            }
        });
        outcome
    }

    fn merge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        let [Cells::I64(rows), Cells::Bytes(values)] = cells else { foreign_cells(cells) };
        let (more, held) = (partial[0].as_primitive::<Int64Type>(), partial[1].as_binary_view());
        let mut outcome = Ok(());
        for_rows(&slots_only(slots), None, |row, slot, _| {
            if more.value(row) > 0 && outcome.is_ok() {
                outcome = count(&mut rows[slot], more.value(row));
                set_bytes(&mut values[slot], held.value(row));
            }
        });
        outcome
    }

    fn finish(&self, cells: &[Cells], slots: &[u32]) -> Result<ArrayRef> {
        let [Cells::I64(_), Cells::Bytes(values)] = cells else { foreign_cells(cells) };
        let data_type = self.data_type.clone().with_nullable(true);
        Ok(encoded_column(&data_type, slots.iter().map(|&slot| values[slot as usize].as_deref())))
    }

    fn retracts(&self) -> bool {
        true
    }

    fn ordered(&self) -> bool {
        true
    }
}
