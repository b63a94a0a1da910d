//! Checkpoints: the state of a whole job at one epoch, in a local folder or an object store.
//!
//! A state folder holds `lock` and, for each job, `checkpoints/<job>/epoch-<number>.data` with the rows and
//! `epoch-<number>.manifest`, which makes the epoch real. It may hold other files of the runtime.
//!
//! 1. [`StateFolder::open`] and [`StateFolder::lock`]: one run at a time.
//! 2. [`CheckpointStore::load`]: the newest checkpoint that is whole.
//! 3. For each epoch [`CheckpointStore::begin`], [`EpochWriter::append`] for the rows of each table and task,
//!    [`EpochWriter::finish`], [`CheckpointStore::publish`], [`CheckpointStore::retain`].
//!
//! [`Chains`] keeps track of which segments a manifest must name and which key groups must be written whole.
//!
//! Invariant: an epoch is real if and only if its manifest can be read and everything it names is there unchanged.
//! Invariant: everything that needs deciding is decided in [`decide`], which does no I/O.
//! Deliberately not here: when a checkpoint is taken, and what a source's position or a sink's promise means.

pub mod chains;
pub mod decide;
mod failure;
mod folder;
mod group_set;
mod layout;
mod load;
mod location;
mod lock;
pub mod manifest;
mod remote;
mod segment;
mod store;
mod verify;
mod writer;

pub use chains::Chains;
pub use folder::StateFolder;
pub use group_set::GroupSet;
pub use load::{Loaded, LoadedTable};
pub use lock::StateLock;
pub use manifest::{CheckpointCost, Manifest, SourceState, TableState};
pub use segment::SegmentRef;
pub use store::{CheckpointInfo, CheckpointStore};
pub use verify::{Damage, VerifyReport};
pub use writer::EpochWriter;
