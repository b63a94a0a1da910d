//! The channels between the coordinator and the parts of a job.

use super::{Barrier, Overtaking, TaskState};
use crate::signal::TaskSignal;
use std::sync::Arc;
use tidemill_connector::Positions;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What a part of the job has to say. Each message is sent once, so the queue is bounded by parts × epochs.
#[derive(Debug)]
pub enum Report {
    /// A reader put the barrier behind these positions.
    Read {
        /// Which source.
        source: usize,
        /// The epoch.
        epoch: u64,
        /// Where it stands.
        positions: Positions,
    },
    /// A reader has let the barrier overtake what it had read.
    Overtaken {
        /// Which source.
        source: usize,
        /// The epoch.
        epoch: u64,
        /// Whether it stands at its end, and where it stands.
        stands: (bool, Positions),
    },
    /// A reader has ended.
    ReadAll {
        /// Which source.
        source: usize,
        /// Whether to the end of its input.
        drained: bool,
        /// Where it stands.
        positions: Positions,
    },
    /// A task has taken its state at a barrier.
    Task {
        /// Which task.
        task: usize,
        /// The epoch.
        epoch: u64,
        /// Its state.
        state: TaskState,
    },
    /// A task has ended.
    TaskEnded {
        /// Which task.
        task: usize,
        /// Its state.
        state: TaskState,
    },
    /// A sink has prepared what it wrote.
    Sink {
        /// Which sink.
        sink: usize,
        /// The epoch.
        epoch: u64,
        /// What its commit needs.
        prepared: Vec<u8>,
    },
    /// A sink has prepared the last it got.
    SinkEnded {
        /// Which sink.
        sink: usize,
        /// What its commit needs.
        prepared: Vec<u8>,
    },
}

/// What the coordinator asks of a reader.
#[derive(Debug, Clone)]
pub enum ReaderOrder {
    /// End an epoch behind what was read so far.
    Barrier(Arc<Barrier>),
    /// Let the barrier of this epoch overtake what was read.
    Overtake(u64),
    /// A checkpoint with these positions is complete.
    Committed(Positions),
}

/// What the coordinator asks of a sink.
#[derive(Debug, Clone)]
pub enum SinkOrder {
    /// Commit these, in order.
    Commit(Vec<Vec<u8>>),
    /// The last checkpoint is complete and was committed: make everything final.
    Finish,
}

/// One part of a job, by kind and number.
#[derive(Debug, Clone)]
pub struct PartReporter {
    /// Its number among its kind.
    pub number: usize,
    /// Where it reports to.
    pub reports: UnboundedSender<Report>,
}

impl PartReporter {
    /// Sends a report. A coordinator that is gone has nothing to lose: the job is being torn down.
    pub fn report(&self, report: Report) {
        let _ = self.reports.send(report);
    }
}

/// All channels of a job while it is put together.
#[derive(Debug)]
pub struct Board {
    reports_in: UnboundedSender<Report>,
    /// What the parts report.
    pub reports: UnboundedReceiver<Report>,
    /// To each reader, with the stable name of its source.
    pub readers: Vec<(String, UnboundedSender<ReaderOrder>)>,
    /// To each sink, with its stable name.
    pub sinks: Vec<(String, UnboundedSender<SinkOrder>)>,
    /// Wakes each task.
    pub tasks: Vec<TaskSignal>,
    /// Tells tasks which barrier overtakes.
    pub overtaking: Arc<Overtaking>,
}

impl Board {
    /// Without any part.
    pub fn new() -> Self {
        let (reports_in, reports) = unbounded_channel();
        Board {
            reports_in,
            reports,
            readers: Vec::new(),
            sinks: Vec::new(),
            tasks: Vec::new(),
            overtaking: Arc::default(),
        }
    }

    /// Adds a reader.
    pub fn add_reader(&mut self, source: String) -> (PartReporter, UnboundedReceiver<ReaderOrder>) {
        let (orders, received) = unbounded_channel();
        self.readers.push((source, orders));
        (self.reporter(self.readers.len() - 1), received)
    }

    /// Adds a task.
    pub fn add_task(&mut self, signal: TaskSignal) -> PartReporter {
        self.tasks.push(signal);
        self.reporter(self.tasks.len() - 1)
    }

    /// Adds a sink.
    pub fn add_sink(&mut self, name: String) -> (PartReporter, UnboundedReceiver<SinkOrder>) {
        let (orders, received) = unbounded_channel();
        self.sinks.push((name, orders));
        (self.reporter(self.sinks.len() - 1), received)
    }

    fn reporter(&self, number: usize) -> PartReporter {
        PartReporter { number, reports: self.reports_in.clone() }
    }
}
