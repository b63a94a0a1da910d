//! Plan of MATCH_RECOGNIZE: as plain data.
//!
//! Conditions and measures are expressions over *reads*, not over columns of the input: column `i` of such an
//! expression is read `i` of the plan, or, behind the reads, an aggregate over the rows of a match. What a read gives
//! depends on the match at hand and, in a condition, on the row that is tried as the condition's variable.

use crate::rank::SortColumn;
use crate::{AggregateCall, Expr};
use std::fmt;
use tidemill_types::{DataType, TimeAttribute};

/// Search for a pattern in the ordered rows of each partition.
#[derive(Debug, Clone)]
pub struct MatchRecognizePlan {
    /// The input columns of the partition; the first columns given.
    pub keys: Vec<usize>,
    /// The time attribute that rows are ordered by.
    pub time_column: usize,
    /// Event or processing time.
    pub time: TimeAttribute,
    /// What rows of equal time are ordered by.
    pub order: Vec<SortColumn>,
    /// The variables of the pattern.
    pub variables: Vec<PatternVariable>,
    /// The pattern.
    pub pattern: RowPattern,
    /// Where the search goes on after a match.
    pub skip: AfterMatch,
    /// How long a match may be; as long as this is too long.
    pub within_ms: Option<i64>,
    /// What conditions and measures read.
    pub reads: Vec<Read>,
    /// Aggregates of conditions and measures.
    pub aggregates: Vec<MatchAggregate>,
    /// The columns given behind those of the partition.
    pub measures: Vec<Expr>,
    /// Whether partial matches that ran out of time are given, too.
    pub give_timed_out: bool,
    /// How many partial matches a partition may have.
    pub partial_matches_max: usize,
}

/// A variable with its condition.
#[derive(Debug, Clone)]
pub struct PatternVariable {
    /// Its name.
    pub name: String,
    /// What a row must satisfy; absent: nothing.
    pub condition: Option<Expr>,
}

/// A value of a match.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// What is read.
    pub kind: ReadKind,
    /// Its type.
    pub data_type: DataType,
}

/// Where a value of a match comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadKind {
    /// A column of a row, or NULL if there is no such row.
    Row(Navigation),
    /// The time at which the match was given, or of the row that is tried.
    Time,
    /// Whether the match ran out of time before it was complete.
    TimedOut,
}

/// Which row of a match, and which of its columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Navigation {
    /// The rows of this variable; absent: all rows.
    pub variable: Option<usize>,
    /// Whether rows are counted from the first, else from the last.
    pub first: bool,
    /// How many rows are left out in that direction.
    pub offset: u32,
    /// How many rows of the partition the row lies before that one (PREV).
    pub back: u32,
    /// The input column.
    pub column: usize,
}

impl Navigation {
    /// Whether it is the very row that is tried as `variable`.
    pub fn is_current(&self, variable: usize) -> bool {
        !self.first && self.offset == 0 && self.back == 0 && self.variable.is_none_or(|own| own == variable)
    }
}

/// An aggregate over the rows of a variable, or over all rows of a match.
#[derive(Debug, Clone)]
pub struct MatchAggregate {
    /// The variable; absent: all rows.
    pub variable: Option<usize>,
    /// The aggregate over input columns.
    pub call: AggregateCall,
}

/// A row pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowPattern {
    /// One row of a variable.
    Variable(usize),
    /// One after the other.
    Sequence(Vec<RowPattern>),
    /// One of these, earlier ones first.
    Alternation(Vec<RowPattern>),
    /// Many times.
    Repeat {
        /// What is repeated.
        inner: Box<RowPattern>,
        /// At least so often.
        min: u32,
        /// At most so often, if there is a bound.
        max: Option<u32>,
        /// Whether fewer rows are better.
        reluctant: bool,
    },
}

/// Where the search goes on after a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterMatch {
    /// Behind its last row.
    PastLastRow,
    /// Behind its first row.
    NextRow,
    /// At the first row of a variable.
    First(usize),
    /// At the last row of a variable.
    Last(usize),
}

impl RowPattern {
    /// Whether no row at all satisfies it.
    pub fn may_be_empty(&self) -> bool {
        match self {
            RowPattern::Variable(_) => false,
            RowPattern::Sequence(parts) => parts.iter().all(RowPattern::may_be_empty),
            RowPattern::Alternation(parts) => parts.iter().any(RowPattern::may_be_empty),
            RowPattern::Repeat { inner, min, .. } => *min == 0 || inner.may_be_empty(),
        }
    }

    /// The pattern as it is written.
    pub fn text(&self, variables: &[PatternVariable]) -> String {
        let list = |parts: &[RowPattern], separator: &str| {
            parts.iter().map(|part| part.text(variables)).collect::<Vec<_>>().join(separator)
        };
        match self {
            RowPattern::Variable(variable) => variables[*variable].name.clone(),
            RowPattern::Sequence(parts) => list(parts, " "),
            RowPattern::Alternation(parts) => format!("({})", list(parts, " | ")),
            RowPattern::Repeat { inner, min, max, reluctant } => {
                let inner = match &**inner {
                    RowPattern::Variable(_) | RowPattern::Alternation(_) => inner.text(variables),
                    other => format!("({})", other.text(variables)),
                };
                format!("{inner}{}{}", quantifier(*min, *max), if *reluctant { "?" } else { "" })
            }
        }
    }
}

