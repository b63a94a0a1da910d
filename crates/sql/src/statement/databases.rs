//! Catalogs and databases: CREATE, ALTER and USE.
//!
//! Not here: catalogs that keep their objects elsewhere (jdbc, hive, paimon); all live in memory.

use super::create_table::already_exists;
use crate::ast::{CreateCatalog, CreateDatabase, Ident, ObjectName, Property};
use crate::bind::Bound;
use crate::catalog::{CatalogSpace, DatabasePath, DatabaseSpace, Session};
use crate::diagnostic::Diagnostic;
use tidemill_types::Options;

/// The database of a catalog that names none.
const DATABASE_OF_CATALOG: &str = "default";

impl Session {
    pub(super) fn create_catalog(&mut self, create: &CreateCatalog) -> Bound<()> {
        let (name, span) = (&create.name.value, create.name.span);
        if self.catalog.has_catalog(name) {
            return already_exists(create.if_not_exists, span, "catalog", name);
        }
        let options = options(&create.options);
        match options.get("type") {
            Some("generic_in_memory") => {}
            Some(other) => {
                return Err(Diagnostic::new(span, format!("there is no catalog type '{other}' here"))
                    .with_hint("the only type is 'generic_in_memory'"));
            }
            None => {
                return Err(Diagnostic::new(span, format!("catalog '{name}' needs the option 'type'"))
                    .with_hint("add WITH ('type' = 'generic_in_memory')"));
            }
        }
        let unknown = options.0.keys().find(|key| !["type", "default-database"].contains(&key.as_str()));
        if let Some(key) = unknown {
            return Err(Diagnostic::new(span, format!("a catalog in memory has no option '{key}'"))
                .with_hint("its options are 'type' and 'default-database'"));
        }
        let database = options.get("default-database").unwrap_or(DATABASE_OF_CATALOG).to_string();
        let comment = create.comment.as_ref().map(|text| text.value.clone());
        self.catalog.add_catalog(name.clone(), CatalogSpace::new(&database, options, comment));
        Ok(())
    }

    pub(super) fn create_database(&mut self, create: &CreateDatabase) -> Bound<()> {
        let path = self.database_path(&create.name)?;
        self.catalog.space(&path.catalog, create.name.span())?;
        if self.catalog.has_database(&path) {
            return already_exists(create.if_not_exists, create.name.span(), "database", &path.database);
        }
        let comment = create.comment.as_ref().map(|text| text.value.clone());
        self.catalog.add_database(&path, DatabaseSpace { options: options(&create.options), comment });
        Ok(())
    }

    pub(super) fn alter_database(&mut self, name: &ObjectName, changed: &[Property]) -> Bound<()> {
        let path = self.existing_database(name)?;
        if let Some(database) = self.catalog.database_mut(&path) {
            database.options.0.extend(options(changed).0);
        }
        Ok(())
    }

    pub(super) fn use_catalog(&mut self, name: &Ident) -> Bound<()> {
        let database = self.catalog.space(&name.value, name.span)?.database_default.clone();
        let path = DatabasePath::new(&name.value, database);
        self.catalog.database(&path, name.span)?;
        self.catalog.make_current(path);
        Ok(())
    }

    pub(super) fn use_database(&mut self, name: &ObjectName) -> Bound<()> {
        let path = self.existing_database(name)?;
        self.catalog.make_current(path);
        Ok(())
    }

    /// The full name of a database, which need not exist.
    pub(super) fn database_path(&self, name: &ObjectName) -> Bound<DatabasePath> {
        match name.0.as_slice() {
            [database] => Ok(DatabasePath::new(&self.catalog.current().catalog, &database.value)),
            [catalog, database] => Ok(DatabasePath::new(&catalog.value, &database.value)),
            _ => Err(Diagnostic::new(name.span(), "the name of a database has at most two parts")),
        }
    }

    /// The full name of a database that exists.
    pub(super) fn existing_database(&self, name: &ObjectName) -> Bound<DatabasePath> {
        let path = self.database_path(name)?;
        self.catalog.database(&path, name.span())?;
        Ok(path)
    }
}

fn options(properties: &[Property]) -> Options {
    Options::new(properties.iter().map(|property| (property.key.value.clone(), property.value.value.clone())))
}
