//! BITMAP_BUILD_AGG, BITMAP_AND_AGG, BITMAP_OR_AGG, BITMAP_XOR_AGG and the same with CARDINALITY.
//!
//! Rules (Flink 2.3): NULLs do not count; without a value that counts the result is NULL, and that of
//! BITMAP_BUILD_AGG also once every value was taken back. While rows are only added the cell is the set so
//! far; if they are taken back too, it is how often each value is held, and AND wants a value in every set.
//! XOR is its own inverse and keeps the set in both cases.

use super::extreme::{count_value, merge_counts};
use super::rows::{for_values, foreign_cells, slots_only};
use super::{only_argument, wrong_type};
use crate::lane::{I32, I64, typed_array};
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, BinaryViewArray, Int64Array};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use tidemill_plan::{Accumulator, BindCall, BoundAggregate, UpdateBatch};
use tidemill_types::bitmap::{RoaringBitmap, held, to_bytes};
use tidemill_types::cells::Multiset;
use tidemill_types::{CellKind, Cells, Result, TypeKind};

/// How values come together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Build,
    And,
    Or,
    Xor,
}

/// Names and binders, for the registry.
pub(super) const FUNCTIONS: [(&str, super::Bind); 8] = [
    ("BITMAP_BUILD_AGG", |call, retract| bind("BITMAP_BUILD_AGG", Way::Build, false, call, retract)),
    ("BITMAP_AND_AGG", |call, retract| bind("BITMAP_AND_AGG", Way::And, false, call, retract)),
    ("BITMAP_OR_AGG", |call, retract| bind("BITMAP_OR_AGG", Way::Or, false, call, retract)),
    ("BITMAP_XOR_AGG", |call, retract| bind("BITMAP_XOR_AGG", Way::Xor, false, call, retract)),
    ("BITMAP_BUILD_CARDINALITY_AGG", |call, retract| {
        bind("BITMAP_BUILD_CARDINALITY_AGG", Way::Build, true, call, retract)
    }),
    ("BITMAP_AND_CARDINALITY_AGG", |call, retract| {
        bind("BITMAP_AND_CARDINALITY_AGG", Way::And, true, call, retract)
    }),
    ("BITMAP_OR_CARDINALITY_AGG", |call, retract| {
        bind("BITMAP_OR_CARDINALITY_AGG", Way::Or, true, call, retract)
    }),
    ("BITMAP_XOR_CARDINALITY_AGG", |call, retract| {
        bind("BITMAP_XOR_CARDINALITY_AGG", Way::Xor, true, call, retract)
    }),
];

fn bind(name: &str, way: Way, counts: bool, call: &BindCall<'_>, retract: bool) -> Result<BoundAggregate> {
    let given = only_argument(name, call)?;
    let (wanted, fits) = match way {
        Way::Build => {
            (TypeKind::Int, matches!(given.kind, TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int))
        }
        _ => (TypeKind::Bitmap, given.kind == TypeKind::Bitmap),
    };
    if !fits && given.kind != TypeKind::Null {
        return Err(wrong_type(name, &wanted.to_string(), &given));
    }
    let accumulator: Arc<dyn Accumulator> = match retract && way != Way::Xor {
        true => Arc::new(Counted { way, counts }),
        false => Arc::new(Held { way, counts }),
    };
    let returns = if counts { TypeKind::BigInt } else { TypeKind::Bitmap };
    Ok(BoundAggregate {
        arg_types: vec![wanted.nullable().with_nullable(given.nullable)],
        return_type: returns.nullable(),
        accumulator,
    })
}

/// The sets, or how many values each has.
fn results(counts: bool, sets: impl Iterator<Item = Option<RoaringBitmap>>) -> ArrayRef {
    match counts {
        true => Arc::new(sets.map(|set| set.map(|set| set.len() as i64)).collect::<Int64Array>()),
        false => {
            let bytes = sets.map(|set| set.map(|mut set| to_bytes(&mut set)));
            Arc::new(bytes.collect::<BinaryViewArray>())
        }
    }
}

/// Cells: the set so far; the number of values (or sets) that went into it.
struct Held {
    way: Way,
    counts: bool,
}

impl Held {
    fn fold(&self, set: &mut RoaringBitmap, fresh: bool, more: RoaringBitmap) {
        match self.way {
            Way::And if !fresh => *set &= more,
            Way::Xor => *set ^= more,
            _ => *set |= more,
        }
    }
}

/// The sets of the slots that a batch touches, each read and written once.
#[derive(Default)]
struct Open(BTreeMap<usize, RoaringBitmap>);

