//! Queries in expressions: each is joined to the rows around it, and the expression names what it gave.
//!
//! Rule (Flink documentation, "Queries"; SQL standard): a scalar query without a row is NULL, with several rows
//! it fails the run; IN is UNKNOWN where nothing is equal but a comparison with some row is.
//! 1. The query is bound with the columns of its correlation as keys and made unique for each key: aggregates
//!    group by them, EXISTS and IN keep different rows, any other scalar query counts its rows.
//! 2. These rows are the right side of a left join; their columns are hidden behind a name of their own.
//! 3. COUNT of a key without rows is 0, all else NULL.
//!
//! Not here: IN and EXISTS as conditions of WHERE, which are semi and anti joins.

use super::columns::{any_call, holds_query, parts_mut};
use super::correlation::{Inner, name};
use super::expr::Env;
use super::join::{JoinTree, Joined, moved, tree};
use super::scope::Scope;
use super::select::{Item, ItemSource};
use super::{Binder, Bound, Relation, RelationColumn, unsupported};
use crate::ast::{
    self, BinaryOp, CaseBranch, ExprKind, FunctionCall, IsTest, JoinCondition, Literal, QuantifiedSource,
    Quantifier, Query, QueryBody, UnaryOp,
};
use crate::span::Span;
use tidemill_plan::{Expr, JoinKind};

/// The prefix of the names under which a query's columns stand.
pub(crate) const PREFIX: &str = "$subquery";

/// A query taken out of an expression: rows with at most one for each key.
pub(crate) struct Lifted {
    pub(crate) rows: Relation,
    /// Outer expressions with the columns they are equal to.
    pub(crate) keys: Vec<(ast::Expr, usize)>,
    pub(crate) span: Span,
}

