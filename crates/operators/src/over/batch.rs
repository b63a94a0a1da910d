//! OVER of a batch job: any order, any frame, all functions, at the end of input.
//!
//! State: all rows, until the end of input. Then each partition is worked off as a whole: its rows are decoded,
//! each call gives one column, and the rows go out in their order.

mod frames;
mod ranks;

use super::calls::argument_columns;
use crate::aggregates::Aggregates;
use crate::build::JobInfo;
use crate::keys::Keys;
use crate::ranked_rows::RankedRows;
use crate::stored_rows::{SortKeys, whole_rows};
use crate::{Operator, OperatorContext, Output};
use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_select::interleave::interleave;
use arrow_select::take::take;
use frames::Frames;
use std::ops::Range;
use tidemill_plan::over::{OverCall, OverPlan};
use tidemill_plan::{AggregateCall, Step};
use tidemill_state::{SlotCells, StateTable};
use tidemill_types::key::decode;
use tidemill_types::{Chunk, Result, Schema, TypeKind, WATERMARK_MAX};

/// Rows in one chunk of results.
const RESULT_ROWS: usize = 4_096;

/// The running operator.
pub(super) struct OverBatch {
    plan: OverPlan,
    keys: Keys,
    codec: Keys,
    order: SortKeys,
    input: Schema,
    arguments: Vec<usize>,
    aggregates: Aggregates,
    /// Whether rows that leave the frame are taken back, instead of adding up each frame anew.
    slides: bool,
    rows: RankedRows,
}

impl OverBatch {
    /// The operator of a plan.
    pub(super) fn new(plan: &OverPlan, input: &Schema, job: &JobInfo) -> Result<Self> {
        let arguments = argument_columns(plan);
        let at =
            |column: usize| arguments.iter().position(|known| *known == column).expect("all were gathered");
        let calls: Vec<AggregateCall> = plan
            .calls
            .iter()
            .filter_map(|call| match call.map_columns(&at) {
                OverCall::Aggregate(call) => Some(call),
                _ => None,
            })
            .collect();
        // Sums of floats would not be what adding up gives.
        let exact = |call: &AggregateCall| {
            let floats = call.arg_types.iter().any(|t| matches!(t.kind, TypeKind::Float | TypeKind::Double));
            call.accumulator.retracts() && !floats
        };
        Ok(OverBatch {
            keys: Keys::new(&plan.keys, input),
            codec: whole_rows(input),
            order: SortKeys::new(&plan.order),
            input: input.clone(),
            slides: calls.iter().all(exact),
            aggregates: Aggregates::new(&calls, false),
            arguments,
            rows: RankedRows::new(job.key_groups, 0),
            plan: plan.clone(),
        })
    }

    fn on_rows(&mut self, chunk: &Chunk) {
        self.keys.encode(chunk);
        self.codec.encode(chunk);
        self.order.encode(chunk, &self.input);
        for row in 0..chunk.rows {
            let mut sort_key = Vec::new();
            self.order.write(row, &mut sort_key);
            self.rows.number(&mut sort_key, false);
            self.rows.insert(self.keys.encoded.key(row), &sort_key, self.codec.encoded.key(row), 0);
        }
    }

    fn emit_all(&mut self, out: &mut Output) -> Result<()> {
        loop {
            for key in self.rows.table.keys() {
                self.emit_partition(&key, out)?;
            }
            if !self.rows.table.next_part() {
                break;
            }
        }
        self.rows.table.clear();
        Ok(())
    }

    fn emit_partition(&mut self, key: &[u8], out: &mut Output) -> Result<()> {
        let (orders, rows): (Vec<&[u8]>, Vec<&[u8]>) = self.rows.ordered(key).unzip();
        let peers = peers(&orders);
        let mut columns = self.codec.decode(rows.iter().copied());
        let results = self.results(&columns, &peers)?;
        columns.extend(results);
        let chunk = Chunk::new(columns, peers.len());
        for start in (0..chunk.rows).step_by(RESULT_ROWS) {
            out.emit(chunk.slice(start, RESULT_ROWS.min(chunk.rows - start)));
        }
        Ok(())
    }

