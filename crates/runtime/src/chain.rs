//! The operators of one task: rows pushed in at the root run through all of them without a queue.
//!
//! Invariant: what a node gives reaches its consumers in order, each consumer seeing a chunk whole before
//! the next one; the marks that a node is given rise strictly, except below the generators of a source
//! whose splits have watermarks of their own.

use crate::checkpoint::{Barrier, RestoredTask, TaskState};
use crate::dead_letter::TaskLetters;
use crate::exchange::{Outbox, Sender};
use crate::message::Tag;
use crate::metrics::TaskCounters;
use crate::sink::SinkHead;
use crate::watermarks::{InputWatermarks, SplitWatermarks};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;
use tidemill_operators::{JobInfo, Operator, OperatorContext, Output, RowCounters, deliver, tend};
use tidemill_plan::Node;
use tidemill_types::{Chunk, Result, Schema, WATERMARK_MAX};

/// Stands between the name of a generator's table and the split it belongs to.
const SPLIT: char = '#';

/// What a node does with what it is given.
pub enum Body {
    /// Gives on what its feeder has counted: the root of a source.
    Source,
    /// Gives it on: a union whose inputs were merged before.
    Pass,
    /// Merges the watermarks of its ports: a union of nodes of the same task.
    Merge(InputWatermarks),
    /// An operator.
    Operator(Box<dyn Operator>),
    /// The watermark generators of a source, one for each split.
    Generators(Box<Generators>),
    /// A sink.
    Sink(SinkHead),
}

/// One watermark generator for each split of a source.
pub struct Generators {
    /// The stable name of the source.
    source: String,
    node: Node,
    input: Schema,
    job: JobInfo,
    by_split: BTreeMap<u32, Box<dyn Operator>>,
    /// Merges the splits here, if this is the only task of the source.
    merged: Option<SplitWatermarks>,
}

impl Generators {
    /// Generators made from this node.
    pub fn new(source: String, node: Node, input: Schema, job: JobInfo, merge: bool) -> Self {
        let merged = merge.then(SplitWatermarks::new);
        Generators { source, node, input, job, by_split: BTreeMap::new(), merged }
    }

    /// The generator of a split; a new split gets a new one.
    pub fn of_split(&mut self, split: u32) -> Result<&mut dyn Operator> {
        if !self.by_split.contains_key(&split) {
            let generator = tidemill_operators::build(&self.node, &[&self.input], &self.job)?;
            self.by_split.insert(split, generator);
        }
        Ok(self.by_split.get_mut(&split).expect("the generator was just made").as_mut())
    }

    fn on_chunk(
        &mut self,
        split: u32,
        chunk: Chunk,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<Vec<Chunk>> {
        if chunk.rows == 0 && chunk.marks.last() == Some(WATERMARK_MAX) {
            let end = self.merged.as_mut().and_then(SplitWatermarks::end).unwrap_or(WATERMARK_MAX);
            return Ok(vec![Chunk::watermark(end)]);
        }
        deliver(self.of_split(split)?, 0, chunk, ctx, out)?;
        let mut chunks = out.take_chunks();
        if let Some(merged) = &mut self.merged {
            chunks.iter_mut().for_each(|chunk| chunk.marks = merged.advance(split, &chunk.marks));
        }
        Ok(chunks)
    }
}

/// Where a node's rows go.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// To a node of the same task.
    Node {
        /// Its place in the chain.
        index: usize,
        /// Its port.
        port: usize,
    },
    /// To another fragment.
    Sender(usize),
}

/// One node of a chain.
pub struct ChainNode {
    /// Its stable name.
    pub uid: String,
    /// Under which name its state is saved; absent if it keeps none beyond a barrier.
    pub state_id: Option<String>,
    /// The key groups that belong to this task.
    pub groups: Range<u32>,
    /// Its input's columns, for late rows.
    pub input: Schema,
    /// What it does.
    pub body: Body,
    /// Where its rows go.
    pub targets: Vec<Target>,
    /// Its results and counters.
    pub out: Output,
    /// Where its counters are published.
    pub counters: Arc<TaskCounters>,
    /// The watermark it has been given so far.
    pub watermark: i64,
    /// How long it computed.
    pub busy_ns: u64,
}

