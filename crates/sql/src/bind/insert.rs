//! INSERT and the bare SELECT: a query's rows into a sink, by position, with the casts that an INSERT allows.
//!
//! Rule (Flink documentation, "INSERT"): columns match by position; only widening casts are inserted;
//! unlisted columns become NULL.

use super::fold::null;
use super::scan::with_hints;
use super::scope::Scope;
use super::{Binder, Bound, NodeTraits, Relation, at};
use crate::ast;
use crate::catalog::{CatalogEntry, Column, Table};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use std::sync::Arc;
use tidemill_connector::TableRequest;
use tidemill_plan::stream::NotNullEnforcer;
use tidemill_plan::{CastMode, Exchange, Expr, Input, Node, Operator, SinkPlan, SinkTarget};
use tidemill_types::{Field, Schema, SystemDisk, TimeAttribute, TypeKind};

impl Binder<'_> {
    /// Binds a bare SELECT: its rows go to the caller.
    pub(crate) fn bind_collect(&mut self, query: &ast::Query) -> Bound<Schema> {
        let relation = self.bind_query(query)?;
        let relation = self.assign_windows(relation);
        self.refuse_open_ranks(relation.node)?;
        let schema = relation.schema();
        let sink = SinkPlan {
            target: SinkTarget::Collect,
            not_null: NotNullEnforcer::Error,
            not_null_columns: Vec::new(),
        };
        self.push_sink(sink, &relation, Exchange::Single);
        Ok(schema)
    }

    /// Binds an INSERT.
    pub(crate) fn bind_insert(&mut self, insert: &ast::Insert) -> Bound<()> {
        let session = self.session;
        let table = match session.catalog.lookup(&insert.table)? {
            CatalogEntry::Table(table) => table,
            CatalogEntry::View(view) => {
                return Err(Diagnostic::new(
                    insert.table.span(),
                    format!("'{}' is a view and can't be written", view.name),
                ));
            }
        };
        let batch = self.session.info().batch;
        if insert.overwrite && !batch {
            return Err(Diagnostic::new(insert.span, "INSERT OVERWRITE needs batch mode")
                .with_hint("SET 'execution.runtime-mode' = 'batch'"));
        }
        let query = self.bind_query(&insert.query)?;
        let query = self.assign_windows(query);
        let columns: Vec<&Column> = table.writable().collect();
        let exprs = self.sink_columns(insert, table, &columns, &query)?;
        let exprs = self.enforce_lengths(exprs, &columns, insert.span)?;
        let names = columns.iter().map(|column| column.name.clone()).collect();
        self.one_rowtime(&exprs, &query, insert)?;
        let rows = self.project(&query, None, exprs, names);
        self.push_table_sink(insert, table, &columns, &rows)
    }

    /// The value of each column of the sink.
    fn sink_columns(
        &self,
        insert: &ast::Insert,
        table: &Table,
        columns: &[&Column],
        query: &Relation,
    ) -> Bound<Vec<Expr>> {
        let given = self.given_columns(insert, table, columns)?;
        if given.len() != query.columns.len() {
            return Err(self.mismatch(insert, table, &given, query, "different number of columns"));
        }
        let scope = Scope::of(query);
        let mut exprs = Vec::with_capacity(columns.len());
        for column in columns {
            let fixed = insert.partition.iter().find(|p| p.value.is_some() && p.name.value == column.name);
            let place = given.iter().position(|known| known.name == column.name);
            exprs.push(match (fixed.and_then(|p| p.value.as_ref()), place) {
                (Some(value), _) => {
                    let value = self.bind_over(value, Scope::EMPTY)?;
                    self.cast(value, &column.data_type, CastMode::Cast, insert.span)?
                }
                (None, Some(index)) => {
                    self.sink_cast(insert, table, &given, query, scope.column(index), index)?
                }
                (None, None) if column.data_type.nullable => null(&column.data_type),
                (None, None) => {
                    let message = format!(
                        "column '{}' of '{}' is NOT NULL, but the INSERT gives it no value",
                        column.name, table.name
                    );
                    return Err(Diagnostic::new(insert.table.span(), message));
                }
            });
        }
        Ok(exprs)
    }

    /// The columns that the query's columns go to, in their order.
    fn given_columns<'t>(
        &self,
        insert: &ast::Insert,
        table: &Table,
        columns: &[&'t Column],
    ) -> Bound<Vec<&'t Column>> {
        let fixed = |name: &str| insert.partition.iter().any(|p| p.value.is_some() && p.name.value == name);
        if insert.columns.is_empty() {
            return Ok(columns.iter().copied().filter(|column| !fixed(&column.name)).collect());
        }
        let twice = |at: usize| insert.columns[..at].iter().any(|n| n.value == insert.columns[at].value);
        if let Some(at) = (1..insert.columns.len()).find(|at| twice(*at)) {
            let name = &insert.columns[at];
            return Err(Diagnostic::new(
                name.span,
                format!("the column '{}' is assigned more than once", name.value),
            ));
        }
        insert
            .columns
            .iter()
            .map(|name| {
                columns.iter().copied().find(|column| column.name == name.value).ok_or_else(|| {
                    Diagnostic::new(
                        name.span,
                        format!("'{}' has no column '{}' that can be written", table.name, name.value),
                    )
                })
            })
            .collect()
    }

    fn sink_cast(
        &self,
        insert: &ast::Insert,
        table: &Table,
        given: &[&Column],
        query: &Relation,
        expr: Expr,
        index: usize,
    ) -> Bound<Expr> {
        let (from, to) = (expr.data_type(), &given[index].data_type);
        if from.kind == to.kind {
            return Ok(expr);
        }
        if !self.session.functions.can_implicitly_cast(&from, to) && from.kind != TypeKind::Null {
            let cause = format!(
                "incompatible types for sink column '{}' at position {}",
                given[index].name,
                index + 1
            );
            return Err(self.mismatch(insert, table, given, query, &cause));
        }
        self.cast(expr, to, CastMode::Implicit, insert.span)
    }

    fn mismatch(
        &self,
        insert: &ast::Insert,
        table: &Table,
        given: &[&Column],
        query: &Relation,
        cause: &str,
    ) -> Diagnostic {
        let list = |pairs: Vec<(String, String)>| {
            pairs.into_iter().map(|(name, kind)| format!("{name}: {kind}")).collect::<Vec<_>>().join(", ")
        };
        let of_query =
            query.columns.iter().map(|c| (c.field.name.clone(), c.field.data_type.to_string())).collect();
        let of_sink = given.iter().map(|c| (c.name.clone(), c.data_type.to_string())).collect();
        Diagnostic::new(
            insert.query.span,
            format!("column types of query result and sink for '{}' do not match: {cause}", table.name),
        )
        .with_note(format!("query schema: [{}]", list(of_query)))
        .with_note(format!("sink schema: [{}]", list(of_sink)))
        .with_hint("columns match by position and only widening casts are inserted; add a CAST or reorder the columns")
    }

    fn one_rowtime(&self, exprs: &[Expr], query: &Relation, insert: &ast::Insert) -> Bound<()> {
        let is_rowtime = |expr: &&Expr| matches!(expr, Expr::Column { index, .. } if query.columns[*index].field.time == Some(TimeAttribute::Rowtime));
        match exprs.iter().filter(is_rowtime).count() {
            0 | 1 => Ok(()),
            _ => Err(Diagnostic::new(
                insert.query.span,
                format!(
                    "the query for sink '{}' contains more than one rowtime attribute column",
                    insert.table.last().value
                ),
            )
            .with_hint("CAST all but one of them to TIMESTAMP(3)")),
        }
    }

    fn push_table_sink(
        &mut self,
        insert: &ast::Insert,
        table: &Table,
        columns: &[&Column],
        rows: &Relation,
    ) -> Bound<()> {
        self.refuse_open_ranks(rows.node)?;
        let span = insert.table.span();
        let options = with_hints(&table.options, &insert.hints);
        let storage = self.storage(&table.name, &options, span)?;
        if storage.connector.sink.is_none() {
            return Err(Diagnostic::new(
                span,
                format!(
                    "table '{}' can't be written: connector '{}' only reads",
                    table.name, storage.connector.name
                ),
            ));
        }
        let takes_changes =
            storage.connector.sink_takes_changes || storage.format.is_some_and(|format| format.changelog);
        let changelog = self.plan.nodes[rows.node].changelog;
        if !changelog.append_only() && !takes_changes {
            return Err(self.refuse_updates(rows, table, span));
        }
        let schema = Schema::new(columns.iter().map(|c| Field::new(&c.name, c.data_type.clone())).collect());
        let primary_key: Vec<usize> = table
            .primary_key
            .iter()
            .filter_map(|key| columns.iter().position(|column| column.name == *key))
            .collect();
        let request = TableRequest {
            table: &table.name,
            options: &options,
            schema: &schema,
            wanted: &[],
            metadata: &[],
            partition_by: &table.partition_by,
            primary_key: &primary_key,
            overwrite: insert.overwrite,
            task: 0,
            parallelism: 1,
            zone: self.session.info().zone,
            run_id: "check",
            pipeline_id: "check",
            checkpointed: false,
            state_dir: None,
            disk: Arc::new(SystemDisk),
        };
        (storage.connector.check)(&request).map_err(at(span))?;
        if storage.format.is_some_and(|format| format.encoder.is_none()) {
            return Err(Diagnostic::new(
                span,
                format!("the format of table '{}' can't be written", table.name),
            ));
        }
        let exchange = if storage.connector.single_task_sink { Exchange::Single } else { Exchange::Forward };
        let sink = SinkPlan {
            target: SinkTarget::Table {
                table: table.name.clone(),
                connector: storage.connector.name.to_string(),
                options,
                partition_by: table.partition_by.clone(),
                primary_key,
                overwrite: insert.overwrite,
            },
            not_null: self.not_null_enforcer(),
            not_null_columns: (0..columns.len())
                .filter(|i| !columns[*i].data_type.nullable && rows.columns[*i].field.data_type.nullable)
                .collect(),
        };
        let mut sink_rows = rows.clone();
        for (column, declared) in sink_rows.columns.iter_mut().zip(columns) {
            column.field.data_type = declared.data_type.clone();
            column.field.time = None;
        }
        self.push_sink(sink, &sink_rows, exchange);
        Ok(())
    }

    fn not_null_enforcer(&self) -> NotNullEnforcer {
        match self.session.settings.is("table.exec.sink.not-null-enforcer", "drop") {
            true => NotNullEnforcer::Drop,
            false => NotNullEnforcer::Error,
        }
    }

    fn push_sink(&mut self, sink: SinkPlan, rows: &Relation, exchange: Exchange) {
        let node = &self.plan.nodes[rows.node];
        let traits = NodeTraits { changelog: node.changelog, upsert_key: node.upsert_key.clone() };
        self.push(Operator::Sink(sink), vec![Input { node: rows.node, exchange }], rows.schema(), traits);
    }

    fn refuse_updates(&self, rows: &Relation, table: &Table, span: Span) -> Diagnostic {
        let producer = self.producer_of_updates(rows.node);
        Diagnostic::new(
            span,
            format!(
                "table sink '{}' doesn't support consuming update changes which is produced by node {}({})",
                table.name,
                producer.operator.name(),
                producer.schema.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ")
            ),
        )
        .with_hint("write to a changelog format such as 'debezium-json' or to 'print', or aggregate in windows, whose results are final")
    }

    /// The lowest node on the way up from `node` that gives updates though its inputs do not.
    fn producer_of_updates(&self, node: usize) -> &Node {
        let node = &self.plan.nodes[node];
        let above = node.inputs.iter().find(|input| !self.plan.nodes[input.node].changelog.append_only());
        above.map_or(node, |input| self.producer_of_updates(input.node))
    }

    /// `table.exec.state.ttl`, or what a STATE_TTL hint says for the only input.
    pub(crate) fn state_ttl_ms(&self, hints: &[ast::Hint]) -> Bound<i64> {
        let hint = hints.iter().find(|hint| hint.name.value.eq_ignore_ascii_case("STATE_TTL"));
        let pair = hint.and_then(|hint| {
            hint.args.iter().rev().find_map(|arg| match arg {
                ast::HintArg::Pair(pair) => Some(pair),
                ast::HintArg::Item(_) => None,
            })
        });
        match pair {
            None => Ok(self.session.settings.duration_ms("table.exec.state.ttl")),
            Some(pair) => tidemill_types::options::parse_duration(&pair.value.value)
                .map(|duration| duration.as_millis() as i64)
                .ok_or_else(|| {
                    Diagnostic::new(pair.value.span, format!("'{}' is no duration", pair.value.value))
                        .with_hint("write '1d', '12 h' or '30 min'")
                }),
        }
    }
}
