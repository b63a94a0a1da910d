//! FROM with several tables: a tree of joins that is kept open until WHERE is known, so that conditions of
//! WHERE can pair rows or go below a join. IN and EXISTS become semi and anti joins on top of it.

use super::columns::holds_query;
use super::expr::{Env, junction};
use super::scope::Scope;
use super::temporal_join::{SystemTime, system_time, without_system_time};
use super::{Binder, Bound, Relation, RelationColumn, lookup_hint};
use crate::ast::{
    self, BinaryOp, ExprKind, Ident, JoinCondition, Query, QueryBody, TableRef, TableRefKind, UnaryOp,
};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use tidemill_plan::{Expr, JoinKind};

/// What FROM gives before WHERE is bound.
#[derive(Debug)]
pub(crate) enum Joined {
    /// One table.
    Leaf(Relation),
    /// A join.
    Join(Box<JoinTree>),
    /// Rows with the elements of a collection.
    Unnested(Box<super::unnest::Unnested>),
}

/// A join whose inputs are not placed yet.
#[derive(Debug)]
pub(crate) struct JoinTree {
    pub(crate) kind: JoinKind,
    pub(crate) left: Joined,
    pub(crate) right: Joined,
    /// What pairs rows, over the columns of the left side and then the right side.
    pub(crate) on: Vec<Expr>,
    /// What the columns are made of, over the same.
    pub(crate) shown: Vec<Expr>,
    /// The columns.
    pub(crate) columns: Vec<RelationColumn>,
    pub(crate) span: Span,
    /// FOR SYSTEM_TIME AS OF behind the right side.
    pub(crate) system_time: Option<SystemTime>,
}

impl Joined {
    /// The columns that may be named.
    pub(crate) fn columns(&self) -> &[RelationColumn] {
        match self {
            Joined::Leaf(relation) => &relation.columns,
            Joined::Join(tree) => &tree.columns,
            Joined::Unnested(tree) => &tree.columns,
        }
    }
}

/// The terms of a conjunction.
pub(crate) fn conjuncts(expr: Expr) -> Vec<Expr> {
    match expr {
        Expr::And(terms) => terms.into_iter().flat_map(conjuncts).collect(),
        other if other.is_true() => Vec::new(),
        other => vec![other],
    }
}

/// The terms of a conjunction in syntax.
pub(crate) fn syntax_conjuncts<'e>(expr: &'e ast::Expr, out: &mut Vec<&'e ast::Expr>) {
    match &*expr.kind {
        ExprKind::Binary { op: BinaryOp::And, left, right } => {
            syntax_conjuncts(left, out);
            syntax_conjuncts(right, out);
        }
        _ => out.push(expr),
    }
}

