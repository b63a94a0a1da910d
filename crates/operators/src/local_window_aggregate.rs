//! Two-phase window aggregation: rows of a chunk are aggregated before the exchange, partial results after.
//!
//! A partial row holds the key columns, the end of the pane (BIGINT), how many rows it stands for (BIGINT),
//! and the cells of the aggregates. A chunk is cut where its watermark passes the end of a pane, so the
//! receiver's watermark finds all rows of a partial late or none of them: the receiver alone decides, and
//! counts the rows. Nothing is kept between chunks.
//!
//! When partials stay more than half as many as rows, each row goes as its own partial for a while, without
//! looking keys up.
//! Not for sessions, carried windows, processing time, updating input or DISTINCT, nor where late rows are
//! kept as rows.

use crate::aggregates::{Aggregates, Batch};
use crate::build::JobInfo;
use crate::keys::Keys;
use crate::touched::Touched;
use crate::window::{Emission, Grid, Panes, Windows};
use crate::window_aggregate::WindowAggregate;
use crate::{Operator, OperatorContext, Output};
use arrow_array::{ArrayRef, Int64Array, UInt32Array};
use arrow_select::take::take;
use std::sync::Arc;
use tidemill_plan::stream::WindowAggregatePlan;
use tidemill_plan::{AggregateCall, WindowSpec};
use tidemill_state::{PanedTable, SlotCells};
use tidemill_types::{
    CellKind, Chunk, Error, Field, Marks, Result, Schema, TimeAttribute, TypeKind, WATERMARK_MAX,
    WATERMARK_NONE,
};

/// Chunks with too many partials in a row after which keys are no longer looked up.
const PATIENCE_CHUNKS: u32 = 8;
/// Chunks until it is tried again.
const PAUSE_CHUNKS: u32 = 256;
/// Keys kept from chunk to chunk so that they need not be copied again.
const REMEMBERED_KEYS: usize = 1 << 16;

/// What the task before the exchange does.
#[derive(Debug, Clone)]
pub struct LocalWindowAggregatePlan {
    /// The windows.
    pub window: WindowSpec,
    /// The input columns of the key.
    pub keys: Vec<usize>,
    /// The aggregates.
    pub aggregates: Vec<AggregateCall>,
}

/// The first phase of an aggregation that can be done in two.
#[derive(Debug, Clone)]
pub struct LocalPhase {
    /// What the task before the exchange does.
    pub plan: LocalWindowAggregatePlan,
    /// The columns of its partial rows.
    pub schema: Schema,
    /// The key columns among them, for the exchange.
    pub keys: Vec<usize>,
}

/// The first phase of an aggregation, if it can be done in two.
pub fn local_phase(plan: &WindowAggregatePlan, input: &Schema) -> Option<LocalPhase> {
    let fits = Grid::new(&plan.window.kind).is_some()
        && plan.window.time == TimeAttribute::Rowtime
        && !plan.retract
        && plan.aggregates.iter().all(|call| !call.distinct);
    if !fits {
        return None;
    }
    let mut fields: Vec<Field> = plan
        .keys
        .iter()
        .map(|&key| Field::new(input.fields[key].name.clone(), input.fields[key].data_type.clone()))
        .collect();
    fields.push(Field::new("$pane_end", TypeKind::BigInt.not_null()));
    fields.push(Field::new("$rows", TypeKind::BigInt.not_null()));
    for (call, aggregate) in plan.aggregates.iter().enumerate() {
        for (at, kind) in aggregate.accumulator.cells().into_iter().enumerate() {
            fields.push(Field::new(format!("$cell{call}_{at}"), cell_type(kind).nullable()));
        }
    }
    Some(LocalPhase {
        plan: LocalWindowAggregatePlan {
            window: plan.window.clone(),
            keys: plan.keys.clone(),
            aggregates: plan.aggregates.clone(),
        },
        schema: Schema::new(fields),
        keys: (0..plan.keys.len()).collect(),
    })
}

/// The type of a cell's Arrow form.
fn cell_type(kind: CellKind) -> TypeKind {
    match kind {
        CellKind::I64 => TypeKind::BigInt,
        CellKind::I128 => TypeKind::Decimal { precision: 38, scale: 0 },
        CellKind::F64 => TypeKind::Double,
        CellKind::Bytes | CellKind::Multiset => TypeKind::Varbinary(tidemill_types::data_type::LENGTH_MAX),
    }
}

