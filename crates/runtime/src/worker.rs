//! A worker thread: steps its tasks in turn, consumers before producers, and parks when none is ready.
//!
//! Invariant: one step of one task at a time; an error or panic of a task ends the whole job. Small pieces
//! are taken at the latest after a few passes, so nothing waits long behind busy tasks.

use crate::job::JobShared;
use crate::options::COALESCE_PASSES_MAX;
use crate::signal::WorkerSignal;
use crate::task::{Step, Task};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tidemill_types::{Clock, Error};

/// The longest park while some task waits for a time, so that a simulated clock is noticed when it moves.
const PARK_MAX: Duration = Duration::from_millis(20);

/// A thread with its tasks.
pub struct Worker {
    /// Its tasks, consumers first.
    pub tasks: Vec<Task>,
    /// Wakes it.
    pub signal: Arc<WorkerSignal>,
    /// Tells processing time.
    pub clock: Arc<dyn Clock>,
    /// The job.
    pub job: Arc<JobShared>,
}

/// What a pass over all tasks came to.
#[derive(Default)]
struct Pass {
    progress: bool,
    partial: bool,
}

impl Worker {
    /// Runs all tasks to their end, or until the job ends otherwise.
    pub fn run(mut self) {
        self.signal.attach();
        let mut passes = 0;
        let mut eager = false;
        while !self.tasks.is_empty() && !self.job.aborted() {
            let pass = match self.pass(eager) {
                Ok(pass) => pass,
                Err(error) => return self.job.fail(error),
            };
            passes += 1;
            eager = !pass.progress || passes % COALESCE_PASSES_MAX == 0;
            if !pass.progress && !pass.partial {
                self.park();
            }
        }
    }

    fn pass(&mut self, eager: bool) -> Result<Pass, Error> {
        let now_ms = self.clock.now_ms();
        let mut pass = Pass::default();
        let mut done = false;
        for task in &mut self.tasks {
            let due = task.next_time().is_some_and(|time| time <= now_ms);
            if !task.signal.take_ready() && !due {
                continue;
            }
            let step = step(task, now_ms, eager)?;
            match step {
                Step::Progress => {
                    task.signal.set_ready();
                    pass.progress = true;
                }
                Step::Partial => {
                    task.signal.set_ready();
                    pass.partial = true;
                }
                Step::Idle | Step::Blocked => {}
                Step::Done => done = true,
            }
            if task.hung_up() {
                self.job.stop(false);
            }
        }
        if done {
            pass.progress = true;
            self.tasks.retain(|task| !task.done());
            self.job.metrics.sample_state();
        }
        Ok(pass)
    }

    fn park(&self) {
        match self.tasks.iter().filter_map(Task::next_time).min() {
            None => std::thread::park(),
            Some(time) => {
                let left = (time - self.clock.now_ms()).max(1) as u64;
                std::thread::park_timeout(PARK_MAX.min(Duration::from_millis(left)));
            }
        }
    }
}

fn step(task: &mut Task, now_ms: i64, eager: bool) -> Result<Step, Error> {
    catch_unwind(AssertUnwindSafe(|| task.step(now_ms, eager))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(Error::internal(format!("operator '{}' panicked: {text}", task.current())))
    })
}
