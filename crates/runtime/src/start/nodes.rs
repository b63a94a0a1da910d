//! The nodes of a task's chain, their counters and where their rows go.

use super::builder::Builder;
use crate::chain::{Body, ChainNode, Generators, Target};
use crate::fragment::{Fragment, Root};
use crate::metrics::{OperatorEntry, TaskCounters};
use crate::signal::TaskSignal;
use crate::watermarks::InputWatermarks;
use std::ops::Range;
use std::sync::Arc;
use tidemill_operators::lookup_join::LookupJoin;
use tidemill_operators::{JobInfo, LocalPhase, Output, build_global, build_local, set_budget};
use tidemill_plan::{Node, NodeId, Operator, StreamPlan};
use tidemill_state::checkpoint::decide::groups_of_task;
use tidemill_types::key::KEY_GROUPS;
use tidemill_types::{Result, Schema, WATERMARK_NONE};

impl Builder<'_> {
    pub(super) fn chain_nodes(
        &mut self,
        at: usize,
        task: usize,
        signal: &TaskSignal,
    ) -> Result<Vec<ChainNode>> {
        let fragment = self.fragments[at].clone();
        let mut nodes = Vec::new();
        for &id in &fragment.nodes {
            let node = &self.plan.nodes[id];
            let body = self.body(&fragment, at, node, task, signal)?;
            let counters = Arc::new(TaskCounters::default());
            self.entry(node, &fragment).tasks.push(counters.clone());
            nodes.push(ChainNode {
                uid: node.uid.clone(),
                state_id: Some(self.state_id(at, id)),
                groups: self.key_groups(at, task),
                input: self.input_schema(node),
                body,
                targets: targets(self.plan, &fragment, id),
                out: Output::new(self.options.keep_late),
                counters,
                watermark: WATERMARK_NONE,
                busy_ns: 0,
            });
        }
        self.add_first_phases(&fragment, &mut nodes)?;
        let lanes = self.lanes_into(at);
        self.entry(&self.plan.nodes[fragment.root], &fragment).lanes = lanes;
        Ok(nodes)
    }

    /// Puts the first phases of aggregations in front of the senders to them.
    fn add_first_phases(&mut self, fragment: &Fragment, nodes: &mut Vec<ChainNode>) -> Result<()> {
        for (sender, edge) in fragment.edges.iter().enumerate() {
            let Some(LocalPhase { plan, .. }) = &self.phases[edge.to] else { continue };
            let node = &self.plan.nodes[self.fragments[edge.to].root];
            let input = self.input_schema(node);
            let operator = build_local(plan, &input)?;
            let counters = Arc::new(TaskCounters::default());
            let receiver = self.fragments[edge.to].clone();
            self.entry(node, &receiver).first_phase.push(counters.clone());
            let index = nodes.len();
            let targets = nodes.iter_mut().flat_map(|node| &mut node.targets);
            targets
                .filter(|target| matches!(target, Target::Sender(to) if *to == sender))
                .for_each(|target| *target = Target::Node { index, port: 0 });
            nodes.push(ChainNode {
                uid: node.uid.clone(),
                state_id: None,
                groups: 0..KEY_GROUPS,
                input,
                body: Body::Operator(operator),
                targets: vec![Target::Sender(sender)],
                out: Output::new(false),
                counters,
                watermark: WATERMARK_NONE,
                busy_ns: 0,
            });
        }
        Ok(())
    }

    /// Under which name a node's state is saved: a node that runs in several fragments keeps state in each.
    fn state_id(&self, at: usize, id: NodeId) -> String {
        let name = &self.names[id];
        match self.fragments.iter().filter(|fragment| fragment.nodes.contains(&id)).count() {
            1 => name.clone(),
            _ => format!("{name}@{}", self.fragment_name(at)),
        }
    }

    /// The key groups of a task: rows that come through an exchange are divided by key.
    fn key_groups(&self, at: usize, task: usize) -> Range<u32> {
        let fragment = &self.fragments[at];
        match fragment.kind {
            Root::Receiver => groups_of_task(task as u32, fragment.parallelism as u32, KEY_GROUPS),
            Root::Source => 0..KEY_GROUPS,
        }
    }

    fn entry(&mut self, node: &Node, fragment: &Fragment) -> &mut OperatorEntry {
        self.entries.entry(node.id).or_insert_with(|| OperatorEntry {
            source: fragment.kind == Root::Source && fragment.root == node.id,
            uid: node.uid.clone(),
            name: node.operator.name().to_string(),
            tasks: Vec::new(),
            first_phase: Vec::new(),
            lanes: Vec::new(),
        })
    }

    pub(super) fn input_schema(&self, node: &Node) -> Schema {
        node.inputs.first().map(|input| self.plan.nodes[input.node].schema.clone()).unwrap_or_default()
    }

    fn body(
        &mut self,
        fragment: &Fragment,
        at: usize,
        node: &Node,
        task: usize,
        signal: &TaskSignal,
    ) -> Result<Body> {
        let job = JobInfo {
            zone: self.options.zone,
            key_groups: KEY_GROUPS,
            parallelism: fragment.parallelism as u32,
            task: task as u32,
            keep_late: self.options.keep_late,
        };
        let second_phase = node.id == fragment.root && self.phases[at].is_some();
        let mut body = match &node.operator {
            Operator::Source(_) | Operator::Values { .. } => Body::Source,
            Operator::Union if node.id == fragment.root => Body::Pass,
            Operator::Union => {
                let inside = |id: &NodeId| fragment.nodes.contains(id);
                match node.inputs.iter().filter(|input| inside(&input.node)).count() {
                    1 => Body::Pass,
                    _ => Body::Merge(ports_of(node, inside)),
                }
            }
            Operator::Watermark { .. } if fragment.kind == Root::Source => {
                let per_split = self.sources[at].as_ref().is_some_and(|part| part.per_split);
                let merge = per_split && fragment.parallelism == 1;
                let input = self.input_schema(node);
                Body::Generators(Box::new(Generators::new(
                    self.fragment_name(at),
                    node.clone(),
                    input,
                    job,
                    merge,
                )))
            }
            // Its stage has joined the rows already.
            Operator::LookupJoin(_) if node.operator.asks().is_some() => Body::Source,
            Operator::LookupJoin(plan) => {
                let table = self.lookup_table(node, plan)?;
                Body::Operator(Box::new(LookupJoin::new(plan, &self.input_schema(node), table)))
            }
            Operator::WindowAggregate(plan) if second_phase => {
                Body::Operator(build_global(plan, &self.input_schema(node), &job)?)
            }
            Operator::Sink(sink) => Body::Sink(self.open_sink(sink, node, signal)?),
            _ => {
                let inputs: Vec<&Schema> =
                    node.inputs.iter().map(|input| &self.plan.nodes[input.node].schema).collect();
                Body::Operator(tidemill_operators::build(node, &inputs, &job)?)
            }
        };
        if let (Body::Operator(operator), Some(budget)) = (&mut body, &self.options.memory) {
            set_budget(operator.as_mut(), &budget.of(&node.uid));
        }
        Ok(body)
    }
}

/// The consumers of a node: inside the fragment by place, outside by edge.
fn targets(plan: &StreamPlan, fragment: &Fragment, id: NodeId) -> Vec<Target> {
    let mut targets = Vec::new();
    for (index, &consumer) in fragment.nodes.iter().enumerate().skip(1) {
        let node = &plan.nodes[consumer];
        for (port, _) in node.inputs.iter().enumerate().filter(|(_, input)| input.node == id) {
            let port = match node.operator {
                Operator::Union => inner_port(node, port, |id| fragment.nodes.contains(id)),
                _ => port,
            };
            targets.push(Target::Node { index, port });
        }
    }
    let edges = fragment.edges.iter().enumerate().filter(|(_, edge)| edge.from == id);
    targets.extend(edges.map(|(sender, _)| Target::Sender(sender)));
    targets
}

/// The number of a union's port among those whose upper node is in the same fragment.
fn inner_port(node: &Node, port: usize, inside: impl Fn(&NodeId) -> bool) -> usize {
    node.inputs[..port].iter().filter(|input| inside(&input.node)).count()
}

fn ports_of(node: &Node, inside: impl Fn(&NodeId) -> bool) -> InputWatermarks {
    InputWatermarks::new(inner_port(node, node.inputs.len(), inside))
}