/// The operators of one task.
pub struct Chain {
    nodes: Vec<ChainNode>,
    senders: Vec<Sender>,
    dead_letters: Arc<TaskLetters>,
    /// What waits to leave the task.
    pub outbox: Outbox,
    /// Processing time of this step.
    pub now_ms: i64,
    /// The blob that the rows come from, in a source fragment.
    pub tag: Option<Tag>,
    at: usize,
}

impl Chain {
    /// A chain of these nodes, the root first.
    pub fn new(
        nodes: Vec<ChainNode>,
        senders: Vec<Sender>,
        dead_letters: Arc<TaskLetters>,
        outbox: Outbox,
    ) -> Self {
        Chain { nodes, senders, dead_letters, outbox, now_ms: 0, tag: None, at: 0 }
    }

    /// The name of the operator that ran last.
    pub fn current(&self) -> &str {
        &self.nodes[self.at].uid
    }

    /// The counters of the root, for the one who feeds it.
    pub fn root_counters(&mut self) -> &mut RowCounters {
        &mut self.nodes[0].out.rows
    }

    /// The root's watermark is set by the one who merged its inputs.
    pub fn set_root_watermark(&mut self, watermark: i64) {
        self.nodes[0].watermark = watermark;
    }

    /// Rows or marks for the root.
    pub fn push(&mut self, port: usize, chunk: Chunk) -> Result<()> {
        self.run(0, port, chunk)
    }

    fn run(&mut self, index: usize, port: usize, chunk: Chunk) -> Result<()> {
        self.at = index;
        let (now_ms, split) = (self.now_ms, self.tag.map_or(0, |tag| tag.split));
        let node = &mut self.nodes[index];
        let started = Instant::now();
        let mark = chunk.marks.last();
        let given = node.take(port, chunk, now_ms, split, &mut self.outbox)?;
        node.watermark = mark.map_or(node.watermark, |mark| mark.max(node.watermark));
        node.busy_ns += started.elapsed().as_nanos() as u64;
        self.keep_late(index)?;
        given.into_iter().try_for_each(|chunk| self.give(index, chunk))
    }

    /// Gives a result of a node to its consumers.
    fn give(&mut self, index: usize, chunk: Chunk) -> Result<()> {
        for at in 0..self.nodes[index].targets.len() {
            match self.nodes[index].targets[at] {
                Target::Node { index, port } => self.run(index, port, chunk.clone())?,
                Target::Sender(sender) => {
                    self.senders[sender].send(chunk.clone(), self.tag, &mut self.outbox);
                }
            }
        }
        Ok(())
    }

    fn keep_late(&mut self, index: usize) -> Result<()> {
        let node = &mut self.nodes[index];
        for late in node.out.take_late() {
            self.dead_letters.late(&node.uid, &node.input, &late, self.now_ms)?;
        }
        Ok(())
    }

    /// When some operator wants to be called next.
    pub fn next_time(&self) -> Option<i64> {
        self.nodes.iter().filter_map(|node| node.operator()?.next_time()).min()
    }

    /// Processing time has gone on.
    pub fn on_time(&mut self) -> Result<()> {
        let now_ms = self.now_ms;
        self.each_operator(|operator, ctx, out| match operator.next_time() {
            Some(time) if time <= now_ms => operator.on_time(ctx, out),
            _ => Ok(()),
        })
    }

    /// Makes operators give out what they hold back only for larger chunks.
    pub fn flush(&mut self) -> Result<()> {
        self.each_operator(|operator, ctx, out| operator.on_flush(ctx, out))
    }

    /// Makes operators give out all that they hold back: the task is about to end.
    pub fn settle(&mut self) -> Result<()> {
        self.each_operator(|operator, ctx, out| operator.on_settle(ctx, out))
    }

