//! The stream plan: operators, the exchanges between them, and what flows on them, as plain data.
//!
//! Invariant: nodes are in topological order; a node's inputs have smaller ids. Column indices refer to the
//! schema of the input node.

use crate::join::{IntervalJoinPlan, JoinPlan, TemporalJoinPlan, WindowJoinPlan};
use crate::lookup::LookupJoinPlan;
use crate::over::OverPlan;
use crate::pattern::MatchRecognizePlan;
use crate::rank::{DeduplicatePlan, TimeSortPlan, TopNPlan, WindowTopNPlan};
use crate::{AggregateCall, Expr, WindowProperty, WindowSpec};
use arrow_array::ArrayRef;
use std::fmt;
use tidemill_types::{DataType, Options, RowKind, Schema};

/// The index of a node in its plan.
pub type NodeId = usize;

/// A whole job.
#[derive(Debug, Clone, Default)]
pub struct StreamPlan {
    /// The nodes in topological order.
    pub nodes: Vec<Node>,
}

/// One operator of a job.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its place in the plan.
    pub id: NodeId,
    /// A name that stays the same when the rest of the pipeline changes.
    pub uid: String,
    /// What it does.
    pub operator: Operator,
    /// Where its rows come from, one for each port. A [`Operator::Union`] has many.
    pub inputs: Vec<Input>,
    /// The columns it gives.
    pub schema: Schema,
    /// The kinds of change it gives.
    pub changelog: ChangelogMode,
    /// Columns that identify a row in its changelog.
    pub upsert_key: Option<Vec<usize>>,
}

/// An edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The node above.
    pub node: NodeId,
    /// How rows get from its tasks to this node's tasks.
    pub exchange: Exchange,
}

/// How rows get from task to task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exchange {
    /// Inside the same task, without a queue.
    Forward,
    /// By the key group of these columns.
    Hash(Vec<usize>),
    /// All to one task.
    Single,
}

/// Which kinds of change a node gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChangelogMode {
    /// Whether it gives `+U` (and `-U` if `update_before`).
    pub update: bool,
    /// Whether `-U` goes before each `+U`.
    pub update_before: bool,
    /// Whether it gives `-D`.
    pub delete: bool,
}

impl ChangelogMode {
    /// Inserts only.
    pub const APPEND: ChangelogMode = ChangelogMode { update: false, update_before: false, delete: false };
    /// Every kind.
    pub const RETRACT: ChangelogMode = ChangelogMode { update: true, update_before: true, delete: true };
    /// Without `-U`.
    pub const UPSERT: ChangelogMode = ChangelogMode { update: true, update_before: false, delete: true };

    /// Whether it is inserts only.
    pub fn append_only(self) -> bool {
        self == ChangelogMode::APPEND
    }

    /// The kinds of both.
    pub fn union(self, other: ChangelogMode) -> ChangelogMode {
        ChangelogMode {
            update: self.update || other.update,
            update_before: self.update_before || other.update_before,
            delete: self.delete || other.delete,
        }
    }
}

impl fmt::Display for ChangelogMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[I")?;
        f.write_str(if self.update && self.update_before { ",UB" } else { "" })?;
        f.write_str(if self.update { ",UA" } else { "" })?;
        f.write_str(if self.delete { ",D]" } else { "]" })
    }
}

