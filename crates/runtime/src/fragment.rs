//! Cuts a plan into fragments: the trees of operators that run inside one task, without queues.
//!
//! 1. A node is a *root* if it reads (source, values) or if rows reach it through an exchange.
//! 2. A fragment is a root and all that forward edges reach from it up to the next roots. A forward union
//!    under several sources therefore runs once in each of their fragments.
//! 3. A lookup that asks its table is a root too, because rows wait in front of it.
//! 4. Every edge into a root that receives becomes an exchange from each fragment that holds its upper node.
//!
//! Invariant: fragments are in topological order of their roots; nodes that reach no sink are left out.

use std::collections::BTreeSet;
use tidemill_plan::{Exchange, Expr, LookupAccess, Node, NodeId, Operator, SinkTarget, StreamPlan};
use tidemill_types::{Error, Result};

/// How a fragment gets its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// It reads a table or holds constant rows.
    Source,
    /// Through exchanges.
    Receiver,
}

/// Rows that leave a fragment for the root of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The node above, in this fragment.
    pub from: NodeId,
    /// The receiving fragment.
    pub to: usize,
    /// The port of its root.
    pub port: usize,
    /// Which task gets which row.
    pub exchange: Exchange,
}

/// A part of the plan that runs inside one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// Its first node.
    pub root: NodeId,
    /// How the root gets its rows.
    pub kind: Root,
    /// All its nodes, in topological order.
    pub nodes: Vec<NodeId>,
    /// How many tasks run it.
    pub parallelism: usize,
    /// Where its rows go on.
    pub edges: Vec<Edge>,
}

/// Cuts the plan for so many tasks. `single` says which sinks want all rows in one task.
pub fn cut(plan: &StreamPlan, parallelism: usize, single: impl Fn(&Node) -> bool) -> Result<Vec<Fragment>> {
    let cutter = Cutter { plan, live: live_nodes(plan), single: &single };
    let roots: Vec<(NodeId, Root)> =
        cutter.live_ids().filter_map(|id| Some((id, cutter.root(id)?))).collect();
    let place = |id: NodeId| roots.iter().position(|root| root.0 == id).expect("receivers are roots");
    let reached: Vec<Vec<NodeId>> = roots.iter().map(|root| cutter.reach(root.0)).collect();
    let mut fragments: Vec<Fragment> = Vec::new();
    for (&(root, kind), nodes) in roots.iter().zip(&reached) {
        let edges = cutter.edges(nodes, &reached, place);
        let feeder = fragments.iter().find(|from| relays(from, fragments.len(), &plan.nodes[root]));
        let parallelism = match feeder {
            Some(feeder) => feeder.parallelism,
            None => cutter.parallelism(root, kind, nodes, parallelism)?,
        };
        fragments.push(Fragment { root, kind, nodes: nodes.clone(), parallelism, edges });
    }
    Ok(fragments)
}

/// Whether a fragment hands its rows on, task by task, to the one with this root, in which they wait for a table's
/// answers. The tags of a source then go with them.
pub fn relays(from: &Fragment, to: usize, root: &Node) -> bool {
    let forward = from.edges.iter().any(|edge| edge.to == to && edge.exchange == Exchange::Forward);
    forward && root.operator.asks().is_some()
}

struct Cutter<'a> {
    plan: &'a StreamPlan,
    live: Vec<bool>,
    single: &'a dyn Fn(&Node) -> bool,
}

