//! The rows of a query that may name columns of the query around it.
//!
//! A plain SELECT may do so in its WHERE, with equalities between an outer and an inner expression. They leave
//! the WHERE: the inner side becomes a column behind the rows, the outer side is what this column is joined
//! with. Any other query stands for itself.

use super::columns::holds_query;
use super::expr::Env;
use super::join::{combined, moved, simple_select, syntax_conjuncts};
use super::scope::Scope;
use super::select::{Item, ItemSource};
use super::{Binder, Bound, Relation, RelationColumn, unsupported};
use crate::ast::{self, BinaryOp, ExprKind, GroupItem, GroupItemKind, Ident, Query, Select, SelectItem};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use tidemill_plan::Expr;

/// The alias under which the keys of a correlation can be named.
const KEYS: &str = "$keys";

/// The rows of a plain SELECT before its columns are computed.
pub(crate) struct Inner<'q> {
    pub(crate) select: &'q Select,
    /// The rows; the keys are their last columns.
    pub(crate) rows: Relation,
    /// What the keys are joined with, over the columns around the query.
    pub(crate) outer: Vec<ast::Expr>,
    pub(crate) items: Vec<Item>,
    /// Whether all rows of a key become one.
    pub(crate) aggregated: bool,
}

/// An equality across a query's border.
struct Correlation {
    outer: ast::Expr,
    inner: Expr,
}

