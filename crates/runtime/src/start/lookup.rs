//! Reads the tables of lookup joins, as a whole, before the job starts.
//!
//! Invariant: the table is bounded, which planning has made sure of; each is read once however many tasks ask.

use super::builder::Builder;
use super::open::open_source;
use crate::decode::SourceDecoder;
use std::sync::Arc;
use tidemill_connector::{Fetched, OpenSource};
use tidemill_operators::lookup_join::LookupTable;
use tidemill_operators::{OperatorContext, Output, RowCounters, calc::Calc, deliver};
use tidemill_plan::{LookupJoinPlan, Node};
use tidemill_types::{Chunk, Error, Result, WATERMARK_NONE};

impl Builder<'_> {
    /// The table of a lookup join.
    pub(super) fn lookup_table(&mut self, node: &Node, plan: &LookupJoinPlan) -> Result<Arc<LookupTable>> {
        if let Some(known) = self.lookups.get(&node.id) {
            return Ok(known.clone());
        }
        let open = open_source(&plan.table, &node.uid, self.options)?;
        let threads = tokio::runtime::Handle::try_current()
            .map_err(|_| Error::internal("a lookup join needs a job with threads"))?;
        let chunks = threads.block_on(self.read_all(open, plan))?;
        let table = Arc::new(LookupTable::new(plan, &chunks));
        self.lookups.insert(node.id, table.clone());
        Ok(table)
    }

    async fn read_all(&self, mut open: OpenSource, plan: &LookupJoinPlan) -> Result<Vec<Chunk>> {
        let mut decoder = SourceDecoder::new(
            Arc::new(plan.table.clone()),
            self.options.zone,
            self.options.bad_records,
            self.dead_letters.clone(),
        );
        let mut calcs: Vec<Calc> =
            plan.steps.iter().map(|(filter, project)| Calc::new(filter.as_ref(), project)).collect();
        let (mut chunks, mut counters) = (Vec::new(), RowCounters::default());
        let ctx = OperatorContext { now_ms: self.options.clock.now_ms(), watermark: WATERMARK_NONE };
        loop {
            let chunk = match open.source.next().await? {
                Fetched::Blob(fetched) => decoder.decode(&fetched, ctx.now_ms, &mut counters)?,
                Fetched::Rows(chunk) => chunk,
                Fetched::End => return Ok(chunks),
                Fetched::Splits(_) => continue,
            };
            let mut given = vec![chunk];
            for calc in &mut calcs {
                let mut out = Output::new(false);
                for chunk in given {
                    deliver(calc, 0, chunk, &ctx, &mut out)?;
                }
                given = out.take_chunks();
            }
            chunks.extend(given.into_iter().filter(|chunk| chunk.rows > 0));
        }
    }
}