    fn each_operator(
        &mut self,
        mut call: impl FnMut(&mut dyn Operator, &OperatorContext, &mut Output) -> Result<()>,
    ) -> Result<()> {
        for index in 0..self.nodes.len() {
            self.at = index;
            let node = &mut self.nodes[index];
            let ctx = OperatorContext { now_ms: self.now_ms, watermark: node.watermark };
            let Body::Operator(operator) = &mut node.body else { continue };
            call(operator.as_mut(), &ctx, &mut node.out)?;
            tend(operator.as_mut())?;
            for chunk in self.nodes[index].out.take_chunks() {
                self.give(index, chunk)?;
            }
            self.keep_late(index)?;
        }
        Ok(())
    }

    /// The epoch ends here: everything held back goes out, the state is taken, and the barrier follows.
    pub fn barrier(&mut self, barrier: &Arc<Barrier>) -> Result<TaskState> {
        self.settle()?;
        if let Some(tag) = self.tag {
            self.seal(tag);
        }
        let state = self.state(barrier);
        self.dead_letters.end_epoch(barrier.epoch)?;
        for node in &mut self.nodes {
            if let Body::Operator(operator) = &mut node.body {
                // What could not be read from disk is missing in the state: the barrier must not go on.
                tend(operator.as_mut())?;
            }
            if let Body::Sink(sink) = &mut node.body {
                sink.barrier(barrier.epoch, &mut self.outbox);
            }
        }
        self.senders.iter_mut().for_each(|sender| sender.barrier(barrier, &mut self.outbox));
        Ok(state)
    }

    /// Makes durable what was set aside.
    pub fn settle_dead_letters(&self) -> Result<()> {
        self.dead_letters.settle()
    }

    /// What a checkpoint must keep of this task.
    pub fn state(&mut self, barrier: &Barrier) -> TaskState {
        let mut state = TaskState::default();
        self.nodes.iter_mut().for_each(|node| node.save(barrier, &mut state));
        state
    }

    /// Goes on from a checkpoint.
    pub fn restore(&mut self, saved: RestoredTask<'_>) -> Result<()> {
        self.nodes.iter_mut().try_for_each(|node| node.restore(saved))
    }

    /// The blob of the current tag ends.
    pub fn seal(&mut self, tag: Tag) {
        self.senders.iter_mut().for_each(|sender| sender.seal(tag, &mut self.outbox));
    }

    /// A split of the source was found: the watermark waits for it.
    pub fn split_found(&mut self, split: u32) {
        for node in &mut self.nodes {
            if let Body::Generators(generators) = &mut node.body
                && let Some(merged) = &mut generators.merged
            {
                merged.add(split);
            }
        }
    }

    /// A split of the source has fallen silent. Tells whether the whole source has, as far as this task
    /// is to judge.
    pub fn split_idle(&mut self, split: u32) -> Result<bool> {
        let mut idle = true;
        for index in 0..self.nodes.len() {
            let Body::Generators(generators) = &mut self.nodes[index].body else { continue };
            let Some(merged) = &mut generators.merged else { continue };
            let risen = merged.set_idle(split);
            idle &= merged.idle();
            if let Some(watermark) = risen {
                self.give(index, Chunk::watermark(watermark))?;
            }
        }
        Ok(idle)
    }

    /// All inputs have fallen silent.
    pub fn idle(&mut self) {
        self.senders.iter_mut().for_each(|sender| sender.idle(&mut self.outbox));
    }

    /// Nothing more will come.
    pub fn end(&mut self, drained: bool) {
        for node in &mut self.nodes {
            if let Body::Sink(sink) = &mut node.body {
                sink.end(&mut self.outbox);
            }
        }
        self.senders.iter_mut().for_each(|sender| sender.end(drained, &mut self.outbox));
    }

