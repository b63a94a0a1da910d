//! Counters that tasks publish and anyone may read while the job runs.
//!
//! Invariant: each counter has one writer; readers see values that may be a step old, never torn.

use crate::lane::Lane;
use crate::lookup_edge::LookupCounters;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tidemill_operators::RowCounters;
use tidemill_state::checkpoint::CheckpointCost;
use tidemill_types::WATERMARK_NONE;

/// The counters of one operator in one task.
#[derive(Debug)]
pub(crate) struct TaskCounters {
    rows: [AtomicU64; 8],
    busy_ns: AtomicU64,
    watermark: AtomicI64,
    state_bytes: AtomicUsize,
}

impl Default for TaskCounters {
    fn default() -> Self {
        TaskCounters {
            rows: Default::default(),
            busy_ns: AtomicU64::new(0),
            watermark: AtomicI64::new(WATERMARK_NONE),
            state_bytes: AtomicUsize::new(0),
        }
    }
}

impl TaskCounters {
    /// Publishes the counters of an operator.
    pub(crate) fn publish(&self, rows: &RowCounters, busy_ns: u64, watermark: i64) {
        let values = [
            rows.input,
            rows.forwarded,
            rows.absorbed,
            rows.filtered,
            rows.late,
            rows.bad,
            rows.buffered,
            rows.emitted,
        ];
        self.rows.iter().zip(values).for_each(|(counter, value)| counter.store(value, Relaxed));
        self.busy_ns.store(busy_ns, Relaxed);
        self.watermark.store(watermark, Relaxed);
    }

    /// Publishes how much state the operator holds.
    pub(crate) fn publish_state(&self, bytes: usize) {
        self.state_bytes.store(bytes, Relaxed);
    }

    fn rows(&self) -> RowCounters {
        let [input, forwarded, absorbed, filtered, late, bad, buffered, emitted] =
            [0, 1, 2, 3, 4, 5, 6, 7].map(|at: usize| self.rows[at].load(Relaxed));
        RowCounters { input, forwarded, absorbed, filtered, late, bad, buffered, emitted }
    }
}

/// The counters of one source reader.
#[derive(Debug, Default)]
pub(crate) struct SourceCounters {
    pub(crate) bytes: AtomicU64,
    pub(crate) blobs: AtomicU64,
    pub(crate) retries: AtomicU64,
}

/// The counters of a job's checkpoints.
#[derive(Debug, Default)]
pub(crate) struct CheckpointCounters(Mutex<CheckpointMetrics>);

/// What became of a job's checkpoints so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckpointMetrics {
    /// The epoch that the run went on from; 0 for a first run.
    pub restored: u64,
    /// How many were completed.
    pub completed: u64,
    /// How many failed.
    pub failed: u64,
    /// The last complete one.
    pub last_epoch: u64,
    /// How long it took, from the first barrier to the manifest.
    pub last_duration: Duration,
    /// The longest time that one took.
    pub duration_max: Duration,
    /// How long the task that waited longest for the last one had some inputs at the barrier and others not.
    pub last_alignment: Duration,
    /// The longest that was so for any.
    pub alignment_max: Duration,
    /// The bytes of rows that the last barrier overtook.
    pub last_in_flight: u64,
    /// How many barriers overtook rows.
    pub unaligned: u64,
    /// How many bytes the last one wrote.
    pub last_bytes: u64,
    /// How many bytes all wrote.
    pub bytes: u64,
    /// Why the last failure or trouble.
    pub trouble: Option<String>,
}

impl CheckpointCounters {
    /// The run goes on from this epoch.
    pub(crate) fn restored(&self, epoch: u64) {
        self.lock().restored = epoch;
    }

    /// An epoch is complete.
    pub(crate) fn completed(&self, epoch: u64, took: Duration, cost: &CheckpointCost) {
        let mut metrics = self.lock();
        metrics.completed += 1;
        metrics.last_epoch = epoch;
        metrics.last_duration = took;
        metrics.duration_max = metrics.duration_max.max(took);
        metrics.last_alignment = Duration::from_millis(cost.alignment_ms);
        metrics.alignment_max = metrics.alignment_max.max(metrics.last_alignment);
        metrics.last_in_flight = cost.in_flight_bytes;
        metrics.unaligned += u64::from(cost.in_flight_bytes > 0);
        metrics.last_bytes = cost.state_bytes + cost.in_flight_bytes;
        metrics.bytes += metrics.last_bytes;
    }

    /// An epoch came to nothing.
    pub(crate) fn failed(&self, why: String) {
        self.lock().failed += 1;
        self.warn(why);
    }

    /// Something went wrong that is no failure.
    pub(crate) fn warn(&self, why: String) {
        self.lock().trouble = Some(why);
    }

    fn lock(&self) -> MutexGuard<'_, CheckpointMetrics> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All counters of a job and where to look for the rest.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub(crate) checkpoints: Arc<CheckpointCounters>,
    pub(crate) operators: Vec<OperatorEntry>,
    pub(crate) sources: Vec<(String, Arc<SourceCounters>)>,
    pub(crate) lookups: Vec<(String, Arc<LookupCounters>)>,
    state_bytes_peak: AtomicUsize,
}

/// One operator of the plan with the counters of all its tasks and the lanes into it.
#[derive(Debug)]
pub(crate) struct OperatorEntry {
    pub(crate) source: bool,
    pub(crate) uid: String,
    pub(crate) name: String,
    pub(crate) tasks: Vec<Arc<TaskCounters>>,
    /// What tasks above do of its work before the exchange. Rows that go on from there are counted by the
    /// operator itself; rows that are dropped there are added to its own.
    pub(crate) first_phase: Vec<Arc<TaskCounters>>,
    pub(crate) lanes: Vec<Arc<Lane>>,
}

