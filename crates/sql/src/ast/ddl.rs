//! Definitions of tables, views, functions, databases and catalogs, and their changes.

use super::{Expr, Ident, ObjectKind, ObjectName, Property, Query, Text, TypeName};
use crate::span::Span;

/// `CREATE [TEMPORARY] TABLE [IF NOT EXISTS] name (..) .. WITH (..) [LIKE ..] [AS query]`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    /// `[CREATE OR] REPLACE TABLE`, in place of CREATE.
    pub replace: bool,
    /// Whether TEMPORARY was written.
    pub temporary: bool,
    /// Whether IF NOT EXISTS was written.
    pub if_not_exists: bool,
    /// The table's name.
    pub name: ObjectName,
    /// What stands between the parentheses; empty without them.
    pub schema: TableSchema,
    /// `COMMENT`.
    pub comment: Option<Text>,
    /// `DISTRIBUTED ..`.
    pub distribution: Option<Distribution>,
    /// `PARTITIONED BY (..)`.
    pub partitioned_by: Vec<Ident>,
    /// `WITH (..)`.
    pub options: Vec<Property>,
    /// `LIKE ..`.
    pub like: Option<TableLike>,
    /// `AS query`.
    pub query: Option<Query>,
}

/// The columns, watermarks and keys of a table, each in the order written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TableSchema {
    /// Columns.
    pub columns: Vec<ColumnDef>,
    /// `WATERMARK FOR ..`; more than one is the binder's to refuse.
    pub watermarks: Vec<WatermarkDef>,
    /// Table constraints, not those behind a column.
    pub constraints: Vec<KeyConstraint>,
}

/// One column.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnDef {
    /// The column's name.
    pub name: Ident,
    /// Physical, metadata, computed or just a name.
    pub kind: ColumnKind,
    /// `[CONSTRAINT n] PRIMARY KEY NOT ENFORCED` behind the column.
    pub constraint: Option<KeyConstraint>,
    /// `COMMENT`.
    pub comment: Option<Text>,
    /// The whole definition.
    pub span: Span,
}

/// The kinds of column.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnKind {
    /// `name type`.
    Physical(TypeName),
    /// `name type METADATA [FROM 'key'] [VIRTUAL]`.
    Metadata {
        /// The column's type.
        data_type: TypeName,
        /// The metadata key, the column's name by default.
        key: Option<Text>,
        /// Whether the column cannot be written.
        is_virtual: bool,
    },
    /// `name AS e`.
    Computed(Expr),
    /// `name` alone: a column of the query of CREATE TABLE .. AS.
    Reference,
}

/// `[CONSTRAINT name] PRIMARY KEY|UNIQUE [(columns)] [[NOT] ENFORCED]`.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyConstraint {
    /// The constraint's name.
    pub name: Option<Ident>,
    /// Whether it is UNIQUE, which Flink refuses, and not PRIMARY KEY.
    pub unique: bool,
    /// The columns; empty behind a column.
    pub columns: Vec<Ident>,
    /// `Some(false)` for NOT ENFORCED, `Some(true)` for ENFORCED.
    pub enforced: Option<bool>,
    /// The whole constraint.
    pub span: Span,
}

/// `WATERMARK FOR column AS e`.
#[derive(Debug, Clone, PartialEq)]
pub struct WatermarkDef {
    /// The column, in parts.
    pub column: Vec<Ident>,
    /// Its watermark.
    pub expr: Expr,
    /// The whole definition.
    pub span: Span,
}

/// `DISTRIBUTED [BY [HASH|RANGE] (columns)] [INTO n BUCKETS]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// HASH or RANGE, if it was written.
    pub kind: Option<DistributionKind>,
    /// The bucket columns.
    pub columns: Vec<Ident>,
    /// How many buckets.
    pub buckets: Option<u32>,
    /// The whole clause.
    pub span: Span,
}

/// How rows are put into buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DistributionKind {
    /// `HASH`.
    Hash,
    /// `RANGE`.
    Range,
}

/// `LIKE source [(options)]`.
#[derive(Debug, Clone, PartialEq)]
pub struct TableLike {
    /// The table that is copied.
    pub source: ObjectName,
    /// What is taken over and how.
    pub options: Vec<TableLikeOption>,
    /// The whole clause.
    pub span: Span,
}

/// `INCLUDING OPTIONS`, `EXCLUDING ALL`….
#[derive(Debug, Clone, PartialEq)]
pub struct TableLikeOption {
    /// What happens.
    pub strategy: LikeStrategy,
    /// To which part.
    pub feature: LikeFeature,
    /// The whole option.
    pub span: Span,
}

/// How a part of a LIKE source is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LikeStrategy {
    /// `INCLUDING`.
    Including,
    /// `EXCLUDING`.
    Excluding,
    /// `OVERWRITING`.
    Overwriting,
}

/// The parts of a LIKE source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LikeFeature {
    /// `ALL`.
    All,
    /// `CONSTRAINTS`.
    Constraints,
    /// `DISTRIBUTION`.
    Distribution,
    /// `PARTITIONS`.
    Partitions,
    /// `GENERATED`.
    Generated,
    /// `METADATA`.
    Metadata,
    /// `OPTIONS`.
    Options,
    /// `WATERMARKS`.
    Watermarks,
}

/// `CREATE [TEMPORARY] VIEW [IF NOT EXISTS] name [(columns)] [COMMENT ..] AS query`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateView {
    /// Whether OR REPLACE was written.
    pub or_replace: bool,
    /// Whether TEMPORARY was written.
    pub temporary: bool,
    /// Whether IF NOT EXISTS was written.
    pub if_not_exists: bool,
    /// The view's name.
    pub name: ObjectName,
    /// New names of its columns; empty if none are given.
    pub columns: Vec<Ident>,
    /// `COMMENT`.
    pub comment: Option<Text>,
    /// The query.
    pub query: Query,
}

