//! Columns of a table for expressions in its own declaration, and walks over syntax trees.

use super::{Binder, RelationColumn};
use crate::ast::{self, ExprKind, FunctionCall, JsonBehavior, JsonExpr, QuantifiedSource};
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
    match &*expr.kind {
        ExprKind::Call(call) if is(call) => return true,
        ExprKind::Json(json) if super::json::aggregate(json, expr.span).is_some_and(|call| is(&call)) => {
            return true;
        }
        _ => {}
    }
    parts(expr).into_iter().any(|part| any_call(part, is))
}

/// The first parts of all names in an expression: columns, or tables before them.
pub(crate) fn names_in(expr: &ast::Expr) -> Vec<String> {
    match &*expr.kind {
        ExprKind::Name(names) => names.iter().map(|part| part.value.clone()).take(1).collect(),
        _ => parts(expr).into_iter().flat_map(names_in).collect(),
    }
}

/// Whether an expression holds a query.
pub(crate) fn holds_query(expr: &ast::Expr) -> bool {
    matches!(
        &*expr.kind,
        ExprKind::Subquery(_)
            | ExprKind::Exists(_)
            | ExprKind::InQuery { .. }
            | ExprKind::Quantified { right: QuantifiedSource::Query(_), .. }
    ) || parts(expr).into_iter().any(holds_query)
}

/// Defines a walk over the expressions directly inside an expression, shared or mutable.
macro_rules! walk {
    ($(#[$doc:meta])* $name:ident, $json:ident, $iter:ident $(, $mutable:tt)?) => {
        $(#[$doc])*
        pub(crate) fn $name(expr: &$($mutable)? ast::Expr) -> Vec<&$($mutable)? ast::Expr> {
            match &$($mutable)? *expr.kind {
                ExprKind::Field { base, .. } => vec![base],
                ExprKind::Index { base, index } => vec![base, index],
                ExprKind::Unary { operand, .. }
                | ExprKind::Is { operand, .. }
                | ExprKind::InQuery { operand, .. }
                | ExprKind::Cast { operand, .. }
                | ExprKind::Extract { operand, .. }
                | ExprKind::RoundTime { operand, .. }
                | ExprKind::IntervalOf { value: operand, .. } => vec![operand],
                ExprKind::Quantified { left, right: QuantifiedSource::Query(_), .. } => vec![left],
                ExprKind::Quantified { left, right: QuantifiedSource::List(list), .. } => {
                    [left].into_iter().chain(list).collect()
                }
                ExprKind::Binary { left, right, .. }
                | ExprKind::IsDistinctFrom { left, right, .. }
                | ExprKind::Period { left, right, .. }
                | ExprKind::TimeDifference { left, right, .. } => vec![left, right],
                ExprKind::Between { operand, low, high, .. } => vec![operand, low, high],
                ExprKind::Like { operand, pattern, escape, .. } => {
                    [operand, pattern].into_iter().chain(escape).collect()
                }
                ExprKind::InList { operand, list, .. } => [operand].into_iter().chain(list).collect(),
                ExprKind::Case { operand, branches, otherwise } => {
                    let branches = branches.$iter().flat_map(|branch| {
                        branch.when.$iter().chain([&$($mutable)? branch.then])
                    });
                    operand.$iter().chain(branches).chain(otherwise).collect()
                }
                ExprKind::Position { needle, haystack, start } => {
                    [needle, haystack].into_iter().chain(start).collect()
                }
                ExprKind::Substring { operand, start, length } => {
                    [operand, start].into_iter().chain(length).collect()
                }
                ExprKind::Overlay { operand, replacement, start, length } => {
                    [operand, replacement, start].into_iter().chain(length).collect()
                }
                ExprKind::Trim { characters, operand, .. } => {
                    [operand].into_iter().chain(characters).collect()
                }
                ExprKind::TimestampAdd { count, operand, .. } => vec![count, operand],
                ExprKind::TimestampDiff { start, end, .. } => vec![start, end],
                ExprKind::Call(call) => {
                    call.args.$iter().map(|arg| &$($mutable)? arg.value).chain(&$($mutable)? call.filter).collect()
                }
                ExprKind::Json(json) => $json(json),
                ExprKind::Array(items) | ExprKind::Map(items) | ExprKind::Multiset(items) => {
                    items.$iter().collect()
                }
                ExprKind::Row { fields, .. } => fields.$iter().collect(),
                _ => Vec::new(),
            }
        }

        fn $json(json: &$($mutable)? JsonExpr) -> Vec<&$($mutable)? ast::Expr> {
            match json {
                JsonExpr::Exists { input, path, .. } => vec![input, path],
                JsonExpr::Value { input, path, on_empty, on_error, .. }
                | JsonExpr::Query { input, path, on_empty, on_error, .. } => {
                    let defaults = [on_empty, on_error].into_iter().flatten().filter_map(|behavior| match behavior {
                        JsonBehavior::Default(value) => Some(value),
                        _ => None,
                    });
                    [input, path].into_iter().chain(defaults).collect()
                }
                JsonExpr::Object { members, .. } => {
                    members.$iter().flat_map(|member| [&$($mutable)? member.key, &$($mutable)? member.value]).collect()
                }
                JsonExpr::Array { items, .. } => items.$iter().collect(),
                JsonExpr::ObjectAgg { member, filter, .. } => {
                    [&$($mutable)? member.key, &$($mutable)? member.value].into_iter().chain(filter).collect()
                }
                JsonExpr::ArrayAgg { item, filter, .. } => [item].into_iter().chain(filter).collect(),
            }
        }
    };
}

walk!(
    /// The expressions directly inside an expression; queries in it are left out.
    parts, json_parts, iter
);
walk!(
    /// The same to be changed in place.
    parts_mut, json_parts_mut, iter_mut, mut
);
