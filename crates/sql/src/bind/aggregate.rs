//! GROUP BY: the projection below it, the aggregate itself, and the projection above it.
//!
//! 1. The keys are bound over the input; window columns among them make it a window aggregate.
//! 2. SELECT and HAVING are bound above the grouping; that finds the aggregates.
//! 3. Below: one projection of keys, arguments, filters and the time column, and an Expand for grouping sets.
//! 4. The aggregate, then HAVING and SELECT as one projection with final column indices.

use super::columns::holds_query;
use super::expr::Env;
use super::grouping::{CALL_BASE, Grouping, LIFTED_BASE, PROPERTY_BASE, SET_NUMBER};
use super::join::Joined;
use super::literal::bigint;
use super::scope::Scope;
use super::select::Item;
use super::subquery::Lifted;
use super::{Binder, Bound, NodeTraits, Relation, RelationColumn, Windowing, fingerprint, unsupported};
use crate::ast::{self, GroupItemKind, Select};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use tidemill_plan::stream::{GroupAggregatePlan, MiniBatchPlan, WindowAggregatePlan};
use tidemill_plan::{
    AggregateCall, ChangelogMode, Exchange, Expr, Input, NodeId, Operator, WindowKind, WindowProperty,
    WindowSpec,
};
use tidemill_types::{Field, Schema, TypeKind};

/// The most rows that wait in front of one task; their input is held in memory meanwhile.
const MINI_BATCH_ROWS_MAX: usize = 1 << 16;

/// The columns of the projection below an aggregate; equal expressions share one.
#[derive(Default)]
struct Below {
    exprs: Vec<Expr>,
}

impl Below {
    fn add(&mut self, expr: &Expr) -> usize {
        let wanted = fingerprint(expr);
        let place = self.exprs.iter().position(|known| fingerprint(known) == wanted && !known.volatile());
        place.unwrap_or_else(|| {
            self.exprs.push(expr.clone());
            self.exprs.len() - 1
        })
    }
}

/// An aggregate over its projection: where each provisional column ended up.
struct Placed {
    node: NodeId,
    calls: usize,
    call_count: usize,
    set_number: Option<usize>,
    /// How many columns the aggregate gives.
    width: usize,
}

