//! The conditions of the variables over many rows and partial matches at once.
//!
//! A condition that looks only at the row that is tried is computed for all rows of a chunk before the search. The
//! others are computed for the matches that ask: their reads are gathered into columns, one line for each pair of a match
//! and a row. Aggregates are kept with each match; the pair gets a copy to which the row is added, and the match goes
//! on with that copy if the row is taken.

use super::navigation::{Source, resolve};
use super::rows::{RowStore, truth};
use arrow_array::{Array, ArrayRef, TimestampMillisecondArray, UInt32Array};
use arrow_select::interleave::interleave;
use arrow_select::take::take;
use std::ops::Range;
use std::sync::Arc;
use tidemill_plan::pattern::{MatchAggregate, MatchRecognizePlan, Read, ReadKind};
use tidemill_plan::{EvalContext, Expr, UpdateBatch};
use tidemill_state::match_table::NO_CELLS;
use tidemill_state::{MatchTable, PartialMatch};
use tidemill_types::arrow_type::arrow_type;
use tidemill_types::{CellKind, Chunk, Marks, Result};

/// A match and a row that is tried on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    /// The key.
    pub key: u32,
    /// The place of the match in the order of the key.
    pub at: u32,
    /// The row of the chunk.
    pub row: u32,
    /// The aggregates of the match.
    pub cells: u32,
}

/// The rows that are searched.
pub(super) struct Rows<'a> {
    /// Their columns.
    pub columns: &'a [ArrayRef],
    /// Their times.
    pub times: &'a [i64],
    /// Processing time.
    pub now_ms: i64,
}

struct Condition {
    /// Over the reads and then the aggregates below.
    expr: Expr,
    reads: Vec<Read>,
    aggregates: Vec<usize>,
    current_only: bool,
}

struct Aggregate {
    plan: MatchAggregate,
    cells: Range<usize>,
}

/// The conditions of all variables.
pub(super) struct Conditions {
    conditions: Vec<Option<Condition>>,
    /// The aggregates that conditions look at, with their cells in a match.
    aggregates: Vec<Option<Aggregate>>,
    kinds: Vec<CellKind>,
}

impl Conditions {
    pub(super) fn new(plan: &MatchRecognizePlan) -> Self {
        let conditions: Vec<Option<Condition>> = (plan.variables.iter().enumerate())
            .map(|(variable, own)| own.condition.as_ref().map(|expr| condition(variable, expr, plan)))
            .collect();
        let asked = |at: usize| conditions.iter().flatten().any(|own| own.aggregates.contains(&at));
        let mut kinds = Vec::new();
        let aggregates = (plan.aggregates.iter().enumerate())
            .map(|(at, aggregate)| {
                let start = kinds.len();
                asked(at).then(|| {
                    kinds.extend(aggregate.call.accumulator.cells());
                    Aggregate { plan: aggregate.clone(), cells: start..kinds.len() }
                })
            })
            .collect();
        Conditions { conditions, aggregates, kinds }
    }

    /// The cells of a match.
    pub(super) fn kinds(&self) -> &[CellKind] {
        &self.kinds
    }

    /// The input columns that conditions read of kept rows.
    pub(super) fn kept_columns(&self) -> impl Iterator<Item = usize> {
        let conditions = self.conditions.iter().enumerate();
        conditions.filter_map(|(variable, own)| Some((variable, own.as_ref()?))).flat_map(
            |(variable, condition)| {
                condition.reads.iter().filter_map(move |read| match read.kind {
                    ReadKind::Row(own) if !own.is_current(variable) => Some(own.column),
                    _ => None,
                })
            },
        )
    }

    /// For each row a bit for each variable whose condition needs no match and holds; and a bit for each variable whose
    /// condition is decided by that.
    pub(super) fn of_rows(&self, rows: &Rows<'_>) -> (Vec<u64>, u64) {
        let count = rows.times.len();
        let (mut masks, mut decided) = (vec![0_u64; count], 0);
        for (variable, condition) in self.conditions.iter().enumerate() {
            let bit = 1_u64 << variable;
            match condition {
                None => {
                    masks.iter_mut().for_each(|mask| *mask |= bit);
                    decided |= bit;
                }
                Some(condition) if condition.current_only => {
                    let columns = condition.reads.iter().map(|read| current(read, rows, None)).collect();
                    // What fails here may not be asked for at all: it is computed again for the rows that ask.
                    let Ok(holds) = evaluate(&condition.expr, columns, count, rows.now_ms) else { continue };
                    for (mask, holds) in masks.iter_mut().zip(truth(&holds).iter()) {
                        *mask |= if holds { bit } else { 0 };
                    }
                    decided |= bit;
                }
                Some(_) => {}
            }
        }
        (masks, decided)
    }

    /// Whether the condition of a variable holds for each pair. `cells` gets the aggregates of each pair with the row
    /// added, if the condition looks at any.
    pub(super) fn of_pairs(
        &self,
        variable: usize,
        pairs: &[Pair],
        rows: &Rows<'_>,
        table: &mut MatchTable,
        store: &RowStore,
        cells: &mut Vec<u32>,
    ) -> Result<ArrayRef> {
        cells.clear();
        let condition = self.conditions[variable].as_ref().expect("only conditions are computed");
        let indices = UInt32Array::from_iter_values(pairs.iter().map(|pair| pair.row));
        let mut columns: Vec<ArrayRef> = (condition.reads.iter())
            .map(|read| read_column(read, variable, pairs, &indices, rows, (&*table, store)))
            .collect();
        if !condition.aggregates.is_empty() {
            self.with_row(variable, pairs, rows, table, cells)?;
            for &at in &condition.aggregates {
                let aggregate = self.aggregates[at].as_ref().expect("an aggregate that is asked has cells");
                let own = &table.cells.cells[aggregate.cells.clone()];
                columns.push(aggregate.plan.call.accumulator.finish(own, cells)?);
            }
        }
        evaluate(&condition.expr, columns, pairs.len(), rows.now_ms)
    }

