//! OVER by any column, in a stream: every row has its result at once, and results are kept up to date.
//!
//! For each row: 1. the rows of its key before and after it came (or went) are run through the aggregates;
//! 2. rows whose results differ give `-U +U`, the row itself `+I`, `+U` or `-D`. The frame is all rows up to the
//! current one, with its peers (RANGE) or without those that came later (ROWS).
//!
//! State: all rows of each key, until they are taken back or their time to live is over. A withdrawal of a row
//! that is not there is bad.
//! Not here: results kept between rows. A change costs time with the rows of its key, as in Flink.

use super::calls::{argument_columns, running};
use crate::aggregates::Aggregates;
use crate::build::JobInfo;
use crate::keys::Keys;
use crate::ranked_rows::RankedRows;
use crate::stored_rows::{SortKeys, whole_rows};
use crate::{Operator, OperatorContext, Output};
use arrow_array::{ArrayRef, UInt32Array};
use arrow_select::take::take;
use tidemill_plan::Step;
use tidemill_plan::over::OverPlan;
use tidemill_state::{SlotCells, StateTable};
use tidemill_types::key::{EncodedKeys, KeyEncoder};
use tidemill_types::{Chunk, Marks, Result, RowKind, Schema};

/// The running operator.
pub(super) struct OverAny {
    keys: Keys,
    codec: Keys,
    order: SortKeys,
    input: Schema,
    arguments: Vec<usize>,
    aggregates: Aggregates,
    results: KeyEncoder,
    /// Whether peers of a row share its result.
    peers: bool,
    rows: RankedRows,
}

/// Rows of a key in order, each with its order and its bytes.
type Partition = Vec<(Box<[u8]>, Box<[u8]>)>;

/// Changes of one chunk.
#[derive(Default)]
struct Changes {
    chunks: Vec<Chunk>,
    marks: Marks,
    rows: usize,
}

impl OverAny {
    /// The operator of a plan.
    pub(super) fn new(plan: &OverPlan, input: &Schema, job: &JobInfo) -> Result<Self> {
        let arguments = argument_columns(plan);
        let aggregates = Aggregates::new(&running(plan, &arguments)?, false);
        Ok(OverAny {
            keys: Keys::new(&plan.keys, input),
            codec: whole_rows(input),
            order: SortKeys::new(&plan.order),
            results: KeyEncoder::new(aggregates.return_types().cloned()),
            input: input.clone(),
            arguments,
            aggregates,
            peers: !plan.frame.rows,
            rows: RankedRows::new(job.key_groups, plan.ttl_ms),
        })
    }

    /// Takes a row; `false` if it is to be taken back but is not there.
    fn on_row(&mut self, chunk: &Chunk, row: usize, now_ms: i64, changes: &mut Changes) -> Result<bool> {
        let (key, bytes) = (self.keys.encoded.key(row), self.codec.encoded.key(row));
        self.rows.expire(key, now_ms);
        let mut sort_key = Vec::new();
        self.order.write(row, &mut sort_key);
        let before = self.partition(key);
        let kind = chunk.kind(row);
        let (place, after) = match kind.adds() {
            true => {
                let place = before.partition_point(|(order, _)| order.as_ref() <= sort_key.as_slice());
                let mut after = before.clone();
                after.insert(place, (sort_key.as_slice().into(), bytes.into()));
                self.rows.number(&mut sort_key, false);
                self.rows.insert(key, &sort_key, bytes, now_ms);
                (place, after)
            }
            false => {
                let Some(found) = self.rows.find(key, &sort_key, bytes) else { return Ok(false) };
                let place = self.rows.place(key, &found, u64::MAX) as usize;
                let mut after = before.clone();
                after.remove(place);
                self.rows.remove(key, &found);
                (place, after)
            }
        };
        self.change(&before, &after, place, kind, changes)?;
        Ok(true)
    }

    fn partition(&self, key: &[u8]) -> Partition {
        self.rows.ordered(key).map(|(order, row)| (order.into(), row.into())).collect()
    }

