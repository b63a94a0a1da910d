//! Calls with OVER: their functions, and an operator for each window.
//!
//! Rule (Flink's planner): in streaming all calls of a SELECT share partition, order and frame; the order is one
//! ascending column, the frame ends at the current row, and one that starts at a distance needs a time attribute.

use super::call_text::call_text;
use super::rank::{sort_column, whole};
use super::scope::Scope;
use super::{Binder, Bound, NodeTraits, Relation, RelationColumn, at, unsupported};
use crate::ast::{FunctionCall, NullTreatment, OrderItem, SetQuantifier, WindowSpec};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use tidemill_plan::over::{OverCall, OverFrame, OverMode, OverPlan, RankFunction};
use tidemill_plan::rank::SortColumn;
use tidemill_plan::{
    AggregateCall, ArgumentInfo, BindCall, CastMode, ChangelogMode, Exchange, Expr, Input, Operator,
};
use tidemill_types::{DataType, Schema, TimeAttribute, TypeKind};

/// A call with its window; what it needs is a column below by index.
pub(super) struct WindowCall {
    pub(super) call: FunctionCall,
    pub(super) window: WindowSpec,
    pub(super) args: Vec<usize>,
    pub(super) filter: Option<usize>,
    pub(super) keys: Vec<usize>,
    pub(super) order: Vec<(usize, OrderItem)>,
}

/// Partition, order and frame of calls, and which calls they are.
struct Window {
    keys: Vec<usize>,
    order: Vec<SortColumn>,
    frame: OverFrame,
    calls: Vec<usize>,
    span: Span,
}