impl Binder<'_> {
    /// Binds a table reference and the joins in it.
    pub(crate) fn bind_joined(&mut self, table: &TableRef) -> Bound<Joined> {
        let (TableRefKind::Join(join), None) = (&table.kind, &table.alias) else {
            let relation = self.bind_table_ref(table)?;
            return Ok(Joined::Leaf(relation));
        };
        match &join.right.kind {
            TableRefKind::Unnest { .. } => return self.join_unnest(join),
            TableRefKind::Query { lateral: true, .. } => return self.join_lateral(join),
            _ => {}
        }
        let left = self.bind_joined(&join.left)?;
        let right = self.bind_joined(&without_system_time(&join.right))?;
        let (left, right) = (self.with_windows(left), self.with_windows(right));
        let (left, condition) = self.with_scalars(left, &right, &join.condition)?;
        let kind = match join.kind {
            ast::JoinKind::Inner | ast::JoinKind::Cross => JoinKind::Inner,
            ast::JoinKind::Left => JoinKind::Left,
            ast::JoinKind::Right => JoinKind::Right,
            ast::JoinKind::Full => JoinKind::Full,
        };
        let both = [left.columns(), right.columns()].concat();
        let shared = match &condition {
            JoinCondition::Using(columns) => columns.clone(),
            JoinCondition::Natural => natural(left.columns(), right.columns(), join.op_span),
            JoinCondition::On(_) | JoinCondition::None => Vec::new(),
        };
        let on = match &condition {
            JoinCondition::On(condition) => {
                let scope = Scope { columns: &both };
                conjuncts(self.bind_condition(condition, &mut Env::rows(scope), "ON")?)
            }
            _ => self.shared_equal(&left, &right, &shared)?,
        };
        let system_time = match system_time(&join.right) {
            Some(time) => Some(self.bind_system_time(time, kind, &left)?),
            None => None,
        };
        let mut tree = tree(kind, left, right, on, join.op_span);
        tree.system_time = system_time;
        if !shared.is_empty() {
            self.merge_shared(&mut tree, &shared)?;
        }
        Ok(Joined::Join(Box::new(tree)))
    }

    pub(crate) fn with_windows(&mut self, joined: Joined) -> Joined {
        match joined {
            Joined::Leaf(relation) => Joined::Leaf(self.assign_windows(relation)),
            joined => joined,
        }
    }

    /// All pairs of rows.
    pub(crate) fn cross(&mut self, left: Joined, right: Joined, span: Span) -> Bound<Joined> {
        let (left, right) = (self.with_windows(left), self.with_windows(right));
        Ok(Joined::Join(Box::new(tree(JoinKind::Inner, left, right, Vec::new(), span))))
    }

    fn shared_equal(&self, left: &Joined, right: &Joined, shared: &[Ident]) -> Bound<Vec<Expr>> {
        let (of_left, of_right) = (Scope { columns: left.columns() }, Scope { columns: right.columns() });
        let width = left.columns().len();
        shared
            .iter()
            .map(|name| {
                let parts = std::slice::from_ref(name);
                let left = self.bind_name(parts, of_left)?;
                let right = moved(&self.bind_name(parts, of_right)?, |i| i + width);
                self.call("=", vec![left, right], name.span)
            })
            .collect()
    }

    /// Shows each shared column once, in front; the two it is made of can be named with their tables.
    fn merge_shared(&self, tree: &mut JoinTree, shared: &[Ident]) -> Bound<()> {
        let left_width = tree.left.columns().len();
        let (mut exprs, mut columns) = (Vec::new(), Vec::new());
        for name in shared {
            let (left, _) =
                Scope { columns: &tree.columns[..left_width] }.resolve(std::slice::from_ref(name))?;
            let (right, _) =
                Scope { columns: &tree.columns[left_width..] }.resolve(std::slice::from_ref(name))?;
            let right = right + left_width;
            let scope = Scope { columns: &tree.columns };
            let merged = match tree.kind {
                JoinKind::Right => scope.column(right),
                JoinKind::Full => {
                    let sides = vec![scope.column(left), scope.column(right)];
                    let types: Vec<_> = sides.iter().map(Expr::data_type).collect();
                    let data_type = self.common_type(&types, name.span, "the columns of USING")?;
                    let cast =
                        |side| self.cast(side, &data_type, tidemill_plan::CastMode::Implicit, name.span);
                    let args = sides.into_iter().map(cast).collect::<Bound<Vec<_>>>()?;
                    Expr::Coalesce { args, data_type }
                }
                _ => scope.column(left),
            };
            columns.push(RelationColumn::new(name.value.clone(), merged.data_type()));
            exprs.push(merged);
            tree.columns[left].hidden = true;
            tree.columns[right].hidden = true;
        }
        exprs.append(&mut tree.shown);
        columns.append(&mut tree.columns);
        (tree.shown, tree.columns) = (exprs, columns);
        Ok(())
    }

    /// Binds WHERE over FROM and places its joins. What is left of WHERE comes back for the projection.
    pub(crate) fn bind_where(
        &mut self,
        mut from: Joined,
        conditions: &[ast::Expr],
        hints: &[ast::Hint],
    ) -> Bound<(Relation, Option<Expr>)> {
        lookup_hint::check(hints, from.columns())?;
        let (mut terms, mut plain, mut queries) = (Vec::new(), Vec::new(), Vec::new());
        let mut with_values = Vec::new();
        conditions.iter().for_each(|condition| syntax_conjuncts(condition, &mut terms));
        for term in terms {
            match subquery(term) {
                Some(query) => queries.push(query),
                None if holds_query(term) => with_values.push(term.clone()),
                None => {
                    let scope = Scope { columns: from.columns() };
                    plain.push(self.bind_condition(term, &mut Env::rows(scope), "WHERE")?);
                }
            }
        }
        if let (Joined::Leaf(_), true) = (&from, queries.is_empty() && with_values.is_empty()) {
            let Joined::Leaf(relation) = from else { unreachable!("it was just seen to be a leaf") };
            let filter = (!plain.is_empty()).then(|| self.fold(junction(true, plain)));
            return Ok((relation, filter));
        }
        let mut plain: Vec<Expr> = plain.into_iter().flat_map(conjuncts).collect();
        for query in queries {
            from = self.bind_membership(from, &query)?;
        }
        for mut term in with_values {
            let mut lifted = Vec::new();
            let around = from.columns().to_vec();
            self.lift(&mut term, &around, &mut lifted)?;
            from = self.with_windows(from);
            from = self.join_lifted(from, lifted)?;
            let scope = Scope { columns: from.columns() };
            plain.extend(conjuncts(self.bind_condition(&term, &mut Env::rows(scope), "WHERE")?));
        }
        Ok((self.place_joins(from, plain, hints)?, None))
    }

    /// IN and EXISTS: a semi join, or an anti join if negated.
    fn bind_membership(&mut self, left: Joined, query: &Membership<'_>) -> Bound<Joined> {
        let left = self.with_windows(left);
        let outer = left.columns().to_vec();
        let (right, mut on, items) = self.bind_inner(&outer, query)?;
        let (mut equal, mut nullable) = (Vec::new(), false);
        for (operand, item) in query.operands().into_iter().zip(items) {
            let operand = self.bind_over(operand, Scope { columns: &outer })?;
            nullable |= operand.data_type().nullable || item.data_type().nullable;
            equal.push(self.call("=", vec![operand, item], query.span)?);
        }
        // x NOT IN (..) is not TRUE if the comparison with some row is unknown.
        if query.negated && nullable {
            on.push(self.call("IS NOT FALSE", vec![junction(true, equal)], query.span)?);
        } else {
            on.extend(equal);
        }
        let kind = if query.negated { JoinKind::Anti } else { JoinKind::Semi };
        let mut tree = tree(kind, left, right, on, query.span);
        tree.columns.truncate(outer.len());
        tree.shown.truncate(outer.len());
        Ok(Joined::Join(Box::new(tree)))
    }

    /// The query of IN or EXISTS: its rows, what pairs them with the outer ones, and its columns.
    /// Only the WHERE of a query without grouping may name outer columns.
    fn bind_inner(
        &mut self,
        outer: &[RelationColumn],
        membership: &Membership<'_>,
    ) -> Bound<(Joined, Vec<Expr>, Vec<Expr>)> {
        let wanted = membership.operands().len();
        let check = |count: usize| match wanted {
            0 => Ok(()),
            wanted if wanted == count => Ok(()),
            _ => Err(Diagnostic::new(
                membership.span,
                format!("the query of IN has {count} columns, but must have {wanted}"),
            )),
        };
        if let Some(select) = simple_select(membership.query) {
            let inner = self.bind_from(&select.from)?;
            let inner = self.with_windows(inner);
            let (inner, selection) = self.bind_own_queries(inner, select)?;
            let columns = combined(outer, inner.columns());
            let items = self.expand_items(&select.items, Scope { columns: inner.columns() })?;
            if !self.has_aggregate(&items) {
                let scope = Scope { columns: &columns };
                let mut on = Vec::new();
                for condition in &selection {
                    on.extend(conjuncts(self.bind_condition(condition, &mut Env::rows(scope), "WHERE")?));
                }
                check(items.len())?;
                let own = Scope { columns: inner.columns() };
                let items = items.iter().take(wanted).map(|item| {
                    let item = self.bind_item(item, &mut Env::rows(own))?;
                    Ok(moved(&item, |i| i + outer.len()))
                });
                let items = items.collect::<Bound<Vec<_>>>()?;
                return Ok((inner, on, items));
            }
        }
        let relation = self.bind_query(membership.query)?;
        let relation = self.assign_windows(relation);
        check(relation.columns.len())?;
        let own = Scope::of(&relation);
        let items = (0..wanted).map(|i| moved(&own.column(i), |i| i + outer.len())).collect();
        Ok((Joined::Leaf(relation), Vec::new(), items))
    }
}

