//! The durable log in front of sources that can't replay: what came in is on disk before it is acknowledged, so that
//! it survives a crash from then on.
//!
//! 1. An [`Inflow`] gives what comes in, each blob with the way to acknowledge it.
//! 2. A thread appends blobs to segment files with checksums, as many as have come meanwhile, and syncs once for all of
//!    them ([`writer`]). Then they are acknowledged and handed on.
//! 3. The position of the source is an offset in the log. A run that is resumed reads the log from there, then goes on
//!    with what comes in. Segments before a committed position are deleted ([`segments`]).
//!
//! Invariant: nothing is handed on or acknowledged that a crash could take back. A connector uses the log by giving its
//! inflow to [`open`]; without a state folder there is no log, and things are acknowledged when they are handed on.
//! Deliberately not here: columns that a connector knows beside the bytes.

mod entry;
mod segments;
mod source;
mod writer;

use segments::Kept;
pub(crate) use source::LoggedSource;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tidemill_connector::{Fetched, FetchedBlob, Source, TableRequest};
use tidemill_types::{Error, OptionKind, OptionSpec, Result};
use xxhash_rust::xxh3::xxh3_64;

/// How long the log gathers at least between two syncs.
pub(crate) const SYNC_INTERVAL: OptionSpec = OptionSpec::new(
    "ingest-log.sync-interval",
    OptionKind::Duration,
    "with a state folder: records are made durable no more often than this, all together",
)
.default("2 ms");
/// How large a segment is.
pub(crate) const SEGMENT_SIZE: OptionSpec = OptionSpec::new(
    "ingest-log.segment-size",
    OptionKind::Memory,
    "with a state folder: the log of what came in is deleted in pieces of this size, after a checkpoint",
)
.default("64mb");
/// How large the log may become.
pub(crate) const MAX_SIZE: OptionSpec = OptionSpec::new(
    "ingest-log.max-size",
    OptionKind::Memory,
    "with a state folder: when the log is this large nothing is taken in until a checkpoint frees a piece",
)
.default("10gb");

/// What came in.
pub(crate) struct Arrival {
    /// Its bytes with their place.
    pub(crate) blob: FetchedBlob,
    /// Called when it can't be lost any more.
    pub(crate) ack: Option<Box<dyn FnOnce() + Send>>,
}

impl Arrival {
    /// Says that it can't be lost any more.
    pub(crate) fn acknowledge(self) -> FetchedBlob {
        if let Some(ack) = self.ack {
            ack();
        }
        self.blob
    }
}

/// A system that gives things once.
#[async_trait::async_trait]
pub(crate) trait Inflow: Send {
    /// Waits for what comes next; `None` at the end. After an error it may be called again.
    async fn next(&mut self) -> Result<Option<Arrival>>;
}

/// The source of an inflow, with a log if the run has a state folder, and whether it can replay.
pub(crate) fn open(request: &TableRequest<'_>, inflow: Box<dyn Inflow>) -> Result<(Box<dyn Source>, bool)> {
    let Some(state_dir) = request.state_dir else { return Ok((Box::new(Unlogged(inflow)), false)) };
    let limits = Limits::of(request)?;
    let folder = state_dir.join("ingest").join(folder_name(request));
    let kept = Arc::new(Kept::new(request.disk.clone(), folder));
    Ok((Box::new(LoggedSource::new(request.table, kept, limits, inflow)), true))
}

/// The limits of a log.
#[derive(Debug, Clone, Copy)]
struct Limits {
    sync_interval: Duration,
    segment_bytes: u64,
    log_bytes_max: u64,
}

impl Limits {
    fn of(request: &TableRequest<'_>) -> Result<Self> {
        Ok(Limits {
            sync_interval: request.options.duration(&SYNC_INTERVAL)?.unwrap_or_default(),
            segment_bytes: request.options.memory(&SEGMENT_SIZE)?.unwrap_or(u64::MAX),
            log_bytes_max: request.options.memory(&MAX_SIZE)?.unwrap_or(u64::MAX),
        })
    }
}

/// Readable, and different for each place in each pipeline.
fn folder_name(request: &TableRequest<'_>) -> PathBuf {
    let whole = format!("{}-{}", request.pipeline_id, request.table);
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let readable: String = whole.chars().map(plain).take(80).collect();
    format!("{readable}-{:016x}", xxh3_64(whole.as_bytes())).into()
}

/// An inflow without a log.
struct Unlogged(Box<dyn Inflow>);

#[async_trait::async_trait]
impl Source for Unlogged {
    async fn next(&mut self) -> Result<Fetched> {
        let arrival = self.0.next().await?;
        Ok(arrival.map_or(Fetched::End, |arrival| Fetched::Blob(arrival.acknowledge())))
    }
}

fn damaged(what: impl std::fmt::Display) -> Error {
    Error::user_hint(
        format!("the log of what came in is damaged: {what}"),
        "put its files back, or begin anew with an empty state folder and lose what it held",
    )
}
