//! Jobs that run while the file goes on.
//!
//! Invariant: the first job that fails ends the run; the others are stopped and waited for.

use crate::report::{ProgressLine, Reporter};
use crate::stop::Registered;
use anyhow::Result;
use std::time::Duration;
use tidemill_engine::{JobProgress, RunningJob};

/// A job under way and what to call it.
pub(crate) struct LabelledJob {
    pub(crate) job: RunningJob,
    pub(crate) label: String,
    /// Absent where a signal is not meant for it.
    pub(crate) registered: Option<Registered>,
    /// Whether its rows are printed.
    pub(crate) query: bool,
}

/// The jobs that run in the background.
#[derive(Default)]
pub(crate) struct Jobs(Vec<LabelledJob>);

impl Jobs {
    /// Adds one.
    pub(crate) fn add(&mut self, job: LabelledJob) {
        self.0.push(job);
    }

    /// How many run.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// What each is called and how far it is.
    pub(crate) fn list(&self) -> impl Iterator<Item = (&str, JobProgress)> {
        self.0.iter().map(|job| (job.label.as_str(), job.job.progress()))
    }

    /// How far all of them are together.
    pub(crate) fn progress(&self) -> JobProgress {
        self.0.iter().map(|job| job.job.progress()).reduce(together).unwrap_or_default()
    }

    /// Takes out those that have ended and reports them; the first failure is the answer.
    pub(crate) fn reap(&mut self, reporter: &Reporter, line: &mut ProgressLine) -> Result<()> {
        while let Some(index) = self.0.iter().position(|job| job.job.ended()) {
            line.erase();
            self.0.remove(index).end(reporter)?;
        }
        Ok(())
    }

    /// Stops all of them and waits. Failures are not the answer: there is one already, or nobody waits.
    pub(crate) fn abandon(&mut self, reporter: &Reporter) {
        self.0.iter().for_each(|job| job.job.stop_handle().stop(false));
        for job in self.0.drain(..) {
            if let Err(error) = job.end(reporter) {
                crate::report::warn(&format!("{error:#}"));
            }
        }
    }
}

impl LabelledJob {
    /// Waits for its end and reports it.
    pub(crate) fn end(self, reporter: &Reporter) -> Result<()> {
        let LabelledJob { job, label, registered, query } = self;
        let ended = job.wait();
        drop(registered);
        reporter.summary(&label, query, &ended?);
        Ok(())
    }
}

/// How long to sleep between looks at a job: short ones must not wait for us, long ones not be disturbed.
pub(crate) fn pause(elapsed: Duration) -> Duration {
    (elapsed / 50).clamp(Duration::from_micros(500), Duration::from_millis(20))
}

fn together(a: JobProgress, b: JobProgress) -> JobProgress {
    JobProgress {
        elapsed: a.elapsed.max(b.elapsed),
        records_in: a.records_in + b.records_in,
        bytes_in: a.bytes_in + b.bytes_in,
        rows_out: a.rows_out + b.rows_out,
        late: a.late + b.late,
        bad: a.bad + b.bad,
        watermark_ms: a.watermark_ms.into_iter().chain(b.watermark_ms).min(),
        state_bytes: a.state_bytes + b.state_bytes,
        checkpoint: a.checkpoint.max(b.checkpoint),
        checkpoint_took: a.checkpoint_took.max(b.checkpoint_took),
        restarts: a.restarts + b.restarts,
        last_failure: a.last_failure.or(b.last_failure),
    }
}
