//! ON CONFLICT: what happens where several rows of a query have one primary key of the table.
//!
//! Rules (Flink 2.3, `analyzeUpsertMaterializeStrategy`): only tables by primary key take the clause; an updating
//! query whose key is not within the primary key needs it, unless `table.exec.sink.require-on-conflict` is
//! false; then, and with DEDUPLICATE, all rows of each primary key are kept. NOTHING and ERROR keep what came since the
//! last watermark and one row of each primary key, of appended rows too; all sources need watermarks for that.
//! `table.exec.sink.upsert-materialize` can forbid or force both.
//! Not here: an INSERT of appended rows is not refused without the clause, though Flink refuses it where it finds no
//! key: what comes last counts. Nor compaction at checkpoints instead of watermarks.

use super::scan::Storage;
use super::{Binder, Bound, NodeTraits, Relation, unsupported};
use crate::ast::{Insert, OnConflict};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use tidemill_plan::{ChangelogMode, Exchange, Expr, Input, NodeId, Operator, SinkCompactPlan};

/// NOTHING or ERROR, if the statement says so, with its place.
fn compaction(insert: &Insert) -> Option<(OnConflict, Span)> {
    insert.on_conflict.filter(|(behaviour, _)| *behaviour != OnConflict::Deduplicate)
}

