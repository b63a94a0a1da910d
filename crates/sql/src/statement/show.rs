//! SHOW: lists, and CREATE statements of tables and views.

use super::Rows;
use crate::ast::{ObjectKind, ObjectName, PartitionValue, Show, ShowLike, ShowWhat};
use crate::bind::{Bound, unsupported};
use crate::catalog::{CatalogEntry, Column, ColumnKind, DatabasePath, ObjectPath, Session, Table, View};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use crate::unparse::{unparse_expr, unparse_query};
use std::collections::BTreeMap;
use tidemill_types::Options;

impl Session {
    pub(super) fn show(&self, show: &Show, span: Span) -> Bound<Rows> {
        let home = |name: &Option<ObjectName>| match name {
            Some(name) => self.existing_database(name),
            None => Ok(self.catalog.current().clone()),
        };
        let (column, names) = match &show.what {
            ShowWhat::Tables => ("table name", self.catalog.names_in(&home(&show.from)?)),
            ShowWhat::Views => ("view name", self.views(&home(&show.from)?)),
            ShowWhat::Functions { user: false } => ("function name", self.function_names()),
            ShowWhat::Functions { user: true } => ("function name", Vec::new()),
            ShowWhat::Catalogs => ("catalog name", self.catalog.catalog_names()),
            ShowWhat::CurrentCatalog => {
                ("current catalog name", vec![self.catalog.current().catalog.clone()])
            }
            ShowWhat::Databases => ("database name", self.database_names(show.from.as_ref())?),
            ShowWhat::CurrentDatabase => {
                ("current database name", vec![self.catalog.current().database.clone()])
            }
            ShowWhat::Create { kind, name } => ("result", vec![self.show_create(*kind, name)?]),
            ShowWhat::Partitions { table, partition } => {
                ("partition name", self.partition_names(table, partition)?)
            }
            ShowWhat::Columns => return self.show_columns(show, span),
            ShowWhat::Modules { full: false } => ("module name", vec!["core".to_string()]),
            ShowWhat::Modules { full: true } => return Ok(full_modules()),
            ShowWhat::Jars => ("jars", Vec::new()),
            ShowWhat::Procedures => ("procedure name", Vec::new()),
            ShowWhat::Models => ("model name", Vec::new()),
            ShowWhat::MaterializedTables => ("materialized table name", Vec::new()),
            ShowWhat::Jobs => return Err(unsupported(span, "SHOW JOBS")),
        };
        let mut rows = Rows::new(&[column]);
        for name in names.into_iter().filter(|name| show.like.as_ref().is_none_or(|like| matches(like, name)))
        {
            rows.push(vec![Some(name)]);
        }
        Ok(rows)
    }

    fn show_columns(&self, show: &Show, span: Span) -> Bound<Rows> {
        let table = show.from.as_ref();
        let table = table.ok_or_else(|| Diagnostic::new(span, "SHOW COLUMNS needs FROM and a table"))?;
        let mut rows = self.describe_table(table)?;
        if let Some(like) = &show.like {
            rows.rows.retain(|row| row[0].as_ref().is_some_and(|name| matches(like, name)));
        }
        Ok(rows)
    }

    fn views(&self, home: &DatabasePath) -> Vec<String> {
        let is_view = |name: &String| {
            matches!(self.catalog.get(&home.object(name.as_str())), Some(CatalogEntry::View(_)))
        };
        self.catalog.names_in(home).into_iter().filter(is_view).collect()
    }

    fn database_names(&self, catalog: Option<&ObjectName>) -> Bound<Vec<String>> {
        let current = &self.catalog.current().catalog;
        let (name, span) = match catalog {
            Some(catalog) => (&catalog.last().value, catalog.span()),
            None => (current, Span::default()),
        };
        Ok(self.catalog.space(name, span)?.databases.keys().cloned().collect())
    }

    /// `p=v/q=w` for each declared partition that has the given values.
    fn partition_names(&self, table: &ObjectName, wanted: &[PartitionValue]) -> Bound<Vec<String>> {
        let entry = self.catalog.lookup(table, self.catalog.current())?;
        let declared = match entry {
            CatalogEntry::Table(declared) if !declared.partition_by.is_empty() => declared,
            _ => {
                let message = format!("'{}' is not partitioned", table.last().value);
                return Err(Diagnostic::new(table.span(), message));
            }
        };
        let wanted = super::alter_partitions::partition(declared, wanted)?;
        let fits = |partition: &&BTreeMap<String, String>| {
            wanted.iter().all(|(column, value)| partition.get(column) == Some(value))
        };
        let name = |partition: &BTreeMap<String, String>| {
            let parts = declared
                .partition_by
                .iter()
                .filter_map(|column| partition.get(column).map(|value| format!("{column}={value}")));
            parts.collect::<Vec<_>>().join("/")
        };
        Ok(declared.partitions.iter().filter(fits).map(name).collect())
    }

    fn create_catalog_text(&self, name: &ObjectName) -> Bound<String> {
        let space = self.catalog.space(&name.last().value, name.span())?;
        let mut out = format!("CREATE CATALOG {}\n", quoted(&name.last().value));
        if let Some(comment) = &space.comment {
            out.push_str(&format!("COMMENT {}\n", text(comment)));
        }
        out.push_str(&with_options(&space.options));
        Ok(out)
    }

    fn function_names(&self) -> Vec<String> {
        let words = self.functions.scalars.keys().chain(self.functions.aggregates.keys());
        let mut names: Vec<String> = words
            .filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
            .map(|name| name.to_lowercase())
            .collect();
        names.sort();
        names.dedup();
        names
    }

