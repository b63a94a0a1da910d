//! Runs the statements of scripts in order and prints what they answer.
//!
//! An INSERT or statement set whose sources all end is waited for before the next statement; any other runs
//! on in the background. A bare query is printed until its end.

use crate::cli::OutputArgs;
use crate::jobs::{Jobs, LabelledJob, pause};
use crate::output::{self, Format, Printer};
use crate::report::{Reporter, warn};
use crate::stop::Stops;
use anyhow::Result;
use std::time::Duration;
use tidemill_engine::{Engine, JobProgress, RunningJob, Script, Started};

/// How long a query's rows are waited for before we look at other things.
const ROWS_WAIT: Duration = Duration::from_millis(50);

/// A session with the jobs that it started.
pub(crate) struct Runner {
    engine: Engine,
    format: Format,
    reporter: Reporter,
    stops: Stops,
    jobs: Jobs,
    /// Whether somebody types statements: a signal is then meant for what runs in the foreground.
    interactive: bool,
}

impl Runner {
    /// Runs statements in this session.
    pub(crate) fn new(engine: Engine, args: &OutputArgs) -> Runner {
        let reporter = Reporter::new(args.quiet, args.verbose);
        let stops = Stops::new(args.drain);
        Runner {
            engine,
            format: Format::from(args.output),
            reporter,
            stops,
            jobs: Jobs::default(),
            interactive: false,
        }
    }

    /// The same for somebody who types statements.
    pub(crate) fn interactive(engine: Engine, args: &OutputArgs) -> Runner {
        let reporter = Reporter::for_shell(args.quiet, args.verbose);
        Runner { reporter, interactive: true, ..Runner::new(engine, args) }
    }

    /// What a signal stops.
    pub(crate) fn stops(&self) -> &Stops {
        &self.stops
    }

    /// The session.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The jobs in the background.
    pub(crate) fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    /// Runs a script and waits for all jobs it started.
    pub(crate) fn run_to_end(&mut self, script: &Script) -> Result<()> {
        let outcome = self.run(script).and_then(|()| self.wait());
        if outcome.is_err() {
            self.stop_jobs();
        }
        outcome
    }

    /// Runs a script; jobs without end run on. After a signal no further statement is run.
    pub(crate) fn run(&mut self, script: &Script) -> Result<()> {
        for index in 0..script.len() {
            if self.stops.requested() {
                break;
            }
            match self.engine.start(script, index)? {
                Started::Done(warning) => warning.iter().for_each(|warning| warn(warning)),
                Started::Rows(rows) => output::answer(self.format, &rows)?,
                Started::Job(job) => self.job(*job, label(script, index))?,
            }
        }
        Ok(())
    }

    /// Waits for the jobs in the background.
    pub(crate) fn wait(&mut self) -> Result<()> {
        let mut line = self.reporter.progress_line(false);
        while self.jobs.count() > 0 {
            self.jobs.reap(&self.reporter, &mut line)?;
            let progress = self.jobs.progress();
            line.show(&progress);
            std::thread::sleep(pause(progress.elapsed));
        }
        Ok(())
    }

    /// Stops the jobs in the background and waits for them.
    pub(crate) fn stop_jobs(&mut self) {
        self.jobs.abandon(&self.reporter);
    }

    fn job(&mut self, job: RunningJob, label: String) -> Result<()> {
        let columns = job.columns();
        let query = columns.is_some();
        job.notices().iter().for_each(|notice| self.reporter.notice(notice));
        let background = !query && !job.bounded();
        let signalled = !(background && self.interactive);
        let registered = signalled.then(|| self.stops.register(job.stop_handle()));
        let mut job = LabelledJob { job, label, registered, query };
        if background {
            self.jobs.add(job);
            return Ok(());
        }
        let shown = match columns {
            Some(columns) => {
                let mut printer = Printer::changes(self.format, columns, job.job.bounded());
                self.print(&mut job.job, &mut printer)
            }
            None => self.watch(&job.job),
        };
        if shown.is_err() {
            job.job.stop_handle().stop(false);
        }
        let ended = job.end(&self.reporter);
        shown.and(ended)
    }

    fn print(&mut self, job: &mut RunningJob, printer: &mut Printer) -> Result<()> {
        let mut line = self.reporter.progress_line(true);
        while let Some(batch) = job.next_batch(ROWS_WAIT) {
            printer.print(&batch)?;
            line.show_with(|| job.progress());
            self.jobs.reap(&self.reporter, &mut line)?;
        }
        drop(line);
        printer.finish()
    }

    fn watch(&mut self, job: &RunningJob) -> Result<()> {
        let mut line = self.reporter.progress_line(false);
        while !job.ended() {
            let progress: JobProgress = job.progress();
            line.show(&progress);
            self.jobs.reap(&self.reporter, &mut line)?;
            std::thread::sleep(pause(progress.elapsed));
        }
        Ok(())
    }
}

/// What to call the job of a statement: its place and how it begins.
fn label(script: &Script, index: usize) -> String {
    const LENGTH_MAX: usize = 40;
    let info = script.info(index);
    let text = info.text.split_whitespace().collect::<Vec<_>>().join(" ");
    let begin: String = text.chars().take(LENGTH_MAX).collect();
    let more = if begin.len() < text.len() { "…" } else { "" };
    format!("line {}: {begin}{more}", info.line)
}
