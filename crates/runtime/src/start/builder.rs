//! The pieces of a job as they come together: fragments, signals, sources, lanes, tasks.

use super::Built;
use super::phases::choose_phases;
use crate::chain::Chain;
use crate::checkpoint::{Board, CheckpointOptions, Restored, SavedJob, not_here};
use crate::dead_letter::{DeadLetters, TaskLetters};
use crate::decode::SourceDecoder;
use crate::exchange::Outbox;
use crate::fragment::{Fragment, Root, collects, cut};
use crate::lane::Lane;
use crate::lookup_edge::Asker;
use crate::lookup_table::Reloader;
use crate::metrics::{OperatorEntry, Registry, SourceCounters};
use crate::options::JobOptions;
use crate::signal::{TaskSignal, WorkerSignal};
use crate::sink_edge::Writer;
use crate::source_edge::ReaderCheckpoints;
use crate::source_queue::SourceQueue;
use crate::start::open::wants_one_task;
use crate::task::{SourceInput, Task, TaskCheckpoints, TaskInput};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;
use tidemill_connector::{OpenLookup, OpenSource};
use tidemill_operators::LocalPhase;
use tidemill_operators::lookup_join::SharedTable;
use tidemill_plan::{Node, NodeId, Operator, StreamPlan, stable_ids};
use tidemill_types::{Error, Result, SystemDisk};

/// The pieces of a job as they come together.
pub(super) struct Builder<'a> {
    pub(super) plan: &'a StreamPlan,
    pub(super) options: &'a JobOptions,
    /// The stable names of all nodes.
    pub(super) names: Vec<String>,
    pub(super) fragments: Vec<Fragment>,
    pub(super) workers: Vec<Arc<WorkerSignal>>,
    /// By fragment and task.
    pub(super) signals: Vec<Vec<TaskSignal>>,
    /// By fragment; absent for receivers.
    pub(super) sources: Vec<Option<SourcePart>>,
    /// By receiving fragment: what its senders aggregate before the exchange.
    pub(super) phases: Vec<Option<LocalPhase>>,
    /// By sending fragment, edge, sending task, then one for each lane of that task.
    pub(super) lanes: Vec<Vec<Vec<Vec<Arc<Lane>>>>>,
    pub(super) queued_rows: Vec<Vec<Arc<AtomicUsize>>>,
    pub(super) metrics: Registry,
    pub(super) entries: BTreeMap<NodeId, OperatorEntry>,
    /// The threads of the edges.
    pub(super) edges: &'a tokio::runtime::Runtime,
    /// The tables of lookup joins that hold them as a whole, by node.
    pub(super) tables: BTreeMap<NodeId, Arc<SharedTable>>,
    pub(super) reloaders: Vec<Reloader>,
    /// The tables of lookup joins that ask, by node.
    pub(super) lookups: BTreeMap<NodeId, Arc<OpenLookup>>,
    pub(super) askers: Vec<Asker>,
    pub(super) sinks: Vec<Writer>,
    /// The channels of checkpoints, if there are any.
    pub(super) board: Option<Board>,
    pub(super) lost_changes: Arc<AtomicBool>,
    /// What the job goes on from.
    pub(super) restored: Option<Restored>,
    pub(super) dead_letters: Arc<DeadLetters>,
}

