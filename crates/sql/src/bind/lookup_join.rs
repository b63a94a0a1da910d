//! Lookup joins: `JOIN t FOR SYSTEM_TIME AS OF left.proctime`.
//!
//! Rules (Flink documentation, "Lookup Join"): at least one equality of a column of the table with the left side or
//! a constant; inner and left joins. The right side is a table, perhaps through views that filter and project.
//! 1. A table whose connector can be asked gets as keys the columns that the condition compares for equality, as far
//!    as the connector wants them; everything else that the condition says is looked at in the answers.
//! 2. Other tables are read as a whole. (In Flink a filesystem or datagen table is no lookup source.)

use super::expr::junction;
use super::join::conjuncts;
use super::join_placement::{Joining, Keyed, Pending};
use super::lookup_hint::{self, LookupHint};
use super::scope::Scope;
use super::{Binder, Bound, NodeTraits, Relation, RelationColumn, at};
use crate::ast::Hint;
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use std::sync::Arc;
use tidemill_connector::{Connector, LookupRequest, TableRequest};
use tidemill_plan::{
    AskedKey, Exchange, Expr, Input, LookupAccess, LookupJoinPlan, NodeId, Operator, SourcePlan,
};
use tidemill_types::{Schema, SystemDisk};

/// Conditions and columns over a scan, one step above the other.
type Steps = Vec<(Option<Expr>, Vec<Expr>)>;

/// A table below conditions and columns.
struct LookedUp {
    table: SourcePlan,
    steps: Steps,
    append_only: bool,
}

/// What could be a column of a key.
struct Candidate {
    column: usize,
    /// The join's key that it is compared with, else a constant.
    key: Option<usize>,
    constant: Option<Expr>,
}

