//! ROW_NUMBER() OVER (..) with a condition on it: Top-N, deduplication and window Top-N.
//!
//! A SELECT with ROW_NUMBER binds to an OVER below a projection. A condition on the rank, in the WHERE of the query
//! around it or in QUALIFY, narrows the ranks: a Top-N of these ranks is put beside the OVER, which is dropped with
//! all that reaches no sink. An OVER that streaming does not have is refused only if it reaches a sink.

use super::columns::parts;
use super::expr::{Env, junction};
use super::fingerprint::fingerprint;
use super::literal::bigint;
use super::over::has_over;
use super::scope::Scope;
use super::select::{Item, ItemSource};
use super::{Binder, Bound, NodeTraits, Relation, RelationColumn, Windowing, unsupported};
use crate::ast::{self, BinaryOp, ExprKind, FunctionCall, Literal, OrderItem, Select, SelectItem};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use crate::unparse::unparse_expr;
use tidemill_plan::over::{OverCall, OverFrame, RankFunction};
use tidemill_plan::rank::{DeduplicatePlan, RankEnd, RankPlan, SortColumn, TopNPlan, WindowTopNPlan};
use tidemill_plan::{ChangelogMode, Exchange, Expr, Input, NodeId, Operator};
use tidemill_types::{Field, Schema, TimeAttribute, TypeKind};

/// A projection over a Top-N whose ranks may be narrowed.
#[derive(Debug, Clone)]
pub(crate) struct Ranked {
    /// The rows that are ranked.
    input: Relation,
    ranks: RankPlan,
    /// The Top-N.
    node: NodeId,
    /// The projection above the Top-N and its columns.
    project: Vec<Expr>,
    columns: Vec<RelationColumn>,
    /// The column of the projection that is the rank.
    column: usize,
    span: Span,
    /// The place of each input column among the columns of FROM.
    places: Vec<Option<usize>>,
    /// Why all ranks can't be had.
    refusal: Option<Diagnostic>,
}

/// A condition on a rank.
enum RankBound {
    From(u64),
    To(u64),
    ToColumn(usize),
    Between(u64, u64),
}

