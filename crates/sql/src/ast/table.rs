//! Table references: what stands in FROM.

use super::{Expr, FunctionCall, Hint, Ident, MatchRecognize, ObjectName, Query};
use crate::span::Span;

/// A table reference with its alias.
#[derive(Debug, Clone, PartialEq)]
pub struct TableRef {
    /// What it refers to.
    pub kind: TableRefKind,
    /// `[AS] name [(columns)]`.
    pub alias: Option<TableAlias>,
    /// The whole reference, alias included.
    pub span: Span,
}

/// `name [(columns)]`.
#[derive(Debug, Clone, PartialEq)]
pub struct TableAlias {
    /// The alias.
    pub name: Ident,
    /// New names of the columns; empty if none are given.
    pub columns: Vec<Ident>,
}

/// The kinds of table reference.
#[derive(Debug, Clone, PartialEq)]
pub enum TableRefKind {
    /// `name [/*+ hints */] [FOR SYSTEM_TIME AS OF e]`.
    Table {
        /// A table, view or named query.
        name: ObjectName,
        /// Hints behind the name.
        hints: Vec<Hint>,
        /// The time whose version is read.
        system_time: Option<Expr>,
    },
    /// `[LATERAL] (query)`, VALUES included.
    Query {
        /// Whether it may use columns of what stands to its left.
        lateral: bool,
        /// The query.
        query: Box<Query>,
        /// `FOR SYSTEM_TIME AS OF e` behind the parentheses.
        system_time: Option<Expr>,
    },
    /// `[LATERAL] TABLE(f(..))` or `[LATERAL] f(..)`.
    Function {
        /// Whether LATERAL was written.
        lateral: bool,
        /// The call; windowing functions take a `TABLE t` argument.
        call: Box<FunctionCall>,
    },
    /// `UNNEST(e, ..) [WITH ORDINALITY]`.
    Unnest {
        /// The collections.
        operands: Vec<Expr>,
        /// Whether a column with the position is added.
        ordinality: bool,
    },
    /// A join.
    Join(Box<Join>),
    /// `input MATCH_RECOGNIZE (..)`.
    MatchRecognize(Box<MatchRecognize>),
}

/// A join of two table references.
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    /// Left input.
    pub left: TableRef,
    /// Right input.
    pub right: TableRef,
    /// Which join.
    pub kind: JoinKind,
    /// What pairs the rows.
    pub condition: JoinCondition,
    /// The join's words, such as `LEFT OUTER JOIN`.
    pub op_span: Span,
}

/// The kinds of join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JoinKind {
    /// `[INNER] JOIN`.
    Inner,
    /// `LEFT [OUTER] JOIN`.
    Left,
    /// `RIGHT [OUTER] JOIN`.
    Right,
    /// `FULL [OUTER] JOIN`.
    Full,
    /// `CROSS JOIN`.
    Cross,
}

/// What pairs the rows of a join.
#[derive(Debug, Clone, PartialEq)]
pub enum JoinCondition {
    /// Nothing.
    None,
    /// `ON e`.
    On(Expr),
    /// `USING (a, b)`.
    Using(Vec<Ident>),
    /// `NATURAL` before the join.
    Natural,
}
