//! DESCRIBE: the columns of a table or view, and facts of functions, catalogs and databases, as Flink shows them.

use super::Rows;
use crate::ast::{Describe, DescribeWhat, Ident, ObjectName};
use crate::bind::{Binder, Bound, unsupported};
use crate::catalog::{CatalogEntry, Column, ColumnKind, Session, Table};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use crate::unparse::unparse_expr;
use tidemill_types::{Field, TimeAttribute};

impl Session {
    pub(super) fn describe(&self, describe: &Describe, span: Span) -> Bound<Rows> {
        match &describe.what {
            DescribeWhat::Table(name) => self.describe_table(name),
            DescribeWhat::Function(name) => self.describe_function(name, describe.extended),
            DescribeWhat::Catalog(name) => self.describe_catalog(name, describe.extended),
            DescribeWhat::Database(name) => self.describe_database(name, describe.extended),
            DescribeWhat::Model(_) => Err(unsupported(span, "DESCRIBE MODEL")),
            DescribeWhat::Job(_) => Err(unsupported(span, "DESCRIBE JOB")),
        }
    }

    /// The columns of a table or view.
    pub(super) fn describe_table(&self, name: &ObjectName) -> Bound<Rows> {
        match self.catalog.lookup(name, self.catalog.current())? {
            CatalogEntry::Table(table) => Ok(table_rows(table)),
            CatalogEntry::View(view) => {
                let relation = Binder::in_database(self, &view.home).bind_query(&view.query)?;
                let mut rows = Rows::new(&["name", "type", "null", "key", "extras", "watermark"]);
                for (column, name) in relation.columns.into_iter().zip(&view.columns) {
                    let field = Field { name: name.clone(), ..column.field };
                    rows.push(row(&field, None, None, None));
                }
                Ok(rows)
            }
        }
    }
}

impl Session {
    /// Whether a function is built in, and more of it if wanted. All functions here are.
    fn describe_function(&self, name: &ObjectName, extended: bool) -> Bound<Rows> {
        let function = name.last().value.to_uppercase();
        let aggregate = self.functions.aggregate(&function).is_some();
        if !aggregate && self.functions.scalar(&function).is_none() {
            return Err(Diagnostic::new(
                name.span(),
                format!("there is no function '{}'", name.last().value),
            )
            .with_hint("SHOW FUNCTIONS lists the functions"));
        }
        let mut facts = vec![("is system function", "true".to_string()), ("is temporary", "false".into())];
        if extended {
            facts.push(("kind", if aggregate { "AGGREGATE" } else { "SCALAR" }.into()));
            facts.push(("requirements", "[]".into()));
        }
        Ok(facts_as_rows(facts))
    }

    fn describe_catalog(&self, name: &Ident, extended: bool) -> Bound<Rows> {
        let space = self.catalog.space(&name.value, name.span)?;
        let own = |key: &str| space.options.get(key).unwrap_or_default().to_string();
        let mut rows = facts_as_rows(vec![
            ("name", name.value.clone()),
            ("type", own("type")),
            ("comment", space.comment.clone().unwrap_or_default()),
        ]);
        if extended {
            for (key, value) in &space.options.0 {
                rows.push(vec![Some(format!("option:{key}")), Some(value.clone())]);
            }
        }
        Ok(rows)
    }

    fn describe_database(&self, name: &ObjectName, extended: bool) -> Bound<Rows> {
        let path = self.database_path(name)?;
        let database = self.catalog.database(&path, name.span())?;
        let mut rows = facts_as_rows(vec![
            ("catalog name", path.catalog.clone()),
            ("database name", path.database.clone()),
            ("comment", database.comment.clone().unwrap_or_default()),
        ]);
        if extended {
            for (key, value) in &database.options.0 {
                rows.push(vec![Some(format!("option:{key}")), Some(value.clone())]);
            }
        }
        Ok(rows)
    }
}

fn facts_as_rows(facts: Vec<(&str, String)>) -> Rows {
    let mut rows = Rows::new(&["info name", "info value"]);
    facts.into_iter().for_each(|(name, value)| rows.push(vec![Some(name.to_string()), Some(value)]));
    rows
}

fn table_rows(table: &Table) -> Rows {
    let comments = table.columns.iter().any(|column| column.comment.is_some());
    let names = ["name", "type", "null", "key", "extras", "watermark", "comment"];
    let mut rows = Rows::new(if comments { &names } else { &names[..6] });
    for column in &table.columns {
        let field =
            Field { name: column.name.clone(), data_type: column.data_type.clone(), time: column.time };
        let is_key = table.primary_key.contains(&column.name);
        let key = is_key.then(|| format!("PRI({})", table.primary_key.join(", ")));
        let watermark = table.watermark.as_ref().filter(|watermark| watermark.column == column.name);
        let watermark = watermark.map(|watermark| unparse_expr(&watermark.expr));
        let mut row = row(&field, key, extras(column), watermark);
        if comments {
            row.push(column.comment.clone());
        }
        rows.push(row);
    }
    rows
}

fn row(
    field: &Field,
    key: Option<String>,
    extras: Option<String>,
    watermark: Option<String>,
) -> Vec<Option<String>> {
    let time = match field.time {
        Some(TimeAttribute::Rowtime) => " *ROWTIME*",
        Some(TimeAttribute::Proctime) => " *PROCTIME*",
        None => "",
    };
    vec![
        Some(field.name.clone()),
        Some(format!("{}{time}", field.data_type.kind)),
        Some(field.data_type.nullable.to_string()),
        key,
        extras,
        watermark,
    ]
}

fn extras(column: &Column) -> Option<String> {
    match &column.kind {
        ColumnKind::Physical => None,
        ColumnKind::Computed(expr) => Some(format!("AS {}", unparse_expr(expr))),
        ColumnKind::Metadata { key, is_virtual } => {
            let from = if *key == column.name { String::new() } else { format!(" FROM '{key}'") };
            Some(format!("METADATA{from}{}", if *is_virtual { " VIRTUAL" } else { "" }))
        }
    }
}
