//! Rows of values as bytes: how keys, DISTINCT values and values inside state cells are kept.
//!
//! Invariant: byte order is Flink's order of the values (column by column, NULL lowest, NaN highest), equal
//! values have equal bytes, and [`decode`] gives the values back. The format is ours and versioned
//! ([`KEY_FORMAT_VERSION`]), because a checkpoint outlives every library; a golden test pins it.
//!
//! Format 1, column after column. A NULL is `00`. A value is `01` and then
//! - BOOLEAN: `00` or `01`;
//! - TINYINT, SMALLINT, INT, BIGINT, DATE, TIME, TIMESTAMP, TIMESTAMP_LTZ, intervals: 1, 2, 4 or 8 bytes
//!   (as wide as the Arrow value), big-endian, sign bit flipped;
//! - DECIMAL: the unscaled value in 16 bytes, likewise;
//! - FLOAT, DOUBLE: the IEEE bits big-endian, sign bit flipped if positive, all bits if negative; there is
//!   one NaN (the positive quiet one) and one zero;
//! - text, bytes, VARIANT: the bytes with `00` written as `00 FF`, then `00 00`;
//! - ROW: its fields like columns;
//! - ARRAY: before each element `01`, then the element like a column; `00` at the end;
//! - MAP, MULTISET: like an ARRAY of the entries (key, value), in the byte order of the entries.

mod check;
mod decode;
mod encode;
#[cfg(test)]
mod tests;
mod texts;

pub use check::is_key;
pub use decode::decode;
pub use encode::RowEncoder;

use crate::DataType;
use arrow_array::{Array, ArrayRef};
use encode::Column;

/// The version of the format. A change of the format needs a new number and a migration of checkpoints.
pub const KEY_FORMAT_VERSION: u32 = 1;

/// How many key groups a job has unless told otherwise.
pub const KEY_GROUPS: u32 = 128;

/// The hash of an encoded key: xxh3, 64 bit, no seed. Part of the checkpoint format.
#[inline]
pub fn hash(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

/// The key group of a hash. It takes the upper half, since hash tables look at the lower bits.
#[inline]
pub fn key_group(hash: u64, groups: u32) -> u32 {
    (((hash >> 32) * u64::from(groups)) >> 32) as u32
}

/// The encoded keys of a chunk, one after another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncodedKeys {
    /// The keys without gaps.
    pub bytes: Vec<u8>,
    /// Where each key ends.
    pub ends: Vec<u32>,
}

impl EncodedKeys {
    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The key of a row.
    #[inline]
    pub fn key(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] as usize };
        &self.bytes[start..self.ends[row] as usize]
    }

    /// The keys in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let key = &self.bytes[start..end as usize];
            start = end as usize;
            key
        })
    }
}

/// Encodes rows of columns of fixed types.
#[derive(Debug, Clone)]
pub struct KeyEncoder {
    types: Vec<DataType>,
}

impl KeyEncoder {
    /// An encoder for columns of these types.
    pub fn new(types: impl IntoIterator<Item = DataType>) -> Self {
        KeyEncoder { types: types.into_iter().collect() }
    }

    /// The types of the columns.
    pub fn types(&self) -> &[DataType] {
        &self.types
    }

    /// Replaces `out` by the keys of the first `rows` rows. Without columns every key is empty.
    pub fn encode(&mut self, columns: &[ArrayRef], rows: usize, out: &mut EncodedKeys) {
        assert_eq!(columns.len(), self.types.len(), "an encoder gets the columns it was made for");
        let columns: Vec<Column<'_>> = columns.iter().map(|column| Column::of(column.as_ref())).collect();
        encode::encode(&columns, rows, out);
    }

    /// Replaces `out` by the keys of one column that needs no encoder kept.
    pub fn encode_one(column: &dyn Array, out: &mut EncodedKeys) {
        encode::encode(&[Column::of(column)], column.len(), out);
    }
}
