//! The plan of OVER: what is computed for each row from the rows around it, as plain data.

use crate::AggregateCall;
use crate::rank::SortColumn;
use std::fmt;
use tidemill_types::{DataType, TypeKind};

/// Functions over the rows around each row. Gives the input's columns, then one for each call.
#[derive(Debug, Clone)]
pub struct OverPlan {
    /// The input columns of the partition.
    pub keys: Vec<usize>,
    /// What the rows of a partition are ordered by. Equal rows keep the order of their arrival.
    pub order: Vec<SortColumn>,
    /// When a row gets its results.
    pub mode: OverMode,
    /// Which rows around a row are looked at.
    pub frame: OverFrame,
    /// What is computed.
    pub calls: Vec<OverCall>,
    /// How long the state of an idle partition lives; 0: for ever.
    pub ttl_ms: i64,
}

/// When a row gets its results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverMode {
    /// Once the watermark has passed its time.
    Rowtime,
    /// On arrival.
    Proctime,
    /// On arrival, and again whenever they change: the order is by any column.
    Updating,
    /// At the end of input.
    Batch,
}

/// Which rows around a row are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OverFrame {
    /// Whether the edges count rows, not the values that rows are ordered by.
    pub rows: bool,
    /// The first row, relative to the current one (negative: before it); `None`: the first of the partition.
    /// Without `rows` the distance is one of ordering values (ms for times), and peers belong to the frame.
    pub start: Option<i64>,
    /// The last row; `None`: the last of the partition.
    pub end: Option<i64>,
    /// How many of the distances' digits stand behind the decimal point.
    pub scale: u8,
}

/// One function over the rows around a row.
#[derive(Debug, Clone)]
pub enum OverCall {
    /// An aggregate over the frame.
    Aggregate(AggregateCall),
    /// A rank in the partition.
    Rank(RankFunction),
    /// LAG and LEAD.
    Shift {
        /// The column of the value.
        column: usize,
        /// How many rows further down it is taken from: negative for LAG.
        distance: i64,
        /// The column of the value where there is no such row; absent: NULL.
        default: Option<usize>,
        /// The type of the value.
        data_type: DataType,
    },
}

/// The functions that number rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RankFunction {
    /// 1, 2, 3, ..
    RowNumber,
    /// The same number for peers, with gaps.
    Rank,
    /// The same number for peers, without gaps.
    DenseRank,
    /// `(rank - 1) / (rows - 1)`.
    PercentRank,
    /// The share of rows up to the peers.
    CumeDist,
    /// The number of the bucket, of so many of about the same size.
    Ntile(i64),
}

impl OverFrame {
    /// All rows up to the current one and, without `rows`, its peers.
    pub fn up_to_current(rows: bool) -> Self {
        OverFrame { rows, start: None, end: Some(0), scale: 0 }
    }
}

impl OverCall {
    /// The type of the result.
    pub fn return_type(&self) -> DataType {
        match self {
            OverCall::Aggregate(call) => call.return_type.clone(),
            OverCall::Rank(RankFunction::PercentRank | RankFunction::CumeDist) => TypeKind::Double.not_null(),
            OverCall::Rank(_) => TypeKind::BigInt.not_null(),
            OverCall::Shift { data_type, .. } => data_type.clone(),
        }
    }

    /// The input columns it needs.
    pub fn columns(&self) -> Vec<usize> {
        match self {
            OverCall::Aggregate(call) => call.args.iter().copied().chain(call.filter).collect(),
            OverCall::Rank(_) => Vec::new(),
            OverCall::Shift { column, default, .. } => [*column].into_iter().chain(*default).collect(),
        }
    }

    /// The same call over columns that stand elsewhere.
    pub fn map_columns(&self, at: &dyn Fn(usize) -> usize) -> OverCall {
        match self {
            OverCall::Aggregate(call) => OverCall::Aggregate(AggregateCall {
                args: call.args.iter().map(|&arg| at(arg)).collect(),
                filter: call.filter.map(at),
                ..call.clone()
            }),
            OverCall::Rank(function) => OverCall::Rank(*function),
            OverCall::Shift { column, distance, default, data_type } => OverCall::Shift {
                column: at(*column),
                distance: *distance,
                default: default.map(at),
                data_type: data_type.clone(),
            },
        }
    }
}

