//! How tasks are woken: a flag for each task and its worker's thread to unpark.
//!
//! Invariant: no wake-up is lost. A waker first publishes what changed, then raises the flag, then unparks;
//! a worker lowers the flag before it looks. Unparking a running thread makes its next park return at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;

/// The thread that runs a set of tasks.
#[derive(Debug, Default)]
pub struct WorkerSignal {
    thread: OnceLock<Thread>,
}

impl WorkerSignal {
    /// Says that the calling thread is the worker.
    pub fn attach(&self) {
        self.thread.get_or_init(std::thread::current);
    }

    /// Makes the worker look at its tasks.
    pub fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

/// Wakes one task; cheap to clone.
#[derive(Debug, Clone)]
pub struct TaskSignal {
    ready: Arc<AtomicBool>,
    worker: Arc<WorkerSignal>,
}

impl TaskSignal {
    /// A task of this worker; it starts ready.
    pub fn new(worker: Arc<WorkerSignal>) -> Self {
        TaskSignal { ready: Arc::new(AtomicBool::new(true)), worker }
    }

    /// There may be something to do for the task.
    pub fn wake(&self) {
        if !self.ready.swap(true, Ordering::AcqRel) {
            self.worker.wake();
        }
    }

    /// Marks the task ready again; called by its own worker.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// Whether the task is ready; lowers the flag.
    pub fn take_ready(&self) -> bool {
        self.ready.swap(false, Ordering::AcqRel)
    }
}
