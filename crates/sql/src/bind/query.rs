//! Queries: WITH, the body, and what may follow it.

use super::from::column_count;
use super::{Binder, Bound, Relation};
use crate::ast::{Query, QueryBody, SetOp, With};
use crate::diagnostic::Diagnostic;

impl Binder<'_> {
    /// Binds a query.
    pub(crate) fn bind_query(&mut self, query: &Query) -> Bound<Relation> {
        let outer = self.common_tables.len();
        if let Some(with) = &query.with {
            self.bind_with(with)?;
        }
        self.query_depth += 1;
        let body = self.bind_ordered(query);
        self.query_depth -= 1;
        self.common_tables.truncate(outer);
        body
    }

    fn bind_with(&mut self, with: &With) -> Bound<()> {
        if with.recursive {
            return Err(Diagnostic::new(with.span, "WITH RECURSIVE is not supported"));
        }
        for cte in &with.ctes {
            let mut relation = self.bind_query(&cte.query)?;
            if !cte.columns.is_empty() {
                if cte.columns.len() != relation.columns.len() {
                    let given = cte.columns.len();
                    return Err(column_count(cte.name.span, &cte.name.value, relation.columns.len(), given));
                }
                super::from::rename(
                    &mut relation.columns,
                    cte.columns.iter().map(|column| column.value.clone()),
                );
            }
            self.common_tables.push((cte.name.value.clone(), relation));
        }
        Ok(())
    }

    /// The named query of this name, the innermost first.
    pub(crate) fn common_table(&self, name: &str) -> Option<Relation> {
        self.common_tables.iter().rev().find(|(known, _)| known == name).map(|(_, relation)| relation.clone())
    }

    pub(crate) fn bind_body(&mut self, body: &QueryBody) -> Bound<Relation> {
        match body {
            QueryBody::Select(select) => self.bind_select(select),
            QueryBody::Values(values) => self.bind_values(values),
            QueryBody::Table(name) => {
                let relation = self.bind_table(name, &[])?;
                Ok(self.assign_windows(relation))
            }
            QueryBody::Nested(query) => self.bind_query(query),
            QueryBody::SetOperation(operation) => {
                let left = self.bind_body(&operation.left)?;
                let right = self.bind_body(&operation.right)?;
                match (operation.op, operation.all) {
                    (SetOp::Union, true) => self.union_all(left, right, operation.span),
                    (SetOp::Union, false) => {
                        let union = self.union_all(left, right, operation.span)?;
                        self.distinct(union, operation.span)
                    }
                    (op, all) => self.counted_set(left, right, (op, all), operation.span),
                }
            }
        }
    }
}
