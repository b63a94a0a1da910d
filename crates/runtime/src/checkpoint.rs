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
//! Where checkpoints may be unaligned, a barrier that has not come through after some time *overtakes*: the coordinator
//! says so, the readers let it pass what they have read ([`ReaderOrder::Overtake`]), and a task takes its state as soon
//! as the barrier has come in everywhere, together with what lies before it ([`InFlight`]). What a sink has been given
//! is not overtaken: it is written before it is prepared.
//!
//! What has ended before the barrier counts as standing at it: a source reports its last positions, a task its
//! last state, a sink what it prepared at its end. When all have ended, a last checkpoint says so.
//!
//! Invariant: a manifest holds one consistent moment of all sources, tasks and sinks. A failed epoch changes
//! nothing: what sinks prepared for it is committed with a later one.

mod board;
mod coordinator;
mod epoch;
mod in_flight;
mod inspect;
mod options;
mod restored;
mod state;

pub use board::{Board, PartReporter, ReaderOrder, Report, SinkOrder};
pub use coordinator::Coordinator;
pub use in_flight::{InFlight, LanesInFlight, not_here};
pub use inspect::{SavedTable, saved_entries};
pub use options::{CheckpointOptions, forget_loaded, reload, with_former_tasks};
pub use restored::{Restored, RestoredTask, SavedJob};
pub use state::{Barrier, Overtaking, OwnState, TaskState, Whole};
