//! A blob: a run of bytes from one split with the places of its records, to be decoded in place.

use arrow_buffer::Buffer;
use std::ops::Range;

/// How records lie in a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Framing {
    /// One record a line; the last line may lack its end. A `\r` before the `\n` is the format's to drop.
    Lines,
    /// The byte range of each record.
    Records(Vec<Range<u32>>),
    /// The whole blob is one record or one file (parquet, top-level documents).
    Whole,
}

/// A run of bytes to decode. Sources cut line-framed blobs at line ends only.
#[derive(Debug, Clone)]
pub struct Blob {
    /// The bytes; cheap to clone, decoded text refers to them.
    pub bytes: Buffer,
    /// Where the records are.
    pub framing: Framing,
}

impl Blob {
    /// Bytes with one record a line.
    pub fn lines(bytes: impl Into<Buffer>) -> Self {
        Blob { bytes: bytes.into(), framing: Framing::Lines }
    }
}
