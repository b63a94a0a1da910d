//! The bounded queue between a source's reader and the tasks that decode what it read.
//!
//! Invariant: items are numbered without gaps in the order in which the reader gave them; whichever task
//! is free takes the next. Each task hears of the end exactly when the queue is empty for ever.

use crate::message::chunk_bytes;
use crate::signal::TaskSignal;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tidemill_connector::FetchedBlob;
use tidemill_types::Chunk;
use tokio::sync::Notify;

/// What a reader gives.
#[derive(Debug)]
pub enum Payload {
    /// Bytes to decode.
    Blob(FetchedBlob),
    /// Finished rows.
    Rows(Chunk),
    /// A split that may give something later.
    Split,
    /// The split has fallen silent.
    Idle,
}

/// A payload with its place in the order of the source.
#[derive(Debug)]
pub struct SourceItem {
    /// Counted from 0.
    pub sequence: u64,
    /// The split whose watermark it raises.
    pub split: u32,
    /// What was read.
    pub payload: Payload,
}

/// What a task gets.
#[derive(Debug)]
pub enum Pulled {
    /// The next item; no other task gets it.
    Item(SourceItem),
    /// Nothing yet; the task will be woken.
    Empty,
    /// Nothing more.
    End {
        /// Whether the source was read to its end.
        drained: bool,
        /// How many items there were.
        total: u64,
    },
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<SourceItem>,
    bytes: usize,
    total: u64,
    end: Option<bool>,
    waiting: Vec<usize>,
}

/// A queue from one reader to many tasks.
#[derive(Debug)]
pub struct SourceQueue {
    state: Mutex<State>,
    space: Notify,
    bytes_max: usize,
    tasks: Vec<TaskSignal>,
}

impl SourceQueue {
    /// An empty queue to these tasks.
    pub fn new(bytes_max: usize, tasks: Vec<TaskSignal>) -> Self {
        SourceQueue { state: Mutex::default(), space: Notify::new(), bytes_max, tasks }
    }

    /// Waits until there is room. One reader only.
    pub async fn space(&self) {
        while self.lock().bytes >= self.bytes_max {
            self.space.notified().await;
        }
    }

    /// Adds an item.
    pub fn push(&self, split: u32, payload: Payload) {
        let mut state = self.lock();
        state.bytes += payload.bytes();
        let sequence = state.total;
        state.total += 1;
        state.items.push_back(SourceItem { sequence, split, payload });
        if let Some(task) = state.waiting.pop() {
            drop(state);
            self.tasks[task].wake();
        }
    }

    /// Nothing more will come.
    pub fn end(&self, drained: bool) {
        let mut state = self.lock();
        state.end = Some(drained);
        state.waiting.clear();
        drop(state);
        self.tasks.iter().for_each(TaskSignal::wake);
    }

    /// The next item for this task.
    pub fn pull(&self, task: usize) -> Pulled {
        let mut state = self.lock();
        match (state.items.pop_front(), state.end) {
            (Some(item), _) => {
                let full = state.bytes >= self.bytes_max;
                state.bytes -= item.payload.bytes();
                if full && state.bytes < self.bytes_max {
                    self.space.notify_one();
                }
                Pulled::Item(item)
            }
            (None, Some(drained)) => Pulled::End { drained, total: state.total },
            (None, None) => {
                if !state.waiting.contains(&task) {
                    state.waiting.push(task);
                }
                Pulled::Empty
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Payload {
    fn bytes(&self) -> usize {
        match self {
            Payload::Blob(fetched) => fetched.blob.bytes.len() + 64,
            Payload::Rows(chunk) => chunk_bytes(chunk),
            Payload::Split | Payload::Idle => 64,
        }
    }
}
