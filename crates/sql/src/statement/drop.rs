//! DROP TABLE and DROP VIEW. A temporary object hides a permanent one and has to go first.

use crate::ast::{Drop, ObjectKind};
use crate::bind::{Bound, unsupported};
use crate::catalog::{CatalogEntry, Session};
use crate::diagnostic::Diagnostic;

impl Session {
    pub(super) fn drop_object(&mut self, drop: &Drop) -> Bound<()> {
        let wanted = match drop.kind {
            ObjectKind::Table => "table",
            ObjectKind::View => "view",
            other => return Err(unsupported(drop.name.span(), &format!("DROP {}", other.keyword()))),
        };
        let key = self.catalog.key(&drop.name)?;
        if !drop.temporary && self.catalog.is_temporary(&key) {
            return Err(Diagnostic::new(
                drop.name.span(),
                format!("a temporary object '{key}' hides the {wanted}"),
            )
            .with_hint(format!("DROP TEMPORARY {} `{key}` first", wanted.to_uppercase())));
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
                Err(Diagnostic::new(drop.name.span(), format!("'{key}' is a {kind}, not a {wanted}"))
                    .with_hint(format!("write DROP {}", kind.to_uppercase())))
            }
            None if drop.if_exists => Ok(()),
            None => Err(Diagnostic::new(drop.name.span(), format!("there is no {wanted} '{key}'"))
                .with_hint("SHOW TABLES lists the tables and views; IF EXISTS makes this no error")),
        }
    }
}