impl Binder<'_> {
    /// The rows of a plain SELECT, `None` if the query is none.
    pub(crate) fn bind_correlated<'q>(
        &mut self,
        query: &'q Query,
        around: &[RelationColumn],
    ) -> Bound<Option<Inner<'q>>> {
        let Some(select) = simple_select(query) else { return Ok(None) };
        let from = self.bind_from(&select.from)?;
        let from = self.with_windows(from);
        let columns = combined(around, from.columns());
        let (mut terms, mut own, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        select.selection.iter().for_each(|selection| syntax_conjuncts(selection, &mut terms));
        for term in terms {
            match self.correlation(term, &columns, around.len())? {
                Some(key) => keys.push(key),
                None => own.push(term.clone()),
            }
        }
        let (rows, filter) = self.bind_where(from, &own, &select.hints)?;
        let inner = keys.iter().map(|key| moved(&key.inner, |index| index - around.len()));
        let rows = self.with_key_columns(rows, filter, inner.collect());
        let items = self.expand_items(&select.items, Scope::of(&rows))?;
        let aggregated = self.has_aggregate(&items);
        let outer = keys.into_iter().map(|key| key.outer).collect();
        Ok(Some(Inner { select, rows, outer, items, aggregated }))
    }

    /// What an outer column is compared with, if the term names one.
    fn correlation(
        &self,
        term: &ast::Expr,
        columns: &[RelationColumn],
        around: usize,
    ) -> Bound<Option<Correlation>> {
        if holds_query(term) {
            return Ok(None);
        }
        let scope = Scope { columns };
        let bound = self.bind_condition(term, &mut Env::rows(scope), "WHERE")?;
        if bound.columns().iter().all(|index| *index >= around) {
            return Ok(None);
        }
        if let ExprKind::Binary { op: BinaryOp::Eq, left, right } = &*term.kind {
            for (outer, inner) in [(left, right), (right, left)] {
                let of_outer = self.bind_over(outer, scope)?.columns();
                let own = self.bind_over(inner, scope)?;
                let apart = !of_outer.is_empty()
                    && of_outer.iter().all(|index| *index < around)
                    && own.columns().iter().all(|index| *index >= around);
                if apart {
                    return Ok(Some(Correlation { outer: outer.clone(), inner: own }));
                }
            }
        }
        Err(unsupported(term.span, "a subquery here that is correlated by anything but an equality"))
    }

    fn with_key_columns(&mut self, rows: Relation, filter: Option<Expr>, keys: Vec<Expr>) -> Relation {
        if keys.is_empty() && filter.is_none() {
            return rows;
        }
        let scope = Scope::of(&rows);
        let mut exprs: Vec<Expr> = (0..rows.columns.len()).map(|index| scope.column(index)).collect();
        let mut columns = rows.columns.clone();
        for (i, key) in keys.into_iter().enumerate() {
            let column = RelationColumn::new(i.to_string(), key.data_type());
            columns.push(RelationColumn { qualifier: Some(KEYS.into()), hidden: true, ..column });
            exprs.push(key);
        }
        self.shown(rows, filter, exprs, columns)
    }

    /// The keys and these columns of the SELECT.
    pub(crate) fn project_inner(&mut self, inner: &Inner<'_>, wanted: usize) -> Bound<Relation> {
        let scope = Scope::of(&inner.rows);
        let keys = inner.rows.columns.len() - inner.outer.len()..inner.rows.columns.len();
        let mut exprs: Vec<Expr> = keys.map(|index| scope.column(index)).collect();
        for item in inner.items.iter().take(wanted) {
            exprs.push(self.bind_item(item, &mut Env::rows(scope))?);
        }
        let names = (0..exprs.len()).map(|i| i.to_string()).collect();
        Ok(self.project(&inner.rows, None, exprs, names))
    }

    /// Aggregates of the rows of each key: the keys, then the aggregates.
    pub(crate) fn aggregate_inner(
        &mut self,
        inner: &Inner<'_>,
        calls: Vec<ast::Expr>,
        span: Span,
    ) -> Bound<Relation> {
        let keys = (0..inner.outer.len()).map(|i| name(&[KEYS, &i.to_string()], span)).collect();
        self.aggregated(&inner.rows, keys, calls, span)
    }

    /// Aggregates over rows that a projection for a subquery gave; the keys are their first columns.
    pub(crate) fn aggregate_projected(
        &mut self,
        rows: &Relation,
        keys: usize,
        calls: Vec<ast::Expr>,
        span: Span,
    ) -> Bound<Relation> {
        let keys = (0..keys).map(|i| name(&[&i.to_string()], span)).collect();
        self.aggregated(rows, keys, calls, span)
    }

    fn aggregated(
        &mut self,
        rows: &Relation,
        keys: Vec<ast::Expr>,
        calls: Vec<ast::Expr>,
        span: Span,
    ) -> Bound<Relation> {
        let group = |expr: &ast::Expr| GroupItem { kind: GroupItemKind::Expr(expr.clone()), span };
        let group_by = ast::GroupBy { quantifier: None, items: keys.iter().map(group).collect(), span };
        let exprs: Vec<ast::Expr> = keys.iter().cloned().chain(calls).collect();
        let items: Vec<Item> = exprs
            .iter()
            .enumerate()
            .map(|(i, expr)| Item { name: i.to_string(), source: ItemSource::Expr(expr.clone()) })
            .collect();
        let select = Select {
            hints: Vec::new(),
            distinct: false,
            items: exprs.into_iter().map(|expr| SelectItem::Expr { expr, alias: None }).collect(),
            from: Vec::new(),
            selection: None,
            group_by: (!keys.is_empty()).then_some(group_by),
            having: None,
            windows: Vec::new(),
            qualify: None,
            span,
        };
        self.bind_aggregation(&select, rows, None, &items)
    }

    /// An error for a query that has not as many columns as its place wants.
    pub(crate) fn check_width(&self, span: Span, has: usize, wanted: usize, what: &str) -> Bound<()> {
        match has == wanted {
            true => Ok(()),
            false => Err(Diagnostic::new(span, format!("{what} has {has} columns, but must have {wanted}"))),
        }
    }
}

/// A name in syntax.
pub(crate) fn name(parts: &[&str], span: Span) -> ast::Expr {
    let ident = |part: &&str| Ident { value: (*part).to_string(), quoted: true, span };
    ast::Expr::new(ExprKind::Name(parts.iter().map(ident).collect()), span)
}