impl Binder<'_> {
    /// Binds a SELECT whose only calls with an OVER clause are ROW_NUMBER over one window, as columns by themselves
    /// or in comparisons of QUALIFY; else `None`.
    pub(super) fn bind_ranked(&mut self, select: &Select) -> Bound<Option<Relation>> {
        if select.distinct || !self.only_ranks(select)? {
            return Ok(None);
        }
        let (input, filter) = self.bind_source(select)?;
        let scope = Scope::of(&input);
        let items = self.expand_items(&select.items, scope)?;
        let (plain, calls) = self.split_ranks(&items, select)?;
        let aggregated = select.group_by.is_some() || select.having.is_some() || self.has_aggregate(&plain);
        let (relation, places) = match aggregated {
            true => (self.bind_aggregation(select, &input, filter, &plain)?, Vec::new()),
            false => {
                let source = input.node;
                let relation = self.bind_projection(input, filter, &plain)?;
                let places = self.source_places(&relation, source);
                (relation, places)
            }
        };
        self.rank(relation, &items, plain.len(), &calls, (places, select)).map(Some)
    }

    fn only_ranks(&self, select: &Select) -> Bound<bool> {
        let mut calls: Vec<&FunctionCall> = Vec::new();
        for item in &select.items {
            let SelectItem::Expr { expr, .. } = item else { continue };
            match over_call(expr) {
                Some(call) => calls.push(call),
                None if has_over(expr) => return Ok(false),
                None => {}
            }
        }
        if let Some(qualify) = &select.qualify {
            let known = calls.len();
            over_calls(qualify, &mut calls);
            if calls.len() - known != over_count(qualify) {
                return Ok(false);
            }
        }
        let mut windows = Vec::new();
        for call in &calls {
            if !call.name.last().value.eq_ignore_ascii_case("ROW_NUMBER") {
                return Ok(false);
            }
            let window = self.resolve_window(call, select)?;
            if window.order_by.is_empty() || window.frame.is_some() {
                return Ok(false);
            }
            let keys: Vec<String> = window.partition_by.iter().map(unparse_expr).collect();
            let order: Vec<_> = window
                .order_by
                .iter()
                .map(|item| (unparse_expr(&item.expr), item.descending, item.nulls_first))
                .collect();
            windows.push((keys, order));
        }
        Ok(!calls.is_empty() && windows.iter().all(|window| *window == windows[0]))
    }

    /// The place of each column among those of the node it comes from; none for those that are computed.
    fn source_places(&self, relation: &Relation, source: NodeId) -> Vec<Option<usize>> {
        match &self.plan.nodes[relation.node].operator {
            Operator::Calc { project, .. } if relation.node != source => project
                .iter()
                .map(|expr| match expr {
                    Expr::Column { index, .. } => Some(*index),
                    _ => None,
                })
                .collect(),
            _ => (0..relation.columns.len()).map(Some).collect(),
        }
    }

    /// The items that are no ranks, with what the windows need behind them; and the windows.
    fn split_ranks(
        &self,
        items: &[Item],
        select: &Select,
    ) -> Bound<(Vec<Item>, Vec<(ast::WindowSpec, Span)>)> {
        let mut plain: Vec<Item> = items.iter().filter(|item| rank_call(item).is_none()).cloned().collect();
        let mut windows = Vec::new();
        let mut calls: Vec<&FunctionCall> = items.iter().filter_map(rank_call).collect();
        if let Some(qualify) = &select.qualify {
            over_calls(qualify, &mut calls);
        }
        for call in calls {
            let window = self.resolve_window(call, select)?;
            let exprs = window.partition_by.iter().chain(window.order_by.iter().map(|item| &item.expr));
            for expr in exprs {
                plain.push(Item {
                    name: format!("$key{}", plain.len()),
                    source: ItemSource::Expr(expr.clone()),
                });
            }
            windows.push((window, call.span));
        }
        Ok((plain, windows))
    }

    /// Ranks rows whose last columns are the keys of the windows.
    fn rank(
        &mut self,
        input: Relation,
        items: &[Item],
        width: usize,
        windows: &[(ast::WindowSpec, Span)],
        (source_places, select): (Vec<Option<usize>>, &Select),
    ) -> Bound<Relation> {
        let key_count: usize = windows.iter().map(|(w, _)| w.partition_by.len() + w.order_by.len()).sum();
        let places = self.first_places(&input);
        let mut next = width - key_count;
        let mut found: Option<(Vec<usize>, Vec<SortColumn>)> = None;
        for (window, span) in windows {
            let keys: Vec<usize> = (next..next + window.partition_by.len()).map(|i| places[i]).collect();
            next += keys.len();
            let order: Vec<SortColumn> = window
                .order_by
                .iter()
                .enumerate()
                .map(|(i, item)| sort_column(places[next + i], item))
                .collect();
            next += window.order_by.len();
            match &found {
                Some(known) if known.0 != keys || known.1 != order => {
                    let message = "over aggregates must be computed on the same window";
                    return Err(Diagnostic::new(*span, message));
                }
                Some(_) => {}
                None => found = Some((keys, order)),
            }
        }
        let (keys, order) = found.expect("a ranked SELECT has a window");
        let ranks = RankPlan { keys, order, start: 1, end: u64::MAX, end_column: None, rank: true };
        let (project, columns, column, shown) = rank_projection(&input, items);
        let mut ranked = Ranked {
            input,
            ranks,
            node: 0,
            project,
            columns,
            column,
            span: windows[0].1,
            places: source_places,
            refusal: None,
        };
        let relation = self.push_ranked(&mut ranked)?;
        self.ranks.insert(relation.node, ranked);
        match &select.qualify {
            Some(qualify) => self.qualify(relation, qualify, shown),
            None => Ok(relation),
        }
    }

    /// For each column of a projection the first one that is the same.
    pub(super) fn first_places(&self, relation: &Relation) -> Vec<usize> {
        match &self.plan.nodes[relation.node].operator {
            Operator::Calc { project, .. } if project.len() == relation.columns.len() => {
                let prints: Vec<String> = project.iter().map(fingerprint).collect();
                prints.iter().map(|print| prints.iter().position(|p| p == print).unwrap_or(0)).collect()
            }
            _ => (0..relation.columns.len()).collect(),
        }
    }

    fn qualify(&mut self, relation: Relation, qualify: &ast::Expr, shown: usize) -> Bound<Relation> {
        let (narrowed, rest) = self.narrow_ranks(relation, Some(qualify))?;
        let scope = Scope::of(&narrowed);
        let terms = rest
            .iter()
            .map(|term| self.bind_condition(term, &mut Env::rows(scope), "QUALIFY"))
            .collect::<Bound<Vec<_>>>()?;
        let filter = (!terms.is_empty()).then(|| junction(true, terms));
        let exprs = (0..shown).map(|i| scope.column(i)).collect();
        let names = narrowed.columns[..shown].iter().map(|column| column.field.name.clone()).collect();
        Ok(self.project(&narrowed, filter, exprs, names))
    }

    /// Takes the conditions on a rank out of a condition; gives the terms that are left.
    pub(crate) fn narrow_ranks(
        &mut self,
        input: Relation,
        condition: Option<&ast::Expr>,
    ) -> Bound<(Relation, Vec<ast::Expr>)> {
        let mut terms = Vec::new();
        if let Some(condition) = condition {
            conjuncts(condition, &mut terms);
        }
        let Some(mut ranked) = self.ranks.get(&input.node).cloned() else {
            return Ok((input, condition.cloned().into_iter().collect()));
        };
        let unchanged = |input| Ok((input, condition.cloned().into_iter().collect()));
        let batch = self.session.info().batch;
        let (mut rest, mut from) = (Vec::new(), false);
        for term in terms {
            match rank_bound(term, &ranked, Scope::of(&input)) {
                Some(RankBound::From(start)) => {
                    ranked.ranks.start = ranked.ranks.start.max(start);
                    from = true;
                }
                Some(RankBound::To(end)) => ranked.ranks.end = ranked.ranks.end.min(end),
                Some(RankBound::ToColumn(column)) if !batch => {
                    let places = ranked.places.clone();
                    ranked.ranks.end_column = Some(RankEnd { column, places });
                }
                Some(RankBound::Between(start, end)) => {
                    ranked.ranks.start = ranked.ranks.start.max(start);
                    ranked.ranks.end = ranked.ranks.end.min(end);
                }
                _ => rest.push(term.clone()),
            }
        }
        // A Top-N has one upper end, and nothing else may look at the rank.
        if rest.iter().any(|term| names_rank(term, &ranked, Scope::of(&input))) {
            return unchanged(input);
        }
        let RankPlan { start, end, .. } = ranked.ranks;
        let column = ranked.ranks.end_column.is_some();
        if end == u64::MAX && !column && from && !batch {
            let message = "Rank end is not specified. Currently rank only support TopN, which means the rank end must be specified.";
            return Err(Diagnostic::new(ranked.span, message)
                .with_hint("keep the first N rows with a condition such as rn <= N in the query around it"));
        }
        if end == 0 && !batch {
            return Err(Diagnostic::new(ranked.span, "Rank end should not less than zero, but now is 0")
                .with_hint("ranks start at 1"));
        }
        if (end == u64::MAX && !column) || start > end || (column && (end < u64::MAX || from)) {
            return unchanged(input);
        }
        if start == end {
            ranked.project[ranked.column] = bigint(start as i64);
        }
        let narrowed = self.push_ranked(&mut ranked)?;
        Ok((Relation { columns: input.columns, ..narrowed }, rest))
    }

    /// Adds a Top-N with the projection above it.
    fn push_ranked(&mut self, ranked: &mut Ranked) -> Bound<Relation> {
        let (operator, traits) = self.rank_operator(ranked)?;
        let mut schema = ranked.input.schema();
        if !matches!(operator, Operator::Deduplicate(_)) {
            schema = Schema::new([schema.fields.to_vec(), vec![rank_field("$rank")]].concat());
        }
        let keys = &ranked.ranks.keys;
        let exchange = if keys.is_empty() { Exchange::Single } else { Exchange::Hash(keys.clone()) };
        let changelog = traits.changelog;
        ranked.node = self.push(operator, vec![Input { node: ranked.input.node, exchange }], schema, traits);
        let windowing = super::select::attached_after(&ranked.input, &ranked.project);
        let relation = Relation { node: 0, columns: ranked.columns.clone(), windowing };
        let calc = Operator::Calc { filter: None, project: ranked.project.clone() };
        let upsert_key =
            super::select::key_after(self.plan.nodes[ranked.node].upsert_key.as_deref(), &ranked.project);
        let traits = NodeTraits { changelog, upsert_key };
        let node = self.push_forward(calc, ranked.node, relation.schema(), traits);
        Ok(Relation { node, ..relation })
    }

    fn rank_operator(&self, ranked: &mut Ranked) -> Bound<(Operator, NodeTraits)> {
        let changelog = self.plan.nodes[ranked.input.node].changelog;
        let ranks = ranked.ranks.clone();
        let batch = self.session.info().batch;
        let narrowed = ranks.end < u64::MAX || ranks.end_column.is_some();
        let first_only = ranks.start == 1 && ranks.end == 1;
        let time = match ranks.order.as_slice() {
            [sort] => ranked.input.columns[sort.column].field.time.map(|time| (time, *sort)),
            _ => None,
        };
        let ttl_ms = self.session.settings.duration_ms("table.exec.state.ttl");
        let retract = !changelog.append_only();
        if !narrowed {
            return Ok(self.all_ranks(ranked, retract));
        }
        if batch {
            let plan = TopNPlan {
                ranks,
                retract,
                final_only: true,
                inserts_only: false,
                update_before: true,
                ttl_ms: 0,
            };
            return Ok((Operator::TopN(plan), NodeTraits::append()));
        }
        if let Some((window_end, kind, zone)) = self.ranked_window(ranked) {
            if ranks.end_column.is_some() {
                return Err(unsupported(ranked.span, "a window Top-N whose last rank is a column"));
            }
            if !changelog.append_only() {
                let message =
                    "a window rank doesn't support consuming update and delete changes of its input";
                return Err(
                    Diagnostic::new(ranked.span, message).with_hint("rank the result of a window aggregate")
                );
            }
            let latest_first = first_only && time.is_some_and(|(_, sort)| sort.descending);
            let plan = WindowTopNPlan { ranks, window_end, time: kind, zone, latest_first };
            return Ok((Operator::WindowTopN(plan), NodeTraits::append()));
        }
        match time {
            Some((time, sort)) if first_only && !retract => {
                let keep_last = sort.descending;
                let keys = ranks.keys.clone();
                let plan = DeduplicatePlan {
                    keys: ranks.keys,
                    time_column: sort.column,
                    time,
                    keep_last,
                    update_before: true,
                    ttl_ms,
                };
                let update = ChangelogMode { update: true, update_before: true, delete: false };
                let changelog = if keep_last { update } else { ChangelogMode::APPEND };
                Ok((Operator::Deduplicate(plan), NodeTraits { changelog, upsert_key: Some(keys) }))
            }
            _ => {
                let mini_batch = self.session.settings.is("table.exec.mini-batch.enabled", "true");
                let last = matches!(ranks.order.as_slice(), [sort] if sort.descending);
                let inserts_only = first_only && !retract && !mini_batch && !last;
                let upsert_key = (first_only && !inserts_only).then(|| ranks.keys.clone());
                let plan =
                    TopNPlan { ranks, retract, final_only: false, inserts_only, update_before: true, ttl_ms };
                let changelog = if inserts_only { ChangelogMode::APPEND } else { ChangelogMode::RETRACT };
                Ok((Operator::TopN(plan), NodeTraits { changelog, upsert_key }))
            }
        }
    }

    /// ROW_NUMBER without a condition on it. Where streaming does not have it, a Top-N of all ranks stands in for it
    /// until it is narrowed.
    fn all_ranks(&self, ranked: &mut Ranked, retract: bool) -> (Operator, NodeTraits) {
        let ranks = ranked.ranks.clone();
        let frame = OverFrame::up_to_current(true);
        let calls = vec![OverCall::Rank(RankFunction::RowNumber)];
        let (keys, order) = (ranks.keys.clone(), ranks.order.clone());
        match self.over_plan(&ranked.input, keys, order, frame, calls, ranked.span) {
            Ok(plan) => {
                let traits = self.over_traits(&plan, &ranked.input);
                (Operator::Over(plan), traits)
            }
            Err(refusal) => {
                ranked.refusal = Some(refusal);
                let plan = TopNPlan {
                    ranks,
                    retract,
                    final_only: false,
                    inserts_only: false,
                    update_before: true,
                    ttl_ms: 0,
                };
                (Operator::TopN(plan), NodeTraits { changelog: ChangelogMode::RETRACT, upsert_key: None })
            }
        }
    }

    /// The window end if the partition holds the window of the rows.
    fn ranked_window(&self, ranked: &Ranked) -> Option<(usize, TimeAttribute, Option<chrono_tz::Tz>)> {
        let Some(Windowing::Attached { start, end, time, kind, .. }) = &ranked.input.windowing else {
            return None;
        };
        let keys = &ranked.ranks.keys;
        let zone =
            time.and_then(|time| self.window_zone(&ranked.input.columns[time].field.data_type.kind, *kind));
        (keys.contains(start) && keys.contains(end)).then_some((*end, *kind, zone))
    }

    /// Refuses a ROW_NUMBER of all ranks that streaming does not have and that reaches this node.
    pub(crate) fn refuse_open_ranks(&self, node: NodeId) -> Bound<()> {
        let mut reached = vec![false; node + 1];
        reached[node] = true;
        for id in (0..=node).rev() {
            if reached[id] {
                self.plan.nodes[id].inputs.iter().for_each(|input| reached[input.node] = true);
            }
        }
        let refused = self.ranks.values().filter(|ranked| reached.get(ranked.node) == Some(&true));
        match refused
            .filter_map(|ranked| Some((ranked.node, ranked.refusal.clone()?)))
            .min_by_key(|(id, _)| *id)
        {
            Some((_, refusal)) => Err(refusal),
            None => Ok(()),
        }
    }
}