/// What a node does.
#[derive(Debug, Clone)]
pub enum Operator {
    /// Reads a table. Gives the wanted physical columns, then the metadata columns.
    Source(SourcePlan),
    /// Gives constant rows once.
    Values {
        /// One array for each column.
        columns: Vec<ArrayRef>,
        /// How many rows.
        rows: usize,
    },
    /// Keeps rows for which the filter is TRUE and computes columns.
    Calc {
        /// Absent: keeps all.
        filter: Option<Expr>,
        /// The columns it gives.
        project: Vec<Expr>,
    },
    /// Raises the watermark by an expression over each row, after the row.
    Watermark {
        /// Gives the watermark (a timestamp).
        watermark: Expr,
        /// The time attribute; NULL in it ends the run.
        time_column: usize,
    },
    /// Gives each row once for each of its windows with start, end and time behind its columns.
    WindowAssign(WindowSpec),
    /// Aggregates windows. Gives keys, aggregates, then the properties.
    WindowAggregate(WindowAggregatePlan),
    /// Aggregates windows, with results before and after their end. Gives keys, aggregates, then the properties.
    EmittingWindow(EmittingWindowPlan),
    /// Aggregates without windows. Gives keys, then aggregates.
    GroupAggregate(GroupAggregatePlan),
    /// Gives each row once for each projection (grouping sets).
    Expand {
        /// The projections; all of the node's schema.
        projections: Vec<Vec<Expr>>,
    },
    /// Pairs rows of two inputs. Gives the left columns, then the right ones; semi and anti joins only the left.
    Join(JoinPlan),
    /// The same for rows whose times lie within bounds of each other; time attributes live on.
    IntervalJoin(IntervalJoinPlan),
    /// The same for rows of the same window, once at its end.
    WindowJoin(WindowJoinPlan),
    /// Gives each left row the version of the right table that was valid at the left row's time.
    TemporalJoin(TemporalJoinPlan),
    /// Gives each row once for each row of a table that has its key. Gives the columns, then the table's.
    LookupJoin(Box<LookupJoinPlan>),
    /// All rows of all inputs.
    Union,
    /// INTERSECT and EXCEPT of two inputs of the same types.
    SetOperation(SetOperationPlan),
    /// Gives each row once for each element of a collection in it.
    Unnest(UnnestPlan),
    /// Keeps all rows of each primary key and gives the newest that is there.
    SinkMaterialize {
        /// The columns of the primary key.
        keys: Vec<usize>,
        /// `table.exec.state.ttl`; 0: for ever.
        ttl_ms: i64,
    },
    /// Gives at most one row of each primary key, settled whenever the watermark rises.
    SinkCompact(SinkCompactPlan),
    /// Gives each change as an inserted row with its kind as a column.
    ToChangelog(ToChangelogPlan),
    /// Gives each row as the change that a column of it says.
    FromChangelog(FromChangelogPlan),
    /// Gives a changelog of rows by key: a row of a known key replaces the one before it, `-D` takes it back.
    ChangelogNormalize {
        /// The input columns of the key.
        keys: Vec<usize>,
    },
    /// Drops `-U` rows in front of a consumer that does not want them.
    DropUpdateBefore,
    /// Keeps the rows of some ranks of each partition. Gives the columns, then the rank if it is wanted.
    TopN(TopNPlan),
    /// The same for windows, once at their end.
    WindowTopN(WindowTopNPlan),
    /// Keeps the first or last row of each key by time.
    Deduplicate(DeduplicatePlan),
    /// Orders rows by event time.
    TimeSort(TimeSortPlan),
    /// Finds a pattern in the ordered rows of each partition. Gives the partition columns, then the measures.
    MatchRecognize(Box<MatchRecognizePlan>),
    /// Computes functions over the rows around each row. Gives the columns, then the results.
    Over(OverPlan),
    /// Lets the first rows through.
    Limit {
        /// How many rows are skipped first.
        offset: u64,
        /// How many rows follow.
        count: u64,
    },
    /// Writes a table or hands rows to the caller.
    Sink(SinkPlan),
}

/// A table to read.
#[derive(Debug, Clone)]
pub struct SourcePlan {
    /// The table's name, for messages.
    pub table: String,
    /// The connector's name.
    pub connector: String,
    /// The connector's and format's options as given.
    pub options: Options,
    /// The physical columns in declared order.
    pub physical: Schema,
    /// The physical columns wanted, by index, in the order given.
    pub wanted: Vec<usize>,
    /// The metadata columns wanted: key and the connector's or format's type of it.
    pub metadata: Vec<(String, DataType)>,
    /// Whether the ROW types of physical columns may list fewer fields than the table declares.
    pub narrows_rows: bool,
    /// The columns of PARTITIONED BY.
    pub partition_by: Vec<String>,
    /// The columns of the primary key, by index among the physical ones; empty unless all of it is physical.
    pub primary_key: Vec<usize>,
    /// Whether it ends by itself.
    pub bounded: bool,
}

/// A table to write, or the caller.
#[derive(Debug, Clone)]
pub struct SinkPlan {
    /// Where rows go.
    pub target: SinkTarget,
    /// What a NULL in a NOT NULL column does: fail, or drop the row.
    pub not_null: NotNullEnforcer,
    /// The columns that are NOT NULL in the target.
    pub not_null_columns: Vec<usize>,
}