impl Binder<'_> {
    /// Conditions of an inner WHERE that hold queries of their own are applied to the inner rows. The others
    /// come back.
    fn bind_own_queries(&mut self, inner: Joined, select: &ast::Select) -> Bound<(Joined, Vec<ast::Expr>)> {
        let mut terms = Vec::new();
        select.selection.iter().for_each(|selection| syntax_conjuncts(selection, &mut terms));
        let (own, others): (Vec<_>, Vec<_>) = terms.into_iter().cloned().partition(holds_query);
        if own.is_empty() {
            return Ok((inner, others));
        }
        let (relation, filter) = self.bind_where(inner, &own, &select.hints)?;
        let relation = self.place_joins(Joined::Leaf(relation), filter.into_iter().collect(), &[])?;
        Ok((Joined::Leaf(relation), others))
    }
}

/// `[NOT] IN (query)` or `[NOT] EXISTS (query)`.
struct Membership<'e> {
    operand: Option<&'e ast::Expr>,
    negated: bool,
    query: &'e Query,
    span: Span,
}

impl<'e> Membership<'e> {
    /// What is compared with the columns of the query; nothing for EXISTS.
    fn operands(&self) -> Vec<&'e ast::Expr> {
        match self.operand.map(|operand| (operand, &*operand.kind)) {
            None => Vec::new(),
            Some((_, ExprKind::Row { fields, .. })) => fields.iter().collect(),
            Some((operand, _)) => vec![operand],
        }
    }
}

