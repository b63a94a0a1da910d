//! The coordinator: begins epochs, gathers reports, makes epochs real.
//!
//! Invariant: at most one epoch is on its way. A task's changes that belong to a failed epoch are gone, so the
//! epoch after a failure writes every key group whole.

use super::epoch::Epoch;
use super::state::TaskState;
use super::{Barrier, Board, CheckpointOptions, ReaderOrder, Report, SinkOrder, Whole};
use crate::metrics::CheckpointCounters;
use crate::signal::TaskSignal;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tidemill_connector::Positions;
use tidemill_state::checkpoint::{Chains, CheckpointCost, Manifest, SourceState};
use tidemill_types::key::KEY_GROUPS;
use tidemill_types::{Clock, Error, Result};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, sleep_until};

/// A moment that does not come.
const NEVER: Duration = Duration::from_secs(86_400 * 365);

/// Runs the checkpoints of one job.
pub struct Coordinator {
    options: CheckpointOptions,
    parallelism: usize,
    clock: Arc<dyn Clock>,
    counters: Arc<CheckpointCounters>,
    lost_changes: Arc<AtomicBool>,
    board: Board,
    /// By source: how and where it ended.
    ended_sources: Vec<Option<(bool, Positions)>>,
    tasks: HashSet<usize>,
    sinks: HashSet<usize>,
    /// The last state of tasks that have ended; its rows go when they are part of a complete epoch.
    ended: Vec<Ended>,
    /// By sink: what is to be committed with the next complete epoch.
    prepared: Vec<Vec<Vec<u8>>>,
    chains: Chains,
    /// The last epoch that was begun.
    last: u64,
    failures: u32,
}

struct Ended {
    state: TaskState,
    /// The epoch it was written in.
    written: Option<u64>,
}

/// What the coordinator waits for.
enum Next {
    Report(Report),
    Begin,
    Overtake,
    TimedOut,
}

impl Coordinator {
    /// The coordinator of a job whose parts are on the board. `lost_changes` tells tasks that an epoch failed.
    pub fn new(
        mut options: CheckpointOptions,
        parallelism: usize,
        clock: Arc<dyn Clock>,
        counters: Arc<CheckpointCounters>,
        lost_changes: Arc<AtomicBool>,
        board: Board,
    ) -> Self {
        let from = options.from.take();
        Coordinator {
            chains: from.as_ref().map_or_else(Chains::default, |from| from.chains.clone()),
            last: from.map_or(0, |from| from.next_epoch - 1),
            ended_sources: vec![None; board.readers.len()],
            tasks: (0..board.tasks.len()).collect(),
            sinks: (0..board.sinks.len()).collect(),
            ended: Vec::new(),
            prepared: vec![Vec::new(); board.sinks.len()],
            failures: 0,
            options,
            parallelism,
            clock,
            counters,
            lost_changes,
            board,
        }
    }

    /// Takes checkpoints until the job has ended, and a last one then.
    pub async fn run(mut self) -> Result<()> {
        let mut epoch: Option<Epoch> = None;
        let mut begin_at = self.after(Instant::now());
        while !self.all_ended() || epoch.is_some() {
            match self.next(&epoch, begin_at).await? {
                Next::Report(report) => {
                    if let Err(error) = self.note(report, &mut epoch).await {
                        self.failed(epoch.take(), error).await?;
                    }
                }
                Next::Begin => {
                    begin_at = self.after(Instant::now());
                    epoch = self.begin().await?;
                }
                Next::Overtake => epoch.iter_mut().for_each(|epoch| self.overtake(epoch)),
                Next::TimedOut => {
                    let seconds = self.options.timeout.as_secs();
                    let error = Error::external(format!("it was not complete after {seconds} s"));
                    self.failed(epoch.take(), error).await?;
                }
            }
            if let Some(complete) = epoch.take_if(|epoch| epoch.complete()) {
                self.complete(complete, false).await?;
                begin_at = begin_at.map(|at| at.max(Instant::now() + self.options.pause_min));
            }
        }
        self.last_epoch().await
    }

    fn after(&self, moment: Instant) -> Option<Instant> {
        self.options.interval.map(|interval| moment + interval)
    }

    async fn next(&mut self, epoch: &Option<Epoch>, begin_at: Option<Instant>) -> Result<Next> {
        let timeout = epoch.as_ref().map(|epoch| epoch.started + self.options.timeout);
        let patience = self.options.unaligned;
        let aligned = epoch.as_ref().filter(|epoch| !epoch.overtakes);
        let overtake_at = aligned.and_then(|epoch| Some(epoch.started + patience?));
        let goes_on = self.ended_sources.iter().any(Option::is_none);
        let begin_at = begin_at.filter(|_| epoch.is_none() && goes_on);
        let never = Instant::now() + NEVER;
        tokio::select! {
            biased;
            report = self.board.reports.recv() => {
                report.map(Next::Report).ok_or_else(|| Error::internal("all parts of the job are gone"))
            }
            () = sleep_until(timeout.unwrap_or(never)), if timeout.is_some() => Ok(Next::TimedOut),
            () = sleep_until(overtake_at.unwrap_or(never)), if overtake_at.is_some() => Ok(Next::Overtake),
            () = sleep_until(begin_at.unwrap_or(never)), if begin_at.is_some() => Ok(Next::Begin),
        }
    }

