//! Plans of joins: what pairs rows, and what bounds how long rows are kept, as plain data.

use crate::Expr;
use tidemill_types::TimeAttribute;

/// What pairs the rows of two inputs, and which rows come out.
#[derive(Debug, Clone)]
pub struct JoinOn {
    /// Which rows come out.
    pub kind: JoinKind,
    /// The key columns of the left input.
    pub left_keys: Vec<usize>,
    /// The key columns of the right input, of the same Arrow types.
    pub right_keys: Vec<usize>,
    /// For each key: whether NULL matches NULL.
    pub null_safe: Vec<bool>,
    /// What else must hold, over the left columns and then the right ones.
    pub residual: Option<Expr>,
}

/// A regular join: both sides are kept until they are taken back.
#[derive(Debug, Clone)]
pub struct JoinPlan {
    /// What pairs rows.
    pub on: JoinOn,
    /// How the left side is kept.
    pub left: JoinSidePlan,
    /// How the right side is kept.
    pub right: JoinSidePlan,
    /// Batch: only final rows, those without a match at the end of input.
    pub final_only: bool,
}

/// How one side of a regular join is kept.
#[derive(Debug, Clone, Default)]
pub struct JoinSidePlan {
    /// Columns that identify a row of the side besides its join key: a new row takes the place of the one
    /// with the same. Absent: all rows are kept.
    pub unique: Option<Vec<usize>>,
    /// Whether rows are only added, for ever, and nothing depends on how many rows match them.
    pub added_only: bool,
    /// How long a row lives after its last change; 0: for ever.
    pub ttl_ms: i64,
}

/// A join of rows whose times lie within bounds of each other.
#[derive(Debug, Clone)]
pub struct IntervalJoinPlan {
    /// What else pairs rows.
    pub on: JoinOn,
    /// The time attribute of the left input.
    pub left_time: usize,
    /// The time attribute of the right input.
    pub right_time: usize,
    /// Event or processing time.
    pub time: TimeAttribute,
    /// The least that the left time may lie after the right time, in ms; negative: before it.
    pub lower_ms: i64,
    /// The most that the left time may lie after the right time, in ms.
    pub upper_ms: i64,
}

/// A join of rows of the same window. The window's start and end are among the keys.
#[derive(Debug, Clone)]
pub struct WindowJoinPlan {
    /// What pairs rows.
    pub on: JoinOn,
    /// The column window_end of the left input.
    pub left_end: usize,
    /// The column window_end of the right input.
    pub right_end: usize,
    /// Event or processing time.
    pub time: TimeAttribute,
    /// The zone whose wall clock windows follow.
    pub zone: Option<chrono_tz::Tz>,
}

/// A join of each left row with the version of a right row that was valid at the left row's time.
#[derive(Debug, Clone)]
pub struct TemporalJoinPlan {
    /// What pairs rows: inner or left.
    pub on: JoinOn,
    /// The time attribute of the left input.
    pub left_time: usize,
    /// The time attribute of the right input: when a version becomes valid.
    pub right_time: usize,
    /// Whether `-U` of the right input ends the version that it takes back; else it is skipped.
    pub update_before: bool,
}

/// Which rows come out of a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinKind {
    /// Pairs.
    Inner,
    /// Pairs, and left rows without a match.
    Left,
    /// Pairs, and right rows without a match.
    Right,
    /// Pairs, and rows of both sides without a match.
    Full,
    /// Left rows with a match.
    Semi,
    /// Left rows without a match.
    Anti,
}

impl JoinKind {
    /// Whether rows of the left side (else of the right side) come out without a match.
    pub fn keeps(self, left: bool) -> bool {
        matches!((self, left), (JoinKind::Left, true) | (JoinKind::Right, false) | (JoinKind::Full, _))
    }

    /// Whether only left columns come out.
    pub fn left_only(self) -> bool {
        matches!(self, JoinKind::Semi | JoinKind::Anti)
    }

    /// Its name in EXPLAIN.
    pub fn name(self) -> &'static str {
        match self {
            JoinKind::Inner => "inner",
            JoinKind::Left => "left",
            JoinKind::Right => "right",
            JoinKind::Full => "full",
            JoinKind::Semi => "semi",
            JoinKind::Anti => "anti",
        }
    }
}

impl JoinOn {
    /// The keys of a port.
    pub fn keys(&self, port: usize) -> &[usize] {
        if port == 0 { &self.left_keys } else { &self.right_keys }
    }

    /// It as text, for EXPLAIN.
    pub fn text(&self) -> String {
        let residual = self.residual.as_ref().map(|r| format!(" where={r},")).unwrap_or_default();
        format!("{}, keys={},{residual}", self.kind.name(), self.left_keys.len())
    }
}

impl JoinPlan {
    /// What the join keeps, and when it lets go of it.
    pub fn state(&self) -> String {
        let side = |plan: &JoinSidePlan| {
            let rows = if plan.unique.is_some() { "the last row of each unique key" } else { "all rows" };
            match plan.ttl_ms {
                0 => format!("{rows}, for ever"),
                ttl_ms => format!("{rows}, {ttl_ms} ms after their last change"),
            }
        };
        match (side(&self.left), side(&self.right)) {
            (left, right) if left == right => format!("of both sides {left}"),
            (left, right) => format!("left {left}; right {right}"),
        }
    }
}

impl IntervalJoinPlan {
    /// The bounds as text.
    pub fn text(&self) -> String {
        format!("{} left time - right time={}..={} ms,", self.on.text(), self.lower_ms, self.upper_ms)
    }

    /// What the join keeps, and when it lets go of it.
    pub fn state(&self) -> String {
        let clock = match self.time {
            TimeAttribute::Rowtime => "the watermark",
            TimeAttribute::Proctime => "the clock",
        };
        let slack = self.clean_up_ms();
        format!(
            "left rows until {clock} passes their time by {} ms, right rows by {} ms, and up to {slack} ms more",
            -self.lower_ms, self.upper_ms
        )
    }

    /// How many ms at least lie between two clean-ups of a key: half the width of the bounds.
    pub fn clean_up_ms(&self) -> i64 {
        (self.upper_ms.saturating_sub(self.lower_ms) / 2).max(0)
    }
}
