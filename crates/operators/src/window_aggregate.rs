//! Window aggregate for TUMBLE, HOP, CUMULATE and windows that rows carry: one row per key and window.
//!
//! 1. Each row is aggregated once, into the pane that holds it; what a row costs does not depend on how
//!    many windows it belongs to. 2. A row is late only if all its windows have fired at the watermark of
//!    the rows before it. 3. When a mark reaches the end of a window that has data, the panes of the window
//!    are merged (see `fire`) and its rows go out before the mark. 4. Panes no window needs are dropped.
//!
//! A chunk is cut only where a window with data fires.
//! Invariant: `next` is the first window with data that has not fired. Processing-time windows see
//! `now - 1` in place of a watermark, and are not fired by the end of input.

mod fire;
mod spans;

use crate::aggregates::{Aggregates, Batch};
use crate::build::JobInfo;
use crate::keys::Keys;
use crate::window::{Emission, Panes, Properties, Windows};
use crate::{Operator, OperatorContext, Output};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use fire::Running;
use spans::Spans;
use std::borrow::Cow;
use tidemill_plan::stream::WindowAggregatePlan;
use tidemill_state::{DERIVED_PANE, PaneId, PanedTable, SharedValue, StateTable, UNUSED_KEYS};
use tidemill_types::{Chunk, Marks, Result, Schema, WATERMARK_NONE};

/// The running aggregation.
pub struct WindowAggregate {
    keys: Keys,
    aggregates: Aggregates,
    windows: Windows,
    properties: Properties,
    retract: bool,
    /// The column with the number of rows, when rows were aggregated before; partial cells follow it.
    partial: Option<usize>,
    table: PanedTable,
    reached: SharedValue,
    running: Running,
    spans: Spans,
    /// Up to which move of the table's keys `running` and `spans` hold.
    moves_seen: u64,
    /// End and firing time of the first window with data that has not fired.
    next: Option<(i64, i64)>,
    ids: Vec<u32>,
    slots: Vec<u32>,
}

impl WindowAggregate {
    /// The operator of a plan node.
    pub fn new(plan: &WindowAggregatePlan, input: &Schema, job: &JobInfo) -> Result<Self> {
        Self::over(plan, input, Keys::new(&plan.keys, input), None, job)
    }

    /// The same over rows of [`crate::local_window_aggregate`], whose keys come first.
    pub(crate) fn over(
        plan: &WindowAggregatePlan,
        input: &Schema,
        keys: Keys,
        partial: Option<usize>,
        job: &JobInfo,
    ) -> Result<Self> {
        let mut windows = Windows::new(&plan.window)?;
        if let Some(row_count) = partial {
            windows = windows.with_pane_end(row_count - 1);
        }
        let sliding = windows.grid().is_some_and(|grid| !grid.growing() && !grid.single());
        let invertible = sliding && !plan.retract && Aggregates::new(&plan.aggregates, false).invertible();
        let aggregates = Aggregates::new(&plan.aggregates, plan.retract || invertible);
        let table = PanedTable::new(aggregates.kinds(), aggregates.sets(), job.key_groups);
        let time = &input.fields[plan.window.time_column].data_type;
        Ok(WindowAggregate {
            keys,
            aggregates,
            windows,
            properties: Properties::new(&plan.properties, time),
            retract: plan.retract,
            partial,
            table,
            reached: SharedValue::new(WATERMARK_NONE),
            running: Running::new(invertible),
            spans: Spans::default(),
            moves_seen: 0,
            next: None,
            ids: Vec::new(),
            slots: Vec::new(),
        })
    }

    /// What a row of the chunk counts for: one, or as many rows as it stands for.
    fn weight(&self, chunk: &Chunk, rows: &[u32]) -> u64 {
        match self.partial {
            None => rows.len() as u64,
            Some(column) => {
                let counts = chunk.columns[column].as_primitive::<Int64Type>().values();
                rows.iter().map(|&row| counts[row as usize] as u64).sum()
            }
        }
    }

    fn note_open(&mut self, end: i64) {
        if self.next.is_none_or(|(next, _)| end < next) {
            self.next = Some((end, self.windows.clock.fires_at(end)));
        }
    }