    /// Copies of the aggregates of each pair's match to which the row is added as the variable.
    pub(super) fn with_row(
        &self,
        variable: usize,
        pairs: &[Pair],
        rows: &Rows<'_>,
        table: &mut MatchTable,
        cells: &mut Vec<u32>,
    ) -> Result<()> {
        for pair in pairs {
            let to = table.take_cells();
            if pair.cells != NO_CELLS {
                table.cells.cells.iter_mut().for_each(|column| column.copy(pair.cells, to));
            }
            cells.push(to);
        }
        let indices = UInt32Array::from_iter_values(pairs.iter().map(|pair| pair.row));
        for aggregate in self.aggregates.iter().flatten() {
            if aggregate.plan.variable.is_some_and(|own| own != variable) {
                continue;
            }
            let call = &aggregate.plan.call;
            let args: Vec<ArrayRef> =
                call.args.iter().map(|&arg| taken(&rows.columns[arg], &indices)).collect();
            let batch = UpdateBatch { slots: cells, args: &args, kinds: None, filter: None };
            call.accumulator.update(&mut table.cells.cells[aggregate.cells.clone()], &batch)?;
        }
        Ok(())
    }
}

/// The condition over dense columns: its reads, then its aggregates.
fn condition(variable: usize, expr: &Expr, plan: &MatchRecognizePlan) -> Condition {
    let used: Vec<usize> = expr.columns().into_iter().collect();
    let reads: Vec<Read> = used.iter().filter_map(|&at| plan.reads.get(at).cloned()).collect();
    let aggregates: Vec<usize> = used.iter().filter_map(|at| at.checked_sub(plan.reads.len())).collect();
    let is_current = |read: &Read| match read.kind {
        ReadKind::Row(own) => own.is_current(variable),
        ReadKind::Time | ReadKind::TimedOut => true,
    };
    let current_only = aggregates.is_empty() && reads.iter().all(is_current);
    let expr = dense(expr, &used);
    Condition { expr, reads, aggregates, current_only }
}

/// An expression whose columns are numbered by their places in `used`.
pub(super) fn dense(expr: &Expr, used: &[usize]) -> Expr {
    expr.map_columns(&|index, name, data_type| {
        let place = used.iter().position(|at| *at == index).expect("used columns were collected");
        Expr::column(place, name, data_type.clone())
    })
}

/// The values of an expression over these columns.
pub(super) fn evaluate(expr: &Expr, columns: Vec<ArrayRef>, rows: usize, now_ms: i64) -> Result<ArrayRef> {
    let marks = Marks::none();
    let watermark = tidemill_types::WATERMARK_NONE;
    expr.eval_array(&Chunk::new(columns, rows), &EvalContext { rows, now_ms, watermark, marks: &marks })
}

fn taken(array: &ArrayRef, indices: &UInt32Array) -> ArrayRef {
    take(array, indices, None).expect("row numbers lie inside the chunk")
}

/// Times in the type of a read.
pub(super) fn time_column(read: &Read, times: impl Iterator<Item = i64>) -> ArrayRef {
    let times = TimestampMillisecondArray::from_iter_values(times);
    Arc::new(times.with_data_type(arrow_type(&read.data_type)))
}

/// A read of the row that is tried.
fn current(read: &Read, rows: &Rows<'_>, indices: Option<&UInt32Array>) -> ArrayRef {
    match (read.kind, indices) {
        (ReadKind::Row(own), None) => rows.columns[own.column].clone(),
        (ReadKind::Row(own), Some(indices)) => taken(&rows.columns[own.column], indices),
        (_, None) => time_column(read, rows.times.iter().copied()),
        (_, Some(indices)) => time_column(read, indices.values().iter().map(|&row| rows.times[row as usize])),
    }
}

fn read_column(
    read: &Read,
    variable: usize,
    pairs: &[Pair],
    indices: &UInt32Array,
    rows: &Rows<'_>,
    (table, store): (&MatchTable, &RowStore),
) -> ArrayRef {
    let ReadKind::Row(own) = read.kind else { return current(read, rows, Some(indices)) };
    if own.is_current(variable) {
        return current(read, rows, Some(indices));
    }
    let mut tried = Vec::new();
    let mut slots = Vec::with_capacity(pairs.len());
    for (place, pair) in pairs.iter().enumerate() {
        let partition = table.partition(pair.key);
        let found: &PartialMatch = &partition.partial[pair.at as usize];
        match resolve(&own, found, partition, Some(variable)) {
            Source::Kept(slot) => slots.push(slot),
            Source::Tried => {
                tried.push(place);
                slots.push(super::rows::NO_ROW);
            }
        }
    }
    let kept = store.column(own.column, &slots, &table.rows);
    if tried.is_empty() {
        return kept;
    }
    let of_rows = current(read, rows, Some(indices));
    let mut places: Vec<(usize, usize)> = (0..pairs.len()).map(|place| (0, place)).collect();
    tried.into_iter().for_each(|place| places[place].0 = 1);
    let parts: [&dyn Array; 2] = [kept.as_ref(), of_rows.as_ref()];
    interleave(&parts, &places).expect("a kept column has the type of the input's")
}
