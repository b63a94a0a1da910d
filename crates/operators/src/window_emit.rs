//! Window aggregate that gives results before and after a window's end (`table.exec.emit.*`): TUMBLE and HOP of
//! the group windows of old.
//!
//! 1. A row goes into the group of its key for each of its windows that is still kept; it is late if none is.
//! 2. Before a window's end its group gives a new result with each piece of input, or at most once in the early
//!    delay; without early fires it gives none. 3. When the watermark passes the end, all groups of the window
//!    give their result. 4. After that the same holds as before the end, with the late delay, until the watermark
//!    passes the end by the allowed lateness; then the groups are given up.
//!
//! A result that equals the one given last is not given again.
//! State: one cell row per key and window with the result given last.
//! Invariant: what was given last is known, so that each change takes back exactly that.

use crate::aggregates::{Aggregates, Batch};
use crate::build::JobInfo;
use crate::keys::Keys;
use crate::touched::Touched;
use crate::wall_clock::WallClock;
use crate::window::{Grid, Properties, time_values};
use crate::{Operator, OperatorContext, Output};
use arrow_array::ArrayRef;
use tidemill_plan::stream::EmittingWindowPlan;
use tidemill_state::{PaneId, PanedTable, SharedValue, StateTable, UNUSED_KEYS};
use tidemill_types::key::{EncodedKeys, KeyEncoder, decode};
use tidemill_types::{
    CellKind, Cells, Chunk, DataType, Error, Marks, Result, RowKind, Schema, WATERMARK_NONE,
};

/// The running aggregation.
pub struct WindowEmit {
    plan: EmittingWindowPlan,
    keys: Keys,
    aggregates: Aggregates,
    results: Vec<DataType>,
    grid: Grid,
    clock: WallClock,
    properties: Properties,
    /// A pane for each window.
    table: PanedTable,
    reached: SharedValue,
    /// The watermark at which the first window with data ends or is over; holds while a chunk is taken.
    next: i64,
    /// When the groups that wait for a delay give their results, in processing time.
    flush_at: Option<i64>,
    pending: Pending,
    touched: Touched,
    ids: Vec<u32>,
    slots: Vec<u32>,
    changes: Changes,
}

/// Rows that have groups but are not aggregated yet.
#[derive(Default)]
struct Pending {
    rows: Vec<u32>,
    windows: Vec<PaneId>,
}

/// Changes on their way out.
#[derive(Default)]
struct Changes {
    kinds: Vec<RowKind>,
    keys: EncodedKeys,
    results: EncodedKeys,
    windows: Vec<(i64, i64)>,
    marks: Marks,
}

fn add(keys: &mut EncodedKeys, key: &[u8]) {
    keys.bytes.extend_from_slice(key);
    keys.ends.push(keys.bytes.len() as u32);
}

impl WindowEmit {
    /// The operator of a plan node.
    pub fn new(plan: &EmittingWindowPlan, input: &Schema, job: &JobInfo) -> Result<Self> {
        let window = &plan.base.window;
        let grid = Grid::new(&window.kind)
            .ok_or_else(|| Error::internal(format!("{} does not emit early or late", window.kind)))?;
        let aggregates = Aggregates::new(&plan.base.aggregates, true);
        let mut kinds = aggregates.kinds().to_vec();
        kinds.extend([CellKind::Bytes, CellKind::I64]);
        Ok(WindowEmit {
            keys: Keys::new(&plan.base.keys, input),
            results: aggregates.return_types().map(|t| t.clone().with_nullable(true)).collect(),
            grid,
            clock: WallClock::new(window.zone),
            properties: Properties::new(&plan.base.properties, &input.fields[window.time_column].data_type),
            table: PanedTable::new(&kinds, aggregates.sets(), job.key_groups),
            aggregates,
            reached: SharedValue::new(WATERMARK_NONE),
            next: i64::MAX,
            flush_at: None,
            pending: Pending::default(),
            touched: Touched::default(),
            ids: Vec::new(),
            slots: Vec::new(),
            changes: Changes::default(),
            plan: plan.clone(),
        })
    }

    /// Puts a row into the groups of its windows; whether there is one.
    fn place(&mut self, row: usize, time: i64, watermark: i64) -> bool {
        let pane = self.grid.pane_start(self.clock.wall(time));
        let mut placed = false;
        let grid = self.grid;
        for (start, end) in grid.windows(pane) {
            let kept = self.over_at(end) > watermark;
            if kept {
                self.note_window(end, watermark);
                self.pending.rows.push(row as u32);
                self.pending.windows.push((end, start));
            }
            placed |= kept;
        }
        placed
    }

