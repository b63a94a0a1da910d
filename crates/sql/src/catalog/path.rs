//! Full names: `catalog.database` and `catalog.database.object`.

use std::fmt;

/// The full name of a database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatabasePath {
    /// The catalog it lies in.
    pub catalog: String,
    /// Its name there.
    pub database: String,
}

/// The full name of a table or view.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectPath {
    /// The database it lies in.
    pub home: DatabasePath,
    /// Its name there.
    pub name: String,
}

impl DatabasePath {
    /// A full name.
    pub fn new(catalog: impl Into<String>, database: impl Into<String>) -> Self {
        DatabasePath { catalog: catalog.into(), database: database.into() }
    }

    /// The full name of an object in it.
    pub fn object(&self, name: impl Into<String>) -> ObjectPath {
        ObjectPath { home: self.clone(), name: name.into() }
    }
}

impl fmt::Display for DatabasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.catalog, self.database)
    }
}

impl fmt::Display for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.home, self.name)
    }
}
