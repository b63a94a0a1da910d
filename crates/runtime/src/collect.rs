//! The channel through which the rows of a SELECT reach the one who asked.
//!
//! Invariant: bounded by bytes; a full channel stops the job, a receiver that hung up ends it.

use crate::message::chunk_bytes;
use crate::signal::TaskSignal;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tidemill_types::Chunk;

#[derive(Debug, Default)]
struct State {
    chunks: VecDeque<Chunk>,
    bytes: usize,
    senders: usize,
    hung_up: bool,
    waiting: Vec<TaskSignal>,
}

#[derive(Debug)]
struct Channel {
    state: Mutex<State>,
    arrived: Condvar,
    bytes_max: usize,
}

impl Channel {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The job's end.
#[derive(Debug)]
pub struct CollectSender(Arc<Channel>);

/// The caller's end.
#[derive(Debug)]
pub struct CollectReceiver(Arc<Channel>);

/// A channel that holds about so many bytes of rows.
pub fn collect_channel(bytes_max: usize) -> (CollectSender, CollectReceiver) {
    let state = Mutex::new(State { senders: 1, ..State::default() });
    let channel = Arc::new(Channel { state, arrived: Condvar::new(), bytes_max });
    (CollectSender(channel.clone()), CollectReceiver(channel))
}

/// What became of a chunk.
pub(crate) enum Collected {
    Taken,
    Full(Chunk),
    HungUp,
}

impl CollectSender {
    /// Adds a chunk; if the channel is full, the task is woken when there is room.
    pub(crate) fn push(&self, chunk: Chunk, task: &TaskSignal) -> Collected {
        let mut state = self.0.lock();
        if state.hung_up {
            return Collected::HungUp;
        }
        if state.bytes >= self.0.bytes_max {
            state.waiting.push(task.clone());
            return Collected::Full(chunk);
        }
        state.bytes += chunk_bytes(&chunk);
        state.chunks.push_back(chunk);
        self.0.arrived.notify_one();
        Collected::Taken
    }
}

impl Clone for CollectSender {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        CollectSender(self.0.clone())
    }
}

impl Drop for CollectSender {
    fn drop(&mut self) {
        self.0.lock().senders -= 1;
        self.0.arrived.notify_all();
    }
}

impl CollectReceiver {
    /// Waits for the next rows; `None` once the job has ended, well or not.
    pub fn recv(&self) -> Option<Chunk> {
        let mut state = self.0.lock();
        loop {
            if let Some(chunk) = take(&mut state) {
                return Some(chunk);
            }
            if state.senders == 0 {
                return None;
            }
            state = self.0.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits so long for the next rows; `Err` if none came, `Ok(None)` once the job has ended.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Option<Chunk>, TimedOut> {
        let open = |state: &mut State| state.chunks.is_empty() && state.senders > 0;
        let waited = self.0.arrived.wait_timeout_while(self.0.lock(), timeout, open);
        let (mut state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        match take(&mut state) {
            None if waited.timed_out() && state.senders > 0 => Err(TimedOut),
            taken => Ok(taken),
        }
    }
}

/// Nothing came in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimedOut;

fn take(state: &mut State) -> Option<Chunk> {
    let chunk = state.chunks.pop_front()?;
    state.bytes -= chunk_bytes(&chunk);
    state.waiting.drain(..).for_each(|task| task.wake());
    Some(chunk)
}

impl Drop for CollectReceiver {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.hung_up = true;
        state.chunks.clear();
        state.waiting.drain(..).for_each(|task| task.wake());
    }
}
