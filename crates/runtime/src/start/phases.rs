//! Which window aggregations begin before their exchange, so that less goes through it.
//!
//! Invariant: results are the same in one phase and in two. Hence not where splits have watermarks of their
//! own (a task does not know the others'), nor where the order of additions shows, as in sums of DOUBLEs;
//! and not where late rows are kept, which partial results no longer hold.

use super::builder::SourcePart;
use crate::fragment::{Edge, Fragment};
use tidemill_operators::{LocalPhase, local_phase};
use tidemill_plan::stream::WindowAggregatePlan;
use tidemill_plan::{Exchange, Operator, StreamPlan};
use tidemill_types::CellKind;

/// More columns than this rarely have fewer values together than a chunk has rows; then partial results are
/// as many as rows, and dearer.
const KEYS_MAX: usize = 1;

/// By fragment: the phase in front of the exchange into it, if there is one.
pub(super) fn choose_phases(
    plan: &StreamPlan,
    fragments: &[Fragment],
    sources: &[Option<SourcePart>],
    keep_late: bool,
) -> Vec<Option<LocalPhase>> {
    let phase = |at: usize| {
        let root = &plan.nodes[fragments[at].root];
        let Operator::WindowAggregate(aggregation) = &root.operator else { return None };
        let suits = |(from, edge): (usize, &Edge)| {
            let per_split = sources[from].as_ref().is_some_and(|source| source.per_split);
            // A single sender does all the work before the exchange itself: nothing is gained.
            edge.exchange != Exchange::Forward && fragments[from].parallelism > 1 && !per_split
        };
        let mut edges = fragments
            .iter()
            .enumerate()
            .flat_map(|(from, fragment)| fragment.edges.iter().map(move |edge| (from, edge)))
            .filter(|(_, edge)| edge.to == at);
        if keep_late || aggregation.keys.len() > KEYS_MAX || !exact(aggregation) || !edges.all(suits) {
            return None;
        }
        local_phase(aggregation, &plan.nodes[root.inputs.first()?.node].schema)
    };
    (0..fragments.len()).map(phase).collect()
}

/// Whether partial results add up to the same whatever rows they hold, and are no larger than rows.
fn exact(plan: &WindowAggregatePlan) -> bool {
    plan.aggregates
        .iter()
        .flat_map(|call| call.accumulator.cells())
        .all(|kind| matches!(kind, CellKind::I64 | CellKind::I128))
}
