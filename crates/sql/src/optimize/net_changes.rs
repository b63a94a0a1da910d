//! Where one net change for each key and chunk may stand for several.
//!
//! A query's caller folds the changelog anyway. A table may be a log that keeps each change, so aggregates
//! above one give every change, as Flink does, unless mini-batch was switched on. So do those below an
//! aggregate whose result depends on the order in which rows come.

use tidemill_plan::over::OverMode;
use tidemill_plan::{Operator, SinkTarget, StreamPlan};

pub(super) fn allow(mut plan: StreamPlan) -> StreamPlan {
    let mut logged = vec![false; plan.nodes.len()];
    for id in (0..plan.nodes.len()).rev() {
        if let Operator::Sink(sink) = &plan.nodes[id].operator {
            logged[id] = matches!(sink.target, SinkTarget::Table { .. });
        }
        if logged[id] || depends_on_order(&plan.nodes[id].operator) {
            plan.nodes[id].inputs.iter().for_each(|input| logged[input.node] = true);
        }
    }
    for (node, logged) in plan.nodes.iter_mut().zip(logged) {
        if let Operator::GroupAggregate(aggregate) = &mut node.operator {
            aggregate.net_changes |= !logged;
        }
    }
    plan
}

fn depends_on_order(operator: &Operator) -> bool {
    match operator {
        // Each change becomes a row.
        Operator::ToChangelog(_) => true,
        Operator::GroupAggregate(plan) => plan.aggregates.iter().any(|call| call.accumulator.ordered()),
        Operator::Over(plan) => plan.mode == OverMode::Updating,
        _ => false,
    }
}
