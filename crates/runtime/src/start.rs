//! From a plan to a running job: opens sources and sinks, lays lanes, builds chains, starts threads.
//!
//! 1. Cut the plan into fragments; task `i` of each fragment belongs to worker `i % workers`.
//! 2. Open the sources, because they say whether their splits have watermarks of their own.
//! 3. Lay the lanes of every edge, one for each pair of tasks.
//! 4. Build the chain of each task, opening its sinks.
//! 5. Start the edges and the workers.
//!
//! Invariant: nothing runs before everything is open, so a job that can't start has no effect but that of
//! opening.

use crate::chain::{Body, Chain, ChainNode, Generators, Target};
use crate::dead_letter::DeadLetters;
use crate::decode::SourceDecoder;
use crate::exchange::{KeyRouter, Outbox, Router, Sender};
use crate::fragment::{Fragment, Root, collects, cut};
use crate::job::{JobHandle, JobShared, PhaseWatch, phase_channel};
use crate::lane::Lane;
use crate::metrics::{OperatorEntry, Registry, SourceCounters, TaskCounters};
use crate::options::JobOptions;
use crate::receiver::{GroupOrder, Receiver};
use crate::signal::{TaskSignal, WorkerSignal};
use crate::sink::{SinkHead, SinkOut};
use crate::sink_edge::{PacketQueue, write_all};
use crate::source_edge::Reader;
use crate::source_queue::{Payload, SourceQueue};
use crate::task::{SourceInput, Task, TaskInput};
use crate::watermarks::InputWatermarks;
use crate::worker::Worker;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tidemill_connector::{OpenSource, Sink, TableRequest};
use tidemill_operators::{JobInfo, Output};
use tidemill_plan::{Exchange, Node, NodeId, Operator, SinkPlan, SinkTarget, SourcePlan, StreamPlan};
use tidemill_types::options::parse_duration;
use tidemill_types::{Chunk, Error, Options, Result, Schema, WATERMARK_NONE};

/// How long a split of a source that does not end may be silent unless told otherwise.
const IDLE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// A lane holds at least so much, however many lanes share a task's budget.
const LANE_BYTES_MIN: usize = 16 << 10;
/// Threads for sources and sinks; they wait nearly always.
const EDGE_THREADS: usize = 2;

/// Starts a job.
pub fn start(plan: &StreamPlan, options: JobOptions) -> Result<JobHandle> {
    let edges = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(EDGE_THREADS)
        .thread_name("tidemill-edge")
        .enable_all()
        .build()
        .map_err(|error| Error::external_fatal(format!("can't start threads: {error}")))?;
    let built = {
        let _entered = edges.enter();
        Builder::new(plan, &options)?.build()
    };
    match built {
        Ok(built) => Ok(built.launch(edges, &options)),
        Err(error) => {
            edges.shutdown_background();
            Err(error)
        }
    }
}

/// The pieces of a job as they come together.
struct Builder<'a> {
    plan: &'a StreamPlan,
    options: &'a JobOptions,
    fragments: Vec<Fragment>,
    workers: Vec<Arc<WorkerSignal>>,
    /// By fragment and task.
    signals: Vec<Vec<TaskSignal>>,
    /// By fragment; absent for receivers.
    sources: Vec<Option<SourcePart>>,
    /// By sending fragment, edge, sending task, then one for each lane of that task.
    lanes: Vec<Vec<Vec<Vec<Arc<Lane>>>>>,
    queued_rows: Vec<Vec<Arc<AtomicUsize>>>,
    metrics: Registry,
    entries: BTreeMap<NodeId, OperatorEntry>,
    sinks: Vec<(Box<dyn Sink>, Arc<PacketQueue>)>,
    dead_letters: Arc<DeadLetters>,
}

/// A source that was opened.
struct SourcePart {
    queue: Arc<SourceQueue>,
    open: Option<OpenSource>,
    per_split: bool,
    idle_timeout: Option<Duration>,
    counters: Arc<SourceCounters>,
}

/// A job that only has to be started.
struct Built {
    workers: Vec<(Arc<WorkerSignal>, Vec<Task>)>,
    sources: Vec<SourcePart>,
    sinks: Vec<(Box<dyn Sink>, Arc<PacketQueue>)>,
    metrics: Registry,
}