    /// The watermark at which the groups of a window are given up.
    fn over_at(&mut self, end: i64) -> i64 {
        self.clock.fires_at(end).saturating_add(self.plan.lateness_ms)
    }

    /// Aggregates the rows that wait and gives what their groups give at once.
    fn aggregate(&mut self, chunk: &Chunk, watermark: i64, now_ms: i64) -> Result<()> {
        let Pending { rows, windows } = std::mem::take(&mut self.pending);
        if rows.is_empty() {
            return Ok(());
        }
        self.slots.clear();
        for (&row, &window) in rows.iter().zip(&windows) {
            self.table.slots(window, &[self.ids[row as usize]], &mut self.slots);
        }
        let taken = chunk.take(&rows.into());
        let batch = Batch { columns: &taken.columns, kinds: taken.kinds.as_deref(), slots: &self.slots };
        self.aggregates.update(&mut self.table.values, &batch)?;
        self.touched.collect(&self.slots, self.table.values.len());
        let mut now = Vec::new();
        for at in 0..self.touched.slots.len() {
            let (slot, window) = (self.touched.slots[at], windows[self.touched.rows[at] as usize]);
            let ended = self.clock.fires_at(window.0) <= watermark;
            let delay = if ended { Some(self.plan.late_ms.unwrap_or(0)) } else { self.plan.early_ms };
            match delay {
                Some(0) => now.push((slot, window)),
                Some(delay) => self.wait(slot, now_ms.saturating_add(delay)),
                None => {}
            }
        }
        self.give(&now)
    }

    /// A group gives its result when this time has come, with all that wait.
    fn wait(&mut self, slot: u32, until_ms: i64) {
        waiting(&mut self.table)[slot as usize] = 1;
        self.flush_at = Some(self.flush_at.map_or(until_ms, |at| at.min(until_ms)));
    }

