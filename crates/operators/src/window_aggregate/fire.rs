//! Firing: from the panes of a window to its rows.
//!
//! A window with one pane gives it as it is. Otherwise the panes are merged into a derived pane:
//! - CUMULATE keeps it from step to step and adds the newest pane: each pane is merged once.
//! - HOP with aggregates that can be inverted keeps it too, adds the newest pane and takes the oldest away:
//!   each pane is merged and unmerged once, whatever size and slide.
//! - Any other HOP merges afresh: all panes if they are few, else spans of panes (see [`super::spans`]).
//!
//! Invariant: the derived pane holds exactly the rows of the panes in `covered`; rows that come late into
//! one of these are added to both. It is rebuilt after a restart, never saved.

use super::WindowAggregate;
use super::spans::SPANS_MIN_PANES;
use crate::Output;
use crate::window::{EMIT_ROWS, Emission, Grid};
use tidemill_state::{DERIVED_PANE, PaneId, PanedTable};
use tidemill_types::Result;

/// Which panes the derived pane holds.
#[derive(Debug)]
pub(super) struct Running {
    /// Start of the first and end of the last pane.
    covered: Option<(i64, i64)>,
    invertible: bool,
}

impl Running {
    pub(super) fn new(invertible: bool) -> Self {
        Running { covered: None, invertible }
    }

    /// Whether a pane is among them.
    #[inline]
    pub(super) fn covers(&self, pane: PaneId) -> bool {
        self.covered.is_some_and(|(start, end)| pane.1 >= start && pane.0 <= end)
    }

    /// Forgets the derived pane.
    pub(super) fn reset(&mut self, table: &mut PanedTable) {
        if self.covered.take().is_some() {
            table.drop_pane(DERIVED_PANE);
        }
    }
}

impl WindowAggregate {
    /// Fires all windows with data that end at or below this watermark, in the order of their ends.
    pub(super) fn fire_until(
        &mut self,
        watermark: i64,
        emission: &mut Emission,
        out: &mut Output,
    ) -> Result<()> {
        while let Some((end, fires)) = self.next
            && fires <= watermark
        {
            self.next = None;
            match self.windows.grid() {
                Some(grid) => self.fire_grid(grid, end, emission, out)?,
                None => self.fire_attached(end, emission, out)?,
            }
        }
        Ok(())
    }

    fn fire_attached(&mut self, end: i64, emission: &mut Emission, out: &mut Output) -> Result<()> {
        let panes: Vec<PaneId> = self.table.panes_in((end, i64::MIN)..(end + 1, i64::MIN)).collect();
        for pane in panes {
            let slots = self.table.pane(pane).to_vec();
            self.emit((pane.1, end), &slots, emission, out)?;
            self.fire_moved_out(&[pane], (pane.1, end), emission, out)?;
            self.table.drop_pane(pane);
        }
        let first = self.table.panes().next();
        first.into_iter().for_each(|pane| self.note_open(pane.0));
        Ok(())
    }

    fn fire_grid(&mut self, grid: Grid, end: i64, emission: &mut Emission, out: &mut Output) -> Result<()> {
        self.follow_moves();
        let start = grid.window_start(end);
        let panes: Vec<PaneId> = self.table.panes_in((start + 1, i64::MIN)..(end + 1, i64::MIN)).collect();
        let slots = match panes.as_slice() {
            [pane] if self.running.covered.is_none() => self.table.pane(*pane).to_vec(),
            _ => {
                match grid.growing() || self.running.invertible || grid.size / grid.pane < SPANS_MIN_PANES {
                    true => self.merge(&panes, start, end)?,
                    false => self.merge_spans(grid, start, end)?,
                }
                self.table.pane(DERIVED_PANE).to_vec()
            }
        };
        self.emit((start, end), &slots, emission, out)?;
        self.fire_moved_out(&panes, (start, end), emission, out)?;
        self.release(grid, end)?;
        let first = self.table.panes().next();
        if let Some(first) = first {
            self.note_open(grid.first_end(first.1).max(grid.next_end(end)));
        }
        Ok(())
    }

    /// Forgets what was derived if keys went out of memory or came back since: it holds others than those now.
    pub(super) fn follow_moves(&mut self) {
        if self.moves_seen != self.table.moves() {
            self.running.reset(&mut self.table);
            self.drop_spans_before(None);
            self.moves_seen = self.table.moves();
        }
    }

