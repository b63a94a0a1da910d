//! Which row of a match a read means.
//!
//! Rows of a match follow one another, so the row is found by counting through the runs of its variables. In a
//! condition the row that is tried counts as the last row of the condition's variable.

use super::rows::NO_ROW;
use tidemill_plan::pattern::Navigation;
use tidemill_state::{PartialMatch, Partition};

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// From a kept row, or nowhere.
    Kept(u32),
    /// From the row that is tried.
    Tried,
}

/// The row that a read means in a match, with a row that is tried as a variable, if there is one.
pub(super) fn resolve(
    read: &Navigation,
    found: &PartialMatch,
    partition: &Partition,
    tried: Option<usize>,
) -> Source {
    let next = partition.next_row;
    let counts = tried.is_some_and(|tried| read.variable.is_none_or(|own| own == tried));
    let number = match read.first {
        true => first(read, found, counts.then_some(next)),
        false => last(read, found, counts.then_some(next)),
    };
    let row = number.and_then(|number| number.checked_sub(u64::from(read.back)));
    match row {
        Some(row) if tried.is_some() && row == next => Source::Tried,
        row => Source::Kept(row.and_then(|row| partition.row(row)).unwrap_or(NO_ROW)),
    }
}

fn matches(read: &Navigation, variable: u16) -> bool {
    read.variable.is_none_or(|own| own == usize::from(variable))
}

fn first(read: &Navigation, found: &PartialMatch, tried: Option<u64>) -> Option<u64> {
    let mut left = u64::from(read.offset);
    let mut start = found.start;
    for run in &found.runs {
        let rows = u64::from(run.rows);
        if matches(read, run.variable) {
            if left < rows {
                return Some(start + left);
            }
            left -= rows;
        }
        start += rows;
    }
    tried.filter(|_| left == 0)
}

fn last(read: &Navigation, found: &PartialMatch, tried: Option<u64>) -> Option<u64> {
    let mut left = u64::from(read.offset);
    if let Some(tried) = tried {
        if left == 0 {
            return Some(tried);
        }
        left -= 1;
    }
    if found.is_open() {
        return None;
    }
    let mut end = found.start + found.rows();
    for run in found.runs.iter().rev() {
        let rows = u64::from(run.rows);
        if matches(read, run.variable) {
            if left < rows {
                return Some(end - 1 - left);
            }
            left -= rows;
        }
        end -= rows;
    }
    None
}
