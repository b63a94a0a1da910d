//! The source in front of a log: gives what the log's thread hands on.
//!
//! A task moves what comes in to the thread. Dropping the source ends the task, and by that the thread. Invariant:
//! everything `next` gives came through the log, so it may be dropped while it waits.

use super::segments::Kept;
use super::writer::{Incoming, Outgoing, Writer};
use super::{Inflow, Limits};
use std::sync::Arc;
use tidemill_connector::{Fetched, Positions, Source};
use tidemill_types::{Error, Result};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

/// How many blobs wait for the log, and for the consumer behind it.
const QUEUE_BLOBS: usize = 32;
/// What the log is called in positions.
const SPLIT: &str = "ingest log";

/// An inflow behind a log.
pub(crate) struct LoggedSource {
    table: String,
    kept: Arc<Kept>,
    limits: Limits,
    inflow: Option<Box<dyn Inflow>>,
    /// Behind what was handed on; `None` before the first.
    at: Option<u64>,
    failed: bool,
    /// Lets the task try again after a failure.
    retry: Arc<Notify>,
    task: JoinSet<()>,
    out: Option<mpsc::Receiver<Outgoing>>,
}

impl LoggedSource {
    pub(super) fn new(table: &str, kept: Arc<Kept>, limits: Limits, inflow: Box<dyn Inflow>) -> Self {
        LoggedSource {
            table: table.to_string(),
            kept,
            limits,
            inflow: Some(inflow),
            at: None,
            failed: false,
            retry: Arc::default(),
            task: JoinSet::new(),
            out: None,
        }
    }

    fn start(&mut self, inflow: Box<dyn Inflow>) -> Result<()> {
        let (to_log, incoming) = mpsc::channel(QUEUE_BLOBS);
        let (from_log, out) = mpsc::channel(QUEUE_BLOBS);
        let writer = Writer {
            table: self.table.clone(),
            kept: self.kept.clone(),
            limits: self.limits,
            from: self.at,
            incoming,
            out: from_log,
        };
        std::thread::Builder::new()
            .name(format!("log {}", self.table))
            .spawn(move || writer.run())
            .map_err(|error| Error::external_fatal(format!("can't start a logging thread: {error}")))?;
        self.task.spawn(move_on(inflow, to_log, self.retry.clone()));
        self.out = Some(out);
        Ok(())
    }
}

/// Moves what comes in to the log.
async fn move_on(mut inflow: Box<dyn Inflow>, to_log: mpsc::Sender<Incoming>, retry: Arc<Notify>) {
    loop {
        let incoming = match inflow.next().await {
            Ok(Some(arrival)) => Incoming::Arrived(arrival),
            Ok(None) => Incoming::End,
            Err(error) => Incoming::Failed(error),
        };
        let (ends, fails) = (matches!(incoming, Incoming::End), matches!(incoming, Incoming::Failed(_)));
        if to_log.send(incoming).await.is_err() || ends {
            return;
        }
        if fails {
            retry.notified().await;
        }
    }
}

#[async_trait::async_trait]
impl Source for LoggedSource {
    async fn next(&mut self) -> Result<Fetched> {
        if let Some(inflow) = self.inflow.take() {
            self.start(inflow)?;
        }
        if std::mem::take(&mut self.failed) {
            self.retry.notify_one();
        }
        let out = self.out.as_mut().ok_or_else(|| Error::internal("the log did not start"))?;
        match out.recv().await {
            Some(Ok((fetched, at))) => {
                self.at = Some(at);
                Ok(fetched)
            }
            Some(Err(error)) => {
                self.failed = true;
                Err(error)
            }
            None => Err(Error::external_fatal(format!("the log of table '{}' has ended", self.table))),
        }
    }

    fn positions(&self) -> Positions {
        self.at.map(|at| (SPLIT.to_string(), at.to_string())).into_iter().collect()
    }

    async fn restore(&mut self, positions: &Positions) -> Result<()> {
        self.at = offset(positions)?;
        Ok(())
    }

    async fn committed(&mut self, positions: &Positions) -> Result<()> {
        let Some(offset) = offset(positions)? else { return Ok(()) };
        let kept = self.kept.clone();
        let deleted = tokio::task::spawn_blocking(move || kept.delete_before(offset));
        deleted.await.map_err(|_| Error::internal("the deleting thread failed"))?
    }
}

fn offset(positions: &Positions) -> Result<Option<u64>> {
    let read = |text: &String| {
        text.parse()
            .map_err(|_| Error::internal(format!("'{text}' is no position in the log of what came in")))
    };
    positions.get(SPLIT).map(read).transpose()
}
