//! Checkpoints: barriers flow with the data, each task takes its state when all its inputs stand at the barrier,
//! and the coordinator makes the epoch real once everybody has reported.
//!
//! 1. The [`coordinator`] asks the readers of all sources that go on for a barrier. A reader notes its positions
//!    and puts the barrier behind what it has read.
//! 2. A task that meets the barrier on all its inputs gives out what it held back, takes the changes of its state
//!    ([`TaskState`]), sends the barrier on and reports. Until then it does not read inputs that are ahead.
//! 3. A sink that meets the barrier prepares what it wrote and reports.
//! 4. State goes to the store as it comes; when nothing is missing the manifest is published.
//! 5. The sinks commit, the sources hear what will never be asked for again.
//!
//! What has ended before the barrier counts as standing at it: a source reports its last positions, a task its
//! last state, a sink what it prepared at its end. When all have ended, a last checkpoint says so.
//!
//! Invariant: a manifest holds one consistent moment of all sources, tasks and sinks. A failed epoch changes
//! nothing: what sinks prepared for it is committed with a later one.

mod board;
mod coordinator;
mod epoch;
mod inspect;
mod options;
mod restored;
mod state;

pub use board::{Board, PartReporter, ReaderOrder, Report, SinkOrder};
pub use coordinator::Coordinator;
pub use inspect::{SavedTable, saved_entries};
pub use options::{CheckpointOptions, forget_loaded, reload};
pub use restored::{Restored, SavedJob};
pub use state::{Barrier, TaskState, Whole};
