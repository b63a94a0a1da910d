//! Test connectors over scripts in memory, and plans put together by hand.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, BooleanArray};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use tidemill_connector::*;
use tidemill_plan::stream::NotNullEnforcer;
use tidemill_plan::*;
use tidemill_runtime::{JobOptions, Retry, RunSummary, collect_channel};
use tidemill_types::*;

/// What a scripted source does, step by step.
#[derive(Clone)]
pub enum Act {
    /// A blob of JSON lines of a split.
    Json(u32, String),
    /// Fails once, retryably or not.
    Fail(bool),
    /// Waits for so many milliseconds.
    Pause(u64),
    /// Waits for ever.
    Hang,
}

/// Rows `{"k":…,"v":…,"ts":…}` as one blob of split 0.
pub fn rows(rows: &[(i64, i64, i64)]) -> Act {
    Act::Json(0, lines(rows))
}

pub fn lines(rows: &[(i64, i64, i64)]) -> String {
    let line = |&(k, v, ts): &(i64, i64, i64)| {
        let mut text = b"{\"k\":".to_vec();
        text.extend_from_slice(format!("{k},\"v\":{v},\"ts\":\"").as_bytes());
        text::write_timestamp(&mut text, ts, 3, b' ');
        text.extend_from_slice(b"\"}\n");
        String::from_utf8(text).unwrap()
    };
    rows.iter().map(line).collect()
}

type Scripts = Mutex<HashMap<String, (Vec<Act>, bool)>>;
static SCRIPTS: LazyLock<Scripts> = LazyLock::new(Mutex::default);
type Written = Arc<Mutex<Vec<Chunk>>>;
static WRITTEN: LazyLock<Mutex<HashMap<String, Written>>> = LazyLock::new(Mutex::default);
static FINISHED: LazyLock<Mutex<HashMap<String, usize>>> = LazyLock::new(Mutex::default);
static IDS: AtomicUsize = AtomicUsize::new(0);

/// A name that no other test uses.
pub fn fresh_id() -> String {
    format!("t{}", IDS.fetch_add(1, Ordering::Relaxed))
}

struct ScriptedSource {
    acts: VecDeque<Act>,
    offset: u64,
}

#[async_trait::async_trait]
impl Source for ScriptedSource {
    async fn next(&mut self) -> Result<Fetched> {
        loop {
            match self.acts.front().cloned() {
                None => return Ok(Fetched::End),
                Some(Act::Hang) => std::future::pending().await,
                Some(Act::Pause(ms)) => {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    self.acts.pop_front();
                }
                Some(Act::Fail(retryable)) => {
                    self.acts.pop_front();
                    return Err(Error::External { message: "the wire broke".into(), retryable });
                }
                Some(Act::Json(split, text)) => {
                    self.acts.pop_front();
                    let place = Place {
                        split: format!("part-{split}").into(),
                        split_index: split,
                        offset: self.offset,
                        line: 1,
                    };
                    self.offset += text.len() as u64;
                    let blob = Blob::lines(text.into_bytes());
                    return Ok(Fetched::Blob(FetchedBlob::new(blob, place)));
                }
            }
        }
    }
}

struct CollectingSink {
    id: String,
    written: Written,
    fail: usize,
}

#[async_trait::async_trait]
impl Sink for CollectingSink {
    async fn write(&mut self, packet: Packet) -> Result<()> {
        if self.fail > 0 {
            self.fail -= 1;
            return Err(Error::external("the sink is busy"));
        }
        let chunk = packet.chunk.or(packet.watermark.map(Chunk::watermark));
        self.written.lock().unwrap().extend(chunk);
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        *FINISHED.lock().unwrap().entry(self.id.clone()).or_default() += 1;
        Ok(())
    }
}