impl Binder<'_> {
    /// Binds a SELECT with GROUP BY, HAVING or aggregates.
    pub(crate) fn bind_aggregation(
        &mut self,
        select: &Select,
        input: &Relation,
        filter: Option<Expr>,
        items: &[Item],
    ) -> Bound<Relation> {
        let queries = select.having.iter().chain(items.iter().filter_map(Item::expr)).any(holds_query)
            || group_exprs(select).into_iter().any(holds_query);
        if queries {
            return self.bind_aggregation_with_queries(select, input, filter, items);
        }
        self.bind_grouped(select, input, filter, items, Vec::new())
    }

    /// Binds a grouping whose keys and aggregates hold no queries; `lifted` are the queries above it.
    pub(crate) fn bind_grouped(
        &mut self,
        select: &Select,
        input: &Relation,
        filter: Option<Expr>,
        items: &[Item],
        lifted: Vec<Lifted>,
    ) -> Bound<Relation> {
        let scope = Scope::of(input);
        let mut grouping = self.grouping(select, input, scope)?;
        grouping.lifted = lifted.iter().flat_map(|query| nullable(&query.rows.columns)).collect();
        let mut env = Env { grouping: Some(&mut grouping), ..Env::rows(scope) };
        let exprs =
            items.iter().map(|item| self.bind_grouped_item(item, &mut env)).collect::<Bound<Vec<_>>>()?;
        let having = select
            .having
            .as_ref()
            .map(|having| self.bind_condition(having, &mut env, "HAVING"))
            .transpose()?;
        let mut keys = Vec::with_capacity(lifted.len());
        for query in &lifted {
            let bound =
                query.keys.iter().map(|(outer, column)| Ok((self.bind_expr(outer, &mut env)?, *column)));
            keys.push(bound.collect::<Bound<Vec<_>>>()?);
        }
        let placed = self.aggregate(&grouping, input, filter, select)?;
        let exprs: Vec<Expr> = exprs.iter().map(|expr| placed.settle(expr)).collect();
        let having = having.map(|having| placed.settle(&having));
        let mut output = self.aggregate_relation(&grouping, &placed);
        for (query, keys) in lifted.into_iter().zip(keys) {
            let keys = keys.into_iter().map(|(outer, column)| (placed.settle(&outer), column)).collect();
            let joined = self.lifted_join(Joined::Leaf(output), query.rows, keys, query.span)?;
            output = self.place_joins(Joined::Join(Box::new(joined)), Vec::new(), &[])?;
        }
        let names = items.iter().map(|item| item.name.clone()).collect();
        Ok(self.project(&output, having, exprs, names))
    }

    /// Queries in the keys and in the arguments of aggregates are joined below the grouping, all others above.
    fn bind_aggregation_with_queries(
        &mut self,
        select: &Select,
        input: &Relation,
        filter: Option<Expr>,
        items: &[Item],
    ) -> Bound<Relation> {
        let (mut select, mut items) = (select.clone(), items.to_vec());
        let around = input.columns.clone();
        let (mut below, mut above) = (Vec::new(), Vec::new());
        for key in group_exprs_mut(&mut select) {
            self.lift(key, &around, &mut below)?;
        }
        for expr in select.having.iter_mut().chain(items.iter_mut().filter_map(Item::expr_mut)) {
            self.lift_below(expr, &around, &mut below)?;
            self.lift(expr, &around, &mut above)?;
        }
        let (mut input, mut filter) = (input.clone(), filter);
        if !below.is_empty() {
            let rows = self.place_joins(Joined::Leaf(input), filter.take().into_iter().collect(), &[])?;
            let joined = self.join_lifted(Joined::Leaf(rows), below)?;
            input = self.place_joins(joined, Vec::new(), &[])?;
        }
        self.bind_grouped(&select, &input, filter, &items, above)
    }

    fn bind_grouped_item(&self, item: &Item, env: &mut Env<'_, '_>) -> Bound<Expr> {
        use super::select::ItemSource;
        let expr = match &item.source {
            ItemSource::Expr(expr) => expr.clone(),
            ItemSource::Column(index) => self.name_of(env.scope, *index),
            ItemSource::Field(index, field) => {
                let base = self.name_of(env.scope, *index);
                let span = field.span;
                ast::Expr::new(ast::ExprKind::Field { base, field: field.clone() }, span)
            }
        };
        self.bind_expr(&expr, env)
    }

    /// The syntax of a column, so that `*` above a GROUP BY is treated as if it were written out.
    fn name_of(&self, scope: Scope<'_>, index: usize) -> ast::Expr {
        let column = &scope.columns[index];
        let ident = |value: &String| ast::Ident { value: value.clone(), quoted: true, span: Span::default() };
        let parts = column.qualifier.iter().chain([&column.field.name]).map(ident).collect();
        ast::Expr::new(ast::ExprKind::Name(parts), Span::default())
    }

    fn aggregate(
        &mut self,
        grouping: &Grouping<'_>,
        input: &Relation,
        filter: Option<Expr>,
        select: &Select,
    ) -> Bound<Placed> {
        let mut below = Below::default();
        let keys: Vec<usize> = grouping.keys.iter().map(|key| below.add(key)).collect();
        let calls: Vec<(Vec<usize>, Option<usize>)> = grouping
            .calls
            .iter()
            .map(|call| {
                let args = call.args.iter().map(|arg| below.add(arg)).collect();
                (args, call.filter.as_ref().map(|filter| below.add(filter)))
            })
            .collect();
        let window = grouping.window.as_ref().map(|window| window.spec.clone());
        let (input, window) = self.input_of_window(input, window, grouping, &below, filter.as_ref());
        let (window, hidden) = self.place_window(window, &input, &mut below, &keys, select)?;
        let key_columns: Vec<usize> = keys.iter().copied().chain(hidden.iter().copied()).collect();
        let projected = self.project_below(&input, filter, &below);
        let (node, key_columns, set_number) = self.expand(projected, grouping, key_columns, &keys);
        let aggregates = self.aggregate_calls(grouping, &calls);
        let node = self.push_aggregate(node, grouping, &key_columns, aggregates, window, select)?;
        let set_number = set_number.map(|_| key_columns.len() - 1);
        let width = self.plan.nodes[node].schema.len();
        Ok(Placed { node, calls: key_columns.len(), call_count: grouping.calls.len(), set_number, width })
    }

    /// The rows that a window aggregate reads: those below a windowing function, unless its columns are used
    /// by more than the grouping.
    fn input_of_window(
        &mut self,
        input: &Relation,
        window: Option<WindowSpec>,
        grouping: &Grouping<'_>,
        below: &Below,
        filter: Option<&Expr>,
    ) -> (Relation, Option<WindowSpec>) {
        let Some(Windowing::Pending(spec)) = &input.windowing else { return (input.clone(), window) };
        let rows = input.columns.len() - 3;
        let uses_window =
            below.exprs.iter().chain(filter).any(|expr| expr.columns().iter().any(|c| *c >= rows));
        let own_window = grouping.window.as_ref().is_some_and(|window| window.legacy.is_none());
        if own_window && !uses_window {
            let mut input = input.clone();
            input.columns.truncate(rows);
            input.windowing = None;
            return (input, window);
        }
        let kind = WindowKind::Attached { start: rows, end: rows + 1 };
        let attached = WindowSpec { kind, time_column: rows + 2, ..spec.clone() };
        let window = if own_window { Some(attached) } else { window };
        (self.assign_windows(input.clone()), window)
    }

    /// Puts the columns a window needs into the projection below, and the partition of a session into the key.
    fn place_window(
        &self,
        window: Option<WindowSpec>,
        input: &Relation,
        below: &mut Below,
        keys: &[usize],
        select: &Select,
    ) -> Bound<(Option<WindowSpec>, Vec<usize>)> {
        let Some(mut window) = window else { return Ok((None, Vec::new())) };
        let scope = Scope::of(input);
        let mut hidden = Vec::new();
        match &mut window.kind {
            WindowKind::Attached { start, end } => {
                *start = below.add(&scope.column(*start));
                *end = below.add(&scope.column(*end));
            }
            WindowKind::Session { partition, .. } => {
                let placed: Vec<usize> =
                    partition.iter().map(|column| below.add(&scope.column(*column))).collect();
                let legacy = partition.is_empty();
                if !legacy && keys.iter().any(|key| !placed.contains(key)) {
                    let span = select.group_by.as_ref().map_or(select.span, |group| group.span);
                    return Err(unsupported(span, "grouping a SESSION by more than its PARTITION BY"));
                }
                hidden = placed.iter().copied().filter(|column| !keys.contains(column)).collect();
                *partition = keys.iter().copied().chain(hidden.iter().copied()).collect();
            }
            _ => {}
        }
        window.time_column = below.add(&scope.column(window.time_column));
        Ok((Some(window), hidden))
    }

    fn project_below(&mut self, input: &Relation, filter: Option<Expr>, below: &Below) -> Relation {
        let names = below.exprs.iter().map(ToString::to_string).collect();
        self.project(input, filter, below.exprs.clone(), names)
    }

    /// For grouping sets: each row once for each set, keys outside of the set NULL, the set's number added.
    fn expand(
        &mut self,
        input: Relation,
        grouping: &Grouping<'_>,
        key_columns: Vec<usize>,
        keys: &[usize],
    ) -> (NodeId, Vec<usize>, Option<usize>) {
        let Some(sets) = &grouping.sets else { return (input.node, key_columns, None) };
        let width = input.columns.len();
        let mut columns = input.columns.clone();
        let scope = Scope::of(&input);
        let copies: Vec<usize> = keys.to_vec();
        let mut projections = Vec::with_capacity(sets.len());
        for (number, set) in sets.iter().enumerate() {
            let mut projection: Vec<Expr> = (0..width).map(|column| scope.column(column)).collect();
            for (key, column) in copies.iter().enumerate() {
                let value = scope.column(*column);
                let left_out = super::fold::null(&value.data_type());
                projection.push(if set[key] { value } else { left_out });
            }
            projection.push(bigint(number as i64));
            projections.push(projection);
        }
        for (key, column) in copies.iter().enumerate() {
            let name = input.columns[*column].field.name.clone();
            columns.push(RelationColumn::new(name, grouping.key_type(key)));
        }
        columns.push(RelationColumn::new("grouping set", TypeKind::BigInt.not_null()));
        let schema = Schema::new(columns.iter().map(|column| column.field.clone()).collect());
        let traits = NodeTraits { changelog: self.plan.nodes[input.node].changelog, upsert_key: None };
        let node = self.push_forward(Operator::Expand { projections }, input.node, schema, traits);
        let hidden = key_columns[keys.len()..].iter().copied();
        let set_number = width + copies.len();
        let key_columns = (width..width + copies.len()).chain(hidden).chain([set_number]).collect();
        (node, key_columns, Some(set_number))
    }

    fn aggregate_calls(
        &self,
        grouping: &Grouping<'_>,
        places: &[(Vec<usize>, Option<usize>)],
    ) -> Vec<AggregateCall> {
        grouping
            .calls
            .iter()
            .zip(places)
            .map(|(call, (args, filter))| AggregateCall {
                text: call.text.clone(),
                args: args.clone(),
                arg_types: call.bound.arg_types.clone(),
                filter: *filter,
                distinct: call.distinct,
                return_type: call.bound.return_type.clone(),
                accumulator: call.bound.accumulator.clone(),
            })
            .collect()
    }

    fn push_aggregate(
        &mut self,
        input: NodeId,
        grouping: &Grouping<'_>,
        keys: &[usize],
        aggregates: Vec<AggregateCall>,
        window: Option<WindowSpec>,
        select: &Select,
    ) -> Bound<NodeId> {
        let below = &self.plan.nodes[input].schema;
        let mut fields: Vec<Field> = keys
            .iter()
            .map(|key| Field::new(below.fields[*key].name.clone(), below.fields[*key].data_type.clone()))
            .collect();
        fields.extend(aggregates.iter().map(|call| Field::new(call.text.clone(), call.return_type.clone())));
        let exchange = if keys.is_empty() { Exchange::Single } else { Exchange::Hash(keys.to_vec()) };
        let keys = keys.to_vec();
        let (operator, traits) = match window {
            Some(window) => {
                fields.extend(
                    grouping
                        .properties
                        .iter()
                        .map(|property| property_field(grouping, *property, window.time)),
                );
                let properties = grouping.properties.clone();
                let retract = grouping.retract;
                let plan = WindowAggregatePlan { window, keys, aggregates, properties, retract };
                self.window_operator(plan, grouping, select)?
            }
            None => self.group_operator(grouping.retract, keys, aggregates, select)?,
        };
        Ok(self.push(operator, vec![Input { node: input, exchange }], Schema::new(fields), traits))
    }

    fn group_operator(
        &self,
        retract: bool,
        keys: Vec<usize>,
        aggregates: Vec<AggregateCall>,
        select: &Select,
    ) -> Bound<(Operator, NodeTraits)> {
        let batch = self.session.info().batch;
        // Also DISTINCT counts as updating, though its rows never change: Flink infers it so.
        let changelog = match (batch, retract) {
            (true, _) => ChangelogMode::APPEND,
            (false, true) => ChangelogMode::RETRACT,
            (false, false) => ChangelogMode { update: true, update_before: true, delete: false },
        };
        let traits = NodeTraits { changelog, upsert_key: Some((0..keys.len()).collect()) };
        let row_without_input = batch && keys.is_empty();
        let ttl_ms = self.state_ttl_ms(&select.hints)?;
        let mini_batch = if batch { None } else { self.mini_batch(select)? };
        let plan = GroupAggregatePlan {
            keys,
            aggregates,
            retract,
            update_before: true,
            ttl_ms,
            net_changes: mini_batch.is_some(),
            mini_batch,
            final_only: batch,
            row_without_input,
        };
        Ok((Operator::GroupAggregate(plan), traits))
    }

    /// How long rows may wait to be aggregated together, if `table.exec.mini-batch.enabled` says so.
    fn mini_batch(&self, select: &Select) -> Bound<Option<MiniBatchPlan>> {
        let settings = &self.session.settings;
        if !settings.is("table.exec.mini-batch.enabled", "true") {
            return Ok(None);
        }
        const SIZE: &str = "table.exec.mini-batch.size";
        let rows = settings.get(SIZE).and_then(|text| text.trim().parse().ok()).filter(|rows| *rows > 0);
        let rows: usize = rows.ok_or_else(|| {
            Diagnostic::new(
                select.span,
                format!("the setting '{SIZE}' must be a positive number, since mini-batch is enabled"),
            )
            .with_hint(format!("SET '{SIZE}' = '5000'"))
        })?;
        let latency_ms = settings.duration_ms("table.exec.mini-batch.allow-latency");
        Ok(Some(MiniBatchPlan { rows: rows.min(MINI_BATCH_ROWS_MAX), latency_ms }))
    }

    /// The output of the aggregate with final columns: keys, aggregates, properties.
    fn aggregate_relation(&self, grouping: &Grouping<'_>, placed: &Placed) -> Relation {
        let node = &self.plan.nodes[placed.node];
        let columns = node
            .schema
            .fields
            .iter()
            .map(|field| RelationColumn { qualifier: None, field: field.clone(), hidden: false })
            .collect();
        let place = |property| {
            let at = grouping.properties.iter().position(|known| *known == property)?;
            Some(placed.calls + grouping.calls.len() + at)
        };
        let windowing = grouping.window.as_ref().and_then(|window| {
            Some(Windowing::Attached {
                start: place(WindowProperty::Start)?,
                end: place(WindowProperty::End)?,
                time: place(WindowProperty::Time),
                kind: window.spec.time,
                window: window.origin.clone(),
            })
        });
        Relation { node: placed.node, columns, windowing }
    }

    /// One row for each different row.
    pub(crate) fn distinct(&mut self, input: Relation, span: Span) -> Bound<Relation> {
        let names: Vec<String> = input.columns.iter().map(|column| column.field.name.clone()).collect();
        let scope_columns: Vec<RelationColumn> = input
            .columns
            .iter()
            .enumerate()
            .map(|(i, column)| RelationColumn {
                hidden: false,
                qualifier: None,
                field: Field { name: format!("{i}"), ..column.field.clone() },
            })
            .collect();
        let renamed = Relation { columns: scope_columns, ..input };
        let column = |i: usize| {
            let ident = ast::Ident { value: format!("{i}"), quoted: true, span };
            ast::Expr::new(ast::ExprKind::Name(vec![ident]), span)
        };
        let items =
            (0..names.len()).map(|i| ast::GroupItem { kind: GroupItemKind::Expr(column(i)), span }).collect();
        let select = Select {
            hints: Vec::new(),
            distinct: false,
            items: (0..names.len()).map(|i| ast::SelectItem::Expr { expr: column(i), alias: None }).collect(),
            from: Vec::new(),
            selection: None,
            group_by: Some(ast::GroupBy { quantifier: None, items, span }),
            having: None,
            windows: Vec::new(),
            qualify: None,
            span,
        };
        let items = self.expand_items(&select.items, Scope::of(&renamed))?;
        let mut output = self.bind_aggregation(&select, &renamed, None, &items)?;
        output.columns.iter_mut().zip(names).for_each(|(column, name)| column.field.name = name);
        Ok(output)
    }
}