impl OverPlan {
    /// The input columns that are needed besides those that are passed on.
    pub fn columns(&self) -> impl Iterator<Item = usize> {
        let order = self.order.iter().map(|sort| sort.column);
        self.keys.iter().copied().chain(order).chain(self.calls.iter().flat_map(OverCall::columns))
    }

    /// What is kept, and until when.
    pub(crate) fn state(&self) -> String {
        let kept = match (self.mode, self.frame.start) {
            (OverMode::Batch, _) => return "all rows, until the end of input".into(),
            (OverMode::Updating, _) => "all rows of each key, until they are taken back".into(),
            (OverMode::Rowtime, None) => {
                "rows that the watermark has not passed, and one cell row per key, for ever".to_string()
            }
            (OverMode::Proctime, None) => "one cell row per key, for ever".into(),
            (_, Some(start)) if self.frame.rows => {
                format!("the last {} rows of each key, for ever", start.unsigned_abs() + 1)
            }
            (OverMode::Rowtime, Some(start)) => format!(
                "rows of each key, until the watermark has passed them by {} ms at most",
                start.unsigned_abs() + start.unsigned_abs() / 2
            ),
            (OverMode::Proctime, Some(start)) => {
                format!(
                    "rows of each key, for {} ms at most",
                    start.unsigned_abs() + start.unsigned_abs() / 2
                )
            }
        };
        match self.ttl_ms {
            0 => kept,
            ttl_ms => kept.replace("for ever", &format!("{ttl_ms} ms after its last use")),
        }
    }
}

impl fmt::Display for OverFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scaled = |distance: u64| match self.scale {
            0 => distance.to_string(),
            scale => {
                let one = 10u64.pow(u32::from(scale));
                format!("{}.{:02$}", distance / one, distance % one, usize::from(scale))
            }
        };
        let edge = |edge: Option<i64>, unbounded: &str| match edge {
            None => unbounded.to_string(),
            Some(0) => "CURRENT ROW".into(),
            Some(distance) if distance < 0 => format!("{} PRECEDING", scaled(distance.unsigned_abs())),
            Some(distance) => format!("{} FOLLOWING", scaled(distance.unsigned_abs())),
        };
        let unit = if self.rows { "ROWS" } else { "RANGE" };
        let start = edge(self.start, "UNBOUNDED PRECEDING");
        write!(f, "{unit} BETWEEN {start} AND {}", edge(self.end, "UNBOUNDED FOLLOWING"))
    }
}

impl fmt::Display for OverMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OverMode::Rowtime => "event time",
            OverMode::Proctime => "processing time",
            OverMode::Updating => "updating",
            OverMode::Batch => "batch",
        })
    }
}

impl fmt::Display for OverCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OverCall::Aggregate(call) => f.write_str(&call.text),
            OverCall::Rank(function) => write!(f, "{function}"),
            OverCall::Shift { column, distance, default, .. } => {
                let name = if *distance < 0 { "LAG" } else { "LEAD" };
                write!(f, "{name}(#{column}, {}", distance.unsigned_abs())?;
                match default {
                    Some(default) => write!(f, ", #{default})"),
                    None => f.write_str(")"),
                }
            }
        }
    }
}

impl fmt::Display for RankFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RankFunction::RowNumber => f.write_str("ROW_NUMBER()"),
            RankFunction::Rank => f.write_str("RANK()"),
            RankFunction::DenseRank => f.write_str("DENSE_RANK()"),
            RankFunction::PercentRank => f.write_str("PERCENT_RANK()"),
            RankFunction::CumeDist => f.write_str("CUME_DIST()"),
            RankFunction::Ntile(buckets) => write!(f, "NTILE({buckets})"),
        }
    }
}
