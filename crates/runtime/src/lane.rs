//! A lane: the bounded queue between one sending and one receiving task.
//!
//! Invariant: a lane takes a message while it holds less than its limit, so one message always fits. A
//! sender that was refused is woken once the lane is half empty.

use crate::message::{Message, Tag};
use crate::signal::TaskSignal;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What stands at the front of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// Nothing yet.
    Empty,
    /// A piece.
    Piece(Option<Tag>),
    /// The sender is silent.
    Idle,
    /// The end of an epoch.
    Barrier(u64),
    /// The sender has ended.
    End {
        /// Whether it read its input to the end.
        drained: bool,
    },
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Message>,
    bytes: usize,
    sender_waits: bool,
}

/// A bounded queue between two tasks.
#[derive(Debug)]
pub struct Lane {
    queue: Mutex<Queue>,
    bytes_max: usize,
    sender: TaskSignal,
    receiver: TaskSignal,
    queued_rows: Arc<AtomicUsize>,
}

impl Lane {
    /// An empty lane. `queued_rows` counts the rows in all lanes of the receiver.
    pub fn new(
        bytes_max: usize,
        sender: TaskSignal,
        receiver: TaskSignal,
        queued_rows: Arc<AtomicUsize>,
    ) -> Self {
        Lane { queue: Mutex::default(), bytes_max, sender, receiver, queued_rows }
    }

    /// Adds a message, or gives it back if the lane is full.
    pub fn push(&self, message: Message) -> Option<Message> {
        let mut queue = self.lock();
        if queue.bytes >= self.bytes_max {
            queue.sender_waits = true;
            return Some(message);
        }
        queue.bytes += message.bytes();
        self.queued_rows.fetch_add(message.rows(), Ordering::Relaxed);
        queue.messages.push_back(message);
        drop(queue);
        self.receiver.wake();
        None
    }

    /// What stands at the front.
    pub fn front(&self) -> Front {
        match self.lock().messages.front() {
            None => Front::Empty,
            Some(Message::Piece { tag, .. }) => Front::Piece(*tag),
            Some(Message::Idle) => Front::Idle,
            Some(Message::Barrier(barrier)) => Front::Barrier(barrier.epoch),
            Some(Message::End { drained }) => Front::End { drained: *drained },
        }
    }

    /// Takes the message at the front.
    pub fn pop(&self) -> Option<Message> {
        self.take(self.lock())
    }

    /// Takes the message at the front, unless it is a barrier.
    pub fn pop_within_epoch(&self) -> Option<Message> {
        let queue = self.lock();
        match queue.messages.front() {
            Some(Message::Barrier(_)) => None,
            _ => self.take(queue),
        }
    }

    fn take(&self, mut queue: MutexGuard<'_, Queue>) -> Option<Message> {
        let message = queue.messages.pop_front()?;
        queue.bytes -= message.bytes();
        self.queued_rows.fetch_sub(message.rows(), Ordering::Relaxed);
        let wake = queue.sender_waits && queue.bytes * 2 <= self.bytes_max;
        queue.sender_waits &= !wake;
        drop(queue);
        if wake {
            self.sender.wake();
        }
        Some(message)
    }

    /// How full it is, from 0 to 1.
    pub fn fill(&self) -> f64 {
        (self.lock().bytes as f64 / self.bytes_max as f64).min(1.0)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A panic elsewhere tears the job down; the queue itself is never left half changed.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::WorkerSignal;
    use tidemill_types::Chunk;

    #[test]
    fn a_full_lane_refuses_and_wakes_its_sender_when_half_empty() {
        let worker = Arc::new(WorkerSignal::default());
        let (sender, receiver) = (TaskSignal::new(worker.clone()), TaskSignal::new(worker));
        let lane = Lane::new(100, sender.clone(), receiver.clone(), Arc::default());
        let piece = || Message::Piece { chunk: Chunk::watermark(1), tag: None };
        sender.take_ready();
        receiver.take_ready();
        assert!(lane.push(piece()).is_none() && receiver.take_ready());
        assert!(lane.push(piece()).is_none());
        assert!(lane.push(piece()).is_some() && !sender.take_ready());
        lane.pop();
        assert!(!sender.take_ready());
        lane.pop();
        assert!(sender.take_ready());
        assert_eq!(lane.front(), Front::Empty);
    }
}
