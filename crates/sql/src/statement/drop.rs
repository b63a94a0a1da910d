//! DROP. A temporary object hides a permanent one and has to go first; what is in use stays.

use crate::ast::{Drop, ObjectKind};
use crate::bind::{Bound, unsupported};
use crate::catalog::{CatalogEntry, Session};
use crate::diagnostic::Diagnostic;

impl Session {
    pub(super) fn drop_object(&mut self, drop: &Drop) -> Bound<()> {
        let wanted = match drop.kind {
            ObjectKind::Table => "table",
            ObjectKind::View => "view",
            ObjectKind::Database => return self.drop_database(drop),
            ObjectKind::Catalog => return self.drop_catalog(drop),
            ObjectKind::Function => return self.drop_function(drop),
            // There are none of these, so there is nothing to drop.
            ObjectKind::Model | ObjectKind::MaterializedTable if drop.if_exists => return Ok(()),
            other => return Err(unsupported(drop.name.span(), &format!("DROP {}", other.keyword()))),
        };
        let key = self.catalog.key(&drop.name)?;
        if !drop.temporary && self.catalog.is_temporary(&key) {
            return Err(Diagnostic::new(
                drop.name.span(),
                format!("a temporary object '{}' hides the {wanted}", key.name),
            )
            .with_hint(format!("DROP TEMPORARY {} `{}` first", wanted.to_uppercase(), key.name)));
        }
        let kind = match (drop.temporary, self.catalog.is_temporary(&key)) {
            (true, false) => None,
            _ => self.catalog.get(&key).map(CatalogEntry::kind),
        };
        match kind {
            Some(kind) if kind == wanted => {
                self.catalog.remove(&key, drop.temporary);
                Ok(())
            }
            Some(kind) => {
                let message = format!("'{}' is a {kind}, not a {wanted}", key.name);
                Err(Diagnostic::new(drop.name.span(), message)
                    .with_hint(format!("write DROP {}", kind.to_uppercase())))
            }
            None if drop.if_exists => Ok(()),
            None => Err(Diagnostic::new(drop.name.span(), format!("there is no {wanted} '{}'", key.name))
                .with_hint("SHOW TABLES lists the tables and views; IF EXISTS makes this no error")),
        }
    }
}

impl Session {
    fn drop_database(&mut self, drop: &Drop) -> Bound<()> {
        let path = self.database_path(&drop.name)?;
        let span = drop.name.span();
        if !self.catalog.has_database(&path) {
            return match drop.if_exists {
                true => Ok(()),
                false => self.catalog.database(&path, span).map(|_| ()),
            };
        }
        if path == *self.catalog.current() {
            return Err(Diagnostic::new(span, "cannot drop a database which is currently in use")
                .with_hint("USE another database first"));
        }
        if drop.cascade != Some(true) && !self.catalog.names_in(&path).is_empty() {
            return Err(Diagnostic::new(span, format!("database '{}' is not empty", path.database))
                .with_hint("CASCADE drops what is in it too"));
        }
        self.catalog.drop_database(&path);
        Ok(())
    }

    fn drop_catalog(&mut self, drop: &Drop) -> Bound<()> {
        let (name, span) = (&drop.name.last().value, drop.name.span());
        if !self.catalog.has_catalog(name) {
            return match drop.if_exists {
                true => Ok(()),
                false => self.catalog.space(name, span).map(|_| ()),
            };
        }
        if *name == self.catalog.current().catalog {
            return Err(Diagnostic::new(span, "cannot drop a catalog which is currently in use")
                .with_hint("USE CATALOG another one first"));
        }
        self.catalog.drop_catalog(name);
        Ok(())
    }
}
