//! SELECT with calls that have an OVER clause.
//!
//! 1. A SELECT with nothing but ROW_NUMBER over one window is left to [`super::rank`]: it may become a Top-N.
//! 2. Else the expressions are taken apart: what stands below the windows (the arguments, keys and orders of calls,
//!    and all that holds no call) is one projection or aggregation;
//! 3. the calls of each window make an operator over it; in streaming there may be one window only;
//! 4. what is left of the expressions stands above, over the columns of both.

use super::columns::{any_call, parts_mut};
use super::expr::Env;
use super::over_call::WindowCall;
use super::scope::Scope;
use super::select::{Item, ItemSource};
use super::{Binder, Bound, Relation};
use crate::ast::{self, ExprKind, Ident, OrderItem, Select, SelectItem};
use crate::diagnostic::Diagnostic;
use crate::unparse::unparse_expr;
use tidemill_plan::Expr;

/// An output column above the windows.
enum Above {
    /// A column of what is below.
    Below(usize),
    /// An expression over the columns of calls and of what is below.
    Expr(ast::Expr),
}

/// A SELECT that is being taken apart.
#[derive(Default)]
struct Parts {
    below: Vec<Item>,
    calls: Vec<WindowCall>,
    /// How each call is written: one that is written the same is the same.
    texts: Vec<String>,
}

pub(super) fn has_over(expr: &ast::Expr) -> bool {
    any_call(expr, &|call| call.over.is_some())
}

impl Binder<'_> {
    /// Binds a SELECT with calls that have an OVER clause; `None` if there are none.
    pub(crate) fn bind_windowed(&mut self, select: &Select) -> Bound<Option<Relation>> {
        let in_items =
            select.items.iter().any(|item| matches!(item, SelectItem::Expr { expr, .. } if has_over(expr)));
        if !in_items && !select.qualify.as_ref().is_some_and(has_over) {
            return Ok(None);
        }
        if let Some(relation) = self.bind_ranked(select)? {
            return Ok(Some(relation));
        }
        let (input, filter) = self.bind_source(select)?;
        let items = self.expand_items(&select.items, Scope::of(&input))?;
        let mut parts = Parts::default();
        let above = items
            .iter()
            .map(|item| self.take_apart(item, select, &mut parts))
            .collect::<Bound<Vec<Above>>>()?;
        let qualify = match &select.qualify {
            Some(qualify) => Some(self.qualify_apart(qualify, select, &input, &mut parts)?),
            None => None,
        };
        let aggregated =
            select.group_by.is_some() || select.having.is_some() || self.has_aggregate(&parts.below);
        let below = match aggregated {
            true => self.bind_aggregation(select, &input, filter, &parts.below)?,
            false => self.bind_projection(input, filter, &parts.below)?,
        };
        let names: Vec<String> = items.iter().map(|item| item.name.clone()).collect();
        let (over, places) = self.push_windows(below, &parts.calls)?;
        let over = with_call_names(over, &places);
        let scope = Scope::of(&over);
        let exprs = above
            .iter()
            .map(|above| match above {
                Above::Below(column) => Ok(scope.column(*column)),
                Above::Expr(expr) => self.bind_expr(expr, &mut Env::rows(scope)),
            })
            .collect::<Bound<Vec<Expr>>>()?;
        let qualify = qualify
            .map(|qualify| self.bind_condition(&qualify, &mut Env::rows(scope), "QUALIFY"))
            .transpose()?;
        let relation = self.project(&over, qualify, exprs, names);
        if select.distinct { self.distinct(relation, select.span).map(Some) } else { Ok(Some(relation)) }
    }

    fn take_apart(&self, item: &Item, select: &Select, parts: &mut Parts) -> Bound<Above> {
        match &item.source {
            ItemSource::Expr(expr) if has_over(expr) => {
                Ok(Above::Expr(self.above(expr.clone(), select, parts)?))
            }
            _ => {
                parts.below.push(item.clone());
                Ok(Above::Below(parts.below.len() - 1))
            }
        }
    }

    /// The condition of QUALIFY, which may name columns of the SELECT that hold calls.
    fn qualify_apart(
        &self,
        qualify: &ast::Expr,
        select: &Select,
        input: &Relation,
        parts: &mut Parts,
    ) -> Bound<ast::Expr> {
        let scope = Scope::of(input);
        let mut qualify = qualify.clone();
        replace_names(&mut qualify, &|name| {
            if scope.resolve(std::slice::from_ref(name)).is_ok() {
                return None;
            }
            select.items.iter().find_map(|item| match item {
                SelectItem::Expr { expr, alias: Some(alias) } if alias.value == name.value => {
                    Some(expr.clone())
                }
                _ => None,
            })
        });
        self.above(qualify, select, parts)
    }

    /// What of an expression stands above the windows.
    fn above(&self, mut expr: ast::Expr, select: &Select, parts: &mut Parts) -> Bound<ast::Expr> {
        if let ExprKind::Call(call) = &*expr.kind
            && call.over.is_some()
        {
            let text = unparse_expr(&expr);
            if let Some(known) = parts.texts.iter().position(|known| *known == text) {
                return Ok(named(&call_name(known), &expr));
            }
            let name = call_name(parts.calls.len());
            let window = self.resolve_window(call, select)?;
            let mut below = |expr: &ast::Expr| parts.add(expr);
            let args = call.args.iter().map(|arg| below(&arg.value)).collect();
            let filter = call.filter.as_ref().map(&mut below);
            let keys = window.partition_by.iter().map(&mut below).collect();
            let order: Vec<(usize, OrderItem)> =
                window.order_by.iter().map(|item| (below(&item.expr), item.clone())).collect();
            let call = WindowCall { call: call.clone(), window, args, filter, keys, order };
            parts.calls.push(call);
            parts.texts.push(text);
            return Ok(named(&name, &expr));
        }
        if matches!(&*expr.kind, ExprKind::Literal(_)) {
            return Ok(expr);
        }
        if !has_over(&expr) {
            let place = parts.add(&expr);
            return Ok(named(&parts.below[place].name, &expr));
        }
        for part in parts_mut(&mut expr) {
            let above = self.above(part.clone(), select, parts)?;
            *part = above;
        }
        if has_over(&expr) {
            return Err(Diagnostic::new(expr.span, "a call with OVER can't stand inside this construct")
                .with_hint("compute it in a subquery and use its column here"));
        }
        Ok(expr)
    }
}

