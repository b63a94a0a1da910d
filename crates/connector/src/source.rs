//! Sources: they fetch blobs or rows with their positions, and are told what was committed.

use std::sync::Arc;
use tidemill_types::{ArrayRef, Blob, Chunk, Result};

/// Where the bytes of a blob stand, for messages and for going on after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The split: a file's path, `topic/partition`, a peer's address.
    pub split: Arc<str>,
    /// The number of the split within its source, from 0. Each split has a watermark of its own only where
    /// [`OpenSource::watermark_per_split`] says so.
    pub split_index: u32,
    /// The offset of the blob's first byte (files) or record (logs) in the split.
    pub offset: u64,
    /// The number of the blob's first line, from 1; 0 if lines have no meaning.
    pub line: u64,
}

/// A run of bytes to decode.
#[derive(Debug, Clone)]
pub struct FetchedBlob {
    /// The bytes.
    pub blob: Blob,
    /// Where they stand.
    pub place: Place,
    /// Columns that the connector knows better than the format: metadata and partition columns. Each is the
    /// index among the wanted columns followed by the metadata columns, and an array of one value.
    pub constants: Vec<(usize, ArrayRef)>,
}

/// What a source gives.
#[derive(Debug)]
pub enum Fetched {
    /// Bytes for the table's format.
    Blob(FetchedBlob),
    /// Finished rows: the wanted columns followed by the metadata columns.
    Rows(Chunk),
    /// Nothing more will come.
    End,
}

/// An open source. Its `next` is called again only after it has answered, and it may be dropped between two
/// calls; it must be safe to drop its future while it waits (all that was read before is kept in `self`).
#[async_trait::async_trait]
pub trait Source: Send {
    /// Waits for the next blob or rows. [`tidemill_types::Error::External`] that is retryable makes the runtime call again after
    /// a back-off.
    async fn next(&mut self) -> Result<Fetched>;
}

/// A source with what the runtime must know of it.
pub struct OpenSource {
    /// The source.
    pub source: Box<dyn Source>,
    /// Whether it ends by itself.
    pub bounded: bool,
    /// Whether each split has a watermark of its own (partitions of a log) or all share one (files).
    pub watermark_per_split: bool,
}
