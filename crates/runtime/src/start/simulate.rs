//! Runs a job in one thread under a seed: the order in which tasks are stepped, how far the edges get between two
//! steps, and when time passes are all decided by it. The same seed gives the same run.
//!
//! Invariant: nothing here blocks or looks at the machine's clock. Connectors and stores that are simulated must not
//! use threads of their own.

use super::{Builder, Built, Workers};
use crate::job::JobShared;
use crate::options::JobOptions;
use crate::task::{Step, Task};
use crate::{JobMetrics, RunSummary};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tidemill_plan::StreamPlan;
use tidemill_types::{Clock, Error, Result};

/// How many times the edges are polled between two steps at most.
const POLLS_MAX: u64 = 6;
/// How long time may pass at once, when nothing else happens.
const PASS_MS_MAX: u64 = 40;
/// After so many steps without an end the run counts as hung.
const STEPS_MAX: u64 = 3_000_000;

/// A clock that is moved by hand.
#[derive(Debug)]
pub struct SimulatedClock(AtomicI64);

impl SimulatedClock {
    /// It shows this time.
    pub fn new(now_ms: i64) -> Self {
        SimulatedClock(AtomicI64::new(now_ms))
    }

    /// Time passes, or is set back.
    pub fn pass(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for SimulatedClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Decides what happens next.
pub trait Chance {
    /// A number below `n`, which is not 0.
    fn below(&mut self, n: u64) -> u64;
}

/// How a simulated run went.
#[derive(Debug)]
pub enum Simulated {
    /// It ended by itself, well or with an error.
    Ended(Result<RunSummary>),
    /// It was killed; what its operators had counted.
    Killed(JobMetrics),
}

/// What may happen to a simulated run from outside.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fate {
    /// It is killed before this step.
    pub kill_at: Option<u64>,
    /// It is stopped before this step.
    pub stop_at: Option<u64>,
    /// The wall clock jumps by so much before the step.
    pub jump: Option<(u64, i64)>,
}

/// Runs a job under a seed. `clock` must be that of the options.
pub fn simulate(
    plan: &StreamPlan,
    options: &JobOptions,
    clock: &SimulatedClock,
    chance: &mut dyn Chance,
    fate: Fate,
) -> Result<Simulated> {
    let edges = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| Error::external_fatal(format!("can't start a simulation: {error}")))?;
    let built = {
        let _entered = edges.enter();
        Builder::new(plan, options, &edges)?.build()?
    };
    let simulation = Simulation::new(built, edges, options);
    simulation.run(clock, chance, fate)
}

struct Simulation {
    edges: tokio::runtime::Runtime,
    job: Arc<JobShared>,
    tasks: Vec<Task>,
}

impl Simulation {
    fn new(built: Built, edges: tokio::runtime::Runtime, options: &JobOptions) -> Self {
        let (job, workers): (_, Workers) = built.spawn_edges(edges.handle(), options);
        // The workers have no threads here: what they do is done below.
        workers.iter().for_each(|_| job.part_ended());
        let tasks = workers.into_iter().flat_map(|(_, tasks)| tasks).collect();
        Simulation { edges, job, tasks }
    }

    fn run(mut self, clock: &SimulatedClock, chance: &mut dyn Chance, fate: Fate) -> Result<Simulated> {
        let mut idle = 0;
        for step in 0..STEPS_MAX {
            if fate.kill_at == Some(step) {
                return Ok(Simulated::Killed(self.job.metrics.snapshot()));
            }
            if fate.stop_at == Some(step) {
                self.job.stop(false);
            }
            if let Some((_, ms)) = fate.jump.filter(|(at, _)| *at == step) {
                clock.pass(ms);
            }
            if self.job.is_done() || self.job.aborted() {
                return Ok(Simulated::Ended(self.job.outcome()));
            }
            let polls = chance.below(POLLS_MAX);
            self.poll_edges(polls);
            idle = if self.step_one(clock, chance) { 0 } else { idle + 1 };
            // Time passes when nothing happens, and now and then anyway.
            if idle > 2 * self.tasks.len() + 4 || chance.below(50) == 0 {
                self.pass_time(clock, 1 + chance.below(PASS_MS_MAX));
            }
        }
        Err(Error::internal(format!("a simulated run did not end in {STEPS_MAX} steps")))
    }

    fn poll_edges(&self, polls: u64) {
        self.edges.block_on(async {
            for _ in 0..polls {
                tokio::task::yield_now().await;
            }
        });
    }

    /// Steps some task; tells whether that did anything.
    fn step_one(&mut self, clock: &SimulatedClock, chance: &mut dyn Chance) -> bool {
        if self.tasks.is_empty() {
            return false;
        }
        let at = chance.below(self.tasks.len() as u64) as usize;
        let eager = chance.below(3) > 0;
        let task = &mut self.tasks[at];
        let stepped = catch_unwind(AssertUnwindSafe(|| task.step(clock.now_ms(), eager)));
        match stepped {
            Ok(Ok(Step::Done)) => drop(self.tasks.remove(at)),
            Ok(Ok(step)) => return step == Step::Progress,
            Ok(Err(error)) => self.job.fail(error),
            Err(_) => self.job.fail(Error::internal(format!("operator '{}' panicked", task.current()))),
        }
        true
    }

    fn pass_time(&self, clock: &SimulatedClock, ms: u64) {
        clock.pass(ms as i64);
        self.edges.block_on(tokio::time::advance(Duration::from_millis(ms)));
    }
}
