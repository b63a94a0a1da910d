//! What goes through a lane: chunks, where they stand in the order of their source, barriers, and the end.
//!
//! Invariant: the pieces that a task sends for one blob carry that blob's sequence number, and exactly the
//! last of them says so; every lane of a source gets at least one piece for each blob its task decoded.

use crate::checkpoint::Barrier;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use std::sync::Arc;
use tidemill_types::Chunk;

/// Where a piece stands in the order of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    /// The number of the blob, counted over the whole source from 0.
    pub sequence: u64,
    /// The split whose watermark the marks raise; 0 where all splits share one.
    pub split: u32,
    /// Whether the split has fallen silent and the watermark goes on without it.
    pub idle: bool,
    /// Whether this is the last piece of the blob in this lane.
    pub last: bool,
    /// Whether an epoch of the source, or the source, ends behind this piece.
    pub closing: bool,
}

/// What a task hands to another.
#[derive(Debug, Clone)]
pub enum Message {
    /// Rows and marks; tagged if the sender is a source fragment.
    Piece {
        /// The rows and marks; either may be absent.
        chunk: Chunk,
        /// Its place in the order.
        tag: Option<Tag>,
    },
    /// All inputs of the sender are silent: the watermark goes on without it until its next piece.
    Idle,
    /// What came before belongs to the epoch, what comes behind does not.
    Barrier(Arc<Barrier>),
    /// Nothing more will come.
    End {
        /// Whether the input was read to its end (the watermark is then at its maximum), or stopped.
        drained: bool,
    },
}

/// What a message without rows counts for in a bounded queue.
const MESSAGE_BYTES_MIN: usize = 64;

impl Message {
    /// What it counts for in a bounded queue.
    pub fn bytes(&self) -> usize {
        match self {
            Message::Piece { chunk, .. } => chunk_bytes(chunk),
            Message::Idle | Message::Barrier(_) | Message::End { .. } => MESSAGE_BYTES_MIN,
        }
    }

    /// How many rows it holds.
    pub fn rows(&self) -> usize {
        match self {
            Message::Piece { chunk, .. } => chunk.rows,
            Message::Idle | Message::Barrier(_) | Message::End { .. } => 0,
        }
    }
}

/// The bytes of a chunk's values. Text counts by its length, not by the blob that it lies in, because many
/// pieces share one blob.
pub fn chunk_bytes(chunk: &Chunk) -> usize {
    let marks = chunk.marks.as_slice().len() * 16;
    MESSAGE_BYTES_MIN + chunk.rows + marks + chunk.columns.iter().map(column_bytes).sum::<usize>()
}

fn column_bytes(column: &ArrayRef) -> usize {
    let lengths = |views: &[u128]| views.iter().map(|&view| 16 + (view as u32) as usize).sum();
    match column.data_type() {
        DataType::Utf8View => lengths(column.as_string_view().views()),
        DataType::BinaryView => lengths(column.as_binary_view().views()),
        DataType::Boolean => column.len().div_ceil(8),
        other => match other.primitive_width() {
            Some(width) => width * column.len(),
            None => column.to_data().get_slice_memory_size().unwrap_or(0),
        },
    }
}