impl Cutter<'_> {
    fn live_ids(&self) -> impl Iterator<Item = NodeId> {
        (0..self.plan.nodes.len()).filter(|&id| self.live[id])
    }

    fn root(&self, id: NodeId) -> Option<Root> {
        let node = &self.plan.nodes[id];
        let union = matches!(node.operator, Operator::Union);
        match node.inputs.as_slice() {
            [] => Some(Root::Source),
            inputs if inputs.iter().any(|input| input.exchange != Exchange::Forward) => Some(Root::Receiver),
            inputs if (inputs.len() > 1 && !union) || (self.single)(node) => Some(Root::Receiver),
            _ if node.operator.asks().is_some() => Some(Root::Receiver),
            _ => None,
        }
    }

    fn reach(&self, root: NodeId) -> Vec<NodeId> {
        let mut nodes = BTreeSet::from([root]);
        for id in self.live_ids().filter(|&id| id > root && self.root(id).is_none()) {
            if self.plan.nodes[id].inputs.iter().any(|input| nodes.contains(&input.node)) {
                nodes.insert(id);
            }
        }
        nodes.into_iter().collect()
    }

    fn edges(&self, nodes: &[NodeId], reached: &[Vec<NodeId>], place: impl Fn(NodeId) -> usize) -> Vec<Edge> {
        let mut edges = Vec::new();
        for id in self.live_ids().filter(|&id| self.root(id) == Some(Root::Receiver)) {
            for (port, input) in self.plan.nodes[id].inputs.iter().enumerate() {
                if nodes.contains(&input.node) {
                    let feeders = reached.iter().filter(|nodes| nodes.contains(&input.node)).count();
                    let exchange = self.exchange(id, &self.exchange_to_ask(id, &input.exchange, feeders));
                    edges.push(Edge { from: input.node, to: place(id), port, exchange });
                }
            }
        }
        edges
    }

    /// An exchange without a key, and one into a node that wants one task, goes to one task.
    fn exchange(&self, to: NodeId, exchange: &Exchange) -> Exchange {
        match exchange {
            Exchange::Hash(keys) if keys.is_empty() => Exchange::Single,
            _ if (self.single)(&self.plan.nodes[to]) => Exchange::Single,
            other => other.clone(),
        }
    }

    /// Rows that wait for answers come straight from the tasks above, unless their order does not matter or is to
    /// be restored first: what comes from several fragments has no common order of blobs.
    fn exchange_to_ask(&self, to: NodeId, exchange: &Exchange, feeders: usize) -> Exchange {
        match &self.plan.nodes[to].operator {
            Operator::LookupJoin(join) => match join.access {
                LookupAccess::Asked(ref plan) if plan.shuffled || !plan.ordered || feeders > 1 => {
                    Exchange::Hash(join.on.left_keys.clone())
                }
                _ => exchange.clone(),
            },
            _ => exchange.clone(),
        }
    }

    /// Whether nodes, or those behind a lookup that rows go through task by task, ask for the watermark at each row.
    fn read_watermark(&self, nodes: &[NodeId]) -> bool {
        let behind = |id: &NodeId| {
            let node = &self.plan.nodes[*id];
            node.operator.asks().is_some() && node.inputs.iter().any(|input| nodes.contains(&input.node))
        };
        nodes.iter().any(|&id| reads_watermark(&self.plan.nodes[id]))
            || self
                .live_ids()
                .filter(|id| !nodes.contains(id) && behind(id))
                .any(|id| self.read_watermark(&self.reach(id)))
    }

    fn parallelism(&self, root: NodeId, kind: Root, nodes: &[NodeId], wanted: usize) -> Result<usize> {
        let node = &self.plan.nodes[root];
        let single = |exchange: &Exchange| self.exchange(root, exchange) == Exchange::Single;
        Ok(match (&node.operator, kind) {
            (Operator::Source(source), _) => match source.options.get("scan.parallelism") {
                _ if self.read_watermark(nodes) => 1,
                None => wanted,
                Some(text) => text.trim().parse::<usize>().ok().filter(|&tasks| tasks > 0).map_or_else(
                    || {
                        Err(Error::user(format!(
                            "option 'scan.parallelism' is '{text}', but must be at least 1"
                        )))
                    },
                    |tasks| Ok(tasks.min(wanted)),
                )?,
            },
            (_, Root::Source) => 1,
            _ if node.inputs.iter().any(|input| single(&input.exchange)) => 1,
            _ => wanted,
        })
    }
}