/// `CREATE [TEMPORARY [SYSTEM]] FUNCTION [IF NOT EXISTS] name AS 'ident' ..`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateFunction {
    /// Whether TEMPORARY was written.
    pub temporary: bool,
    /// Whether SYSTEM was written.
    pub system: bool,
    /// Whether IF NOT EXISTS was written.
    pub if_not_exists: bool,
    /// The function's name.
    pub name: ObjectName,
    /// Class, object or module path that implements it.
    pub implementation: Text,
    /// `LANGUAGE`, JAVA by default.
    pub language: Option<Ident>,
    /// `USING JAR 'path', ..`.
    pub resources: Vec<FunctionResource>,
    /// `WITH (..)`.
    pub options: Vec<Property>,
}

/// `JAR 'path'` of USING.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionResource {
    /// JAR or ARTIFACT.
    pub kind: Ident,
    /// Where it is.
    pub path: Text,
}

/// `CREATE DATABASE [IF NOT EXISTS] name [COMMENT ..] [WITH (..)]`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateDatabase {
    /// Whether IF NOT EXISTS was written.
    pub if_not_exists: bool,
    /// The database's name.
    pub name: ObjectName,
    /// `COMMENT`.
    pub comment: Option<Text>,
    /// `WITH (..)`.
    pub options: Vec<Property>,
}

/// `CREATE CATALOG [IF NOT EXISTS] name [COMMENT ..] [WITH (..)]`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateCatalog {
    /// Whether IF NOT EXISTS was written.
    pub if_not_exists: bool,
    /// The catalog's name.
    pub name: Ident,
    /// `COMMENT`.
    pub comment: Option<Text>,
    /// `WITH (..)`.
    pub options: Vec<Property>,
}

/// `DROP [TEMPORARY [SYSTEM]] kind [IF EXISTS] name [RESTRICT|CASCADE]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Drop {
    /// What is dropped.
    pub kind: ObjectKind,
    /// Whether TEMPORARY was written.
    pub temporary: bool,
    /// Whether SYSTEM was written.
    pub system: bool,
    /// Whether IF EXISTS was written.
    pub if_exists: bool,
    /// The object's name.
    pub name: ObjectName,
    /// `Some(true)` for CASCADE, `Some(false)` for RESTRICT.
    pub cascade: Option<bool>,
}

/// `ALTER TABLE [IF EXISTS] name action`.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterTable {
    /// Whether IF EXISTS was written.
    pub if_exists: bool,
    /// The table.
    pub name: ObjectName,
    /// What changes.
    pub action: AlterTableAction,
}

/// The changes of ALTER TABLE.
#[derive(Debug, Clone, PartialEq)]
pub enum AlterTableAction {
    /// `ADD column|(..)`.
    Add(SchemaChange),
    /// `MODIFY column|(..)`.
    Modify(SchemaChange),
    /// `DROP column` or `DROP (a, b)`.
    DropColumns(Vec<Ident>),
    /// `DROP PRIMARY KEY`.
    DropPrimaryKey,
    /// `DROP CONSTRAINT name`.
    DropConstraint(Ident),
    /// `DROP WATERMARK`.
    DropWatermark,
    /// `DROP DISTRIBUTION`.
    DropDistribution,
    /// `DROP [IF EXISTS] PARTITION (..), ..`.
    DropPartitions {
        /// Whether IF EXISTS was written.
        if_exists: bool,
        /// Which ones.
        partitions: Vec<Vec<PartitionValue>>,
    },
    /// `ADD [IF NOT EXISTS] PARTITION (..) [WITH (..)] ..`.
    AddPartitions {
        /// Whether IF NOT EXISTS was written.
        if_not_exists: bool,
        /// Each partition with its options.
        partitions: Vec<(Vec<PartitionValue>, Vec<Property>)>,
    },
    /// `RENAME a TO b`.
    RenameColumn {
        /// The old name, in parts.
        from: Vec<Ident>,
        /// The new name.
        to: Ident,
    },
    /// `RENAME TO name`.
    Rename(ObjectName),
    /// `SET ('k' = 'v', ..)`.
    SetOptions(Vec<Property>),
    /// `RESET ('k', ..)`.
    ResetOptions(Vec<Text>),
}

/// What ADD or MODIFY adds or modifies.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SchemaChange {
    /// Columns and where they go.
    pub columns: Vec<PlacedColumn>,
    /// Watermarks.
    pub watermarks: Vec<WatermarkDef>,
    /// Keys.
    pub constraints: Vec<KeyConstraint>,
    /// `DISTRIBUTION ..`.
    pub distribution: Option<Distribution>,
}

/// A column of ADD or MODIFY.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacedColumn {
    /// The column.
    pub column: ColumnDef,
    /// Where it goes; at the end (ADD) or where it is (MODIFY) by default.
    pub place: Option<ColumnPlace>,
}

/// Where a column goes.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnPlace {
    /// `FIRST`.
    First,
    /// `AFTER column`.
    After(Ident),
}

/// `name [= literal]` of a PARTITION clause.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionValue {
    /// The partition column.
    pub name: Ident,
    /// Its value, a literal.
    pub value: Option<Expr>,
}

/// `ALTER VIEW name RENAME TO x` or `ALTER VIEW name AS query`.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterView {
    /// The view.
    pub name: ObjectName,
    /// What changes.
    pub action: AlterViewAction,
}

/// The changes of ALTER VIEW.
#[derive(Debug, Clone, PartialEq)]
pub enum AlterViewAction {
    /// `RENAME TO name`.
    Rename(ObjectName),
    /// `AS query`.
    Query(Query),
}
