//! A running job: how it is stopped, waited for and looked at.
//!
//! Invariant: the first error wins and tears everything down; a job ends when all its workers and edges
//! have ended. Dropping the last handle aborts what still runs.

use crate::metrics::{JobMetrics, Registry};
use crate::signal::WorkerSignal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tidemill_types::{Error, Result};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// What a job is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Reading.
    Running,
    /// Finishing what was read.
    Stopping {
        /// As if the inputs had ended.
        drain: bool,
    },
    /// Dropping everything.
    Aborted,
}

/// Waits for a phase.
#[derive(Debug, Clone)]
pub struct PhaseWatch(watch::Receiver<Phase>);

impl PhaseWatch {
    /// Waits until the job is to end one way or another.
    pub async fn leaves_running(&mut self) -> Phase {
        self.wait_for(|phase| phase != Phase::Running).await
    }

    /// Waits until the job is torn down.
    pub async fn aborted(&mut self) {
        self.wait_for(|phase| phase == Phase::Aborted).await;
    }

    async fn wait_for(&mut self, wanted: impl Fn(Phase) -> bool) -> Phase {
        // A job that is gone has nobody left to read for.
        self.0.wait_for(|phase| wanted(*phase)).await.map_or(Phase::Aborted, |phase| *phase)
    }
}

#[derive(Debug, Default)]
struct Progress {
    /// Workers and edges that still run.
    running: usize,
    error: Option<Error>,
    ended: Option<Instant>,
}

/// What all parts of a job share.
#[derive(Debug)]
pub struct JobShared {
    progress: Mutex<Progress>,
    changed: Condvar,
    aborted: AtomicBool,
    phase: watch::Sender<Phase>,
    workers: Vec<Arc<WorkerSignal>>,
    started: Instant,
    /// All counters.
    pub(crate) metrics: Registry,
}

impl JobShared {
    /// A job that is about to start so many workers and edges.
    pub(crate) fn new(
        workers: Vec<Arc<WorkerSignal>>,
        running: usize,
        metrics: Registry,
        phase: watch::Sender<Phase>,
    ) -> Self {
        JobShared {
            progress: Mutex::new(Progress { running, ..Progress::default() }),
            changed: Condvar::new(),
            aborted: AtomicBool::new(false),
            phase,
            workers,
            started: Instant::now(),
            metrics,
        }
    }

    /// Whether everything is to be dropped.
    pub fn aborted(&self) -> bool {
        self.aborted.load(Ordering::Acquire)
    }

    /// Ends the job with an error, unless it has one already.
    pub fn fail(&self, error: Error) {
        self.lock().error.get_or_insert(error);
        self.abort();
    }

    /// Stops the sources; what was read is finished. A second call changes nothing.
    pub fn stop(&self, drain: bool) {
        self.phase.send_if_modified(|phase| {
            let running = *phase == Phase::Running;
            if running {
                *phase = Phase::Stopping { drain };
            }
            running
        });
    }

    /// One worker or edge has ended.
    pub fn part_ended(&self) {
        let mut progress = self.lock();
        progress.running -= 1;
        if progress.running == 0 {
            progress.ended = Some(Instant::now());
            self.changed.notify_all();
        }
    }

    /// Whether all parts have ended.
    pub fn is_done(&self) -> bool {
        self.lock().running == 0
    }

    /// How it ended, or would if it ended now.
    pub(crate) fn outcome(&self) -> Result<RunSummary> {
        let progress = self.lock();
        match &progress.error {
            Some(error) => Err(error.clone()),
            None => Ok(self.summary(progress.ended)),
        }
    }

    fn summary(&self, ended: Option<Instant>) -> RunSummary {
        let metrics = self.metrics.snapshot();
        let sources = metrics.operators.iter().filter(|o| self.metrics.is_source(&o.uid));
        RunSummary {
            records: sources.map(|source| source.rows.input).sum(),
            elapsed: ended.unwrap_or_else(Instant::now) - self.started,
            stopped: *self.phase.borrow() != Phase::Running,
            metrics,
        }
    }

    fn abort(&self) {
        self.aborted.store(true, Ordering::Release);
        self.phase.send_replace(Phase::Aborted);
        self.workers.iter().for_each(|worker| worker.wake());
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a job did, at its end.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    /// All counters; the rows of each operator balance.
    pub metrics: JobMetrics,
    /// How long it ran.
    pub elapsed: Duration,
    /// Records read by all sources.
    pub records: u64,
    /// Whether it was stopped before its inputs ended.
    pub stopped: bool,
}

impl RunSummary {
    /// Records read per second.
    pub fn records_per_second(&self) -> f64 {
        self.records as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// A running job; cheap to clone. When the last handle is dropped the job is aborted.
#[derive(Debug, Clone)]
pub struct JobHandle(Arc<Running>);

#[derive(Debug)]
struct Running {
    shared: Arc<JobShared>,
    edges: Option<Runtime>,
}

impl JobHandle {
    pub(crate) fn new(shared: Arc<JobShared>, edges: Runtime) -> Self {
        JobHandle(Arc::new(Running { shared, edges: Some(edges) }))
    }

    /// Stops the sources, finishes what was read and flushes the sinks. With `drain` the watermark goes to
    /// its end and everything fires; without, nothing fires. Returns at once.
    pub fn stop(&self, drain: bool) {
        self.0.shared.stop(drain);
    }

    /// Drops everything that is under way. Returns at once.
    pub fn abort(&self) {
        self.0.shared.abort();
    }

    /// Whether the job has ended.
    pub fn is_done(&self) -> bool {
        self.0.shared.is_done()
    }

    /// The counters as they stand.
    pub fn metrics(&self) -> JobMetrics {
        self.0.shared.metrics.snapshot()
    }

    /// Blocks until the job has ended, well or with its first error.
    pub fn wait(&self) -> Result<RunSummary> {
        let shared = &self.0.shared;
        let running = |progress: &mut Progress| progress.running > 0;
        drop(shared.changed.wait_while(shared.lock(), running).unwrap_or_else(PoisonError::into_inner));
        shared.outcome()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.abort();
        if let Some(edges) = self.edges.take() {
            edges.shutdown_background();
        }
    }
}

/// A phase that starts running, and its watch.
pub(crate) fn phase_channel() -> (watch::Sender<Phase>, PhaseWatch) {
    let (sender, receiver) = watch::channel(Phase::Running);
    (sender, PhaseWatch(receiver))
}
