//! What all joins share: the rows and keys of an input as bytes, conditions over pairs, and the columns of
//! what comes out.
//!
//! Invariant: a row whose key is NULL matches nothing, unless the key is null-safe.

use crate::keys::Keys;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array, new_null_array};
use arrow_select::take::take;
use tidemill_plan::{EvalContext, Expr, JoinOn};
use tidemill_types::arrow_type::arrow_type;
use tidemill_types::key::{EncodedKeys, KeyEncoder, decode};
use tidemill_types::{Chunk, DataType, Marks, Result, Schema};

use crate::OperatorContext;

/// About so many pairs are looked at together.
pub(crate) const PAIRS: usize = 8_192;
/// The index of no row: it is padded with NULLs.
pub(crate) const NONE: u32 = u32::MAX;

/// An input with the encoded rows of the chunk at hand.
pub(crate) struct JoinInput {
    keys: Keys,
    null_safe: Vec<bool>,
    encoder: KeyEncoder,
    rows: EncodedKeys,
    /// For each row whether its key may match; empty if all may.
    matchable: Vec<bool>,
}

impl JoinInput {
    pub(crate) fn new(on: &JoinOn, port: usize, schema: &Schema) -> Self {
        JoinInput {
            keys: Keys::new(on.keys(port), schema),
            null_safe: on.null_safe.clone(),
            encoder: KeyEncoder::new(schema.types().cloned()),
            rows: EncodedKeys::default(),
            matchable: Vec::new(),
        }
    }

    /// The types of its columns.
    pub(crate) fn types(&self) -> &[DataType] {
        self.encoder.types()
    }

    /// Encodes the rows of a chunk.
    pub(crate) fn encode(&mut self, chunk: &Chunk) {
        self.keys.encode(chunk);
        self.encoder.encode(&chunk.columns, chunk.rows, &mut self.rows);
        self.matchable.clear();
        for (&column, _) in self.keys.columns().iter().zip(&self.null_safe).filter(|(_, safe)| !**safe) {
            let column = &chunk.columns[column];
            if column.logical_null_count() == 0 {
                continue;
            }
            let nulls = column.logical_nulls().expect("nulls were counted");
            self.matchable.resize(chunk.rows, true);
            self.matchable.iter_mut().zip(&nulls).for_each(|(matchable, valid)| *matchable &= valid);
        }
    }

    /// Whether the key of a row may match: it has no NULL, but for keys that are null-safe.
    #[inline]
    pub(crate) fn can_match(&self, row: usize) -> bool {
        self.matchable.get(row).copied().unwrap_or(true)
    }

    /// The key of a row with its hash.
    #[inline]
    pub(crate) fn key(&self, row: usize) -> (u64, &[u8]) {
        (self.keys.hashes[row], self.keys.encoded.key(row))
    }

    /// The keys of the chunk at hand with their hashes.
    pub(crate) fn keys(&self) -> (&EncodedKeys, &[u64]) {
        (&self.keys.encoded, &self.keys.hashes)
    }

    /// The bytes of a row.
    #[inline]
    pub(crate) fn row(&self, row: usize) -> &[u8] {
        self.rows.key(row)
    }

    /// The columns of encoded rows.
    pub(crate) fn decode<'a>(&self, rows: impl IntoIterator<Item = &'a [u8]>) -> Vec<ArrayRef> {
        decode(self.types(), rows)
    }

    /// The rows at these indices, NULLs for [`NONE`].
    pub(crate) fn gather(&self, columns: &[ArrayRef], indices: &[u32]) -> Vec<ArrayRef> {
        match columns.first() {
            Some(first) if !first.is_empty() => take_all(columns, &nullable_indices(indices)),
            _ => self.nulls(indices.len()),
        }
    }

    /// So many rows of NULLs.
    pub(crate) fn nulls(&self, rows: usize) -> Vec<ArrayRef> {
        self.types().iter().map(|data_type| new_null_array(&arrow_type(data_type), rows)).collect()
    }
}

/// Indices of which [`NONE`] is NULL.
pub(crate) fn nullable_indices(places: &[u32]) -> UInt32Array {
    if places.contains(&NONE) {
        places.iter().map(|&place| (place != NONE).then_some(place)).collect()
    } else {
        UInt32Array::from(places.to_vec())
    }
}

/// The rows at these indices.
pub(crate) fn take_all(columns: &[ArrayRef], indices: &UInt32Array) -> Vec<ArrayRef> {
    columns.iter().map(|column| take(column, indices, None).expect("indices lie inside the chunk")).collect()
}

/// A condition over pairs and the columns it reads.
pub(crate) struct Residual {
    used: Vec<usize>,
    narrow: Expr,
    left_width: usize,
}

/// Rows of one side of some pairs: the side's columns, and for each pair which row.
pub(crate) type PairSide<'a> = (&'a [ArrayRef], &'a [u32]);

impl Residual {
    /// The residual condition of a join; none if it always holds.
    pub(crate) fn of(on: &JoinOn, left_width: usize) -> Option<Self> {
        let condition = on.residual.as_ref().filter(|condition| !condition.is_true())?;
        let used: Vec<usize> = condition.columns().into_iter().collect();
        let place = |index: usize| used.binary_search(&index).expect("used columns were collected");
        let narrow = condition.map_columns(&|i, name, ty| Expr::column(place(i), name, ty.clone()));
        Some(Residual { used, narrow, left_width })
    }

    /// For each pair whether the condition holds; NULL counts as false.
    pub(crate) fn holds(
        &self,
        left: PairSide<'_>,
        right: PairSide<'_>,
        ctx: &OperatorContext,
    ) -> Result<BooleanArray> {
        let rows = left.1.len();
        let (of_left, of_right) = (UInt32Array::from(left.1.to_vec()), UInt32Array::from(right.1.to_vec()));
        let columns = self.used.iter().map(|&column| {
            let (values, indices) = match column.checked_sub(self.left_width) {
                None => (&left.0[column], &of_left),
                Some(column) => (&right.0[column], &of_right),
            };
            take(values, indices, None).expect("indices lie inside the chunk")
        });
        let candidates = Chunk::new(columns.collect(), rows);
        let marks = Marks::none();
        let eval = EvalContext { rows, now_ms: ctx.now_ms, watermark: ctx.watermark, marks: &marks };
        let holds = self.narrow.eval_array(&candidates, &eval)?;
        let holds = holds.as_boolean();
        Ok(match holds.nulls() {
            None => holds.clone(),
            Some(valid) => BooleanArray::new(holds.values() & valid.inner(), None),
        })
    }
}