    /// Publishes the counters of all nodes.
    pub fn publish(&self) {
        for node in &self.nodes {
            node.counters.publish(&node.out.rows, node.busy_ns, node.watermark);
        }
    }

    /// Publishes how much state all nodes hold.
    pub fn publish_state(&mut self) {
        for node in &mut self.nodes {
            if let Body::Operator(operator) = &mut node.body {
                let bytes = operator.tables().iter().map(|(_, table)| table.bytes()).sum();
                node.counters.publish_state(bytes);
            }
        }
    }
}

impl ChainNode {
    fn save(&mut self, barrier: &Barrier, state: &mut TaskState) {
        let Some(id) = &self.state_id else { return };
        state.watermarks.push((id.clone(), self.watermark));
        match &mut self.body {
            Body::Operator(operator) => {
                for (name, table) in operator.tables() {
                    state.add(barrier, id, name.to_string(), table, self.groups.clone());
                }
            }
            Body::Generators(generators) => {
                for (split, generator) in &mut generators.by_split {
                    for (name, table) in generator.tables() {
                        let name = format!("{name}{SPLIT}{split}");
                        state.add(barrier, id, name, table, self.groups.clone());
                    }
                }
                let merged = generators.merged.as_ref();
                state
                    .watermarks
                    .extend(merged.into_iter().flat_map(|merged| merged.save(&generators.source)));
            }
            Body::Merge(ports) => state.watermarks.extend(ports.save(id)),
            Body::Source | Body::Pass | Body::Sink(_) => {}
        }
    }

    fn restore(&mut self, saved: RestoredTask<'_>) -> Result<()> {
        let Some(id) = &self.state_id else { return Ok(()) };
        self.watermark = saved.watermark(id);
        match &mut self.body {
            Body::Operator(operator) => {
                for (name, table) in operator.tables() {
                    saved.restore(id, name, table, self.groups.clone())?;
                }
                operator.on_restored()?;
            }
            Body::Generators(generators) => {
                for name in saved.tables_of(id) {
                    let Some((table_name, split)) = name.split_once(SPLIT) else { continue };
                    let Ok(split) = split.parse() else { continue };
                    let generator = generators.of_split(split)?;
                    for (_, table) in generator.tables().into_iter().filter(|(own, _)| *own == table_name) {
                        saved.restore(id, name, table, self.groups.clone())?;
                    }
                    generator.on_restored()?;
                }
                let Generators { merged, source, .. } = generators.as_mut();
                merged.iter_mut().for_each(|merged| merged.restore(saved.watermarks(), source));
            }
            Body::Merge(ports) => ports.restore_named(saved.watermarks(), id),
            Body::Source | Body::Pass | Body::Sink(_) => {}
        }
        Ok(())
    }

    fn operator(&self) -> Option<&dyn Operator> {
        match &self.body {
            Body::Operator(operator) => Some(operator.as_ref()),
            _ => None,
        }
    }

    fn take(
        &mut self,
        port: usize,
        mut chunk: Chunk,
        now_ms: i64,
        split: u32,
        outbox: &mut Outbox,
    ) -> Result<Vec<Chunk>> {
        let ctx = OperatorContext { now_ms, watermark: self.watermark };
        match &mut self.body {
            Body::Source => return Ok(vec![chunk]),
            Body::Pass => {}
            Body::Merge(ports) => chunk.marks = ports.advance(port, &chunk.marks),
            Body::Operator(operator) => {
                deliver(operator.as_mut(), port, chunk, &ctx, &mut self.out)?;
                return Ok(self.out.take_chunks());
            }
            Body::Generators(generators) => return generators.on_chunk(split, chunk, &ctx, &mut self.out),
            Body::Sink(sink) => {
                sink.take(chunk, &mut self.out.rows, outbox)?;
                return Ok(Vec::new());
            }
        }
        let rows = chunk.rows as u64;
        self.out.rows.input += rows;
        self.out.rows.forwarded += rows;
        self.out.rows.emitted += rows;
        Ok(vec![chunk])
    }
}