/// What a NULL in a NOT NULL column of a sink does (`table.exec.sink.not-null-enforcer`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotNullEnforcer {
    /// The run fails.
    Error,
    /// The row is dropped.
    Drop,
}

/// Where rows go.
#[derive(Debug, Clone)]
pub enum SinkTarget {
    /// A table's connector.
    Table {
        /// The table's name, for messages.
        table: String,
        /// The connector's name.
        connector: String,
        /// The connector's and format's options as given.
        options: Options,
        /// The columns of PARTITIONED BY.
        partition_by: Vec<String>,
        /// The metadata columns, which stand behind all others: key and the connector's type of it.
        metadata: Vec<(String, DataType)>,
        /// The columns of the primary key.
        primary_key: Vec<usize>,
        /// INSERT OVERWRITE.
        overwrite: bool,
    },
    /// The one who ran the SELECT.
    Collect,
}

/// Aggregation of windows.
#[derive(Debug, Clone)]
pub struct WindowAggregatePlan {
    /// The windows.
    pub window: WindowSpec,
    /// The input columns of the key.
    pub keys: Vec<usize>,
    /// The aggregates.
    pub aggregates: Vec<AggregateCall>,
    /// The window columns given behind the aggregates.
    pub properties: Vec<WindowProperty>,
    /// Whether input rows may be taken back.
    pub retract: bool,
}

/// Aggregation of windows that give results before and after their end (`table.exec.emit.*`).
#[derive(Debug, Clone)]
pub struct EmittingWindowPlan {
    /// The aggregation; its windows are TUMBLE or HOP in event time.
    pub base: WindowAggregatePlan,
    /// How long a group waits for more before it gives an early result; absent: there are none.
    pub early_ms: Option<i64>,
    /// How long a group waits after its window's end; absent: not at all.
    pub late_ms: Option<i64>,
    /// How far behind the end of its window a row may be.
    pub lateness_ms: i64,
}

/// Aggregation of groups that never end.
#[derive(Debug, Clone)]
pub struct GroupAggregatePlan {
    /// The input columns of the key.
    pub keys: Vec<usize>,
    /// The aggregates.
    pub aggregates: Vec<AggregateCall>,
    /// Whether input rows may be taken back.
    pub retract: bool,
    /// Whether `-U` must go before each `+U`.
    pub update_before: bool,
    /// `table.exec.state.ttl`; 0: for ever.
    pub ttl_ms: i64,
    /// Whether a key may give one net change for several rows; else each row gives its own.
    pub net_changes: bool,
    /// Whether rows wait in front of it, so that one net change stands for more of them.
    pub mini_batch: Option<MiniBatchPlan>,
    /// Batch: only the final rows, as inserts, at the end of input.
    pub final_only: bool,
    /// One row even without input (batch mode without GROUP BY).
    pub row_without_input: bool,
}

/// How long rows wait to be aggregated together (`table.exec.mini-batch.*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MiniBatchPlan {
    /// How many rows end the waiting.
    pub rows: usize,
    /// How many ms of processing time the first of them waits at most.
    pub latency_ms: i64,
}

/// A set operation: rows are counted on both sides, and the counts say how often a row comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetOperationPlan {
    /// Which one.
    pub kind: SetOperationKind,
    /// ALL: equal rows count, else a row comes out once.
    pub all: bool,
    /// How long a row lives after its last change; 0: for ever.
    pub ttl_ms: i64,
    /// Batch: only the final rows, at the end of input.
    pub final_only: bool,
}

/// Which set operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetOperationKind {
    /// Rows of both inputs.
    Intersect,
    /// Rows of the first input that the second has not.
    Except,
}

impl SetOperationPlan {
    /// How often a row comes out that is so often in the left and the right input.
    pub fn count(&self, left: i64, right: i64) -> i64 {
        let (left, right) = (left.max(0), right.max(0));
        match (self.kind, self.all) {
            (SetOperationKind::Intersect, true) => left.min(right),
            (SetOperationKind::Intersect, false) => left.min(right).min(1),
            (SetOperationKind::Except, true) => (left - right).max(0),
            (SetOperationKind::Except, false) => i64::from(left > 0 && right == 0),
        }
    }

