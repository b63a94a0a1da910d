//! Runs a stream plan: cuts it into fragments, runs each fragment's tasks on worker threads, moves chunks
//! between them, and talks to sources and sinks at the asynchronous edge.
//!
//! Invariant: names no concrete connector and no SQL. Compute is cooperative and never blocks its thread;
//! every queue is bounded by bytes, and a full one stops its writer. What a job computes does not depend on
//! the number of tasks, on the cutting of chunks or on the order in which tasks are stepped.
//! Deliberately not here: how checkpoints are stored (`state` does that) and everything that knows SQL.

mod chain;
mod checkpoint;
mod collect;
mod dead_letter;
mod decode;
mod exchange;
mod fragment;
mod job;
mod lane;
mod lookup_edge;
mod lookup_stage;
mod lookup_table;
mod memory;
mod message;
mod metrics;
mod options;
mod receiver;
mod scatter;
mod signal;
mod sink;
mod sink_edge;
mod source_edge;
mod source_queue;
mod start;
mod task;
pub mod upgrade;
mod watermarks;
mod worker;

pub use checkpoint::{
    CheckpointOptions, SavedJob, SavedTable, forget_loaded, reload, saved_entries, with_former_tasks,
};
pub use collect::{CollectReceiver, CollectSender, collect_channel};
pub use fragment::{Edge, Fragment, Root, cut};
pub use job::{JobHandle, RunSummary};
pub use memory::{process_bytes, watch as watch_memory};
pub use metrics::{CheckpointMetrics, JobMetrics, LookupMetrics, OperatorMetrics, SourceMetrics};
pub use options::{BadRecords, JobOptions, Retry};
#[cfg(feature = "simulation")]
pub use start::simulate;
pub use start::start;
