//! MATCH_RECOGNIZE, complete as in the standard: what Flink cannot run is refused by name later.

use super::{Expr, Ident, OrderItem, TableRef};
use crate::span::Span;

/// `input MATCH_RECOGNIZE (..)`.
#[derive(Debug, Clone, PartialEq)]
pub struct MatchRecognize {
    /// The rows that are searched.
    pub input: TableRef,
    /// `PARTITION BY`.
    pub partition_by: Vec<Expr>,
    /// `ORDER BY`.
    pub order_by: Vec<OrderItem>,
    /// `MEASURES`.
    pub measures: Vec<Measure>,
    /// `ONE ROW PER MATCH` or `ALL ROWS PER MATCH`, with the place of the words.
    pub rows_per_match: Option<(RowsPerMatch, Span)>,
    /// `AFTER MATCH SKIP ..`, with the place of the clause.
    pub after_match: Option<(AfterMatch, Span)>,
    /// Whether the pattern starts with `^`.
    pub start_anchor: bool,
    /// `PATTERN (..)`.
    pub pattern: Pattern,
    /// Whether the pattern ends with `$`.
    pub end_anchor: bool,
    /// `WITHIN interval`.
    pub within: Option<Expr>,
    /// `SUBSET a = (b, c), ..`.
    pub subsets: Vec<Subset>,
    /// `DEFINE`.
    pub define: Vec<Define>,
    /// From MATCH_RECOGNIZE to the closing parenthesis.
    pub span: Span,
}

/// `e AS name`.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// The expression.
    pub expr: Expr,
    /// The column's name.
    pub alias: Ident,
}

/// How many rows a match yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowsPerMatch {
    /// `ONE ROW PER MATCH`.
    One,
    /// `ALL ROWS PER MATCH`.
    All,
}

/// Where the search goes on after a match.
#[derive(Debug, Clone, PartialEq)]
pub enum AfterMatch {
    /// `SKIP TO NEXT ROW`.
    NextRow,
    /// `SKIP PAST LAST ROW`.
    PastLastRow,
    /// `SKIP TO FIRST v`.
    First(Ident),
    /// `SKIP TO LAST v` or `SKIP TO v`.
    Last(Ident),
}

/// A row pattern and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// What it is.
    pub kind: PatternKind,
    /// The whole pattern.
    pub span: Span,
}

/// The kinds of row pattern.
#[derive(Debug, Clone, PartialEq)]
pub enum PatternKind {
    /// A variable.
    Variable(Ident),
    /// `a b c`, one after the other.
    Sequence(Vec<Pattern>),
    /// `a | b`.
    Alternation(Vec<Pattern>),
    /// `(p)`.
    Group(Box<Pattern>),
    /// `p` with a quantifier.
    Repeat(Box<Pattern>, PatternQuantifier),
    /// `PERMUTE(a, b)`.
    Permute(Vec<Pattern>),
    /// `{- p -}`.
    Exclusion(Box<Pattern>),
}

/// How often a pattern repeats.
#[derive(Debug, Clone, PartialEq)]
pub struct PatternQuantifier {
    /// The least number; `None` only for `{,m}`, which Flink refuses.
    pub min: Option<u32>,
    /// The greatest number, `None` if there is no bound.
    pub max: Option<u32>,
    /// Whether a `?` makes it prefer fewer rows.
    pub reluctant: bool,
    /// The quantifier's text.
    pub span: Span,
}

/// `name = (a, b)` of SUBSET, which Flink refuses.
#[derive(Debug, Clone, PartialEq)]
pub struct Subset {
    /// The subset's name.
    pub name: Ident,
    /// Its variables.
    pub variables: Vec<Ident>,
}

/// `variable AS condition`.
#[derive(Debug, Clone, PartialEq)]
pub struct Define {
    /// The variable.
    pub variable: Ident,
    /// What a row must satisfy.
    pub condition: Expr,
}
