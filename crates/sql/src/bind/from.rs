//! FROM: tables, views, named queries, subqueries and windowing functions.

use super::join::Joined;
use super::{Binder, Bound, Relation, RelationColumn, VIEW_DEPTH_MAX, unsupported};
use crate::ast::{self, TableAlias, TableRef, TableRefKind};
use crate::catalog::{CatalogEntry, ObjectPath, View};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use tidemill_plan::Operator;
use tidemill_types::Schema;

impl Binder<'_> {
    /// Binds a FROM clause; without one there is a single row without columns.
    pub(crate) fn bind_from(&mut self, from: &[TableRef]) -> Bound<Joined> {
        let Some((first, others)) = from.split_first() else { return Ok(self.one_row()) };
        let mut joined = match &first.kind {
            TableRefKind::Unnest { .. } => {
                let row = self.one_row();
                self.bind_unnest(row, first, false)?
            }
            _ => self.bind_joined(first)?,
        };
        for table in others {
            joined = match &table.kind {
                TableRefKind::Unnest { .. } => self.bind_unnest(joined, table, false)?,
                TableRefKind::Query { lateral: true, .. } => self.bind_lateral(joined, table, false)?,
                _ => {
                    let right = self.bind_joined(table)?;
                    self.cross(joined, right, table.span)?
                }
            };
        }
        Ok(joined)
    }

    /// A single row without columns.
    pub(crate) fn one_row(&mut self) -> Joined {
        let values = Operator::Values { columns: Vec::new(), rows: 1 };
        let node = self.push(values, Vec::new(), Schema::default(), super::NodeTraits::append());
        Joined::Leaf(Relation { node, columns: Vec::new(), windowing: None })
    }

    /// Binds one table reference with its alias.
    pub(crate) fn bind_table_ref(&mut self, table: &TableRef) -> Bound<Relation> {
        let relation = match &table.kind {
            TableRefKind::Table { name, hints, system_time: None } => self.bind_table(name, hints)?,
            TableRefKind::Table { system_time: Some(time), .. } => {
                return Err(super::temporal_join::misplaced(time.span));
            }
            TableRefKind::Query { query, lateral: false, system_time: None } => {
                self.without_qualifiers(|binder| binder.bind_query(query))?
            }
            TableRefKind::Query { lateral: true, query, system_time: None } => {
                self.without_qualifiers(|binder| binder.bind_query(query))?
            }
            TableRefKind::Query { .. } => {
                return Err(unsupported(table.span, "FOR SYSTEM_TIME AS OF behind a query"));
            }
            TableRefKind::Function { call, lateral: false } => self.bind_table_function(call)?,
            TableRefKind::Function { .. } => return Err(unsupported(table.span, "LATERAL TABLE")),
            TableRefKind::Unnest { .. } => {
                let row = self.one_row();
                let unnested = self.bind_unnest(row, table, false)?;
                return self.place_joins(unnested, Vec::new(), &[]);
            }
            TableRefKind::Join(_) => {
                let inner = TableRef { alias: None, ..table.clone() };
                let joined = self.bind_joined(&inner)?;
                self.place_joins(joined, Vec::new(), &[])?
            }
            TableRefKind::MatchRecognize(clause) => self.bind_match_recognize(clause)?,
        };
        match &table.alias {
            Some(alias) => {
                let mut relation = with_alias(relation, alias)?;
                // As UNNEST, VALUES of one column take the alias as the column's name.
                if let (TableRefKind::Query { query, .. }, [column]) =
                    (&table.kind, relation.columns.as_mut_slice())
                    && matches!(query.body, ast::QueryBody::Values(_))
                    && alias.columns.is_empty()
                {
                    column.field.name.clone_from(&alias.name.value);
                }
                Ok(relation)
            }
            None => Ok(relation),
        }
    }

    fn without_qualifiers(&mut self, bind: impl FnOnce(&mut Self) -> Bound<Relation>) -> Bound<Relation> {
        let mut relation = bind(self)?;
        relation.columns.iter_mut().for_each(|column| column.qualifier = None);
        Ok(relation)
    }

    /// Binds a table, view or named query by name.
    pub(crate) fn bind_table(&mut self, name: &ast::ObjectName, hints: &[ast::Hint]) -> Bound<Relation> {
        let local = &name.last().value;
        if let [single] = name.0.as_slice()
            && let Some(query) = self.common_table(&single.value)
        {
            return Ok(query.aliased(local));
        }
        let session = self.session;
        match session.catalog.lookup(name, &self.home)? {
            CatalogEntry::Table(table) => Ok(self.scan(table, hints, name)?.aliased(local)),
            CatalogEntry::View(view) => self.bind_view(view, name).map(|view| view.aliased(local)),
        }
    }

    /// Binds a view's query; its rows are computed once however often it is named.
    fn bind_view(&mut self, view: &View, name: &ast::ObjectName) -> Bound<Relation> {
        let key = format!("view {}", session_path(self, name)?);
        if let Some(known) = self.scans.get(&key) {
            return Ok(known.clone());
        }
        if self.view_depth >= VIEW_DEPTH_MAX {
            return Err(Diagnostic::new(
                name.span(),
                format!("views are nested more than {VIEW_DEPTH_MAX} deep"),
            ));
        }
        self.view_depth += 1;
        let outer = std::mem::take(&mut self.common_tables);
        let home = std::mem::replace(&mut self.home, view.home.clone());
        let bound = self.bind_query(&view.query);
        self.home = home;
        self.common_tables = outer;
        self.view_depth -= 1;
        let mut relation = bound.map_err(|inner| {
            let message = format!("view '{}' can't be used: {}", view.name, inner.message);
            Diagnostic { span: name.span(), message, ..inner }
        })?;
        for (column, new) in relation.columns.iter_mut().zip(&view.columns) {
            column.field.name.clone_from(new);
        }
        self.scans.insert(key, relation.clone());
        Ok(relation)
    }
}

/// The full name of a table or view.
fn session_path(binder: &Binder<'_>, name: &ast::ObjectName) -> Bound<ObjectPath> {
    binder.session.catalog.resolve(name, &binder.home)
}

fn with_alias(relation: Relation, alias: &TableAlias) -> Bound<Relation> {
    let mut relation = relation.aliased(&alias.name.value);
    if alias.columns.is_empty() {
        return Ok(relation);
    }
    if alias.columns.len() != relation.columns.len() {
        return Err(column_count(
            alias.name.span,
            &alias.name.value,
            relation.columns.len(),
            alias.columns.len(),
        ));
    }
    rename(&mut relation.columns, alias.columns.iter().map(|column| column.value.clone()));
    Ok(relation)
}

/// Gives columns new names.
pub(crate) fn rename(columns: &mut [RelationColumn], names: impl Iterator<Item = String>) {
    columns.iter_mut().zip(names).for_each(|(column, name)| column.field.name = name);
}

/// An error for a list of column names that is too long or too short.
pub(crate) fn column_count(span: Span, name: &str, has: usize, given: usize) -> Diagnostic {
    Diagnostic::new(span, format!("'{name}' has {has} columns, but {given} names are given"))
}
