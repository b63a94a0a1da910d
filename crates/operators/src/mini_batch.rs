//! Mini-batch: collects input in front of an operator that gives net changes, so that one change stands for
//! more rows.
//!
//! Rows wait until there are enough of them, until the first has waited long enough, or until the input ends;
//! then they go on as one chunk. While they wait they count as buffered.
//! Invariant: nothing waits once the operator has settled, so a snapshot, which is taken then, misses no row.
//! Source of the rule: Flink documentation, "Performance Tuning", MiniBatch Aggregation.

use crate::{Operator, OperatorContext, Output};
use tidemill_plan::stream::MiniBatchPlan;
use tidemill_state::StateTable;
use tidemill_types::{Chunk, Result, WATERMARK_MAX};

/// An operator with input waiting in front of it.
pub struct MiniBatch {
    inner: Box<dyn Operator>,
    plan: MiniBatchPlan,
    waiting: Vec<Chunk>,
    rows: usize,
    /// The context of the first chunk that waits.
    since: Option<OperatorContext>,
}

impl MiniBatch {
    /// Lets the input of an operator wait.
    pub fn new(inner: Box<dyn Operator>, plan: MiniBatchPlan) -> Self {
        MiniBatch { inner, plan, waiting: Vec::new(), rows: 0, since: None }
    }

    /// When the first row has waited long enough.
    fn due(&self) -> Option<i64> {
        self.since.map(|since| since.now_ms.saturating_add(self.plan.latency_ms))
    }

    fn release(&mut self, now_ms: i64, out: &mut Output) -> Result<()> {
        let Some(since) = self.since.take() else { return Ok(()) };
        let chunk = Chunk::concat(&std::mem::take(&mut self.waiting));
        out.rows.buffered -= chunk.rows as u64;
        self.rows = 0;
        let ctx = OperatorContext { now_ms, watermark: since.watermark };
        self.inner.on_chunk(0, chunk, &ctx, out)
    }
}

impl Operator for MiniBatch {
    fn on_chunk(
        &mut self,
        _port: usize,
        chunk: Chunk,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        let ended = chunk.marks.last() == Some(WATERMARK_MAX);
        out.rows.buffered += chunk.rows as u64;
        self.rows += chunk.rows;
        self.since.get_or_insert(*ctx);
        self.waiting.push(chunk);
        if ended || self.rows >= self.plan.rows {
            self.release(ctx.now_ms, out)?;
        }
        Ok(())
    }

    fn on_time(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        if self.due().is_some_and(|due| due <= ctx.now_ms) {
            self.release(ctx.now_ms, out)?;
        }
        match self.inner.next_time() {
            Some(time) if time <= ctx.now_ms => self.inner.on_time(ctx, out),
            _ => Ok(()),
        }
    }

    fn next_time(&self) -> Option<i64> {
        [self.due(), self.inner.next_time()].into_iter().flatten().min()
    }

    fn on_flush(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        self.inner.on_flush(ctx, out)
    }

    fn on_settle(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        self.release(ctx.now_ms, out)?;
        self.inner.on_settle(ctx, out)
    }

    fn tables(&mut self) -> Vec<(&'static str, &mut dyn StateTable)> {
        self.inner.tables()
    }

    fn on_restored(&mut self) -> Result<()> {
        self.inner.on_restored()
    }
}
