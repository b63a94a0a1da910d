//! Set operations: columns by position, brought to common types. UNION ALL keeps a time attribute that is one in
//! all inputs; INTERSECT and EXCEPT count equal rows of both sides.

use super::scope::Scope;
use super::{Binder, Bound, NodeTraits, Relation, RelationColumn};
use crate::ast::SetOp;
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use tidemill_plan::{CastMode, ChangelogMode, Exchange, Input, Operator, SetOperationKind, SetOperationPlan};
use tidemill_types::{Field, TimeAttribute, TypeKind};

impl Binder<'_> {
    /// All rows of both relations under the names of the first.
    pub(crate) fn union_all(&mut self, left: Relation, right: Relation, span: Span) -> Bound<Relation> {
        let (left, right, columns) = self.alike(left, right, "UNION", span)?;
        let changelog = self.plan.nodes[left.node].changelog.union(self.plan.nodes[right.node].changelog);
        let mut inputs = Vec::new();
        for side in [left.node, right.node] {
            match &self.plan.nodes[side].operator {
                Operator::Union => inputs.extend(self.plan.nodes[side].inputs.clone()),
                _ => inputs.push(Input { node: side, exchange: Exchange::Forward }),
            }
        }
        let relation = Relation { node: 0, columns, windowing: None };
        let traits = NodeTraits { changelog, upsert_key: None };
        let node = self.push(Operator::Union, inputs, relation.schema(), traits);
        Ok(Relation { node, ..relation })
    }

    /// INTERSECT and EXCEPT.
    pub(crate) fn counted_set(
        &mut self,
        left: Relation,
        right: Relation,
        (op, all): (SetOp, bool),
        span: Span,
    ) -> Bound<Relation> {
        let (kind, word) = match op {
            SetOp::Except => (SetOperationKind::Except, "EXCEPT"),
            _ => (SetOperationKind::Intersect, "INTERSECT"),
        };
        let (left, right, mut columns) = self.alike(left, right, word, span)?;
        columns.iter_mut().for_each(|column| column.field.time = None);
        let batch = self.session.info().batch;
        let ttl_ms = self.session.settings.duration_ms("table.exec.state.ttl");
        let plan = SetOperationPlan { kind, all, ttl_ms, final_only: batch };
        let whole: Vec<usize> = (0..columns.len()).collect();
        let traits = NodeTraits {
            changelog: if batch { ChangelogMode::APPEND } else { ChangelogMode::RETRACT },
            upsert_key: (!all).then(|| whole.clone()),
        };
        let inputs = [left.node, right.node]
            .map(|node| Input { node, exchange: Exchange::Hash(whole.clone()) })
            .to_vec();
        let relation = Relation { node: 0, columns, windowing: None };
        let node = self.push(Operator::SetOperation(plan), inputs, relation.schema(), traits);
        Ok(Relation { node, ..relation })
    }

    /// Both relations with columns of the same types, and these columns.
    fn alike(
        &mut self,
        left: Relation,
        right: Relation,
        word: &str,
        span: Span,
    ) -> Bound<(Relation, Relation, Vec<RelationColumn>)> {
        let (left, right) = (self.assign_windows(left), self.assign_windows(right));
        if left.columns.len() != right.columns.len() {
            let message = format!(
                "both sides of {word} must have the same number of columns, not {} and {}",
                left.columns.len(),
                right.columns.len()
            );
            return Err(Diagnostic::new(span, message));
        }
        let columns = left
            .columns
            .iter()
            .zip(&right.columns)
            .map(|(left, right)| self.common_column(&left.field, &right.field, word, span))
            .collect::<Bound<Vec<_>>>()?;
        let left = self.cast_columns(left, &columns, span)?;
        let right = self.cast_columns(right, &columns, span)?;
        Ok((left, right, columns))
    }

    fn common_column(&self, left: &Field, right: &Field, word: &str, span: Span) -> Bound<RelationColumn> {
        let types = [left.data_type.clone(), right.data_type.clone()];
        let what = format!("the columns '{}' and '{}' of {word}", left.name, right.name);
        let data_type = self.common_type(&types, span, &what)?;
        let time = left.time.filter(|time| right.time == Some(*time) && keeps_time(&data_type.kind, *time));
        Ok(RelationColumn {
            qualifier: None,
            field: Field { name: left.name.clone(), data_type, time },
            hidden: false,
        })
    }

    fn cast_columns(&mut self, input: Relation, columns: &[RelationColumn], span: Span) -> Bound<Relation> {
        let scope = Scope::of(&input);
        let exprs = columns
            .iter()
            .enumerate()
            .map(|(i, column)| self.cast(scope.column(i), &column.field.data_type, CastMode::Implicit, span))
            .collect::<Bound<Vec<_>>>()?;
        let unchanged = exprs.iter().all(|expr| matches!(expr, tidemill_plan::Expr::Column { .. }));
        if unchanged {
            return Ok(input);
        }
        let names = columns.iter().map(|column| column.field.name.clone()).collect();
        Ok(self.project(&input, None, exprs, names))
    }
}

fn keeps_time(kind: &TypeKind, time: TimeAttribute) -> bool {
    time == TimeAttribute::Proctime
        || matches!(kind, TypeKind::Timestamp(0..=3) | TypeKind::TimestampLtz(0..=3))
}
