//! Definitions of tables and views.

use super::{DatabasePath, ObjectPath};
use crate::ast;
use std::collections::BTreeMap;
use tidemill_types::{DataType, Options, TimeAttribute};

/// A table as declared.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// The database it lies in.
    pub home: DatabasePath,
    /// Its columns in declared order.
    pub columns: Vec<Column>,
    /// `WATERMARK FOR`.
    pub watermark: Option<WatermarkSpec>,
    /// The columns of the primary key, in its order.
    pub primary_key: Vec<String>,
    /// The name that was given to the primary key.
    pub primary_key_name: Option<String>,
    /// `PARTITIONED BY`.
    pub partition_by: Vec<String>,
    /// The partitions that ADD PARTITION declared: values by column.
    pub partitions: Vec<BTreeMap<String, String>>,
    /// `WITH`.
    pub options: Options,
    /// `COMMENT`.
    pub comment: Option<String>,
    /// Whether it goes with the session.
    pub temporary: bool,
}

/// A column as declared.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Where its values come from.
    pub kind: ColumnKind,
    /// Its type.
    pub data_type: DataType,
    /// Set if it is a time attribute.
    pub time: Option<TimeAttribute>,
    /// `COMMENT`.
    pub comment: Option<String>,
}

/// Where the values of a column come from.
#[derive(Debug, Clone)]
pub enum ColumnKind {
    /// The record.
    Physical,
    /// The connector or format.
    Metadata {
        /// Its key there.
        key: String,
        /// Whether it can't be written.
        is_virtual: bool,
    },
    /// An expression over the columns before it.
    Computed(ast::Expr),
}

/// `WATERMARK FOR column AS expr`.
#[derive(Debug, Clone)]
pub struct WatermarkSpec {
    /// The column.
    pub column: String,
    /// Its watermark.
    pub expr: ast::Expr,
}

/// A named query.
#[derive(Debug, Clone)]
pub struct View {
    /// Its name.
    pub name: String,
    /// The database that was current when it was created: names in its query mean what they meant there.
    pub home: DatabasePath,
    /// The names of its columns.
    pub columns: Vec<String>,
    /// The query.
    pub query: ast::Query,
    /// `COMMENT`.
    pub comment: Option<String>,
    /// Whether it goes with the session.
    pub temporary: bool,
}

impl Table {
    /// Its full name.
    pub fn path(&self) -> ObjectPath {
        self.home.object(&self.name)
    }

    /// The columns of the record.
    pub fn physical(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| matches!(column.kind, ColumnKind::Physical))
    }

    /// The columns that an INSERT gives.
    pub fn writable(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| match column.kind {
            ColumnKind::Physical => true,
            ColumnKind::Metadata { is_virtual, .. } => !is_virtual,
            ColumnKind::Computed(_) => false,
        })
    }
}
