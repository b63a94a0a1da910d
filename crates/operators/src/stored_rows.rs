//! Rows as bytes: what operators that keep whole rows put into their tables, and how they come out again.

use crate::Output;
use crate::keys::Keys;
use arrow_array::{ArrayRef, Int64Array};
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

/// Encoded rows on their way out, with kinds, ranks and marks.
#[derive(Debug)]
pub(crate) struct StoredChanges {
    /// Whether `-U` is wanted.
    update_before: bool,
    rows: EncodedKeys,
    kinds: Vec<RowKind>,
    ranks: Vec<i64>,
    marks: Marks,
}

impl StoredChanges {
    pub(crate) fn new(update_before: bool) -> Self {
        StoredChanges {
            update_before,
            rows: EncodedKeys::default(),
            kinds: Vec::new(),
            ranks: Vec::new(),
            marks: Marks::none(),
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, kind: RowKind, row: &[u8], rank: u64) {
        if kind == RowKind::UpdateBefore && !self.update_before {
            return;
        }
        self.rows.bytes.extend_from_slice(row);
        self.rows.ends.push(self.rows.bytes.len() as u32);
        self.kinds.push(kind);
        self.ranks.push(rank as i64);
    }

    /// The watermark reaches this after the rows pushed so far.
    pub(crate) fn mark(&mut self, watermark: i64) {
        self.marks.push(self.kinds.len() as u32, watermark);
    }

    /// Gives everything out; with `rank` as the last column if it is wanted.
    pub(crate) fn finish(&mut self, codec: &Keys, rank: bool, out: &mut Output) {
        let rows = self.kinds.len();
        let mut columns = match rows {
            0 => Vec::new(),
            _ => codec.decode(self.rows.iter()),
        };
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
        self.kinds.clear();
        self.ranks.clear();
    }
}
