//! Keeps a job running: starts it, and starts it again from its last checkpoint when something outside fails.
//!
//! Invariant: one run of the job at a time; a stop or abort holds for all its runs.

use crate::restart::Failures;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tidemill_plan::StreamPlan;
use tidemill_runtime::{JobHandle, JobMetrics, JobOptions, RunSummary};
use tidemill_types::{Error, Result};

/// A job with all its runs.
pub(crate) struct Supervisor {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    handle: JobHandle,
    /// Whether it was told to end, and then whether to drain.
    stop: Option<bool>,
    aborted: bool,
    restarts: u32,
    last_failure: Option<String>,
    ended: Option<Result<RunSummary>>,
}

impl Supervisor {
    /// Starts a job. With `failures` it is started again when something outside fails.
    pub(crate) fn start(
        plan: StreamPlan,
        mut options: JobOptions,
        failures: Option<Failures>,
    ) -> Result<Arc<Self>> {
        let handle = tidemill_runtime::start(&plan, options.clone())?;
        tidemill_runtime::forget_loaded(&mut options);
        let state =
            State { handle, stop: None, aborted: false, restarts: 0, last_failure: None, ended: None };
        let supervisor = Arc::new(Supervisor { state: Mutex::new(state), changed: Condvar::new() });
        let of_thread = supervisor.clone();
        std::thread::Builder::new()
            .name("tidemill-supervisor".into())
            .spawn(move || of_thread.run(&plan, options, failures))
            .map_err(|error| Error::external_fatal(format!("can't start threads: {error}")))?;
        Ok(supervisor)
    }

    fn run(&self, plan: &StreamPlan, mut options: JobOptions, mut failures: Option<Failures>) {
        loop {
            let handle = self.lock().handle.clone();
            let ended = handle.wait();
            drop(handle);
            let again = match (&ended, &mut failures) {
                (Err(error), Some(failures)) => failures
                    .pause(error, Instant::now())
                    .and_then(|pause| self.wait_for_restart(error, pause)),
                _ => None,
            };
            let outcome = match again {
                None => ended,
                Some(()) => match self.restart(plan, &mut options) {
                    Ok(()) => continue,
                    Err(error) => Err(error),
                },
            };
            // The rows of a query end with its last run.
            drop(options);
            self.lock().ended = Some(outcome);
            self.changed.notify_all();
            return;
        }
    }

    /// Waits before a restart; `None` if the job is to end meanwhile.
    fn wait_for_restart(&self, error: &Error, pause: Duration) -> Option<()> {
        let mut state = self.lock();
        state.last_failure = Some(error.to_string());
        let goes_on = |state: &mut State| state.stop.is_none() && !state.aborted;
        let waited = self.changed.wait_timeout_while(state, pause, goes_on);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        goes_on(&mut state).then(|| state.restarts += 1)
    }

    fn restart(&self, plan: &StreamPlan, options: &mut JobOptions) -> Result<()> {
        tidemill_runtime::reload(options)?;
        // Nothing that the run before left unfinished may get a name that this one gives.
        options.run_id.push('r');
        let handle = tidemill_runtime::start(plan, options.clone())?;
        tidemill_runtime::forget_loaded(options);
        let mut state = self.lock();
        match (state.aborted, state.stop) {
            (true, _) => handle.abort(),
            (false, Some(drain)) => handle.stop(drain),
            (false, None) => {}
        }
        state.handle = handle;
        Ok(())
    }

    /// Finishes what is under way and ends the job.
    pub(crate) fn stop(&self, drain: bool) {
        let mut state = self.lock();
        state.stop.get_or_insert(drain);
        state.handle.stop(drain);
        self.changed.notify_all();
    }

    /// Drops all that is under way and ends the job.
    pub(crate) fn abort(&self) {
        let mut state = self.lock();
        state.aborted = true;
        state.handle.abort();
        self.changed.notify_all();
    }

    /// Whether the job has ended for good.
    pub(crate) fn is_done(&self) -> bool {
        self.lock().ended.is_some()
    }

    /// The counters of the present run.
    pub(crate) fn metrics(&self) -> JobMetrics {
        self.lock().handle.metrics()
    }

    /// How often it was started again, and why the last time.
    pub(crate) fn restarts(&self) -> (u32, Option<String>) {
        let state = self.lock();
        (state.restarts, state.last_failure.clone())
    }

    /// Blocks until the job has ended for good.
    pub(crate) fn wait(&self) -> Result<RunSummary> {
        let waited = self.changed.wait_while(self.lock(), |state| state.ended.is_none());
        let state = waited.unwrap_or_else(PoisonError::into_inner);
        state.ended.clone().expect("the wait is over when it has ended")
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
