//! PERCENTILE(value, fraction or fractions[, frequency]): exact, interpolated linearly between neighbours.
//!
//! The fractions are those of the first row of a group, as in Flink.

use super::extreme::{count_value, merge_counts};
use super::rows::{for_rows, for_values, foreign_cells, slots_only};
use super::types_of;
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, Float64Array, ListArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use std::sync::Arc;
use tidemill_plan::{Accumulator, BindCall, BoundAggregate, UpdateBatch};
use tidemill_types::arrow_type::element_field;
use tidemill_types::cells::Multiset;
use tidemill_types::key::decode;
use tidemill_types::{CellKind, Cells, DataType, EncodedKeys, Error, KeyEncoder, Result, TypeKind};

pub(super) fn bind(call: &BindCall<'_>, _retract: bool) -> Result<BoundAggregate> {
    let given = types_of(call);
    let number = |t: &DataType| t.kind.is_numeric() || t.kind == TypeKind::Null;
    let double = || TypeKind::Double.nullable();
    let (several, fits) = match given.as_slice() {
        [value, fraction] => (is_list(fraction), number(value)),
        [value, fraction, frequency] => {
            (is_list(fraction), number(value) && (frequency.kind.is_integer() || number(frequency)))
        }
        _ => (false, false),
    };
    let fraction = match &given.get(1).map(|t| &t.kind) {
        Some(TypeKind::Array(element)) => number(element),
        Some(_) => number(&given[1]),
        None => false,
    };
    if !fits || !fraction {
        return Err(Error::user(
            "PERCENTILE takes a number, a fraction from 0 to 1 (or an ARRAY of them) and, if wanted, a whole frequency",
        ));
    }
    call.args[1].literal.into_iter().try_for_each(check_fractions)?;
    let list = TypeKind::Array(Box::new(double())).nullable();
    let mut arg_types = vec![double(), if several { list.clone() } else { double() }];
    arg_types.extend(given.get(2).map(|_| TypeKind::BigInt.nullable()));
    let return_type = if several { list } else { double() };
    Ok(BoundAggregate { arg_types, return_type, accumulator: Arc::new(Percentile { several }) })
}

/// Constant fractions lie between 0 and 1.
fn check_fractions(literal: &ArrayRef) -> Result<()> {
    let values = match literal.as_list_opt::<i32>() {
        Some(list) => list.values().clone(),
        None => literal.clone(),
    };
    let scale = |array: &arrow_array::Decimal128Array| 10f64.powi(array.scale().into());
    let fraction = |at: usize| {
        let decimal = values.as_primitive_opt::<Decimal128Type>();
        let double = values.as_primitive_opt::<Float64Type>();
        let whole = values.as_primitive_opt::<Int32Type>();
        (decimal.map(|array| array.value(at) as f64 / scale(array)))
            .or_else(|| double.map(|array| array.value(at)))
            .or_else(|| whole.map(|array| array.value(at).into()))
    };
    let wrong = (0..values.len())
        .filter(|at| values.is_valid(*at))
        .filter_map(fraction)
        .find(|fraction| !(0.0..=1.0).contains(fraction));
    match wrong {
        Some(fraction) => {
            Err(Error::user(format!("a fraction of PERCENTILE lies between 0.0 and 1.0, not at {fraction}")))
        }
        None => Ok(()),
    }
}

fn is_list(data_type: &DataType) -> bool {
    matches!(data_type.kind, TypeKind::Array(_))
}

/// Cells: the encoded values with their frequencies; the fractions as little-endian doubles.
struct Percentile {
    several: bool,
}

impl Percentile {
    fn fractions(&self, argument: &ArrayRef, row: usize) -> Box<[u8]> {
        let doubles = |array: &Float64Array| -> Box<[u8]> {
            array.values().iter().flat_map(|fraction| fraction.to_le_bytes()).collect()
        };
        match self.several {
            true => doubles(argument.as_list::<i32>().value(row).as_primitive()),
            false => argument.as_primitive::<Float64Type>().value(row).to_le_bytes().into(),
        }
    }
}

