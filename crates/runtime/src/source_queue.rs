//! The bounded queue between a source's reader and the tasks that decode what it read.
//!
//! Invariant: items are numbered without gaps in the order in which the reader gave them; whichever task
//! is free takes the next. A barrier is taken by every task between the same two items. Each task hears of the
//! end exactly when the queue is empty for ever.
//!
//! A barrier that overtakes goes in front of all items, which belong to the next epoch then: the source is asked for
//! them again after a restore, from the positions that were noted before the first of them.

use crate::checkpoint::Barrier;
use crate::memory::THROTTLED;
use crate::message::chunk_bytes;
use crate::signal::TaskSignal;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidemill_connector::{FetchedBlob, Positions};
use tidemill_state::MemoryBudget;
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
    /// An epoch ends; each task gets it once, and none gets a later item before all have it.
    Barrier {
        /// The barrier.
        barrier: Arc<Barrier>,
        /// The number under which this task sends what it had held back.
        sequence: u64,
    },
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

/// Something in the queue.
#[derive(Debug)]
enum Entry {
    /// With the positions before it, where barriers may overtake it.
    Item(SourceItem, Option<Arc<Positions>>),
    Barrier {
        barrier: Arc<Barrier>,
        /// The first of as many numbers as there are tasks.
        sequence: u64,
        taken: Vec<bool>,
    },
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Entry>,
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
    memory: Option<MemoryBudget>,
}

impl SourceQueue {
    /// An empty queue to these tasks.
    pub fn new(bytes_max: usize, tasks: Vec<TaskSignal>) -> Self {
        SourceQueue { state: Mutex::default(), space: Notify::new(), bytes_max, tasks, memory: None }
    }

    /// The same that fills slowly while memory is short.
    pub fn within(self, memory: Option<MemoryBudget>) -> Self {
        SourceQueue { memory, ..self }
    }

    /// Waits until there is room, and a while if memory is short. One reader only.
    pub async fn space(&self) {
        if self.memory.as_ref().is_some_and(MemoryBudget::is_throttled) {
            tokio::time::sleep(THROTTLED).await;
        }
        while self.lock().bytes >= self.bytes_max {
            self.space.notified().await;
        }
    }

    /// Counts items from this number on.
    pub fn start_at(&self, sequence: u64) {
        self.lock().total = sequence;
    }

    /// Adds an item. `before` is where the source stood before it.
    pub fn push(&self, split: u32, payload: Payload, before: Option<Arc<Positions>>) {
        let mut state = self.lock();
        state.bytes += payload.bytes();
        let sequence = state.total;
        state.total += 1;
        state.items.push_back(Entry::Item(SourceItem { sequence, split, payload }, before));
        if let Some(task) = state.waiting.pop() {
            drop(state);
            self.tasks[task].wake();
        }
    }

    /// Ends an epoch behind what was added so far.
    pub fn barrier(&self, barrier: Arc<Barrier>) {
        let mut state = self.lock();
        let sequence = state.total;
        state.total += self.tasks.len() as u64;
        state.items.push_back(Entry::Barrier { barrier, sequence, taken: vec![false; self.tasks.len()] });
        state.waiting.clear();
        drop(state);
        self.tasks.iter().for_each(TaskSignal::wake);
    }

    /// The barrier of this epoch goes in front of all items that stand before it; gives the positions before the first
    /// of them, or none if it stands in front already.
    pub fn overtake(&self, epoch: u64) -> Option<Arc<Positions>> {
        let mut state = self.lock();
        let is_barrier =
            |entry: &Entry| matches!(entry, Entry::Barrier { barrier, .. } if barrier.epoch == epoch);
        let at = state.items.iter().position(is_barrier)?;
        let first = state.items.range(..at).find_map(|entry| match entry {
            Entry::Item(_, before) => Some(before.clone()),
            Entry::Barrier { .. } => None,
        })??;
        let mut sequence = state.items.front().map(Entry::sequence)?;
        let (barriers, items): (Vec<Entry>, Vec<Entry>) =
            state.items.drain(..).partition(|entry| matches!(entry, Entry::Barrier { .. }));
        for mut entry in barriers.into_iter().chain(items) {
            sequence = entry.renumber(sequence, self.tasks.len() as u64);
            state.items.push_back(entry);
        }
        state.waiting.clear();
        drop(state);
        self.tasks.iter().for_each(TaskSignal::wake);
        Some(first)
    }

    /// Whether a barrier waits in front that this task has not taken.
    pub fn has_barrier(&self, task: usize) -> bool {
        matches!(self.lock().items.front(), Some(Entry::Barrier { taken, .. }) if !taken[task])
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
        if let Some(Entry::Barrier { .. }) = state.items.front() {
            return self.pull_barrier(state, task);
        }
        match (state.items.pop_front(), state.end) {
            (Some(Entry::Barrier { .. }), _) => unreachable!("a barrier was just ruled out"),
            (Some(Entry::Item(item, _)), _) => {
                let full = state.bytes >= self.bytes_max;
                state.bytes -= item.payload.bytes();
                if full && state.bytes < self.bytes_max {
                    self.space.notify_one();
                }
                Pulled::Item(item)
            }
            (None, Some(drained)) => Pulled::End { drained, total: state.total },
            (None, None) => state.wait(task),
        }
    }

    fn pull_barrier(&self, mut state: MutexGuard<'_, State>, task: usize) -> Pulled {
        let Some(Entry::Barrier { barrier, sequence, taken }) = state.items.front_mut() else {
            unreachable!("the queue starts with a barrier")
        };
        if std::mem::replace(&mut taken[task], true) {
            return state.wait(task);
        }
        let pulled = Pulled::Barrier { barrier: barrier.clone(), sequence: *sequence + task as u64 };
        if taken.iter().all(|&taken| taken) {
            state.items.pop_front();
            let waiting = std::mem::take(&mut state.waiting);
            drop(state);
            waiting.into_iter().for_each(|task| self.tasks[task].wake());
        }
        pulled
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn sequence(&self) -> u64 {
        match self {
            Entry::Item(item, _) => item.sequence,
            Entry::Barrier { sequence, .. } => *sequence,
        }
    }

    /// Gives it this number; the next entry has the one that is given back.
    fn renumber(&mut self, to: u64, tasks: u64) -> u64 {
        match self {
            Entry::Item(item, _) => {
                item.sequence = to;
                to + 1
            }
            Entry::Barrier { sequence, .. } => {
                *sequence = to;
                to + tasks
            }
        }
    }
}

impl State {
    fn wait(&mut self, task: usize) -> Pulled {
        if !self.waiting.contains(&task) {
            self.waiting.push(task);
        }
        Pulled::Empty
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
