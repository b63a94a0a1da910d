//! LATERAL queries: a query in FROM that may name columns of the tables to its left.
//!
//! A correlated one is joined by the equalities of its WHERE; one that aggregates gives a row for each row to
//! its left, with the values of no rows where it has none.
//! Not here: table functions (Flink has no built-in ones but UNNEST), and ORDER BY with LIMIT in a correlated
//! query, which Flink fails to plan.

use super::from::{column_count, rename};
use super::join::{Joined, tree};
use super::scope::Scope;
use super::{Binder, Bound, RelationColumn};
use crate::ast::{self, JoinCondition, TableAlias, TableRef, TableRefKind};
use crate::diagnostic::Diagnostic;
use tidemill_plan::{Expr, JoinKind};

impl Binder<'_> {
    /// A LATERAL query beside the rows to its left.
    pub(crate) fn bind_lateral(&mut self, left: Joined, table: &TableRef, outer: bool) -> Bound<Joined> {
        let TableRefKind::Query { query, .. } = &table.kind else {
            return Err(Diagnostic::new(table.span, "a LATERAL query is expected here"));
        };
        let left = self.with_windows(left);
        let around = left.columns().to_vec();
        let correlated = match super::join::simple_select(query) {
            Some(_) => self.bind_correlated(query, &around)?.filter(|inner| !inner.outer.is_empty()),
            None => None,
        };
        let kind = if outer { JoinKind::Left } else { JoinKind::Inner };
        let Some(inner) = correlated else {
            let plain = TableRef {
                kind: TableRefKind::Query { query: query.clone(), lateral: false, system_time: None },
                ..table.clone()
            };
            let right = self.bind_table_ref(&plain)?;
            let right = self.with_windows(Joined::Leaf(right));
            return Ok(Joined::Join(Box::new(tree(kind, left, right, Vec::new(), table.span))));
        };
        let names: Vec<String> = inner.items.iter().map(|item| item.name.clone()).collect();
        let mut joined = if inner.aggregated {
            let mut lifted = Vec::new();
            let values = self.lift_aggregates(&inner, table.span, &mut lifted)?;
            let joined = self.join_lifted(left, lifted)?;
            self.with_values(joined, around.len(), &values)?
        } else {
            let keys = inner.outer.len();
            let mut rows = self.project_inner(&inner, names.len())?;
            if inner.select.distinct {
                rows = self.distinct(rows, table.span)?;
            }
            let outer = inner.outer.iter().zip(0..);
            let pairs = outer
                .map(|(outer, column)| Ok((self.bind_over(outer, Scope { columns: &around })?, column)))
                .collect::<Bound<Vec<_>>>()?;
            let mut joined = self.lifted_join(left, rows, pairs, table.span)?;
            joined.kind = kind;
            joined.columns.drain(around.len()..around.len() + keys);
            joined.shown.drain(around.len()..around.len() + keys);
            joined
        };
        name_columns(&mut joined.columns[around.len()..], names, table.alias.as_ref())?;
        Ok(Joined::Join(Box::new(joined)))
    }

    /// The join with these values behind the columns of its left side.
    fn with_values(
        &mut self,
        joined: Joined,
        width: usize,
        values: &[ast::Expr],
    ) -> Bound<super::join::JoinTree> {
        let Joined::Join(mut tree) = joined else {
            unreachable!("a lifted query was joined");
        };
        let scope = Scope { columns: &tree.columns };
        let bound = values.iter().map(|value| self.bind_over(value, scope)).collect::<Bound<Vec<Expr>>>()?;
        let shown: Vec<Expr> =
            bound.iter().map(|value| value.map_columns(&|index, _, _| tree.shown[index].clone())).collect();
        tree.columns.truncate(width);
        tree.shown.truncate(width);
        tree.columns.extend(bound.iter().map(|value| RelationColumn::new("", value.data_type())));
        tree.shown.extend(shown);
        Ok(*tree)
    }

    /// A LATERAL query as the right side of a join.
    pub(crate) fn join_lateral(&mut self, join: &ast::Join) -> Bound<Joined> {
        let outer = match join.kind {
            ast::JoinKind::Inner | ast::JoinKind::Cross => false,
            ast::JoinKind::Left => true,
            ast::JoinKind::Right | ast::JoinKind::Full => {
                return Err(Diagnostic::new(
                    join.op_span,
                    "a LATERAL query can't be the kept side of a join",
                ));
            }
        };
        let left = self.bind_joined(&join.left)?;
        let joined = self.bind_lateral(left, &join.right, outer)?;
        let JoinCondition::On(condition) = &join.condition else { return Ok(joined) };
        let scope = Scope { columns: joined.columns() };
        let condition_expr = self.bind_condition(condition, &mut super::expr::Env::rows(scope), "ON")?;
        if condition_expr.is_true() {
            return Ok(joined);
        }
        Err(Diagnostic::new(condition.span, "a join with a LATERAL query takes only ON TRUE")
            .with_hint("put the condition into WHERE of the LATERAL query"))
    }
}

fn name_columns(columns: &mut [RelationColumn], names: Vec<String>, alias: Option<&TableAlias>) -> Bound<()> {
    rename(columns, names.into_iter());
    for column in columns.iter_mut() {
        (column.qualifier, column.hidden) = (alias.map(|alias| alias.name.value.clone()), false);
    }
    let Some(alias) = alias.filter(|alias| !alias.columns.is_empty()) else { return Ok(()) };
    if alias.columns.len() != columns.len() {
        let name = &alias.name;
        return Err(column_count(name.span, &name.value, columns.len(), alias.columns.len()));
    }
    rename(columns, alias.columns.iter().map(|column| column.value.clone()));
    Ok(())
}
