//! Merges a projection into the projection below it.
//!
//! Not merged: a lower one with other consumers, or whose computed columns would be computed twice or differ
//! from use to use.

use tidemill_plan::expr::Expr;
use tidemill_plan::{Exchange, NodeId, Operator, StreamPlan};

pub(super) fn merge_calcs(mut plan: StreamPlan) -> StreamPlan {
    let mut consumers = vec![0usize; plan.nodes.len()];
    plan.nodes.iter().flat_map(|node| &node.inputs).for_each(|input| consumers[input.node] += 1);
    for id in 0..plan.nodes.len() {
        while let Some((lower, operator)) = merged(&plan, id, &consumers) {
            plan.nodes[id].inputs = plan.nodes[lower].inputs.clone();
            plan.nodes[id].operator = operator;
            plan.nodes[lower].inputs.clear();
        }
    }
    plan
}

/// The node below and the operator that does the work of both.
fn merged(plan: &StreamPlan, id: NodeId, consumers: &[usize]) -> Option<(NodeId, Operator)> {
    let node = &plan.nodes[id];
    let Operator::Calc { filter, project } = &node.operator else { return None };
    let [input] = node.inputs.as_slice() else { return None };
    let Operator::Calc { filter: lower_filter, project: lower } = &plan.nodes[input.node].operator else {
        return None;
    };
    if input.exchange != Exchange::Forward || consumers[input.node] != 1 {
        return None;
    }
    let mut uses = vec![0usize; lower.len()];
    project.iter().chain(filter).for_each(|expr| count_uses(expr, &mut uses));
    let repeatable = |(expr, uses): (&Expr, &usize)| {
        *uses <= 1 && !expr.volatile() || matches!(expr, Expr::Column { .. } | Expr::Literal { .. })
    };
    if !lower.iter().zip(&uses).all(|(expr, uses)| *uses == 0 || repeatable((expr, uses))) {
        return None;
    }
    let substitute = |expr: &Expr| expr.map_columns(&|index, _, _| lower[index].clone());
    let filter = match (lower_filter.clone(), filter.as_ref().map(substitute)) {
        (Some(first), Some(second)) => Some(Expr::And(vec![first, second])),
        (first, second) => first.or(second),
    };
    let project = project.iter().map(substitute).collect();
    Some((input.node, Operator::Calc { filter, project }))
}

fn count_uses(expr: &Expr, uses: &mut [usize]) {
    if let Expr::Column { index, .. } = expr {
        uses[*index] += 1;
    }
    expr.children().into_iter().for_each(|child| count_uses(child, uses));
}