fn quantifier(min: u32, max: Option<u32>) -> String {
    match (min, max) {
        (0, None) => "*".into(),
        (1, None) => "+".into(),
        (0, Some(1)) => "?".into(),
        (min, None) => format!("{{{min},}}"),
        (min, Some(max)) if min == max => format!("{{{min}}}"),
        (min, Some(max)) => format!("{{{min},{max}}}"),
    }
}

impl MatchRecognizePlan {
    /// The input columns it reads.
    pub fn columns(&self) -> impl Iterator<Item = usize> {
        let reads = self.reads.iter().filter_map(|read| match read.kind {
            ReadKind::Row(navigation) => Some(navigation.column),
            _ => None,
        });
        let args = self.aggregates.iter().flat_map(|aggregate| aggregate.call.args.iter().copied());
        let order = self.order.iter().map(|sort| sort.column);
        self.keys.iter().copied().chain([self.time_column]).chain(order).chain(reads).chain(args)
    }

    /// The same over an input whose columns stand elsewhere.
    pub fn with_columns(&self, at: impl Fn(usize) -> usize) -> Self {
        let mut plan = self.clone();
        plan.keys.iter_mut().for_each(|key| *key = at(*key));
        plan.time_column = at(plan.time_column);
        plan.order.iter_mut().for_each(|sort| sort.column = at(sort.column));
        for read in &mut plan.reads {
            if let ReadKind::Row(navigation) = &mut read.kind {
                navigation.column = at(navigation.column);
            }
        }
        let args = plan.aggregates.iter_mut().flat_map(|aggregate| aggregate.call.args.iter_mut());
        args.for_each(|arg| *arg = at(*arg));
        plan
    }

    /// Where the search goes on, as text.
    pub fn skip_text(&self) -> String {
        match self.skip {
            AfterMatch::PastLastRow => "PAST LAST ROW".into(),
            AfterMatch::NextRow => "TO NEXT ROW".into(),
            AfterMatch::First(variable) => format!("TO FIRST {}", self.variables[variable].name),
            AfterMatch::Last(variable) => format!("TO LAST {}", self.variables[variable].name),
        }
    }

    /// How many rows before a match are looked at.
    pub fn history_rows(&self) -> usize {
        let back = self.reads.iter().map(|read| match read.kind {
            ReadKind::Row(navigation) => navigation.back as usize,
            _ => 0,
        });
        back.max().unwrap_or(0)
    }

    /// What is kept and until when.
    pub fn state_text(&self) -> String {
        let waiting = match (self.time, self.order.is_empty()) {
            (TimeAttribute::Rowtime, _) => "rows that the watermark has not passed; ",
            (TimeAttribute::Proctime, false) => "the rows of the last millisecond; ",
            (TimeAttribute::Proctime, true) => "",
        };
        let until = match self.within_ms {
            Some(within) => format!("until they match, fail or are {within} ms old"),
            None => "until they match or fail, without any other end (no WITHIN)".into(),
        };
        let history = match self.history_rows() {
            0 => String::new(),
            rows => format!("; the last {rows} rows of each key, for ever (PREV)"),
        };
        format!("{waiting}partial matches and their rows, {until}{history}")
    }

    /// Whether a partial match may live for ever.
    pub fn unbounded(&self) -> bool {
        self.within_ms.is_none() && self.pattern.loops()
    }
}

impl RowPattern {
    /// Whether a match may have any number of rows.
    pub fn loops(&self) -> bool {
        match self {
            RowPattern::Variable(_) => false,
            RowPattern::Sequence(parts) | RowPattern::Alternation(parts) => {
                parts.iter().any(RowPattern::loops)
            }
            RowPattern::Repeat { inner, max, .. } => max.is_none() || inner.loops(),
        }
    }
}

impl fmt::Display for MatchRecognizePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pattern=({})", self.pattern.text(&self.variables))?;
        if let Some(within) = self.within_ms {
            write!(f, " within {within} ms")?;
        }
        let conditions = self.variables.iter().filter_map(|variable| {
            variable.condition.as_ref().map(|condition| format!("{} AS {condition}", variable.name))
        });
        write!(f, ", define=[{}]", conditions.collect::<Vec<_>>().join(", "))?;
        let measures: Vec<String> = self.measures.iter().map(ToString::to_string).collect();
        write!(f, ", measures=[{}], after match skip {}", measures.join(", "), self.skip_text())?;
        if self.give_timed_out {
            f.write_str(", timed-out matches too")?;
        }
        Ok(())
    }
}
