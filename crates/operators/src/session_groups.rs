//! Session aggregate over keys that sessions are not kept apart by: rows wait until their session is over
//! and are then grouped by session and key.
//!
//! Invariant: the inner aggregation never sees a late row, since the rows of a session go in before the mark
//! that ended it.

use crate::build::JobInfo;
use crate::session_assign::SessionAssign;
use crate::window_aggregate::WindowAggregate;
use crate::{Operator, OperatorContext, Output};
use tidemill_plan::stream::WindowAggregatePlan;
use tidemill_plan::{WindowKind, WindowSpec};
use tidemill_state::StateTable;
use tidemill_types::{Chunk, Field, Marks, Result, Schema, TimeAttribute, TypeKind, WATERMARK_NONE};

/// The running pair of operators.
pub struct SessionGroups {
    assign: SessionAssign,
    aggregate: WindowAggregate,
    proctime: bool,
    watermark: i64,
}

impl SessionGroups {
    /// The operator of a plan node with session windows.
    pub fn new(
        plan: &WindowAggregatePlan,
        gap: i64,
        partition: &[usize],
        input: &Schema,
        job: &JobInfo,
    ) -> Result<Self> {
        let assign = SessionAssign::new(&plan.window, gap, partition, input, job);
        let bound = |name: &str| Field::new(name, TypeKind::Timestamp(3).not_null());
        let mut fields = input.fields.clone();
        fields.extend([bound("window_start"), bound("window_end")]);
        let width = input.len();
        let kind = WindowKind::Attached { start: width, end: width + 1 };
        let proctime = plan.window.time == TimeAttribute::Proctime;
        let window = WindowSpec { kind, time: TimeAttribute::Rowtime, ..plan.window.clone() };
        let plan = WindowAggregatePlan { window, ..plan.clone() };
        let aggregate = WindowAggregate::new(&plan, &Schema::new(fields), job)?;
        Ok(SessionGroups { assign, aggregate, proctime, watermark: WATERMARK_NONE })
    }

    /// Hands what the assignment gave to the aggregation, which gives it out.
    fn pass(&mut self, chunks: Vec<Chunk>, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        let mut inner = Output::new(false);
        let mut watermark = self.watermark.max(if self.proctime { self.watermark } else { ctx.watermark });
        let mut marks = Marks::none();
        for mut chunk in chunks {
            if self.proctime {
                let marked = std::mem::take(&mut chunk.marks);
                marked.last().into_iter().for_each(|last| marks.push(0, last));
            }
            let after = chunk.marks.last().unwrap_or(watermark).max(watermark);
            self.aggregate.on_chunk(0, chunk, &OperatorContext { watermark, ..*ctx }, &mut inner)?;
            watermark = after;
        }
        if self.proctime {
            // The clock stands in for the watermark; it is not given on.
            let clock = Chunk::watermark(ctx.now_ms - 1);
            self.aggregate.on_chunk(0, clock, &OperatorContext { watermark, ..*ctx }, &mut inner)?;
            watermark = ctx.now_ms - 1;
        }
        self.watermark = watermark;
        for mut chunk in inner.take_chunks() {
            if self.proctime {
                chunk.marks = Marks::none();
            }
            out.emit(chunk);
        }
        out.emit(Chunk { marks, ..Chunk::default() });
        Ok(())
    }
}

impl Operator for SessionGroups {
    fn on_chunk(&mut self, port: usize, chunk: Chunk, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        let held = out.take_chunks();
        let emitted = out.rows.emitted;
        self.assign.on_chunk(port, chunk, ctx, out)?;
        let assigned = out.take_chunks();
        out.rows.emitted = emitted;
        out.put_back(held);
        self.pass(assigned, ctx, out)
    }

    fn on_time(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        let mut assigned = Output::new(false);
        self.assign.on_time(ctx, &mut assigned)?;
        self.pass(assigned.take_chunks(), ctx, out)
    }

    fn next_time(&self) -> Option<i64> {
        self.assign.next_time()
    }

    fn tables(&mut self) -> Vec<(&'static str, &mut dyn StateTable)> {
        let mut tables = self.assign.tables();
        let names = ["group-panes", "group-watermark"];
        tables.extend(names.into_iter().zip(self.aggregate.tables().into_iter().map(|(_, table)| table)));
        tables
    }

    fn on_restored(&mut self) -> Result<()> {
        self.aggregate.on_restored()
    }
}