impl Binder<'_> {
    pub(super) fn lookup_join(&mut self, pending: Pending, span: Span, hints: &[Hint]) -> Bound<Joining> {
        let alias = pending.right.columns.iter().find_map(|column| column.qualifier.clone());
        let hint = lookup_hint::of_table(hints, alias.as_deref().unwrap_or_default())?;
        let mut keyed: Keyed = self.keyed(pending)?;
        let width = keyed.left.columns.len();
        let constants = constants(&keyed, width);
        if keyed.on.left_keys.is_empty() && constants.is_empty() {
            return Err(Diagnostic::new(
                span,
                "Temporal table join requires an equality condition on fields of the looked up table",
            )
            .with_hint("write ON left.key = right.key"));
        }
        let LookedUp { table, steps, append_only } = self.looked_up(keyed.right.node, span)?;
        let connector = self.session.connectors.find(&table.connector).map_err(at(span))?.clone();
        self.refuse_uncertain(&keyed, span)?;
        let (table, access) = match self.is_asked(&table, &connector, span)? {
            true => {
                let keys = self.asked_keys(&mut keyed, &table, &steps, constants, &connector, span)?;
                let left = self.plan.nodes[keyed.left.node].changelog.append_only();
                let plan = self.ask_plan(&table, keys, &hint, left, span)?;
                (table, LookupAccess::Asked(Box::new(plan)))
            }
            false => {
                let (table, reload) = self.whole(&table, &connector, span)?;
                self.must_be_whole(&table, append_only, &hint, span)?;
                (table, LookupAccess::Whole(reload))
            }
        };
        Ok(self.push_lookup_join(keyed, table, steps, access))
    }

    fn push_lookup_join(
        &mut self,
        keyed: Keyed,
        table: SourcePlan,
        steps: Steps,
        access: LookupAccess,
    ) -> Joining {
        let kind = keyed.on.kind;
        let right = keyed.right.columns.iter().map(|column| {
            let mut column = column.clone();
            column.field.time = None;
            let nullable = kind.keeps(true) || column.field.data_type.nullable;
            column.field.data_type = column.field.data_type.with_nullable(nullable);
            column
        });
        let columns: Vec<RelationColumn> = keyed.left.columns.iter().cloned().chain(right).collect();
        let plan = LookupJoinPlan { on: keyed.on, table, steps, schema: keyed.right.schema(), access };
        let left = &self.plan.nodes[keyed.left.node];
        let traits = NodeTraits { changelog: left.changelog, upsert_key: None };
        let inputs = vec![Input { node: keyed.left.node, exchange: Exchange::Forward }];
        let schema = Schema::new(columns.iter().map(|column| column.field.clone()).collect());
        let node = self.push(Operator::LookupJoin(Box::new(plan)), inputs, schema, traits);
        let relation = Relation { node, columns, windowing: None };
        Joining::new(relation, keyed.left.columns.len())
    }

    /// Chooses the columns by which a table is asked; the other keys of the join become conditions.
    fn asked_keys(
        &self,
        keyed: &mut Keyed,
        table: &SourcePlan,
        steps: &Steps,
        constants: Vec<(usize, Expr)>,
        connector: &Arc<Connector>,
        span: Span,
    ) -> Bound<Vec<AskedKey>> {
        let of_keys = keyed.on.right_keys.iter().enumerate().filter_map(|(key, right)| {
            let column = stored(table, steps, *right).filter(|_| !keyed.on.null_safe[key])?;
            Some(Candidate { column, key: Some(key), constant: None })
        });
        let of_constants = constants.into_iter().filter_map(|(right, value)| {
            Some(Candidate { column: stored(table, steps, right)?, key: None, constant: Some(value) })
        });
        let mut candidates: Vec<Candidate> = Vec::new();
        for candidate in of_keys.chain(of_constants) {
            if candidates.iter().all(|known| known.column != candidate.column) {
                candidates.push(candidate);
            }
        }
        let columns: Vec<usize> = candidates.iter().map(|candidate| candidate.column).collect();
        if columns.is_empty() {
            return Err(Diagnostic::new(
                span,
                "Temporal table join requires an equality condition on fields of the looked up table",
            )
            .with_hint(
                "compare columns of the table as they are stored, of the same type: CAST the left side",
            ));
        }
        let wanted = self.keys_wanted(table, connector, &columns).map_err(at(span))?;
        let mut number = 0..;
        candidates.retain(|_| number.next().is_some_and(|at| wanted.contains(&at)));
        self.demote_keys(keyed, &candidates, span)?;
        Ok(candidates.into_iter().map(|c| AskedKey { column: c.column, constant: c.constant }).collect())
    }

    /// Which of these columns a connector wants as keys.
    fn keys_wanted(
        &self,
        table: &SourcePlan,
        connector: &Connector,
        columns: &[usize],
    ) -> tidemill_types::Result<Vec<usize>> {
        let request = TableRequest {
            table: &table.table,
            options: &table.options,
            schema: &table.physical,
            wanted: &table.wanted,
            metadata: &table.metadata,
            partition_by: &table.partition_by,
            primary_key: &table.primary_key,
            overwrite: false,
            task: 0,
            parallelism: 1,
            zone: self.session.info().zone,
            run_id: "check",
            pipeline_id: "check",
            checkpointed: false,
            state_dir: None,
            disk: Arc::new(SystemDisk),
        };
        (connector.lookups.keys)(&LookupRequest { table: request, keys: columns })
    }

    /// Keeps as keys of the join those that the table is asked by; the others become conditions.
    fn demote_keys(&self, keyed: &mut Keyed, asked: &[Candidate], span: Span) -> Bound<()> {
        let width = keyed.left.columns.len();
        let mut terms: Vec<Expr> = keyed.on.residual.take().map(conjuncts).unwrap_or_default();
        let (mut left_keys, mut right_keys) = (Vec::new(), Vec::new());
        for (key, (left, right)) in keyed.on.left_keys.iter().zip(&keyed.on.right_keys).enumerate() {
            if asked.iter().any(|candidate| candidate.key == Some(key)) {
                left_keys.push(*left);
                right_keys.push(*right);
                continue;
            }
            let both = [keyed.left.columns.clone(), keyed.right.columns.clone()].concat();
            let scope = Scope { columns: &both };
            let equal = if keyed.on.null_safe[key] { "IS NOT DISTINCT FROM" } else { "=" };
            terms.push(self.call(equal, vec![scope.column(*left), scope.column(right + width)], span)?);
        }
        keyed.on.null_safe = vec![false; left_keys.len()];
        (keyed.on.left_keys, keyed.on.right_keys) = (left_keys, right_keys);
        keyed.on.residual = (!terms.is_empty()).then(|| junction(true, terms));
        Ok(())
    }

    /// Refuses a table that can't be read as a whole.
    fn must_be_whole(
        &self,
        table: &SourcePlan,
        append_only: bool,
        hint: &LookupHint,
        span: Span,
    ) -> Bound<()> {
        if !table.bounded {
            return Err(Diagnostic::new(
                span,
                format!("table '{}' does not end, so it can't be looked up as a whole", table.table),
            )
            .with_hint("look up a table that ends, such as files or datagen with 'number-of-rows'"));
        }
        if !append_only {
            return Err(Diagnostic::new(
                span,
                format!("table '{}' gives changes and can't be looked up", table.table),
            )
            .with_hint("join it FOR SYSTEM_TIME AS OF event time, or with a regular join"));
        }
        if hint.on_miss.is_some() {
            let message = format!("table '{}' is held as a whole, so no key is asked for again", table.table);
            return Err(
                Diagnostic::new(span, message).with_hint("leave the retry options out of the LOOKUP hint")
            );
        }
        Ok(())
    }

    /// With TRY_RESOLVE: refuses rows that are taken back, if what they met may have changed meanwhile.
    fn refuse_uncertain(&self, keyed: &Keyed, span: Span) -> Bound<()> {
        let key = "table.optimizer.non-deterministic-update.strategy";
        let node = &self.plan.nodes[keyed.left.node];
        if node.changelog.append_only() || !self.session.settings.is(key, "TRY_RESOLVE") {
            return Ok(());
        }
        let producer = self.producer_of_updates(keyed.left.node);
        let message = format!(
            "the lookup join gives non-deterministic updates: what is taken back by node {}({}) may meet other rows of the table than it did before",
            producer.operator.name(),
            producer.schema.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ")
        );
        Err(Diagnostic::new(span, message).with_hint(format!(
            "join before the aggregation, or SET '{key}' = 'IGNORE'; keeping what rows met, as Flink does here, is not supported by this version"
        )))
    }

    /// The scan below a node and what stands between.
    fn looked_up(&self, node: NodeId, span: Span) -> Bound<LookedUp> {
        let node = &self.plan.nodes[node];
        match (&node.operator, node.inputs.as_slice()) {
            (Operator::Source(source), _) => Ok(LookedUp {
                table: source.clone(),
                steps: Vec::new(),
                append_only: node.changelog.append_only(),
            }),
            (Operator::Calc { filter, project }, [input]) => {
                let mut below = self.looked_up(input.node, span)?;
                below.steps.push((filter.clone(), project.clone()));
                Ok(below)
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

/// The physical column of a table that a column behind the steps is.
fn stored(table: &SourcePlan, steps: &Steps, column: usize) -> Option<usize> {
    let place = steps.iter().rev().try_fold(column, |column, (_, project)| match &project[column] {
        Expr::Column { index, .. } => Some(*index),
        _ => None,
    })?;
    table.wanted.get(place).copied()
}

/// The columns of the right side that the condition compares with constants.
fn constants(keyed: &Keyed, width: usize) -> Vec<(usize, Expr)> {
    let terms = keyed.on.residual.clone().map(conjuncts).unwrap_or_default();
    let constant = |expr: &Expr| expr.columns().is_empty() && !expr.volatile();
    let of_term = |term: &Expr| {
        let Expr::Call { name, args, .. } = term else { return None };
        match (name.as_str(), args.as_slice()) {
            ("=", [Expr::Column { index, .. }, value] | [value, Expr::Column { index, .. }])
                if *index >= width && constant(value) =>
            {
                Some((index - width, value.clone()))
            }
            _ => None,
        }
    };
    terms.iter().filter_map(of_term).collect()
}
