//! Plans of the operators that rank, sort or count rows: as plain data.

use std::fmt;
use tidemill_types::TimeAttribute;

/// A column that rows are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortColumn {
    /// The input column.
    pub column: usize,
    /// Largest first.
    pub descending: bool,
    /// Whether NULL comes before all values.
    pub nulls_first: bool,
}

/// Which ranks of each partition are wanted. Equal rows rank in the order of their arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RankPlan {
    /// The input columns of the partition.
    pub keys: Vec<usize>,
    /// What rows are ordered by.
    pub order: Vec<SortColumn>,
    /// The first rank, from 1.
    pub start: u64,
    /// The last rank.
    pub end: u64,
    /// A column that holds the last rank in the first row of a partition.
    pub end_column: Option<RankEnd>,
    /// Whether the rank is given behind the columns.
    pub rank: bool,
}

/// A last rank that is a column.
///
/// Flink keeps the column's place among all columns of the ranked table when it leaves out those that the query
/// does not use, so that another column may decide; this is done alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RankEnd {
    /// The column.
    pub column: usize,
    /// The place of each input column in the ranked table, as long as columns may still be left out; those that are
    /// computed have none.
    pub places: Vec<Option<usize>>,
}

impl RankEnd {
    /// The column that decides if these columns are left; `None` if none of them is at its place.
    pub fn decided_by(&self, left: &[usize]) -> Option<usize> {
        let place_of = |column: usize| self.places.get(column).copied().flatten();
        let Some(place) = place_of(self.column) else { return Some(self.column) };
        let mut stored: Vec<(usize, usize)> =
            left.iter().filter_map(|&column| Some((place_of(column)?, column))).collect();
        stored.sort_unstable();
        stored.dedup_by_key(|(place, _)| *place);
        stored.get(place).map(|(_, column)| *column)
    }
}

/// Top-N that is kept up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopNPlan {
    /// The ranks.
    pub ranks: RankPlan,
    /// Whether input rows may be taken back.
    pub retract: bool,
    /// Batch: only the final rows, in order, as inserts, at the end of input.
    pub final_only: bool,
    /// Whether rows that are pushed out are not taken back. Flink takes a Top-1 without rank for a deduplication
    /// that keeps the first row, whatever it is ordered by, and lets it give inserts only.
    pub inserts_only: bool,
    /// Whether `-U` goes before `+U`.
    pub update_before: bool,
    /// `table.exec.state.ttl`; 0: for ever.
    pub ttl_ms: i64,
}

/// Top-N of each window, given once at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowTopNPlan {
    /// The ranks; the keys hold the window.
    pub ranks: RankPlan,
    /// The column window_end.
    pub window_end: usize,
    /// Event or processing time.
    pub time: TimeAttribute,
    /// The zone whose wall clock windows follow.
    pub zone: Option<chrono_tz::Tz>,
    /// Whether of equal rows the later arrival ranks first (deduplication that keeps the last).
    pub latest_first: bool,
}

/// One row for each key: the first or the last by time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeduplicatePlan {
    /// The input columns of the key.
    pub keys: Vec<usize>,
    /// The time attribute.
    pub time_column: usize,
    /// Event or processing time.
    pub time: TimeAttribute,
    /// Whether the last row is kept, not the first.
    pub keep_last: bool,
    /// Whether `-U` goes before `+U`.
    pub update_before: bool,
    /// `table.exec.state.ttl`; 0: for ever.
    pub ttl_ms: i64,
}

/// Rows in the order of event time, released by the watermark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeSortPlan {
    /// The time attribute.
    pub time_column: usize,
    /// What rows of equal time are ordered by.
    pub order: Vec<SortColumn>,
}

impl RankPlan {
    /// The ranks as text.
    pub fn text(&self) -> String {
        match (&self.end_column, self.end) {
            (Some(end), _) => format!("ranks={}..=#{}", self.start, end.column),
            (None, u64::MAX) => format!("ranks={}..", self.start),
            (None, end) => format!("ranks={}..={end}", self.start),
        }
    }
}

impl fmt::Display for SortColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.descending { "DESC" } else { "ASC" };
        let nulls = if self.nulls_first { "FIRST" } else { "LAST" };
        write!(f, "#{} {direction} NULLS {nulls}", self.column)
    }
}