/// The sort column that an item of ORDER BY asks for. NULL is the lowest value unless told otherwise.
pub(crate) fn sort_column(column: usize, item: &OrderItem) -> SortColumn {
    let nulls_first = item.nulls_first.unwrap_or(!item.descending);
    SortColumn { column, descending: item.descending, nulls_first }
}

fn rank_field(name: &str) -> Field {
    Field::new(name, TypeKind::BigInt.not_null())
}

/// What stands above the Top-N: the items in their order, the place of the rank (behind them if it is no
/// item), and how many are shown.
fn rank_projection(input: &Relation, items: &[Item]) -> (Vec<Expr>, Vec<RelationColumn>, usize, usize) {
    let scope = Scope::of(input);
    let rank = Expr::column(input.columns.len(), "$rank", TypeKind::BigInt.not_null());
    let (mut project, mut columns, mut column, mut next) = (Vec::new(), Vec::new(), None, 0);
    for item in items {
        if rank_call(item).is_some() {
            column.get_or_insert(project.len());
            project.push(rank.clone());
            columns.push(RelationColumn { qualifier: None, field: rank_field(&item.name), hidden: false });
        } else {
            project.push(scope.column(next));
            columns.push(RelationColumn {
                qualifier: None,
                field: input.columns[next].field.clone(),
                hidden: false,
            });
            next += 1;
        }
    }
    let shown = project.len();
    let column = column.unwrap_or_else(|| {
        project.push(rank);
        columns.push(RelationColumn { qualifier: None, field: rank_field("$rank"), hidden: false });
        shown
    });
    (project, columns, column, shown)
}

