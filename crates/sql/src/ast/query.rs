//! Queries: WITH, SELECT, set operations, grouping and ordering.

use super::{Expr, Hint, Ident, ObjectName, SetQuantifier, TableRef, WindowSpec};
use crate::span::Span;

/// `[WITH ..] body [ORDER BY ..] [LIMIT ..] [OFFSET ..] [FETCH ..]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// `WITH`.
    pub with: Option<With>,
    /// What yields the rows.
    pub body: QueryBody,
    /// `ORDER BY`.
    pub order_by: Vec<OrderItem>,
    /// `LIMIT n` or `FETCH FIRST n ROWS ONLY`; `None` also for `LIMIT ALL`.
    pub limit: Option<Expr>,
    /// `OFFSET n`.
    pub offset: Option<Expr>,
    /// The whole query.
    pub span: Span,
}

/// `WITH [RECURSIVE] name [(columns)] AS (query), ..`.
#[derive(Debug, Clone, PartialEq)]
pub struct With {
    /// Whether RECURSIVE was written, which Flink refuses.
    pub recursive: bool,
    /// The named queries in order.
    pub ctes: Vec<Cte>,
    /// The whole clause.
    pub span: Span,
}

/// One named query of WITH.
#[derive(Debug, Clone, PartialEq)]
pub struct Cte {
    /// Its name.
    pub name: Ident,
    /// New names of its columns; empty if none are given.
    pub columns: Vec<Ident>,
    /// The query.
    pub query: Query,
    /// The whole definition.
    pub span: Span,
}

/// What yields the rows of a query.
#[derive(Debug, Clone, PartialEq)]
pub enum QueryBody {
    /// `SELECT ..`.
    Select(Box<Select>),
    /// `VALUES (..), (..)`.
    Values(Values),
    /// `TABLE t`.
    Table(ObjectName),
    /// `left UNION|INTERSECT|EXCEPT [ALL] right`.
    SetOperation(Box<SetOperation>),
    /// `(query)`, which may hold its own ORDER BY and LIMIT.
    Nested(Box<Query>),
}

/// A set operation over two queries.
#[derive(Debug, Clone, PartialEq)]
pub struct SetOperation {
    /// Which one.
    pub op: SetOp,
    /// Whether ALL was written.
    pub all: bool,
    /// Left input.
    pub left: QueryBody,
    /// Right input.
    pub right: QueryBody,
    /// The operator's words.
    pub op_span: Span,
    /// The whole operation.
    pub span: Span,
}

/// Set operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SetOp {
    /// `UNION`.
    Union,
    /// `INTERSECT`, which binds tighter than the others.
    Intersect,
    /// `EXCEPT`.
    Except,
}

/// `VALUES` with its rows, each a row expression or, for one column, any expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    /// The rows.
    pub rows: Vec<Expr>,
    /// The whole clause.
    pub span: Span,
}

/// `SELECT` with its clauses.
#[derive(Debug, Clone, PartialEq)]
pub struct Select {
    /// `/*+ .. */` after SELECT.
    pub hints: Vec<Hint>,
    /// Whether DISTINCT was written.
    pub distinct: bool,
    /// What is selected.
    pub items: Vec<SelectItem>,
    /// The comma-separated items of FROM, each possibly a tree of joins; empty without FROM.
    pub from: Vec<TableRef>,
    /// `WHERE`.
    pub selection: Option<Expr>,
    /// `GROUP BY`.
    pub group_by: Option<GroupBy>,
    /// `HAVING`.
    pub having: Option<Expr>,
    /// `WINDOW name AS (..), ..`.
    pub windows: Vec<NamedWindow>,
    /// `QUALIFY`.
    pub qualify: Option<Expr>,
    /// The whole SELECT.
    pub span: Span,
}

/// One item of SELECT.
#[derive(Debug, Clone, PartialEq)]
pub enum SelectItem {
    /// `e [[AS] alias]`.
    Expr {
        /// The expression.
        expr: Expr,
        /// Its name.
        alias: Option<Ident>,
    },
    /// `*`.
    Wildcard(Span),
    /// `t.*` or `row_column.*`.
    QualifiedWildcard {
        /// The parts before the star.
        prefix: Vec<Ident>,
        /// The whole item.
        span: Span,
    },
}

impl SelectItem {
    /// Where the item was written.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Expr { expr, alias } => alias.as_ref().map_or(expr.span, |a| expr.span.to(a.span)),
            Self::Wildcard(span) | Self::QualifiedWildcard { span, .. } => *span,
        }
    }
}

/// `GROUP BY [DISTINCT|ALL] items`.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupBy {
    /// `DISTINCT` or `ALL`.
    pub quantifier: Option<SetQuantifier>,
    /// The items, whose cross product makes the grouping sets.
    pub items: Vec<GroupItem>,
    /// The whole clause.
    pub span: Span,
}

/// One item of GROUP BY.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupItem {
    /// What it is.
    pub kind: GroupItemKind,
    /// The whole item.
    pub span: Span,
}

/// The kinds of GROUP BY item.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupItemKind {
    /// An expression.
    Expr(Expr),
    /// `(a, b)` or `()`: columns that group together.
    Set(Vec<Expr>),
    /// `GROUPING SETS (..)`.
    GroupingSets(Vec<GroupItem>),
    /// `ROLLUP (..)`, each item an expression or a set.
    Rollup(Vec<GroupItem>),
    /// `CUBE (..)`, each item an expression or a set.
    Cube(Vec<GroupItem>),
}

/// `name AS (..)` of the WINDOW clause.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedWindow {
    /// The window's name.
    pub name: Ident,
    /// What it stands for.
    pub spec: WindowSpec,
}

/// `e [ASC|DESC] [NULLS FIRST|LAST]`.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderItem {
    /// What is sorted by.
    pub expr: Expr,
    /// Whether DESC was written.
    pub descending: bool,
    /// `Some(true)` for NULLS FIRST, `Some(false)` for NULLS LAST.
    pub nulls_first: Option<bool>,
    /// The whole item.
    pub span: Span,
}
