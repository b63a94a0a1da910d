//! Streaming operators: one file each, synchronous and deterministic, driven from outside.
//!
//! Invariant: an operator reads no clock, does no I/O and sees no barrier. What it gives depends only on
//! the rows, marks and times it was handed, never on how rows were cut into chunks.

pub mod aggregates;
pub mod build;
pub mod calc;
pub mod changelog;
pub mod changelog_normalize;
pub mod deduplicate;
pub mod drop_update_before;
pub mod expand;
pub mod group_aggregate;
pub mod interval_join;
mod join_rows;
pub mod keys;
pub mod limit;
pub mod local_window_aggregate;
pub mod lookup_join;
pub mod match_recognize;
pub mod mini_batch;
pub mod operator;
pub mod over;
mod ranked_rows;
pub mod regular_join;
pub mod session_aggregate;
pub mod session_assign;
pub mod session_groups;
pub mod set_operation;
pub mod sink_compact;
pub mod sink_materialize;
mod stored_rows;
pub mod temporal_join;
pub mod time_sort;
pub mod top_n;
pub mod touched;
pub mod union;
pub mod unnest;
pub mod wall_clock;
pub mod watermark;
pub mod window;
pub mod window_aggregate;
pub mod window_assign;
pub mod window_emit;
pub mod window_join;
pub mod window_top_n;

pub use build::{JobInfo, build};
pub use local_window_aggregate::{
    LocalPhase, LocalWindowAggregatePlan, build_global, build_local, local_phase,
};
pub use operator::{Operator, OperatorContext, Output, RowCounters, deliver, set_budget, tend};