pub fn connectors() -> ConnectorRegistry {
    let source: fn(&TableRequest<'_>) -> Result<OpenSource> = |request| {
        let (acts, per_split) = SCRIPTS.lock().unwrap()[request.options.get("id").unwrap()].clone();
        let bounded = !acts.iter().any(|act| matches!(act, Act::Hang));
        let source = Box::new(ScriptedSource { acts: acts.into(), offset: 0 });
        Ok(OpenSource { source, bounded, watermark_per_split: per_split, replayable: false })
    };
    let sink: fn(&TableRequest<'_>) -> Result<OpenSink> = |request| {
        let id = request.options.get("id").unwrap().to_string();
        let written = WRITTEN.lock().unwrap().entry(id.clone()).or_default().clone();
        Ok(OpenSink {
            front: Box::new(NoFront),
            sink: Box::new(CollectingSink { id, written, fail: 2 }),
            guarantee: Guarantee::AtLeastOnce,
        })
    };
    ConnectorRegistry(vec![Arc::new(Connector {
        name: "script",
        summary: "",
        options: &[],
        formatted: true,
        metadata: &[],
        sink_takes_changes: true,
        sink_skips_update_before: false,
        finds_fields_by_name: false,
        upserts: false,
        bounded: |_| true,
        check: |_| Ok(()),
        source: Some(source),
        sink: Some(sink),
        lookups: Lookups::NONE,
        single_task_sink: false,
    })])
}

pub fn written_chunks(id: &str) -> Vec<Chunk> {
    WRITTEN.lock().unwrap().get(id).map(|w| w.lock().unwrap().clone()).unwrap_or_default()
}

pub fn written(id: &str) -> Vec<Row> {
    written_chunks(id).iter().flat_map(rows_of).collect()
}

pub fn finished(id: &str) -> usize {
    FINISHED.lock().unwrap().get(id).copied().unwrap_or_default()
}

pub fn schema() -> Schema {
    let time = Field::new("ts", TypeKind::Timestamp(3).nullable()).with_time(TimeAttribute::Rowtime);
    Schema::new(vec![
        Field::new("k", TypeKind::BigInt.nullable()),
        Field::new("v", TypeKind::BigInt.nullable()),
        time,
    ])
}

/// Builds plans over rows (k, v, ts).
#[derive(Default)]
pub struct PlanBuilder(pub StreamPlan);

impl PlanBuilder {
    pub fn node(&mut self, operator: Operator, inputs: Vec<Input>) -> NodeId {
        let schema = schema();
        let changelog = ChangelogMode::APPEND;
        self.0.push(Node { id: 0, uid: String::new(), operator, inputs, schema, changelog, upsert_key: None })
    }

    pub fn source(&mut self, acts: Vec<Act>) -> NodeId {
        self.source_with(acts, false, &[])
    }

    pub fn source_with(&mut self, acts: Vec<Act>, per_split: bool, options: &[(&str, &str)]) -> NodeId {
        let id = fresh_id();
        SCRIPTS.lock().unwrap().insert(id.clone(), (acts, per_split));
        let mut all = Options::new([("id", id.as_str()), ("format", "json")]);
        all.0.extend(options.iter().map(|(key, value)| (key.to_string(), value.to_string())));
        let source = SourcePlan {
            table: "events".into(),
            connector: "script".into(),
            options: all,
            physical: schema(),
            wanted: vec![0, 1, 2],
            metadata: Vec::new(),
            narrows_rows: false,
            partition_by: Vec::new(),
            primary_key: Vec::new(),
            bounded: true,
        };
        self.node(Operator::Source(source), Vec::new())
    }

    /// The watermark is the time itself.
    pub fn watermark(&mut self, from: NodeId) -> NodeId {
        let watermark = Expr::column(2, "ts", TypeKind::Timestamp(3).nullable());
        self.node(Operator::Watermark { watermark, time_column: 2 }, vec![forward(from)])
    }

    pub fn calc(&mut self, from: NodeId, filter: Option<Expr>) -> NodeId {
        let columns = schema().fields;
        let project = columns
            .iter()
            .enumerate()
            .map(|(i, f)| Expr::column(i, f.name.clone(), f.data_type.clone()))
            .collect();
        self.node(Operator::Calc { filter, project }, vec![forward(from)])
    }

    pub fn union(&mut self, inputs: Vec<Input>) -> NodeId {
        self.node(Operator::Union, inputs)
    }

    pub fn collect(&mut self, from: NodeId) -> NodeId {
        let sink = SinkPlan {
            target: SinkTarget::Collect,
            not_null: NotNullEnforcer::Error,
            not_null_columns: Vec::new(),
        };
        self.node(Operator::Sink(sink), vec![single(from)])
    }

