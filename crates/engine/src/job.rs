//! A running job: its results, its progress, how it is stopped and how it ended.

use crate::result::columns;
use crate::supervisor::Supervisor;
use crate::{EngineError, ResultBatch, ResultColumn};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidemill_runtime::{CollectReceiver, JobMetrics, RunSummary};
use tidemill_types::{Chunk, Schema};

/// A job that was started.
pub struct RunningJob {
    pub(crate) handle: Arc<Supervisor>,
    /// What to tell the user when it starts.
    pub(crate) notices: Vec<String>,
    pub(crate) results: Option<(Arc<Schema>, CollectReceiver)>,
    pub(crate) zone: chrono_tz::Tz,
    pub(crate) started: Instant,
    pub(crate) bounded: bool,
    pub(crate) dead_letters: PathBuf,
}

/// Stops a job from elsewhere (a signal handler).
#[derive(Clone)]
pub struct StopHandle(Arc<Supervisor>);

/// How far a job is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobProgress {
    /// Since the start.
    pub elapsed: Duration,
    /// Records read by all sources.
    pub records_in: u64,
    /// Bytes read by all sources.
    pub bytes_in: u64,
    /// Rows written by all sinks.
    pub rows_out: u64,
    /// Late rows.
    pub late: u64,
    /// Bad records.
    pub bad: u64,
    /// The lowest watermark of the job's sinks in ms, if there is one.
    pub watermark_ms: Option<i64>,
    /// Bytes of state.
    pub state_bytes: usize,
    /// The last complete checkpoint; 0 if there is none.
    pub checkpoint: u64,
    /// How long it took.
    pub checkpoint_took: Duration,
    /// How often the job was started again after a failure outside.
    pub restarts: u32,
    /// Why the last time.
    pub last_failure: Option<String>,
}

/// The accounting of one operator: `input = forwarded + absorbed + filtered + late + bad + buffered`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorRow {
    /// The operator's stable id.
    pub operator: String,
    /// Rows (of a source: records) given to it.
    pub input: u64,
    /// Rows that went on.
    pub forwarded: u64,
    /// Rows that went into a group or window.
    pub absorbed: u64,
    /// Rows that a condition dropped.
    pub filtered: u64,
    /// Rows dropped because their time had passed.
    pub late: u64,
    /// Records or rows that could not be processed.
    pub bad: u64,
    /// Rows still held.
    pub buffered: u64,
    /// Rows that came out.
    pub emitted: u64,
    /// Time it computed, over all tasks.
    pub busy: Duration,
}

/// How a table was looked up, over all tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupRow {
    /// The table.
    pub table: String,
    /// Keys that the cache knew.
    pub hits: u64,
    /// Keys that it did not know; 0 without a cache.
    pub misses: u64,
    /// Rows held at the end: of the cache, or of the whole table.
    pub cached_rows: u64,
    /// Calls that asked for keys, those that failed included.
    pub calls: u64,
    /// Keys that were asked for.
    pub keys: u64,
    /// How often a failed call or read was made again.
    pub retries: u64,
    /// How often the whole table was read.
    pub loads: u64,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq)]
pub struct JobSummary {
    /// Its totals.
    pub totals: JobProgress,
    /// The accounting of each operator in plan order.
    pub operators: Vec<OperatorRow>,
    /// Each table that was looked up.
    pub lookups: Vec<LookupRow>,
    /// The most state it held, in bytes.
    pub state_bytes_peak: usize,
    /// Whether it was stopped before its input ended.
    pub stopped: bool,
    /// Where bad and late records were set aside, if there were any.
    pub dead_letters: Option<PathBuf>,
}

impl RunningJob {
    /// The columns of its result, if it is a query.
    pub fn columns(&self) -> Option<Vec<ResultColumn>> {
        self.results.as_ref().map(|(schema, _)| columns(schema))
    }

    /// What to tell the user when it starts: where it goes on from.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Whether its input ends by itself.
    pub fn bounded(&self) -> bool {
        self.bounded
    }