fn subquery(expr: &ast::Expr) -> Option<Membership<'_>> {
    let span = expr.span;
    match &*expr.kind {
        ExprKind::InQuery { operand, negated, query } => {
            Some(Membership { operand: Some(operand), negated: *negated, query, span })
        }
        ExprKind::Exists(query) => Some(Membership { operand: None, negated: false, query, span }),
        ExprKind::Unary { op: UnaryOp::Not, operand } => {
            subquery(operand).map(|inner| Membership { negated: !inner.negated, span, ..inner })
        }
        _ => None,
    }
}

/// The SELECT that a query is, if it is nothing but a plain one.
pub(crate) fn simple_select(query: &Query) -> Option<&ast::Select> {
    let bare =
        query.with.is_none() && query.order_by.is_empty() && query.limit.is_none() && query.offset.is_none();
    match &query.body {
        QueryBody::Select(select) if bare => {
            let plain = select.group_by.is_none() && select.having.is_none() && select.qualify.is_none();
            (plain && select.windows.is_empty()).then_some(select)
        }
        _ => None,
    }
}

/// Outer columns and then inner ones, where inner names hide outer ones.
pub(crate) fn combined(outer: &[RelationColumn], inner: &[RelationColumn]) -> Vec<RelationColumn> {
    let shadowed = outer.iter().map(|column| {
        let mut column = column.clone();
        column.hidden |= inner.iter().any(|own| own.field.name == column.field.name);
        if inner.iter().any(|own| own.qualifier.is_some() && own.qualifier == column.qualifier) {
            (column.qualifier, column.hidden) = (None, true);
        }
        column
    });
    shadowed.chain(inner.iter().cloned()).collect()
}

/// A join that shows all columns of both sides, nullable where padded. Which time attributes live on is known
/// when it is placed.
pub(crate) fn tree(kind: JoinKind, left: Joined, right: Joined, on: Vec<Expr>, span: Span) -> JoinTree {
    let padded = |column: &RelationColumn, padded: bool| {
        let mut column = column.clone();
        column.field.time = None;
        if padded {
            column.field.data_type = column.field.data_type.with_nullable(true);
        }
        column
    };
    let columns: Vec<RelationColumn> =
        (left.columns().iter().map(|column| padded(column, kind.keeps(false))))
            .chain(right.columns().iter().map(|column| padded(column, kind.keeps(true))))
            .collect();
    let scope = Scope { columns: &columns };
    let shown = (0..columns.len()).map(|index| scope.column(index)).collect();
    JoinTree { kind, left, right, on, shown, columns, span, system_time: None }
}

/// An expression over columns that stand elsewhere.
pub(crate) fn moved(expr: &Expr, to: impl Fn(usize) -> usize) -> Expr {
    expr.map_columns(&|index, name, data_type| Expr::column(to(index), name, data_type.clone()))
}

fn natural(left: &[RelationColumn], right: &[RelationColumn], span: Span) -> Vec<Ident> {
    let shown = left.iter().filter(|column| !column.hidden);
    shown
        .filter(|column| right.iter().any(|other| !other.hidden && other.field.name == column.field.name))
        .map(|column| Ident { value: column.field.name.clone(), quoted: true, span })
        .collect()
}
