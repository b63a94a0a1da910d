//! ALTER TABLE and ALTER VIEW. Each change is made on a copy, so that one that fails leaves nothing behind.

use super::{alter_columns, alter_partitions};
use crate::ast::{AlterTable, AlterTableAction, AlterView, AlterViewAction, ObjectName, Property, Text};
use crate::bind::{Binder, Bound, unsupported};
use crate::catalog::{CatalogEntry, ObjectPath, Session, Table, View};
use crate::diagnostic::Diagnostic;
use crate::span::Span;

impl Session {
    pub(super) fn alter_table(&mut self, alter: &AlterTable) -> Bound<()> {
        let path = self.catalog.key(&alter.name)?;
        if alter.if_exists && self.catalog.get(&path).is_none() {
            return Ok(());
        }
        let span = alter.name.span();
        let CatalogEntry::Table(table) = self.catalog.lookup(&alter.name, self.catalog.current())? else {
            return Err(Diagnostic::new(span, format!("'{}' is a view, not a table", path.name))
                .with_hint("write ALTER VIEW"));
        };
        let mut table = table.clone();
        if let AlterTableAction::Rename(to) = &alter.action {
            return self.rename(&path, to, table.temporary);
        }
        self.change_table(&mut table, &alter.action, span)?;
        let temporary = table.temporary;
        self.catalog.insert(path, CatalogEntry::Table(table), temporary);
        Ok(())
    }

    fn change_table(&self, table: &mut Table, action: &AlterTableAction, span: Span) -> Bound<()> {
        match action {
            AlterTableAction::Add(change) => self.change_schema(table, change, false, span),
            AlterTableAction::Modify(change) => self.change_schema(table, change, true, span),
            AlterTableAction::DropColumns(names) => {
                alter_columns::drop_columns(table, names)?;
                self.type_again(table)
            }
            AlterTableAction::DropPrimaryKey => drop_key(table, span),
            AlterTableAction::DropConstraint(name) => match name.value == constraint_name(table) {
                true => drop_key(table, name.span),
                false => {
                    let message = format!("'{}' has no constraint '{}'", table.name, name.value);
                    Err(Diagnostic::new(name.span, message))
                }
            },
            AlterTableAction::DropWatermark => match table.watermark.take() {
                Some(_) => self.type_again(table),
                None => Err(Diagnostic::new(span, format!("'{}' has no watermark", table.name))),
            },
            AlterTableAction::DropDistribution => {
                Err(Diagnostic::new(span, format!("'{}' has no distribution", table.name)))
            }
            AlterTableAction::RenameColumn { from, to } => {
                alter_columns::rename_column(table, from, to)?;
                self.type_again(table)
            }
            AlterTableAction::SetOptions(options) => set_options(table, options, span),
            AlterTableAction::ResetOptions(keys) => reset_options(table, keys, span),
            AlterTableAction::AddPartitions { if_not_exists, partitions } => {
                let values: Vec<_> = partitions.iter().map(|(values, _)| values.clone()).collect();
                alter_partitions::add(table, &values, *if_not_exists, span)
            }
            AlterTableAction::DropPartitions { if_exists, partitions } => {
                alter_partitions::drop(table, partitions, *if_exists, span)
            }
            AlterTableAction::Rename(_) => Err(unsupported(span, "this rename")),
        }
    }

    fn rename(&mut self, from: &ObjectPath, to: &ObjectName, temporary: bool) -> Bound<()> {
        let path = self.catalog.resolve(to, &from.home)?;
        if path.home.catalog != from.home.catalog {
            return Err(Diagnostic::new(to.span(), "an object can't be renamed into another catalog"));
        }
        if self.catalog.get(&path).is_some() {
            return super::create_table::already_exists(false, to.span(), "table or view", &path.name);
        }
        if let Some(entry) = self.catalog.remove(from, temporary) {
            self.catalog.insert(path.clone(), entry.renamed(&path), temporary);
        }
        Ok(())
    }

    pub(super) fn alter_view(&mut self, alter: &AlterView) -> Bound<()> {
        let path = self.catalog.key(&alter.name)?;
        let CatalogEntry::View(view) = self.catalog.lookup(&alter.name, self.catalog.current())? else {
            return Err(Diagnostic::new(
                alter.name.span(),
                format!("'{}' is a table, not a view", path.name),
            )
            .with_hint("write ALTER TABLE"));
        };
        let view = view.clone();
        match &alter.action {
            AlterViewAction::Rename(to) => self.rename(&path, to, view.temporary),
            AlterViewAction::Query(query) => {
                let relation = Binder::new(self).bind_query(query)?;
                let columns = relation.columns.iter().map(|column| column.field.name.clone()).collect();
                let home = self.catalog.current().clone();
                let temporary = view.temporary;
                let view = View { columns, home, query: query.clone(), ..view };
                self.catalog.insert(path, CatalogEntry::View(view), temporary);
                Ok(())
            }
        }
    }
}

/// The name of the primary key, or the one it gets without.
pub(super) fn constraint_name(table: &Table) -> String {
    table.primary_key_name.clone().unwrap_or_else(|| format!("PK_{}", table.primary_key.join("_")))
}

fn drop_key(table: &mut Table, span: Span) -> Bound<()> {
    match table.primary_key.is_empty() {
        true => Err(Diagnostic::new(span, format!("'{}' has no primary key", table.name))),
        false => {
            table.primary_key.clear();
            Ok(())
        }
    }
}

fn set_options(table: &mut Table, options: &[Property], span: Span) -> Bound<()> {
    if options.is_empty() {
        return Err(Diagnostic::new(span, "ALTER TABLE SET needs an option"));
    }
    for option in options {
        table.options.0.insert(option.key.value.clone(), option.value.value.clone());
    }
    Ok(())
}

fn reset_options(table: &mut Table, keys: &[Text], span: Span) -> Bound<()> {
    if keys.is_empty() {
        return Err(Diagnostic::new(span, "ALTER TABLE RESET needs a key"));
    }
    for key in keys {
        if key.value == "connector" {
            return Err(Diagnostic::new(key.span, "ALTER TABLE RESET does not support changing 'connector'"));
        }
        table.options.0.remove(&key.value);
    }
    Ok(())
}
