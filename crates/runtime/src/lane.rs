//! A lane: the bounded queue between one sending and one receiving task.
//!
//! Invariant: a lane takes a message while it holds less than its limit, so one message always fits. A
//! sender that was refused is woken once the lane is half empty. Only what a task has made already when a barrier
//! overtakes it, and what a checkpoint had found in the lane, is taken beyond the limit.

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
    /// The last epoch whose end came in.
    barrier: u64,
    /// Whether the sender's end came in.
    ended: bool,
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
        self.add(queue, message);
        None
    }

    /// Adds a message however full the lane is.
    pub fn force(&self, message: Message) {
        self.add(self.lock(), message);
    }

    fn add(&self, mut queue: MutexGuard<'_, Queue>, message: Message) {
        match &message {
            Message::Barrier(barrier) => queue.barrier = barrier.epoch,
            Message::End { .. } => queue.ended = true,
            Message::Piece { .. } | Message::Idle => {}
        }
        queue.bytes += message.bytes();
        self.queued_rows.fetch_add(message.rows(), Ordering::Relaxed);
        queue.messages.push_back(message);
        drop(queue);
        self.receiver.wake();
    }

    /// Whether all that belongs to this epoch has come in, wherever its end stands.
    pub fn holds(&self, epoch: u64) -> bool {
        let queue = self.lock();
        queue.ended || queue.barrier >= epoch
    }

    /// The barrier of this epoch overtakes what lies before it: gives that, and leaves it in the lane without the
    /// barrier. Those of earlier epochs came to nothing and go with it.
    pub fn overtake(&self, epoch: u64) -> Vec<Message> {
        let mut queue = self.lock();
        let of_epoch = |message: &Message| match message {
            Message::Barrier(barrier) => barrier.epoch < epoch,
            Message::End { .. } => false,
            Message::Piece { .. } | Message::Idle => true,
        };
        let before = queue.messages.iter().take_while(|message| of_epoch(message));
        let rows = before.filter(|message| !matches!(message, Message::Barrier(_))).cloned().collect();
        queue.messages.retain(|message| !matches!(message, Message::Barrier(b) if b.epoch <= epoch));
        queue.bytes = queue.messages.iter().map(Message::bytes).sum();
        rows
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