    pub fn table_sink(&mut self, from: NodeId, not_null: NotNullEnforcer, columns: Vec<usize>) -> String {
        let id = fresh_id();
        let target = SinkTarget::Table {
            table: "out".into(),
            connector: "script".into(),
            options: Options::new([("id", id.as_str())]),
            partition_by: Vec::new(),
            metadata: Vec::new(),
            primary_key: Vec::new(),
            overwrite: false,
        };
        let sink = SinkPlan { target, not_null, not_null_columns: columns };
        self.node(Operator::Sink(sink), vec![forward(from)]);
        id
    }
}

pub fn forward(node: NodeId) -> Input {
    Input { node, exchange: Exchange::Forward }
}

pub fn hash(node: NodeId) -> Input {
    Input { node, exchange: Exchange::Hash(vec![0]) }
}

pub fn single(node: NodeId) -> Input {
    Input { node, exchange: Exchange::Single }
}

/// A condition over `v`, computed by a closure.
pub fn condition(keep: impl Fn(i64) -> bool + Send + Sync + 'static) -> Expr {
    Expr::Call {
        name: "TEST".into(),
        kernel: Arc::new(Condition(Box::new(keep))),
        args: vec![Expr::column(1, "v", TypeKind::BigInt.nullable())],
        data_type: TypeKind::Boolean.nullable(),
    }
}

struct Condition(Box<dyn Fn(i64) -> bool + Send + Sync>);

impl Kernel for Condition {
    fn eval(&self, args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
        let values: ArrayRef = args[0].clone().into_array(ctx.rows);
        let values = values.as_primitive::<Int64Type>();
        let kept: BooleanArray = values.iter().map(|value| value.map(&self.0)).collect();
        Ok(Datum::Array(Arc::new(kept)))
    }
}

/// A row with the watermark that stood before it (counted from its chunk only).
pub type Row = (Option<i64>, Option<i64>, Option<i64>);

pub fn rows_of(chunk: &Chunk) -> Vec<Row> {
    if chunk.rows == 0 {
        return Vec::new();
    }
    let ints = |i: usize| chunk.columns[i].as_primitive::<Int64Type>().clone();
    let (k, v) = (ints(0), ints(1));
    let ts = chunk.columns[2].as_primitive::<TimestampMillisecondType>();
    let at = |row: usize, a: &arrow_array::Int64Array| a.is_valid(row).then(|| a.value(row));
    (0..chunk.rows).map(|r| (at(r, &k), at(r, &v), ts.is_valid(r).then(|| ts.value(r)))).collect()
}

pub fn options(parallelism: usize) -> JobOptions {
    let retry =
        Retry { attempts_max: 5, pause: Duration::from_millis(1), pause_max: Duration::from_millis(5) };
    JobOptions { parallelism, retry, ..JobOptions::new(connectors()) }
}

pub struct Outcome {
    pub chunks: Vec<Chunk>,
    pub summary: RunSummary,
}

impl Outcome {
    pub fn rows(&self) -> Vec<Row> {
        self.chunks.iter().flat_map(rows_of).collect()
    }
}

/// Each row's `v` with the last watermark that was told before it.
pub fn watermarks(chunks: &[Chunk]) -> Vec<(i64, i64)> {
    let mut out = Vec::new();
    let mut watermark = WATERMARK_NONE;
    for chunk in chunks {
        for (at, row) in rows_of(chunk).into_iter().enumerate() {
            out.push((row.1.unwrap(), chunk.marks.before(at).unwrap_or(watermark)));
        }
        watermark = chunk.marks.last().unwrap_or(watermark);
    }
    out
}

/// Runs a plan with a SELECT to its end.
pub fn run(plan: &StreamPlan, mut options: JobOptions) -> Result<Outcome> {
    let (sender, receiver) = collect_channel(1 << 20);
    options.collect = Some(sender);
    let handle = tidemill_runtime::start(plan, options)?;
    let chunks: Vec<Chunk> = std::iter::from_fn(|| receiver.recv()).collect();
    let summary = handle.wait()?;
    for operator in &summary.metrics.operators {
        assert!(operator.rows.balanced(), "{}: {:?}", operator.uid, operator.rows);
    }
    Ok(Outcome { chunks, summary })
}