impl Binder<'_> {
    /// Takes the queries out of an expression over columns, and puts what they give in their places.
    pub(crate) fn lift(
        &mut self,
        expr: &mut ast::Expr,
        around: &[RelationColumn],
        lifted: &mut Vec<Lifted>,
    ) -> Bound<()> {
        if !holds_query(expr) {
            return Ok(());
        }
        for part in parts_mut(expr) {
            self.lift(part, around, lifted)?;
        }
        let span = expr.span;
        let value = match &*expr.kind {
            ExprKind::Subquery(query) => Some(self.lift_scalar(query, around, span, lifted)?),
            ExprKind::Exists(query) => Some(self.lift_exists(query, around, span, lifted)?),
            ExprKind::InQuery { operand, negated, query } => {
                let found = self.lift_in(operand, query, around, span, lifted)?;
                Some(if *negated { not(found) } else { found })
            }
            ExprKind::Quantified { op, left, quantifier, right: QuantifiedSource::Query(query) } => {
                Some(self.lift_quantified(*op, left, *quantifier, query, around, span, lifted)?)
            }
            _ => None,
        };
        if let Some(value) = value {
            *expr = value;
        }
        Ok(())
    }

    /// The scalar queries of ON, which may not be correlated, are joined to the left rows whatever the kind of the
    /// join: what pairs rows is looked at for pairs only.
    pub(crate) fn with_scalars(
        &mut self,
        left: Joined,
        right: &Joined,
        condition: &JoinCondition,
    ) -> Bound<(Joined, JoinCondition)> {
        let mut condition = condition.clone();
        let mut lifted = Vec::new();
        if let JoinCondition::On(on) = &mut condition {
            let both = [left.columns(), right.columns()].concat();
            self.lift_scalars(on, &both, &mut lifted)?;
        }
        match lifted.iter().find(|query| !query.keys.is_empty()) {
            Some(query) => Err(unsupported(query.span, "a correlated query in ON")),
            None => Ok((self.join_lifted(left, lifted)?, condition)),
        }
    }

    /// Takes the scalar queries out of an expression and leaves those of IN, EXISTS, ANY and ALL.
    fn lift_scalars(
        &mut self,
        expr: &mut ast::Expr,
        around: &[RelationColumn],
        lifted: &mut Vec<Lifted>,
    ) -> Bound<()> {
        match &*expr.kind {
            ExprKind::Subquery(query) => *expr = self.lift_scalar(query, around, expr.span, lifted)?,
            _ if !holds_query(expr) => {}
            _ => parts_mut(expr).into_iter().try_for_each(|part| self.lift_scalars(part, around, lifted))?,
        }
        Ok(())
    }

    /// Joins rows with queries that were taken out of expressions over them.
    pub(crate) fn join_lifted(&mut self, mut from: Joined, lifted: Vec<Lifted>) -> Bound<Joined> {
        for query in lifted {
            let from_columns = from.columns().to_vec();
            let scope = Scope { columns: &from_columns };
            let keys = query.keys.iter().map(|(outer, column)| Ok((self.bind_over(outer, scope)?, *column)));
            let keys = keys.collect::<Bound<Vec<_>>>()?;
            from = Joined::Join(Box::new(self.lifted_join(from, query.rows, keys, query.span)?));
        }
        Ok(from)
    }

    /// The join of rows with a lifted query, its keys bound.
    pub(crate) fn lifted_join(
        &self,
        from: Joined,
        rows: Relation,
        keys: Vec<(Expr, usize)>,
        span: Span,
    ) -> Bound<JoinTree> {
        let width = from.columns().len();
        let on = keys
            .into_iter()
            .map(|(outer, column)| {
                let own = moved(&Scope::of(&rows).column(column), |index| index + width);
                self.call("=", vec![outer, own], span)
            })
            .collect::<Bound<Vec<_>>>()?;
        Ok(tree(JoinKind::Left, from, Joined::Leaf(rows), on, span))
    }

    /// The queries in the columns of a SELECT without grouping, joined to its rows.
    pub(crate) fn lift_items(
        &mut self,
        input: Relation,
        filter: Option<Expr>,
        items: &mut [Item],
    ) -> Bound<(Relation, Option<Expr>)> {
        let mut lifted = Vec::new();
        for item in items.iter_mut() {
            if let ItemSource::Expr(expr) = &mut item.source {
                self.lift(expr, &input.columns, &mut lifted)?;
            }
        }
        if lifted.is_empty() {
            return Ok((input, filter));
        }
        let input = self.place_joins(Joined::Leaf(input), filter.into_iter().collect(), &[])?;
        let joined = self.join_lifted(Joined::Leaf(input), lifted)?;
        Ok((self.place_joins(joined, Vec::new(), &[])?, None))
    }

    fn push_lifted(
        &mut self,
        mut rows: Relation,
        keys: Vec<(ast::Expr, usize)>,
        span: Span,
        lifted: &mut Vec<Lifted>,
    ) -> String {
        let alias = format!("{PREFIX}{}", self.lifted_count);
        self.lifted_count += 1;
        for (i, column) in rows.columns.iter_mut().enumerate() {
            column.qualifier = Some(alias.clone());
            column.field.name = i.to_string();
            column.hidden = true;
        }
        lifted.push(Lifted { rows, keys, span });
        alias
    }

    fn lift_scalar(
        &mut self,
        query: &Query,
        around: &[RelationColumn],
        span: Span,
        lifted: &mut Vec<Lifted>,
    ) -> Bound<ast::Expr> {
        match self.bind_correlated(query, around)? {
            Some(inner) => {
                self.check_width(span, inner.items.len(), 1, "a scalar subquery")?;
                match inner.aggregated {
                    true => Ok(self.lift_aggregates(&inner, span, lifted)?.remove(0)),
                    false => self.lift_single(&inner, span, lifted),
                }
            }
            None => {
                let rows = self.bind_query(query)?;
                let rows = self.assign_windows(rows);
                self.check_width(span, rows.columns.len(), 1, "a scalar subquery")?;
                let rows = if at_most_one(query) { rows } else { self.single_value(rows, 0, span)? };
                let alias = self.push_lifted(rows, Vec::new(), span, lifted);
                Ok(name(&[&alias, "0"], span))
            }
        }
    }

    /// The columns of an aggregating SELECT: its aggregates are lifted, what is around them is computed above.
    pub(crate) fn lift_aggregates(
        &mut self,
        inner: &Inner<'_>,
        span: Span,
        lifted: &mut Vec<Lifted>,
    ) -> Bound<Vec<ast::Expr>> {
        let alias = format!("{PREFIX}{}", self.lifted_count);
        let (mut calls, mut values) = (Vec::new(), Vec::new());
        for item in &inner.items {
            let ItemSource::Expr(expr) = &item.source else {
                return Err(unsupported(span, "a column beside aggregates without GROUP BY"));
            };
            let mut expr = expr.clone();
            self.take_aggregates(&mut expr, &alias, inner.outer.len(), &mut calls);
            values.push(expr);
        }
        let rows = self.aggregate_inner(inner, calls, span)?;
        let keys = inner.outer.iter().cloned().zip(0..).collect();
        self.push_lifted(rows, keys, span, lifted);
        Ok(values)
    }

    /// Replaces aggregates by the columns they will be.
    fn take_aggregates(&self, expr: &mut ast::Expr, alias: &str, keys: usize, calls: &mut Vec<ast::Expr>) {
        let span = expr.span;
        let call = match &*expr.kind {
            ExprKind::Call(call) => Some(call.clone()),
            ExprKind::Json(json) => super::json::aggregate(json, span),
            _ => None,
        };
        let aggregate = call.as_ref().map(|call| call.name.last().value.to_uppercase());
        match aggregate.filter(|name| self.session.functions.aggregate(name).is_some()) {
            Some(function) => {
                let place = (keys + calls.len()).to_string();
                calls.push(std::mem::replace(expr, name(&[alias, &place], span)));
                if function == "COUNT" && keys > 0 {
                    let column = std::mem::replace(expr, null(span));
                    *expr = coalesce(column, whole("0", span), span);
                }
            }
            None => {
                parts_mut(expr).into_iter().for_each(|part| self.take_aggregates(part, alias, keys, calls));
            }
        }
    }

    /// A SELECT without aggregates: one row for each key, or the run fails.
    fn lift_single(&mut self, inner: &Inner<'_>, span: Span, lifted: &mut Vec<Lifted>) -> Bound<ast::Expr> {
        let keys = inner.outer.len();
        let mut rows = self.project_inner(inner, 1)?;
        if inner.select.distinct {
            rows = self.distinct(rows, span)?;
        }
        let rows = self.single_value(rows, keys, span)?;
        let alias = self.push_lifted(rows, inner.outer.iter().cloned().zip(0..).collect(), span, lifted);
        Ok(name(&[&alias, &keys.to_string()], span))
    }

    fn single_value(&mut self, mut rows: Relation, keys: usize, span: Span) -> Bound<Relation> {
        for (i, column) in rows.columns.iter_mut().enumerate() {
            (column.field.name, column.qualifier, column.hidden) = (i.to_string(), None, false);
        }
        let value = name(&[&keys.to_string()], span);
        self.aggregate_projected(&rows, keys, vec![call("$SINGLE_VALUE", vec![value], span)], span)
    }

    fn lift_exists(
        &mut self,
        query: &Query,
        around: &[RelationColumn],
        span: Span,
        lifted: &mut Vec<Lifted>,
    ) -> Bound<ast::Expr> {
        let (rows, outer) = self.keyed_rows(query, around, 0, span)?;
        let keys = outer.len();
        let rows = self.different_rows(rows, keys, span)?;
        let alias = self.push_lifted(rows, outer.into_iter().zip(0..).collect(), span, lifted);
        Ok(is_null(name(&[&alias, &keys.to_string()], span), true))
    }

    /// The keys of a query's correlation with its first columns, and what the keys are equal to.
    fn keyed_rows(
        &mut self,
        query: &Query,
        around: &[RelationColumn],
        wanted: usize,
        span: Span,
    ) -> Bound<(Relation, Vec<ast::Expr>)> {
        let inner = match self.bind_correlated(query, around)? {
            Some(inner) if !inner.aggregated || !inner.outer.is_empty() => inner,
            _ => {
                let rows = self.bind_query(query)?;
                let rows = self.assign_windows(rows);
                let scope = Scope::of(&rows);
                if wanted > 0 {
                    self.check_width(span, rows.columns.len(), wanted, "the query of IN")?;
                }
                let exprs = (0..wanted).map(|i| scope.column(i)).collect();
                let names = (0..wanted).map(|i| i.to_string()).collect();
                return Ok((self.project(&rows, None, exprs, names), Vec::new()));
            }
        };
        if inner.aggregated {
            return Err(unsupported(span, "IN or EXISTS over a correlated aggregate"));
        }
        if wanted > 0 {
            self.check_width(span, inner.items.len(), wanted, "the query of IN")?;
        }
        let rows = self.project_inner(&inner, wanted)?;
        Ok((rows, inner.outer))
    }

    /// Each different row once, with TRUE behind it.
    fn different_rows(&mut self, rows: Relation, width: usize, span: Span) -> Bound<Relation> {
        let scope = Scope::of(&rows);
        let mut exprs: Vec<Expr> = (0..width).map(|i| scope.column(i)).collect();
        exprs.push(super::literal::boolean(true));
        let names = (0..=width).map(|i| i.to_string()).collect();
        let rows = self.project(&rows, None, exprs, names);
        self.distinct(rows, span)
    }

    fn lift_in(
        &mut self,
        operand: &ast::Expr,
        query: &Query,
        around: &[RelationColumn],
        span: Span,
        lifted: &mut Vec<Lifted>,
    ) -> Bound<ast::Expr> {
        if matches!(&*operand.kind, ExprKind::Row { .. }) {
            return Err(unsupported(span, "IN of several columns anywhere but as a condition of WHERE"));
        }
        let (rows, outer) = self.keyed_rows(query, around, 1, span)?;
        let keys = outer.len();
        let operand_nullable = self
            .bind_over(operand, Scope { columns: around })
            .map_or(true, |operand| operand.data_type().nullable);
        let counts = (operand_nullable || rows.columns[keys].field.data_type.nullable)
            .then(|| {
                let value = name(&[&keys.to_string()], span);
                let calls = vec![count(None, span), count(Some(value), span)];
                self.aggregate_projected(&rows, keys, calls, span)
            })
            .transpose()?;
        let rows = self.different_rows(rows, keys + 1, span)?;
        let pairs = outer.iter().cloned().chain([operand.clone()]).zip(0..).collect();
        let alias = self.push_lifted(rows, pairs, span, lifted);
        let found = is_null(name(&[&alias, &(keys + 1).to_string()], span), true);
        let Some(counts) = counts else { return Ok(found) };
        let alias = self.push_lifted(counts, outer.into_iter().zip(0..).collect(), span, lifted);
        let column = |i: usize| name(&[&alias, &(keys + i).to_string()], span);
        Ok(three_valued(found, operand, (column(0), column(1)), span))
    }

    /// `x op ANY (query)`: a comparison with the extreme that is easiest to pass; ALL is NOT of the reverse.
    #[allow(clippy::too_many_arguments)]
    fn lift_quantified(
        &mut self,
        op: BinaryOp,
        left: &ast::Expr,
        quantifier: Quantifier,
        query: &Query,
        around: &[RelationColumn],
        span: Span,
        lifted: &mut Vec<Lifted>,
    ) -> Bound<ast::Expr> {
        if quantifier == Quantifier::All {
            let any = Quantifier::Any;
            let reverse = self.lift_quantified(reversed(op), left, any, query, around, span, lifted)?;
            return Ok(not(reverse));
        }
        if op == BinaryOp::Eq {
            return self.lift_in(left, query, around, span, lifted);
        }
        let (rows, outer) = self.keyed_rows(query, around, 1, span)?;
        let keys = outer.len();
        let value = || name(&[&keys.to_string()], span);
        let calls = vec![
            count(None, span),
            count(Some(value()), span),
            call("MIN", vec![value()], span),
            call("MAX", vec![value()], span),
        ];
        let rows = self.aggregate_projected(&rows, keys, calls, span)?;
        let alias = self.push_lifted(rows, outer.into_iter().zip(0..).collect(), span, lifted);
        let column = |i: usize| name(&[&alias, &(keys + i).to_string()], span);
        let compared = |i: usize| binary(op, left.clone(), column(i), span);
        let found = match op {
            BinaryOp::Gt | BinaryOp::GtEq => compared(2),
            BinaryOp::Lt | BinaryOp::LtEq => compared(3),
            _ => binary(BinaryOp::Or, compared(2), compared(3), span),
        };
        let found = ast::Expr::new(ExprKind::Is { operand: found, negated: false, test: IsTest::True }, span);
        Ok(three_valued(found, left, (column(0), column(1)), span))
    }

    /// The aggregates' arguments and group keys of a SELECT may hold queries, which belong below the grouping.
    pub(crate) fn lift_below(
        &mut self,
        expr: &mut ast::Expr,
        around: &[RelationColumn],
        lifted: &mut Vec<Lifted>,
    ) -> Bound<()> {
        let is_aggregate = |call: &FunctionCall| {
            call.over.is_none() && self.session.functions.aggregate(&call.name.last().value).is_some()
        };
        if !any_call(expr, &is_aggregate) {
            return Ok(());
        }
        let aggregate = match &*expr.kind {
            ExprKind::Call(call) => is_aggregate(call),
            ExprKind::Json(json) => super::json::aggregate(json, expr.span).is_some(),
            _ => false,
        };
        for part in parts_mut(expr) {
            match aggregate {
                true => self.lift(part, around, lifted)?,
                false => self.lift_below(part, around, lifted)?,
            }
        }
        Ok(())
    }

    /// `x op ANY (a, b)` as comparisons joined by OR, ALL by AND.
    pub(crate) fn bind_quantified_list(
        &self,
        op: BinaryOp,
        left: &ast::Expr,
        quantifier: Quantifier,
        list: &[ast::Expr],
        env: &mut Env<'_, '_>,
        span: Span,
    ) -> Bound<Expr> {
        let junction = if quantifier == Quantifier::Any { BinaryOp::Or } else { BinaryOp::And };
        let terms = list.iter().map(|item| binary(op, left.clone(), item.clone(), span));
        match terms.reduce(|all, term| binary(junction, all, term, span)) {
            Some(expr) => self.bind_expr(&expr, env),
            None => Ok(super::literal::boolean(quantifier == Quantifier::All)),
        }
    }
}