    /// The same window for the keys that are out of memory, some at a time.
    fn fire_moved_out(
        &mut self,
        panes: &[PaneId],
        window: (i64, i64),
        emission: &mut Emission,
        out: &mut Output,
    ) -> Result<()> {
        let Some(mut walk) = self.table.moved_out(panes) else { return Ok(()) };
        self.running.reset(&mut self.table);
        self.table.drop_pane(DERIVED_PANE);
        loop {
            let ids = self.table.bring_some_back(&mut walk);
            if ids.is_empty() {
                break;
            }
            for &pane in panes {
                let (from, of): (Vec<u32>, Vec<u32>) =
                    ids.iter().filter_map(|&id| Some((self.table.find(pane, id)?, id))).unzip();
                let mut to = Vec::with_capacity(of.len());
                self.table.slots(DERIVED_PANE, &of, &mut to);
                self.aggregates.merge(&mut self.table.values, &from, &to)?;
            }
            let slots = self.table.pane(DERIVED_PANE).to_vec();
            self.emit(window, &slots, emission, out)?;
            self.table.drop_pane(DERIVED_PANE);
            self.table.shed(&self.ids);
        }
        self.follow_moves();
        Ok(())
    }

    /// Makes the derived pane hold exactly these panes, all there are in `start..end`.
    fn merge(&mut self, panes: &[PaneId], start: i64, end: i64) -> Result<()> {
        let merged_end = match self.running.covered {
            Some((from, to)) if from == start => to,
            _ => {
                self.running.reset(&mut self.table);
                start
            }
        };
        for &pane in panes.iter().filter(|pane| pane.1 >= merged_end) {
            self.merge_pane(pane, DERIVED_PANE)?;
        }
        self.running.covered = Some((start, end));
        Ok(())
    }

    /// The slots of a pane and those of the same keys in another.
    pub(super) fn pairs(&mut self, pane: PaneId, other: PaneId) -> (Vec<u32>, Vec<u32>) {
        let from = self.table.pane(pane).to_vec();
        let ids: Vec<u32> = from.iter().map(|&slot| self.table.key_of(slot)).collect();
        let mut to = Vec::with_capacity(ids.len());
        self.table.slots(other, &ids, &mut to);
        (from, to)
    }

    /// After a fire: takes panes that the next window does not hold out of the derived pane, and drops
    /// those no window needs.
    fn release(&mut self, grid: Grid, end: i64) -> Result<()> {
        let gone: Vec<PaneId> = self.table.panes().take_while(|pane| grid.last_end(pane.1) <= end).collect();
        let next_start = grid.window_start(grid.next_end(end));
        if !grid.growing() && !self.running.invertible {
            self.table.drop_pane(DERIVED_PANE);
            self.running.covered = None;
            self.drop_spans_before(Some((grid, next_start)));
        }
        if let Some((start, to)) = self.running.covered
            && start != next_start
        {
            if !self.running.invertible || next_start >= to {
                self.running.reset(&mut self.table);
            } else {
                for &pane in gone.iter().filter(|pane| pane.1 >= start) {
                    let (from, into) = self.pairs(pane, DERIVED_PANE);
                    self.aggregates.unmerge(&mut self.table.values, &from, &into)?;
                }
                let aggregates = &self.aggregates;
                self.table.retain(DERIVED_PANE, |values, slot| aggregates.row_count(values, slot) != 0);
                self.running.covered = Some((next_start, to));
                if self.table.pane(DERIVED_PANE).is_empty() {
                    self.running.reset(&mut self.table);
                }
            }
        }
        gone.into_iter().for_each(|pane| self.table.drop_pane(pane));
        Ok(())
    }

    /// Gives the rows of a window `(start, end)`. Keys whose rows were all taken back have none.
    fn emit(
        &mut self,
        window: (i64, i64),
        slots: &[u32],
        emission: &mut Emission,
        out: &mut Output,
    ) -> Result<()> {
        let values = &self.table.values;
        let kept: Vec<u32>;
        let slots = match self.retract {
            false => slots,
            true => {
                let counts = |slot: &u32| self.aggregates.row_count(values, *slot) != 0;
                kept = slots.iter().copied().filter(counts).collect();
                &kept
            }
        };
        for slots in slots.chunks(EMIT_ROWS) {
            let mut columns = self.keys.decode(slots.iter().map(|&slot| self.table.key(slot)));
            columns.extend(self.aggregates.finish(values, slots)?);
            columns.extend(self.properties.same(&self.windows.clock, window, slots.len()));
            emission.rows(columns, slots.len(), out);
        }
        Ok(())
    }
}
