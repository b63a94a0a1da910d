//! Writes the data file of one epoch: the rows of all tables and tasks one after another.
//!
//! Invariant: the file appears under its name only when it is complete and durable.

use super::failure::failed;
use super::layout::data_name;
use super::{CheckpointStore, SegmentRef};
use crate::SnapshotRows;
use bytes::Bytes;
use object_store::{ObjectStoreExt, WriteMultipart};
use tidemill_types::{Error, Result};
use tokio::sync::Mutex;

/// The size of an uploaded part; object stores want at least 5 MiB and at most 10,000 parts.
const PART_BYTES: usize = 8 << 20;
/// How many parts may be under way.
const PARTS_MAX: usize = 4;
/// Shorter pieces are copied together.
const PIECE_SMALL: usize = 4096;

/// The open data file of an epoch. Tasks may append at the same time.
pub struct EpochWriter {
    store: CheckpointStore,
    epoch: u64,
    file: String,
    state: Mutex<State>,
}

enum State {
    Empty,
    Open {
        upload: WriteMultipart,
        offset: u64,
    },
    Finished,
    /// An append failed or was given up half-way.
    Broken,
}

impl EpochWriter {
    pub(crate) fn new(store: CheckpointStore, epoch: u64) -> Self {
        EpochWriter { store, epoch, file: data_name(epoch), state: Mutex::new(State::Empty) }
    }

    /// Its number.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Appends the rows of a table from one task. After an error the epoch can only be abandoned.
    pub async fn append(&self, rows: &SnapshotRows) -> Result<SegmentRef> {
        let parts = rows.encode_parts();
        let len: usize = parts.iter().map(Bytes::len).sum();
        let last = parts.last().and_then(|checksum| checksum.last_chunk::<8>());
        let checksum = u64::from_le_bytes(*last.ok_or_else(|| Error::internal("rows without a checksum"))?);
        let offset = self.write(parts, len as u64).await?;
        Ok(SegmentRef::new(&self.file, self.epoch, offset, len as u64, checksum, rows))
    }

    /// Writes the parts and gives where they begin.
    async fn write(&self, parts: Vec<Bytes>, len: u64) -> Result<u64> {
        let mut state = self.state.lock().await;
        // Whoever drops this future leaves the file broken, not with a hole.
        let (mut upload, offset) = match std::mem::replace(&mut *state, State::Broken) {
            State::Open { upload, offset } => (upload, offset),
            State::Empty => (self.open().await?, 0),
            State::Finished | State::Broken => return Err(self.unusable()),
        };
        for part in parts {
            if part.len() < PIECE_SMALL {
                upload.write(&part);
                continue;
            }
            for from in (0..part.len()).step_by(PART_BYTES) {
                let ready = upload.wait_for_capacity(PARTS_MAX).await;
                ready.map_err(|error| self.failed(error))?;
                upload.put(part.slice(from..part.len().min(from + PART_BYTES)));
            }
        }
        *state = State::Open { upload, offset: offset + len };
        Ok(offset)
    }

    async fn open(&self) -> Result<WriteMultipart> {
        let path = self.store.path(&self.file);
        let upload = self.store.location().store.put_multipart(&path).await;
        let upload = upload.map_err(|error| self.failed(error))?;
        Ok(WriteMultipart::new_with_chunk_size(upload, PART_BYTES))
    }

    /// Makes everything appended durable. Without any rows there is no file.
    pub async fn finish(&self) -> Result<()> {
        let mut state = self.state.lock().await;
        match std::mem::replace(&mut *state, State::Broken) {
            State::Empty => {}
            State::Open { upload, offset } => {
                upload.finish().await.map_err(|error| self.failed(error))?;
                self.check_size(offset).await?;
            }
            State::Finished | State::Broken => return Err(self.unusable()),
        }
        *state = State::Finished;
        Ok(())
    }

    /// What the store says was written is compared with what was given to it, while the rows can still be had.
    async fn check_size(&self, expected: u64) -> Result<()> {
        let path = self.store.path(&self.file);
        let found = self.store.location().store.head(&path).await.map_err(|error| self.failed(error))?.size;
        match found == expected {
            true => Ok(()),
            false => Err(Error::external(format!(
                "can't write '{}' in {}: {found} of {expected} bytes are there",
                self.file,
                self.store.location().text
            ))),
        }
    }

    /// Gives the epoch up and removes what was written, as far as possible.
    pub async fn abandon(self) -> Result<()> {
        let aborted = match self.state.into_inner() {
            State::Open { upload, .. } => upload.abort().await,
            _ => Ok(()),
        };
        self.store.abandon(self.epoch);
        aborted.map_err(|error| failed(&format!("remove '{}'", self.file), error))
    }

    fn failed(&self, error: object_store::Error) -> Error {
        failed(&format!("write '{}' in {}", self.file, self.store.location().text), error)
    }

    fn unusable(&self) -> Error {
        Error::internal(format!("epoch {} was written to after it ended or failed", self.epoch))
    }
}