/// The expressions of GROUP BY that are keys of their own.
fn group_exprs(select: &Select) -> Vec<&ast::Expr> {
    let items = select.group_by.iter().flat_map(|group| &group.items);
    items
        .filter_map(|item| match &item.kind {
            GroupItemKind::Expr(expr) => Some(expr),
            _ => None,
        })
        .collect()
}

fn group_exprs_mut(select: &mut Select) -> Vec<&mut ast::Expr> {
    let items = select.group_by.iter_mut().flat_map(|group| &mut group.items);
    items
        .filter_map(|item| match &mut item.kind {
            GroupItemKind::Expr(expr) => Some(expr),
            _ => None,
        })
        .collect()
}

/// Columns that are padded where nothing joins.
fn nullable(columns: &[RelationColumn]) -> impl Iterator<Item = RelationColumn> {
    columns.iter().map(|column| {
        let mut column = column.clone();
        column.field.data_type = column.field.data_type.with_nullable(true);
        column
    })
}

fn property_field(
    grouping: &Grouping<'_>,
    property: WindowProperty,
    time: tidemill_types::TimeAttribute,
) -> Field {
    let (name, data_type) = grouping.property_type(property);
    match property {
        WindowProperty::Time => Field::new(name, data_type).with_time(time),
        _ => Field::new(name, data_type),
    }
}

impl Placed {
    /// The expression with final column indices.
    fn settle(&self, expr: &Expr) -> Expr {
        expr.map_columns(&|index, name, data_type| {
            let index = match index {
                LIFTED_BASE.. => self.width + index - LIFTED_BASE,
                SET_NUMBER => self.set_number.expect("only grouping sets have numbers"),
                PROPERTY_BASE.. => self.calls + self.call_count + index - PROPERTY_BASE,
                CALL_BASE.. => self.calls + index - CALL_BASE,
                key => key,
            };
            Expr::column(index, name, data_type.clone())
        })
    }
}