impl<'a> Builder<'a> {
    fn new(plan: &'a StreamPlan, options: &'a JobOptions) -> Result<Self> {
        let parallelism = options.parallelism.max(1);
        let single = |node: &Node| collects(node) || wants_one_task(node, options);
        let fragments = cut(plan, parallelism, single)?;
        let workers: Vec<_> = (0..parallelism).map(|_| Arc::new(WorkerSignal::default())).collect();
        let signal = |task: usize| TaskSignal::new(workers[task % parallelism].clone());
        let signals: Vec<Vec<_>> =
            fragments.iter().map(|f| (0..f.parallelism).map(signal).collect()).collect();
        let queued_rows =
            fragments.iter().map(|f| (0..f.parallelism).map(|_| Arc::default()).collect()).collect();
        Ok(Builder {
            plan,
            options,
            fragments,
            workers,
            signals,
            sources: Vec::new(),
            lanes: Vec::new(),
            queued_rows,
            metrics: Registry::default(),
            entries: BTreeMap::new(),
            sinks: Vec::new(),
            dead_letters: Arc::new(DeadLetters::new(options.dead_letter.clone(), options.zone)),
        })
    }

    fn build(mut self) -> Result<Built> {
        for at in 0..self.fragments.len() {
            let source = self.open_source(at)?;
            self.sources.push(source);
        }
        self.lay_lanes();
        let mut tasks: Vec<Vec<Task>> = self.workers.iter().map(|_| Vec::new()).collect();
        // Consumers come first: fragments are in topological order.
        for at in (0..self.fragments.len()).rev() {
            for task in 0..self.fragments[at].parallelism {
                let worker = task % tasks.len();
                let task = self.build_task(at, task)?;
                tasks[worker].push(task);
            }
        }
        self.metrics.operators = self.entries.into_values().collect();
        Ok(Built {
            workers: self.workers.into_iter().zip(tasks).collect(),
            sources: self.sources.into_iter().flatten().collect(),
            sinks: self.sinks,
            metrics: self.metrics,
        })
    }

    fn open_source(&mut self, at: usize) -> Result<Option<SourcePart>> {
        let fragment = &self.fragments[at];
        if fragment.kind == Root::Receiver {
            return Ok(None);
        }
        let queue = Arc::new(SourceQueue::new(self.options.queue_bytes_max, self.signals[at].clone()));
        let counters = Arc::new(SourceCounters::default());
        let (open, idle_timeout) = match &self.plan.nodes[fragment.root].operator {
            Operator::Source(source) => {
                let open = open_source(source, self.options)?;
                let idle_timeout = idle_timeout(source, open.bounded, self.options)?;
                self.metrics.sources.push((source.table.clone(), counters.clone()));
                (Some(open), idle_timeout)
            }
            Operator::Values { columns, rows } => {
                queue.push(0, Payload::Rows(Chunk::new(columns.clone(), *rows)));
                queue.end(true);
                (None, None)
            }
            other => return Err(Error::internal(format!("'{}' has no input", other.name()))),
        };
        let per_split = open.as_ref().is_some_and(|open| open.watermark_per_split);
        Ok(Some(SourcePart { queue, open, per_split, idle_timeout, counters }))
    }

