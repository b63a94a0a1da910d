//! Rows as bytes: what operators that keep whole rows put into their tables, and how they come out again.

use crate::Output;
use crate::join_rows::take_all;
use crate::keys::Keys;
use arrow_array::{Array, ArrayRef, Int64Array, UInt32Array};
use arrow_select::interleave::interleave;
use std::sync::Arc;
use tidemill_plan::rank::SortColumn;
use tidemill_types::key::EncodedKeys;
use tidemill_types::key::KeyEncoder;
use tidemill_types::{Chunk, Marks, RowKind, Schema};

/// Encodes all columns of rows.
pub(crate) fn whole_rows(input: &Schema) -> Keys {
    Keys::new(&(0..input.len()).collect::<Vec<_>>(), input)
}

/// Sort columns with their encoded values of the chunk at hand. Byte order is the wanted order.
#[derive(Debug)]
pub(crate) struct SortKeys {
    order: Vec<SortColumn>,
    encoded: Vec<EncodedKeys>,
}

impl SortKeys {
    pub(crate) fn new(order: &[SortColumn]) -> Self {
        SortKeys { order: order.to_vec(), encoded: vec![EncodedKeys::default(); order.len()] }
    }

    pub(crate) fn encode(&mut self, chunk: &Chunk, input: &Schema) {
        for (sort, encoded) in self.order.iter().zip(&mut self.encoded) {
            let mut encoder = KeyEncoder::new([input.fields[sort.column].data_type.clone()]);
            encoder.encode(&[chunk.columns[sort.column].clone()], chunk.rows, encoded);
        }
    }

    /// Appends the sort key of a row. A NULL has `00` or `02` as fits its place, a value `01` before it;
    /// descending values are inverted.
    pub(crate) fn write(&self, row: usize, out: &mut Vec<u8>) {
        for (sort, encoded) in self.order.iter().zip(&self.encoded) {
            let value = encoded.key(row);
            if value.first() == Some(&0) {
                out.push(if sort.nulls_first { 0 } else { 2 });
                continue;
            }
            out.push(1);
            match sort.descending {
                true => out.extend(value.iter().map(|byte| !byte)),
                false => out.extend_from_slice(value),
            }
        }
    }
}

/// Rows on their way out, encoded ones and rows of the chunk at hand, with kinds, ranks and marks.
#[derive(Debug)]
pub(crate) struct StoredChanges {
    /// Whether `-U` is wanted.
    update_before: bool,
    rows: EncodedKeys,
    /// Of each row whether it stands among the encoded ones (0) or in the chunk (1), and where.
    places: Vec<(usize, usize)>,
    kinds: Vec<RowKind>,
    ranks: Vec<i64>,
    marks: Marks,
}

const ENCODED: usize = 0;
const IN_CHUNK: usize = 1;

impl StoredChanges {
    pub(crate) fn new(update_before: bool) -> Self {
        StoredChanges {
            update_before,
            rows: EncodedKeys::default(),
            places: Vec::new(),
            kinds: Vec::new(),
            ranks: Vec::new(),
            marks: Marks::none(),
        }
    }

    /// Adds an encoded row.
    #[inline]
    pub(crate) fn push(&mut self, kind: RowKind, row: &[u8], rank: u64) {
        if kind == RowKind::UpdateBefore && !self.update_before {
            return;
        }
        self.places.push((ENCODED, self.rows.len()));
        self.rows.bytes.extend_from_slice(row);
        self.rows.ends.push(self.rows.bytes.len() as u32);
        self.kinds.push(kind);
        self.ranks.push(rank as i64);
    }

    /// Adds a row of the chunk that [`StoredChanges::finish`] is given.
    #[inline]
    pub(crate) fn push_own(&mut self, kind: RowKind, row: usize, rank: u64) {
        self.places.push((IN_CHUNK, row));
        self.kinds.push(kind);
        self.ranks.push(rank as i64);
    }

    /// The watermark reaches this after the rows pushed so far.
    pub(crate) fn mark(&mut self, watermark: i64) {
        self.marks.push(self.kinds.len() as u32, watermark);
    }

    /// Gives everything out; with `rank` as the last column if it is wanted. Rows of a chunk are those of `own`.
    pub(crate) fn finish(&mut self, codec: &Keys, rank: bool, own: &[ArrayRef], out: &mut Output) {
        let rows = self.kinds.len();
        let mut columns = self.columns(codec, own);
        if rank && rows > 0 {
            columns.push(Arc::new(Int64Array::from(std::mem::take(&mut self.ranks))) as ArrayRef);
        }
        let mut chunk = Chunk::new(columns, rows);
        if self.kinds.iter().any(|&kind| kind != RowKind::Insert) {
            chunk.kinds = Some(self.kinds.as_slice().into());
        }
        chunk.marks = std::mem::take(&mut self.marks);
        out.emit(chunk);
        self.rows.bytes.clear();
        self.rows.ends.clear();
        self.places.clear();
        self.kinds.clear();
        self.ranks.clear();
    }

    fn columns(&self, codec: &Keys, own: &[ArrayRef]) -> Vec<ArrayRef> {
        if self.places.is_empty() {
            return Vec::new();
        }
        if self.rows.is_empty() {
            let rows = UInt32Array::from_iter_values(self.places.iter().map(|&(_, row)| row as u32));
            return take_all(own, &rows);
        }
        let encoded = codec.decode(self.rows.iter());
        if self.rows.len() == self.places.len() {
            return encoded;
        }
        let both = encoded.iter().zip(own).map(|(encoded, own)| {
            let sides: [&dyn Array; 2] = [encoded.as_ref(), own.as_ref()];
            interleave(&sides, &self.places).expect("both sides have one type")
        });
        both.collect()
    }
}
