//! The asynchronous half of a lookup join: asks the table, several calls at a time, again after failures.
//!
//! Invariant: each request is answered once or ends the run; none is forgotten. What an answer may take, attempts
//! and pauses included, is limited.

use crate::options::Retry;
use crate::signal::TaskSignal;
use crate::source_edge::Attempts;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tidemill_connector::{Found, Lookup};
use tidemill_operators::lookup_join::Request;
use tidemill_plan::MissPlan;
use tidemill_types::{Chunk, Error, Result};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// The answer to a request.
pub struct Told {
    /// What was asked.
    pub request: Request,
    /// What there is, each with the numbers that its keys have in the request.
    pub parts: Vec<(Vec<u32>, Found)>,
}

#[derive(Default)]
struct State {
    requests: VecDeque<Request>,
    told: VecDeque<Told>,
    ended: bool,
}

/// Where a task leaves requests and finds answers.
pub struct LookupDesk {
    state: Mutex<State>,
    arrived: Notify,
    task: TaskSignal,
}

impl LookupDesk {
    /// The desk of this task.
    pub fn new(task: TaskSignal) -> Self {
        LookupDesk { state: Mutex::default(), arrived: Notify::new(), task }
    }

    /// Leaves a request. How many there are is the task's to limit.
    pub fn ask(&self, request: Request) {
        self.lock().requests.push_back(request);
        self.arrived.notify_one();
    }

    /// The next answer.
    pub fn told(&self) -> Option<Told> {
        self.lock().told.pop_front()
    }

    /// Nothing more will be asked.
    pub fn end(&self) {
        self.lock().ended = true;
        self.arrived.notify_one();
    }

    fn tell(&self, told: Told) {
        self.lock().told.push_back(told);
        self.task.wake();
    }

    /// Waits for a request; `None` at the end.
    async fn next(&self) -> Option<Request> {
        loop {
            {
                let mut state = self.lock();
                if let Some(request) = state.requests.pop_front() {
                    return Some(request);
                }
                if state.ended {
                    return None;
                }
            }
            self.arrived.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The counters of one lookup join in one task.
#[derive(Debug, Default)]
pub(crate) struct LookupCounters {
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) cached_rows: AtomicU64,
    pub(crate) calls: AtomicU64,
    pub(crate) keys: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) loads: AtomicU64,
}

/// A table that is asked, with all that asking needs.
pub struct Asker {
    pub(crate) lookup: Arc<dyn Lookup>,
    pub(crate) desk: Arc<LookupDesk>,
    /// The table's name, for messages.
    pub(crate) table: String,
    pub(crate) calls_max: usize,
    pub(crate) timeout: Duration,
    pub(crate) retry: Retry,
    pub(crate) on_miss: Option<MissPlan>,
    pub(crate) counters: Arc<LookupCounters>,
}

impl Asker {
    /// Answers requests until there will be none.
    pub async fn run(self) -> Result<()> {
        let mut calls = FuturesUnordered::new();
        let mut ended = false;
        while !(ended && calls.is_empty()) {
            tokio::select! {
                biased;
                Some(told) = calls.next(), if !calls.is_empty() => self.desk.tell(told?),
                request = self.desk.next(), if !ended && calls.len() < self.calls_max.max(1) => match request {
                    Some(request) => calls.push(self.answer(request)),
                    None => ended = true,
                },
            }
        }
        Ok(())
    }

    async fn answer(&self, request: Request) -> Result<Told> {
        self.counters.keys.fetch_add(request.keys.rows as u64, Relaxed);
        match timeout(self.timeout, self.parts(&request.keys)).await {
            Ok(parts) => Ok(Told { parts: parts?, request }),
            Err(_) => Err(Error::External {
                message: format!(
                    "the lookup of table '{}' has not answered within {} ms ('table.exec.async-lookup.timeout')",
                    self.table,
                    self.timeout.as_millis()
                ),
                retryable: true,
            }),
        }
    }

    /// What the table holds for these keys; it is asked again for those without rows, if that is wanted.
    async fn parts(&self, keys: &Chunk) -> Result<Vec<(Vec<u32>, Found)>> {
        let mut missing: Vec<u32> = (0..keys.rows as u32).collect();
        let mut parts = Vec::new();
        for attempt in 0.. {
            let found = match missing.len() == keys.rows {
                true => self.call(keys).await?,
                false => self.call(&keys.take(&missing.clone().into())).await?,
            };
            let there = found.of();
            let left: Vec<u32> = (0..missing.len() as u32)
                .filter(|key| there.binary_search(key).is_err())
                .map(|key| missing[key as usize])
                .collect();
            parts.push((std::mem::replace(&mut missing, left), found));
            match self.on_miss {
                Some(again) if !missing.is_empty() && attempt < again.attempts_max => {
                    sleep(Duration::from_millis(again.delay_ms)).await;
                }
                _ => break,
            }
        }
        Ok(parts)
    }

    /// One call, made again after failures that may pass.
    async fn call(&self, keys: &Chunk) -> Result<Found> {
        let mut attempts = Attempts::new(self.retry);
        loop {
            self.counters.calls.fetch_add(1, Relaxed);
            match self.lookup.lookup(keys).await {
                Ok(found) => return Ok(found),
                Err(error) => {
                    self.counters.retries.fetch_add(1, Relaxed);
                    attempts.pause(error).await.map_err(|error| self.named(error))?;
                }
            }
        }
    }

    fn named(&self, error: Error) -> Error {
        match error {
            Error::External { message, retryable } => Error::External {
                message: format!("the lookup of table '{}' failed: {message}", self.table),
                retryable,
            },
            other => other,
        }
    }
}