    /// Gives the differences between the results before and after.
    fn change(
        &mut self,
        before: &Partition,
        after: &Partition,
        place: usize,
        kind: RowKind,
        changes: &mut Changes,
    ) -> Result<()> {
        let rows = self.codec.decode(before.iter().chain(after).map(|(_, row)| row.as_ref()));
        let args: Vec<ArrayRef> = self.arguments.iter().map(|&column| rows[column].clone()).collect();
        let mut steps = self.steps(before, 0);
        steps.push(Step::Clear);
        steps.extend(self.steps(after, before.len() as u32));
        let mut cells = SlotCells::new(self.aggregates.kinds(), self.aggregates.sets());
        cells.grow(1);
        let results = self.aggregates.run(&mut cells, &args, &vec![0; steps.len()], &steps)?;
        let mut encoded = EncodedKeys::default();
        self.results.encode(&results, before.len() + after.len(), &mut encoded);

        let (mut wanted, mut kinds) = (Vec::new(), Vec::new());
        let mut push = |kind: RowKind, at: usize| {
            wanted.push(at as u32);
            kinds.push(kind);
        };
        let (kept, behind) = (before.len().min(after.len()), before.len());
        for at in 0..kept {
            let (old, new) = match kind.adds() {
                true => (at, behind + at + usize::from(at >= place)),
                false => (at + usize::from(at >= place), behind + at),
            };
            if at == place {
                changed_row(kind, place, behind, &mut push);
            }
            if encoded.key(old) != encoded.key(new) {
                push(RowKind::UpdateBefore, old);
                push(RowKind::UpdateAfter, new);
            }
        }
        if place >= kept {
            changed_row(kind, place, behind, &mut push);
        }
        changes.push(&rows, &results, wanted, kinds);
        Ok(())
    }

    /// The steps over the rows of a partition, which stand from `first` on.
    fn steps(&self, rows: &Partition, first: u32) -> Vec<Step> {
        let mut steps = Vec::with_capacity(2 * rows.len() + 1);
        let mut waiting = 0;
        for (at, (order, _)) in rows.iter().enumerate() {
            steps.push(Step::Add(first + at as u32));
            waiting += 1;
            let last = !self.peers || rows.get(at + 1).is_none_or(|(next, _)| next != order);
            if last {
                steps.extend(std::iter::repeat_n(Step::Give, waiting));
                waiting = 0;
            }
        }
        steps
    }
}

/// The row that came or went.
fn changed_row(kind: RowKind, place: usize, behind: usize, push: &mut impl FnMut(RowKind, usize)) {
    match kind.adds() {
        true => push(kind, behind + place),
        false => push(RowKind::Delete, place),
    }
}

impl Changes {
    fn push(&mut self, rows: &[ArrayRef], results: &[ArrayRef], wanted: Vec<u32>, kinds: Vec<RowKind>) {
        if wanted.is_empty() {
            return;
        }
        let wanted = UInt32Array::from(wanted);
        let columns = rows
            .iter()
            .chain(results)
            .map(|column| take(column, &wanted, None).expect("the rows are there"))
            .collect();
        let mut chunk = Chunk::new(columns, wanted.len());
        self.rows += chunk.rows;
        chunk.kinds = Some(kinds.into());
        self.chunks.push(chunk);
    }

    fn finish(self, out: &mut Output) {
        let mut chunk = Chunk::concat(&self.chunks);
        chunk.marks = self.marks;
        out.emit(chunk);
    }
}

impl Operator for OverAny {
    fn on_chunk(
        &mut self,
        _port: usize,
        chunk: Chunk,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        let mut changes = Changes::default();
        self.rows.sweep(ctx.now_ms);
        if chunk.rows > 0 {
            self.keys.encode(&chunk);
            self.codec.encode(&chunk);
            self.order.encode(&chunk, &self.input);
            self.rows.table.load(&self.keys.encoded);
        }
        let mut marks = chunk.marks.iter().peekable();
        for row in 0..chunk.rows {
            while let Some(mark) = marks.next_if(|mark| mark.row as usize <= row) {
                changes.marks.push(changes.rows as u32, mark.watermark);
            }
            let taken = self.on_row(&chunk, row, ctx.now_ms, &mut changes)?;
            out.rows.absorbed += u64::from(taken);
            out.rows.bad += u64::from(!taken);
        }
        marks.for_each(|mark| changes.marks.push(changes.rows as u32, mark.watermark));
        changes.finish(out);
        Ok(())
    }

    fn tables(&mut self) -> Vec<(&'static str, &mut dyn StateTable)> {
        vec![("rows", &mut self.rows.table), ("arrivals", &mut self.rows.arrivals)]
    }
}
