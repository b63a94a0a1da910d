//! SHOW, DESCRIBE and EXPLAIN.

use super::{Ident, ObjectName, PartitionValue, Statement, Text};
use crate::span::Span;

/// `SHOW what [FROM|IN name] [[NOT] LIKE|ILIKE 'pattern']`.
#[derive(Debug, Clone, PartialEq)]
pub struct Show {
    /// What is listed.
    pub what: ShowWhat,
    /// `FROM` or `IN`: the table of COLUMNS, the database or catalog of the others.
    pub from: Option<ObjectName>,
    /// The filter.
    pub like: Option<ShowLike>,
}

/// What SHOW lists.
#[derive(Debug, Clone, PartialEq)]
pub enum ShowWhat {
    /// `CATALOGS`.
    Catalogs,
    /// `CURRENT CATALOG`.
    CurrentCatalog,
    /// `DATABASES`.
    Databases,
    /// `CURRENT DATABASE`.
    CurrentDatabase,
    /// `TABLES`.
    Tables,
    /// `VIEWS`.
    Views,
    /// `MATERIALIZED TABLES`.
    MaterializedTables,
    /// `COLUMNS`; the table stands in `from`.
    Columns,
    /// `[USER] FUNCTIONS`.
    Functions {
        /// Whether USER was written.
        user: bool,
    },
    /// `PROCEDURES`.
    Procedures,
    /// `MODELS`.
    Models,
    /// `[FULL] MODULES`.
    Modules {
        /// Whether FULL was written.
        full: bool,
    },
    /// `JARS`.
    Jars,
    /// `JOBS`.
    Jobs,
    /// `PARTITIONS table [PARTITION (..)]`.
    Partitions {
        /// The table.
        table: ObjectName,
        /// Which partitions.
        partition: Vec<PartitionValue>,
    },
    /// `CREATE TABLE|VIEW|.. name`.
    Create {
        /// What kind of object.
        kind: ObjectKind,
        /// Its name.
        name: ObjectName,
    },
}

/// `[NOT] LIKE|ILIKE 'pattern'`.
#[derive(Debug, Clone, PartialEq)]
pub struct ShowLike {
    /// Whether NOT was written.
    pub negated: bool,
    /// Whether ILIKE was written.
    pub ignore_case: bool,
    /// The pattern.
    pub pattern: Text,
}

/// The kinds of catalog object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// A table.
    Table,
    /// A view.
    View,
    /// A materialized table.
    MaterializedTable,
    /// A function.
    Function,
    /// A model.
    Model,
    /// A database.
    Database,
    /// A catalog.
    Catalog,
}

impl ObjectKind {
    /// The keywords of this kind, upper-case.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Table => "TABLE",
            Self::View => "VIEW",
            Self::MaterializedTable => "MATERIALIZED TABLE",
            Self::Function => "FUNCTION",
            Self::Model => "MODEL",
            Self::Database => "DATABASE",
            Self::Catalog => "CATALOG",
        }
    }
}

/// `DESCRIBE|DESC [what] [EXTENDED] name`.
#[derive(Debug, Clone, PartialEq)]
pub struct Describe {
    /// What is described.
    pub what: DescribeWhat,
    /// Whether EXTENDED was written.
    pub extended: bool,
}

/// What DESCRIBE describes.
#[derive(Debug, Clone, PartialEq)]
pub enum DescribeWhat {
    /// A table or view.
    Table(ObjectName),
    /// `FUNCTION name`.
    Function(ObjectName),
    /// `DATABASE name`.
    Database(ObjectName),
    /// `CATALOG name`.
    Catalog(Ident),
    /// `MODEL name`.
    Model(ObjectName),
    /// `JOB 'id'`.
    Job(Text),
}

/// `EXPLAIN [details] statement` or `EXPLAIN PLAN FOR statement`.
#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    /// The details asked for, in order.
    pub details: Vec<ExplainDetail>,
    /// Where each detail was written.
    pub detail_spans: Vec<Span>,
    /// A query, an INSERT or a statement set.
    pub statement: Box<Statement>,
}

/// Details of EXPLAIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExplainDetail {
    /// `ESTIMATED_COST`.
    EstimatedCost,
    /// `CHANGELOG_MODE`.
    ChangelogMode,
    /// `PLAN_ADVICE`.
    PlanAdvice,
    /// `JSON_EXECUTION_PLAN`.
    JsonExecutionPlan,
}
