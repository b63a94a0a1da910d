//! DISTINCT: which values come into, or go out of, the counted set of a slot.
//!
//! Values are kept in the key encoding, so they come back as columns when sets are merged. NULL is a
//! value here, as ARRAY_AGG has it; the other aggregates skip it themselves.

use super::{Batch, Call, without_nulls};
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, BooleanArray, UInt32Array};
use arrow_select::take::take;
use tidemill_plan::{AggregateCall, Step, UpdateBatch};
use tidemill_state::CountedSets;
use tidemill_types::key::{EncodedKeys, KeyEncoder, decode, hash};
use tidemill_types::{Cells, Result, RowKind};

/// The aggregates that share one counted set.
pub(super) struct DistinctSet {
    pub(super) args: Vec<usize>,
    pub(super) filter: Option<usize>,
    pub(super) calls: Vec<usize>,
    encoder: KeyEncoder,
    encoded: EncodedKeys,
}

/// Values that came into sets or went out of them.
pub(super) struct Changes {
    slots: Vec<u32>,
    kinds: Vec<RowKind>,
    args: Vec<ArrayRef>,
}

impl Changes {
    /// Hands the values to the accumulators.
    pub(super) fn apply(&self, calls: &[Call], which: &[usize], cells: &mut [Cells]) -> Result<()> {
        if self.slots.is_empty() {
            return Ok(());
        }
        let taken_back = self.kinds.iter().any(|kind| !kind.adds());
        let kinds = taken_back.then_some(self.kinds.as_slice());
        let batch = UpdateBatch { slots: &self.slots, args: &self.args, kinds, filter: None };
        which.iter().try_for_each(|&at| {
            let Call { accumulator, cells: range, .. } = &calls[at];
            accumulator.update(&mut cells[range.clone()], &batch)
        })
    }
}

/// What a change of a count means for the aggregates.
fn transition(before: i64, after: i64) -> Option<RowKind> {
    match (before > 0, after > 0) {
        (false, true) => Some(RowKind::Insert),
        (true, false) => Some(RowKind::Delete),
        _ => None,
    }
}

impl DistinctSet {
    pub(super) fn new(at: usize, call: &AggregateCall) -> Self {
        DistinctSet {
            args: call.args.clone(),
            filter: call.filter,
            calls: vec![at],
            encoder: KeyEncoder::new(call.arg_types.iter().cloned()),
            encoded: EncodedKeys::default(),
        }
    }

    /// Counts the values of rows.
    pub(super) fn add_rows(&mut self, sets: &mut CountedSets, batch: &Batch<'_>) -> Changes {
        let args: Vec<ArrayRef> = self.args.iter().map(|&i| batch.columns[i].clone()).collect();
        let filter: Option<BooleanArray> = self.filter.map(|i| without_nulls(batch.columns[i].as_boolean()));
        self.encoder.encode(&args, batch.slots.len(), &mut self.encoded);
        let (mut rows, mut kinds) = (Vec::new(), Vec::new());
        for (row, (value, &slot)) in self.encoded.iter().zip(batch.slots).enumerate() {
            if filter.as_ref().is_some_and(|filter| !filter.value(row)) {
                continue;
            }
            let sign = batch.kinds.map_or(1, |kinds| kinds[row].sign());
            let (before, after) = sets.add(slot, hash(value), value, sign);
            if let Some(kind) = transition(before, after) {
                rows.push(row as u32);
                kinds.push(kind);
            }
        }
        let slots = rows.iter().map(|&row| batch.slots[row as usize]).collect();
        let rows = UInt32Array::from(rows);
        let args = args
            .iter()
            .map(|arg| take(arg, &rows, None).expect("row numbers lie inside the chunk"))
            .collect();
        Changes { slots, kinds, args }
    }

    /// Counts the values of the rows that steps name. What is left for the accumulators: rows whose value comes into
    /// its set or goes out of it, and the other steps as they are.
    pub(super) fn run(
        &mut self,
        sets: &mut CountedSets,
        columns: &[ArrayRef],
        slots: &[u32],
        steps: &[Step],
    ) -> (Vec<u32>, Vec<Step>) {
        let args: Vec<ArrayRef> = self.args.iter().map(|&i| columns[i].clone()).collect();
        let filter: Option<BooleanArray> = self.filter.map(|i| without_nulls(columns[i].as_boolean()));
        self.encoder.encode(&args, args.first().map_or(0, |arg| arg.len()), &mut self.encoded);
        let (mut left_slots, mut left) = (Vec::with_capacity(steps.len()), Vec::with_capacity(steps.len()));
        for (&slot, &step) in slots.iter().zip(steps) {
            let step = match step {
                Step::Add(row) | Step::Take(row) => {
                    if filter.as_ref().is_some_and(|filter| !filter.value(row as usize)) {
                        continue;
                    }
                    let value = self.encoded.key(row as usize);
                    let sign = if matches!(step, Step::Add(_)) { 1 } else { -1 };
                    let (before, after) = sets.add(slot, hash(value), value, sign);
                    match transition(before, after) {
                        Some(RowKind::Insert) => Step::Add(row),
                        Some(_) => Step::Take(row),
                        None => continue,
                    }
                }
                Step::Give => step,
                Step::Clear => {
                    sets.clear(slot);
                    step
                }
            };
            left_slots.push(slot);
            left.push(step);
        }
        (left_slots, left)
    }

    /// Adds the sets of the slots `from` to those of `to`.
    pub(super) fn add_slots(&mut self, sets: &mut CountedSets, from: &[u32], to: &[u32]) -> Changes {
        let (mut slots, mut kinds) = (Vec::new(), Vec::new());
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for (&from, &to) in from.iter().zip(to) {
            sets.merge(from, to, |value, before, after| {
                if let Some(kind) = transition(before, after) {
                    slots.push(to);
                    kinds.push(kind);
                    bytes.extend_from_slice(value);
                    ends.push(bytes.len());
                }
            });
        }
        let starts = std::iter::once(&0).chain(&ends);
        let args = decode(self.encoder.types(), starts.zip(&ends).map(|(&start, &end)| &bytes[start..end]));
        Changes { slots, kinds, args }
    }
}
