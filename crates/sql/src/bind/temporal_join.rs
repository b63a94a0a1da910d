//! Temporal joins: `JOIN t FOR SYSTEM_TIME AS OF left.time`.
//!
//! Rules (Flink documentation, "Joins"): the time is a time attribute of the left side; inner and left joins only.
//! With event time the right side is a versioned table: it has a primary key and one event-time attribute, and
//! the condition compares the whole key. What else the condition says of a version holds for the valid one.
//! With processing time it is a lookup join.

use super::join::Joined;
use super::join_placement::{Joining, Keyed, Pending};
use super::scope::Scope;
use super::{Binder, Bound, NodeTraits, Relation};
use crate::ast::{self, TableRef, TableRefKind};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use std::borrow::Cow;
use tidemill_plan::{Expr, JoinKind, NodeId, Operator, TemporalJoinPlan};
use tidemill_types::TimeAttribute;

/// The time of FOR SYSTEM_TIME AS OF.
#[derive(Debug, Clone)]
pub(crate) struct SystemTime {
    /// The column of the left side.
    pub(crate) column: usize,
    pub(crate) time: TimeAttribute,
    pub(crate) span: Span,
}

/// The time behind a table reference.
pub(super) fn system_time(table: &TableRef) -> Option<&ast::Expr> {
    match &table.kind {
        TableRefKind::Table { system_time, .. } | TableRefKind::Query { system_time, .. } => {
            system_time.as_ref()
        }
        _ => None,
    }
}

/// The table reference without its time.
pub(super) fn without_system_time(table: &TableRef) -> Cow<'_, TableRef> {
    if system_time(table).is_none() {
        return Cow::Borrowed(table);
    }
    let mut plain = table.clone();
    if let TableRefKind::Table { system_time, .. } | TableRefKind::Query { system_time, .. } = &mut plain.kind
    {
        *system_time = None;
    }
    Cow::Owned(plain)
}

/// The refusal of FOR SYSTEM_TIME AS OF outside of a join's right side.
pub(super) fn misplaced(span: Span) -> Diagnostic {
    Diagnostic::new(span, "FOR SYSTEM_TIME AS OF stands behind the right side of a JOIN only")
        .with_hint("write a JOIN t FOR SYSTEM_TIME AS OF a.time AS t ON a.key = t.key")
}

impl Binder<'_> {
    /// Binds the time of a temporal join over its left side.
    pub(super) fn bind_system_time(
        &self,
        time: &ast::Expr,
        kind: JoinKind,
        left: &Joined,
    ) -> Bound<SystemTime> {
        if !matches!(kind, JoinKind::Inner | JoinKind::Left) {
            return Err(Diagnostic::new(time.span, "a temporal join is an INNER or a LEFT JOIN")
                .with_hint("put the versioned table on the right side"));
        }
        let bound = self.bind_over(time, Scope { columns: left.columns() })?;
        let attribute = match &bound {
            Expr::Column { index, .. } => left.columns()[*index].field.time.map(|time| (*index, time)),
            _ => None,
        };
        match attribute {
            Some((column, attribute)) => Ok(SystemTime { column, time: attribute, span: time.span }),
            None => Err(Diagnostic::new(
                time.span,
                "Temporal table join currently only supports 'FOR SYSTEM_TIME AS OF' left table's time attribute field",
            )
            .with_hint("name a column of the left table that has a watermark, or one AS PROCTIME()")),
        }
    }

    pub(super) fn temporal_join(
        &mut self,
        pending: Pending,
        time: &SystemTime,
        hints: &[ast::Hint],
    ) -> Bound<Joining> {
        if time.time == TimeAttribute::Proctime {
            return self.lookup_join(pending, time.span, hints);
        }
        if self.session.info().batch {
            return Err(Diagnostic::new(
                time.span,
                "Event-time temporal join is not supported in batch mode",
            )
            .with_hint("SET 'execution.runtime-mode' = 'streaming'"));
        }
        let right_time = self.version_time(&pending.right, time.span)?;
        let conditions: Vec<String> = pending.pairing.iter().map(ToString::to_string).collect();
        let keyed = self.keyed(pending)?;
        self.require_whole_key(&keyed, &conditions, time.span)?;
        let left = &self.plan.nodes[keyed.left.node];
        let traits = NodeTraits { changelog: left.changelog, upsert_key: left.upsert_key.clone() };
        let plan = TemporalJoinPlan {
            on: keyed.on.clone(),
            left_time: time.column,
            right_time,
            update_before: self.filters_changes(keyed.right.node),
        };
        Ok(self.push_join(Operator::TemporalJoin(plan), keyed, traits, [true, false]))
    }

    /// The event-time attribute of a versioned table.
    fn version_time(&self, right: &Relation, span: Span) -> Bound<usize> {
        let keyed = self.plan.nodes[right.node].upsert_key.is_some();
        if !keyed {
            return Err(Diagnostic::new(
                span,
                "Temporal Table Join requires primary key in versioned table, but no primary key can be found",
            )
            .with_hint(
                "declare PRIMARY KEY (..) NOT ENFORCED, or join a view that keeps the last row of each key: \
                 ROW_NUMBER() OVER (PARTITION BY key ORDER BY time DESC) = 1",
            ));
        }
        let times = right.columns.iter().enumerate();
        let times = times.filter(|(_, column)| column.field.time == Some(TimeAttribute::Rowtime));
        match times.map(|(place, _)| place).collect::<Vec<_>>().as_slice() {
            [time] => Ok(*time),
            [] => Err(Diagnostic::new(
                span,
                "Event-Time Temporal Table Join requires both primary key and row time attribute in versioned table, but no row time attribute can be found",
            )
            .with_hint("declare WATERMARK FOR on a column of the right table and keep that column in its views")),
            _ => Err(Diagnostic::new(span, "the versioned table has more than one row time attribute")
                .with_hint("keep one of them; CAST(time AS TIMESTAMP(3)) makes an ordinary column of another")),
        }
    }

    fn require_whole_key(&self, keyed: &Keyed, conditions: &[String], span: Span) -> Bound<()> {
        let node = &self.plan.nodes[keyed.right.node];
        let key = node.upsert_key.clone().unwrap_or_default();
        if key.iter().all(|column| keyed.on.right_keys.contains(column)) {
            return Ok(());
        }
        let names: Vec<&str> = key.iter().map(|column| node.schema.fields[*column].name.as_str()).collect();
        Err(Diagnostic::new(
            span,
            format!(
                "Temporal table's primary key [{}] must be included in the equivalence condition of temporal join, but current temporal join condition is [{}]",
                names.join(", "),
                conditions.join(", ")
            ),
        )
        .with_hint("compare each column of the key with = in ON"))
    }

    /// Whether a condition stands between this node and what gives its updates: then a version that does not
    /// pass it any more is only seen to end by its `-U`.
    fn filters_changes(&self, node: NodeId) -> bool {
        let node = &self.plan.nodes[node];
        match (&node.operator, node.inputs.as_slice()) {
            _ if node.changelog.append_only() => false,
            (Operator::Calc { filter: Some(_), .. }, _) => true,
            (Operator::Calc { .. } | Operator::Watermark { .. }, [input]) => self.filters_changes(input.node),
            _ => false,
        }
    }
}