    fn all_ended(&self) -> bool {
        self.tasks.is_empty() && self.sinks.is_empty() && self.ended_sources.iter().all(Option::is_some)
    }

    /// Begins an epoch: asks for barriers, and writes what ended tasks left.
    async fn begin(&mut self) -> Result<Option<Epoch>> {
        match self.open_epoch().await {
            Ok(mut epoch) => {
                self.ask_for_barriers(&mut epoch);
                Ok(Some(epoch))
            }
            Err(error) => self.failed(None, error).await.map(|()| None),
        }
    }

    fn ask_for_barriers(&self, epoch: &mut Epoch) {
        let whole = match self.lost_changes.load(Ordering::Acquire) {
            true => Whole::All,
            false => Whole::Of(epoch.chains.all_whole_groups(0..KEY_GROUPS)),
        };
        let barrier = Arc::new(Barrier { epoch: epoch.number, whole });
        epoch.barrier = Some(barrier.clone());
        let readers = self.board.readers.iter().zip(&epoch.sources).filter(|(_, source)| source.is_none());
        // A reader that is gone has reported its end.
        readers.for_each(|((_, reader), _)| drop(reader.send(ReaderOrder::Barrier(barrier.clone()))));
    }

    /// The barrier has been on its way for long enough: it overtakes what is queued. Readers say anew where they stand.
    fn overtake(&self, epoch: &mut Epoch) {
        epoch.overtakes = true;
        let Some(barrier) = &epoch.barrier else { return };
        for (((_, reader), ended), stands) in
            self.board.readers.iter().zip(&epoch.ended_before).zip(&mut epoch.sources)
        {
            if !ended {
                *stands = None;
                // A reader that is gone has failed the job.
                drop(reader.send(ReaderOrder::Overtake(epoch.number)));
            }
        }
        self.board.overtaking.begin(barrier.clone());
        self.board.tasks.iter().for_each(TaskSignal::wake);
    }

    async fn open_epoch(&mut self) -> Result<Epoch> {
        self.last += 1;
        let mut epoch = Epoch {
            number: self.last,
            started: Instant::now(),
            sources: self.ended_sources.clone(),
            tasks: self.tasks.clone(),
            sinks: self.sinks.clone(),
            writer: self.options.store.begin(self.last),
            chains: self.chains.clone(),
            rows: BTreeMap::new(),
            watermarks: BTreeMap::new(),
            ended_before: self.ended_sources.iter().map(Option::is_some).collect(),
            barrier: None,
            overtakes: false,
            in_flight: Vec::new(),
            calm: Vec::new(),
            cost: CheckpointCost::default(),
        };
        for ended in &mut self.ended {
            ended.written = Some(epoch.number);
            epoch.write(&ended.state).await?;
        }
        Ok(epoch)
    }

    /// Notes a report; an error is one of the store.
    async fn note(&mut self, report: Report, current: &mut Option<Epoch>) -> Result<()> {
        match report {
            Report::Read { source, epoch, positions } => {
                if let Some(current) = numbered(current, epoch).filter(|current| !current.overtakes) {
                    current.sources[source] = Some((false, positions));
                }
            }
            Report::Overtaken { source, epoch, stands } => {
                if let Some(current) = numbered(current, epoch) {
                    current.sources[source] = Some(stands);
                }
            }
            Report::ReadAll { source, drained, positions } => {
                let ended = (drained, positions);
                self.ended_sources[source] = Some(ended.clone());
                if let Some(current) = current.as_mut().filter(|current| !current.overtakes) {
                    current.sources[source].get_or_insert(ended);
                }
            }
            Report::Task { task, epoch, state } => {
                if let Some(current) = numbered(current, epoch) {
                    current.tasks.remove(&task);
                    current.write(&state).await?;
                }
            }
            Report::TaskEnded { task, state } => {
                self.tasks.remove(&task);
                let mut ended = Ended { state, written: None };
                let mut written = Ok(());
                if let Some(current) = current.as_mut().filter(|current| current.tasks.contains(&task)) {
                    current.tasks.remove(&task);
                    ended.written = Some(current.number);
                    written = current.write(&ended.state).await;
                }
                self.ended.push(ended);
                written?;
            }
            Report::Sink { sink, epoch, prepared } => {
                self.note_prepared(sink, prepared);
                if let Some(current) = numbered(current, epoch) {
                    current.sinks.remove(&sink);
                }
            }
            Report::SinkEnded { sink, prepared } => {
                self.note_prepared(sink, prepared);
                self.sinks.remove(&sink);
                if let Some(current) = current {
                    current.sinks.remove(&sink);
                }
            }
        }
        Ok(())
    }

