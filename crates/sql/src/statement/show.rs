//! SHOW: lists, and CREATE statements of tables and views.

use super::Rows;
use crate::ast::{ObjectKind, Show, ShowLike, ShowWhat};
use crate::bind::{Bound, unsupported};
use crate::catalog::{
    CATALOG_DEFAULT, CatalogEntry, Column, ColumnKind, DATABASE_DEFAULT, Session, Table, View,
};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use crate::unparse::{unparse_expr, unparse_query};

impl Session {
    pub(super) fn show(&self, show: &Show, span: Span) -> Bound<Rows> {
        let (column, names) = match &show.what {
            ShowWhat::Tables => ("table name", self.catalog.names()),
            ShowWhat::Views => ("view name", self.views()),
            ShowWhat::Functions { user: false } => ("function name", self.function_names()),
            ShowWhat::Functions { user: true } => ("function name", Vec::new()),
            ShowWhat::Catalogs => ("catalog name", vec![CATALOG_DEFAULT.to_string()]),
            ShowWhat::CurrentCatalog => ("current catalog name", vec![CATALOG_DEFAULT.to_string()]),
            ShowWhat::Databases => ("database name", vec![DATABASE_DEFAULT.to_string()]),
            ShowWhat::CurrentDatabase => ("current database name", vec![DATABASE_DEFAULT.to_string()]),
            ShowWhat::Create { kind, name } => ("result", vec![self.show_create(*kind, name)?]),
            _ => return Err(unsupported(span, "this form of SHOW")),
        };
        let mut rows = Rows::new(&[column]);
        for name in names.into_iter().filter(|name| show.like.as_ref().is_none_or(|like| matches(like, name)))
        {
            rows.push(vec![Some(name)]);
        }
        Ok(rows)
    }

    fn views(&self) -> Vec<String> {
        let is_view = |name: &String| matches!(self.catalog.get(name), Some(CatalogEntry::View(_)));
        self.catalog.names().into_iter().filter(is_view).collect()
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

    fn show_create(&self, kind: ObjectKind, name: &crate::ast::ObjectName) -> Bound<String> {
        match (kind, self.catalog.lookup(name)?) {
            (ObjectKind::Table, CatalogEntry::Table(table)) => Ok(create_table(table)),
            (ObjectKind::View, CatalogEntry::View(view)) => Ok(create_view(view)),
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

fn full_name(name: &str) -> String {
    format!("`{CATALOG_DEFAULT}`.`{DATABASE_DEFAULT}`.{}", quoted(name))
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
        let name = format!("PK_{}", table.primary_key.join("_"));
        parts.push(format!("CONSTRAINT {} PRIMARY KEY ({}) NOT ENFORCED", quoted(&name), columns.join(", ")));
    }
    let temporary = if table.temporary { "TEMPORARY " } else { "" };
    let mut out =
        format!("CREATE {temporary}TABLE {} (\n  {}\n)", full_name(&table.name), parts.join(",\n  "));
    if let Some(comment) = &table.comment {
        out.push_str(&format!("\nCOMMENT {}", text(comment)));
    }
    if !table.partition_by.is_empty() {
        let columns: Vec<String> = table.partition_by.iter().map(|name| quoted(name)).collect();
        out.push_str(&format!("\nPARTITIONED BY ({})", columns.join(", ")));
    }
    let options: Vec<String> = table
        .options
        .0
        .iter()
        .map(|(key, value)| format!("{} = {}", text(key), text(&masked(key, value))))
        .collect();
    out.push_str(&format!("\nWITH (\n  {}\n)\n", options.join(",\n  ")));
    out
}

/// A value that may be shown: those of secret keys are hidden.
fn masked(key: &str, value: &str) -> String {
    const SECRETS: [&str; 6] = ["password", "secret", "token", "apikey", "api-key", "jaas"];
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

fn create_view(view: &View) -> String {
    let columns: Vec<String> = view.columns.iter().map(|name| format!("  {}", quoted(name))).collect();
    let temporary = if view.temporary { "TEMPORARY " } else { "" };
    format!(
        "CREATE {temporary}VIEW {} (\n{}\n)\nAS {}\n",
        full_name(&view.name),
        columns.join(",\n"),
        unparse_query(&view.query)
    )
}
