//! COLLECT (values with their multiplicity) and ARRAY_AGG (values in order of arrival, NULLs too).

use super::extreme::{count_values, merge_counts};
use super::log::{Log, append, change, entries};
use super::only_argument;
use super::rows::{for_rows, for_values, foreign_cells, slots_only};
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, Int32Array, ListArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use std::sync::Arc;
use tidemill_plan::{Accumulator, BindCall, BoundAggregate, UpdateBatch};
use tidemill_types::arrow_type::element_field;
use tidemill_types::key::decode;
use tidemill_types::map::map_array;
use tidemill_types::{CellKind, Cells, DataType, EncodedKeys, KeyEncoder, Result, TypeKind};

pub(super) fn bind_collect(call: &BindCall<'_>, _retract: bool) -> Result<BoundAggregate> {
    let arg = only_argument("COLLECT", call)?;
    Ok(BoundAggregate {
        return_type: TypeKind::Multiset(Box::new(arg.clone())).not_null(),
        accumulator: Arc::new(Collect { element: arg.clone() }),
        arg_types: vec![arg],
    })
}

pub(super) fn bind_array_agg(call: &BindCall<'_>, _retract: bool) -> Result<BoundAggregate> {
    let arg = only_argument("ARRAY_AGG", call)?;
    Ok(BoundAggregate {
        return_type: TypeKind::Array(Box::new(arg.clone())).nullable(),
        accumulator: Arc::new(ArrayAgg { element: arg.clone() }),
        arg_types: vec![arg],
    })
}

/// The column of one type from encoded values.
fn column<'a>(of: &DataType, values: impl Iterator<Item = &'a [u8]>) -> ArrayRef {
    decode(std::slice::from_ref(of), values).pop().expect("one type gives one column")
}

/// Cell: the encoded values with their counts.
struct Collect {
    element: DataType,
}

impl Accumulator for Collect {
    fn cells(&self) -> Vec<CellKind> {
        vec![CellKind::Multiset]
    }

    fn update(&self, cells: &mut [Cells], batch: &UpdateBatch<'_>) -> Result<()> {
        let [Cells::Multiset(held)] = cells else { foreign_cells(cells) };
        count_values(held, batch);
        Ok(())
    }

    fn merge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        let [Cells::Multiset(held)] = cells else { foreign_cells(cells) };
        merge_counts(held, slots, &partial[0], 1);
        Ok(())
    }

    fn finish(&self, cells: &[Cells], slots: &[u32]) -> Result<ArrayRef> {
        let [Cells::Multiset(held)] = cells else { foreign_cells(cells) };
        let of = |slot: &u32| held[*slot as usize].iter().filter(|(_, count)| **count > 0);
        let values = column(&self.element, slots.iter().flat_map(of).map(|(value, _)| value.as_ref()));
        let counts: Int32Array = slots.iter().flat_map(of).map(|(_, count)| Some(*count as i32)).collect();
        let offsets = OffsetBuffer::from_lengths(slots.iter().map(|slot| of(slot).count()));
        let types = (&self.element, &TypeKind::Int.not_null());
        Ok(Arc::new(map_array(types, offsets, (values, Arc::new(counts)), None)))
    }

    fn retracts(&self) -> bool {
        true
    }

    fn invertible(&self) -> bool {
        true
    }

    fn unmerge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        let [Cells::Multiset(held)] = cells else { foreign_cells(cells) };
        merge_counts(held, slots, &partial[0], -1);
        Ok(())
    }
}

/// Cell: a log of the encoded values.
struct ArrayAgg {
    element: DataType,
}

impl Accumulator for ArrayAgg {
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
        for_rows(batch, None, |row, slot, sign| change(&mut logs[slot], encoded.key(row), sign));
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
        let of = |slot: &u32| logs[*slot as usize].as_deref();
        let values =
            column(&self.element, slots.iter().flat_map(|slot| entries(log_bytes(&logs[*slot as usize]))));
        let lengths = slots.iter().map(|slot| of(slot).map_or(0, |log| entries(log).count()));
        let nulls: NullBuffer = slots.iter().map(|slot| of(slot).is_some()).collect();
        let field = element_field(&self.element);
        Ok(Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lengths), values, Some(nulls))))
    }

    fn retracts(&self) -> bool {
        true
    }
}

fn log_bytes(log: &Log) -> &[u8] {
    log.as_deref().unwrap_or_default()
}