impl Open {
    fn set(&mut self, sets: &[Option<Box<[u8]>>], slot: usize) -> &mut RoaringBitmap {
        match self.0.entry(slot) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(sets[slot].as_deref().map(held).unwrap_or_default()),
        }
    }

    fn close(self, sets: &mut [Option<Box<[u8]>>]) {
        for (slot, mut set) in self.0 {
            sets[slot] = Some(to_bytes(&mut set).into());
        }
    }
}

impl Accumulator for Held {
    fn cells(&self) -> Vec<CellKind> {
        vec![CellKind::Bytes, CellKind::I64]
    }

    fn update(&self, cells: &mut [Cells], batch: &UpdateBatch<'_>) -> Result<()> {
        let [Cells::Bytes(sets), Cells::I64(taken)] = cells else { foreign_cells(cells) };
        let mut open = Open::default();
        let column = &batch.args[0];
        if self.way == Way::Build {
            let values = typed_array::<I32>(column.as_ref());
            for_values(batch, values, |row, slot, sign| {
                open.set(sets, slot).insert(values.value(row) as u32);
                taken[slot] += sign;
            });
        } else {
            let values = column.as_binary_view();
            for_values(batch, values, |row, slot, sign| {
                self.fold(open.set(sets, slot), taken[slot] == 0, held(values.value(row)));
                taken[slot] += sign;
            });
        }
        open.close(sets);
        Ok(())
    }

    fn merge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        let [Cells::Bytes(sets), Cells::I64(taken)] = cells else { foreign_cells(cells) };
        let (more, counts) = (partial[0].as_binary_view(), typed_array::<I64>(partial[1].as_ref()));
        let mut open = Open::default();
        for_values(&slots_only(slots), more, |row, slot, _| {
            self.fold(open.set(sets, slot), taken[slot] == 0, held(more.value(row)));
            taken[slot] += counts.value(row);
        });
        open.close(sets);
        Ok(())
    }

    fn finish(&self, cells: &[Cells], slots: &[u32]) -> Result<ArrayRef> {
        let [Cells::Bytes(sets), Cells::I64(taken)] = cells else { foreign_cells(cells) };
        let of = |&slot: &u32| {
            let slot = slot as usize;
            sets[slot].as_deref().filter(|_| taken[slot] > 0).map(held)
        };
        Ok(results(self.counts, slots.iter().map(of)))
    }

    fn retracts(&self) -> bool {
        self.way == Way::Xor
    }
}

/// Cells: how often each value is held, by its four bytes; the number of sets.
struct Counted {
    way: Way,
    counts: bool,
}

impl Counted {
    fn result(&self, values: &Multiset, sets: i64) -> Option<RoaringBitmap> {
        let counts = |count: i64| if self.way == Way::And { count == sets } else { count > 0 };
        let held = values.iter().filter(|(_, count)| counts(**count));
        let set: RoaringBitmap = held
            .map(|(value, _)| u32::from_be_bytes(value.as_ref().try_into().expect("a value is four bytes")))
            .collect();
        let some = if self.way == Way::Build { !set.is_empty() } else { sets > 0 };
        some.then_some(set)
    }
}

impl Accumulator for Counted {
    fn cells(&self) -> Vec<CellKind> {
        vec![CellKind::Multiset, CellKind::I64]
    }

    fn update(&self, cells: &mut [Cells], batch: &UpdateBatch<'_>) -> Result<()> {
        let [Cells::Multiset(values), Cells::I64(taken)] = cells else { foreign_cells(cells) };
        let column = &batch.args[0];
        let mut count = |slot: usize, value: u32, sign| {
            count_value(&mut values[slot], &value.to_be_bytes(), sign);
        };
        if self.way == Way::Build {
            let given = typed_array::<I32>(column.as_ref());
            for_values(batch, given, |row, slot, sign| count(slot, given.value(row) as u32, sign));
        } else {
            let given = column.as_binary_view();
            for_values(batch, given, |row, slot, sign| {
                held(given.value(row)).iter().for_each(|value| count(slot, value, sign));
                taken[slot] += sign;
            });
        }
        Ok(())
    }

    fn merge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        let [Cells::Multiset(values), Cells::I64(taken)] = cells else { foreign_cells(cells) };
        merge_counts(values, slots, &partial[0], 1);
        let counts = typed_array::<I64>(partial[1].as_ref());
        slots.iter().enumerate().for_each(|(row, &slot)| taken[slot as usize] += counts.value(row));
        Ok(())
    }

    fn finish(&self, cells: &[Cells], slots: &[u32]) -> Result<ArrayRef> {
        let [Cells::Multiset(values), Cells::I64(taken)] = cells else { foreign_cells(cells) };
        let of = |&slot: &u32| self.result(&values[slot as usize], taken[slot as usize]);
        Ok(results(self.counts, slots.iter().map(of)))
    }

    fn retracts(&self) -> bool {
        true
    }
}