impl Binder<'_> {
    /// Adds an operator for each window; gives the column of each call.
    pub(super) fn push_windows(
        &mut self,
        below: Relation,
        calls: &[WindowCall],
    ) -> Bound<(Relation, Vec<usize>)> {
        let names = calls.iter().map(|call| call.call.name.last().value.to_uppercase()).collect::<Vec<_>>();
        let windows = self.windows(&below, calls, &names)?;
        let mut relation = below;
        let mut wanted = Vec::with_capacity(calls.len());
        for (call, name) in calls.iter().zip(&names) {
            let frame = windows.iter().find(|window| window.calls.contains(&wanted.len())).map(|w| w.frame);
            let frame = frame.expect("each call has its window");
            let function = self.over_function(&mut relation, call, name, frame)?;
            wanted.push(function);
        }
        let mut places = vec![0; calls.len()];
        for window in windows {
            let behind = relation.columns.len()..;
            window.calls.iter().zip(behind).for_each(|(&call, place)| places[call] = place);
            let calls = window.calls.iter().map(|&call| wanted[call].clone()).collect();
            let plan =
                self.over_plan(&relation, window.keys, window.order, window.frame, calls, window.span)?;
            relation = self.push_over(relation, plan);
        }
        Ok((relation, places))
    }

    fn windows(&self, below: &Relation, calls: &[WindowCall], names: &[String]) -> Bound<Vec<Window>> {
        let places = self.first_places(below);
        let mut windows: Vec<Window> = Vec::new();
        for (at, (call, name)) in calls.iter().zip(names).enumerate() {
            let keys: Vec<usize> = call.keys.iter().map(|&key| places[key]).collect();
            let order: Vec<SortColumn> =
                call.order.iter().map(|(column, item)| sort_column(places[*column], item)).collect();
            let frame = self.frame(call, name)?;
            let same =
                |window: &Window| window.keys == keys && window.order == order && window.frame == frame;
            match windows.iter().position(same) {
                Some(window) => windows[window].calls.push(at),
                None if !windows.is_empty() && !self.session.info().batch => {
                    return Err(Diagnostic::new(
                        call.call.span,
                        "Over Agg: Unsupported use of OVER windows. All aggregates must be computed on the same window.",
                    )
                    .with_hint("give all calls one window, or put a call into a subquery of its own; ROW_NUMBER has a frame of ROWS, other functions one of RANGE"));
                }
                None => windows.push(Window { keys, order, frame, calls: vec![at], span: call.call.span }),
            }
        }
        Ok(windows)
    }

    /// The function of a call; arguments that need a cast get a column of their own.
    fn over_function(
        &mut self,
        relation: &mut Relation,
        call: &WindowCall,
        name: &str,
        frame: OverFrame,
    ) -> Bound<OverCall> {
        let span = call.call.span;
        let batch = self.session.info().batch;
        // Flink 2.3 takes IGNORE NULLS for LAG and LEAD, and its result is the same with and without it.
        if call.call.nulls == Some(NullTreatment::Ignore) && !matches!(name, "LAG" | "LEAD") {
            return Err(Diagnostic::new(span, format!("{name} takes no IGNORE NULLS"))
                .with_hint("filter the NULLs out before, or write FILTER (WHERE … IS NOT NULL)"));
        }
        let rank = match name {
            "ROW_NUMBER" => Some(RankFunction::RowNumber),
            "RANK" => Some(RankFunction::Rank),
            "DENSE_RANK" => Some(RankFunction::DenseRank),
            "PERCENT_RANK" => Some(RankFunction::PercentRank),
            "CUME_DIST" => Some(RankFunction::CumeDist),
            "NTILE" => Some(RankFunction::Ntile(buckets(&call.call)?)),
            _ => None,
        };
        match (rank, name) {
            (Some(RankFunction::RowNumber), _) => Ok(OverCall::Rank(RankFunction::RowNumber)),
            (Some(_), _) if !batch => Err(Diagnostic::new(
                span,
                format!("{name}() on streaming table is not supported currently"),
            )
            .with_hint("ROW_NUMBER() numbers rows in streaming; all ranks work with 'execution.runtime-mode' = 'batch'")),
            (Some(_), _) if call.order.is_empty() => {
                Err(Diagnostic::new(span, format!("{name}() needs an ORDER BY in its OVER clause")))
            }
            (Some(rank), _) => Ok(OverCall::Rank(rank)),
            (None, "LAG" | "LEAD") => self.shift(relation, call, name),
            (None, _) => self.over_aggregate(relation, call, name, frame),
        }
    }

    fn shift(&mut self, relation: &mut Relation, call: &WindowCall, name: &str) -> Bound<OverCall> {
        let span = call.call.span;
        let batch = self.session.info().batch;
        if name == "LEAD" && !batch {
            return Err(Diagnostic::new(span, "LEAD Function is not supported in stream mode.")
                .with_hint("a later row is not known yet; LAG looks at earlier ones"));
        }
        let distance = match call.call.args.get(1) {
            None => 1,
            Some(distance) => {
                whole(&distance.value).and_then(|d| i64::try_from(d).ok()).ok_or_else(|| {
                    Diagnostic::new(
                        distance.value.span,
                        format!("the distance of {name} must be a whole number"),
                    )
                })?
            }
        };
        let column = *call.args.first().ok_or_else(|| {
            Diagnostic::new(span, format!("{name} takes a value, a distance and a default"))
        })?;
        let mut data_type = relation.columns[column].field.data_type.clone().with_nullable(true);
        let default = match call.args.get(2) {
            None => None,
            Some(&default) => {
                let given = &relation.columns[default].field.data_type;
                if given.kind != data_type.kind && given.kind != TypeKind::Null && !batch {
                    let message = format!("the default of {name} is {given}, but the value is {data_type}");
                    return Err(Diagnostic::new(call.call.args[2].value.span, message)
                        .with_hint(format!("write CAST(.. AS {})", data_type.kind)));
                }
                let nullable = batch || given.nullable || given.kind == TypeKind::Null;
                data_type = data_type.with_nullable(nullable);
                Some(self.cast_column(relation, default, &data_type, span)?)
            }
        };
        let distance = if name == "LAG" { -distance } else { distance };
        Ok(OverCall::Shift { column, distance, default, data_type })
    }

    fn over_aggregate(
        &mut self,
        relation: &mut Relation,
        call: &WindowCall,
        name: &str,
        frame: OverFrame,
    ) -> Bound<OverCall> {
        let span = call.call.span;
        let function = self.session.functions.aggregate(name).cloned().ok_or_else(|| {
            Diagnostic::new(span, format!("{name} is no function that takes an OVER clause"))
                .with_hint("aggregates, ROW_NUMBER, LAG and LEAD do")
        })?;
        if !call.call.within_group.is_empty() || !call.call.order_by.is_empty() {
            return Err(unsupported(span, "ORDER BY inside an aggregate"));
        }
        if call.call.star && name != "COUNT" {
            return Err(Diagnostic::new(span, format!("{name} does not take '*'")));
        }
        let exprs: Vec<Expr> = call.args.iter().map(|&arg| self.below_expr(relation, arg)).collect();
        let types: Vec<DataType> = exprs.iter().map(Expr::data_type).collect();
        let infos: Vec<_> = exprs
            .iter()
            .zip(&types)
            .map(|(arg, data_type)| ArgumentInfo { data_type, literal: arg.literal() })
            .collect();
        let bind = BindCall { args: &infos, session: self.session.info() };
        let bound = function.bind(&bind, frame.start.is_some()).map_err(at(span))?;
        let distinct = call.call.quantifier == Some(SetQuantifier::Distinct);
        let filter = call.filter.map(|filter| self.below_expr(relation, filter));
        let text = call_text(name, distinct, &exprs, filter.as_ref());
        let args = call
            .args
            .iter()
            .zip(&bound.arg_types)
            .map(|(&arg, wanted)| self.cast_column(relation, arg, wanted, span))
            .collect::<Bound<Vec<_>>>()?;
        Ok(OverCall::Aggregate(AggregateCall {
            text,
            args,
            arg_types: bound.arg_types,
            filter: call.filter,
            distinct,
            return_type: bound.return_type,
            accumulator: bound.accumulator,
        }))
    }

    /// What a column below is, if a projection computes it; else the column.
    fn below_expr(&self, relation: &Relation, column: usize) -> Expr {
        match &self.plan.nodes[relation.node].operator {
            Operator::Calc { project, .. } if project.len() == relation.columns.len() => {
                project[column].clone()
            }
            _ => Scope::of(relation).column(column),
        }
    }

    /// A column as another type: itself, or a new one behind the others.
    fn cast_column(
        &mut self,
        relation: &mut Relation,
        column: usize,
        wanted: &DataType,
        span: Span,
    ) -> Bound<usize> {
        let scope = Scope::of(relation);
        if scope.columns[column].field.data_type.kind == wanted.kind {
            return Ok(column);
        }
        let width = relation.columns.len();
        let mut exprs: Vec<Expr> = (0..width).map(|column| scope.column(column)).collect();
        exprs.push(self.cast(scope.column(column), wanted, CastMode::Implicit, span)?);
        let mut names: Vec<String> =
            relation.columns.iter().map(|column| column.field.name.clone()).collect();
        names.push(format!("$cast{width}"));
        *relation = self.project(relation, None, exprs, names);
        Ok(width)
    }

    /// The plan of one window, or why there is none.
    pub(super) fn over_plan(
        &self,
        input: &Relation,
        keys: Vec<usize>,
        order: Vec<SortColumn>,
        frame: OverFrame,
        calls: Vec<OverCall>,
        span: Span,
    ) -> Bound<OverPlan> {
        let ttl_ms = self.session.settings.duration_ms("table.exec.state.ttl");
        let mode = match self.session.info().batch {
            true => OverMode::Batch,
            false => self.streaming_mode(input, &order, frame, span)?,
        };
        Ok(OverPlan { keys, order, mode, frame, calls, ttl_ms })
    }

    fn streaming_mode(
        &self,
        input: &Relation,
        order: &[SortColumn],
        frame: OverFrame,
        span: Span,
    ) -> Bound<OverMode> {
        let refused = |message: &str, hint: &str| Err(Diagnostic::new(span, message).with_hint(hint));
        if frame.end != Some(0) || frame.start.is_some_and(|start| start > 0) {
            return refused(
                "OVER RANGE FOLLOWING windows are not supported yet.",
                "in streaming a frame ends at the CURRENT ROW",
            );
        }
        let [sort] = order else {
            return refused(
                "The window can only be ordered by a single time column.",
                "write ORDER BY and one column in the OVER clause",
            );
        };
        if sort.descending {
            return refused(
                "The window can only be ordered in ASCENDING mode.",
                "in streaming rows are looked at in the order in which they come",
            );
        }
        let mode = match input.columns[sort.column].field.time {
            Some(TimeAttribute::Rowtime) => OverMode::Rowtime,
            Some(TimeAttribute::Proctime) => OverMode::Proctime,
            None => OverMode::Updating,
        };
        if mode == OverMode::Updating && frame.start.is_some() {
            return refused(
                "Non-time attribute sort is not supported for bounded OVER window.",
                "order by a time attribute, or let the frame start at UNBOUNDED PRECEDING",
            );
        }
        if mode != OverMode::Updating && !self.plan.nodes[input.node].changelog.append_only() {
            return refused(
                "OVER by time doesn't support consuming update and delete changes of its input",
                "order by a column that is no time attribute: CAST(.. AS TIMESTAMP(3)) makes one of it",
            );
        }
        Ok(mode)
    }

    /// Adds the operator of a window; its results stand behind the columns of the input.
    pub(super) fn push_over(&mut self, input: Relation, plan: OverPlan) -> Relation {
        let mut columns = input.columns.clone();
        for call in &plan.calls {
            columns.push(RelationColumn::new(call.to_string(), call.return_type()));
        }
        let exchange =
            if plan.keys.is_empty() { Exchange::Single } else { Exchange::Hash(plan.keys.clone()) };
        let traits = self.over_traits(&plan, &input);
        let schema = Schema::new(columns.iter().map(|column| column.field.clone()).collect());
        let node =
            self.push(Operator::Over(plan), vec![Input { node: input.node, exchange }], schema, traits);
        Relation { node, columns, windowing: input.windowing }
    }
}

impl Binder<'_> {
    /// What the operator of a window promises of its changelog.
    pub(super) fn over_traits(&self, plan: &OverPlan, input: &Relation) -> NodeTraits {
        match plan.mode {
            OverMode::Updating => NodeTraits {
                changelog: ChangelogMode::RETRACT,
                upsert_key: self.plan.nodes[input.node].upsert_key.clone(),
            },
            _ => NodeTraits::append(),
        }
    }
}

fn buckets(call: &FunctionCall) -> Bound<i64> {
    let number = call.args.first().and_then(|arg| whole(&arg.value)).and_then(|n| i64::try_from(n).ok());
    number
        .filter(|&number| number > 0)
        .ok_or_else(|| Diagnostic::new(call.span, "NTILE takes a whole number of buckets, at least 1"))
}