/// Values in order, each with the number of values up to it.
fn ranked(values: &Multiset) -> Vec<(f64, i64)> {
    let present = || values.iter().filter(|(_, count)| **count > 0);
    let column = decode(&[TypeKind::Double.nullable()], present().map(|(value, _)| value.as_ref()));
    let numbers = column[0].as_primitive::<Float64Type>().values();
    let mut total = 0;
    let ranks = present().map(|(_, count)| {
        total += count;
        total
    });
    numbers.iter().copied().zip(ranks).collect()
}

fn percentile(ranked: &[(f64, i64)], fraction: f64) -> f64 {
    let total = ranked.last().map_or(0, |(_, rank)| *rank);
    let position = (total - 1) as f64 * fraction;
    let lower = position.floor();
    let value = |index: f64| {
        let at = ranked.partition_point(|(_, rank)| *rank <= index as i64);
        ranked[at.min(ranked.len() - 1)].0
    };
    let (low, high) = (value(lower), value(position.ceil()));
    low + (position - lower) * (high - low)
}

impl Accumulator for Percentile {
    fn cells(&self) -> Vec<CellKind> {
        vec![CellKind::Multiset, CellKind::Bytes]
    }

    fn update(&self, cells: &mut [Cells], batch: &UpdateBatch<'_>) -> Result<()> {
        let [Cells::Multiset(held), Cells::Bytes(fractions)] = cells else { foreign_cells(cells) };
        let mut encoded = EncodedKeys::default();
        KeyEncoder::encode_one(&batch.args[0], &mut encoded);
        let frequency = batch.args.get(2).map(|arg| arg.as_primitive::<Int64Type>());
        let mut add = |row: usize, slot: usize, count: i64| {
            count_value(&mut held[slot], encoded.key(row), count);
            if fractions[slot].is_none() {
                fractions[slot] = Some(self.fractions(&batch.args[1], row));
            }
        };
        match frequency {
            None => for_values(batch, &batch.args[0], add),
            Some(frequency) => for_values(batch, &batch.args[0], |row, slot, sign| {
                if frequency.is_valid(row) && frequency.value(row) > 0 {
                    add(row, slot, sign * frequency.value(row));
                }
            }),
        }
        Ok(())
    }

    fn merge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        let [Cells::Multiset(held), Cells::Bytes(fractions)] = cells else { foreign_cells(cells) };
        merge_counts(held, slots, &partial[0], 1);
        let more = partial[1].as_binary_view();
        for_rows(&slots_only(slots), more.nulls(), |row, slot, _| {
            if fractions[slot].is_none() {
                fractions[slot] = Some(more.value(row).into());
            }
        });
        Ok(())
    }

    fn finish(&self, cells: &[Cells], slots: &[u32]) -> Result<ArrayRef> {
        let [Cells::Multiset(held), Cells::Bytes(fractions)] = cells else { foreign_cells(cells) };
        let results: Vec<Vec<f64>> = slots
            .iter()
            .map(|&slot| {
                let ranked = ranked(&held[slot as usize]);
                let fractions = fractions[slot as usize].as_deref().filter(|_| !ranked.is_empty());
                let (fractions, _) = fractions.unwrap_or_default().as_chunks::<8>();
                fractions.iter().map(|bytes| percentile(&ranked, f64::from_le_bytes(*bytes))).collect()
            })
            .collect();
        if !self.several {
            let values = results.iter().map(|result| result.first().copied());
            return Ok(Arc::new(values.collect::<Float64Array>()));
        }
        let nulls: NullBuffer = results.iter().map(|result| !result.is_empty()).collect();
        let offsets = OffsetBuffer::from_lengths(results.iter().map(Vec::len));
        let values = Float64Array::from_iter_values(results.into_iter().flatten());
        let field = element_field(&TypeKind::Double.nullable());
        Ok(Arc::new(ListArray::new(field, offsets, Arc::new(values), Some(nulls))))
    }

    fn retracts(&self) -> bool {
        true
    }
}
