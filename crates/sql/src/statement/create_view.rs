//! CREATE VIEW: the query is bound once to check it and to name its columns.

use super::create_table::already_exists;
use crate::ast::CreateView;
use crate::bind::{Binder, Bound};
use crate::catalog::{CatalogEntry, Session, View};
use crate::diagnostic::Diagnostic;

impl Session {
    pub(super) fn create_view(&mut self, create: &CreateView) -> Bound<()> {
        let key = self.catalog.key(&create.name)?;
        if self.catalog.has(&key, create.temporary) && !create.or_replace {
            return already_exists(create.if_not_exists, create.name.span(), "table or view", &key.name);
        }
        let mut binder = Binder::new(self);
        let relation = binder.bind_query(&create.query)?;
        let own = relation.columns.iter().map(|column| column.field.name.clone());
        let columns: Vec<String> = match create.columns.len() {
            0 => own.collect(),
            given if given == relation.columns.len() => {
                create.columns.iter().map(|column| column.value.clone()).collect()
            }
            given => {
                let message = format!(
                    "the view's query has {} columns, but {given} names are given",
                    relation.columns.len()
                );
                return Err(Diagnostic::new(create.name.span(), message));
            }
        };
        let view = View {
            name: key.name.clone(),
            home: self.catalog.current().clone(),
            columns,
            query: create.query.clone(),
            comment: create.comment.as_ref().map(|text| text.value.clone()),
            temporary: create.temporary,
        };
        self.catalog.insert(key, CatalogEntry::View(view), create.temporary);
        Ok(())
    }
}
