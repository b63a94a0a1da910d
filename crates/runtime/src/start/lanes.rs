//! The lanes between tasks, and the senders and receivers at their ends.

use super::builder::{Builder, SourcePart};
use crate::exchange::{KeyRouter, Router, Sender};
use crate::fragment::{Edge, relays};
use crate::lane::Lane;
use crate::receiver::{GroupOrder, Receiver};
use std::sync::Arc;
use tidemill_plan::Exchange;
use tidemill_types::Result;
use tidemill_types::key::hash;

/// A lane holds at least so much, however many lanes share a task's budget.
const LANE_BYTES_MIN: usize = 16 << 10;

impl Builder<'_> {
    pub(super) fn lay_lanes(&mut self) {
        let mut incoming = vec![0; self.fragments.len()];
        for fragment in &self.fragments {
            fragment.edges.iter().for_each(|edge| incoming[edge.to] += fragment.parallelism);
        }
        for (at, fragment) in self.fragments.iter().enumerate() {
            let mut of_edges = Vec::new();
            for edge in &fragment.edges {
                let bytes_max = (self.options.queue_bytes_max / incoming[edge.to]).max(self.lane_bytes_min());
                let receivers = self.fragments[edge.to].parallelism;
                let lane = |from: usize, to: usize| {
                    let (sender, receiver) =
                        (self.signals[at][from].clone(), self.signals[edge.to][to].clone());
                    Arc::new(Lane::new(bytes_max, sender, receiver, self.queued_rows[edge.to][to].clone()))
                };
                let of_task = |from: usize| match edge.exchange {
                    Exchange::Forward => vec![lane(from, from % receivers)],
                    Exchange::Hash(_) | Exchange::Single => (0..receivers).map(|to| lane(from, to)).collect(),
                };
                of_edges.push((0..fragment.parallelism).map(of_task).collect());
            }
            self.lanes.push(of_edges);
        }
    }

    /// Tiny queues are asked for by tests only; then they shall be tiny.
    fn lane_bytes_min(&self) -> usize {
        LANE_BYTES_MIN.min(self.options.queue_bytes_max)
    }

    /// Merges the lanes to this task, a group for each port and sending fragment.
    pub(super) fn receiver(&self, at: usize, task: usize) -> Result<Receiver> {
        let mut receiver = Receiver::new(self.fragment_name(at));
        for (from, fragment) in self.fragments.iter().enumerate() {
            for (edge, lanes) in
                fragment.edges.iter().zip(&self.lanes[from]).filter(|(edge, _)| edge.to == at)
            {
                let forward = edge.exchange == Exchange::Forward;
                let receivers = self.fragments[at].parallelism;
                let lanes = lanes.iter().enumerate().filter_map(|(sender, lanes)| match forward {
                    true => (sender % receivers == task).then(|| lanes[0].clone()),
                    false => Some(lanes[task].clone()),
                });
                let order = match self.origin(from) {
                    Some(part) if !forward => {
                        GroupOrder::Sequence { per_split: part.per_split && fragment.parallelism > 1 }
                    }
                    _ => GroupOrder::Arrival,
                };
                let (root, source) = (self.fragment_name(at), self.fragment_name(from));
                let name = format!("{root}/{}/{source}", edge.port);
                let layout = self.layout(edge);
                receiver.add_group(name, (&source, layout), edge.port, order, lanes.collect());
            }
        }
        if let Some(restored) = &self.restored {
            receiver.restore(restored.of_task(&self.fragment_name(at), task))?;
        }
        Ok(receiver)
    }

    /// Tells whether rows of an edge look as they did before.
    fn layout(&self, edge: &Edge) -> u64 {
        let schema = match &self.phases[edge.to] {
            Some(phase) => &phase.schema,
            None => &self.plan.nodes[edge.from].schema,
        };
        let columns = schema.fields.iter().map(|field| format!("{} {}", field.name, field.data_type));
        hash(format!("{:?} {:?}", edge.exchange, columns.collect::<Vec<_>>()).as_bytes())
    }

    /// The source whose tags the pieces of a fragment have: its own, or that of the fragment that relays to it.
    fn origin(&self, at: usize) -> Option<&SourcePart> {
        if let Some(part) = &self.sources[at] {
            return Some(part);
        }
        let root = &self.plan.nodes[self.fragments[at].root];
        let feeder = self.fragments.iter().position(|from| relays(from, at, root))?;
        self.origin(feeder)
    }

    /// The lane to this task if it is one that is relayed to, and from where.
    pub(super) fn relayed_lane(&self, at: usize, task: usize) -> Option<Arc<Lane>> {
        let root = &self.plan.nodes[self.fragments[at].root];
        let feeder = self.fragments.iter().position(|from| relays(from, at, root))?;
        self.origin(feeder)?;
        let edge = self.fragments[feeder].edges.iter().position(|edge| edge.to == at)?;
        self.lanes[feeder][edge][task].first().cloned()
    }

    /// The stable name of a fragment: that of its root.
    pub(super) fn fragment_name(&self, at: usize) -> String {
        self.names[self.fragments[at].root].clone()
    }

    pub(super) fn senders(&self, at: usize, task: usize) -> Vec<Sender> {
        let fragment = &self.fragments[at];
        let senders = fragment.edges.iter().zip(&self.lanes[at]).map(|(edge, lanes)| {
            let router = match &edge.exchange {
                Exchange::Hash(keys) => {
                    let tasks = self.fragments[edge.to].parallelism;
                    let (schema, keys) = match &self.phases[edge.to] {
                        Some(phase) => (&phase.schema, &phase.keys),
                        None => (&self.plan.nodes[edge.from].schema, keys),
                    };
                    Router::Keys(KeyRouter::new(schema, keys, tasks))
                }
                Exchange::Forward | Exchange::Single => Router::One,
            };
            let relayed = relays(fragment, edge.to, &self.plan.nodes[self.fragments[edge.to].root]);
            let tagged = self.origin(at).is_some() && (relayed || edge.exchange != Exchange::Forward);
            Sender::new(router, lanes[task].clone(), tagged)
        });
        senders.collect()
    }

    pub(super) fn lanes_into(&self, at: usize) -> Vec<Arc<Lane>> {
        let edges = self.fragments.iter().zip(&self.lanes).flat_map(|(f, lanes)| f.edges.iter().zip(lanes));
        edges
            .filter(|(edge, _)| edge.to == at)
            .flat_map(|(_, lanes)| lanes.iter().flatten().cloned())
            .collect()
    }
}
