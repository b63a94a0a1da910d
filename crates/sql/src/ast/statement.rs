//! Statements.

use super::{
    AlterTable, AlterView, CreateCatalog, CreateDatabase, CreateFunction, CreateTable, CreateView, Describe,
    Drop, Explain, Hint, Ident, ObjectName, PartitionValue, Property, Query, Show, Text,
};
use crate::span::Span;

/// One statement of a script, without its semicolon.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// What it is.
    pub kind: StatementKind,
    /// The whole statement.
    pub span: Span,
}

/// The kinds of statement.
#[derive(Debug, Clone, PartialEq)]
pub enum StatementKind {
    /// A query.
    Query(Box<Query>),
    /// `INSERT ..`, with or without EXECUTE before it.
    Insert(Box<Insert>),
    /// `EXECUTE STATEMENT SET BEGIN .. END` or `BEGIN STATEMENT SET; ..; END`.
    StatementSet(StatementSet),
    /// `CREATE TABLE`.
    CreateTable(Box<CreateTable>),
    /// `CREATE VIEW`.
    CreateView(Box<CreateView>),
    /// `CREATE FUNCTION`.
    CreateFunction(Box<CreateFunction>),
    /// `CREATE DATABASE`.
    CreateDatabase(CreateDatabase),
    /// `CREATE CATALOG`.
    CreateCatalog(CreateCatalog),
    /// `DROP ..`.
    Drop(Drop),
    /// `ALTER TABLE`.
    AlterTable(Box<AlterTable>),
    /// `ALTER VIEW`.
    AlterView(Box<AlterView>),
    /// `ALTER DATABASE name SET (..)`.
    AlterDatabase {
        /// The database.
        name: ObjectName,
        /// The new options.
        options: Vec<Property>,
    },
    /// `USE CATALOG name`.
    UseCatalog(Ident),
    /// `USE [catalog.]database`.
    UseDatabase(ObjectName),
    /// `EXPLAIN ..`.
    Explain(Explain),
    /// `DESCRIBE ..`.
    Describe(Describe),
    /// `SHOW ..`.
    Show(Show),
    /// `SET 'key' = 'value'`, or `SET` alone, which lists the options.
    Set(Option<Property>),
    /// `RESET 'key'`, or `RESET` alone, which resets all.
    Reset(Option<Text>),
    /// A statement of Flink that is known by its keywords only, such as `TRUNCATE TABLE`; its rest
    /// is skipped.
    Other {
        /// The keywords, upper-case.
        keyword: String,
        /// Where they stand.
        keyword_span: Span,
    },
}

/// `INSERT INTO|OVERWRITE table [PARTITION (..)] [(columns)] query [ON CONFLICT DO ..]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Insert {
    /// Whether OVERWRITE was written and not INTO.
    pub overwrite: bool,
    /// The sink.
    pub table: ObjectName,
    /// Hints behind the table's name.
    pub hints: Vec<Hint>,
    /// `PARTITION (p = 'v', ..)`.
    pub partition: Vec<PartitionValue>,
    /// The columns that are written; empty if none are listed.
    pub columns: Vec<Ident>,
    /// What is written.
    pub query: Query,
    /// `ON CONFLICT DO ..`, with its place.
    pub on_conflict: Option<(OnConflict, Span)>,
    /// From INSERT to the end.
    pub span: Span,
}

/// What happens when several rows of a query have one key of the sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnConflict {
    /// `NOTHING`.
    Nothing,
    /// `ERROR`.
    Error,
    /// `DEDUPLICATE`.
    Deduplicate,
}

/// INSERT statements that run as one job.
#[derive(Debug, Clone, PartialEq)]
pub struct StatementSet {
    /// The statements in order.
    pub inserts: Vec<Insert>,
    /// From the first word to END.
    pub span: Span,
}
