//! A table as a source: the scan, its metadata and computed columns, its watermark.
//!
//! Order (Flink documentation, "CREATE TABLE"): the record and metadata first, then computed columns, then
//! the watermark over all of them.

use super::scope::Scope;
use super::{Binder, Bound, NodeTraits, Relation, RelationColumn, at};
use crate::ast::{Hint, HintArg, ObjectName};
use crate::catalog::{Column, ColumnKind, Table};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use std::sync::Arc;
use tidemill_connector::{COMMON_OPTIONS, Connector, TableRequest};
use tidemill_format::{DecodeRequest, Format};
use tidemill_plan::{CastMode, ChangelogMode, Expr, Operator, SourcePlan};
use tidemill_types::{DataType, Field, OptionKind, OptionSpec, Options, Schema, SystemDisk, TypeKind};

const FORMAT: OptionSpec =
    OptionSpec::new("format", OptionKind::Text, "how records are written: json, csv, raw …");

/// A table's connector and format with its options checked.
pub(crate) struct Storage {
    pub(crate) connector: Arc<Connector>,
    pub(crate) format: Option<&'static Format>,
    pub(crate) options: Options,
}

impl Storage {
    /// The format's options without its prefix.
    pub(crate) fn format_options(&self) -> Options {
        self.format.map(|format| self.options.under(&format!("{}.", format.name))).unwrap_or_default()
    }
}

