//! The session: its tables and views, settings, functions and connectors.
//!
//! Invariant: names are case-sensitive. A temporary object hides a permanent one of the same name. The current
//! catalog and database exist.

pub(crate) mod legacy_options;
mod path;
mod settings;
mod spaces;
mod table;

pub use path::{DatabasePath, ObjectPath};
pub use settings::Settings;
pub use spaces::{CatalogSpace, DatabaseSpace};
pub use table::{Column, ColumnKind, Table, View, WatermarkSpec};

use crate::ast::ObjectName;
use crate::diagnostic::Diagnostic;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tidemill_connector::ConnectorRegistry;
use tidemill_plan::{FunctionRegistry, SessionInfo};
use tidemill_types::options::{near, quoted_or};

/// The catalog that exists from the start.
pub const CATALOG_DEFAULT: &str = "default_catalog";
/// The database that exists from the start.
pub const DATABASE_DEFAULT: &str = "default_database";

/// All that binding a statement depends on.
#[derive(Debug, Clone)]
pub struct Session {
    /// Tables and views.
    pub catalog: Catalog,
    /// `SET`.
    pub settings: Settings,
    /// Built-in and user functions.
    pub functions: Arc<FunctionRegistry>,
    /// Upper-case names of the functions that CREATE FUNCTION made.
    pub user_functions: BTreeSet<String>,
    /// Connectors.
    pub connectors: Arc<ConnectorRegistry>,
}

/// A table or view.
#[derive(Debug, Clone)]
pub enum CatalogEntry {
    /// Rows outside.
    Table(Table),
    /// A named query.
    View(View),
}

/// Tables and views by name, permanent and temporary, in the databases of catalogs.
#[derive(Debug, Clone)]
pub struct Catalog {
    spaces: BTreeMap<String, CatalogSpace>,
    current: DatabasePath,
    permanent: BTreeMap<ObjectPath, CatalogEntry>,
    temporary: BTreeMap<ObjectPath, CatalogEntry>,
}

impl Session {
    /// A session without tables.
    pub fn new(functions: Arc<FunctionRegistry>, connectors: Arc<ConnectorRegistry>) -> Self {
        Session {
            catalog: Catalog::default(),
            settings: Settings::default(),
            functions,
            user_functions: BTreeSet::new(),
            connectors,
        }
    }

    /// What functions may see of the session.
    pub fn info(&self) -> SessionInfo {
        SessionInfo {
            zone: self.settings.zone(),
            legacy_cast: self.settings.is("table.exec.legacy-cast-behaviour", "enabled"),
            batch: self.settings.is("execution.runtime-mode", "batch"),
        }
    }
}

impl CatalogEntry {
    /// `table` or `view`.
    pub fn kind(&self) -> &'static str {
        match self {
            CatalogEntry::Table(_) => "table",
            CatalogEntry::View(_) => "view",
        }
    }

    /// The same under another name.
    pub(crate) fn renamed(mut self, path: &ObjectPath) -> Self {
        match &mut self {
            CatalogEntry::Table(table) => {
                table.name.clone_from(&path.name);
                table.home.clone_from(&path.home);
            }
            CatalogEntry::View(view) => view.name.clone_from(&path.name),
        }
        self
    }
}

impl Default for Catalog {
    fn default() -> Self {
        Catalog {
            spaces: BTreeMap::from([(CATALOG_DEFAULT.to_string(), CatalogSpace::first())]),
            current: DatabasePath::new(CATALOG_DEFAULT, DATABASE_DEFAULT),
            permanent: BTreeMap::new(),
            temporary: BTreeMap::new(),
        }
    }
}

impl Catalog {
    /// The object that a name means where this database is the current one.
    pub(crate) fn lookup(&self, name: &ObjectName, home: &DatabasePath) -> Result<&CatalogEntry, Diagnostic> {
        let path = self.resolve(name, home)?;
        self.get(&path).ok_or_else(|| {
            let message = format!("there is no table or view '{}'", self.shown(&path));
            let diagnostic = Diagnostic::new(name.span(), message);
            let names = self.names_in(&path.home);
            match near(&path.name, names.iter().map(String::as_str)).as_slice() {
                [] => {
                    diagnostic.with_hint("SHOW TABLES lists the tables and views; names are case-sensitive")
                }
                near => diagnostic
                    .with_hint(format!("did you mean {}? names are case-sensitive", quoted_or(near))),
            }
        })
    }

    /// The full name that a name means in the current database.
    pub(crate) fn key(&self, name: &ObjectName) -> Result<ObjectPath, Diagnostic> {
        self.resolve(name, &self.current)
    }

    /// The full name that a name means where this database is the current one.
    pub(crate) fn resolve(&self, name: &ObjectName, home: &DatabasePath) -> Result<ObjectPath, Diagnostic> {
        let (last, before) = name.0.split_last().expect("a name has a part");
        let database = match before {
            [] => return Ok(home.object(&last.value)),
            [database] => (DatabasePath::new(&home.catalog, &database.value), database, database),
            [catalog, database] => (DatabasePath::new(&catalog.value, &database.value), catalog, database),
            _ => return Err(Diagnostic::new(name.span(), "a name has at most three parts")),
        };
        let (home, catalog, database) = database;
        self.check_database(&home, catalog.span, database.span)?;
        Ok(home.object(&last.value))
    }

    /// A full name as messages show it: short if it lies in the current database.
    pub(crate) fn shown(&self, path: &ObjectPath) -> String {
        if path.home == self.current { path.name.clone() } else { path.to_string() }
    }

    /// The current database.
    pub fn current(&self) -> &DatabasePath {
        &self.current
    }

    /// The object of this full name.
    pub fn get(&self, path: &ObjectPath) -> Option<&CatalogEntry> {
        self.temporary.get(path).or_else(|| self.permanent.get(path))
    }

    /// All names of tables and views in the current database, sorted.
    pub fn names(&self) -> Vec<String> {
        self.names_in(&self.current)
    }

    /// All names of tables and views in a database, sorted.
    pub fn names_in(&self, home: &DatabasePath) -> Vec<String> {
        let paths = self.permanent.keys().chain(self.temporary.keys());
        let mut names: Vec<String> =
            paths.filter(|path| path.home == *home).map(|path| path.name.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    pub(crate) fn has(&self, path: &ObjectPath, temporary: bool) -> bool {
        if temporary { self.temporary.contains_key(path) } else { self.permanent.contains_key(path) }
    }

    pub(crate) fn insert(&mut self, path: ObjectPath, entry: CatalogEntry, temporary: bool) {
        let objects = if temporary { &mut self.temporary } else { &mut self.permanent };
        objects.insert(path, entry);
    }

    pub(crate) fn remove(&mut self, path: &ObjectPath, temporary: bool) -> Option<CatalogEntry> {
        if temporary { self.temporary.remove(path) } else { self.permanent.remove(path) }
    }

    /// Whether a temporary object of this name hides a permanent one.
    pub(crate) fn is_temporary(&self, path: &ObjectPath) -> bool {
        self.temporary.contains_key(path)
    }
}
