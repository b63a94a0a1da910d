//! From a plan to a running job: opens sources and sinks, lays lanes, builds chains, starts threads.
//!
//! 1. Cut the plan into fragments; task `i` of each fragment belongs to worker `i % workers`.
//! 2. Open the sources, because they say whether their splits have watermarks of their own.
//! 3. Choose the aggregations that begin before their exchange.
//! 4. Lay the lanes of every edge, one for each pair of tasks.
//! 5. Build the chain of each task, opening its sinks.
//! 6. Start the edges and the workers.
//!
//! Invariant: nothing runs before everything is open, so a job that can't start has no effect but that of
//! opening.

mod builder;
mod lanes;
mod lookup;
mod nodes;
pub(crate) mod open;
mod phases;
mod shared;
#[cfg(feature = "simulation")]
pub mod simulate;

use crate::checkpoint::{Board, CheckpointOptions, Coordinator, reload, with_former_tasks};
use crate::job::{JobHandle, JobShared, PhaseWatch, phase_channel};
use crate::lookup_edge::Asker;
use crate::lookup_table::Reloader;
use crate::metrics::Registry;
use crate::options::JobOptions;
use crate::signal::WorkerSignal;
use crate::sink_edge::Writer;
use crate::source_edge::Reader;
use crate::task::Task;
use crate::worker::Worker;
use builder::{Builder, SourcePart};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tidemill_plan::StreamPlan;
use tidemill_types::{Error, Result};

/// Threads for sources and sinks; they wait nearly always.
const EDGE_THREADS: usize = 2;

/// Starts a job. If it shall go on with other tasks than rows between its tasks were saved for, these are worked off
/// first.
pub fn start(plan: &StreamPlan, mut options: JobOptions) -> Result<JobHandle> {
    shared::check(plan)?;
    if let Some(former) = with_former_tasks(&options) {
        let job = launch(plan, former)?;
        job.stop(false);
        job.wait()?;
        reload(&mut options)?;
    }
    launch(plan, options)
}

fn launch(plan: &StreamPlan, options: JobOptions) -> Result<JobHandle> {
    let edges = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(EDGE_THREADS)
        .thread_name("tidemill-edge")
        .enable_all()
        .build()
        .map_err(|error| Error::external_fatal(format!("can't start threads: {error}")))?;
    let built = {
        let _entered = edges.enter();
        Builder::new(plan, &options, &edges).and_then(Builder::build)
    };
    match built {
        Ok(built) => Ok(built.launch(edges, &options)),
        Err(error) => {
            edges.shutdown_background();
            Err(error)
        }
    }
}

/// Workers with their tasks.
type Workers = Vec<(Arc<WorkerSignal>, Vec<Task>)>;

/// A job that only has to be started.
struct Built {
    /// After which time a barrier overtakes.
    unaligned: Option<std::time::Duration>,
    workers: Workers,
    sources: Vec<SourcePart>,
    sinks: Vec<Writer>,
    askers: Vec<Asker>,
    reloaders: Vec<Reloader>,
    metrics: Registry,
    board: Option<Board>,
    lost_changes: Arc<AtomicBool>,
}

impl Built {
    fn launch(self, edges: tokio::runtime::Runtime, options: &JobOptions) -> JobHandle {
        let (job, workers) = self.spawn_edges(edges.handle(), options);
        for (at, (signal, tasks)) in workers.into_iter().enumerate() {
            let worker = Worker { tasks, signal, clock: options.clock.clone(), job: job.clone() };
            let job = job.clone();
            let run = move || {
                worker.run();
                job.part_ended();
            };
            std::thread::Builder::new()
                .name(format!("tidemill-worker-{at}"))
                .spawn(run)
                .expect("threads can be started");
        }
        JobHandle::new(job, edges)
    }

    /// Starts everything but the workers, each of which is a part of the job that has to end.
    fn spawn_edges(self, edges: &tokio::runtime::Handle, options: &JobOptions) -> (Arc<JobShared>, Workers) {
        let (phase, watch) = phase_channel();
        let readers = self.sources.iter().filter(|part| part.open.is_some()).count();
        let edge_parts = readers + self.sinks.len() + self.askers.len();
        let parts = self.workers.len() + edge_parts + usize::from(self.board.is_some());
        let signals = self.workers.iter().map(|(signal, _)| signal.clone()).collect();
        let checkpoint_counters = self.metrics.checkpoints.clone();
        let job = Arc::new(JobShared::new(signals, parts, self.metrics, phase));
        for part in self.sources {
            let Some(open) = part.open else { continue };
            let reader = Reader {
                open,
                queue: part.queue,
                phase: watch.clone(),
                clock: options.clock.clone(),
                idle_timeout: part.idle_timeout,
                retry: options.retry,
                counters: part.counters,
                checkpoints: part.checkpoints,
            };
            edges.spawn(run_edge(job.clone(), watch.clone(), reader.run()));
        }
        for asker in self.askers {
            edges.spawn(run_edge(job.clone(), watch.clone(), asker.run()));
        }
        for reloader in self.reloaders {
            edges.spawn(reloader.run(job.clone(), watch.clone()));
        }
        let together = Arc::new(tokio::sync::Barrier::new(self.sinks.len().max(1)));
        for mut writer in self.sinks {
            writer.together = self.board.is_none().then(|| together.clone());
            edges.spawn(run_edge(job.clone(), watch.clone(), writer.run()));
        }
        if let (Some(board), Some(checkpoints)) = (self.board, options.checkpoints.clone()) {
            let from = checkpoints.from.as_ref();
            checkpoint_counters.restored(from.map_or(0, |from| from.epoch));
            let (clock, lost) = (options.clock.clone(), self.lost_changes);
            let checkpoints = CheckpointOptions { unaligned: self.unaligned, ..checkpoints };
            let parallelism = options.parallelism.max(1);
            let coordinator =
                Coordinator::new(checkpoints, parallelism, clock, checkpoint_counters, lost, board);
            edges.spawn(run_edge(job.clone(), watch.clone(), coordinator.run()));
        }
        (job, self.workers)
    }
}

/// Runs an edge until it ends or the job is torn down. A panic of a connector ends the job.
async fn run_edge(
    job: Arc<JobShared>,
    mut watch: PhaseWatch,
    edge: impl Future<Output = Result<()>> + Send + 'static,
) {
    let mut edge = tokio::spawn(edge);
    tokio::select! {
        biased;
        () = watch.aborted() => edge.abort(),
        ended = &mut edge => match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => job.fail(error),
            Err(panic) => job.fail(Error::internal(format!("a connector panicked: {panic}"))),
        },
    }
    job.part_ended();
}
