//! The session: its tables and views, settings, functions and connectors.
//!
//! Invariant: names are case-sensitive. A temporary object hides a permanent one of the same name.

mod settings;
mod table;

pub use settings::Settings;
pub use table::{Column, ColumnKind, Table, View, WatermarkSpec};

use crate::ast::ObjectName;
use crate::diagnostic::Diagnostic;
use std::collections::BTreeMap;
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

/// Tables and views by name, permanent and temporary.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    permanent: BTreeMap<String, CatalogEntry>,
    temporary: BTreeMap<String, CatalogEntry>,
}

impl Session {
    /// A session without tables.
    pub fn new(functions: Arc<FunctionRegistry>, connectors: Arc<ConnectorRegistry>) -> Self {
        Session { catalog: Catalog::default(), settings: Settings::default(), functions, connectors }
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
}

impl Catalog {
    /// The object of this name.
    pub(crate) fn lookup(&self, name: &ObjectName) -> Result<&CatalogEntry, Diagnostic> {
        let key = self.key(name)?;
        self.get(&key).ok_or_else(|| {
            let diagnostic = Diagnostic::new(name.span(), format!("there is no table or view '{key}'"));
            match near(&key, self.names().iter().map(String::as_str)).as_slice() {
                [] => {
                    diagnostic.with_hint("SHOW TABLES lists the tables and views; names are case-sensitive")
                }
                near => diagnostic
                    .with_hint(format!("did you mean {}? names are case-sensitive", quoted_or(near))),
            }
        })
    }

    /// The key of a name: its last part, after a check that the parts before it exist.
    pub(crate) fn key(&self, name: &ObjectName) -> Result<String, Diagnostic> {
        let (last, before) = name.0.split_last().expect("a name has a part");
        let known: &[&str] = match before.len() {
            0 => &[],
            1 => &[DATABASE_DEFAULT],
            _ => &[CATALOG_DEFAULT, DATABASE_DEFAULT],
        };
        match before.iter().zip(known).find(|(part, known)| part.value != **known) {
            Some((part, known)) => {
                Err(Diagnostic::new(part.span, format!("there is no database or catalog '{}'", part.value))
                    .with_hint(format!("did you mean '{known}'?")))
            }
            None if before.len() > 2 => Err(Diagnostic::new(name.span(), "a name has at most three parts")),
            None => Ok(last.value.clone()),
        }
    }

    /// The object of this key.
    pub fn get(&self, key: &str) -> Option<&CatalogEntry> {
        self.temporary.get(key).or_else(|| self.permanent.get(key))
    }

    /// All names, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.permanent.keys().chain(self.temporary.keys()).cloned().collect();
        names.sort();
        names.dedup();
        names
    }

    pub(crate) fn has(&self, key: &str, temporary: bool) -> bool {
        if temporary { self.temporary.contains_key(key) } else { self.permanent.contains_key(key) }
    }

    pub(crate) fn insert(&mut self, key: String, entry: CatalogEntry, temporary: bool) {
        let objects = if temporary { &mut self.temporary } else { &mut self.permanent };
        objects.insert(key, entry);
    }

    pub(crate) fn remove(&mut self, key: &str, temporary: bool) -> Option<CatalogEntry> {
        if temporary { self.temporary.remove(key) } else { self.permanent.remove(key) }
    }

    /// Whether a temporary object of this name hides a permanent one.
    pub(crate) fn is_temporary(&self, key: &str) -> bool {
        self.temporary.contains_key(key)
    }
}