impl Parts {
    /// The column below that an expression is; one that is written the same is the same.
    fn add(&mut self, expr: &ast::Expr) -> usize {
        let name = match &*expr.kind {
            ExprKind::Name(parts) if parts.len() == 1 => format!("${}", parts[0].value),
            _ => format!("$({})", unparse_expr(expr)),
        };
        if let Some(known) = self.below.iter().position(|item| item.name == name) {
            return known;
        }
        self.below.push(Item { name, source: ItemSource::Expr(expr.clone()) });
        self.below.len() - 1
    }
}

fn call_name(call: usize) -> String {
    format!("$over{call}")
}

/// A name in the place of an expression.
fn named(name: &str, expr: &ast::Expr) -> ast::Expr {
    let ident = Ident { value: name.to_string(), quoted: true, span: expr.span };
    ast::Expr::new(ExprKind::Name(vec![ident]), expr.span)
}

/// Replaces names of one part.
fn replace_names(expr: &mut ast::Expr, by: &impl Fn(&Ident) -> Option<ast::Expr>) {
    if let ExprKind::Name(parts) = &*expr.kind
        && let [name] = parts.as_slice()
        && let Some(other) = by(name)
    {
        *expr = other;
        return;
    }
    parts_mut(expr).into_iter().for_each(|part| replace_names(part, by));
}

/// The columns of calls under the names that the expressions above them use.
fn with_call_names(mut over: Relation, places: &[usize]) -> Relation {
    for (call, &place) in places.iter().enumerate() {
        over.columns[place].field.name = call_name(call);
    }
    over
}