/// The operator before the exchange.
pub fn build_local(plan: &LocalWindowAggregatePlan, input: &Schema) -> Result<Box<dyn Operator>> {
    Ok(Box::new(LocalWindowAggregate::new(plan, input)?))
}

/// The operator behind the exchange: takes the rows of [`LocalPhase::schema`] for an aggregation over
/// `input`.
pub fn build_global(plan: &WindowAggregatePlan, input: &Schema, job: &JobInfo) -> Result<Box<dyn Operator>> {
    let phase = local_phase(plan, input)
        .ok_or_else(|| Error::internal("an aggregation in two phases that can't be done in two"))?;
    let keys = Keys::new(&phase.keys, &phase.schema);
    let row_count = phase.keys.len() + 1;
    Ok(Box::new(WindowAggregate::over(plan, input, keys, Some(row_count), job)?))
}

/// Aggregates the rows of each chunk.
pub struct LocalWindowAggregate {
    keys: Keys,
    windows: Windows,
    grid: Grid,
    aggregates: Aggregates,
    table: PanedTable,
    /// Cells for rows that go as partials of their own.
    single: SlotCells,
    touched: Touched,
    ids: Vec<u32>,
    slots: Vec<u32>,
    /// Chunks in a row in which looking keys up did not pay.
    futile: u32,
    /// Chunks to go until it is tried again.
    pause: u32,
}

impl LocalWindowAggregate {
    fn new(plan: &LocalWindowAggregatePlan, input: &Schema) -> Result<Self> {
        let windows = Windows::new(&plan.window)?;
        let grid = windows.grid().ok_or_else(|| Error::internal("windows without a grid have no panes"))?;
        let aggregates = Aggregates::new(&plan.aggregates, true);
        Ok(LocalWindowAggregate {
            keys: Keys::new(&plan.keys, input),
            windows,
            grid,
            table: PanedTable::new(aggregates.kinds(), 0, 1),
            single: SlotCells::new(aggregates.kinds(), 0),
            aggregates,
            touched: Touched::default(),
            ids: Vec::new(),
            slots: Vec::new(),
            futile: 0,
            pause: 0,
        })
    }

    /// The watermark at which the next pane ends.
    fn next_pane_end(&mut self, watermark: i64) -> i64 {
        match watermark {
            WATERMARK_NONE => WATERMARK_NONE,
            WATERMARK_MAX => WATERMARK_MAX,
            _ => {
                let mut end = self.grid.pane_start(self.windows.clock.wall(watermark + 1)) + self.grid.pane;
                while self.windows.clock.fires_at(end) <= watermark {
                    end += self.grid.pane;
                }
                self.windows.clock.fires_at(end)
            }
        }
    }

    /// Columns of partial rows: keys of `rows`, pane ends, counts, cells.
    fn partials(&self, chunk: &Chunk, panes: &Panes, rows: Vec<u32>, cells: Vec<ArrayRef>) -> Vec<ArrayRef> {
        let ends = Int64Array::from_iter_values(rows.iter().map(|&row| panes.of(row as usize).0));
        let whole = rows.len() == chunk.rows;
        let rows = UInt32Array::from(rows);
        let mut columns: Vec<ArrayRef> = self
            .keys
            .columns()
            .iter()
            .map(|&key| match whole {
                true => chunk.columns[key].clone(),
                false => take(&chunk.columns[key], &rows, None).expect("row numbers lie inside the chunk"),
            })
            .collect();
        columns.push(Arc::new(ends));
        let (count, cells) = cells.split_last().expect("rows are counted");
        columns.push(count.clone());
        columns.extend_from_slice(cells);
        columns
    }

    /// Every row as its own partial.
    fn give_rows(&mut self, chunk: &Chunk, panes: &Panes, out: &mut Output) -> Result<()> {
        let slots: Vec<u32> = (0..chunk.rows as u32).collect();
        self.single.grow(chunk.rows);
        self.aggregates
            .update(&mut self.single, &Batch { columns: &chunk.columns, kinds: None, slots: &slots })?;
        let cells = self.aggregates.partial(&self.single, &slots);
        self.single.clear(&slots);
        let columns = self.partials(chunk, panes, slots, cells);
        out.emit(Chunk { columns, rows: chunk.rows, kinds: None, marks: chunk.marks.clone() });
        Ok(())
    }

