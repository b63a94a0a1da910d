//! Lookup joins: opens tables that are asked by key, and reads those that are held as a whole before the job starts.
//!
//! Invariant: each table is read or opened once however many tasks look into it.

use super::builder::Builder;
use super::open::open_lookup;
use crate::dead_letter::{EVERY_RUN, TaskLetters};
use crate::decode::SourceDecoder;
use crate::lookup_edge::{Asker, LookupCounters, LookupDesk};
use crate::lookup_stage::{Feed, LookupStage, StageLimits};
use crate::lookup_table::{Reloader, TableLoader};
use crate::options::Retry;
use crate::signal::TaskSignal;
use std::sync::Arc;
use std::time::Duration;
use tidemill_connector::OpenLookup;
use tidemill_operators::lookup_join::{AskedJoin, SharedTable};
use tidemill_plan::{AskPlan, LookupAccess, LookupJoinPlan, Node, Operator, Reload};
use tidemill_types::{Error, Result};

impl Builder<'_> {
    /// The table of a lookup join that holds it as a whole.
    pub(super) fn lookup_table(&mut self, node: &Node, plan: &LookupJoinPlan) -> Result<Arc<SharedTable>> {
        if let Some(known) = self.tables.get(&node.id) {
            return Ok(known.clone());
        }
        let LookupAccess::Whole(reload) = plan.access else {
            return Err(Error::internal("a table that is asked by key is not read as a whole"));
        };
        let loader = TableLoader {
            plan: Arc::new(plan.clone()),
            uid: node.uid.clone(),
            options: self.options.clone(),
            dead_letters: self.dead_letters.clone(),
            counters: self.lookup_counters(plan),
        };
        let version = match reload {
            Reload::WhenChanged { .. } => loader.version().unwrap_or_default(),
            _ => None,
        };
        let table = self.edges.block_on(loader.load())?;
        let table = Arc::new(SharedTable::new(table));
        if reload != Reload::Never {
            self.reloaders.push(Reloader { table: table.clone(), loader, reload, version });
        }
        self.tables.insert(node.id, table.clone());
        Ok(table)
    }

    /// The stage in front of a task whose rows wait for answers.
    pub(super) fn lookup_stage(
        &mut self,
        at: usize,
        task: usize,
        plan: &LookupJoinPlan,
        ask: &AskPlan,
        signal: &TaskSignal,
    ) -> Result<LookupStage> {
        let node = &self.plan.nodes[self.fragments[at].root];
        let opened = match self.lookups.get(&node.id) {
            Some(opened) => opened.clone(),
            None => {
                let opened = Arc::new(open_lookup(plan, ask, &node.uid, self.options)?);
                self.lookups.insert(node.id, opened.clone());
                opened
            }
        };
        let feed = match self.relayed_lane(at, task) {
            Some(lane) => Feed::Relayed(lane),
            None => Feed::Merged(self.receiver(at, task)?),
        };
        let desk = Arc::new(LookupDesk::new(signal.clone()));
        let counters = self.lookup_counters(plan);
        self.askers.push(self.asker(plan, ask, &opened, desk.clone(), counters.clone()));
        let join = AskedJoin::new(plan, ask, &self.input_schema(node));
        let capacity = ask.capacity.max(1);
        let limits = StageLimits { ordered: ask.ordered, capacity, keys_max: opened.keys_max.max(1) };
        let decoder = SourceDecoder::new(
            Arc::new(plan.table.clone()),
            self.options.zone,
            self.options.bad_records,
            Arc::new(TaskLetters::new(self.dead_letters.clone(), EVERY_RUN)),
        );
        Ok(LookupStage::new(join, feed, limits, desk, decoder, counters))
    }

    fn asker(
        &self,
        plan: &LookupJoinPlan,
        ask: &AskPlan,
        opened: &OpenLookup,
        desk: Arc<LookupDesk>,
        counters: Arc<LookupCounters>,
    ) -> Asker {
        Asker {
            lookup: opened.lookup.clone(),
            desk,
            table: plan.table.table.clone(),
            calls_max: if ask.one_call { 1 } else { opened.calls_max },
            timeout: Duration::from_millis(ask.timeout_ms),
            retry: Retry { attempts_max: ask.retries_max.saturating_add(1), ..self.options.retry },
            on_miss: ask.on_miss,
            counters,
        }
    }

    fn lookup_counters(&mut self, plan: &LookupJoinPlan) -> Arc<LookupCounters> {
        let counters = Arc::new(LookupCounters::default());
        self.metrics.lookups.push((plan.table.table.clone(), counters.clone()));
        counters
    }

    /// The plan of the root of a fragment whose rows wait for answers.
    pub(super) fn asked(&self, at: usize) -> Option<(LookupJoinPlan, AskPlan)> {
        match &self.plan.nodes[self.fragments[at].root].operator {
            Operator::LookupJoin(plan) => match &plan.access {
                LookupAccess::Asked(ask) => Some((plan.as_ref().clone(), ask.as_ref().clone())),
                LookupAccess::Whole(_) => None,
            },
            _ => None,
        }
    }
}
