//! Function calls, their arguments and their windows.

use super::{Expr, Ident, ObjectName, OrderItem};
use crate::span::Span;

/// `name(args) [WITHIN GROUP (..)] [FILTER (..)] [RESPECT|IGNORE NULLS] [OVER ..]`.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionCall {
    /// The function's name; case-insensitive for built-in functions.
    pub name: ObjectName,
    /// Whether it was written without parentheses, as `CURRENT_TIMESTAMP` is.
    pub niladic: bool,
    /// Whether the only argument is `*`, as in `COUNT(*)`.
    pub star: bool,
    /// `DISTINCT` or `ALL` before the arguments.
    pub quantifier: Option<SetQuantifier>,
    /// The arguments.
    pub args: Vec<FunctionArg>,
    /// `ORDER BY` after the last argument, inside the parentheses.
    pub order_by: Vec<OrderItem>,
    /// `WITHIN GROUP (ORDER BY ..)`.
    pub within_group: Vec<OrderItem>,
    /// `FILTER (WHERE ..)`.
    pub filter: Option<Expr>,
    /// `RESPECT NULLS` or `IGNORE NULLS`.
    pub nulls: Option<NullTreatment>,
    /// `OVER ..`.
    pub over: Option<Over>,
    /// From the name to the end of the last clause.
    pub span: Span,
}

/// `DISTINCT` or `ALL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SetQuantifier {
    /// `DISTINCT`.
    Distinct,
    /// `ALL`.
    All,
}

/// `RESPECT NULLS` or `IGNORE NULLS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NullTreatment {
    /// `RESPECT NULLS`.
    Respect,
    /// `IGNORE NULLS`.
    Ignore,
}

/// `[name =>] value`.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionArg {
    /// The parameter's name, if it was written.
    pub name: Option<Ident>,
    /// The value.
    pub value: Expr,
}

/// The window of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Over {
    /// `OVER w`.
    Named(Ident),
    /// `OVER (..)`.
    Spec(WindowSpec),
}

/// `([base] [PARTITION BY ..] [ORDER BY ..] [frame])`.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowSpec {
    /// A named window that this one refines.
    pub base: Option<Ident>,
    /// `PARTITION BY`.
    pub partition_by: Vec<Expr>,
    /// `ORDER BY`.
    pub order_by: Vec<OrderItem>,
    /// `ROWS` or `RANGE`.
    pub frame: Option<WindowFrame>,
    /// The parentheses and what is between them.
    pub span: Span,
}

/// `ROWS|RANGE start` or `ROWS|RANGE BETWEEN start AND end`.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowFrame {
    /// Rows or values.
    pub unit: FrameUnit,
    /// Where the frame starts.
    pub start: FrameBound,
    /// Where it ends; `None` means the current row.
    pub end: Option<FrameBound>,
    /// The whole clause.
    pub span: Span,
}

/// What a frame counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameUnit {
    /// `ROWS`.
    Rows,
    /// `RANGE`.
    Range,
}

/// One end of a frame.
#[derive(Debug, Clone, PartialEq)]
pub enum FrameBound {
    /// `UNBOUNDED PRECEDING`.
    UnboundedPreceding,
    /// `n PRECEDING`.
    Preceding(Expr),
    /// `CURRENT ROW`.
    CurrentRow,
    /// `n FOLLOWING`.
    Following(Expr),
    /// `UNBOUNDED FOLLOWING`.
    UnboundedFollowing,
}