/// Which nodes reach a sink.
fn live_nodes(plan: &StreamPlan) -> Vec<bool> {
    let mut live = vec![false; plan.nodes.len()];
    for node in plan.nodes.iter().rev() {
        live[node.id] |= matches!(node.operator, Operator::Sink(_));
        if live[node.id] {
            node.inputs.iter().for_each(|input| live[input.node] = true);
        }
    }
    live
}

/// Whether a sink wants all its rows in one task whatever its connector says.
pub fn collects(node: &Node) -> bool {
    matches!(&node.operator, Operator::Sink(sink) if matches!(sink.target, SinkTarget::Collect))
}

/// Whether the node asks for the watermark at each row. That is only known where the source runs in one
/// task; the kernel's name is the only thing that tells it from other volatile functions.
fn reads_watermark(node: &Node) -> bool {
    fn in_expr(expr: &Expr) -> bool {
        let own = matches!(expr, Expr::Call { name, kernel, .. }
            if kernel.volatile() && name.eq_ignore_ascii_case("CURRENT_WATERMARK"));
        own || expr.children().into_iter().any(in_expr)
    }
    match &node.operator {
        Operator::Calc { filter, project } => filter.iter().chain(project).any(in_expr),
        Operator::Expand { projections } => projections.iter().flatten().any(in_expr),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemill_plan::stream::NotNullEnforcer;
    use tidemill_plan::{ChangelogMode, Input, SinkPlan};
    use tidemill_types::Schema;

    fn add(plan: &mut StreamPlan, operator: Operator, inputs: &[(NodeId, Exchange)]) -> NodeId {
        let inputs = inputs.iter().map(|(node, exchange)| Input { node: *node, exchange: exchange.clone() });
        plan.push(Node {
            id: 0,
            uid: String::new(),
            operator,
            inputs: inputs.collect(),
            schema: Schema::default(),
            changelog: ChangelogMode::APPEND,
            upsert_key: None,
        })
    }

    fn values() -> Operator {
        Operator::Values { columns: Vec::new(), rows: 0 }
    }

    #[test]
    fn a_forward_union_runs_in_the_fragment_of_each_source() {
        let (forward, mut plan) = (Exchange::Forward, StreamPlan::default());
        let (a, b, unused) =
            (add(&mut plan, values(), &[]), add(&mut plan, values(), &[]), add(&mut plan, values(), &[]));
        let union = add(&mut plan, Operator::Union, &[(a, forward.clone()), (b, forward.clone())]);
        let keyed = add(&mut plan, Operator::DropUpdateBefore, &[(union, Exchange::Hash(vec![0]))]);
        let sink = SinkPlan {
            target: SinkTarget::Collect,
            not_null: NotNullEnforcer::Error,
            not_null_columns: Vec::new(),
        };
        let sink = add(&mut plan, Operator::Sink(sink), &[(keyed, forward)]);
        let fragments = cut(&plan, 4, collects).unwrap();
        let nodes: Vec<_> = fragments.iter().map(|fragment| fragment.nodes.clone()).collect();
        assert_eq!(nodes, [vec![a, union], vec![b, union], vec![keyed], vec![sink]]);
        assert!(!nodes.iter().flatten().any(|&id| id == unused));
        assert_eq!(fragments.iter().map(|f| f.parallelism).collect::<Vec<_>>(), [1, 1, 4, 1]);
        let to = |at: usize| fragments[at].edges.iter().map(|edge| (edge.from, edge.to)).collect::<Vec<_>>();
        assert_eq!(
            [to(0), to(1), to(2), to(3)],
            [vec![(union, 2)], vec![(union, 2)], vec![(keyed, 3)], vec![]]
        );
        assert_eq!(fragments[2].edges[0].exchange, Exchange::Single);
    }
}
