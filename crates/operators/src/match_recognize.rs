//! MATCH_RECOGNIZE: a pattern in the ordered rows of each partition, one row for each match.
//!
//! - [`automaton`](self): the pattern as transitions between positions;
//! - `conditions`: the conditions of variables, over many rows and matches at once;
//! - `search`: rows advance matches; `endings`: matches are given or end;
//! - `found`: matches as columns.
//!
//! By event time rows wait until the watermark passes them and are searched in order; rows that it has passed when
//! they come are late. By processing time rows are searched as they come; with more columns to order by they wait
//! until their millisecond is over.
//!
//! State: rows that wait; for each key its partial matches, the complete ones that wait for them, and the rows these
//! have taken. All of it ends with the match, its failure, or its age (WITHIN). With PREV the last rows of each key
//! are kept for ever.
//! Input is inserts only. Not here: what Flink refuses, which the binder refuses.

mod automaton;
mod conditions;
mod endings;
mod found;
mod heap;
mod navigation;
mod rows;
mod search;

use crate::build::JobInfo;
use crate::keys::Keys;
use crate::stored_rows::SortKeys;
use crate::window::time_values;
use crate::{Operator, OperatorContext, Output};
use arrow_array::{ArrayRef, UInt32Array};
use conditions::{Conditions, Rows};
use found::{Found, Moment};
use rows::RowStore;
use search::{Searcher, Task};
use tidemill_plan::pattern::MatchRecognizePlan;
use tidemill_state::{MatchTable, SharedValue, StateTable, WaitingRows};
use tidemill_types::{Chunk, Mark, Result, Schema, TimeAttribute, WATERMARK_MAX, WATERMARK_NONE};

/// The running search.
pub struct MatchRecognize {
    plan: MatchRecognizePlan,
    keys: Keys,
    input: Schema,
    waiting: WaitingRows,
    table: MatchTable,
    reached: SharedValue,
    searcher: Searcher,
    found: Found,
    ids: Vec<u32>,
}

/// Rows in the order in which they are searched.
struct Ordered {
    columns: Vec<ArrayRef>,
    times: Vec<i64>,
}

impl MatchRecognize {
    /// The operator of a plan node.
    pub fn new(plan: &MatchRecognizePlan, input: &Schema, job: &JobInfo) -> Self {
        let conditions = Conditions::new(plan);
        let found = Found::new(plan, input);
        let mut kept: Vec<usize> = conditions.kept_columns().chain(found.kept_columns()).collect();
        kept.sort_unstable();
        kept.dedup();
        let store = RowStore::new(kept, input);
        let history = plan.history_rows();
        let table = MatchTable::new(&store.kinds(), conditions.kinds(), history, job.key_groups)
            .with_age(plan.within_ms);
        MatchRecognize {
            keys: Keys::new(&plan.keys, input),
            waiting: WaitingRows::new(input.types().cloned().collect(), plan.keys.clone(), job.key_groups),
            table,
            reached: SharedValue::new(WATERMARK_NONE),
            searcher: Searcher::new(plan, conditions, store),
            found,
            ids: Vec::new(),
            input: input.clone(),
            plan: plan.clone(),
        }
    }

    fn rowtime(&self) -> bool {
        self.plan.time == TimeAttribute::Rowtime
    }

    /// Lets rows wait for their time; those whose time has passed are late.
    fn wait(&mut self, chunk: &Chunk, mut watermark: i64, out: &mut Output) -> Result<()> {
        let times = time_values(chunk, self.plan.time_column)?;
        let mut late = Vec::new();
        let mut marks = chunk.marks.iter().peekable();
        for (row, &time) in times.iter().enumerate() {
            while let Some(mark) = marks.next_if(|mark| mark.row as usize <= row) {
                watermark = watermark.max(mark.watermark);
            }
            if time <= watermark {
                late.push(row as u32);
            }
        }
        out.rows.absorbed += (chunk.rows - late.len()) as u64;
        out.late(chunk, &late);
        if late.is_empty() {
            self.waiting.push(chunk.columns.clone(), times);
            return Ok(());
        }
        let mut late = late.into_iter().peekable();
        let kept: UInt32Array =
            (0..chunk.rows as u32).filter(|row| late.next_if_eq(row).is_none()).map(Some).collect();
        let rest = chunk.take(&kept);
        self.waiting.push(rest.columns.clone(), time_values(&rest, self.plan.time_column)?);
        Ok(())
    }

    /// The waiting rows up to a time, in order.
    fn ready(&mut self, upto: i64) -> Option<Ordered> {
        let (columns, times) = self.waiting.take(upto)?;
        if self.plan.order.is_empty() {
            return Some(Ordered { columns, times });
        }
        let chunk = Chunk::new(columns, times.len());
        let mut sort = SortKeys::new(&self.plan.order);
        sort.encode(&chunk, &self.input);
        let key = |row: u32| {
            let mut key = Vec::new();
            sort.write(row as usize, &mut key);
            (times[row as usize], key)
        };
        let mut order: Vec<u32> = (0..times.len() as u32).collect();
        order.sort_by_cached_key(|&row| key(row));
        let times = order.iter().map(|&row| times[row as usize]).collect();
        Some(Ordered { columns: chunk.take(&order.into()).columns, times })
    }