    fn note_prepared(&mut self, sink: usize, prepared: Vec<u8>) {
        if !prepared.is_empty() {
            self.prepared[sink].push(prepared);
        }
    }

    /// Makes an epoch real and tells everybody.
    async fn complete(&mut self, mut epoch: Epoch, last: bool) -> Result<()> {
        match self.publish(&mut epoch, last).await {
            Ok(()) => {}
            Err(error) if last => return Err(error),
            Err(error) => return self.failed(Some(epoch), error).await,
        }
        self.failures = 0;
        self.lost_changes.store(false, Ordering::Release);
        self.counters.completed(epoch.number, epoch.started.elapsed(), &epoch.cost);
        self.chains = epoch.chains;
        for ended in self.ended.iter_mut().filter(|ended| ended.written == Some(epoch.number)) {
            ended.state.forget_rows();
        }
        self.order_commits()?;
        for ((_, reader), source) in self.board.readers.iter().zip(epoch.sources) {
            let (_, positions) = source.expect("a complete epoch has all positions");
            // A reader that is gone has failed the job.
            drop(reader.send(ReaderOrder::Committed(positions)));
        }
        if let Err(error) = self.options.store.retain(self.options.retained).await {
            self.counters.warn(format!("old checkpoints could not be removed: {error}"));
        }
        Ok(())
    }

    fn order_commits(&mut self) -> Result<()> {
        for ((_, sink), prepared) in self.board.sinks.iter().zip(&mut self.prepared) {
            if !prepared.is_empty() {
                let order = SinkOrder::Commit(std::mem::take(prepared));
                sink.send(order).map_err(|_| Error::internal("a sink is gone"))?;
            }
        }
        Ok(())
    }

    async fn publish(&mut self, epoch: &mut Epoch, last: bool) -> Result<()> {
        epoch.write_calm().await?;
        epoch.writer.finish().await?;
        epoch.cost.duration_ms = epoch.started.elapsed().as_millis() as u64;
        let manifest = self.manifest(epoch, last);
        self.options.store.publish(&manifest).await
    }

    fn manifest(&self, epoch: &mut Epoch, last: bool) -> Manifest {
        let sources = self.board.readers.iter().zip(&epoch.sources).map(|((name, _), source)| {
            let (ended, positions) = source.clone().expect("a complete epoch has all positions");
            (name.clone(), SourceState { ended, positions })
        });
        let mut sinks: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        for ((name, _), prepared) in self.board.sinks.iter().zip(&self.prepared) {
            sinks.entry(name.clone()).or_default().extend(prepared.iter().cloned());
        }
        let drained = epoch.sources.iter().flatten().all(|(drained, _)| *drained);
        let rows = &epoch.rows;
        let rows_of = |operator: &str, table: &str| {
            rows.get(&(operator.to_string(), table.to_string())).copied().unwrap_or_default()
        };
        Manifest {
            job: self.options.job.clone(),
            epoch: epoch.number,
            created_ms: self.clock.now_ms(),
            finished: last && drained,
            parallelism: self.parallelism as u32,
            key_groups: KEY_GROUPS,
            sources: sources.collect(),
            watermarks: epoch.watermarks.clone(),
            tables: epoch.chains.tables(rows_of),
            in_flight: std::mem::take(&mut epoch.in_flight),
            cost: epoch.cost,
            sinks,
            plan: self.options.plan.clone(),
            settings: BTreeMap::new(),
        }
    }

    /// An epoch came to nothing. The changes that tasks gave for it are lost; those of a task that has ended can't
    /// be had again.
    async fn failed(&mut self, epoch: Option<Epoch>, error: Error) -> Result<()> {
        if let Some(epoch) = epoch
            && let Err(error) = epoch.writer.abandon().await
        {
            self.counters.warn(error.to_string());
        }
        self.lost_changes.store(true, Ordering::Release);
        self.failures += 1;
        let retryable = matches!(error, Error::External { retryable: true, .. });
        let message = format!("checkpoint {} failed: {error}", self.last);
        self.counters.failed(message.clone());
        match self.failures > self.options.failures_max || !self.ended.is_empty() {
            true => Err(Error::External { message, retryable }),
            false => Ok(()),
        }
    }

    /// Everybody has ended: says so. What was ordered is still done when the coordinator is gone.
    async fn last_epoch(&mut self) -> Result<()> {
        let epoch = self.open_epoch().await?;
        self.complete(epoch, true).await?;
        let finish = |sink: &UnboundedSender<SinkOrder>| sink.send(SinkOrder::Finish);
        let finished = self.board.sinks.iter().try_for_each(|(_, sink)| finish(sink));
        finished.map_err(|_| Error::internal("a sink is gone"))
    }
}

/// The epoch under way, if it is this one.
fn numbered(current: &mut Option<Epoch>, number: u64) -> Option<&mut Epoch> {
    current.as_mut().filter(|current| current.number == number)
}
