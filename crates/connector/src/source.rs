//! Sources: they fetch blobs or rows with their positions, and are told what was committed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use tidemill_types::{ArrayRef, Blob, Chunk, Error, Result};

/// Where the splits of a source stand: the name of each (a path, `topic/partition`) and its position as a short
/// text in the connector's own form (`offset`, `offset:line`). It is stored in checkpoints and shown to people.
pub type Positions = BTreeMap<String, String>;

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
    /// What a log knows of the records besides their values; `None` if their offsets follow that of `place`
    /// without gaps and nothing else is wanted.
    pub log: Option<Box<LogRecords>>,
}

impl FetchedBlob {
    /// A blob with nothing beside it.
    pub fn new(blob: Blob, place: Place) -> Self {
        FetchedBlob { blob, place, constants: Vec::new(), log: None }
    }
}

/// What a log knows of the records of a blob: each is a number from 0, those without a value among them.
#[derive(Debug, Clone, Default)]
pub struct LogRecords {
    /// The offset of each record in its split.
    pub offsets: Vec<u64>,
    /// Where the key of each record lies in the blob's bytes, `None` where there is no key. Empty if no key
    /// columns are wanted.
    pub keys: Vec<Option<Range<u32>>>,
    /// The numbers of the records without a value, in order. The blob's framing has all others.
    pub tombstones: Vec<u32>,
    /// Whether a record without a value takes back the row of its key; otherwise it is a row of NULLs.
    pub deletes: bool,
    /// Columns with a value for each record: the index among the wanted columns followed by the metadata
    /// columns, and the array.
    pub columns: Vec<(usize, ArrayRef)>,
}

/// What a source gives.
#[derive(Debug)]
pub enum Fetched {
    /// Bytes for the table's format.
    Blob(FetchedBlob),
    /// Finished rows: the wanted columns followed by the metadata columns.
    Rows(Chunk),
    /// Splits that were found (by number) and may give something later. With watermarks per split, the watermark
    /// waits for them from here on, or until they count as silent.
    Splits(Vec<u32>),
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

    /// Where reading goes on behind all that `next` has given so far. Called between two calls of `next` for each
    /// checkpoint, so it must not wait.
    fn positions(&self) -> Positions {
        Positions::new()
    }

    /// Goes on from positions of an earlier run; called once, before the first `next`, on sources that are
    /// [`OpenSource::replayable`]. Splits without a position are new and start as the options say.
    async fn restore(&mut self, _positions: &Positions) -> Result<()> {
        Err(Error::internal("a source that can replay must be able to go on from a position"))
    }

    /// The checkpoint with these positions is complete: nothing before them will be asked for again. Only now may
    /// offsets be committed or consumed entries be deleted. May be called late or not at all.
    async fn committed(&mut self, _positions: &Positions) -> Result<()> {
        Ok(())
    }
}

/// A source with what the runtime must know of it.
pub struct OpenSource {
    /// The source.
    pub source: Box<dyn Source>,
    /// Whether it ends by itself.
    pub bounded: bool,
    /// Whether each split has a watermark of its own (partitions of a log) or all share one (files).
    pub watermark_per_split: bool,
    /// Whether it can go on from saved positions. If not, what was under way when a run was killed is lost.
    pub replayable: bool,
}