impl Binder<'_> {
    /// The rows of a table as queries see them.
    pub(crate) fn scan(&mut self, table: &Table, hints: &[Hint], name: &ObjectName) -> Bound<Relation> {
        let options = with_hints(&table.options, hints);
        let key = format!("table {} {options:?}", table.name);
        if let Some(known) = self.scans.get(&key) {
            return Ok(known.clone());
        }
        let span = name.span();
        let storage = self.storage(&table.name, &options, span)?;
        let source = self.source(table, &storage, span)?;
        let relation = self.computed_columns(table, source)?;
        let relation = self.watermark(table, relation, span)?;
        self.scans.insert(key, relation.clone());
        Ok(relation)
    }

    /// Finds and checks a table's connector and format.
    pub(crate) fn storage(&self, table: &str, options: &Options, span: Span) -> Bound<Storage> {
        let name = options.get("connector").ok_or_else(|| {
            Diagnostic::new(span, format!("table '{table}' has no connector"))
                .with_hint("add WITH ('connector' = 'filesystem', 'path' = '…', 'format' = 'json')")
        })?;
        let connector = self.session.connectors.find(name).map_err(at(span))?.clone();
        let format = options.get("format").filter(|_| connector.formatted);
        let format = format.map(tidemill_format::format).transpose().map_err(at(span))?;
        let prefix = format.map(|format| format!("{}.", format.name));
        let is_format = |key: &str| prefix.as_deref().is_some_and(|prefix| key.starts_with(prefix));
        let own = Options::new(
            options.0.iter().filter(|(key, _)| !is_format(key)).map(|(k, v)| (k.clone(), v.clone())),
        );
        let format_key: &[OptionSpec] = if connector.formatted { &[FORMAT] } else { &[] };
        let owner = format!("connector '{name}' of table '{table}'");
        own.check(&owner, &[connector.options, COMMON_OPTIONS, format_key]).map_err(at(span))?;
        if connector.formatted && format.is_none() {
            return Err(Diagnostic::new(span, format!("table '{table}' needs the option 'format'"))
                .with_hint("add 'format' = 'json' (or csv, raw, debezium-json …)"));
        }
        let storage = Storage { connector, format, options: options.clone() };
        if let Some(format) = format {
            let known = storage.format_options();
            let known =
                known.0.into_iter().filter(|(key, _)| format.options.iter().any(|spec| spec.matches(key)));
            let owner = format!("format '{}' of table '{table}'", format.name);
            Options::new(known).check(&owner, &[format.options]).map_err(at(span))?;
        }
        Ok(storage)
    }

    fn source(&mut self, table: &Table, storage: &Storage, span: Span) -> Bound<Relation> {
        if storage.connector.source.is_none() {
            let message = format!(
                "table '{}' can't be read: connector '{}' only writes",
                table.name, storage.connector.name
            );
            return Err(Diagnostic::new(span, message));
        }
        let physical = Schema::new(
            table.physical().map(|column| Field::new(&column.name, column.data_type.clone())).collect(),
        );
        let wanted: Vec<usize> = (0..physical.len()).collect();
        let metadata = table
            .columns
            .iter()
            .filter_map(|column| match &column.kind {
                ColumnKind::Metadata { key, .. } => Some(metadata_key(storage, column, key, span)),
                _ => None,
            })
            .collect::<Bound<Vec<_>>>()?;
        self.check_source(table, storage, &physical, &metadata, span)?;
        let mut fields = physical.fields.clone();
        fields.extend(metadata.iter().map(|(key, data_type)| Field::new(key.clone(), data_type.clone())));
        let changelog = match storage.format.is_some_and(|format| format.changelog) {
            true => ChangelogMode::RETRACT,
            false => ChangelogMode::APPEND,
        };
        let plan = SourcePlan {
            table: table.name.clone(),
            connector: storage.connector.name.to_string(),
            options: storage.options.clone(),
            physical,
            wanted,
            metadata,
            partition_by: table.partition_by.clone(),
            bounded: (storage.connector.bounded)(&storage.options),
        };
        let schema = Schema::new(fields);
        let traits = NodeTraits { changelog, upsert_key: None };
        let columns = schema
            .fields
            .iter()
            .map(|field| RelationColumn { qualifier: None, field: field.clone(), hidden: false })
            .collect();
        let node = self.push(Operator::Source(plan), Vec::new(), schema, traits);
        Ok(Relation { node, columns, windowing: None })
    }

    fn check_source(
        &self,
        table: &Table,
        storage: &Storage,
        physical: &Schema,
        metadata: &[(String, DataType)],
        span: Span,
    ) -> Bound<()> {
        let wanted: Vec<usize> = (0..physical.len()).collect();
        let zone = self.session.info().zone;
        let request = TableRequest {
            table: &table.name,
            options: &storage.options,
            schema: physical,
            wanted: &wanted,
            metadata,
            partition_by: &table.partition_by,
            primary_key: &[],
            overwrite: false,
            task: 0,
            parallelism: 1,
            zone,
            run_id: "check",
            pipeline_id: "check",
            checkpointed: false,
            state_dir: None,
            disk: Arc::new(SystemDisk),
        };
        (storage.connector.check)(&request).map_err(at(span))?;
        let Some(format) = storage.format else { return Ok(()) };
        let Some(open) = format.decoder else {
            return Err(Diagnostic::new(span, format!("the format '{}' can't be read", format.name)));
        };
        let is_stored = |field: &&Field| !table.partition_by.contains(&field.name);
        let stored = Schema::new(physical.fields.iter().filter(is_stored).cloned().collect());
        let wanted: Vec<usize> = (0..stored.len()).collect();
        let options = storage.format_options();
        let request =
            DecodeRequest { physical: &stored, wanted: &wanted, metadata: &[], options: &options, zone };
        open(&request).map(drop).map_err(at(span))
    }

    /// All columns in declared order: metadata cast to its declared type, computed columns computed.
    fn computed_columns(&mut self, table: &Table, source: Relation) -> Bound<Relation> {
        let physical = table.physical().count();
        let mut metadata = physical..;
        let mut stored = 0..;
        let named: Vec<RelationColumn> = self.stored_scope(table);
        let scope = Scope { columns: &named };
        let mut exprs: Vec<Expr> = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            exprs.push(match &column.kind {
                ColumnKind::Physical => scope.column(stored.next().expect("ranges do not end")),
                ColumnKind::Metadata { .. } => {
                    let index = metadata.next().expect("ranges do not end");
                    let own = Expr::column(
                        index,
                        column.name.clone(),
                        source.columns[index].field.data_type.clone(),
                    );
                    self.cast(own, &column.data_type, CastMode::Cast, Span::default())?
                }
                ColumnKind::Computed(expr) => {
                    let expr = self.bind_over(expr, scope)?;
                    self.settle_metadata(expr, table, &source)?
                }
            });
        }
        let names = table.columns.iter().map(|column| column.name.clone()).collect();
        let mut relation = self.project(&source, None, exprs, names);
        for (column, declared) in relation.columns.iter_mut().zip(&table.columns) {
            column.field.time = declared.time;
            column.field.data_type = declared.data_type.clone();
        }
        Ok(relation)
    }

    /// Puts the casts of metadata columns into an expression that was bound over the declared types.
    fn settle_metadata(&self, expr: Expr, table: &Table, source: &Relation) -> Bound<Expr> {
        let declared = self.stored_scope(table);
        let mut casts = Vec::with_capacity(declared.len());
        for (i, column) in declared.iter().enumerate() {
            let own = Expr::column(i, column.field.name.clone(), source.columns[i].field.data_type.clone());
            casts.push(self.cast(own, &column.field.data_type, CastMode::Cast, Span::default())?);
        }
        Ok(expr.map_columns(&|index, _, _| casts[index].clone()))
    }

    fn watermark(&mut self, table: &Table, input: Relation, span: Span) -> Bound<Relation> {
        let Some(watermark) = &table.watermark else { return Ok(input) };
        if self.session.info().batch {
            // A batch job knows all rows before anything fires: no row is late.
            return Ok(input);
        }
        let scope = Scope::of(&input);
        let time_column = input.columns.iter().position(|column| column.field.name == watermark.column);
        let time_column = time_column.expect("a table's watermark names one of its columns");
        let expr = self.bind_over(&watermark.expr, scope)?;
        if is_source_watermark(&expr) {
            return Err(Diagnostic::new(
                span,
                format!(
                    "table '{}' uses SOURCE_WATERMARK(), but connector '{}' gives no watermarks",
                    table.name,
                    table.options.get("connector").unwrap_or("")
                ),
            )
            .with_hint("declare one: WATERMARK FOR ts AS ts - INTERVAL '5' SECOND"));
        }
        let data_type = match input.columns[time_column].field.data_type.kind {
            TypeKind::TimestampLtz(_) => TypeKind::TimestampLtz(3),
            _ => TypeKind::Timestamp(3),
        };
        let expr = self.cast(expr, &data_type.nullable(), CastMode::Implicit, watermark.expr.span)?;
        let traits = NodeTraits {
            changelog: self.plan.nodes[input.node].changelog,
            upsert_key: self.plan.nodes[input.node].upsert_key.clone(),
        };
        let schema = input.schema();
        let operator = Operator::Watermark { watermark: expr, time_column };
        let node = self.push_forward(operator, input.node, schema, traits);
        Ok(Relation { node, ..input })
    }
}

