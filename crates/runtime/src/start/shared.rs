//! What a job may do whose sources share their splits with other processes.
//!
//! A split may move to another process at any checkpoint. Offsets move with it, but nothing that operators keep and no
//! transaction that a sink has prepared, so both are refused before anything starts.

use tidemill_connector::SHARED_SPLITS;
use tidemill_plan::{Operator, SinkTarget, StreamPlan};
use tidemill_types::{Error, Result};

/// Refuses what can't share splits.
pub(super) fn check(plan: &StreamPlan) -> Result<()> {
    let mut shared = None;
    for node in &plan.nodes {
        if let Operator::Source(source) = &node.operator
            && source.options.boolean(&SHARED_SPLITS)?
        {
            shared = Some(source.table.as_str());
        }
    }
    match shared {
        Some(table) => plan.nodes.iter().try_for_each(|node| check_operator(table, &node.operator)),
        None => Ok(()),
    }
}

fn check_operator(shared: &str, operator: &Operator) -> Result<()> {
    let key = SHARED_SPLITS.key;
    match operator {
        Operator::Source(_)
        | Operator::Values { .. }
        | Operator::Calc { .. }
        | Operator::Watermark { .. }
        | Operator::WindowAssign(_)
        | Operator::Expand { .. }
        | Operator::LookupJoin(_)
        | Operator::Union
        | Operator::Unnest(_)
        | Operator::ToChangelog(_)
        | Operator::FromChangelog(_)
        | Operator::DropUpdateBefore => Ok(()),
        Operator::Sink(sink) => check_sink(shared, &sink.target),
        other => Err(Error::user_hint(
            format!(
                "table '{shared}' shares its partitions with other runs ('{key}' = 'true'), but '{}' keeps rows of \
                 several records, which can't move to another run with a partition",
                other.name()
            ),
            "leave the membership to pipelines that work record by record (filters, projections, lookup joins), and let \
             one run with more --parallelism do the rest",
        )),
    }
}

fn check_sink(shared: &str, target: &SinkTarget) -> Result<()> {
    const GUARANTEE: &str = "sink.delivery-guarantee";
    let SinkTarget::Table { table, options, .. } = target else { return Ok(()) };
    let asks = options.get(GUARANTEE).is_some_and(|word| word.trim().eq_ignore_ascii_case("exactly-once"));
    match asks {
        true => Err(Error::user_hint(
            format!(
                "table '{table}' is to be written exactly once, but what comes from '{shared}' may be taken over by \
                 another run, which reads again what a killed one had not committed to the group"
            ),
            format!("set '{GUARANTEE}' = 'at-least-once', or leave out '{}'", SHARED_SPLITS.key),
        )),
        false => Ok(()),
    }
}
