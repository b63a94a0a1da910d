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
use tidemill_connector::{
    COMMON_OPTIONS, Connector, KEY_FORMAT, LOOKUP_OPTIONS, RecordFields, TableRequest, VALUE_FORMAT,
};
use tidemill_format::{DecodeRequest, Format, finds_fields_by_name};
use tidemill_plan::{CastMode, ChangelogMode, Exchange, Expr, Input, Operator, SourcePlan};
use tidemill_types::{DataType, Field, OptionKind, OptionSpec, Options, Schema, SystemDisk, TypeKind};

const FORMAT: OptionSpec =
    OptionSpec::new("format", OptionKind::Text, "how records are written: json, csv, raw …");

/// A table's connector and format with its options checked.
pub(crate) struct Storage {
    pub(crate) connector: Arc<Connector>,
    pub(crate) format: Option<&'static Format>,
    /// What the format's options begin with.
    format_prefix: String,
    /// The format of keys, with what its options begin with.
    pub(crate) key_format: Option<(&'static Format, String)>,
    pub(crate) options: Options,
}

impl Storage {
    /// Checks the options that are not a format's.
    fn check_own(&self, table: &str, span: Span) -> Bound<()> {
        let of_key = self.key_format.as_ref().map(|(_, prefix)| prefix.as_str());
        let of_value = self.format.map(|_| self.format_prefix.as_str());
        let is_format = |key: &str| of_key.iter().chain(&of_value).any(|prefix| key.starts_with(prefix));
        let own = self.options.0.iter().filter(|(key, _)| !is_format(key));
        let own = Options::new(own.map(|(key, value)| (key.clone(), value.clone())));
        let format: &[OptionSpec] = if self.connector.formatted { &[FORMAT] } else { &[] };
        let owner = format!("connector '{}' of table '{table}'", self.connector.name);
        let lookup: &[OptionSpec] =
            match self.connector.source.is_some() || self.connector.lookups.open.is_some() {
                true => LOOKUP_OPTIONS,
                false => &[],
            };
        own.check(&owner, &[self.connector.options, COMMON_OPTIONS, lookup, format]).map_err(at(span))
    }

    /// Checks the options of the formats; keys that a format does not know are left alone, as Flink does.
    fn check_formats(&self, table: &str, span: Span) -> Bound<()> {
        let value = self.format.map(|format| (format, self.format_options()));
        let key = self.key_format.as_ref().map(|(format, prefix)| (*format, self.options.under(prefix)));
        for (format, options) in value.into_iter().chain(key) {
            let is_known = |key: &str| format.options.iter().any(|spec| spec.matches(key));
            let known = options.0.into_iter().filter(|(key, _)| is_known(key));
            let owner = format!("format '{}' of table '{table}'", format.name);
            Options::new(known).check(&owner, &[format.options]).map_err(at(span))?;
        }
        Ok(())
    }

    /// Which columns stand in keys and values.
    pub(crate) fn record_fields(
        &self,
        physical: &Schema,
        primary_key: &[usize],
        span: Span,
    ) -> Bound<RecordFields> {
        RecordFields::of(&self.options, physical, primary_key).map_err(at(span))
    }

    /// Refuses a table of rows by primary key that has none.
    pub(crate) fn needs_primary_key(&self, table: &Table, primary_key: &[usize], span: Span) -> Bound<()> {
        let whole = primary_key.len() == table.primary_key.len() && !primary_key.is_empty();
        if !self.connector.upserts || whole {
            return Ok(());
        }
        let message = format!(
            "connector '{}' needs a primary key of physical columns, but table '{}' has none",
            self.connector.name, table.name
        );
        Err(Diagnostic::new(span, message)
            .with_hint("add PRIMARY KEY (column, …) NOT ENFORCED: those columns are the records' key"))
    }

    /// Whether ROW columns can be read with fewer fields.
    fn narrows_rows(&self) -> bool {
        match self.format {
            Some(format) => self.key_format.is_none() && finds_fields_by_name(format.name),
            None => self.connector.finds_fields_by_name,
        }
    }