/// TRUE if found, UNKNOWN if something may be equal, else FALSE. `counts` are the rows of the query and those
/// of them that are not NULL.
fn three_valued(
    found: ast::Expr,
    operand: &ast::Expr,
    (rows, values): (ast::Expr, ast::Expr),
    span: Span,
) -> ast::Expr {
    let empty = binary(BinaryOp::Eq, coalesce(rows.clone(), whole("0", span), span), whole("0", span), span);
    let unknown =
        binary(BinaryOp::Or, is_null(operand.clone(), false), binary(BinaryOp::Lt, values, rows, span), span);
    let branch = |when, then| CaseBranch { when: vec![when], then };
    let branches = vec![
        branch(found, truth(true, span)),
        branch(empty, truth(false, span)),
        branch(unknown, ast::Expr::new(ExprKind::Literal(Literal::Unknown), span)),
    ];
    let otherwise = Some(truth(false, span));
    ast::Expr::new(ExprKind::Case { operand: None, branches, otherwise }, span)
}

/// Whether a query gives no more than one row whatever its input.
fn at_most_one(query: &Query) -> bool {
    let limit = query.limit.as_ref().and_then(super::rank::whole);
    if limit.is_some_and(|limit| limit <= 1) {
        return true;
    }
    matches!(&query.body, QueryBody::Values(values) if values.rows.len() == 1)
}

