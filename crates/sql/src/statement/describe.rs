//! DESCRIBE: the columns of a table or view, as Flink shows them.

use super::Rows;
use crate::ast::{Describe, DescribeWhat};
use crate::bind::{Binder, Bound, unsupported};
use crate::catalog::{CatalogEntry, Column, ColumnKind, Session, Table};
use crate::span::Span;
use crate::unparse::unparse_expr;
use tidemill_types::{Field, TimeAttribute};

impl Session {
    pub(super) fn describe(&self, describe: &Describe, span: Span) -> Bound<Rows> {
        let DescribeWhat::Table(name) = &describe.what else {
            return Err(unsupported(span, "DESCRIBE of anything but tables and views"));
        };
        match self.catalog.lookup(name)? {
            CatalogEntry::Table(table) => Ok(table_rows(table)),
            CatalogEntry::View(view) => {
                let relation = Binder::new(self).bind_query(&view.query)?;
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
