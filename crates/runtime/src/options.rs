//! What a job may be told besides its plan.

use crate::CollectSender;
use crate::checkpoint::CheckpointOptions;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tidemill_connector::ConnectorRegistry;
use tidemill_state::MemoryBudget;
use tidemill_types::{Clock, SystemClock};

/// Rows of the largest chunk that runs through a chain: large enough that the work per chunk vanishes,
/// small enough that a few columns stay in the processor's cache.
pub const CHUNK_ROWS_MAX: usize = 4_096;
/// A receiver with fewer rows waits for more while its worker has other work.
pub(crate) const COALESCE_ROWS_MIN: usize = 1_024;
/// How many passes over its tasks a worker makes before it takes small pieces nevertheless.
pub(crate) const COALESCE_PASSES_MAX: u32 = 8;
/// How long an input pauses before held-back results and sinks are flushed.
pub(crate) const LINGER_MS: u64 = 5;

/// What to do with a record that can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BadRecords {
    /// Set it aside and end the run.
    #[default]
    Fail,
    /// Set it aside and go on.
    Keep,
}

/// How often and how fast a failed call to an outside system is made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How many failures in a row end the run.
    pub attempts_max: u32,
    /// The first pause; each further one is twice as long.
    pub pause: Duration,
    /// The longest pause.
    pub pause_max: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Retry { attempts_max: 10, pause: Duration::from_millis(100), pause_max: Duration::from_secs(10) }
    }
}

/// How a job runs.
#[derive(Clone)]
pub struct JobOptions {
    /// How many worker threads there are, and tasks for each fragment that may have many.
    pub parallelism: usize,
    /// Tells processing time.
    pub clock: Arc<dyn Clock>,
    /// The connectors that tables may name.
    pub connectors: ConnectorRegistry,
    /// What to do with records that can't be read.
    pub bad_records: BadRecords,
    /// The file in which bad (and late) rows are set aside; absent: they are counted only.
    pub dead_letter: Option<PathBuf>,
    /// Whether late rows are set aside too.
    pub keep_late: bool,
    /// `table.local-time-zone`.
    pub zone: chrono_tz::Tz,
    /// How long a split may be silent before the watermark goes on without it. `None`: 30 s for sources
    /// that do not end, never for others; zero: never. A table's `scan.watermark.idle-timeout` wins.
    pub idle_timeout: Option<Duration>,
    /// A name for this run, different for each.
    pub run_id: String,
    /// Where the rows of a SELECT go.
    pub collect: Option<CollectSender>,
    /// How failed calls to outside systems are made again.
    pub retry: Retry,
    /// How it takes checkpoints; absent: none.
    pub checkpoints: Option<CheckpointOptions>,
    /// How much memory state may take; absent: any.
    pub memory: Option<MemoryBudget>,
    /// How many bytes wait in front of each task, over all its lanes.
    pub queue_bytes_max: usize,
    /// How many rows the chunks of a chain have at most.
    pub chunk_rows_max: usize,
}

impl JobOptions {
    /// The defaults: one task, the machine's clock, UTC.
    pub fn new(connectors: ConnectorRegistry) -> Self {
        JobOptions {
            parallelism: 1,
            clock: Arc::new(SystemClock),
            connectors,
            bad_records: BadRecords::Fail,
            dead_letter: None,
            keep_late: false,
            zone: chrono_tz::UTC,
            idle_timeout: None,
            run_id: "run".into(),
            collect: None,
            retry: Retry::default(),
            checkpoints: None,
            memory: None,
            queue_bytes_max: 4 << 20,
            chunk_rows_max: CHUNK_ROWS_MAX,
        }
    }
}

impl JobOptions {
    /// After which time a barrier overtakes what is queued; none if it never does. The caller of a query takes its
    /// rows whenever he likes, and no checkpoint holds what waits for him.
    pub(crate) fn unaligned(&self) -> Option<Duration> {
        self.checkpoints.as_ref().filter(|_| self.collect.is_none())?.unaligned
    }
}

impl std::fmt::Debug for JobOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobOptions")
            .field("parallelism", &self.parallelism)
            .field("bad_records", &self.bad_records)
            .field("run_id", &self.run_id)
            .finish_non_exhaustive()
    }
}
