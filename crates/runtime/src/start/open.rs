//! Opens the sources and sinks of a job.

use super::builder::{Builder, SourcePart};
use crate::fragment::Root;
use crate::metrics::SourceCounters;
use crate::options::JobOptions;
use crate::signal::TaskSignal;
use crate::sink::{SinkHead, SinkOut};
use crate::sink_edge::{PacketLimits, PacketQueue, SinkCheckpoints, Writer};
use crate::source_edge::ReaderCheckpoints;
use crate::source_queue::{Payload, SourceQueue};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidemill_connector::{LookupRequest, OpenLookup, OpenSource, TableRequest};
use tidemill_plan::{AskPlan, LookupJoinPlan, Node, NodeId, Operator, SinkPlan, SinkTarget, SourcePlan};
use tidemill_types::options::parse_duration;
use tidemill_types::{Chunk, Error, Options, Result, Schema, SystemDisk};

/// How long a split of a source that does not end may be silent unless told otherwise.
const IDLE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// How many bytes wait in front of a sink at most where checkpoints may be unaligned.
const PACKET_BYTES_UNALIGNED: usize = 128 << 10;
/// How many packets do.
const PACKETS_UNALIGNED: usize = 16;

impl Builder<'_> {
    pub(super) fn open_source(&mut self, at: usize) -> Result<Option<SourcePart>> {
        let fragment = &self.fragments[at];
        if fragment.kind == Root::Receiver {
            return Ok(None);
        }
        let queue = SourceQueue::new(self.options.queue_bytes_max, self.signals[at].clone());
        let queue = Arc::new(queue.within(self.options.memory.clone()));
        if let Some(restored) = &self.restored {
            queue.start_at(restored.sequence(&self.fragment_name(at)));
        }
        let counters = Arc::new(SourceCounters::default());
        let (open, idle_timeout) = match &self.plan.nodes[fragment.root].operator {
            Operator::Source(source) => {
                let open = open_source(source, &self.fragment_name(at), self.options)?;
                let idle_timeout = idle_timeout(source, open.bounded, self.options)?;
                self.metrics.sources.push((source.table.clone(), counters.clone()));
                (Some(open), idle_timeout)
            }
            Operator::Values { columns, rows } => {
                // Rows of the text itself stand before every barrier.
                if self.restored.is_none() {
                    queue.push(0, Payload::Rows(Chunk::new(columns.clone(), *rows)), None);
                }
                queue.end(true);
                (None, None)
            }
            other => return Err(Error::internal(format!("'{}' has no input", other.name()))),
        };
        let per_split = open.as_ref().is_some_and(|open| open.watermark_per_split);
        let name = self.fragment_name(at);
        let overtakable = self.unaligned().is_some();
        let board = self.board.as_mut().filter(|_| open.is_some());
        let checkpoints = board.map(|board| {
            let (reporter, orders) = board.add_reader(name.clone());
            let restored = self.restored.as_ref().and_then(|restored| restored.sources.get(&name).cloned());
            ReaderCheckpoints { reporter, orders, restored, overtakable, barrier: None }
        });
        Ok(Some(SourcePart { queue, open, per_split, idle_timeout, counters, checkpoints }))
    }

    pub(super) fn open_sink(
        &mut self,
        sink: &SinkPlan,
        node: &Node,
        signal: &TaskSignal,
    ) -> Result<SinkHead> {
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

    /// The part in checkpoints of the next sink of a node. What tasks of the run before had prepared goes to the first:
    /// what one of them prepared in several epochs must not be torn apart, and its parts do not say whose they are.
    fn sink_checkpoints(&mut self, uid: String) -> Option<SinkCheckpoints> {
        let board = self.board.as_mut()?;
        let is_first = board.sinks.iter().all(|(name, _)| *name != uid);
        let prepared = self.restored.as_ref().and_then(|restored| restored.sinks.get(&uid));
        let restored = prepared.filter(|_| is_first).cloned().unwrap_or_default();
        let (reporter, orders) = board.add_sink(uid);
        Some(SinkCheckpoints { reporter, orders, restored })
    }

    fn open_table_sink(
        &mut self,
        target: &SinkTarget,
        id: NodeId,
        schema: &Schema,
        signal: &TaskSignal,
    ) -> Result<SinkOut> {
        let SinkTarget::Table { table, connector, options, partition_by, metadata, primary_key, overwrite } =
            target
        else {
            return Err(Error::internal("a sink of a table"));
        };
        let connector = self.options.connectors.find(connector)?;
        let open = connector.sink.ok_or_else(|| cannot(table, connector.name, "written to"))?;
        let physical = Schema::new(schema.fields[..schema.len() - metadata.len()].to_vec());
        let wanted: Vec<usize> = (0..physical.len()).collect();
        let with_node = self.fragments.iter().filter(|fragment| fragment.nodes.contains(&id));
        let parallelism = with_node.map(|fragment| fragment.parallelism).sum();
        let uid = self.names[id].clone();
        let opened = open(&TableRequest {
            table,
            options: &without_connector(options),
            schema: &physical,
            wanted: &wanted,
            metadata,
            partition_by,
            primary_key,
            overwrite: *overwrite,
            // Two INSERTs may write one folder, so no two sinks of a job have the same number.
            task: self.sinks.len(),
            parallelism,
            zone: self.options.zone,
            run_id: &self.options.run_id,
            pipeline_id: &pipeline_id(self.options, &uid),
            checkpointed: self.board.is_some(),
            state_dir: state_dir(self.options),
            disk: Arc::new(SystemDisk),
        })?;
        let queue = Arc::new(PacketQueue::new(self.packet_limits(), signal.clone()));
        let checkpoints = self.sink_checkpoints(uid);
        let (sink, retry) = (opened.sink, self.options.retry);
        self.sinks.push(Writer { sink, queue: queue.clone(), retry, checkpoints, together: None });
        Ok(SinkOut::Packets { front: opened.front, queue })
    }
}