    /// Searches rows that are in order.
    fn search(
        &mut self,
        rows: &Ordered,
        mark_of: &dyn Fn(usize) -> u32,
        marks: &[Mark],
        now_ms: i64,
    ) -> Result<Vec<u32>> {
        let count = rows.times.len();
        self.keys.encode(&Chunk::new(rows.columns.clone(), count));
        let searched = Rows { columns: &rows.columns, times: &rows.times, now_ms };
        let (masks, decided) = self.searcher.conditions.of_rows(&searched);
        let begins = self.searcher.begins(&masks, decided);
        let mut ids = std::mem::take(&mut self.ids);
        self.table.locate(&self.keys.encoded, &self.keys.hashes, |row| begins[row], &mut ids);
        let lanes = self.searcher.store.lanes(&rows.columns, count);
        let task = Task { rows: searched, lanes, keys: &ids, masks, decided, mark_of, marks };
        self.searcher.run(&task, &begins, &mut self.table, &mut self.found)?;
        let mut touched = ids.clone();
        touched.retain(|id| *id != tidemill_state::match_table::NO_KEY);
        self.ids = ids;
        Ok(touched)
    }

    /// Ends old matches, gives everything out and forgets what nobody needs.
    fn finish(
        &mut self,
        time: i64,
        marks: &[Mark],
        mut touched: Vec<u32>,
        now_ms: i64,
        out: &mut Output,
    ) -> Result<()> {
        let rowtime = self.rowtime();
        let moment_of = |due: i64| {
            let mark = if rowtime { marks.partition_point(|mark| mark.watermark < due) } else { marks.len() };
            let at = if rowtime { marks.get(mark).map_or(time, |mark| mark.watermark) } else { time };
            (at, Moment { mark: mark as u32, after: true, row: u32::MAX })
        };
        self.searcher.expire_due(time, moment_of, &mut self.table, &mut self.found, &mut touched)?;
        self.found.flush(marks, &self.table, &self.searcher.store, now_ms, out)?;
        self.table.release(&touched);
        Ok(())
    }

    fn on_rowtime(&mut self, chunk: &Chunk, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        let before = self.reached.get().max(ctx.watermark);
        if chunk.rows > 0 {
            self.wait(chunk, before, out)?;
        }
        let Some(watermark) = chunk.marks.last() else { return Ok(()) };
        let marks = chunk.marks.as_slice();
        let touched = match self.ready(watermark) {
            None => Vec::new(),
            Some(rows) => {
                let mark_of = |row: usize| {
                    let time = rows.times[row];
                    marks.partition_point(|mark| mark.watermark < time) as u32
                };
                self.search(&rows, &mark_of, marks, ctx.now_ms)?
            }
        };
        self.finish(watermark, marks, touched, ctx.now_ms, out)?;
        self.reached.raise(watermark);
        Ok(())
    }

    fn on_proctime(&mut self, chunk: &Chunk, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        out.rows.absorbed += chunk.rows as u64;
        let times = vec![ctx.now_ms; chunk.rows];
        let marks = chunk.marks.as_slice();
        let (rows, in_order) = match self.plan.order.is_empty() {
            true => (Some(Ordered { columns: chunk.columns.clone(), times }), true),
            false => {
                if chunk.rows > 0 {
                    self.waiting.push(chunk.columns.clone(), &times);
                }
                let ended = chunk.marks.last() == Some(WATERMARK_MAX);
                (self.ready(if ended { i64::MAX } else { ctx.now_ms.saturating_sub(1) }), false)
            }
        };
        let mark_of = |row: usize| match in_order {
            true => marks.partition_point(|mark| mark.row as usize <= row) as u32,
            false => 0,
        };
        let touched = match rows.filter(|rows| !rows.times.is_empty()) {
            Some(rows) => self.search(&rows, &mark_of, marks, ctx.now_ms)?,
            None => Vec::new(),
        };
        self.finish(ctx.now_ms, marks, touched, ctx.now_ms, out)
    }
}

impl Operator for MatchRecognize {
    fn on_chunk(
        &mut self,
        _port: usize,
        chunk: Chunk,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        match self.plan.time {
            TimeAttribute::Rowtime => self.on_rowtime(&chunk, ctx, out),
            TimeAttribute::Proctime => self.on_proctime(&chunk, ctx, out),
        }
    }

    fn on_time(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        match self.plan.time {
            TimeAttribute::Rowtime => Ok(()),
            TimeAttribute::Proctime => self.on_proctime(&Chunk::default(), ctx, out),
        }
    }

    fn next_time(&self) -> Option<i64> {
        if self.rowtime() {
            return None;
        }
        let rows = self.waiting.earliest().map(|time| time.saturating_add(1));
        rows.into_iter().chain(self.table.next_due()).min()
    }

    fn tables(&mut self) -> Vec<(&'static str, &mut dyn StateTable)> {
        vec![("waiting", &mut self.waiting), ("matches", &mut self.table), ("watermark", &mut self.reached)]
    }
}
