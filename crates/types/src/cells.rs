//! State cells: typed columns addressed by slot, the only place where keyed operators keep values.
//!
//! Because every value of every operator lies in one of these kinds, snapshot, restore, spill, exchange of
//! partial aggregates and rescaling are written once: each kind has an Arrow form.
//! Invariant: the neutral value (0, 0.0, no bytes, empty multiset) is what a fresh slot holds.

use arrow_array::builder::BinaryViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Decimal128Array, Float64Array, Int64Array};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Encoded values with how often each is held. Counts below zero are kept: a withdrawal may overtake.
pub type Multiset = BTreeMap<Box<[u8]>, i64>;

/// What a state column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CellKind {
    /// Counts, integers, instants.
    I64,
    /// Decimals and wide sums.
    I128,
    /// Floating point.
    F64,
    /// Any encoded value, or none.
    Bytes,
    /// Encoded values with counts, in order of their encoding.
    Multiset,
}

/// One state column.
#[derive(Debug, Clone)]
pub enum Cells {
    /// See [`CellKind::I64`].
    I64(Vec<i64>),
    /// See [`CellKind::I128`].
    I128(Vec<i128>),
    /// See [`CellKind::F64`].
    F64(Vec<f64>),
    /// See [`CellKind::Bytes`].
    Bytes(Vec<Option<Box<[u8]>>>),
    /// See [`CellKind::Multiset`].
    Multiset(Vec<Multiset>),
}

impl Cells {
    /// An empty column.
    pub fn new(kind: CellKind) -> Self {
        match kind {
            CellKind::I64 => Cells::I64(Vec::new()),
            CellKind::I128 => Cells::I128(Vec::new()),
            CellKind::F64 => Cells::F64(Vec::new()),
            CellKind::Bytes => Cells::Bytes(Vec::new()),
            CellKind::Multiset => Cells::Multiset(Vec::new()),
        }
    }

    /// Its kind.
    pub fn kind(&self) -> CellKind {
        match self {
            Cells::I64(_) => CellKind::I64,
            Cells::I128(_) => CellKind::I128,
            Cells::F64(_) => CellKind::F64,
            Cells::Bytes(_) => CellKind::Bytes,
            Cells::Multiset(_) => CellKind::Multiset,
        }
    }

    /// How many slots there are.
    pub fn len(&self) -> usize {
        match self {
            Cells::I64(v) => v.len(),
            Cells::I128(v) => v.len(),
            Cells::F64(v) => v.len(),
            Cells::Bytes(v) => v.len(),
            Cells::Multiset(v) => v.len(),
        }
    }

    /// Whether there is no slot.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes room for so many more slots, and for no others.
    pub fn reserve(&mut self, slots: usize) {
        match self {
            Cells::I64(v) => v.reserve_exact(slots),
            Cells::I128(v) => v.reserve_exact(slots),
            Cells::F64(v) => v.reserve_exact(slots),
            Cells::Bytes(v) => v.reserve_exact(slots),
            Cells::Multiset(v) => v.reserve_exact(slots),
        }
    }

    /// Grows or shrinks to `len` slots; new ones are neutral.
    pub fn resize(&mut self, len: usize) {
        match self {
            Cells::I64(v) => v.resize(len, 0),
            Cells::I128(v) => v.resize(len, 0),
            Cells::F64(v) => v.resize(len, 0.0),
            Cells::Bytes(v) => v.resize(len, None),
            Cells::Multiset(v) => v.resize_with(len, Multiset::new),
        }
    }

    /// Makes a slot neutral again.
    pub fn clear(&mut self, slot: u32) {
        let slot = slot as usize;
        match self {
            Cells::I64(v) => v[slot] = 0,
            Cells::I128(v) => v[slot] = 0,
            Cells::F64(v) => v[slot] = 0.0,
            Cells::Bytes(v) => v[slot] = None,
            Cells::Multiset(v) => v[slot].clear(),
        }
    }

    /// Puts the value of one slot into another.
    pub fn copy(&mut self, from: u32, to: u32) {
        let (from, to) = (from as usize, to as usize);
        match self {
            Cells::I64(v) => v[to] = v[from],
            Cells::I128(v) => v[to] = v[from],
            Cells::F64(v) => v[to] = v[from],
            Cells::Bytes(v) => v[to] = v[from].clone(),
            Cells::Multiset(v) => v[to] = v[from].clone(),
        }
    }