    /// Gives the changes of these groups' results since they were given last.
    fn give(&mut self, groups: &[(u32, PaneId)]) -> Result<()> {
        if groups.is_empty() {
            return Ok(());
        }
        let slots: Vec<u32> = groups.iter().map(|(slot, _)| *slot).collect();
        let results = self.aggregates.finish(&self.table.values, &slots)?;
        let mut encoded = EncodedKeys::default();
        KeyEncoder::new(self.results.iter().cloned()).encode(&results, slots.len(), &mut encoded);
        for (at, &(slot, (end, start))) in groups.iter().enumerate() {
            // What was given last changes: the table must know.
            self.slots.clear();
            self.table.slots((end, start), &[self.table.key_of(slot)], &mut self.slots);
            waiting(&mut self.table)[slot as usize] = 0;
            let exists = self.aggregates.row_count(&self.table.values, slot) != 0;
            let new: Option<Box<[u8]>> = exists.then(|| encoded.key(at).into());
            let old = std::mem::replace(&mut given(&mut self.table)[slot as usize], new.clone());
            let mut change = |kind, result: &[u8]| {
                self.changes.kinds.push(kind);
                add(&mut self.changes.keys, self.table.key(slot));
                add(&mut self.changes.results, result);
                self.changes.windows.push((start, end));
            };
            match (old, new) {
                (None, Some(new)) => change(RowKind::Insert, &new),
                (Some(old), None) => change(RowKind::Delete, &old),
                (Some(old), Some(new)) if old != new => {
                    change(RowKind::UpdateBefore, &old);
                    change(RowKind::UpdateAfter, &new);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Gives the results of windows that end now, and gives up those that are over.
    fn pass(&mut self, before: i64, watermark: i64) -> Result<()> {
        for window in self.table.panes().collect::<Vec<_>>() {
            let (ends, over) = (self.clock.fires_at(window.0), self.over_at(window.0));
            if ends > watermark {
                continue;
            }
            if ends > before || over <= watermark {
                let groups = self.groups(window);
                self.give(&groups)?;
            }
            if over <= watermark {
                self.table.drop_pane(window);
            }
        }
        Ok(())
    }

    /// All groups of a window, in memory.
    fn groups(&mut self, window: PaneId) -> Vec<(u32, PaneId)> {
        if let Some(mut walk) = self.table.moved_out(&[window]) {
            while !self.table.bring_some_back(&mut walk).is_empty() {}
        }
        self.table.pane(window).iter().map(|&slot| (slot, window)).collect()
    }

    /// When something happens to the windows with data next.
    fn note_windows(&mut self, watermark: i64) {
        self.next = i64::MAX;
        for (end, _) in self.table.panes().collect::<Vec<_>>() {
            self.note_window(end, watermark);
        }
    }

    fn note_window(&mut self, end: i64, watermark: i64) {
        let (ends, over) = (self.clock.fires_at(end), self.over_at(end));
        let next = if ends > watermark { ends } else { over };
        self.next = self.next.min(next);
    }

    fn on_rows(
        &mut self,
        chunk: &Chunk,
        mut watermark: i64,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<i64> {
        let times = time_values(chunk, self.plan.base.window.time_column)?.to_vec();
        self.keys.encode(chunk);
        self.table.sweep(UNUSED_KEYS);
        self.table.intern(&self.keys.encoded, &self.keys.hashes, &mut self.ids);
        self.note_windows(watermark);
        let (marks, mut at, mut late) = (chunk.marks.as_slice(), 0, Vec::new());
        for (row, time) in times.into_iter().enumerate() {
            while at < marks.len() && marks[at].row as usize <= row {
                let reached = watermark.max(marks[at].watermark);
                at += 1;
                if reached >= self.next {
                    self.aggregate(chunk, watermark, ctx.now_ms)?;
                    self.pass(watermark, reached)?;
                    self.note_windows(reached);
                    self.changes.mark(reached);
                }
                watermark = reached;
            }
            if !self.place(row, time, watermark) {
                late.push(row as u32);
            }
        }
        out.rows.absorbed += (chunk.rows - late.len()) as u64;
        out.late(chunk, &late);
        self.aggregate(chunk, watermark, ctx.now_ms)?;
        Ok(watermark)
    }

    fn flush(&mut self, out: &mut Output) {
        let changes = std::mem::take(&mut self.changes);
        let rows = changes.kinds.len();
        let mut columns: Vec<ArrayRef> = Vec::new();
        if rows > 0 {
            columns.extend(self.keys.decode(changes.keys.iter()));
            columns.extend(decode(&self.results, changes.results.iter()));
            columns.extend(self.properties.each(&self.clock, &changes.windows));
        }
        let kinds = changes.kinds.iter().any(|&kind| kind != RowKind::Insert).then(|| changes.kinds.into());
        out.emit(Chunk { columns, rows, kinds, marks: changes.marks });
    }

    /// All groups that wait for a delay and are in memory; the others wait for the end of their window.
    fn waiting_groups(&mut self) -> Vec<(u32, PaneId)> {
        let windows: Vec<PaneId> = self.table.panes().collect();
        let of = |window: PaneId| self.table.pane(window).iter().map(move |&slot| (slot, window));
        let groups: Vec<(u32, PaneId)> = windows.into_iter().flat_map(of).collect();
        let flags = waiting(&mut self.table);
        groups.into_iter().filter(|(slot, _)| flags[*slot as usize] != 0).collect()
    }
}

impl Changes {
    /// The watermark reaches this after the changes so far.
    fn mark(&mut self, watermark: i64) {
        self.marks.push(self.kinds.len() as u32, watermark);
    }
}

/// The results that were given last, by slot.
fn given(table: &mut PanedTable) -> &mut Vec<Option<Box<[u8]>>> {
    let place = table.values.cells.len() - 2;
    match &mut table.values.cells[place] {
        Cells::Bytes(results) => results,
        _ => unreachable!("the table was made with a result before the last cell"),
    }
}

/// Whether a group waits for a delay, by slot.
fn waiting(table: &mut PanedTable) -> &mut Vec<i64> {
    match table.values.cells.last_mut() {
        Some(Cells::I64(flags)) => flags,
        _ => unreachable!("the table was made with a flag as its last cell"),
    }
}

impl Operator for WindowEmit {
    fn on_chunk(
        &mut self,
        _port: usize,
        chunk: Chunk,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        let before = self.reached.get().max(ctx.watermark);
        let after = chunk.marks.last().map_or(before, |mark| mark.max(before));
        let passed = if chunk.rows > 0 { self.on_rows(&chunk, before, ctx, out)? } else { before };
        self.pass(passed, after)?;
        self.reached.raise(after);
        if !chunk.marks.is_empty() {
            self.changes.mark(after);
        }
        self.flush(out);
        Ok(())
    }

    fn on_time(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        if self.flush_at.is_some_and(|at| at <= ctx.now_ms) {
            self.flush_at = None;
            let groups = self.waiting_groups();
            self.give(&groups)?;
            self.flush(out);
        }
        Ok(())
    }

    fn next_time(&self) -> Option<i64> {
        self.flush_at
    }

    fn tables(&mut self) -> Vec<(&'static str, &mut dyn StateTable)> {
        vec![("groups", &mut self.table), ("watermark", &mut self.reached)]
    }

    fn on_restored(&mut self) -> Result<()> {
        // When they were to be given is not known any more: they are given at once.
        self.flush_at = (!self.waiting_groups().is_empty()).then_some(i64::MIN);
        Ok(())
    }
}
