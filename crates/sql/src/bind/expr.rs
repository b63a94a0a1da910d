//! Expressions: each syntactic form to functions of the registry, CASE and boolean logic.

use super::fold::null;
use super::grouping::Grouping;
use super::literal::{boolean, literal, string};
use super::match_scope::MatchScope;
use super::scope::Scope;
use super::{Binder, Bound, types, unsupported};
use crate::ast::{self, BinaryOp, ExprKind, IsTest, LikeKind, QuantifiedSource, TimeUnit, TrimSide, UnaryOp};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use tidemill_plan::{CastMode, Expr};
use tidemill_types::{DataType, TypeKind};

/// Where an expression stands: the columns it may name, and the grouping above which, or the MATCH_RECOGNIZE in which
/// it stands, if any.
pub(crate) struct Env<'s, 'g> {
    pub(crate) scope: Scope<'s>,
    pub(crate) grouping: Option<&'g mut Grouping<'s>>,
    pub(crate) matched: Option<&'g mut MatchScope>,
}

impl<'s> Env<'s, '_> {
    /// An expression over rows, where no aggregate may stand.
    pub(crate) fn rows(scope: Scope<'s>) -> Self {
        Env { scope, grouping: None, matched: None }
    }
}

impl Binder<'_> {
    /// Binds an expression over the rows of a scope.
    pub(crate) fn bind_over(&self, expr: &ast::Expr, scope: Scope<'_>) -> Bound<Expr> {
        self.bind_expr(expr, &mut Env::rows(scope))
    }

    /// Binds a condition: BOOLEAN, or an error at its place.
    pub(crate) fn bind_condition(
        &self,
        expr: &ast::Expr,
        env: &mut Env<'_, '_>,
        clause: &str,
    ) -> Bound<Expr> {
        let bound = self.bind_expr(expr, env)?;
        match bound.data_type().kind {
            TypeKind::Boolean => Ok(bound),
            TypeKind::Null => Ok(null(&TypeKind::Boolean.nullable())),
            kind => Err(Diagnostic::new(
                expr.span,
                format!("the condition of {clause} is {kind}, but must be BOOLEAN"),
            )),
        }
    }

    /// Binds any expression.
    pub(crate) fn bind_expr(&self, expr: &ast::Expr, env: &mut Env<'_, '_>) -> Bound<Expr> {
        if let Some(grouping) = env.grouping.as_deref_mut()
            && let Some(column) = grouping.find(self, expr)?
        {
            return Ok(column);
        }
        let span = expr.span;
        match &*expr.kind {
            ExprKind::Literal(value) => literal(value, span),
            ExprKind::Name(parts) => match (env.grouping.as_deref_mut(), env.matched.as_deref_mut()) {
                (Some(grouping), _) => grouping.grouped_name(self, parts, span),
                (None, Some(matched)) => self.match_name(parts, matched),
                (None, None) => self.bind_name(parts, env.scope),
            },
            ExprKind::Field { base, field } => {
                let base = self.bind_expr(base, env)?;
                self.field_of(base, field)
            }
            ExprKind::Index { base, index } => self.apply("ITEM", &[base, index], span, env),
            ExprKind::Unary { op, operand } => self.bind_unary(*op, operand, span, env),
            ExprKind::Binary { op, left, right } => self.bind_binary(*op, left, right, span, env),
            ExprKind::Is { operand, negated, test } => self.bind_is(operand, *negated, *test, span, env),
            ExprKind::IsDistinctFrom { left, right, negated } => {
                let name = if *negated { "IS NOT DISTINCT FROM" } else { "IS DISTINCT FROM" };
                self.apply(name, &[left, right], span, env)
            }
            ExprKind::Between { operand, negated, symmetric, low, high } => {
                let operand = self.bind_expr(operand, env)?;
                let low = self.bind_expr(low, env)?;
                let high = self.bind_expr(high, env)?;
                let between = self.between(operand, low, high, *symmetric, span)?;
                self.negate_if(*negated, between, span)
            }
            ExprKind::Like { kind, operand, negated, pattern, escape } => {
                let name = match kind {
                    LikeKind::Like => "LIKE",
                    LikeKind::SimilarTo => "SIMILAR TO",
                };
                let args: Vec<&ast::Expr> = [operand, pattern].into_iter().chain(escape).collect();
                let like = self.apply(name, &args, span, env)?;
                self.negate_if(*negated, like, span)
            }
            ExprKind::InList { operand, negated, list } => self.bind_in(operand, *negated, list, span, env),
            ExprKind::Case { operand, branches, otherwise } => {
                self.bind_case(operand.as_ref(), branches, otherwise.as_ref(), span, env)
            }
            ExprKind::Cast { lenient, operand, target } => {
                let bound = self.bind_expr(operand, env)?;
                let mut target = types::data_type(target)?.with_nullable(true);
                if let TypeKind::Time(digits) = &mut target.kind {
                    *digits = (*digits).min(3);
                }
                self.cast(bound, &target, if *lenient { CastMode::TryCast } else { CastMode::Cast }, span)
            }
            ExprKind::Call(call) => self.bind_call(call, env),
            _ => self.bind_special(expr, env),
        }
    }

    /// Forms with words between their arguments.
    fn bind_special(&self, expr: &ast::Expr, env: &mut Env<'_, '_>) -> Bound<Expr> {
        let span = expr.span;
        match &*expr.kind {
            ExprKind::Extract { unit, operand } => self.apply_unit("EXTRACT", *unit, &[operand], span, env),
            ExprKind::RoundTime { up, operand, unit } => {
                let operand = self.bind_expr(operand, env)?;
                let name = if *up { "CEIL_TO" } else { "FLOOR_TO" };
                self.call(name, vec![operand, string(unit.keyword())], span)
            }
            ExprKind::Position { needle, haystack, start } => {
                let args: Vec<&ast::Expr> = [needle, haystack].into_iter().chain(start).collect();
                self.apply("POSITION", &args, span, env)
            }
            ExprKind::Substring { operand, start, length } => {
                let args: Vec<&ast::Expr> = [operand, start].into_iter().chain(length).collect();
                self.apply("SUBSTRING", &args, span, env)
            }
            ExprKind::Overlay { operand, replacement, start, length } => {
                let args: Vec<&ast::Expr> = [operand, replacement, start].into_iter().chain(length).collect();
                self.apply("OVERLAY", &args, span, env)
            }
            ExprKind::Trim { side, characters, operand } => {
                let name = match side {
                    TrimSide::Both => "TRIM",
                    TrimSide::Leading => "LTRIM",
                    TrimSide::Trailing => "RTRIM",
                };
                let args: Vec<&ast::Expr> = [operand].into_iter().chain(characters).collect();
                self.apply(name, &args, span, env)
            }
            ExprKind::TimestampAdd { unit, count, operand } => {
                self.apply_unit("TIMESTAMPADD", *unit, &[count, operand], span, env)
            }
            ExprKind::TimestampDiff { unit, start, end } => {
                self.apply_unit("TIMESTAMPDIFF", *unit, &[start, end], span, env)
            }
            ExprKind::TimeDifference { left, right, qualifier } => {
                let name = match types::interval(qualifier.start) {
                    TypeKind::IntervalMonth => "MINUS_INTERVAL_MONTH",
                    _ => "MINUS_INTERVAL_DAY",
                };
                self.apply(name, &[left, right], span, env)
            }
            ExprKind::Period { op: ast::PeriodOp::Overlaps, left, right } => {
                let args = [row_fields(left)?, row_fields(right)?].concat();
                self.apply("OVERLAPS", &args, span, env)
            }
            ExprKind::Json(json) => self.bind_json(json, span, env),
            ExprKind::Quantified { op, left, quantifier, right: QuantifiedSource::List(list) } => {
                self.bind_quantified_list(*op, left, *quantifier, list, env, span)
            }
            ExprKind::Array(items) => self.apply("ARRAY", &items.iter().collect::<Vec<_>>(), span, env),
            ExprKind::Map(items) => self.apply("MAP", &items.iter().collect::<Vec<_>>(), span, env),
            ExprKind::Row { fields, .. } => self.apply("ROW", &fields.iter().collect::<Vec<_>>(), span, env),
            other => Err(unsupported(span, construct(other))),
        }
    }

    /// A registered function over expressions.
    pub(crate) fn apply(
        &self,
        name: &str,
        args: &[&ast::Expr],
        span: Span,
        env: &mut Env<'_, '_>,
    ) -> Bound<Expr> {
        let args = args.iter().map(|arg| self.bind_expr(arg, env)).collect::<Bound<Vec<_>>>()?;
        self.call(name, args, span)
    }

    fn apply_unit(
        &self,
        name: &str,
        unit: TimeUnit,
        args: &[&ast::Expr],
        span: Span,
        env: &mut Env<'_, '_>,
    ) -> Bound<Expr> {
        let mut bound = vec![string(unit.keyword())];
        for arg in args {
            bound.push(self.bind_expr(arg, env)?);
        }
        self.call(name, bound, span)
    }

    fn bind_unary(&self, op: UnaryOp, operand: &ast::Expr, span: Span, env: &mut Env<'_, '_>) -> Bound<Expr> {
        // A sign belongs to the number it precedes: -2147483648 is an INT, though 2147483648 is none.
        if let (UnaryOp::Minus, ExprKind::Literal(ast::Literal::Number(text))) = (op, &*operand.kind) {
            return super::literal::number(&format!("-{text}"), span);
        }
        let name = match op {
            UnaryOp::Plus => "POS",
            UnaryOp::Minus => "NEG",
            UnaryOp::Not => "NOT",
        };
        self.apply(name, &[operand], span, env)
    }

    fn bind_binary(
        &self,
        op: BinaryOp,
        left: &ast::Expr,
        right: &ast::Expr,
        span: Span,
        env: &mut Env<'_, '_>,
    ) -> Bound<Expr> {
        if matches!(op, BinaryOp::And | BinaryOp::Or) {
            let word = if op == BinaryOp::And { "AND" } else { "OR" };
            let terms = vec![self.bind_condition(left, env, word)?, self.bind_condition(right, env, word)?];
            return Ok(self.fold(junction(op == BinaryOp::And, terms)));
        }
        let name = operator_name(op).ok_or_else(|| unsupported(span, "an operator on multisets"))?;
        self.apply(name, &[left, right], span, env)
    }

    fn bind_is(
        &self,
        operand: &ast::Expr,
        negated: bool,
        test: IsTest,
        span: Span,
        env: &mut Env<'_, '_>,
    ) -> Bound<Expr> {
        let name = match (test, negated) {
            (IsTest::Null, false) => "IS NULL",
            (IsTest::Null, true) => "IS NOT NULL",
            (IsTest::True, false) => "IS TRUE",
            (IsTest::True, true) => "IS NOT TRUE",
            (IsTest::False, false) => "IS FALSE",
            (IsTest::False, true) => "IS NOT FALSE",
            (IsTest::Unknown, false) => "IS UNKNOWN",
            (IsTest::Unknown, true) => "IS NOT UNKNOWN",
            (IsTest::Json(kind), _) => {
                return self.apply(&super::json::predicate(kind, negated), &[operand], span, env);
            }
            (IsTest::ASet | IsTest::Empty, _) => return Err(unsupported(span, "a predicate on multisets")),
        };
        self.apply(name, &[operand], span, env)
    }

    fn bind_in(
        &self,
        operand: &ast::Expr,
        negated: bool,
        list: &[ast::Expr],
        span: Span,
        env: &mut Env<'_, '_>,
    ) -> Bound<Expr> {
        let operand = self.bind_expr(operand, env)?;
        let list = list.iter().map(|item| self.bind_expr(item, env)).collect::<Bound<Vec<_>>>()?;
        let constant = list.iter().all(|item| item.literal().is_some());
        let found = if constant {
            self.call("IN", [vec![operand], list].concat(), span)?
        } else {
            let terms = list
                .into_iter()
                .map(|item| self.call("=", vec![operand.clone(), item], span))
                .collect::<Bound<Vec<_>>>()?;
            junction(false, terms)
        };
        self.negate_if(negated, found, span)
    }

    fn between(&self, operand: Expr, low: Expr, high: Expr, symmetric: bool, span: Span) -> Bound<Expr> {
        let range = |low: &Expr, high: &Expr| {
            let lower = self.call(">=", vec![operand.clone(), low.clone()], span)?;
            let upper = self.call("<=", vec![operand.clone(), high.clone()], span)?;
            Ok(junction(true, vec![lower, upper]))
        };
        let forward = range(&low, &high)?;
        Ok(if symmetric { junction(false, vec![forward, range(&high, &low)?]) } else { forward })
    }

    fn negate_if(&self, negated: bool, expr: Expr, span: Span) -> Bound<Expr> {
        if negated { self.call("NOT", vec![expr], span) } else { Ok(expr) }
    }

    fn bind_case(
        &self,
        operand: Option<&ast::Expr>,
        branches: &[ast::CaseBranch],
        otherwise: Option<&ast::Expr>,
        span: Span,
        env: &mut Env<'_, '_>,
    ) -> Bound<Expr> {
        let operand = operand.map(|operand| self.bind_expr(operand, env)).transpose()?;
        let mut bound = Vec::with_capacity(branches.len());
        for branch in branches {
            let conditions = branch
                .when
                .iter()
                .map(|when| match &operand {
                    None => self.bind_condition(when, env, "WHEN"),
                    Some(operand) => {
                        let value = self.bind_expr(when, env)?;
                        self.call("=", vec![operand.clone(), value], when.span)
                    }
                })
                .collect::<Bound<Vec<_>>>()?;
            bound.push((junction(false, conditions), self.bind_expr(&branch.then, env)?));
        }
        let otherwise = match otherwise {
            Some(otherwise) => self.bind_expr(otherwise, env)?,
            None => literal(&ast::Literal::Null, span)?,
        };
        self.case(bound, otherwise, span)
    }

    /// A CASE whose results are brought to their common type.
    pub(crate) fn case(&self, branches: Vec<(Expr, Expr)>, otherwise: Expr, span: Span) -> Bound<Expr> {
        let results: Vec<DataType> =
            branches.iter().map(|(_, result)| result.data_type()).chain([otherwise.data_type()]).collect();
        if results.iter().all(|result| result.kind == TypeKind::Null) {
            return Err(Diagnostic::new(span, "every result of this CASE is a bare NULL")
                .with_hint("write CAST(NULL AS …) with the type you want"));
        }
        let data_type = self.common_type(&results, span, "the results of CASE")?;
        let branches = branches
            .into_iter()
            .map(|(condition, result)| {
                Ok((condition, self.cast(result, &data_type, CastMode::Implicit, span)?))
            })
            .collect::<Bound<Vec<_>>>()?;
        let otherwise = Box::new(self.cast(otherwise, &data_type, CastMode::Implicit, span)?);
        Ok(self.fold(Expr::Case { branches, otherwise, data_type }))
    }

    /// The type all of these can be widened to.
    pub(crate) fn common_type(&self, types: &[DataType], span: Span, what: &str) -> Bound<DataType> {
        self.session.functions.common_type(types).ok_or_else(|| {
            let list = types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            Diagnostic::new(span, format!("{what} have no common type: {list}"))
                .with_hint("CAST them to one type")
        })
    }
}

