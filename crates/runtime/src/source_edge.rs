//! The asynchronous half of a source: fetches, tries again after failures, notices silent splits, stops.
//!
//! Invariant: a fetch waits only while the queue has room, so time spent under back-pressure never makes a
//! split look silent.

use crate::checkpoint::{PartReporter, ReaderOrder, Report};
use crate::job::{Phase, PhaseWatch};
use crate::metrics::SourceCounters;
use crate::options::Retry;
use crate::source_queue::{Payload, SourceQueue};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tidemill_connector::{Fetched, OpenSource, Positions};
use tidemill_types::{Clock, Error, Result};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::sleep;

/// How often silence is looked for, within a timeout.
const IDLE_CHECKS: u32 = 4;
/// The longest time between two looks.
const IDLE_CHECK_MAX: Duration = Duration::from_secs(1);

/// A source with all that its reader needs.
pub struct Reader {
    /// The source.
    pub open: OpenSource,
    /// Where its items go.
    pub queue: Arc<SourceQueue>,
    /// What the job is doing.
    pub phase: PhaseWatch,
    /// Tells when a split was heard last.
    pub clock: Arc<dyn Clock>,
    /// How long a split may be silent.
    pub idle_timeout: Option<Duration>,
    /// How failed fetches are made again.
    pub retry: Retry,
    /// Its counters.
    pub counters: Arc<SourceCounters>,
    /// Its part in checkpoints.
    pub checkpoints: Option<ReaderCheckpoints>,
}

/// What a reader needs to take part in checkpoints.
pub struct ReaderCheckpoints {
    /// Where it reports.
    pub reporter: PartReporter,
    /// What it is asked to do.
    pub orders: UnboundedReceiver<ReaderOrder>,
    /// Where the run before stood, and whether that was the end.
    pub restored: Option<(bool, Positions)>,
    /// Whether barriers may overtake what was read.
    pub overtakable: bool,
    /// The last barrier, and the positions it was put behind.
    pub barrier: Option<(u64, Positions)>,
}

/// How reading went on.
enum Next {
    Fetched(Result<Fetched>),
    Order(ReaderOrder),
    CheckIdle,
    Phase(Phase),
}

impl Reader {
    /// Reads until the end, a stop or an error.
    pub async fn run(mut self) -> Result<()> {
        if self.restore().await? {
            return self.end(true).await;
        }
        let mut splits = Splits { heard: BTreeMap::new(), timeout: self.idle_timeout };
        splits.hear(0, self.clock.now_ms());
        let mut before = self.noted();
        let mut attempts = Attempts::new(self.retry);
        loop {
            match self.next(&splits).await {
                Next::Fetched(Ok(Fetched::End)) => return self.end(true).await,
                Next::Fetched(Ok(fetched)) => {
                    attempts = Attempts::new(self.retry);
                    self.take(fetched, &mut splits, &before);
                    before = self.noted();
                }
                Next::Fetched(Err(error)) => {
                    self.counters.retries.fetch_add(1, Relaxed);
                    self.pause(attempts.pause(error)).await?;
                }
                Next::Order(order) => self.follow(order).await,
                Next::CheckIdle => {
                    let silent = splits.silent(self.clock.now_ms());
                    silent
                        .into_iter()
                        .for_each(|split| self.queue.push(split, Payload::Idle, before.clone()));
                }
                Next::Phase(Phase::Stopping { drain }) => return self.end(drain).await,
                Next::Phase(_) => return Ok(()),
            }
        }
    }

    /// Goes on where the run before stood; tells whether that was the end.
    async fn restore(&mut self) -> Result<bool> {
        let restored = self.checkpoints.as_mut().and_then(|checkpoints| checkpoints.restored.take());
        let Some((ended, positions)) = restored else { return Ok(false) };
        if self.open.replayable {
            let mut attempts = Attempts::new(self.retry);
            while let Err(error) = self.open.source.restore(&positions).await {
                attempts.pause(error).await?;
            }
        }
        Ok(ended)
    }

    /// Waits before the next attempt; barriers do not wait with it.
    async fn pause(&mut self, pause: impl Future<Output = Result<()>>) -> Result<()> {
        let mut pause = std::pin::pin!(pause);
        loop {
            let order = tokio::select! {
                biased;
                _ = self.phase.leaves_running() => return Ok(()),
                order = next_order(&mut self.checkpoints) => order,
                waited = &mut pause => return waited,
            };
            self.follow(order).await;
        }
    }

    async fn follow(&mut self, order: ReaderOrder) {
        match (order, &mut self.checkpoints) {
            (ReaderOrder::Barrier(barrier), Some(checkpoints)) => {
                let (source, epoch) = (checkpoints.reporter.number, barrier.epoch);
                let positions = self.open.source.positions();
                checkpoints.barrier = Some((epoch, positions.clone()));
                self.queue.barrier(barrier);
                checkpoints.reporter.report(Report::Read { source, epoch, positions });
            }
            (ReaderOrder::Overtake(epoch), Some(_)) => self.overtake(epoch, false),
            (ReaderOrder::Committed(positions), _) => self.committed(&positions).await,
            (ReaderOrder::Barrier(_) | ReaderOrder::Overtake(_), None) => {}
        }
    }

    /// Where the source stands, if that must be known of each item.
    fn noted(&self) -> Option<Arc<Positions>> {
        let wanted = self.checkpoints.as_ref().is_some_and(|checkpoints| checkpoints.overtakable);
        wanted.then(|| Arc::new(self.open.source.positions()))
    }