    /// One column for each call over the rows of a partition.
    fn results(&mut self, columns: &[ArrayRef], peers: &[Range<usize>]) -> Result<Vec<ArrayRef>> {
        let mut aggregated = self.aggregated(columns, peers)?.into_iter();
        self.plan
            .calls
            .iter()
            .map(|call| {
                Ok(match call {
                    OverCall::Aggregate(_) => aggregated.next().expect("each aggregate has a result"),
                    OverCall::Rank(function) => ranks::rank(*function, peers),
                    OverCall::Shift { column, distance, default, data_type } => {
                        let none = decode(std::slice::from_ref(data_type), [&[0][..]]).remove(0);
                        let default = default.map(|default| &columns[default]);
                        shifted(&columns[*column], *distance, default, &none)
                    }
                })
            })
            .collect()
    }

    fn aggregated(&mut self, columns: &[ArrayRef], peers: &[Range<usize>]) -> Result<Vec<ArrayRef>> {
        let frames = Frames::new(&self.plan, columns, peers)?;
        let args: Vec<ArrayRef> = self.arguments.iter().map(|&column| columns[column].clone()).collect();
        let steps = match self.slides || self.plan.frame.start.is_none() {
            true => sliding((0..peers.len()).map(|row| frames.of(row))),
            false => anew((0..peers.len()).map(|row| frames.of(row))),
        };
        let mut cells = SlotCells::new(self.aggregates.kinds(), self.aggregates.sets());
        cells.grow(1);
        self.aggregates.run(&mut cells, &args, &vec![0; steps.len()], &steps)
    }
}

/// The rows that are equal to each row, in order.
fn peers(orders: &[&[u8]]) -> Vec<Range<usize>> {
    let mut peers = Vec::with_capacity(orders.len());
    while peers.len() < orders.len() {
        let start = peers.len();
        let len = orders[start..].iter().take_while(|order| **order == orders[start]).count();
        peers.extend(std::iter::repeat_n(start..start + len, len));
    }
    peers
}

/// The steps of frames whose edges only move down: rows are added once and taken back once.
fn sliding(frames: impl Iterator<Item = Range<usize>>) -> Vec<Step> {
    let (mut steps, mut held) = (Vec::new(), 0..0);
    for frame in frames {
        let start = frame.start.min(frame.end);
        steps.extend((held.end..frame.end).map(|row| Step::Add(row as u32)));
        held.end = held.end.max(frame.end);
        steps.extend((held.start..start).map(|row| Step::Take(row as u32)));
        held.start = held.start.max(start);
        steps.push(Step::Give);
    }
    steps
}

/// The steps of frames that are added up one by one.
fn anew(frames: impl Iterator<Item = Range<usize>>) -> Vec<Step> {
    let mut steps = Vec::new();
    for frame in frames {
        steps.push(Step::Clear);
        steps.extend(frame.map(|row| Step::Add(row as u32)));
        steps.push(Step::Give);
    }
    steps
}

/// LAG and LEAD: the value so many rows further down, else the row's default.
fn shifted(column: &ArrayRef, distance: i64, default: Option<&ArrayRef>, none: &ArrayRef) -> ArrayRef {
    let rows = column.len();
    let source = |row: usize| {
        let at = usize::try_from(row as i64 + distance).ok()?;
        (at < rows).then_some(at)
    };
    let Some(default) = default else {
        let wanted: UInt32Array = (0..rows).map(|row| source(row).map(|at| at as u32)).collect();
        return take(column, &wanted, None).unwrap_or_else(|_| none.clone());
    };
    let wanted: Vec<(usize, usize)> =
        (0..rows).map(|row| source(row).map_or((1, row), |at| (0, at))).collect();
    interleave(&[column.as_ref(), default.as_ref()], &wanted).expect("value and default have one type")
}

impl Operator for OverBatch {
    fn on_chunk(
        &mut self,
        _port: usize,
        chunk: Chunk,
        _ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        if chunk.rows > 0 {
            self.on_rows(&chunk);
            out.rows.absorbed += chunk.rows as u64;
        }
        if chunk.marks.last() == Some(WATERMARK_MAX) {
            self.emit_all(out)?;
        }
        if let Some(watermark) = chunk.marks.last() {
            out.emit(Chunk::watermark(watermark));
        }
        Ok(())
    }

    fn tables(&mut self) -> Vec<(&'static str, &mut dyn StateTable)> {
        vec![("rows", &mut self.rows.table), ("arrivals", &mut self.rows.arrivals)]
    }
}
