//! The pane of each row of a chunk, and when the windows of a pane fire.

use super::Grid;
use crate::wall_clock::WallClock;
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use tidemill_plan::{WindowKind, WindowSpec};
use tidemill_state::PaneId;
use tidemill_types::{Chunk, Error, Result, TimeAttribute};

/// The panes of the rows of a chunk.
#[derive(Debug, Clone)]
pub enum Panes {
    /// All rows lie in one.
    Same(PaneId),
    /// The pane of each row.
    Each(Vec<PaneId>),
}

impl Panes {
    /// The pane of a row.
    #[inline]
    pub fn of(&self, row: usize) -> PaneId {
        match self {
            Panes::Same(pane) => *pane,
            Panes::Each(panes) => panes[row],
        }
    }

    /// The first of all; there is at least one row.
    pub fn lowest(&self) -> PaneId {
        match self {
            Panes::Same(pane) => *pane,
            Panes::Each(panes) => panes.iter().copied().min().expect("a chunk with rows was given"),
        }
    }
}

/// How rows get into panes.
#[derive(Debug, Clone, Copy)]
enum Source {
    Grid(Grid),
    /// The columns that hold start and end of the window; the pane is the window.
    Attached(usize, usize),
    /// The column that holds the end of the pane, in rows that were aggregated before.
    PaneEnd(Grid, usize),
}

/// The windows of an operator on the wall clock.
#[derive(Debug, Clone)]
pub struct Windows {
    source: Source,
    time_column: usize,
    /// Whether windows follow processing time.
    pub proctime: bool,
    /// The wall clock they follow.
    pub clock: WallClock,
}

/// The time column of a chunk in ms.
pub fn time_values(chunk: &Chunk, column: usize) -> Result<&[i64]> {
    let times = chunk.columns[column]
        .as_primitive_opt::<TimestampMillisecondType>()
        .ok_or_else(|| Error::internal("a time attribute is not a timestamp with millisecond precision"))?;
    match times.null_count() {
        0 => Ok(times.values()),
        _ => {
            Err(Error::data("RowTime field should not be null, please convert it to a non-null long value."))
        }
    }
}

impl Windows {
    /// Those of a specification; sessions are not made of panes.
    pub fn new(spec: &WindowSpec) -> Result<Self> {
        let source = match (&spec.kind, Grid::new(&spec.kind)) {
            (_, Some(grid)) => Source::Grid(grid),
            (WindowKind::Attached { start, end }, None) => Source::Attached(*start, *end),
            (kind, None) => return Err(Error::internal(format!("{kind} has no panes"))),
        };
        Ok(Windows {
            source,
            time_column: spec.time_column,
            proctime: spec.time == TimeAttribute::Proctime,
            clock: WallClock::new(spec.zone),
        })
    }

    /// The same windows for rows that carry the end of their pane in this column.
    pub fn with_pane_end(mut self, column: usize) -> Self {
        if let Source::Grid(grid) = self.source {
            self.source = Source::PaneEnd(grid, column);
        }
        self
    }

    /// Their grid; attached windows have none.
    pub fn grid(&self) -> Option<Grid> {
        match self.source {
            Source::Grid(grid) | Source::PaneEnd(grid, _) => Some(grid),
            Source::Attached(..) => None,
        }
    }

    /// The pane of each row.
    pub fn panes(&mut self, chunk: &Chunk, now_ms: i64) -> Result<Panes> {
        match self.source {
            Source::Grid(grid) if self.proctime => {
                let start = grid.pane_start(self.clock.wall(now_ms));
                Ok(Panes::Same((start + grid.pane, start)))
            }
            Source::Grid(grid) => {
                let times = time_values(chunk, self.time_column)?;
                Ok(self.grid_panes(grid, times))
            }
            Source::PaneEnd(grid, column) => {
                let ends = chunk.columns[column].as_primitive::<Int64Type>().values();
                Ok(collect(ends.iter().map(|&end| (end, end - grid.pane))))
            }
            Source::Attached(start, end) => {
                let (starts, ends) = (time_values(chunk, start)?, time_values(chunk, end)?);
                Ok(collect(ends.iter().copied().zip(starts.iter().copied())))
            }
        }
    }

    fn grid_panes(&mut self, grid: Grid, times: &[i64]) -> Panes {
        if self.clock.is_utc() {
            let (mut low, mut high) = (i64::MAX, i64::MIN);
            for &time in times {
                low = low.min(time);
                high = high.max(time);
            }
            let start = grid.pane_start(low);
            if high < start + grid.pane {
                return Panes::Same((start + grid.pane, start));
            }
        }
        let mut start = i64::MAX;
        collect(times.iter().map(|&time| {
            let wall = self.clock.wall(time);
            if start > wall || wall >= start + grid.pane {
                start = grid.pane_start(wall);
            }
            (start + grid.pane, start)
        }))
    }

    /// The end of the first window of a pane that has not fired at a watermark; none: all have fired.
    pub fn first_open(&mut self, pane: PaneId, watermark: i64) -> Option<i64> {
        let Some(grid) = self.grid() else {
            return (self.clock.fires_at(pane.0) > watermark).then_some(pane.0);
        };
        let last = grid.last_end(pane.1);
        if self.clock.fires_at(last) <= watermark {
            return None;
        }
        let mut end = grid.first_end(pane.1);
        if self.clock.is_utc() && end - 1 <= watermark {
            end = grid.next_end(watermark + 1);
        }
        while self.clock.fires_at(end) <= watermark {
            end = grid.next_end(end);
        }
        (end <= last).then_some(end)
    }

    /// Whether every pane belongs to a window.
    pub fn covers_all(&self) -> bool {
        self.grid().is_none_or(|grid| grid.growing() || grid.size >= grid.stride)
    }

    /// Whether a pane belongs to a window at all; HOP with a slide above its size leaves gaps.
    pub fn covers(&self, pane: PaneId) -> bool {
        self.grid().is_none_or(|grid| grid.first_end(pane.1) <= grid.last_end(pane.1))
    }
}

/// Keeps one pane if all are the same.
fn collect(panes: impl Iterator<Item = PaneId>) -> Panes {
    let panes: Vec<PaneId> = panes.collect();
    match panes.first() {
        Some(&first) if panes.iter().all(|&pane| pane == first) => Panes::Same(first),
        _ => Panes::Each(panes),
    }
}
