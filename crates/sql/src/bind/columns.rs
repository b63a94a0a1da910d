//! Columns of a table for expressions in its own declaration, and walks over syntax trees.

use super::{Binder, RelationColumn};
use crate::ast::{self, ExprKind, FunctionCall};
use crate::catalog::{Column, ColumnKind, Table};
use tidemill_types::Field;

impl Binder<'_> {
    /// What computed columns may name: physical columns, then metadata columns, in the order in which the
    /// source gives them.
    pub(crate) fn stored_scope(&self, table: &Table) -> Vec<RelationColumn> {
        let metadata =
            table.columns.iter().filter(|column| matches!(column.kind, ColumnKind::Metadata { .. }));
        table.physical().chain(metadata).map(|column| scoped(table, column)).collect()
    }

    /// All columns of a table in declared order.
    pub(crate) fn table_scope(&self, table: &Table) -> Vec<RelationColumn> {
        table.columns.iter().map(|column| scoped(table, column)).collect()
    }
}

fn scoped(table: &Table, column: &Column) -> RelationColumn {
    let field = Field { name: column.name.clone(), data_type: column.data_type.clone(), time: column.time };
    RelationColumn { qualifier: Some(table.name.clone()), field, hidden: false }
}

/// Whether some function call in an expression, subqueries aside, is of this sort.
pub(crate) fn any_call(expr: &ast::Expr, is: &impl Fn(&FunctionCall) -> bool) -> bool {
    if let ExprKind::Call(call) = &*expr.kind
        && is(call)
    {
        return true;
    }
    parts(expr).into_iter().any(|part| any_call(part, is))
}

/// The expressions directly inside an expression.
fn parts(expr: &ast::Expr) -> Vec<&ast::Expr> {
    match &*expr.kind {
        ExprKind::Field { base, .. } => vec![base],
        ExprKind::Index { base, index } => vec![base, index],
        ExprKind::Unary { operand, .. }
        | ExprKind::Is { operand, .. }
        | ExprKind::InQuery { operand, .. }
        | ExprKind::Cast { operand, .. }
        | ExprKind::Extract { operand, .. }
        | ExprKind::RoundTime { operand, .. } => vec![operand],
        ExprKind::Binary { left, right, .. }
        | ExprKind::IsDistinctFrom { left, right, .. }
        | ExprKind::Period { left, right, .. }
        | ExprKind::TimeDifference { left, right, .. } => vec![left, right],
        ExprKind::Between { operand, low, high, .. } => vec![operand, low, high],
        ExprKind::Like { operand, pattern, escape, .. } => {
            [operand, pattern].into_iter().chain(escape).collect()
        }
        ExprKind::InList { operand, list, .. } => [operand].into_iter().chain(list).collect(),
        ExprKind::Case { operand, branches, otherwise } => operand
            .iter()
            .chain(branches.iter().flat_map(|branch| branch.when.iter().chain([&branch.then])))
            .chain(otherwise)
            .collect(),
        ExprKind::Position { needle, haystack, start } => {
            [needle, haystack].into_iter().chain(start).collect()
        }
        ExprKind::Substring { operand, start, length } => {
            [operand, start].into_iter().chain(length).collect()
        }
        ExprKind::Overlay { operand, replacement, start, length } => {
            [operand, replacement, start].into_iter().chain(length).collect()
        }
        ExprKind::Trim { characters, operand, .. } => [operand].into_iter().chain(characters).collect(),
        ExprKind::TimestampAdd { count, operand, .. } => vec![count, operand],
        ExprKind::TimestampDiff { start, end, .. } => vec![start, end],
        ExprKind::Call(call) => call.args.iter().map(|arg| &arg.value).collect(),
        ExprKind::Array(items) | ExprKind::Map(items) | ExprKind::Multiset(items) => items.iter().collect(),
        ExprKind::Row { fields, .. } => fields.iter().collect(),
        _ => Vec::new(),
    }
}
