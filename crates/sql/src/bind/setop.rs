//! UNION ALL: columns by position, brought to common types. A time attribute stays one if it is one in all.

use super::scope::Scope;
use super::{Binder, Bound, NodeTraits, Relation, RelationColumn};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use tidemill_plan::{CastMode, Exchange, Input, Operator};
use tidemill_types::{Field, TimeAttribute, TypeKind};

impl Binder<'_> {
    /// All rows of both relations under the names of the first.
    pub(crate) fn union_all(&mut self, left: Relation, right: Relation, span: Span) -> Bound<Relation> {
        let (left, right) = (self.assign_windows(left), self.assign_windows(right));
        if left.columns.len() != right.columns.len() {
            let message = format!(
                "both sides of UNION must have the same number of columns, not {} and {}",
                left.columns.len(),
                right.columns.len()
            );
            return Err(Diagnostic::new(span, message));
        }
        let columns = left
            .columns
            .iter()
            .zip(&right.columns)
            .map(|(left, right)| self.union_column(&left.field, &right.field, span))
            .collect::<Bound<Vec<_>>>()?;
        let left = self.cast_columns(left, &columns, span)?;
        let right = self.cast_columns(right, &columns, span)?;
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

    fn union_column(&self, left: &Field, right: &Field, span: Span) -> Bound<RelationColumn> {
        let types = [left.data_type.clone(), right.data_type.clone()];
        let what = format!("the columns '{}' and '{}' of UNION", left.name, right.name);
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
