//! Spans of 2, 4, 8 … panes, merged once and kept while a window can use them.
//!
//! A window of `n` panes is covered by at most `2 log n` spans, and a pane is merged into `log n` of them in
//! its life, so a HOP whose aggregates have no inverse costs little more for a long window than for a short
//! one. A span is aligned to its length, is made when a window first needs it and is dropped when a row comes
//! late into one of its panes.
//! Invariant: a kept span holds exactly the rows of its panes. Spans are derived: never saved.

use super::WindowAggregate;
use crate::window::Grid;
use std::collections::BTreeSet;
use tidemill_state::{DERIVED_PANE, PaneId, derived_pane};
use tidemill_types::Result;

/// From so many panes a window on, spans are kept; below, merging all panes is cheaper.
pub(super) const SPANS_MIN_PANES: i64 = 8;

/// The spans that are kept, by level and number of the first pane.
#[derive(Debug, Default)]
pub(super) struct Spans {
    kept: BTreeSet<(u32, i64)>,
}

fn span_id(level: u32, first: i64) -> PaneId {
    derived_pane(level, first)
}

impl WindowAggregate {
    /// Merges the panes of `start..end` into the derived pane.
    pub(super) fn merge_spans(&mut self, grid: Grid, start: i64, end: i64) -> Result<()> {
        let (mut first, after) = (grid.index(start), grid.index(end));
        while first < after {
            let level = first.trailing_zeros().min((after - first).ilog2());
            if let Some(span) = self.span(grid, level, first)? {
                self.merge_pane(span, DERIVED_PANE)?;
            }
            first += 1 << level;
        }
        Ok(())
    }

    /// A span with the rows of `2^level` panes; none if they hold none.
    fn span(&mut self, grid: Grid, level: u32, first: i64) -> Result<Option<PaneId>> {
        let (start, end) = (grid.time(first), grid.time(first + (1 << level)));
        if self.table.panes_in((start + 1, i64::MIN)..(end + 1, i64::MIN)).next().is_none() {
            return Ok(None);
        }
        if level == 0 {
            return Ok(Some((end, start)));
        }
        let id = span_id(level, first);
        if self.spans.kept.insert((level, first)) {
            for half in [first, first + (1 << (level - 1))] {
                if let Some(half) = self.span(grid, level - 1, half)? {
                    self.merge_pane(half, id)?;
                }
            }
        }
        Ok(Some(id))
    }

    /// Adds the rows of a pane to those of another.
    pub(super) fn merge_pane(&mut self, pane: PaneId, into: PaneId) -> Result<()> {
        let (from, to) = self.pairs(pane, into);
        self.aggregates.merge(&mut self.table.values, &from, &to)
    }

    /// Drops the spans that hold a pane into which rows come.
    pub(super) fn forget_spans_of(&mut self, pane: PaneId) {
        let Some(grid) = self.windows.grid().filter(|_| !self.spans.kept.is_empty()) else { return };
        let index = grid.index(pane.1);
        for level in 1..=(grid.size / grid.pane).ilog2() {
            let first = index >> level << level;
            if self.spans.kept.remove(&(level, first)) {
                self.table.drop_pane(span_id(level, first));
            }
        }
    }

    /// Drops the spans that start before a window's start, since no later window can use them; or all.
    pub(super) fn drop_spans_before(&mut self, start: Option<(Grid, i64)>) {
        let first_used = start.map_or(i64::MAX, |(grid, start)| grid.index(start));
        let table = &mut self.table;
        self.spans.kept.retain(|&(level, first)| {
            let kept = first >= first_used;
            if !kept {
                table.drop_pane(span_id(level, first));
            }
            kept
        });
    }
}