    /// Aggregates these rows (ascending, at least one) of the chunk.
    fn absorb(&mut self, chunk: &Chunk, panes: &Panes, rows: &[u32], out: &mut Output) -> Result<()> {
        out.rows.absorbed += self.weight(chunk, rows);
        let cut = cut(chunk, rows);
        let runs = runs(panes, rows);
        runs.iter().for_each(|run| self.forget_spans_of(run.2));
        let ids: Cow<'_, [u32]> = match rows.len() == chunk.rows {
            true => Cow::Borrowed(&self.ids),
            false => rows.iter().map(|&row| self.ids[row as usize]).collect(),
        };
        self.slots.clear();
        let mut behind = Vec::new();
        for (start, end, pane) in runs {
            self.table.slots(pane, &ids[start..end], &mut self.slots);
            if self.running.covers(pane) {
                behind.extend(start as u32..end as u32);
            }
        }
        update(&mut self.aggregates, &mut self.table, self.partial, &cut, &self.slots)?;
        if !behind.is_empty() {
            let ids: Vec<u32> = behind.iter().map(|&at| ids[at as usize]).collect();
            self.slots.clear();
            self.table.slots(DERIVED_PANE, &ids, &mut self.slots);
            let behind = cut.take(&behind.into());
            update(&mut self.aggregates, &mut self.table, self.partial, &behind, &self.slots)?;
        }
        Ok(())
    }

    /// Takes a chunk in which something fires or may be late, row by row.
    fn cut_at_fires(
        &mut self,
        chunk: &Chunk,
        panes: &Panes,
        before: i64,
        emission: &mut Emission,
        out: &mut Output,
    ) -> Result<()> {
        let marks = chunk.marks.as_slice();
        let mut watermark = before;
        let (mut at, mut taken, mut late, mut outside) = (0, Vec::new(), Vec::new(), Vec::new());
        // The pane looked at last, and the watermark below which its first window is open.
        let mut known: Option<(PaneId, i64)> = None;
        for row in 0..=chunk.rows {
            while at < marks.len() && marks[at].row as usize <= row {
                let passed = watermark;
                watermark = watermark.max(marks[at].watermark);
                at += 1;
                if self.next.is_some_and(|(_, fires)| fires <= watermark) {
                    if passed > before {
                        emission.mark(passed);
                    }
                    if !taken.is_empty() {
                        self.absorb(chunk, panes, &taken, out)?;
                        taken.clear();
                    }
                    self.fire_until(watermark, emission, out)?;
                    emission.mark(watermark);
                    known = None;
                }
            }
            if row == chunk.rows {
                break;
            }
            let pane = panes.of(row);
            if known.is_some_and(|(known, fires)| known == pane && watermark < fires) {
                taken.push(row as u32);
                continue;
            }
            match self.windows.first_open(pane, watermark) {
                Some(end) => {
                    self.note_open(end);
                    known = Some((pane, self.windows.clock.fires_at(end)));
                    taken.push(row as u32);
                }
                None if self.windows.covers(pane) => late.push(row as u32),
                None => outside.push(row as u32),
            }
        }
        if !taken.is_empty() {
            self.absorb(chunk, panes, &taken, out)?;
        }
        self.drop_late(chunk, &late, out);
        out.rows.filtered += self.weight(chunk, &outside);
        Ok(())
    }

    fn drop_late(&self, chunk: &Chunk, late: &[u32], out: &mut Output) {
        out.late(chunk, late);
        out.rows.late += self.weight(chunk, late) - late.len() as u64;
    }

    fn on_rows(
        &mut self,
        chunk: &Chunk,
        progress: (i64, i64),
        now_ms: i64,
        emission: &mut Emission,
        out: &mut Output,
    ) -> Result<()> {
        if self.partial.is_some() {
            let all: Vec<u32> = (0..chunk.rows as u32).collect();
            out.rows.input += self.weight(chunk, &all) - chunk.rows as u64;
        }
        let panes = self.windows.panes(chunk, now_ms)?;
        self.keys.encode(chunk);
        self.table.sweep(UNUSED_KEYS);
        self.table.intern(&self.keys.encoded, &self.keys.hashes, &mut self.ids);
        self.follow_moves();
        let (before, after) = progress;
        // Nothing fires inside the chunk if no window with data ends at or below its last watermark.
        let quiet = self.next.is_none_or(|(_, fires)| fires > after);
        let lowest = panes.lowest();
        match self.windows.first_open(lowest, before) {
            Some(end) if quiet && self.windows.covers_all() && self.windows.clock.fires_at(end) > after => {
                self.note_open(end);
                let all: Vec<u32> = (0..chunk.rows as u32).collect();
                self.absorb(chunk, &panes, &all, out)
            }
            _ => self.cut_at_fires(chunk, &panes, before, emission, out),
        }
    }

    fn on_event_time(&mut self, chunk: &Chunk, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        let mut emission = Emission::default();
        let before = self.reached.get().max(ctx.watermark);
        let after = chunk.marks.last().unwrap_or(before).max(before);
        if chunk.rows > 0 {
            self.on_rows(chunk, (before, after), ctx.now_ms, &mut emission, out)?;
        }
        self.fire_until(after, &mut emission, out)?;
        self.reached.raise(after);
        if !chunk.marks.is_empty() {
            emission.mark(after);
        }
        emission.flush(out);
        Ok(())
    }

    fn on_processing_time(&mut self, chunk: &Chunk, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        self.on_time(ctx, out)?;
        if chunk.rows > 0 {
            let now = ctx.now_ms - 1;
            // Marks say nothing about processing time.
            let rows = Chunk { marks: Marks::none(), ..chunk.clone() };
            self.on_rows(&rows, (now, now), ctx.now_ms, &mut Emission::default(), out)?;
        }
        if let Some(watermark) = chunk.marks.last() {
            out.emit(Chunk::watermark(watermark));
        }
        Ok(())
    }
}

