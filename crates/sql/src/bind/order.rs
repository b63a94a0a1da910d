//! ORDER BY, LIMIT, OFFSET and FETCH at the end of a query.
//!
//! Rule (Flink documentation, "ORDER BY clause", "LIMIT clause"): streaming sorts by an ascending time attribute
//! first, or with a LIMIT, which makes a Top-N of all rows; batch sorts by anything. An ORDER BY without
//! LIMIT inside of another query has no effect.

use super::expr::Env;
use super::rank::{sort_column, whole};
use super::select::{Item, ItemSource};
use super::{Binder, Bound, NodeTraits, Relation};
use crate::ast::{self, ExprKind, Ident, OrderItem, Query, QueryBody, SelectItem};
use crate::diagnostic::Diagnostic;
use tidemill_plan::rank::{RankPlan, SortColumn, TimeSortPlan, TopNPlan};
use tidemill_plan::{ChangelogMode, Exchange, Input, Operator};
use tidemill_types::TimeAttribute;

impl Binder<'_> {
    /// Binds the body of a query with what follows it.
    pub(crate) fn bind_ordered(&mut self, query: &Query) -> Bound<Relation> {
        let limited = query.limit.is_some() || query.offset.is_some();
        let sorted = !query.order_by.is_empty() && (limited || self.query_depth == 1);
        let order = if sorted { query.order_by.as_slice() } else { &[] };
        let body = self.bind_body(&query.body)?;
        if !sorted && !limited {
            return Ok(body);
        }
        let body = self.assign_windows(body);
        let width = body.columns.len();
        let (relation, order) = self.sort_columns(&query.body, body, order)?;
        let relation = match limited {
            true => self.limited(relation, order, query)?,
            false => self.sorted(relation, order, query)?,
        };
        if relation.columns.len() == width {
            return Ok(relation);
        }
        let scope = super::scope_of(&relation.columns);
        let exprs = (0..width).map(|i| scope.column(i)).collect();
        let names = relation.columns[..width].iter().map(|column| column.field.name.clone()).collect();
        Ok(self.project(&relation, None, exprs, names))
    }

    /// The columns to sort by; those that are not among the columns of the query are added behind them.
    fn sort_columns(
        &mut self,
        body: &QueryBody,
        relation: Relation,
        order: &[OrderItem],
    ) -> Bound<(Relation, Vec<SortColumn>)> {
        let places =
            order.iter().map(|item| shown_place(&item.expr, &relation)).collect::<Bound<Vec<_>>>()?;
        let missing: Vec<&OrderItem> =
            order.iter().zip(&places).filter(|(_, place)| place.is_none()).map(|(item, _)| item).collect();
        let width = relation.columns.len();
        let relation = match (missing.is_empty(), body) {
            (true, _) => relation,
            (false, QueryBody::Select(select)) if !select.distinct => {
                let mut select = select.clone();
                select.items.extend(missing.iter().enumerate().map(|(i, item)| SelectItem::Expr {
                    expr: item.expr.clone(),
                    alias: Some(Ident { value: format!("$order{i}"), quoted: true, span: item.span }),
                }));
                let relation = self.bind_select(&select)?;
                self.assign_windows(relation)
            }
            (false, _) => self.with_computed(relation, &missing)?,
        };
        let mut next = width..;
        let order = order.iter().zip(places).map(|(item, place)| {
            sort_column(place.or_else(|| next.next()).expect("the range has no end"), item)
        });
        let order = order.collect();
        Ok((relation, order))
    }

    fn with_computed(&mut self, relation: Relation, items: &[&OrderItem]) -> Bound<Relation> {
        let width = relation.columns.len();
        let computed = items.iter().enumerate().map(|(i, item)| Item {
            name: format!("$order{}", width + i),
            source: ItemSource::Expr(item.expr.clone()),
        });
        let mut computed: Vec<Item> = computed.collect();
        let (relation, _) = self.lift_items(relation, None, &mut computed)?;
        let scope = super::scope_of(&relation.columns);
        let mut exprs: Vec<_> = (0..width).map(|i| scope.column(i)).collect();
        let mut names: Vec<String> =
            relation.columns[..width].iter().map(|column| column.field.name.clone()).collect();
        for item in computed {
            exprs.push(self.bind_item(&item, &mut Env::rows(scope))?);
            names.push(item.name);
        }
        Ok(self.project(&relation, None, exprs, names))
    }

    /// ORDER BY without LIMIT.
    fn sorted(&mut self, relation: Relation, order: Vec<SortColumn>, query: &Query) -> Bound<Relation> {
        if self.session.info().batch {
            return Ok(self.push_top_n(relation, order, 1, u64::MAX));
        }
        let first = order[0];
        let time = relation.columns[first.column].field.time;
        let span = query.order_by[0].span;
        match time {
            Some(TimeAttribute::Rowtime) if !first.descending => {}
            Some(TimeAttribute::Proctime) if !first.descending && order.len() == 1 => return Ok(relation),
            Some(TimeAttribute::Proctime) if !first.descending => {
                return Err(super::unsupported(span, "ORDER BY processing time and more columns"));
            }
            _ => {
                return Err(Diagnostic::new(span, "Sort on a non-time-attribute field is not supported.")
                    .with_hint("sort by an ascending time attribute first, or add a LIMIT"));
            }
        }
        if !self.plan.nodes[relation.node].changelog.append_only() {
            let message = "a sort by time doesn't support consuming update and delete changes of its input";
            return Err(Diagnostic::new(span, message).with_hint("add a LIMIT"));
        }
        let plan = TimeSortPlan { time_column: first.column, order: order[1..].to_vec() };
        Ok(self.push_single(Operator::TimeSort(plan), relation, ChangelogMode::APPEND))
    }

    /// LIMIT, OFFSET and FETCH, with or without ORDER BY.
    fn limited(&mut self, relation: Relation, order: Vec<SortColumn>, query: &Query) -> Bound<Relation> {
        let batch = self.session.info().batch;
        let offset = query.offset.as_ref().map_or(Ok(0), row_count)?;
        let count = match (&query.limit, &query.offset) {
            (Some(limit), _) => row_count(limit)?,
            (None, Some(offset)) if !batch => {
                let message = "FETCH is missed, which on streaming table is not supported currently";
                return Err(Diagnostic::new(offset.span, message).with_hint("add a LIMIT"));
            }
            (None, _) => u64::MAX,
        };
        let append = self.plan.nodes[relation.node].changelog.append_only();
        if count == 0 || (order.is_empty() && append) {
            return Ok(self.push_single(Operator::Limit { offset, count }, relation, ChangelogMode::APPEND));
        }
        Ok(self.push_top_n(relation, order, offset.saturating_add(1), offset.saturating_add(count)))
    }

    fn push_top_n(&mut self, relation: Relation, order: Vec<SortColumn>, start: u64, end: u64) -> Relation {
        let batch = self.session.info().batch;
        let retract = !self.plan.nodes[relation.node].changelog.append_only();
        let ranks = RankPlan { keys: Vec::new(), order, start, end, end_column: None, rank: false };
        let changelog = if batch { ChangelogMode::APPEND } else { ChangelogMode::RETRACT };
        let ttl_ms = self.session.settings.duration_ms("table.exec.state.ttl");
        let plan =
            TopNPlan { ranks, retract, final_only: batch, inserts_only: false, update_before: true, ttl_ms };
        self.push_single(Operator::TopN(plan), relation, changelog)
    }

    /// Adds an operator that gets all rows in one task and passes them on.
    fn push_single(&mut self, operator: Operator, relation: Relation, changelog: ChangelogMode) -> Relation {
        let traits = NodeTraits { changelog, upsert_key: None };
        let inputs = vec![Input { node: relation.node, exchange: Exchange::Single }];
        let node = self.push(operator, inputs, relation.schema(), traits);
        Relation { node, ..relation }
    }
}

/// The column of the query that an expression of ORDER BY means: its number or name.
fn shown_place(expr: &ast::Expr, relation: &Relation) -> Bound<Option<usize>> {
    if let Some(number) = whole(expr) {
        let place = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        return match place.filter(|place| *place < relation.columns.len()) {
            Some(place) => Ok(Some(place)),
            None => Err(Diagnostic::new(expr.span, format!("the query has no column {number} to order by"))),
        };
    }
    let ExprKind::Name(parts) = &*expr.kind else { return Ok(None) };
    let [name] = parts.as_slice() else { return Ok(None) };
    Ok(relation.columns.iter().position(|column| column.field.name == name.value))
}

fn row_count(expr: &ast::Expr) -> Bound<u64> {
    whole(expr).ok_or_else(|| Diagnostic::new(expr.span, "LIMIT, OFFSET and FETCH take a whole number"))
}