impl Binder<'_> {
    /// Puts in front of a sink what conflicts of its primary key ask for.
    pub(crate) fn settle_conflicts(
        &mut self,
        insert: &Insert,
        storage: &Storage,
        rows: &mut Relation,
        primary_key: &[usize],
    ) -> Bound<()> {
        if !storage.connector.upserts {
            return match insert.on_conflict {
                None => Ok(()),
                Some((_, span)) => Err(Diagnostic::new(span, "ON CONFLICT is only allowed for upsert sinks")
                    .with_hint("the connector takes every change as it is; leave the clause out")),
            };
        }
        if let Some((behaviour, span)) = compaction(insert) {
            self.check_compaction(rows.node, behaviour, span)?;
        }
        match (self.settles(insert, rows, primary_key)?, compaction(insert)) {
            (true, Some((behaviour, _))) => {
                self.compact(rows, primary_key, behaviour == OnConflict::Error);
            }
            (true, None) => self.materialize(rows, primary_key),
            (false, _) => self.drop_replaced_rows(rows, primary_key),
        }
        Ok(())
    }

    /// Whether rows of a primary key have to be settled before the sink.
    fn settles(&self, insert: &Insert, rows: &Relation, primary_key: &[usize]) -> Bound<bool> {
        let settings = &self.session.settings;
        let node = &self.plan.nodes[rows.node];
        let mode = settings.get("table.exec.sink.upsert-materialize").unwrap_or("auto").to_lowercase();
        match mode.as_str() {
            "force" => return Ok(true),
            "none" => return Ok(false),
            _ => {}
        }
        let within = |key: &Vec<usize>| key.iter().all(|column| primary_key.contains(column));
        let last_counts = node.changelog.append_only() && compaction(insert).is_none();
        if last_counts || node.upsert_key.as_ref().is_some_and(within) {
            return Ok(false);
        }
        let required = !settings.is("table.exec.sink.require-on-conflict", "false");
        if insert.on_conflict.is_none() && required {
            let names = |key: &[usize]| {
                key.iter().map(|i| rows.columns[*i].field.name.as_str()).collect::<Vec<_>>().join(", ")
            };
            let key = node.upsert_key.as_deref().map_or("none".to_string(), names);
            let message = format!(
                "the query has an upsert key that differs from the primary key of the sink table '{}': primary key: [{}], upsert key: [{key}]",
                insert.table.last().value,
                names(primary_key)
            );
            return Err(Diagnostic::new(insert.query.span, message).with_hint(
                "add ON CONFLICT DO DEDUPLICATE (the newest row that is there), DO NOTHING (the first row) or DO ERROR, or SET 'table.exec.sink.require-on-conflict' = 'false'",
            ));
        }
        Ok(true)
    }

    /// Refuses what can't be compacted as the clause asks for.
    fn check_compaction(&self, node: NodeId, behaviour: OnConflict, span: Span) -> Bound<()> {
        if self.session.settings.is("table.exec.sink.upserts.compaction-mode", "checkpoint") {
            let what = "table.exec.sink.upserts.compaction-mode = CHECKPOINT";
            return Err(unsupported(span, what)
                .with_note("with WATERMARK, the default, rows are settled whenever the watermark rises"));
        }
        let mut without = Vec::new();
        self.sources_without_watermark(node, &mut without);
        if without.is_empty() || self.session.info().batch {
            return Ok(());
        }
        let name = if behaviour == OnConflict::Error { "ERROR" } else { "NOTHING" };
        let message = format!(
            "ON CONFLICT DO {name} requires all source tables to define watermarks, but the following source(s) do not: {}",
            without.join(", ")
        );
        Err(Diagnostic::new(span, message).with_hint(
            "add WATERMARK FOR ts AS ts - INTERVAL '5' SECOND to these tables: rows are settled whenever the watermark rises",
        ))
    }

    fn sources_without_watermark(&self, node: NodeId, found: &mut Vec<String>) {
        let node = &self.plan.nodes[node];
        match &node.operator {
            Operator::Watermark { .. } => {}
            Operator::Source(source) if !found.contains(&source.table) => found.push(source.table.clone()),
            _ => node.inputs.iter().for_each(|input| self.sources_without_watermark(input.node, found)),
        }
    }

    fn compact(&mut self, rows: &mut Relation, primary_key: &[usize], fails: bool) {
        let ttl_ms = self.session.settings.duration_ms("table.exec.state.ttl");
        let upsert_key = self.plan.nodes[rows.node].upsert_key.clone().filter(|key| !key.is_empty());
        let plan = SinkCompactPlan { keys: primary_key.to_vec(), upsert_key, fails, ttl_ms };
        let inputs = vec![Input { node: rows.node, exchange: Exchange::Hash(primary_key.to_vec()) }];
        let traits = NodeTraits { changelog: ChangelogMode::UPSERT, upsert_key: Some(primary_key.to_vec()) };
        rows.node = self.push(Operator::SinkCompact(plan), inputs, rows.schema(), traits);
    }

    fn materialize(&mut self, rows: &mut Relation, primary_key: &[usize]) {
        let ttl_ms = self.session.settings.duration_ms("table.exec.state.ttl");
        let operator = Operator::SinkMaterialize { keys: primary_key.to_vec(), ttl_ms };
        let inputs = vec![Input { node: rows.node, exchange: Exchange::Hash(primary_key.to_vec()) }];
        let traits = NodeTraits { changelog: ChangelogMode::UPSERT, upsert_key: Some(primary_key.to_vec()) };
        rows.node = self.push(operator, inputs, rows.schema(), traits);
    }

    /// Whether each `-U` is followed by the `+U` of its key: not where a filter on other columns may let only one of
    /// them through, nor behind joins, which give what matches.
    fn replaces_by_key(&self, node: NodeId) -> bool {
        let node = &self.plan.nodes[node];
        match &node.operator {
            Operator::Calc { filter, .. } => node.inputs.iter().all(|input| {
                let key = self.plan.nodes[input.node].upsert_key.as_deref().unwrap_or_default();
                let of_key = |filter: &Expr| filter.columns().iter().all(|column| key.contains(column));
                filter.as_ref().is_none_or(of_key) && self.replaces_by_key(input.node)
            }),
            Operator::GroupAggregate(_)
            | Operator::TopN(_)
            | Operator::Deduplicate(_)
            | Operator::ChangelogNormalize { .. } => true,
            _ => false,
        }
    }

    /// A sink by primary key needs no `-U` where a new row of the same key always comes behind it.
    fn drop_replaced_rows(&mut self, rows: &mut Relation, primary_key: &[usize]) {
        let node = &self.plan.nodes[rows.node];
        let same_key = node.upsert_key.as_ref().is_some_and(|key| {
            key.len() == primary_key.len() && key.iter().all(|column| primary_key.contains(column))
        });
        if same_key && self.replaces_by_key(rows.node) {
            self.drop_update_before(rows);
        }
    }

    /// Leaves out `-U`.
    pub(super) fn drop_update_before(&mut self, rows: &mut Relation) {
        let node = &self.plan.nodes[rows.node];
        if !node.changelog.update_before {
            return;
        }
        let changelog = ChangelogMode { update_before: false, ..node.changelog };
        let traits = NodeTraits { changelog, upsert_key: node.upsert_key.clone() };
        rows.node = self.push_forward(Operator::DropUpdateBefore, rows.node, rows.schema(), traits);
    }
}