/// What a job has done so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobMetrics {
    /// Each operator, in plan order.
    pub operators: Vec<OperatorMetrics>,
    /// Each source, in plan order.
    pub sources: Vec<SourceMetrics>,
    /// Each table that is looked up, over all tasks.
    pub lookups: Vec<LookupMetrics>,
    /// The state of all operators, in bytes.
    pub state_bytes: usize,
    /// The highest of `state_bytes` that was seen.
    pub state_bytes_peak: usize,
    /// Its checkpoints.
    pub checkpoints: CheckpointMetrics,
}

/// What an operator has done so far, over all its tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct OperatorMetrics {
    /// The operator's stable name.
    pub uid: String,
    /// What it does.
    pub name: String,
    /// How many tasks run it.
    pub tasks: usize,
    /// Where its rows went. For a source, `input` counts records and `emitted` rows.
    pub rows: RowCounters,
    /// How long it computed, in nanoseconds over all tasks.
    pub busy_ns: u64,
    /// The lowest watermark among its tasks.
    pub watermark: i64,
    /// How full the fullest lane into it is, from 0 to 1.
    pub queue_fill: f64,
    /// The state it holds, in bytes.
    pub state_bytes: usize,
}

/// What a source has read so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceMetrics {
    /// The table.
    pub table: String,
    /// Bytes fetched.
    pub bytes: u64,
    /// Blobs or chunks fetched.
    pub blobs: u64,
    /// How often a failed fetch was tried again.
    pub retries: u64,
}

/// How a table was looked up so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LookupMetrics {
    /// The table.
    pub table: String,
    /// Keys that the cache knew.
    pub hits: u64,
    /// Keys that it did not know; 0 without a cache.
    pub misses: u64,
    /// Rows that are held: of the cache, or of the whole table.
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

impl LookupMetrics {
    fn add(&mut self, counters: &LookupCounters) {
        self.hits += counters.hits.load(Relaxed);
        self.misses += counters.misses.load(Relaxed);
        self.cached_rows += counters.cached_rows.load(Relaxed);
        self.calls += counters.calls.load(Relaxed);
        self.keys += counters.keys.load(Relaxed);
        self.retries += counters.retries.load(Relaxed);
        self.loads += counters.loads.load(Relaxed);
    }
}

impl Registry {
    fn lookups(&self) -> Vec<LookupMetrics> {
        let mut found: Vec<LookupMetrics> = Vec::new();
        for (table, counters) in &self.lookups {
            let at = found.iter().position(|known| known.table == *table).unwrap_or_else(|| {
                found.push(LookupMetrics { table: table.clone(), ..LookupMetrics::default() });
                found.len() - 1
            });
            found[at].add(counters);
        }
        found
    }

    /// The counters as they stand.
    pub(crate) fn snapshot(&self) -> JobMetrics {
        let operators: Vec<OperatorMetrics> = self.operators.iter().map(OperatorEntry::metrics).collect();
        let state_bytes = operators.iter().map(|operator| operator.state_bytes).sum();
        let state_bytes_peak = self.state_bytes_peak.fetch_max(state_bytes, Relaxed).max(state_bytes);
        let sources = self.sources.iter().map(|(table, counters)| SourceMetrics {
            table: table.clone(),
            bytes: counters.bytes.load(Relaxed),
            blobs: counters.blobs.load(Relaxed),
            retries: counters.retries.load(Relaxed),
        });
        let checkpoints = self.checkpoints.lock().clone();
        JobMetrics {
            operators,
            sources: sources.collect(),
            lookups: self.lookups(),
            state_bytes,
            state_bytes_peak,
            checkpoints,
        }
    }

    /// Whether an operator reads a source.
    pub(crate) fn is_source(&self, uid: &str) -> bool {
        self.operators.iter().any(|operator| operator.source && operator.uid == uid)
    }

    /// Looks at the state's size, for its peak.
    pub(crate) fn sample_state(&self) {
        let tasks = self.operators.iter().flat_map(|operator| &operator.tasks);
        let bytes = tasks.map(|task| task.state_bytes.load(Relaxed)).sum();
        self.state_bytes_peak.fetch_max(bytes, Relaxed);
    }
}

impl OperatorEntry {
    fn metrics(&self) -> OperatorMetrics {
        let mut rows = RowCounters::default();
        self.tasks.iter().for_each(|task| add(&mut rows, &task.rows()));
        for task in &self.first_phase {
            let dropped = task.rows().filtered;
            rows.input += dropped;
            rows.filtered += dropped;
        }
        OperatorMetrics {
            uid: self.uid.clone(),
            name: self.name.clone(),
            tasks: self.tasks.len(),
            rows,
            busy_ns: self.tasks.iter().chain(&self.first_phase).map(|task| task.busy_ns.load(Relaxed)).sum(),
            watermark: self.tasks.iter().map(|t| t.watermark.load(Relaxed)).min().unwrap_or(WATERMARK_NONE),
            queue_fill: self.lanes.iter().map(|lane| lane.fill()).fold(0.0, f64::max),
            state_bytes: self.tasks.iter().map(|task| task.state_bytes.load(Relaxed)).sum(),
        }
    }
}

fn add(to: &mut RowCounters, from: &RowCounters) {
    to.input += from.input;
    to.forwarded += from.forwarded;
    to.absorbed += from.absorbed;
    to.filtered += from.filtered;
    to.late += from.late;
    to.bad += from.bad;
    to.buffered += from.buffered;
    to.emitted += from.emitted;
}