fn reversed(op: BinaryOp) -> BinaryOp {
    match op {
        BinaryOp::Eq => BinaryOp::NotEq,
        BinaryOp::NotEq => BinaryOp::Eq,
        BinaryOp::Lt => BinaryOp::GtEq,
        BinaryOp::LtEq => BinaryOp::Gt,
        BinaryOp::Gt => BinaryOp::LtEq,
        BinaryOp::GtEq => BinaryOp::Lt,
        other => other,
    }
}

fn binary(op: BinaryOp, left: ast::Expr, right: ast::Expr, span: Span) -> ast::Expr {
    ast::Expr::new(ExprKind::Binary { op, left, right }, span)
}

fn not(operand: ast::Expr) -> ast::Expr {
    let span = operand.span;
    ast::Expr::new(ExprKind::Unary { op: UnaryOp::Not, operand }, span)
}

fn is_null(operand: ast::Expr, negated: bool) -> ast::Expr {
    let span = operand.span;
    ast::Expr::new(ExprKind::Is { operand, negated, test: IsTest::Null }, span)
}

fn truth(value: bool, span: Span) -> ast::Expr {
    ast::Expr::new(ExprKind::Literal(Literal::Boolean(value)), span)
}

fn null(span: Span) -> ast::Expr {
    ast::Expr::new(ExprKind::Literal(Literal::Null), span)
}

fn whole(digits: &str, span: Span) -> ast::Expr {
    ast::Expr::new(ExprKind::Literal(Literal::Number(digits.to_string())), span)
}

fn coalesce(value: ast::Expr, otherwise: ast::Expr, span: Span) -> ast::Expr {
    call("COALESCE", vec![value, otherwise], span)
}

fn count(value: Option<ast::Expr>, span: Span) -> ast::Expr {
    let star = value.is_none();
    let mut expr = call("COUNT", value.into_iter().collect(), span);
    if let ExprKind::Call(call) = &mut *expr.kind {
        call.star = star;
    }
    expr
}

fn call(function: &str, args: Vec<ast::Expr>, span: Span) -> ast::Expr {
    let ident = ast::Ident { value: function.to_string(), quoted: false, span };
    let args = args.into_iter().map(|value| ast::FunctionArg { name: None, value }).collect();
    let plain = FunctionCall::plain(ast::ObjectName(vec![ident]), span);
    ast::Expr::new(ExprKind::Call(FunctionCall { args, ..plain }), span)
}