impl Builder<'_> {
    /// What waits in front of a sink. A barrier can't overtake it, so it is less where barriers shall not wait.
    fn packet_limits(&self) -> PacketLimits {
        let bytes = self.options.queue_bytes_max;
        match self.unaligned() {
            Some(_) => PacketLimits { bytes: bytes.min(PACKET_BYTES_UNALIGNED), packets: PACKETS_UNALIGNED },
            None => PacketLimits { bytes, packets: usize::MAX },
        }
    }
}

/// The name of a table's place in the pipeline.
fn pipeline_id(options: &JobOptions, uid: &str) -> String {
    let checkpoints = options.checkpoints.as_ref();
    checkpoints.map_or_else(String::new, |c| format!("{}-{}-{uid}", c.pipeline_id, c.job))
}

/// Where on this machine the run keeps what must survive.
fn state_dir(options: &JobOptions) -> Option<&Path> {
    options.checkpoints.as_ref()?.state_dir.as_deref()
}

pub(crate) fn open_source(source: &SourcePlan, uid: &str, options: &JobOptions) -> Result<OpenSource> {
    let connector = options.connectors.find(&source.connector)?;
    let open = connector.source.ok_or_else(|| cannot(&source.table, connector.name, "read"))?;
    with_request(source, uid, options, open)
}

/// A number that changes with what reading a table as a whole gives, if the connector can tell.
pub(crate) fn table_version(source: &SourcePlan, uid: &str, options: &JobOptions) -> Result<Option<u64>> {
    let connector = options.connectors.find(&source.connector)?;
    let version = connector.lookups.version;
    version.map(|version| with_request(source, uid, options, version)).transpose()
}

/// Opens a table that is asked by key.
pub(super) fn open_lookup(
    plan: &LookupJoinPlan,
    ask: &AskPlan,
    uid: &str,
    options: &JobOptions,
) -> Result<OpenLookup> {
    let source = &plan.table;
    let connector = options.connectors.find(&source.connector)?;
    let open = connector.lookups.open.ok_or_else(|| cannot(&source.table, connector.name, "looked up"))?;
    let keys: Vec<usize> = ask.keys.iter().map(|key| key.column).collect();
    with_request(source, uid, options, |request| open(&LookupRequest { table: request.clone(), keys: &keys }))
}

fn with_request<T>(
    source: &SourcePlan,
    uid: &str,
    options: &JobOptions,
    call: impl FnOnce(&TableRequest<'_>) -> Result<T>,
) -> Result<T> {
    call(&TableRequest {
        table: &source.table,
        options: &without_connector(&source.options),
        schema: &source.physical,
        wanted: &source.wanted,
        metadata: &source.metadata,
        partition_by: &source.partition_by,
        primary_key: &source.primary_key,
        overwrite: false,
        task: 0,
        parallelism: 1,
        zone: options.zone,
        run_id: &options.run_id,
        pipeline_id: &pipeline_id(options, uid),
        checkpointed: options.checkpoints.is_some(),
        state_dir: state_dir(options),
        disk: Arc::new(SystemDisk),
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
pub(super) fn wants_one_task(node: &Node, options: &JobOptions) -> bool {
    let Operator::Sink(SinkPlan { target: SinkTarget::Table { connector, options: given, .. }, .. }) =
        &node.operator
    else {
        return false;
    };
    given.get("sink.parallelism").is_some_and(|text| text.trim() == "1")
        || options.connectors.find(connector).is_ok_and(|connector| connector.single_task_sink)
}