/// AND (`all`) or OR of terms, flat.
pub(crate) fn junction(all: bool, terms: Vec<Expr>) -> Expr {
    let mut flat = Vec::with_capacity(terms.len());
    for term in terms {
        match (all, term) {
            (true, Expr::And(inner)) | (false, Expr::Or(inner)) => flat.extend(inner),
            (_, term) => flat.push(term),
        }
    }
    match flat.len() {
        0 => boolean(all),
        1 => flat.remove(0),
        _ if all => Expr::And(flat),
        _ => Expr::Or(flat),
    }
}

fn operator_name(op: BinaryOp) -> Option<&'static str> {
    Some(match op {
        BinaryOp::Eq => "=",
        BinaryOp::NotEq => "<>",
        BinaryOp::Lt => "<",
        BinaryOp::LtEq => "<=",
        BinaryOp::Gt => ">",
        BinaryOp::GtEq => ">=",
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Div => "/",
        BinaryOp::Mod => "%",
        BinaryOp::Concat => "||",
        _ => return None,
    })
}

fn row_fields(expr: &ast::Expr) -> Bound<Vec<&ast::Expr>> {
    match &*expr.kind {
        ExprKind::Row { fields, .. } if fields.len() == 2 => Ok(fields.iter().collect()),
        _ => Err(Diagnostic::new(expr.span, "a period is written as (start, end)")),
    }
}

fn construct(kind: &ExprKind) -> &'static str {
    match kind {
        ExprKind::InQuery { .. } => "IN with a query",
        ExprKind::Exists(_) => "EXISTS",
        ExprKind::Subquery(_) => "a scalar subquery",
        ExprKind::Quantified { .. } => "a comparison with ANY or ALL",
        ExprKind::Multiset(_) | ExprKind::CollectionQuery { .. } => "this collection constructor",
        ExprKind::IntervalOf { .. } => "INTERVAL of an expression",
        ExprKind::Period { .. } => "this predicate on periods",
        ExprKind::AtTimeZone { .. } => "AT TIME ZONE",
        ExprKind::MatchSemantics { .. } => "RUNNING and FINAL",
        ExprKind::Table(_) => "a table as argument of this function",
        ExprKind::Model(_) => "a model as argument",
        ExprKind::Descriptor(_) => "DESCRIPTOR outside of a table function",
        ExprKind::Default => "DEFAULT",
        _ => "this expression",
    }
}
