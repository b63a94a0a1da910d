//! Window assign: gives each row once for each of its windows, with start, end and time behind its columns.
//!
//! Invariant: no row is dropped as late here; marks stay between the rows they stood between. Sessions are
//! in [`crate::session_assign`].

use crate::wall_clock::WallClock;
use crate::window::time_values;
use crate::window::{Grid, Properties};
use crate::{Operator, OperatorContext, Output};
use arrow_array::UInt32Array;
use tidemill_plan::{WindowProperty, WindowSpec};
use tidemill_types::{Chunk, Error, Marks, Result, Schema, TimeAttribute};

/// The running assignment.
#[derive(Debug)]
pub struct WindowAssign {
    grid: Grid,
    clock: WallClock,
    time_column: usize,
    proctime: bool,
    properties: Properties,
}

impl WindowAssign {
    /// The operator of a plan node.
    pub fn new(spec: &WindowSpec, input: &Schema) -> Result<Self> {
        let grid = Grid::new(&spec.kind)
            .ok_or_else(|| Error::internal(format!("{} is not a grid of windows", spec.kind)))?;
        let all = [WindowProperty::Start, WindowProperty::End, WindowProperty::Time];
        Ok(WindowAssign {
            grid,
            clock: WallClock::new(spec.zone),
            time_column: spec.time_column,
            proctime: spec.time == TimeAttribute::Proctime,
            properties: Properties::new(&all, &input.fields[spec.time_column].data_type),
        })
    }

    /// The windows of a time.
    fn windows(&mut self, time: i64) -> impl Iterator<Item = (i64, i64)> {
        self.grid.windows(self.grid.pane_start(self.clock.wall(time)))
    }

    /// For each row given: which row it is, and its window.
    fn assign(&mut self, chunk: &Chunk, now_ms: i64) -> Result<(Vec<u32>, Vec<(i64, i64)>)> {
        let (mut rows, mut windows) = (Vec::with_capacity(chunk.rows), Vec::with_capacity(chunk.rows));
        if self.proctime {
            let now: Vec<(i64, i64)> = self.windows(now_ms).collect();
            for row in 0..chunk.rows {
                rows.extend(std::iter::repeat_n(row as u32, now.len()));
                windows.extend_from_slice(&now);
            }
            return Ok((rows, windows));
        }
        for (row, &time) in time_values(chunk, self.time_column)?.iter().enumerate() {
            windows.extend(self.windows(time));
            rows.resize(windows.len(), row as u32);
        }
        Ok((rows, windows))
    }
}

/// The marks of rows that were repeated: `rows` tells which row each comes from, ascending.
pub(crate) fn repeat_marks(marks: &Marks, rows: &[u32]) -> Marks {
    let mut out = Marks::none();
    for mark in marks.iter() {
        out.push(rows.partition_point(|&row| row < mark.row) as u32, mark.watermark);
    }
    out
}

impl Operator for WindowAssign {
    fn on_chunk(
        &mut self,
        _port: usize,
        chunk: Chunk,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        if chunk.rows == 0 {
            out.emit(chunk);
            return Ok(());
        }
        let (rows, windows) = self.assign(&chunk, ctx.now_ms)?;
        // With one window each, every row is given once and in place.
        let once =
            rows.len() == chunk.rows && rows.first() == Some(&0) && rows.windows(2).all(|w| w[0] < w[1]);
        let without = rows.first().map_or(chunk.rows, |_| {
            chunk.rows - 1 - rows.windows(2).filter(|pair| pair[0] != pair[1]).count()
        });
        out.rows.filtered += without as u64;
        out.rows.forwarded += (chunk.rows - without) as u64;
        let marks = repeat_marks(&chunk.marks, &rows);
        let mut given = match once {
            true => chunk,
            false => chunk.take(&UInt32Array::from(rows)),
        };
        given.columns.extend(self.properties.each(&self.clock, &windows));
        out.emit(Chunk { marks, ..given });
        Ok(())
    }
}
