//! CREATE TABLE .. AS and REPLACE TABLE .. AS: the table takes its columns from a query, then gets its rows.
//!
//! Rules (Flink documentation, "CREATE TABLE", AS select_statement): declared columns that the query has not come
//! first; one of the same name overrides the type; a list of bare names puts the query's columns into its order.
//! The INSERT is a job of its own: if it fails, the table stays.

use super::Outcome;
use super::create_table::{already_exists, empty};
use crate::ast::{self, ColumnDef, ColumnKind, CreateTable, Ident, Insert, Query};
use crate::bind::{Binder, Bound, RelationColumn};
use crate::catalog::{CatalogEntry, Column, ColumnKind as Kind, ObjectPath, Session, Table};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use tidemill_types::TypeKind;

impl Session {
    pub(super) fn create_table_as(
        &mut self,
        create: &CreateTable,
        query: &Query,
        span: Span,
    ) -> Bound<Outcome> {
        let name = create.name.span();
        if create.temporary {
            return Err(Diagnostic::new(name, "CREATE TABLE AS can't create a temporary table"));
        }
        if let Some(like) = &create.like {
            return Err(Diagnostic::new(like.span, "LIKE and AS don't go together"));
        }
        let path = self.catalog.key(&create.name)?;
        let former = self.catalog.get(&path).cloned();
        if former.is_some() && !create.replace {
            return already_exists(create.if_not_exists, name, "table", &path.name)
                .map(|()| Outcome::Done(None));
        }
        let columns = self.query_columns(query)?;
        let table = self.table_of_query(create, &columns, &path)?;
        self.catalog.insert(path.clone(), CatalogEntry::Table(table), false);
        let insert = Insert {
            overwrite: false,
            table: create.name.clone(),
            hints: Vec::new(),
            partition: Vec::new(),
            columns: columns.iter().map(|column| ident(&column.field.name, query.span)).collect(),
            query: query.clone(),
            on_conflict: None,
            span,
        };
        let outcome = self.inserts(&[insert]);
        if outcome.is_err() {
            self.catalog.remove(&path, false);
            former.into_iter().for_each(|entry| self.catalog.insert(path.clone(), entry, false));
        }
        outcome
    }

    fn query_columns(&self, query: &Query) -> Bound<Vec<RelationColumn>> {
        let mut columns = Binder::new(self).bind_query(query)?.columns;
        columns.retain(|column| !column.hidden);
        for (at, column) in columns.iter().enumerate() {
            if columns[..at].iter().any(|other| other.field.name == column.field.name) {
                let message = format!("the query has two columns named '{}'", column.field.name);
                return Err(Diagnostic::new(query.span, message).with_hint("name one of them with AS"));
            }
            if column.field.data_type.kind == TypeKind::Null {
                let message = format!("column '{}' of the query is NULL without a type", column.field.name);
                return Err(Diagnostic::new(query.span, message).with_hint("CAST it to a type"));
            }
        }
        Ok(columns)
    }

    /// The columns of the query below what is declared.
    fn table_of_query(
        &self,
        create: &CreateTable,
        columns: &[RelationColumn],
        path: &ObjectPath,
    ) -> Bound<Table> {
        let declared = &create.schema.columns;
        let named = declared.iter().filter(|def| matches!(def.kind, ColumnKind::Reference)).count();
        let base = Table { columns: columns.iter().map(column_of_query).collect(), ..empty(path) };
        if named == 0 {
            return self.with_declared(create, base, path);
        }
        if named != declared.len() {
            let span = declared[0].span;
            return Err(Diagnostic::new(span, "columns are either all declared or all only named"));
        }
        let mut schema = create.schema.clone();
        schema.columns.clear();
        let create = CreateTable { schema, ..create.clone() };
        self.new_table(&create, Some(Table { columns: reordered(declared, base.columns)?, ..base }), path)
    }

    fn with_declared(&self, create: &CreateTable, mut base: Table, path: &ObjectPath) -> Bound<Table> {
        let mut create = create.clone();
        let (known, new): (Vec<ColumnDef>, Vec<ColumnDef>) = std::mem::take(&mut create.schema.columns)
            .into_iter()
            .partition(|def| base.columns.iter().any(|column| column.name == def.name.value));
        for def in &known {
            let ColumnKind::Physical(_) = &def.kind else {
                let message = format!("column '{}' of the query can't be computed", def.name.value);
                return Err(Diagnostic::new(def.span, message));
            };
            let changed = super::create_table::column(def)?;
            if let Some(column) = base.columns.iter_mut().find(|column| column.name == changed.name) {
                *column = changed;
            }
        }
        let mut columns = new.iter().map(super::create_table::column).collect::<Bound<Vec<_>>>()?;
        columns.append(&mut base.columns);
        // A key behind a column counts as one of the table.
        for def in known.iter().chain(&new) {
            if let Some(constraint) = &def.constraint {
                let columns = vec![def.name.clone()];
                create.schema.constraints.push(ast::KeyConstraint { columns, ..constraint.clone() });
            }
        }
        self.new_table(&create, Some(Table { columns, ..base }), path)
    }
}

fn reordered(declared: &[ColumnDef], mut columns: Vec<Column>) -> Bound<Vec<Column>> {
    let mut out = Vec::with_capacity(columns.len());
    for def in declared {
        let at = columns.iter().position(|column| column.name == def.name.value).ok_or_else(|| {
            Diagnostic::new(def.span, format!("the query has no column '{}'", def.name.value))
        })?;
        out.push(columns.remove(at));
    }
    match columns.first() {
        None => Ok(out),
        Some(column) => {
            let message = format!("column '{}' of the query is not in the list", column.name);
            Err(Diagnostic::new(declared[0].span, message).with_hint("list all columns of the query"))
        }
    }
}

fn column_of_query(column: &RelationColumn) -> Column {
    Column {
        name: column.field.name.clone(),
        kind: Kind::Physical,
        data_type: column.field.data_type.clone(),
        time: None,
        comment: None,
    }
}

fn ident(name: &str, span: Span) -> Ident {
    Ident { value: name.to_string(), quoted: true, span }
}