    /// Its name in EXPLAIN.
    pub fn name(&self) -> &'static str {
        match (self.kind, self.all) {
            (SetOperationKind::Intersect, true) => "intersect all",
            (SetOperationKind::Intersect, false) => "intersect",
            (SetOperationKind::Except, true) => "except all",
            (SetOperationKind::Except, false) => "except",
        }
    }
}

/// At most one row of each primary key (`ON CONFLICT DO NOTHING` and `DO ERROR`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkCompactPlan {
    /// The columns of the primary key.
    pub keys: Vec<usize>,
    /// The columns that identify a row of the input; absent: only its whole content does.
    pub upsert_key: Option<Vec<usize>>,
    /// Whether several rows of a primary key end the run; else the first stays.
    pub fails: bool,
    /// `table.exec.state.ttl`; 0: for ever.
    pub ttl_ms: i64,
}

/// Kinds of change as codes: gives the code, then columns of the input.
#[derive(Debug, Clone)]
pub struct ToChangelogPlan {
    /// The codes of the kinds; a kind without one is dropped.
    pub codes: Vec<(RowKind, String)>,
    /// The columns of the input that are given on.
    pub kept: Vec<usize>,
}

/// Codes as kinds of change: gives columns of the input.
#[derive(Debug, Clone)]
pub struct FromChangelogPlan {
    /// The column of the code.
    pub op: usize,
    /// The kinds of the codes.
    pub codes: Vec<(String, RowKind)>,
    /// Whether a row with another code is dropped; else it fails the run.
    pub skip: bool,
    /// The columns of the input that are given on.
    pub kept: Vec<usize>,
}

/// Rows for the elements of a collection: gives some columns of the input, then those of the element.
#[derive(Debug, Clone)]
pub struct UnnestPlan {
    /// The column with an ARRAY, MAP or MULTISET.
    pub collection: usize,
    /// The columns of the input that are given on.
    pub kept: Vec<usize>,
    /// Whether it is a MULTISET, whose elements come as often as they are in it.
    pub multiset: bool,
    /// Whether elements are ROWs whose fields become columns; one that is NULL gives no row.
    pub flatten: bool,
    /// Whether a row without elements comes out once, with NULLs.
    pub outer: bool,
    /// Whether the place of the element, from 1, is given as the last column.
    pub ordinality: bool,
}

impl StreamPlan {
    /// Adds a node; its id and uid are set here.
    pub fn push(&mut self, mut node: Node) -> NodeId {
        node.id = self.nodes.len();
        node.uid = format!("{}-{}", node.operator.name(), node.id);
        self.nodes.push(node);
        self.nodes.len() - 1
    }
}

impl Operator {
    /// Its name in EXPLAIN and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Operator::Source(_) => "source",
            Operator::Values { .. } => "values",
            Operator::Calc { .. } => "calc",
            Operator::Watermark { .. } => "watermark",
            Operator::WindowAssign(_) => "window-assign",
            Operator::WindowAggregate(_) => "window-aggregate",
            Operator::EmittingWindow(_) => "window-emit",
            Operator::GroupAggregate(_) => "group-aggregate",
            Operator::Expand { .. } => "expand",
            Operator::Join(_) => "join",
            Operator::IntervalJoin(_) => "interval-join",
            Operator::WindowJoin(_) => "window-join",
            Operator::TemporalJoin(_) => "temporal-join",
            Operator::LookupJoin(_) => "lookup-join",
            Operator::Union => "union",
            Operator::SetOperation(_) => "set-operation",
            Operator::Unnest(_) => "unnest",
            Operator::SinkMaterialize { .. } => "sink-materialize",
            Operator::SinkCompact(_) => "sink-compact",
            Operator::ToChangelog(_) => "to-changelog",
            Operator::FromChangelog(_) => "from-changelog",
            Operator::DropUpdateBefore => "drop-update-before",
            Operator::TopN(_) => "top-n",
            Operator::WindowTopN(_) => "window-top-n",
            Operator::Deduplicate(_) => "deduplicate",
            Operator::ChangelogNormalize { .. } => "changelog normalize",
            Operator::TimeSort(_) => "time-sort",
            Operator::MatchRecognize(_) => "match-recognize",
            Operator::Over(_) => "over",
            Operator::Limit { .. } => "limit",
            Operator::Sink(_) => "sink",
        }
    }
}