    fn show_create(&self, kind: ObjectKind, name: &ObjectName) -> Bound<String> {
        if kind == ObjectKind::Catalog {
            return self.create_catalog_text(name);
        }
        let path = self.catalog.key(name)?;
        match (kind, self.catalog.lookup(name, self.catalog.current())?) {
            (ObjectKind::Table, CatalogEntry::Table(table)) => Ok(create_table(table)),
            (ObjectKind::View, CatalogEntry::View(view)) => Ok(create_view(view, &path)),
            (_, entry) => {
                Err(Diagnostic::new(name.span(), format!("'{}' is a {}", name.last().value, entry.kind()))
                    .with_hint(format!("write SHOW CREATE {}", entry.kind().to_uppercase())))
            }
        }
    }
}

/// SQL's LIKE: `%` for any text, `_` for one character.
fn matches(like: &ShowLike, name: &str) -> bool {
    let fold = |text: &str| -> Vec<char> {
        match like.ignore_case {
            true => text.to_lowercase().chars().collect(),
            false => text.chars().collect(),
        }
    };
    like_match(&fold(&like.pattern.value), &fold(name)) != like.negated
}

fn like_match(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('%', rest)) => (0..=text.len()).any(|skip| like_match(rest, &text[skip..])),
        Some((c, rest)) => {
            text.split_first().is_some_and(|(t, tail)| (*c == '_' || c == t) && like_match(rest, tail))
        }
    }
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

fn full_name(path: &ObjectPath) -> String {
    format!("{}.{}.{}", quoted(&path.home.catalog), quoted(&path.home.database), quoted(&path.name))
}

fn full_modules() -> Rows {
    let mut rows = Rows::new(&["module name", "used"]);
    rows.push(vec![Some("core".into()), Some("true".into())]);
    rows
}

/// `WITH (..)` with each option on a line.
fn with_options(options: &Options) -> String {
    let options: Vec<String> = options
        .0
        .iter()
        .map(|(key, value)| format!("{} = {}", text(key), text(&masked(key, value))))
        .collect();
    format!("WITH (\n  {}\n)\n", options.join(",\n  "))
}

fn create_table(table: &Table) -> String {
    let mut parts: Vec<String> = table.columns.iter().map(column).collect();
    if let Some(watermark) = &table.watermark {
        parts.push(format!(
            "WATERMARK FOR {} AS {}",
            quoted(&watermark.column),
            unparse_expr(&watermark.expr)
        ));
    }
    if !table.primary_key.is_empty() {
        let columns: Vec<String> = table.primary_key.iter().map(|name| quoted(name)).collect();
        let name = super::alter_table::constraint_name(table);
        parts.push(format!("CONSTRAINT {} PRIMARY KEY ({}) NOT ENFORCED", quoted(&name), columns.join(", ")));
    }
    let temporary = if table.temporary { "TEMPORARY " } else { "" };
    let mut out =
        format!("CREATE {temporary}TABLE {} (\n  {}\n)", full_name(&table.path()), parts.join(",\n  "));
    if let Some(comment) = &table.comment {
        out.push_str(&format!("\nCOMMENT {}", text(comment)));
    }
    if !table.partition_by.is_empty() {
        let columns: Vec<String> = table.partition_by.iter().map(|name| quoted(name)).collect();
        out.push_str(&format!("\nPARTITIONED BY ({})", columns.join(", ")));
    }
    out.push('\n');
    out.push_str(&with_options(&table.options));
    out
}

/// A value that may be shown: those of secret keys are hidden.
fn masked(key: &str, value: &str) -> String {
    const SECRETS: [&str; 7] = ["password", "secret", "token", "apikey", "api-key", "jaas", "user-info"];
    let lower = key.to_lowercase();
    if SECRETS.iter().any(|word| lower.contains(word)) { "******".into() } else { value.into() }
}

fn column(column: &Column) -> String {
    let comment =
        column.comment.as_ref().map(|comment| format!(" COMMENT {}", text(comment))).unwrap_or_default();
    let name = quoted(&column.name);
    let not_null = if column.data_type.nullable { "" } else { " NOT NULL" };
    match &column.kind {
        ColumnKind::Physical => format!("{name} {}{not_null}{comment}", type_text(column)),
        ColumnKind::Computed(expr) => format!("{name} AS {}{comment}", unparse_expr(expr)),
        ColumnKind::Metadata { key, is_virtual } => {
            let from = if *key == column.name { String::new() } else { format!(" FROM {}", text(key)) };
            let kind = if *is_virtual { " VIRTUAL" } else { "" };
            format!("{name} {}{not_null} METADATA{from}{kind}{comment}", type_text(column))
        }
    }
}

/// The type as Flink writes it in CREATE TABLE, where STRING is VARCHAR(2147483647).
fn type_text(column: &Column) -> String {
    match column.data_type.kind.to_string().as_str() {
        "STRING" => "VARCHAR(2147483647)".to_string(),
        "BYTES" => "VARBINARY(2147483647)".to_string(),
        other => other.to_string(),
    }
}

fn create_view(view: &View, path: &ObjectPath) -> String {
    let columns: Vec<String> = view.columns.iter().map(|name| format!("  {}", quoted(name))).collect();
    let temporary = if view.temporary { "TEMPORARY " } else { "" };
    format!(
        "CREATE {temporary}VIEW {} (\n{}\n)\nAS {}\n",
        full_name(path),
        columns.join(",\n"),
        unparse_query(&view.query)
    )
}