/// A source that was opened.
pub(super) struct SourcePart {
    pub(super) queue: Arc<SourceQueue>,
    pub(super) open: Option<OpenSource>,
    pub(super) per_split: bool,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) counters: Arc<SourceCounters>,
    pub(super) checkpoints: Option<ReaderCheckpoints>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(
        plan: &'a StreamPlan,
        options: &'a JobOptions,
        edges: &'a tokio::runtime::Runtime,
    ) -> Result<Self> {
        let parallelism = options.parallelism.max(1);
        let single = |node: &Node| collects(node) || wants_one_task(node, options);
        let fragments = cut(plan, parallelism, single)?;
        let workers: Vec<_> = (0..parallelism).map(|_| Arc::new(WorkerSignal::default())).collect();
        let signal = |task: usize| TaskSignal::new(workers[task % parallelism].clone());
        let signals: Vec<Vec<_>> =
            fragments.iter().map(|f| (0..f.parallelism).map(signal).collect()).collect();
        let queued_rows =
            fragments.iter().map(|f| (0..f.parallelism).map(|_| Arc::default()).collect()).collect();
        let from = options.checkpoints.as_ref().and_then(|checkpoints| checkpoints.from.as_deref());
        let restored = from.map(SavedJob::take).transpose()?;
        Ok(Builder {
            plan,
            options,
            names: stable_ids(plan),
            fragments,
            workers,
            signals,
            sources: Vec::new(),
            phases: Vec::new(),
            lanes: Vec::new(),
            queued_rows,
            metrics: Registry::default(),
            entries: BTreeMap::new(),
            sinks: Vec::new(),
            edges,
            tables: BTreeMap::new(),
            reloaders: Vec::new(),
            lookups: BTreeMap::new(),
            askers: Vec::new(),
            board: options.checkpoints.as_ref().map(|_| Board::new()),
            lost_changes: Arc::default(),
            restored,
            dead_letters: Arc::new(DeadLetters::new(
                options.dead_letter.clone(),
                options.zone,
                Arc::new(SystemDisk),
                options.checkpoints.as_ref().map(CheckpointOptions::stand),
            )?),
        })
    }

    pub(super) fn build(mut self) -> Result<Built> {
        self.check_in_flight()?;
        for at in 0..self.fragments.len() {
            let source = self.open_source(at)?;
            self.sources.push(source);
        }
        self.phases = choose_phases(self.plan, &self.fragments, &self.sources, self.options.keep_late);
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
        if let Some(restored) = &self.restored {
            restore(restored, &mut tasks)?;
        }
        let unaligned = self.unaligned();
        self.metrics.operators = self.entries.into_values().collect();
        Ok(Built {
            unaligned,
            workers: self.workers.into_iter().zip(tasks).collect(),
            sources: self.sources.into_iter().flatten().collect(),
            sinks: self.sinks,
            askers: self.askers,
            reloaders: self.reloaders,
            metrics: self.metrics,
            board: self.board,
            lost_changes: self.lost_changes,
        })
    }

    fn build_task(&mut self, at: usize, task: usize) -> Result<Task> {
        let signal = self.signals[at][task].clone();
        let letters = Arc::new(TaskLetters::new(self.dead_letters.clone(), self.first_epoch()));
        let input = match (self.fragments[at].kind, self.asked(at)) {
            (Root::Source, _) => TaskInput::Source(self.source_input(at, task, letters.clone())),
            (Root::Receiver, Some((plan, ask))) => {
                TaskInput::Lookup(Box::new(self.lookup_stage(at, task, &plan, &ask, &signal)?))
            }
            (Root::Receiver, None) => {
                TaskInput::Lanes(self.receiver(at, task)?, self.queued_rows[at][task].clone())
            }
        };
        let nodes = self.chain_nodes(at, task, &signal)?;
        let senders = self.senders(at, task);
        let chain = Chain::new(nodes, senders, letters, Outbox::new(signal.clone()));
        let fragment = self.fragment_name(at);
        let overtakable = self.unaligned().is_some();
        let checkpoints = self.board.as_mut().map(|board| TaskCheckpoints {
            reporter: board.add_task(signal.clone()),
            place: (fragment, task),
            tracked: self.restored.is_some(),
            lost_changes: self.lost_changes.clone(),
            overtaking: overtakable.then(|| board.overtaking.clone()),
            last: 0,
            waits_since: None,
            waited: Duration::ZERO,
        });
        Ok(Task::new(signal, input, chain, self.options.chunk_rows_max.max(1), checkpoints))
    }

    /// After which time a barrier overtakes. Rows that wait for the answers of a table are in no lane: then it never does.
    pub(super) fn unaligned(&self) -> Option<Duration> {
        let asks = (0..self.fragments.len()).any(|at| self.asked(at).is_some());
        self.options.unaligned().filter(|_| !asks)
    }

    /// The number of the first epoch that this run may complete.
    fn first_epoch(&self) -> u64 {
        let from = self.options.checkpoints.as_ref().and_then(|checkpoints| checkpoints.from.as_ref());
        from.map_or(1, |loaded| loaded.next_epoch)
    }

    /// Every task in front of which a barrier had overtaken rows must be there to read them.
    fn check_in_flight(&self) -> Result<()> {
        let tasks = |fragment: &str| {
            let at = (0..self.fragments.len()).find(|&at| self.fragment_name(at) == fragment);
            at.map_or(0, |at| self.fragments[at].parallelism)
        };
        let places = self.restored.iter().flat_map(Restored::in_flight_places);
        match places
            .into_iter()
            .all(|(fragment, task)| task.parse().is_ok_and(|task: usize| task < tasks(fragment)))
        {
            true => Ok(()),
            false => Err(not_here()),
        }
    }

    fn source_input(&self, at: usize, task: usize, letters: Arc<TaskLetters>) -> SourceInput {
        let fragment = &self.fragments[at];
        let part = self.sources[at].as_ref().expect("the source was opened");
        let decoder = match &self.plan.nodes[fragment.root].operator {
            Operator::Source(source) => Some(SourceDecoder::new(
                Arc::new(source.clone()),
                self.options.zone,
                self.options.bad_records,
                letters,
            )),
            _ => None,
        };
        SourceInput { queue: part.queue.clone(), task, decoder, open: None }
    }
}

/// Fills the tables of all tasks, those of each worker in a thread of their own.
fn restore(restored: &Restored, tasks: &mut [Vec<Task>]) -> Result<()> {
    let fill = |tasks: &mut Vec<Task>| tasks.iter_mut().try_for_each(|task| task.restore(restored));
    std::thread::scope(|scope| {
        let threads: Vec<_> = tasks.iter_mut().map(|tasks| scope.spawn(|| fill(tasks))).collect();
        let mut joined = threads.into_iter().map(|thread| thread.join());
        joined.try_for_each(|filled| {
            filled.unwrap_or_else(|_| Err(Error::internal("filling a task's tables panicked")))
        })
    })
}
