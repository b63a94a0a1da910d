//! Operators whose `-U` would only be dropped make none.
//!
//! A row passes or fails a filter by itself, so `-U` may be dropped below one as well as above it.

use tidemill_plan::{NodeId, Operator, StreamPlan};

pub(super) fn spare(mut plan: StreamPlan) -> StreamPlan {
    let mut consumers = vec![0usize; plan.nodes.len()];
    plan.nodes.iter().flat_map(|node| &node.inputs).for_each(|input| consumers[input.node] += 1);
    let drops: Vec<NodeId> = (0..plan.nodes.len())
        .filter(|id| matches!(plan.nodes[*id].operator, Operator::DropUpdateBefore))
        .collect();
    for drop in drops {
        let chain = below(&plan, drop, &consumers);
        let makes = chain.last().map(|&node| &mut plan.nodes[node].operator);
        match makes {
            Some(Operator::GroupAggregate(aggregate)) => aggregate.update_before = false,
            Some(Operator::TopN(ranks)) => ranks.update_before = false,
            Some(Operator::Deduplicate(first)) => first.update_before = false,
            _ => continue,
        }
        chain.into_iter().for_each(|node| plan.nodes[node].changelog.update_before = false);
    }
    plan
}

/// The projections and filters below a node down to what makes the changes, which nobody else reads.
fn below(plan: &StreamPlan, from: NodeId, consumers: &[usize]) -> Vec<NodeId> {
    let (mut chain, mut at) = (Vec::new(), from);
    while let [input] = plan.nodes[at].inputs.as_slice()
        && consumers[input.node] == 1
    {
        at = input.node;
        chain.push(at);
        if !matches!(plan.nodes[at].operator, Operator::Calc { .. }) {
            break;
        }
    }
    chain
}