    /// The barrier of an epoch is not to wait for what was read; says what the epoch then goes on from. A reader that
    /// had ended before it was asked for the barrier stands at its end.
    fn overtake(&self, epoch: u64, drained: bool) {
        let Some(checkpoints) = &self.checkpoints else { return };
        let stands = match &checkpoints.barrier {
            Some((of, positions)) if *of == epoch => {
                let before = self.queue.overtake(epoch);
                (false, before.map_or_else(|| positions.clone(), |before| before.as_ref().clone()))
            }
            _ => (drained, self.open.source.positions()),
        };
        checkpoints.reporter.report(Report::Overtaken { source: checkpoints.reporter.number, epoch, stands });
    }

    /// A failure is counted and made good by the next checkpoint.
    async fn committed(&mut self, positions: &Positions) {
        if self.open.source.committed(positions).await.is_err() {
            self.counters.retries.fetch_add(1, Relaxed);
        }
    }

    /// Nothing more will be read. The source still hears which of its positions were committed.
    async fn end(mut self, drained: bool) -> Result<()> {
        self.queue.end(drained);
        if let Some(checkpoints) = &self.checkpoints {
            let positions = self.open.source.positions();
            let source = checkpoints.reporter.number;
            checkpoints.reporter.report(Report::ReadAll { source, drained, positions });
        }
        while let Some(checkpoints) = &mut self.checkpoints {
            match checkpoints.orders.recv().await {
                Some(ReaderOrder::Committed(positions)) => self.committed(&positions).await,
                Some(ReaderOrder::Overtake(epoch)) => self.overtake(epoch, drained),
                // The coordinator had not yet heard of the end, which stands for this barrier.
                Some(ReaderOrder::Barrier(_)) => {}
                None => break,
            }
        }
        Ok(())
    }

    async fn next(&mut self, splits: &Splits) -> Next {
        let (queue, source) = (&self.queue, &mut self.open.source);
        tokio::select! {
            biased;
            phase = self.phase.leaves_running() => Next::Phase(phase),
            order = next_order(&mut self.checkpoints) => Next::Order(order),
            fetched = async { queue.space().await; source.next().await } => Next::Fetched(fetched),
            () = sleep(splits.check_pause()), if splits.watches() => Next::CheckIdle,
        }
    }

    fn take(&mut self, fetched: Fetched, splits: &mut Splits, before: &Option<Arc<Positions>>) {
        let (split, payload) = match fetched {
            Fetched::Blob(blob) => {
                self.counters.bytes.fetch_add(blob.blob.bytes.len() as u64, Relaxed);
                let split = if self.open.watermark_per_split { blob.place.split_index } else { 0 };
                (split, Payload::Blob(blob))
            }
            Fetched::Rows(chunk) => (0, Payload::Rows(chunk)),
            Fetched::Splits(found) => {
                let now_ms = self.clock.now_ms();
                return found.into_iter().for_each(|split| {
                    splits.hear(split, now_ms);
                    self.queue.push(split, Payload::Split, before.clone());
                });
            }
            Fetched::End => return,
        };
        self.counters.blobs.fetch_add(1, Relaxed);
        splits.hear(split, self.clock.now_ms());
        self.queue.push(split, payload, before.clone());
    }
}

/// What the coordinator wants; without one, nothing ever.
async fn next_order(checkpoints: &mut Option<ReaderCheckpoints>) -> ReaderOrder {
    match checkpoints {
        Some(checkpoints) => match checkpoints.orders.recv().await {
            Some(order) => order,
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

/// When each split was heard last; `None` while it counts as silent.
struct Splits {
    heard: BTreeMap<u32, Option<i64>>,
    timeout: Option<Duration>,
}

impl Splits {
    fn hear(&mut self, split: u32, now_ms: i64) {
        self.heard.insert(split, Some(now_ms));
    }

    fn watches(&self) -> bool {
        self.timeout.is_some() && self.heard.values().any(Option::is_some)
    }

    fn check_pause(&self) -> Duration {
        let pause = self.timeout.unwrap_or(IDLE_CHECK_MAX) / IDLE_CHECKS;
        pause.clamp(Duration::from_millis(1), IDLE_CHECK_MAX)
    }

    /// The splits that have just fallen silent.
    fn silent(&mut self, now_ms: i64) -> Vec<u32> {
        let Some(timeout) = self.timeout else { return Vec::new() };
        let mut silent = Vec::new();
        for (&split, heard) in &mut self.heard {
            if heard.is_some_and(|at| now_ms - at >= timeout.as_millis() as i64) {
                *heard = None;
                silent.push(split);
            }
        }
        silent
    }
}

/// Counts failures in a row.
pub struct Attempts {
    retry: Retry,
    made: u32,
}

impl Attempts {
    /// None so far.
    pub fn new(retry: Retry) -> Self {
        Attempts { retry, made: 0 }
    }

    /// Waits before the next attempt, or gives the error back if there is to be none.
    pub async fn pause(&mut self, error: Error) -> Result<()> {
        self.made += 1;
        if !matches!(error, Error::External { retryable: true, .. }) || self.made >= self.retry.attempts_max {
            return Err(error);
        }
        let doubled = self.retry.pause.saturating_mul(1 << (self.made - 1).min(20));
        sleep(doubled.min(self.retry.pause_max)).await;
        Ok(())
    }
}