    /// The partials of the rows `start..end`; gives how many.
    fn give_groups(
        &mut self,
        chunk: &Chunk,
        panes: &Panes,
        (start, end): (usize, usize),
        emission: &mut Emission,
        out: &mut Output,
    ) -> Result<usize> {
        self.slots.clear();
        let mut from = start;
        while from < end {
            let pane = panes.of(from);
            let same = |row: &usize| panes.of(*row) == pane;
            let to = match panes {
                Panes::Same(_) => end,
                Panes::Each(_) => from + (from..end).take_while(same).count(),
            };
            self.table.slots(pane, &self.ids[from..to], &mut self.slots);
            from = to;
        }
        let columns: Vec<ArrayRef> =
            chunk.columns.iter().map(|column| column.slice(start, end - start)).collect();
        let batch = Batch { columns: &columns, kinds: None, slots: &self.slots };
        self.aggregates.update(&mut self.table.values, &batch)?;
        self.touched.collect(&self.slots, self.table.values.len());
        let cells = self.aggregates.partial(&self.table.values, &self.touched.slots);
        let rows: Vec<u32> = self.touched.rows.iter().map(|&row| row + start as u32).collect();
        let given = rows.len();
        emission.rows(self.partials(chunk, panes, rows, cells), given, out);
        let used: Vec<_> = self.table.panes().collect();
        used.into_iter().for_each(|pane| self.table.drop_pane(pane));
        Ok(given)
    }

    fn aggregate(&mut self, chunk: &Chunk, panes: &Panes, watermark: i64, out: &mut Output) -> Result<()> {
        self.keys.encode(chunk);
        self.table.sweep(REMEMBERED_KEYS);
        self.table.intern(&self.keys.encoded, &self.keys.hashes, &mut self.ids);
        let (mut emission, mut start, mut given) = (Emission::default(), 0, 0);
        let mut next_end = self.next_pane_end(watermark);
        for mark in chunk.marks.as_slice() {
            let row = mark.row as usize;
            if mark.watermark >= next_end {
                if row > start {
                    given += self.give_groups(chunk, panes, (start, row), &mut emission, out)?;
                    start = row;
                }
                next_end = self.next_pane_end(mark.watermark);
                emission.mark(mark.watermark);
            }
        }
        if start < chunk.rows {
            given += self.give_groups(chunk, panes, (start, chunk.rows), &mut emission, out)?;
        }
        chunk.marks.last().into_iter().for_each(|watermark| emission.mark(watermark));
        emission.flush(out);
        self.futile = if given * 2 > chunk.rows { self.futile + 1 } else { 0 };
        if self.futile >= PATIENCE_CHUNKS {
            self.pause = PAUSE_CHUNKS;
            self.futile = PATIENCE_CHUNKS - 1;
        }
        Ok(())
    }
}

impl Operator for LocalWindowAggregate {
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
        let given = chunk.rows;
        let mut panes = self.windows.panes(&chunk, ctx.now_ms)?;
        let mut chunk = chunk;
        if !self.windows.covers_all() {
            chunk =
                chunk.filter(&(0..chunk.rows).map(|row| Some(self.windows.covers(panes.of(row)))).collect());
            if chunk.rows > 0 {
                panes = self.windows.panes(&chunk, ctx.now_ms)?;
            }
        }
        out.rows.filtered += (given - chunk.rows) as u64;
        out.rows.forwarded += chunk.rows as u64;
        match (chunk.rows, self.pause) {
            (0, _) => out.emit(Chunk { marks: last_mark(&chunk.marks), ..Chunk::default() }),
            (_, 0) => self.aggregate(&chunk, &panes, ctx.watermark, out)?,
            _ => {
                self.pause -= 1;
                self.give_rows(&chunk, &panes, out)?;
            }
        }
        Ok(())
    }
}

fn last_mark(marks: &Marks) -> Marks {
    marks.last().map_or_else(Marks::none, |watermark| Marks::at(0, watermark))
}