    /// Waits for more rows of the result. `Ok(None)` after the last, and for jobs without a result; an empty
    /// batch when the time is over and the job goes on.
    pub fn next_batch(&mut self, timeout: Duration) -> Option<ResultBatch> {
        let (schema, receiver) = self.results.as_mut()?;
        let chunk = receiver.recv_timeout(timeout).unwrap_or_else(|_| Some(Chunk::default()))?;
        Some(ResultBatch::new(schema.clone(), chunk, self.zone))
    }

    /// Whether it has ended, well or not.
    pub fn ended(&self) -> bool {
        self.handle.is_done()
    }

    /// How far it is.
    pub fn progress(&self) -> JobProgress {
        let (restarts, last_failure) = self.handle.restarts();
        let progress = progress(&self.handle.metrics(), self.started.elapsed());
        let last_failure = last_failure.or(progress.last_failure.clone());
        JobProgress { restarts, last_failure, ..progress }
    }

    /// A handle that stops it.
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle(self.handle.clone())
    }

    /// Drops all that is under way.
    pub fn abort(&self) {
        self.handle.abort();
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Result<JobSummary, EngineError> {
        // Whoever does not take rows any more must not stop the job.
        let results = self.results.take();
        drop(results);
        let summary = self.handle.wait()?;
        Ok(self::summary(summary, &self.dead_letters))
    }
}

impl Drop for RunningJob {
    /// Nobody is left to hear of its end.
    fn drop(&mut self) {
        if !self.handle.is_done() {
            self.handle.abort();
        }
    }
}

impl StopHandle {
    /// Finishes what is under way, flushes the sinks and ends the job. Windows still open are fired only if
    /// `drain` is set.
    pub fn stop(&self, drain: bool) {
        self.0.stop(drain);
    }
}

fn progress(metrics: &JobMetrics, elapsed: Duration) -> JobProgress {
    let sources = || metrics.operators.iter().filter(|operator| operator.name == "source");
    let sinks = || metrics.operators.iter().filter(|operator| operator.name == "sink");
    let rows = |of: fn(&tidemill_runtime::OperatorMetrics) -> u64| metrics.operators.iter().map(of).sum();
    let watermark = sinks().map(|sink| sink.watermark).min();
    JobProgress {
        elapsed,
        records_in: sources().map(|source| source.rows.input).sum(),
        bytes_in: metrics.sources.iter().map(|source| source.bytes).sum(),
        rows_out: sinks().map(|sink| sink.rows.input).sum(),
        late: rows(|operator| operator.rows.late),
        bad: rows(|operator| operator.rows.bad),
        watermark_ms: watermark.filter(|ms| *ms != i64::MIN && *ms != i64::MAX),
        state_bytes: metrics.state_bytes,
        checkpoint: metrics.checkpoints.last_epoch,
        checkpoint_took: metrics.checkpoints.last_duration,
        restarts: 0,
        last_failure: metrics.checkpoints.trouble.clone(),
    }
}

fn summary(run: RunSummary, dead_letters: &Path) -> JobSummary {
    let totals = progress(&run.metrics, run.elapsed);
    let kept = dead_letters.exists();
    let operators = run
        .metrics
        .operators
        .iter()
        .map(|operator| OperatorRow {
            operator: operator.uid.clone(),
            input: operator.rows.input,
            forwarded: operator.rows.forwarded,
            absorbed: operator.rows.absorbed,
            filtered: operator.rows.filtered,
            late: operator.rows.late,
            bad: operator.rows.bad,
            buffered: operator.rows.buffered,
            emitted: operator.rows.emitted,
            busy: Duration::from_nanos(operator.busy_ns),
        })
        .collect();
    let lookups = run.metrics.lookups.iter().map(|lookup| LookupRow {
        table: lookup.table.clone(),
        hits: lookup.hits,
        misses: lookup.misses,
        cached_rows: lookup.cached_rows,
        calls: lookup.calls,
        keys: lookup.keys,
        retries: lookup.retries,
        loads: lookup.loads,
    });
    JobSummary {
        totals,
        operators,
        lookups: lookups.collect(),
        state_bytes_peak: run.metrics.state_bytes_peak,
        stopped: run.stopped,
        dead_letters: kept.then(|| dead_letters.to_path_buf()),
    }
}
