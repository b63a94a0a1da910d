//! Rules on the stream plan. Each keeps every result; they only save work.
//!
//! 1. Projections that follow each other become one.
//! 2. Equal parts become one.
//! 3. Calls that a projection repeats are computed once.
//! 4. Columns that nobody needs are not computed, and not even decoded.
//! 5. The same for fields of ROW columns.
//! 6. Nodes that reach no sink are dropped.
//! 7. `-U` that would only be dropped is not made.
//! 8. Aggregates that neither a table's log nor an aggregate of ordered rows depends on give net changes.

mod common;
mod joins;
mod lookup;
mod merge;
mod nested;
mod net_changes;
mod prune;
mod ranked;
mod shared;
mod update_before;

use tidemill_plan::StreamPlan;

/// The same job with less work.
pub(crate) fn optimize(plan: StreamPlan) -> StreamPlan {
    let plan = shared::share(merge::merge_calcs(plan));
    let plan = nested::narrow(prune::prune(&common::take_out(&plan)));
    net_changes::allow(update_before::spare(plan))
}
