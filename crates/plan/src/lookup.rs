//! Joins of each row with what a table holds under its key when the row comes.

use crate::join::JoinOn;
use crate::stream::SourcePlan;
use crate::{Expr, Operator};
use tidemill_types::Schema;

/// A join of each row with the rows that a table holds under its key when the row comes.
#[derive(Debug, Clone)]
pub struct LookupJoinPlan {
    /// What pairs rows: inner or left. Right columns are those of `schema`.
    pub on: JoinOn,
    /// The table.
    pub table: SourcePlan,
    /// Conditions and columns over the table, one step above the other.
    pub steps: Vec<(Option<Expr>, Vec<Expr>)>,
    /// The columns after all steps.
    pub schema: Schema,
    /// How the table is looked up.
    pub access: LookupAccess,
}

/// How a table is looked up.
#[derive(Debug, Clone)]
pub enum LookupAccess {
    /// It is read as a whole before the job starts.
    Whole(Reload),
    /// It is asked for the rows of each key.
    Asked(Box<AskPlan>),
}

/// When a table that is read as a whole is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// Never.
    Never,
    /// When its connector says that it may have changed, which is looked at so often.
    WhenChanged {
        /// The time between two looks.
        every_ms: u64,
    },
    /// At intervals.
    Periodic {
        /// The interval.
        interval_ms: u64,
        /// Whether it begins when reading begins, else when it ends.
        fixed_rate: bool,
    },
    /// At a time of day.
    Daily {
        /// The time of day, in ms since midnight.
        at_ms: i64,
        /// The zone whose clock shows it.
        zone: chrono_tz::Tz,
        /// How many days lie between two reads.
        days: u32,
    },
}

/// How a table is asked for keys.
#[derive(Debug, Clone)]
pub struct AskPlan {
    /// The columns of a key: those of the join's key in order, then constants.
    pub keys: Vec<AskedKey>,
    /// Whether rows come out in the order in which they came in.
    pub ordered: bool,
    /// Whether rows are divided among the tasks by key.
    pub shuffled: bool,
    /// How many keys a task asks for at a time.
    pub capacity: usize,
    /// Whether a task makes one call at a time.
    pub one_call: bool,
    /// How long an answer may take, further attempts included.
    pub timeout_ms: u64,
    /// How often a failed call is made again.
    pub retries_max: u32,
    /// Whether keys without rows are asked for again.
    pub on_miss: Option<MissPlan>,
    /// What answers are kept.
    pub cache: Option<CachePlan>,
}

/// A column of a key.
#[derive(Debug, Clone)]
pub struct AskedKey {
    /// The column of the table, by index among its physical ones.
    pub column: usize,
    /// Its value if it is always the same; else it comes from the row.
    pub constant: Option<Expr>,
}

/// Asking again for keys without rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissPlan {
    /// The pause before that.
    pub delay_ms: u64,
    /// How often at most.
    pub attempts_max: u32,
}

/// What answers a task keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CachePlan {
    /// How long after they were used last.
    pub after_access_ms: Option<i64>,
    /// How long after they came.
    pub after_write_ms: Option<i64>,
    /// How many rows.
    pub rows_max: Option<u64>,
    /// Whether it is also kept that a key has no rows.
    pub misses: bool,
}

impl Operator {
    /// The plan of a lookup join that asks its table while rows wait.
    pub fn asks(&self) -> Option<&AskPlan> {
        match self {
            Operator::LookupJoin(join) => match &join.access {
                LookupAccess::Asked(plan) => Some(plan),
                LookupAccess::Whole(_) => None,
            },
            _ => None,
        }
    }
}

impl LookupJoinPlan {
    /// It as text, for EXPLAIN.
    pub(crate) fn text(&self) -> String {
        let SourcePlan { table, connector, .. } = &self.table;
        let how = match &self.access {
            LookupAccess::Whole(_) => "whole".to_string(),
            LookupAccess::Asked(plan) => plan.text(&self.table.physical),
        };
        format!("table={table}, connector={connector}, {} {how},", self.on.text())
    }

    /// What it keeps, and when it lets go of it.
    pub(crate) fn state(&self) -> String {
        match &self.access {
            LookupAccess::Whole(reload) => {
                format!("the whole table, read when the job starts{}", reload.text())
            }
            LookupAccess::Asked(plan) => match &plan.cache {
                None => "none".into(),
                Some(cache) => format!("answers in a cache that a restart empties{}", cache.text()),
            },
        }
    }
}

impl Reload {
    fn text(self) -> String {
        match self {
            Reload::Never => String::new(),
            Reload::WhenChanged { every_ms } => {
                format!(" and when it has changed, looked at every {every_ms} ms")
            }
            Reload::Periodic { interval_ms, fixed_rate: true } => format!(" and every {interval_ms} ms"),
            Reload::Periodic { interval_ms, fixed_rate: false } => {
                format!(" and again {interval_ms} ms after each read")
            }
            Reload::Daily { at_ms, zone, days } => {
                let (hour, minute) = (at_ms / 3_600_000, at_ms / 60_000 % 60);
                format!(" and every {days} day(s) at {hour:02}:{minute:02} {zone}")
            }
        }
    }
}

impl AskPlan {
    fn text(&self, physical: &Schema) -> String {
        let name = |key: &AskedKey| {
            let name = &physical.fields[key.column].name;
            key.constant.as_ref().map_or(name.clone(), |value| format!("{name}={value}"))
        };
        let keys: Vec<String> = self.keys.iter().map(name).collect();
        let order = if self.ordered { "ordered" } else { "unordered" };
        let calls = if self.one_call { ", one call at a time" } else { "" };
        let again = self.on_miss.map(|miss| {
            format!(
                ", asks {} times more after {} ms for keys without rows",
                miss.attempts_max, miss.delay_ms
            )
        });
        format!(
            "asks by [{}] {order}, capacity={}{calls}, timeout={} ms{}",
            keys.join(", "),
            self.capacity,
            self.timeout_ms,
            again.unwrap_or_default()
        )
    }
}

impl CachePlan {
    fn text(&self) -> String {
        let limits = [
            self.rows_max.map(|rows| format!("{rows} rows for each task")),
            self.after_write_ms.map(|ms| format!("for {ms} ms")),
            self.after_access_ms.map(|ms| format!("until unused for {ms} ms")),
        ];
        let limits: Vec<String> = limits.into_iter().flatten().collect();
        match limits.is_empty() {
            true => ", for ever".into(),
            false => format!(", {}", limits.join(", ")),
        }
    }
}