    /// The format's options without its prefix.
    pub(crate) fn format_options(&self) -> Options {
        match self.format {
            Some(_) => self.options.under(&self.format_prefix),
            None => Options::default(),
        }
    }
}

impl Binder<'_> {
    /// The rows of a table as queries see them.
    pub(crate) fn scan(&mut self, table: &Table, hints: &[Hint], name: &ObjectName) -> Bound<Relation> {
        let options = with_hints(&table.options, hints);
        let key = format!("table {} {options:?}", table.path());
        if let Some(known) = self.scans.get(&key) {
            return Ok(known.clone());
        }
        let span = name.span();
        let storage = self.storage(&table.name, &options, span)?;
        let source = self.source(table, &storage, span)?;
        let relation = self.computed_columns(table, source)?;
        let mut relation = self.watermark(table, relation, span)?;
        if storage.connector.upserts {
            relation = self.normalize(table, relation);
        }
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
        let declares = |spec: &OptionSpec| connector.options.iter().any(|own| own.key == spec.key);
        let (format_key, prefix) = match (options.get("format"), options.get(VALUE_FORMAT.key)) {
            (None, Some(_)) if declares(&VALUE_FORMAT) => (VALUE_FORMAT.key, "value."),
            _ => ("format", ""),
        };
        let format = find_format(options.get(format_key).filter(|_| connector.formatted), span)?;
        let key_format = find_format(options.get(KEY_FORMAT.key).filter(|_| declares(&KEY_FORMAT)), span)?;
        let storage = Storage {
            format_prefix: format.map(|format| format!("{prefix}{}.", format.name)).unwrap_or_default(),
            key_format: key_format.map(|format| (format, format!("key.{}.", format.name))),
            connector,
            format,
            options: options.clone(),
        };
        storage.check_own(table, span)?;
        if storage.connector.formatted && format.is_none() {
            return Err(Diagnostic::new(span, format!("table '{table}' needs the option 'format'"))
                .with_hint("add 'format' = 'json' (or csv, raw, debezium-json …)"));
        }
        storage.check_formats(table, span)?;
        Ok(storage)
    }

    fn source(&mut self, table: &Table, storage: &Storage, span: Span) -> Bound<Relation> {
        if storage.connector.source.is_none() && storage.connector.lookups.open.is_none() {
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
        let primary_key: Vec<usize> =
            table.primary_key.iter().filter_map(|name| physical.index_of(name)).collect();
        storage.needs_primary_key(table, &primary_key, span)?;
        self.check_source(table, storage, &physical, &metadata, &primary_key, span)?;
        let mut fields = physical.fields.clone();
        fields.extend(metadata.iter().map(|(key, data_type)| Field::new(key.clone(), data_type.clone())));
        let changes = storage.connector.upserts || storage.format.is_some_and(|format| format.changelog);
        let changelog = if changes { ChangelogMode::RETRACT } else { ChangelogMode::APPEND };
        let plan = SourcePlan {
            table: table.name.clone(),
            connector: storage.connector.name.to_string(),
            options: storage.options.clone(),
            physical,
            wanted,
            metadata,
            narrows_rows: storage.narrows_rows(),
            partition_by: table.partition_by.clone(),
            primary_key,
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
        primary_key: &[usize],
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
            primary_key,
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
        let fields = storage.record_fields(physical, primary_key, span)?;
        let is_stored = |field: &Field| !table.partition_by.contains(&field.name);
        let mut stored = fields.value_schema(physical);
        stored.fields.retain(is_stored);
        self.check_readable(format.name, open, &stored, &storage.format_options(), span)?;
        let Some((format, prefix)) = &storage.key_format else { return Ok(()) };
        let Some(open) = format.decoder else {
            return Err(Diagnostic::new(span, format!("the format '{}' can't be read", format.name)));
        };
        let keys = fields.key_schema(physical);
        self.check_readable(format.name, open, &keys, &storage.options.under(prefix), span)
    }

    fn check_readable(
        &self,
        format: &str,
        open: tidemill_format::OpenDecoder,
        schema: &Schema,
        options: &Options,
        span: Span,
    ) -> Bound<()> {
        let wanted: Vec<usize> = (0..schema.len()).collect();
        let zone = self.session.info().zone;
        let request = DecodeRequest { physical: schema, wanted: &wanted, metadata: &[], options, zone };
        open(&request)
            .map(drop)
            .map_err(at(span))
            .map_err(|error| error.with_note(format!("in the format '{format}'")))
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
        if !table.primary_key.is_empty() {
            let place = |key: &String| table.columns.iter().position(|column| column.name == *key);
            self.plan.nodes[relation.node].upsert_key = table.primary_key.iter().map(place).collect();
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

    /// Makes rows by key a changelog: the last row of each key tells what a new one replaces.
    fn normalize(&mut self, table: &Table, input: Relation) -> Relation {
        let place = |name: &String| input.columns.iter().position(|column| column.field.name == *name);
        let keys: Vec<usize> = table.primary_key.iter().filter_map(place).collect();
        let traits = NodeTraits { changelog: ChangelogMode::RETRACT, upsert_key: Some(keys.clone()) };
        let inputs = vec![Input { node: input.node, exchange: Exchange::Hash(keys.clone()) }];
        let schema = input.schema();
        let operator = Operator::ChangelogNormalize { keys };
        let node = self.push(operator, inputs, schema, traits);
        Relation { node, ..input }
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

fn find_format(name: Option<&str>, span: Span) -> Bound<Option<&'static Format>> {
    name.map(tidemill_format::format).transpose().map_err(at(span))
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