fn is_source_watermark(expr: &Expr) -> bool {
    matches!(expr, Expr::Call { name, .. } if name == "SOURCE_WATERMARK")
}

/// A table's options with those of OPTIONS hints over them.
pub(crate) fn with_hints(options: &Options, hints: &[Hint]) -> Options {
    let mut options = options.clone();
    for hint in hints.iter().filter(|hint| hint.name.value.eq_ignore_ascii_case("OPTIONS")) {
        for arg in &hint.args {
            if let HintArg::Pair(pair) = arg {
                options.0.insert(pair.key.value.clone(), pair.value.value.clone());
            }
        }
    }
    options
}

fn metadata_key(storage: &Storage, column: &Column, key: &str, span: Span) -> Bound<(String, DataType)> {
    let of_connector = storage.connector.metadata.iter().map(|known| (known.key, known.data_type));
    let of_format = storage.format.into_iter().flat_map(|format| format.metadata.iter().copied());
    let known: Vec<_> = of_connector.chain(of_format).collect();
    let found = known.iter().find(|(known, _)| *known == key || Some(*known) == key.strip_prefix("value."));
    match found {
        Some((_, data_type)) => Ok((key.to_string(), data_type())),
        None => {
            let keys = known.iter().map(|(key, _)| *key).collect::<Vec<_>>().join(", ");
            let message = format!(
                "column '{}' reads metadata '{key}', which connector '{}' does not offer",
                column.name, storage.connector.name
            );
            Err(Diagnostic::new(span, message).with_hint(match keys.as_str() {
                "" => "it offers no metadata".to_string(),
                keys => format!("it offers: {keys}"),
            }))
        }
    }
}
