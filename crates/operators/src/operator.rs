//! What an operator is to the runtime, and where it puts its results.
//!
//! Protocol: the runtime merges the watermarks of all inputs, so the marks of a chunk given to an operator
//! are the combined watermark already and rise strictly over [`OperatorContext::watermark`]. A chunk with
//! marks and no rows only moves the watermark; the end of a bounded input is a mark of `WATERMARK_MAX`.
//! Rows that a mark fires go out before that mark, and every mark goes on exactly once.
//!
//! Invariant: after each call `input = forwarded + absorbed + filtered + late + bad + buffered`; what comes
//! out is counted apart.

use tidemill_state::{MemoryBudget, StateTable};
use tidemill_types::{Chunk, Result};

/// One running operator of one task.
pub trait Operator: Send {
    /// Takes rows and marks of one input. Call it through [`deliver`], which counts the rows.
    fn on_chunk(&mut self, port: usize, chunk: Chunk, ctx: &OperatorContext, out: &mut Output) -> Result<()>;

    /// Processing time has reached [`Operator::next_time`].
    fn on_time(&mut self, _ctx: &OperatorContext, _out: &mut Output) -> Result<()> {
        Ok(())
    }

    /// When [`Operator::on_time`] is wanted next, in ms of processing time.
    fn next_time(&self) -> Option<i64> {
        None
    }

    /// The input pauses: gives out whatever is held back only to make larger chunks.
    fn on_flush(&mut self, _ctx: &OperatorContext, _out: &mut Output) -> Result<()> {
        Ok(())
    }

    /// Gives out everything that is held back for whatever reason: a snapshot follows, or the end.
    fn on_settle(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        self.on_flush(ctx, out)
    }

    /// All that must survive a restart, under names that stay the same.
    fn tables(&mut self) -> Vec<(&'static str, &mut dyn StateTable)> {
        Vec::new()
    }

    /// All tables were restored: rebuild what derives from them.
    fn on_restored(&mut self) -> Result<()> {
        Ok(())
    }
}

/// What is true while an operator is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperatorContext {
    /// Processing time, in ms since 1970 (UTC).
    pub now_ms: i64,
    /// The combined watermark before the first row of the chunk.
    pub watermark: i64,
}

/// Where the rows went that an operator was given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowCounters {
    /// Rows given to it.
    pub input: u64,
    /// Rows that went on, each as one row or as several.
    pub forwarded: u64,
    /// Rows that went into a group or window.
    pub absorbed: u64,
    /// Rows that a condition dropped.
    pub filtered: u64,
    /// Rows dropped because their time had passed.
    pub late: u64,
    /// Rows that could not be processed.
    pub bad: u64,
    /// Rows held back for now.
    pub buffered: u64,
    /// Rows that came out.
    pub emitted: u64,
}

impl RowCounters {
    /// Whether every row given is accounted for.
    pub fn balanced(&self) -> bool {
        self.input == self.forwarded + self.absorbed + self.filtered + self.late + self.bad + self.buffered
    }
}

/// Where an operator puts its results; the runtime keeps one for each operator.
#[derive(Debug, Default)]
pub struct Output {
    chunks: Vec<Chunk>,
    late: Option<Vec<Chunk>>,
    /// Where the rows went.
    pub rows: RowCounters,
}

impl Output {
    /// An empty output. With `keep_late` late rows are kept for [`Output::take_late`].
    pub fn new(keep_late: bool) -> Self {
        Output { late: keep_late.then(Vec::new), ..Output::default() }
    }

    /// Gives a chunk on. One without rows is reduced to its marks, one without either is dropped.
    pub fn emit(&mut self, chunk: Chunk) {
        self.rows.emitted += chunk.rows as u64;
        match (chunk.rows, chunk.marks.is_empty()) {
            (0, true) => {}
            (0, false) => self.chunks.push(Chunk { marks: chunk.marks, ..Chunk::default() }),
            _ => self.chunks.push(chunk),
        }
    }

    /// Drops these rows of the chunk as late.
    pub fn late(&mut self, chunk: &Chunk, rows: &[u32]) {
        self.rows.late += rows.len() as u64;
        if let Some(late) = self.late.as_mut().filter(|_| !rows.is_empty()) {
            late.push(chunk.take(&rows.to_vec().into()));
        }
    }

    /// Whether late rows are kept.
    pub fn keeps_late(&self) -> bool {
        self.late.is_some()
    }

    /// The chunks given so far, in order.
    pub fn take_chunks(&mut self) -> Vec<Chunk> {
        std::mem::take(&mut self.chunks)
    }

    /// Chunks taken out that are to stand first again.
    pub(crate) fn put_back(&mut self, chunks: Vec<Chunk>) {
        self.chunks.splice(0..0, chunks);
    }

    /// The late rows kept so far, as they came in.
    pub fn take_late(&mut self) -> Vec<Chunk> {
        self.late.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

/// Hands a chunk to an operator and counts its rows.
pub fn deliver(
    operator: &mut dyn Operator,
    port: usize,
    chunk: Chunk,
    ctx: &OperatorContext,
    out: &mut Output,
) -> Result<()> {
    out.rows.input += chunk.rows as u64;
    operator.on_chunk(port, chunk, ctx, out)?;
    debug_assert!(out.rows.balanced(), "every row is accounted for: {:?}", out.rows);
    tend(operator)
}

/// Lets the tables of an operator see to their memory, and tells what went wrong with rows that are on disk. To be
/// done after each call and after each checkpoint, before what it gave goes on; [`deliver`] does it.
pub fn tend(operator: &mut dyn Operator) -> Result<()> {
    operator.tables().into_iter().try_for_each(|(_, table)| table.tend())
}

/// Sets how much memory the tables of an operator may take together with others.
pub fn set_budget(operator: &mut dyn Operator, budget: &MemoryBudget) {
    operator.tables().into_iter().for_each(|(_, table)| table.set_budget(budget));
}
