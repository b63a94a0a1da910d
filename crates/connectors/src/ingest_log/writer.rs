//! The thread of a log: reads it from where a run goes on, then appends what comes in.
//!
//! Invariant: one thread at a time has a log open; a source that is dropped may still be syncing when the next one
//! is opened, so that one waits. A full disk or a full log stops the taking in, and is said; a failed sync ends the
//! thread, because nobody knows what is durable then.

use super::entry::{Entry, encode};
use super::segments::{Kept, Reader, Segments};
use super::{Arrival, Limits, damaged};
use crate::notice::notice;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tidemill_connector::Fetched;
use tidemill_types::disk::is_full;
use tidemill_types::{Error, Result};
use tokio::sync::mpsc::{Receiver, Sender};

/// How much is appended at most before a sync.
const BATCH_BYTES: usize = 8 << 20;
/// How long to wait for room.
const FULL_PAUSE: Duration = Duration::from_millis(100);

/// What goes to the log.
pub(super) enum Incoming {
    Arrived(Arrival),
    Failed(Error),
    End,
}

/// What comes out of the log: with the offset behind it.
pub(super) type Outgoing = Result<(Fetched, u64)>;

/// The log is gone, or nobody listens.
struct Stopped;

/// A log at work.
pub(super) struct Writer {
    pub(super) table: String,
    pub(super) kept: Arc<Kept>,
    pub(super) limits: Limits,
    /// Where to go on; `None` from the first entry.
    pub(super) from: Option<u64>,
    pub(super) incoming: Receiver<Incoming>,
    pub(super) out: Sender<Outgoing>,
}

impl Writer {
    /// Works until the end, or until nobody listens.
    pub(super) fn run(mut self) {
        let _alone = Alone::wait(self.kept.folder.clone());
        // Somebody dropped the source while this thread waited: then nothing of it is needed.
        if self.out.is_closed() {
            return;
        }
        let opened =
            Segments::open(self.kept.clone()).and_then(|segments| self.replay(&segments).map(|()| segments));
        match opened {
            Ok(segments) => drop(self.take_in(segments)),
            Err(error) => drop(self.out.blocking_send(Err(error))),
        }
    }

    fn replay(&mut self, segments: &Segments) -> Result<()> {
        if segments.torn > 0 {
            let torn = segments.torn;
            notice(&self.table, format!("{torn} bytes that were never acknowledged are cut off the log"));
        }
        let (first, end) = (self.kept.first(), segments.end);
        let from = self.from.unwrap_or(first);
        if from < first || from > end {
            return Err(damaged(format!(
                "it goes from {first} to {end}, but the last checkpoint stands at {from}"
            )));
        }
        let kept = self.kept.clone();
        let mut reader = Reader::new(&kept, from);
        while reader.at < end {
            let Some((entry, next)) = reader.next()? else {
                return Err(damaged(format!("no entry stands at {}", reader.at)));
            };
            if let Entry::Blob(blob) = entry
                && self.out.blocking_send(Ok((Fetched::Blob(blob), next))).is_err()
            {
                return Ok(());
            }
        }
        Ok(())
    }

    fn take_in(&mut self, mut segments: Segments) -> Result<(), Stopped> {
        if segments.ended {
            return self.send(Ok((Fetched::End, segments.end)));
        }
        let mut synced: Option<Instant> = None;
        let (mut bytes, mut batch) = (Vec::new(), Vec::new());
        while let Some(first) = self.incoming.blocking_recv() {
            let since = synced.map_or(Duration::MAX, |synced| synced.elapsed());
            std::thread::sleep(self.limits.sync_interval.saturating_sub(since));
            let last = self.gather(first, segments.end, &mut bytes, &mut batch)?;
            if !bytes.is_empty() {
                self.append(&mut segments, &bytes)?;
                synced = Some(Instant::now());
            }
            for (arrival, next) in batch.drain(..) {
                let blob = Arrival::acknowledge(arrival);
                self.send(Ok((Fetched::Blob(blob), next)))?;
            }
            match last {
                Some(Incoming::Failed(error)) => self.send(Err(error))?,
                Some(_) => return self.send(Ok((Fetched::End, segments.end))),
                None => {}
            }
            bytes.clear();
        }
        Ok(())
    }

    /// Encodes what has come, up to a failure or the end, which it gives.
    fn gather(
        &mut self,
        first: Incoming,
        start: u64,
        bytes: &mut Vec<u8>,
        batch: &mut Vec<(Arrival, u64)>,
    ) -> Result<Option<Incoming>, Stopped> {
        let mut next = Some(first);
        while let Some(incoming) = next {
            let offset = start + bytes.len() as u64;
            let Incoming::Arrived(Arrival { blob, ack }) = incoming else {
                if matches!(incoming, Incoming::End) {
                    self.checked(encode(&Entry::End, offset, bytes))?;
                }
                return Ok(Some(incoming));
            };
            let entry = Entry::Blob(blob);
            self.checked(encode(&entry, offset, bytes))?;
            if let Entry::Blob(blob) = entry {
                batch.push((Arrival { blob, ack }, start + bytes.len() as u64));
            }
            next = if bytes.len() < BATCH_BYTES { self.incoming.try_recv().ok() } else { None };
        }
        Ok(None)
    }

    /// Appends, and waits for room where there is none.
    fn append(&mut self, segments: &mut Segments, bytes: &[u8]) -> Result<(), Stopped> {
        let mut said = false;
        loop {
            let problem = match segments.bytes() {
                size if size > self.limits.log_bytes_max => {
                    format!("has {size} bytes, and no checkpoint frees any")
                }
                _ => {
                    match segments.roll_at(self.limits.segment_bytes).and_then(|()| segments.append(bytes)) {
                        Ok(()) => return Ok(()),
                        Err(error) if is_full(&error) => format!("can't grow: {error}"),
                        Err(error) => {
                            let folder = self.kept.folder.display();
                            let message = format!("the log of what came in at '{folder}' failed: {error}");
                            self.send(Err(Error::external_fatal(message)))?;
                            return Err(Stopped);
                        }
                    }
                }
            };
            if !said {
                notice(
                    &self.table,
                    format!("the log of what came in {problem}; nothing is taken in until there is room"),
                );
                said = true;
            }
            if self.out.is_closed() {
                return Err(Stopped);
            }
            std::thread::sleep(FULL_PAUSE);
        }
    }

    fn checked(&self, result: Result<()>) -> Result<(), Stopped> {
        result.or_else(|error| self.send(Err(error)).and(Err(Stopped)))
    }

    fn send(&self, outgoing: Outgoing) -> Result<(), Stopped> {
        self.out.blocking_send(outgoing).map_err(|_| Stopped)
    }
}

/// The logs that threads of this process have open.
static OPEN: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);
static CLOSED: Condvar = Condvar::new();

/// The right to a log, until it is dropped.
struct Alone(PathBuf);

impl Alone {
    fn wait(folder: PathBuf) -> Self {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        while open.as_ref().is_some_and(|open| open.contains(&folder)) {
            open = CLOSED.wait(open).unwrap_or_else(PoisonError::into_inner);
        }
        open.get_or_insert_default().insert(folder.clone());
        Alone(folder)
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = open.as_mut() {
            open.remove(&self.0);
        }
        CLOSED.notify_all();
    }
}