    /// The values of these slots as an Arrow column: Int64, Decimal128(38, 0), Float64 or BinaryView.
    pub fn to_array(&self, slots: &[u32]) -> ArrayRef {
        let at = slots.iter().map(|&slot| slot as usize);
        match self {
            Cells::I64(v) => Arc::new(Int64Array::from_iter_values(at.map(|i| v[i]))),
            Cells::I128(v) => Arc::new(Decimal128Array::from_iter_values(at.map(|i| v[i]))),
            Cells::F64(v) => Arc::new(Float64Array::from_iter_values(at.map(|i| v[i]))),
            Cells::Bytes(v) => {
                let mut out = BinaryViewBuilder::with_capacity(slots.len());
                at.for_each(|i| out.append_option(v[i].as_deref()));
                Arc::new(out.finish())
            }
            Cells::Multiset(v) => {
                let mut out = BinaryViewBuilder::with_capacity(slots.len());
                at.for_each(|i| out.append_value(encode_multiset(&v[i])));
                Arc::new(out.finish())
            }
        }
    }

    /// Writes row `row` of a column made by [`Cells::to_array`] into a slot.
    pub fn load(&mut self, slot: u32, from: &dyn Array, row: usize) {
        let slot = slot as usize;
        match self {
            Cells::I64(v) => v[slot] = from.as_primitive::<Int64Type>().value(row),
            Cells::I128(v) => v[slot] = from.as_primitive::<Decimal128Type>().value(row),
            Cells::F64(v) => v[slot] = from.as_primitive::<Float64Type>().value(row),
            Cells::Bytes(v) => v[slot] = from.is_valid(row).then(|| from.as_binary_view().value(row).into()),
            Cells::Multiset(v) => v[slot] = decode_multiset(from.as_binary_view().value(row)),
        }
    }

    /// The memory it takes, roughly.
    pub fn bytes(&self) -> usize {
        match self {
            Cells::I64(v) => v.capacity() * 8,
            Cells::I128(v) => v.capacity() * 16,
            Cells::F64(v) => v.capacity() * 8,
            Cells::Bytes(v) => {
                v.capacity() * 16 + v.iter().flatten().map(|b| allocated(b.len())).sum::<usize>()
            }
            Cells::Multiset(v) => v.capacity() * 24 + v.iter().map(multiset_bytes).sum::<usize>(),
        }
    }
}

/// What an allocation of so many bytes takes.
fn allocated(bytes: usize) -> usize {
    bytes.next_multiple_of(8)
}

/// What a multiset takes beside its place: nodes for eleven entries of 24 bytes, all but the only one about half full.
fn multiset_bytes(multiset: &Multiset) -> usize {
    const NODE_BYTES: usize = 280;
    let nodes = match multiset.len() {
        0 => 0,
        1..=11 => NODE_BYTES,
        more => more * NODE_BYTES / 6,
    };
    nodes + multiset.keys().map(|value| allocated(value.len())).sum::<usize>()
}

/// Entries one after another: length of the value (u32), the value, its count (i64), little-endian.
pub fn encode_multiset(multiset: &Multiset) -> Vec<u8> {
    let mut out = Vec::with_capacity(multiset.keys().map(|value| value.len() + 12).sum());
    for (value, count) in multiset {
        out.extend_from_slice(&(value.len() as u32).to_le_bytes());
        out.extend_from_slice(value);
        out.extend_from_slice(&count.to_le_bytes());
    }
    out
}

/// The reverse of [`encode_multiset`].
pub fn decode_multiset(bytes: &[u8]) -> Multiset {
    multiset_entries(bytes).map(|(value, count)| (value.into(), count)).collect()
}

/// The entries of an encoded multiset, in order.
pub fn multiset_entries(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8], i64)> {
    std::iter::from_fn(move || {
        let (len, rest) = bytes.split_first_chunk::<4>()?;
        let (value, rest) = rest.split_at(u32::from_le_bytes(*len) as usize);
        let (count, rest) = rest.split_first_chunk::<8>().expect("an encoded multiset is whole");
        bytes = rest;
        Some((value, i64::from_le_bytes(*count)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_its_arrow_form() {
        let multiset: Multiset = [(b"a"[..].into(), 2), (b""[..].into(), -1)].into();
        let columns = [
            Cells::I64(vec![1, -2]),
            Cells::I128(vec![i128::from(i64::MAX) * 4, 0]),
            Cells::F64(vec![0.5, f64::INFINITY]),
            Cells::Bytes(vec![None, Some(b"xyz"[..].into())]),
            Cells::Multiset(vec![multiset, Multiset::new()]),
        ];
        for column in columns {
            let array = column.to_array(&[1, 0]);
            let mut back = Cells::new(column.kind());
            back.resize(2);
            back.load(1, &array, 0);
            back.load(0, &array, 1);
            assert_eq!(format!("{back:?}"), format!("{column:?}"));
        }
    }
}