    fn lay_lanes(&mut self) {
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

    fn build_task(&mut self, at: usize, task: usize) -> Result<Task> {
        let signal = self.signals[at][task].clone();
        let input = match self.fragments[at].kind {
            Root::Source => TaskInput::Source(self.source_input(at, task)),
            Root::Receiver => TaskInput::Lanes(self.receiver(at, task), self.queued_rows[at][task].clone()),
        };
        let nodes = self.chain_nodes(at, task, &signal)?;
        let senders = self.senders(at, task);
        let chain = Chain::new(nodes, senders, self.dead_letters.clone(), Outbox::new(signal.clone()));
        Ok(Task::new(signal, input, chain, self.options.chunk_rows_max.max(1)))
    }

    fn source_input(&self, at: usize, task: usize) -> SourceInput {
        let fragment = &self.fragments[at];
        let part = self.sources[at].as_ref().expect("the source was opened");
        let decoder = match &self.plan.nodes[fragment.root].operator {
            Operator::Source(source) => Some(SourceDecoder::new(
                Arc::new(source.clone()),
                self.options.zone,
                self.options.bad_records,
                self.dead_letters.clone(),
            )),
            _ => None,
        };
        SourceInput { queue: part.queue.clone(), task, decoder, open: None }
    }

    /// Merges the lanes to this task, a group for each port and sending fragment.
    fn receiver(&self, at: usize, task: usize) -> Receiver {
        let mut receiver = Receiver::new();
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
                let order = match &self.sources[from] {
                    Some(part) if !forward => {
                        GroupOrder::Sequence { per_split: part.per_split && fragment.parallelism > 1 }
                    }
                    _ => GroupOrder::Arrival,
                };
                receiver.add_group(edge.port, order, lanes.collect());
            }
        }
        receiver
    }

    fn senders(&self, at: usize, task: usize) -> Vec<Sender> {
        let fragment = &self.fragments[at];
        let senders = fragment.edges.iter().zip(&self.lanes[at]).map(|(edge, lanes)| {
            let router = match &edge.exchange {
                Exchange::Hash(keys) => {
                    let tasks = self.fragments[edge.to].parallelism;
                    Router::Keys(KeyRouter::new(&self.plan.nodes[edge.from].schema, keys, tasks))
                }
                Exchange::Forward | Exchange::Single => Router::One,
            };
            let tagged = fragment.kind == Root::Source && edge.exchange != Exchange::Forward;
            Sender::new(router, lanes[task].clone(), tagged)
        });
        senders.collect()
    }

    fn chain_nodes(&mut self, at: usize, task: usize, signal: &TaskSignal) -> Result<Vec<ChainNode>> {
        let fragment = self.fragments[at].clone();
        let mut nodes = Vec::new();
        for &id in &fragment.nodes {
            let node = &self.plan.nodes[id];
            let body = self.body(&fragment, at, node, task, signal)?;
            let counters = Arc::new(TaskCounters::default());
            self.entry(node, &fragment).tasks.push(counters.clone());
            nodes.push(ChainNode {
                uid: node.uid.clone(),
                input: self.input_schema(node),
                body,
                targets: targets(self.plan, &fragment, id),
                out: Output::new(self.options.keep_late),
                counters,
                watermark: WATERMARK_NONE,
                busy_ns: 0,
            });
        }
        let lanes = self.lanes_into(at);
        self.entry(&self.plan.nodes[fragment.root], &fragment).lanes = lanes;
        Ok(nodes)
    }

    fn lanes_into(&self, at: usize) -> Vec<Arc<Lane>> {
        let edges = self.fragments.iter().zip(&self.lanes).flat_map(|(f, lanes)| f.edges.iter().zip(lanes));
        edges
            .filter(|(edge, _)| edge.to == at)
            .flat_map(|(_, lanes)| lanes.iter().flatten().cloned())
            .collect()
    }

    fn entry(&mut self, node: &Node, fragment: &Fragment) -> &mut OperatorEntry {
        self.entries.entry(node.id).or_insert_with(|| OperatorEntry {
            source: fragment.kind == Root::Source && fragment.root == node.id,
            uid: node.uid.clone(),
            name: node.operator.name().to_string(),
            tasks: Vec::new(),
            lanes: Vec::new(),
        })
    }

    fn input_schema(&self, node: &Node) -> Schema {
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
            key_groups: tidemill_types::key::KEY_GROUPS,
            parallelism: fragment.parallelism as u32,
            task: task as u32,
            keep_late: self.options.keep_late,
        };
        Ok(match &node.operator {
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
                Body::Generators(Box::new(Generators::new(node.clone(), input, job, merge)))
            }
            Operator::Sink(sink) => Body::Sink(self.open_sink(sink, node, signal)?),
            _ => {
                let inputs: Vec<&Schema> =
                    node.inputs.iter().map(|input| &self.plan.nodes[input.node].schema).collect();
                Body::Operator(tidemill_operators::build(node, &inputs, &job)?)
            }
        })
    }

    fn open_sink(&mut self, sink: &SinkPlan, node: &Node, signal: &TaskSignal) -> Result<SinkHead> {
        let mut schema = self.input_schema(node);
        if node.schema.len() == schema.len() {
            schema = node.schema.clone();
        }
        let out = match &sink.target {
            SinkTarget::Collect => {
                let sender = self.options.collect.clone();
                let sender = sender.ok_or_else(|| Error::internal("nobody takes the rows of this query"))?;
                SinkOut::Collect(Arc::new(sender))
            }
            SinkTarget::Table { .. } => self.open_table_sink(&sink.target, node.id, &schema, signal)?,
        };
        Ok(SinkHead::new(sink, &schema, out))
    }

    fn open_table_sink(
        &mut self,
        target: &SinkTarget,
        id: NodeId,
        schema: &Schema,
        signal: &TaskSignal,
    ) -> Result<SinkOut> {
        let SinkTarget::Table { table, connector, options, partition_by, primary_key, overwrite } = target
        else {
            return Err(Error::internal("a sink of a table"));
        };
        let connector = self.options.connectors.find(connector)?;
        let open = connector.sink.ok_or_else(|| cannot(table, connector.name, "written to"))?;
        let wanted: Vec<usize> = (0..schema.len()).collect();
        let with_node = self.fragments.iter().filter(|fragment| fragment.nodes.contains(&id));
        let parallelism = with_node.map(|fragment| fragment.parallelism).sum();
        let opened = open(&TableRequest {
            table,
            options: &without_connector(options),
            schema,
            wanted: &wanted,
            metadata: &[],
            partition_by,
            primary_key,
            overwrite: *overwrite,
            // Two INSERTs may write one folder, so no two sinks of a job have the same number.
            task: self.sinks.len(),
            parallelism,
            zone: self.options.zone,
            run_id: &self.options.run_id,
        })?;
        let queue = Arc::new(PacketQueue::new(self.options.queue_bytes_max, signal.clone()));
        self.sinks.push((opened.sink, queue.clone()));
        Ok(SinkOut::Packets { front: opened.front, queue })
    }
}