fn update(
    aggregates: &mut Aggregates,
    table: &mut PanedTable,
    partial: Option<usize>,
    chunk: &Chunk,
    slots: &[u32],
) -> Result<()> {
    match partial {
        None => {
            let kinds = chunk.kinds.as_deref();
            let batch = Batch { columns: &chunk.columns, kinds, slots };
            aggregates.update(&mut table.values, &batch)
        }
        Some(row_count) => {
            // The number of rows stands last among the cells.
            let mut cells = chunk.columns[row_count + 1..].to_vec();
            cells.push(chunk.columns[row_count].clone());
            aggregates.merge_partial(&mut table.values, slots, &cells)
        }
    }
}

/// The rows of a chunk as a chunk without marks; ascending rows that are neighbours are not copied.
fn cut<'a>(chunk: &'a Chunk, rows: &[u32]) -> Cow<'a, Chunk> {
    let (Some(&first), Some(&last)) = (rows.first(), rows.last()) else {
        return Cow::Owned(Chunk::default());
    };
    if rows.len() == chunk.rows {
        return Cow::Borrowed(chunk);
    }
    if (last - first) as usize + 1 != rows.len() {
        return Cow::Owned(chunk.take(&rows.to_vec().into()));
    }
    let (start, len) = (first as usize, rows.len());
    Cow::Owned(Chunk {
        columns: chunk.columns.iter().map(|column| column.slice(start, len)).collect(),
        rows: len,
        kinds: chunk.kinds.as_ref().map(|kinds| kinds[start..start + len].into()),
        marks: Marks::none(),
    })
}

/// Runs of rows in one pane: positions in `rows` and the pane.
fn runs(panes: &Panes, rows: &[u32]) -> Vec<(usize, usize, PaneId)> {
    if let Panes::Same(pane) = panes {
        return vec![(0, rows.len(), *pane)];
    }
    let mut runs: Vec<(usize, usize, PaneId)> = Vec::new();
    for (at, &row) in rows.iter().enumerate() {
        let pane = panes.of(row as usize);
        match runs.last_mut() {
            Some(run) if run.2 == pane => run.1 = at + 1,
            _ => runs.push((at, at + 1, pane)),
        }
    }
    runs
}

impl Operator for WindowAggregate {
    fn on_chunk(
        &mut self,
        _port: usize,
        chunk: Chunk,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        match self.windows.proctime {
            true => self.on_processing_time(&chunk, ctx, out),
            false => self.on_event_time(&chunk, ctx, out),
        }
    }

    fn on_time(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        if !self.windows.proctime {
            return Ok(());
        }
        let mut emission = Emission::default();
        self.fire_until(ctx.now_ms - 1, &mut emission, out)?;
        self.reached.raise(ctx.now_ms - 1);
        emission.flush(out);
        Ok(())
    }

    fn next_time(&self) -> Option<i64> {
        self.next.filter(|_| self.windows.proctime).map(|(_, fires)| fires + 1)
    }

    fn tables(&mut self) -> Vec<(&'static str, &mut dyn StateTable)> {
        vec![("panes", &mut self.table), ("watermark", &mut self.reached)]
    }

    fn on_restored(&mut self) -> Result<()> {
        self.running.reset(&mut self.table);
        self.drop_spans_before(None);
        self.next = None;
        let first = self.table.panes().next();
        if let Some(first) = first
            && let Some(end) = self.windows.first_open(first, self.reached.get())
        {
            self.note_open(end);
        }
        Ok(())
    }
}
