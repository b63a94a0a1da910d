//! Lookup joins: `JOIN t FOR SYSTEM_TIME AS OF left.proctime`.
//!
//! Rules (Flink documentation, "Lookup Join"): at least one equality across the sides; inner and left joins. The
//! right side is a bounded table, perhaps through views that filter and project; it is read as a whole when the
//! job starts. (In Flink a filesystem or datagen table is no lookup source.)

use super::join_placement::{Joining, Keyed, Pending};
use super::{Binder, Bound, NodeTraits, Relation, RelationColumn};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use tidemill_plan::{Exchange, Expr, Input, LookupJoinPlan, NodeId, Operator, SourcePlan};
use tidemill_types::Schema;

/// Conditions and columns over a scan, one step above the other.
type Steps = Vec<(Option<Expr>, Vec<Expr>)>;

impl Binder<'_> {
    pub(super) fn lookup_join(&mut self, pending: Pending, span: Span) -> Bound<Joining> {
        let keyed: Keyed = self.keyed(pending)?;
        if keyed.on.left_keys.is_empty() {
            return Err(Diagnostic::new(
                span,
                "Temporal table join requires an equality condition on fields of the looked up table",
            )
            .with_hint("write ON left.key = right.key"));
        }
        let (table, steps) = self.looked_up(keyed.right.node, span)?;
        let kind = keyed.on.kind;
        let right = keyed.right.columns.iter().map(|column| {
            let mut column = column.clone();
            column.field.time = None;
            let nullable = kind.keeps(true) || column.field.data_type.nullable;
            column.field.data_type = column.field.data_type.with_nullable(nullable);
            column
        });
        let columns: Vec<RelationColumn> = keyed.left.columns.iter().cloned().chain(right).collect();
        let plan = LookupJoinPlan { on: keyed.on, table, steps, schema: keyed.right.schema() };
        let left = &self.plan.nodes[keyed.left.node];
        let traits = NodeTraits { changelog: left.changelog, upsert_key: None };
        let inputs = vec![Input { node: keyed.left.node, exchange: Exchange::Forward }];
        let schema = Schema::new(columns.iter().map(|column| column.field.clone()).collect());
        let node = self.push(Operator::LookupJoin(Box::new(plan)), inputs, schema, traits);
        let relation = Relation { node, columns, windowing: None };
        Ok(Joining::new(relation, keyed.left.columns.len()))
    }

    /// The scan below a node and what stands between.
    fn looked_up(&self, node: NodeId, span: Span) -> Bound<(SourcePlan, Steps)> {
        let node = &self.plan.nodes[node];
        match (&node.operator, node.inputs.as_slice()) {
            (Operator::Source(source), _) if !source.bounded => Err(Diagnostic::new(
                span,
                format!("table '{}' does not end, so it can't be looked up as a whole", source.table),
            )
            .with_hint("look up a table that ends: files without 'source.monitor-interval', datagen with 'number-of-rows'")),
            (Operator::Source(source), _) if !node.changelog.append_only() => Err(Diagnostic::new(
                span,
                format!("table '{}' gives changes and can't be looked up", source.table),
            )
            .with_hint("join it FOR SYSTEM_TIME AS OF event time, or with a regular join")),
            (Operator::Source(source), _) => Ok((source.clone(), Vec::new())),
            (Operator::Calc { filter, project }, [input]) => {
                let (source, mut steps) = self.looked_up(input.node, span)?;
                steps.push((filter.clone(), project.clone()));
                Ok((source, steps))
            }
            (Operator::Watermark { .. }, [input]) => self.looked_up(input.node, span),
            _ => Err(Diagnostic::new(
                span,
                "Processing-time temporal join is not supported yet: the right side is no table that can be looked up",
            )
            .with_hint("put a table with a connector on the right side, or join FOR SYSTEM_TIME AS OF event time")),
        }
    }
}