impl Built {
    fn launch(self, edges: tokio::runtime::Runtime, options: &JobOptions) -> JobHandle {
        let (phase, watch) = phase_channel();
        let readers = self.sources.iter().filter(|part| part.open.is_some()).count();
        let parts = self.workers.len() + readers + self.sinks.len();
        let signals = self.workers.iter().map(|(signal, _)| signal.clone()).collect();
        let job = Arc::new(JobShared::new(signals, parts, self.metrics, phase));
        for part in self.sources {
            let Some(open) = part.open else { continue };
            let reader = Reader {
                open,
                queue: part.queue,
                phase: watch.clone(),
                clock: options.clock.clone(),
                idle_timeout: part.idle_timeout,
                retry: options.retry,
                counters: part.counters,
            };
            edges.spawn(run_edge(job.clone(), watch.clone(), reader.run()));
        }
        for (sink, queue) in self.sinks {
            edges.spawn(run_edge(job.clone(), watch.clone(), write_all(sink, queue, options.retry)));
        }
        for (at, (signal, tasks)) in self.workers.into_iter().enumerate() {
            let worker = Worker { tasks, signal, clock: options.clock.clone(), job: job.clone() };
            let job = job.clone();
            let run = move || {
                worker.run();
                job.part_ended();
            };
            std::thread::Builder::new()
                .name(format!("tidemill-worker-{at}"))
                .spawn(run)
                .expect("threads can be started");
        }
        JobHandle::new(job, edges)
    }
}

/// Runs an edge until it ends or the job is torn down. A panic of a connector ends the job.
async fn run_edge(
    job: Arc<JobShared>,
    mut watch: PhaseWatch,
    edge: impl Future<Output = Result<()>> + Send + 'static,
) {
    let mut edge = tokio::spawn(edge);
    tokio::select! {
        biased;
        () = watch.aborted() => edge.abort(),
        ended = &mut edge => match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => job.fail(error),
            Err(panic) => job.fail(Error::internal(format!("a connector panicked: {panic}"))),
        },
    }
    job.part_ended();
}

fn open_source(source: &SourcePlan, options: &JobOptions) -> Result<OpenSource> {
    let connector = options.connectors.find(&source.connector)?;
    let open = connector.source.ok_or_else(|| cannot(&source.table, connector.name, "read"))?;
    open(&TableRequest {
        table: &source.table,
        options: &without_connector(&source.options),
        schema: &source.physical,
        wanted: &source.wanted,
        metadata: &source.metadata,
        partition_by: &source.partition_by,
        primary_key: &[],
        overwrite: false,
        task: 0,
        parallelism: 1,
        zone: options.zone,
        run_id: &options.run_id,
    })
}

fn idle_timeout(source: &SourcePlan, bounded: bool, options: &JobOptions) -> Result<Option<Duration>> {
    const KEY: &str = "scan.watermark.idle-timeout";
    let own = match source.options.get(KEY) {
        None => None,
        Some(text) => match parse_duration(text) {
            Some(duration) => Some(duration),
            None => return Err(Error::user(format!("option '{KEY}' is '{text}', but must be a duration"))),
        },
    };
    let default = (!bounded).then_some(IDLE_TIMEOUT_DEFAULT);
    Ok(own.or(options.idle_timeout).or(default).filter(|timeout| !timeout.is_zero()))
}

fn without_connector(options: &Options) -> Options {
    let mut options = options.clone();
    options.0.remove("connector");
    options
}

fn cannot(table: &str, connector: &str, what: &str) -> Error {
    Error::user(format!("table '{table}' can't be {what}: the connector '{connector}' does not offer that"))
}

/// Whether a sink's connector or options ask for a single task.
fn wants_one_task(node: &Node, options: &JobOptions) -> bool {
    let Operator::Sink(SinkPlan { target: SinkTarget::Table { connector, options: given, .. }, .. }) =
        &node.operator
    else {
        return false;
    };
    given.get("sink.parallelism").is_some_and(|text| text.trim() == "1")
        || options.connectors.find(connector).is_ok_and(|connector| connector.single_task_sink)
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