fn rank_call(item: &Item) -> Option<&FunctionCall> {
    match &item.source {
        ItemSource::Expr(expr) => over_call(expr),
        _ => None,
    }
}

fn over_call(expr: &ast::Expr) -> Option<&FunctionCall> {
    match &*expr.kind {
        ExprKind::Call(call) if call.over.is_some() => Some(call),
        _ => None,
    }
}

/// The calls with OVER that a condition compares.
fn over_calls<'a>(condition: &'a ast::Expr, out: &mut Vec<&'a FunctionCall>) {
    let mut terms = Vec::new();
    conjuncts(condition, &mut terms);
    for term in terms {
        match &*term.kind {
            ExprKind::Binary { left, right, .. } => {
                out.extend([left, right].into_iter().filter_map(over_call))
            }
            ExprKind::Between { operand, .. } => out.extend(over_call(operand)),
            _ => {}
        }
    }
}

fn over_count(expr: &ast::Expr) -> usize {
    match over_call(expr) {
        Some(_) => 1,
        None => parts(expr).into_iter().map(over_count).sum(),
    }
}

fn conjuncts<'a>(condition: &'a ast::Expr, out: &mut Vec<&'a ast::Expr>) {
    match &*condition.kind {
        ExprKind::Binary { op: BinaryOp::And, left, right } => {
            conjuncts(left, out);
            conjuncts(right, out);
        }
        _ => out.push(condition),
    }
}

