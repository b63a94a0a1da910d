//! Streaming operators: one file each, synchronous and deterministic, driven from outside.
//!
//! Invariant: an operator reads no clock, does no I/O and sees no barrier. What it gives depends only on
//! the rows, marks and times it was handed, never on how rows were cut into chunks.

pub mod aggregates;
pub mod build;
pub mod calc;
pub mod drop_update_before;
pub mod expand;
pub mod group_aggregate;
pub mod keys;
pub mod local_window_aggregate;
pub mod operator;
pub mod regular_join;
pub mod session_aggregate;
pub mod session_assign;
pub mod session_groups;
pub mod touched;
pub mod union;
pub mod wall_clock;
pub mod watermark;
pub mod window;
pub mod window_aggregate;
pub mod window_assign;

pub use build::{JobInfo, build};
pub use local_window_aggregate::{
    LocalPhase, LocalWindowAggregatePlan, build_global, build_local, local_phase,
};
pub use operator::{Operator, OperatorContext, Output, RowCounters, deliver};
