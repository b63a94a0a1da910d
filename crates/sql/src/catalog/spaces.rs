//! Catalogs and their databases. All of them live in memory and go with the session.
//!
//! Invariant: a database that holds objects is dropped with them or not at all; the current catalog and database
//! are never dropped.

use super::{Catalog, DATABASE_DEFAULT, DatabasePath};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use std::collections::BTreeMap;
use tidemill_types::Options;
use tidemill_types::options::{near, quoted_or};

/// A catalog.
#[derive(Debug, Clone)]
pub struct CatalogSpace {
    /// `WITH`.
    pub options: Options,
    /// `COMMENT`.
    pub comment: Option<String>,
    /// The database that `USE CATALOG` makes current.
    pub database_default: String,
    /// The databases by name.
    pub databases: BTreeMap<String, DatabaseSpace>,
}

/// A database.
#[derive(Debug, Clone, Default)]
pub struct DatabaseSpace {
    /// `WITH`.
    pub options: Options,
    /// `COMMENT`.
    pub comment: Option<String>,
}

impl CatalogSpace {
    /// A catalog with one empty database.
    pub fn new(database: &str, options: Options, comment: Option<String>) -> Self {
        CatalogSpace {
            options,
            comment,
            database_default: database.to_string(),
            databases: BTreeMap::from([(database.to_string(), DatabaseSpace::default())]),
        }
    }

    /// The catalog that exists from the start.
    pub(super) fn first() -> Self {
        CatalogSpace::new(DATABASE_DEFAULT, Options::new([("type", "generic_in_memory")]), None)
    }
}

impl Catalog {
    /// The names of all catalogs.
    pub fn catalog_names(&self) -> Vec<String> {
        self.spaces.keys().cloned().collect()
    }

    /// A catalog by name.
    pub(crate) fn space(&self, name: &str, span: Span) -> Result<&CatalogSpace, Diagnostic> {
        self.spaces.get(name).ok_or_else(|| missing("catalog", name, self.spaces.keys(), span))
    }

    /// A database by full name.
    pub(crate) fn database(&self, path: &DatabasePath, span: Span) -> Result<&DatabaseSpace, Diagnostic> {
        let space = self.space(&path.catalog, span)?;
        let found = space.databases.get(&path.database);
        found.ok_or_else(|| missing("database", &path.database, space.databases.keys(), span))
    }

    /// The same to be changed.
    pub(crate) fn database_mut(&mut self, path: &DatabasePath) -> Option<&mut DatabaseSpace> {
        self.spaces.get_mut(&path.catalog)?.databases.get_mut(&path.database)
    }

    pub(super) fn check_database(
        &self,
        path: &DatabasePath,
        catalog: Span,
        database: Span,
    ) -> Result<(), Diagnostic> {
        self.space(&path.catalog, catalog)?;
        self.database(path, database).map(drop)
    }

    pub(crate) fn has_catalog(&self, name: &str) -> bool {
        self.spaces.contains_key(name)
    }

    pub(crate) fn has_database(&self, path: &DatabasePath) -> bool {
        self.spaces.get(&path.catalog).is_some_and(|space| space.databases.contains_key(&path.database))
    }

    pub(crate) fn add_catalog(&mut self, name: String, space: CatalogSpace) {
        self.spaces.insert(name, space);
    }

    pub(crate) fn add_database(&mut self, path: &DatabasePath, database: DatabaseSpace) {
        if let Some(space) = self.spaces.get_mut(&path.catalog) {
            space.databases.insert(path.database.clone(), database);
        }
    }

    /// Drops a catalog with all that is in it.
    pub(crate) fn drop_catalog(&mut self, name: &str) {
        self.spaces.remove(name);
        self.permanent.retain(|path, _| path.home.catalog != name);
        self.temporary.retain(|path, _| path.home.catalog != name);
    }

    /// Drops a database with all that is in it.
    pub(crate) fn drop_database(&mut self, home: &DatabasePath) {
        if let Some(space) = self.spaces.get_mut(&home.catalog) {
            space.databases.remove(&home.database);
        }
        self.permanent.retain(|path, _| path.home != *home);
        self.temporary.retain(|path, _| path.home != *home);
    }

    /// Makes a database the current one; the caller has checked that it exists.
    pub(crate) fn make_current(&mut self, path: DatabasePath) {
        debug_assert!(self.has_database(&path), "the current database exists");
        self.current = path;
    }
}

fn missing<'n>(kind: &str, name: &str, known: impl Iterator<Item = &'n String>, span: Span) -> Diagnostic {
    let diagnostic = Diagnostic::new(span, format!("there is no {kind} '{name}'"));
    match near(name, known.map(String::as_str)).as_slice() {
        [] => diagnostic
            .with_hint(format!("SHOW {}S lists them; names are case-sensitive", kind.to_uppercase())),
        near => diagnostic.with_hint(format!("did you mean {}? names are case-sensitive", quoted_or(near))),
    }
}
