//! From a plan node to its running operator: the only list of all operators.

use crate::calc::Calc;
use crate::changelog::{FromChangelog, ToChangelog};
use crate::changelog_normalize::ChangelogNormalize;
use crate::deduplicate::Deduplicate;
use crate::drop_update_before::DropUpdateBefore;
use crate::expand::Expand;
use crate::group_aggregate::GroupAggregate;
use crate::interval_join::IntervalJoin;
use crate::limit::Limit;
use crate::match_recognize::MatchRecognize;
use crate::mini_batch::MiniBatch;
use crate::operator::Operator;
use crate::over::over;
use crate::regular_join::RegularJoin;
use crate::session_aggregate::SessionAggregate;
use crate::session_assign::SessionAssign;
use crate::session_groups::SessionGroups;
use crate::set_operation::SetOperation;
use crate::sink_compact::SinkCompact;
use crate::sink_materialize::SinkMaterialize;
use crate::temporal_join::TemporalJoin;
use crate::time_sort::TimeSort;
use crate::top_n::TopN;
use crate::union::Union;
use crate::unnest::Unnest;
use crate::watermark::Watermark;
use crate::window_aggregate::WindowAggregate;
use crate::window_assign::WindowAssign;
use crate::window_emit::WindowEmit;
use crate::window_join::WindowJoin;
use crate::window_top_n::WindowTopN;
use tidemill_plan::stream::WindowAggregatePlan;
use tidemill_plan::{Node, Operator as Plan, WindowKind};
use tidemill_types::{Error, Result, Schema};

/// What of the job an operator may depend on.
#[derive(Debug, Clone, Copy)]
pub struct JobInfo {
    /// `table.local-time-zone`.
    pub zone: chrono_tz::Tz,
    /// How many key groups the job has.
    pub key_groups: u32,
    /// How many tasks the operator has.
    pub parallelism: u32,
    /// Which of them this is, from 0.
    pub task: u32,
    /// Whether late rows are kept.
    pub keep_late: bool,
}

/// The running operator of a plan node. Sources and sinks are the runtime's.
pub fn build(node: &Node, inputs: &[&Schema], job: &JobInfo) -> Result<Box<dyn Operator>> {
    let input = inputs.first().copied();
    let first = || input.ok_or_else(|| not_here(&node.operator));
    let second = || inputs.get(1).copied().ok_or_else(|| not_here(&node.operator));
    Ok(match &node.operator {
        Plan::Calc { filter, project } => Box::new(Calc::new(filter.as_ref(), project)),
        Plan::Watermark { watermark, time_column } => Box::new(Watermark::new(watermark, *time_column)),
        Plan::WindowAggregate(plan) => window_aggregate(plan, first()?, job)?,
        Plan::EmittingWindow(plan) => Box::new(WindowEmit::new(plan, first()?, job)?),
        Plan::GroupAggregate(plan) => {
            let aggregate = Box::new(GroupAggregate::new(plan, first()?, job));
            match plan.mini_batch {
                Some(batch) => Box::new(MiniBatch::new(aggregate, batch)),
                None => aggregate,
            }
        }
        Plan::WindowAssign(spec) => match &spec.kind {
            WindowKind::Session { gap, partition } => {
                Box::new(SessionAssign::new(spec, *gap, partition, first()?, job))
            }
            _ => Box::new(WindowAssign::new(spec, first()?)?),
        },
        Plan::Expand { projections } => Box::new(Expand::new(projections)),
        Plan::DropUpdateBefore => Box::new(DropUpdateBefore),
        Plan::Join(plan) => Box::new(RegularJoin::new(plan, first()?, second()?, job)),
        Plan::IntervalJoin(plan) => Box::new(IntervalJoin::new(plan, first()?, second()?, job)),
        Plan::WindowJoin(plan) => Box::new(WindowJoin::new(plan, first()?, second()?, job)),
        Plan::TemporalJoin(plan) => Box::new(TemporalJoin::new(plan, first()?, second()?, job)),
        Plan::Union => Box::new(Union),
        Plan::SetOperation(plan) => Box::new(SetOperation::new(*plan, first()?, job)),
        Plan::Unnest(plan) => Box::new(Unnest::new(plan)),
        Plan::SinkMaterialize { keys, ttl_ms } => {
            Box::new(SinkMaterialize::new(keys, *ttl_ms, first()?, job))
        }
        Plan::SinkCompact(plan) => Box::new(SinkCompact::new(plan, first()?, job)),
        Plan::ToChangelog(plan) => Box::new(ToChangelog::new(plan)),
        Plan::FromChangelog(plan) => Box::new(FromChangelog::new(plan)),
        Plan::TopN(plan) => Box::new(TopN::new(plan, first()?, job)?),
        Plan::Over(plan) => over(plan, first()?, job)?,
        Plan::WindowTopN(plan) => Box::new(WindowTopN::new(plan, first()?, job)),
        Plan::ChangelogNormalize { keys } => Box::new(ChangelogNormalize::new(keys, first()?, job)),
        Plan::Deduplicate(plan) => Box::new(Deduplicate::new(plan, first()?, job)),
        Plan::TimeSort(plan) => Box::new(TimeSort::new(plan, first()?, job)),
        Plan::MatchRecognize(plan) => Box::new(MatchRecognize::new(plan, first()?, job)),
        Plan::Limit { offset, count } => Box::new(Limit::new(*offset, *count)),
        other => return Err(not_here(other)),
    })
}

fn window_aggregate(plan: &WindowAggregatePlan, input: &Schema, job: &JobInfo) -> Result<Box<dyn Operator>> {
    match &plan.window.kind {
        WindowKind::Session { gap, partition } if !plan.keys.iter().all(|key| partition.contains(key)) => {
            Ok(Box::new(SessionGroups::new(plan, *gap, partition, input, job)?))
        }
        WindowKind::Session { gap, partition } => {
            Ok(Box::new(SessionAggregate::new(plan, *gap, partition, input, job)?))
        }
        _ => Ok(Box::new(WindowAggregate::new(plan, input, job)?)),
    }
}

fn not_here(plan: &Plan) -> Error {
    Error::internal(format!("`{}` is not an operator of a task", plan.name()))
}