fn rank_bound(term: &ast::Expr, ranked: &Ranked, scope: Scope<'_>) -> Option<RankBound> {
    let place = |expr: &ast::Expr| match &*expr.kind {
        ExprKind::Name(parts) => {
            scope.resolve(parts).ok().filter(|(_, used)| *used == parts.len()).map(|(at, _)| at)
        }
        ExprKind::Call(call) if call.over.is_some() => Some(ranked.column),
        _ => None,
    };
    let is_rank = |expr: &ast::Expr| place(expr) == Some(ranked.column);
    match &*term.kind {
        ExprKind::Between { operand, negated: false, symmetric: false, low, high } if is_rank(operand) => {
            Some(RankBound::Between(whole(low)?.max(1), whole(high)?))
        }
        ExprKind::Binary { op, left, right } => {
            let (op, value) = match (is_rank(left), is_rank(right)) {
                (true, false) => (*op, right),
                (false, true) => (mirrored(*op)?, left),
                _ => return None,
            };
            match (op, whole(value)) {
                (BinaryOp::LtEq, Some(end)) => Some(RankBound::To(end)),
                (BinaryOp::Lt, Some(end)) => Some(RankBound::To(end.saturating_sub(1))),
                (BinaryOp::Eq, Some(rank)) => Some(RankBound::Between(rank, rank)),
                (BinaryOp::GtEq, Some(start)) => Some(RankBound::From(start)),
                (BinaryOp::Gt, Some(start)) => Some(RankBound::From(start.saturating_add(1))),
                // Flink takes all three for the last rank.
                (BinaryOp::LtEq | BinaryOp::Lt | BinaryOp::Eq, None) => {
                    let Expr::Column { index, data_type, .. } = &ranked.project[place(value)?] else {
                        return None;
                    };
                    let integer = matches!(
                        data_type.kind,
                        TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int | TypeKind::BigInt
                    );
                    integer.then_some(RankBound::ToColumn(*index))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// Whether a condition looks at the rank.
fn names_rank(expr: &ast::Expr, ranked: &Ranked, scope: Scope<'_>) -> bool {
    match &*expr.kind {
        ExprKind::Name(names) => scope.resolve(names).is_ok_and(|(column, _)| column == ranked.column),
        ExprKind::Call(call) if call.over.is_some() => true,
        _ => parts(expr).into_iter().any(|part| names_rank(part, ranked, scope)),
    }
}

fn mirrored(op: BinaryOp) -> Option<BinaryOp> {
    Some(match op {
        BinaryOp::Eq => BinaryOp::Eq,
        BinaryOp::Lt => BinaryOp::Gt,
        BinaryOp::LtEq => BinaryOp::GtEq,
        BinaryOp::Gt => BinaryOp::Lt,
        BinaryOp::GtEq => BinaryOp::LtEq,
        _ => return None,
    })
}

/// A literal whole number.
pub(crate) fn whole(expr: &ast::Expr) -> Option<u64> {
    match &*expr.kind {
        ExprKind::Literal(Literal::Number(text)) => text.parse().ok(),
        _ => None,
    }
}
