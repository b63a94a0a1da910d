//! Equal parts of a plan become one, such as the same window aggregation in two subqueries.
//!
//! Looked at are projections and window aggregations: nodes above them that differ stay as they are. What may differ
//! from use to use is not shared.

use crate::bind::fingerprint;
use tidemill_plan::stream::WindowAggregatePlan;
use tidemill_plan::{AggregateCall, Expr, Node, NodeId, Operator, StreamPlan};

pub(super) fn share(mut plan: StreamPlan) -> StreamPlan {
    let mut standing_in: Vec<NodeId> = (0..plan.nodes.len()).collect();
    for id in 0..plan.nodes.len() {
        plan.nodes[id].inputs.iter_mut().for_each(|input| input.node = standing_in[input.node]);
        let node = &plan.nodes[id];
        let known = (0..id).find(|&known| standing_in[known] == known && equal(&plan.nodes[known], node));
        known.into_iter().for_each(|known| standing_in[id] = known);
    }
    plan
}

fn equal(a: &Node, b: &Node) -> bool {
    let same = match (&a.operator, &b.operator) {
        (Operator::Calc { filter: f, project: p }, Operator::Calc { filter: g, project: q }) => {
            let all = |filter: &Option<Expr>, project: &[Expr]| -> Vec<Expr> {
                filter.iter().chain(project).cloned().collect()
            };
            f.is_some() == g.is_some() && p.len() == q.len() && equal_exprs(&all(f, p), &all(g, q))
        }
        (Operator::WindowAggregate(a), Operator::WindowAggregate(b)) => equal_aggregations(a, b),
        _ => false,
    };
    // A node without input makes rows of its own; one whose input was merged away reaches nothing.
    same && !a.inputs.is_empty() && a.inputs == b.inputs && a.schema == b.schema
}

fn equal_exprs(a: &[Expr], b: &[Expr]) -> bool {
    let pairs = a.iter().zip(b);
    !a.iter().any(Expr::volatile) && pairs.into_iter().all(|(a, b)| fingerprint(a) == fingerprint(b))
}

fn equal_aggregations(a: &WindowAggregatePlan, b: &WindowAggregatePlan) -> bool {
    let calls = |a: &AggregateCall, b: &AggregateCall| {
        (&a.text, &a.args, &a.arg_types, a.filter, a.distinct, &a.return_type)
            == (&b.text, &b.args, &b.arg_types, b.filter, b.distinct, &b.return_type)
    };
    a.window == b.window
        && a.keys == b.keys
        && a.properties == b.properties
        && a.retract == b.retract
        && a.aggregates.len() == b.aggregates.len()
        && a.aggregates.iter().zip(&b.aggregates).all(|(a, b)| calls(a, b))
}
