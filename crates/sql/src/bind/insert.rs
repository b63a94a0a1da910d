//! INSERT and the bare SELECT: a query's rows into a sink, by position, with the casts that an INSERT allows.
//!
//! Rule (Flink documentation, "INSERT"): columns match by position; only widening casts are inserted;
//! unlisted columns become NULL.

use super::fold::null;
use super::scan::{Storage, with_hints};
use super::scope::Scope;
use super::{Binder, Bound, NodeTraits, Relation, at};
use crate::ast;
use crate::catalog::{CatalogEntry, Column, ColumnKind, Table};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use std::sync::Arc;
use tidemill_connector::TableRequest;
use tidemill_format::avro::with_subject;
use tidemill_format::{EncodeRequest, Format};
use tidemill_plan::stream::NotNullEnforcer;
use tidemill_plan::{CastMode, Exchange, Expr, Input, Node, Operator, SinkPlan, SinkTarget};
use tidemill_types::{DataType, Field, Options, Schema, SystemDisk, TimeAttribute, TypeKind};

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
        let table = match session.catalog.lookup(&insert.table, &self.home)? {
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
        self.one_rowtime(&exprs, &query, insert)?;
        let (columns, exprs) = metadata_last(columns, exprs);
        self.push_table_sink(insert, table, &columns, exprs, &query)
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
        mut exprs: Vec<Expr>,
        query: &Relation,
    ) -> Bound<()> {
        self.refuse_open_ranks(query.node)?;
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
        let schema = Schema::new(columns.iter().map(|c| Field::new(&c.name, c.data_type.clone())).collect());
        let metadata = written_metadata(&storage, table, columns, span)?;
        let physical = Schema::new(schema.fields[..columns.len() - metadata.len()].to_vec());
        for ((_, own), expr) in metadata.iter().zip(&mut exprs[physical.len()..]) {
            *expr = self.cast(expr.clone(), own, CastMode::Cast, span)?;
        }
        let names = columns.iter().map(|column| column.name.clone()).collect();
        let mut rows = self.project(query, None, exprs, names);
        let takes_changes = storage.connector.sink_takes_changes
            || storage.connector.upserts
            || storage.format.is_some_and(|format| format.changelog);
        if !self.plan.nodes[rows.node].changelog.append_only() && !takes_changes {
            return Err(self.refuse_updates(&rows, table, span));
        }
        let primary_key: Vec<usize> =
            table.primary_key.iter().filter_map(|name| physical.index_of(name)).collect();
        storage.needs_primary_key(table, &primary_key, span)?;
        self.check_sink(insert, table, &storage, &physical, &metadata, &primary_key)?;
        let not_null_columns = (0..columns.len())
            .filter(|i| !columns[*i].data_type.nullable && rows.columns[*i].field.data_type.nullable)
            .collect();
        self.settle_conflicts(insert, &storage, &mut rows, &primary_key)?;
        if storage.connector.sink_skips_update_before {
            self.drop_update_before(&mut rows);
        }
        let exchange = if storage.connector.single_task_sink { Exchange::Single } else { Exchange::Forward };
        for (column, declared) in rows.columns.iter_mut().zip(columns) {
            let is_metadata = matches!(declared.kind, ColumnKind::Metadata { .. });
            if !is_metadata {
                column.field.data_type = declared.data_type.clone();
            }
            column.field.time = None;
        }
        let target = SinkTarget::Table {
            table: table.name.clone(),
            connector: storage.connector.name.to_string(),
            options,
            partition_by: table.partition_by.clone(),
            metadata,
            primary_key,
            overwrite: insert.overwrite,
        };
        let sink = SinkPlan { target, not_null: self.not_null_enforcer(), not_null_columns };
        self.push_sink(sink, &rows, exchange);
        Ok(())
    }

    fn check_sink(
        &self,
        insert: &ast::Insert,
        table: &Table,
        storage: &Storage,
        physical: &Schema,
        metadata: &[(String, DataType)],
        primary_key: &[usize],
    ) -> Bound<()> {
        let span = insert.table.span();
        let request = TableRequest {
            table: &table.name,
            options: &storage.options,
            schema: physical,
            wanted: &[],
            metadata,
            partition_by: &table.partition_by,
            primary_key,
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
        let fields = storage.record_fields(physical, primary_key, span)?;
        let Some(format) = storage.format else { return Ok(()) };
        let mut stored = fields.value_schema(physical);
        stored.fields.retain(|field| !table.partition_by.contains(&field.name));
        self.check_writable(format, &stored, storage, (storage.format_options(), "value"), span)?;
        let Some((format, prefix)) = &storage.key_format else { return Ok(()) };
        let keys = fields.key_schema(physical);
        self.check_writable(format, &keys, storage, (storage.options.under(prefix), "key"), span)
    }

    fn check_writable(
        &self,
        format: &Format,
        schema: &Schema,
        storage: &Storage,
        (options, part): (Options, &str),
        span: Span,
    ) -> Bound<()> {
        let Some(open) = format.encoder else {
            return Err(Diagnostic::new(span, format!("the format '{}' can't be written", format.name)));
        };
        let options = with_subject(format.name, options, storage.options.get("topic"), part);
        open(&EncodeRequest { schema, options: &options, zone: self.session.info().zone })
            .map(drop)
            .map_err(at(span))
            .map_err(|error| error.with_note(format!("in the format '{}'", format.name)))
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
    pub(crate) fn producer_of_updates(&self, node: usize) -> &Node {
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

/// The columns with their values, metadata columns behind all others.
fn metadata_last(columns: Vec<&Column>, exprs: Vec<Expr>) -> (Vec<&Column>, Vec<Expr>) {
    let is_metadata = |(column, _): &(&Column, Expr)| matches!(column.kind, ColumnKind::Metadata { .. });
    let pairs = columns.into_iter().zip(exprs);
    let (metadata, physical): (Vec<_>, Vec<_>) = pairs.partition(is_metadata);
    physical.into_iter().chain(metadata).unzip()
}

/// The metadata columns among those written: key and the connector's type.
fn written_metadata(
    storage: &Storage,
    table: &Table,
    columns: &[&Column],
    span: Span,
) -> Bound<Vec<(String, DataType)>> {
    let mut written = Vec::new();
    for column in columns {
        let ColumnKind::Metadata { key, .. } = &column.kind else { continue };
        let known = storage.connector.metadata.iter();
        let writable = || known.clone().filter(|known| known.writable).map(|known| known.key);
        match known.clone().find(|known| known.key == key && known.writable) {
            Some(found) => written.push((key.clone(), (found.data_type)().with_nullable(true))),
            None => {
                let message = format!(
                    "column '{}' of '{}' writes metadata '{key}', which connector '{}' does not take",
                    column.name, table.name, storage.connector.name
                );
                let hint = match writable().collect::<Vec<_>>().join(", ") {
                    none if none.is_empty() => {
                        "declare the column as METADATA VIRTUAL to read it only".into()
                    }
                    keys => format!(
                        "declare the column as METADATA VIRTUAL to read it only; writable are: {keys}"
                    ),
                };
                return Err(Diagnostic::new(span, message).with_hint(hint));
            }
        }
    }
    Ok(written)
}
