//! Expressions.

use super::{
    FunctionCall, Ident, IntervalQualifier, JsonExpr, JsonKind, Literal, ObjectName, OrderItem, Query,
    TimeUnit, TypeName,
};
use crate::span::Span;

/// An expression and where it was written. Parentheses around an expression leave no trace but in
/// the span, which covers them.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: Box<ExprKind>,
    /// The whole expression.
    pub span: Span,
}

impl Expr {
    /// An expression of this kind at this place.
    #[must_use]
    pub fn new(kind: ExprKind, span: Span) -> Self {
        Self { kind: Box::new(kind), span }
    }
}

/// The kinds of expression.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// A literal.
    Literal(Literal),
    /// `a`, `t.a`, `t.row.field`…: parts that the binder resolves.
    Name(Vec<Ident>),
    /// `e.field` where `e` is not a plain name, such as `rows[1].sku` or `f(x).a`.
    Field {
        /// The ROW.
        base: Expr,
        /// The field.
        field: Ident,
    },
    /// `e[index]` of an ARRAY, MAP, ROW or VARIANT.
    Index {
        /// The collection.
        base: Expr,
        /// The index or key.
        index: Expr,
    },
    /// A prefix operator.
    Unary {
        /// The operator.
        op: UnaryOp,
        /// Its operand.
        operand: Expr,
    },
    /// An infix operator.
    Binary {
        /// The operator.
        op: BinaryOp,
        /// Left operand.
        left: Expr,
        /// Right operand.
        right: Expr,
    },
    /// `e IS [NOT] NULL`, `TRUE`, `JSON OBJECT`….
    Is {
        /// What is tested.
        operand: Expr,
        /// Whether NOT was written.
        negated: bool,
        /// The test.
        test: IsTest,
    },
    /// `a IS [NOT] DISTINCT FROM b`.
    IsDistinctFrom {
        /// Left operand.
        left: Expr,
        /// Right operand.
        right: Expr,
        /// Whether NOT was written.
        negated: bool,
    },
    /// `e [NOT] BETWEEN [SYMMETRIC] low AND high`.
    Between {
        /// What is tested.
        operand: Expr,
        /// Whether NOT was written.
        negated: bool,
        /// Whether the bounds may come in either order.
        symmetric: bool,
        /// Lower bound.
        low: Expr,
        /// Upper bound.
        high: Expr,
    },
    /// `e [NOT] LIKE pattern [ESCAPE c]` and its relatives.
    Like {
        /// Which pattern language.
        kind: LikeKind,
        /// What is tested.
        operand: Expr,
        /// Whether NOT was written.
        negated: bool,
        /// The pattern.
        pattern: Expr,
        /// The escape character.
        escape: Option<Expr>,
    },
    /// `e [NOT] IN (a, b, ..)`.
    InList {
        /// What is looked for; a row for `(a, b) IN ((1, 2), ..)`.
        operand: Expr,
        /// Whether NOT was written.
        negated: bool,
        /// The values.
        list: Vec<Expr>,
    },
    /// `e [NOT] IN (query)`.
    InQuery {
        /// What is looked for.
        operand: Expr,
        /// Whether NOT was written.
        negated: bool,
        /// The query.
        query: Query,
    },
    /// `EXISTS (query)`; NOT EXISTS is a unary NOT around it.
    Exists(Query),
    /// `(query)` as a scalar.
    Subquery(Query),
    /// `left op ANY|ALL (..)`.
    Quantified {
        /// The comparison.
        op: BinaryOp,
        /// Left operand.
        left: Expr,
        /// ANY (SOME) or ALL.
        quantifier: Quantifier,
        /// What is compared with.
        right: QuantifiedSource,
    },
    /// `CASE [operand] WHEN .. THEN .. [ELSE ..] END`.
    Case {
        /// The operand of a simple CASE.
        operand: Option<Expr>,
        /// WHEN, THEN.
        branches: Vec<CaseBranch>,
        /// ELSE.
        otherwise: Option<Expr>,
    },
    /// `CAST(e AS type)` or `TRY_CAST(e AS type)`.
    Cast {
        /// Whether TRY_CAST was written.
        lenient: bool,
        /// What is converted.
        operand: Expr,
        /// The target.
        target: TypeName,
    },
    /// `EXTRACT(unit FROM e)`.
    Extract {
        /// The field.
        unit: TimeUnit,
        /// A time.
        operand: Expr,
    },
    /// `FLOOR(e TO unit)` or `CEIL(e TO unit)`; without TO it is a plain function call.
    RoundTime {
        /// Whether CEIL was written.
        up: bool,
        /// A time.
        operand: Expr,
        /// The unit.
        unit: TimeUnit,
    },
    /// `POSITION(needle IN haystack [FROM start])`.
    Position {
        /// What is looked for.
        needle: Expr,
        /// Where.
        haystack: Expr,
        /// From which character.
        start: Option<Expr>,
    },
    /// `SUBSTRING(e FROM start [FOR length])`; the form with commas is a plain function call.
    Substring {
        /// The string.
        operand: Expr,
        /// First character, 1-based.
        start: Expr,
        /// How many characters.
        length: Option<Expr>,
    },
    /// `OVERLAY(e PLACING replacement FROM start [FOR length])`.
    Overlay {
        /// The string.
        operand: Expr,
        /// What is put in.
        replacement: Expr,
        /// First character replaced, 1-based.
        start: Expr,
        /// How many characters are replaced.
        length: Option<Expr>,
    },
    /// `TRIM([BOTH|LEADING|TRAILING] [chars] FROM e)` or `TRIM(e)`.
    Trim {
        /// Which ends.
        side: TrimSide,
        /// What is removed, a space by default.
        characters: Option<Expr>,
        /// The string.
        operand: Expr,
    },
    /// `TIMESTAMPADD(unit, count, time)`.
    TimestampAdd {
        /// The unit.
        unit: TimeUnit,
        /// How many units.
        count: Expr,
        /// The time.
        operand: Expr,
    },
    /// `TIMESTAMPDIFF(unit, start, end)`.
    TimestampDiff {
        /// The unit.
        unit: TimeUnit,
        /// The earlier time.
        start: Expr,
        /// The later time.
        end: Expr,
    },
    /// A SQL/JSON function with its clauses.
    Json(JsonExpr),
    /// A function call.
    Call(FunctionCall),
    /// `ARRAY[a, ..]`.
    Array(Vec<Expr>),
    /// `MAP[k, v, ..]`, its items in order; the binder checks that they come in pairs.
    Map(Vec<Expr>),
    /// `MULTISET[a, ..]`.
    Multiset(Vec<Expr>),
    /// `ARRAY(query)`, `MAP(query)`, `MULTISET(query)`.
    CollectionQuery {
        /// Which collection.
        kind: CollectionKind,
        /// The query.
        query: Query,
    },
    /// `ROW(a, b)` or `(a, b)`.
    Row {
        /// Whether the word ROW was written.
        explicit: bool,
        /// The fields.
        fields: Vec<Expr>,
    },
    /// `(a - b) qualifier`: the difference of two times as an interval.
    TimeDifference {
        /// The later time.
        left: Expr,
        /// The earlier time.
        right: Expr,
        /// The fields of the result.
        qualifier: IntervalQualifier,
    },
    /// `INTERVAL (e) unit` or `INTERVAL 5 unit`: a number of units.
    IntervalOf {
        /// How many units.
        value: Expr,
        /// The unit.
        qualifier: IntervalQualifier,
    },
    /// `(start, end) OVERLAPS (start, end)` and the other period predicates.
    Period {
        /// Which predicate.
        op: PeriodOp,
        /// Left period, a row of two.
        left: Expr,
        /// Right period, a row of two.
        right: Expr,
    },
    /// `e AT TIME ZONE zone`, or `e AT LOCAL` without a zone.
    AtTimeZone {
        /// A time.
        operand: Expr,
        /// The zone, `None` for the session's.
        zone: Option<Expr>,
    },
    /// `RUNNING e` or `FINAL e` in MATCH_RECOGNIZE, which Flink refuses.
    MatchSemantics {
        /// Whether FINAL was written.
        last: bool,
        /// The measure.
        operand: Expr,
    },
    /// `TABLE t [PARTITION BY ..] [ORDER BY ..]` or `(query) [PARTITION BY ..]` as an argument.
    Table(TableArg),
    /// `MODEL m` as an argument.
    Model(ObjectName),
    /// `DESCRIPTOR(a, b)`.
    Descriptor(Vec<Ident>),
    /// `DEFAULT` as an argument.
    Default,
}

/// Prefix operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `+`.
    Plus,
    /// `-`.
    Minus,
    /// `NOT`.
    Not,
}

/// Infix operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `OR`.
    Or,
    /// `AND`.
    And,
    /// `=`.
    Eq,
    /// `<>` or `!=`.
    NotEq,
    /// `<`.
    Lt,
    /// `<=`.
    LtEq,
    /// `>`.
    Gt,
    /// `>=`.
    GtEq,
    /// `+`.
    Add,
    /// `-`.
    Sub,
    /// `*`.
    Mul,
    /// `/`.
    Div,
    /// `%`.
    Mod,
    /// `||`.
    Concat,
    /// `MEMBER OF`.
    MemberOf,
    /// `SUBMULTISET OF`.
    SubmultisetOf,
    /// `MULTISET UNION [DISTINCT]`.
    MultisetUnion,
    /// `MULTISET UNION ALL`.
    MultisetUnionAll,
    /// `MULTISET INTERSECT [DISTINCT]`.
    MultisetIntersect,
    /// `MULTISET INTERSECT ALL`.
    MultisetIntersectAll,
    /// `MULTISET EXCEPT [DISTINCT]`.
    MultisetExcept,
    /// `MULTISET EXCEPT ALL`.
    MultisetExceptAll,
}

/// What IS tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IsTest {
    /// `NULL`.
    Null,
    /// `TRUE`.
    True,
    /// `FALSE`.
    False,
    /// `UNKNOWN`.
    Unknown,
    /// `JSON [VALUE|OBJECT|ARRAY|SCALAR]`.
    Json(JsonKind),
    /// `A SET`.
    ASet,
    /// `EMPTY`.
    Empty,
}

/// Pattern languages of LIKE and its relatives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LikeKind {
    /// `LIKE`.
    Like,
    /// `SIMILAR TO`.
    SimilarTo,
}

/// ANY or ALL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quantifier {
    /// `ANY` or `SOME`.
    Any,
    /// `ALL`.
    All,
}

/// What a quantified comparison compares with.
#[derive(Debug, Clone, PartialEq)]
pub enum QuantifiedSource {
    /// `(query)`.
    Query(Query),
    /// `(a, b, ..)`.
    List(Vec<Expr>),
}

/// `WHEN condition THEN result`. A simple CASE may list several values, `WHEN 1, 2 THEN`.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseBranch {
    /// The condition, or the values compared with the operand.
    pub when: Vec<Expr>,
    /// The result.
    pub then: Expr,
}

/// Which ends TRIM works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrimSide {
    /// Both, the default.
    Both,
    /// `LEADING`.
    Leading,
    /// `TRAILING`.
    Trailing,
}

/// Collections that a query can be turned into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CollectionKind {
    /// `ARRAY`.
    Array,
    /// `MAP`.
    Map,
    /// `MULTISET`.
    Multiset,
}

/// Predicates over two periods of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeriodOp {
    /// `OVERLAPS`.
    Overlaps,
    /// `CONTAINS`.
    Contains,
    /// `EQUALS`.
    Equals,
    /// `PRECEDES`.
    Precedes,
    /// `SUCCEEDS`.
    Succeeds,
    /// `IMMEDIATELY PRECEDES`.
    ImmediatelyPrecedes,
    /// `IMMEDIATELY SUCCEEDS`.
    ImmediatelySucceeds,
}

/// A table given to a function, with its distribution.
#[derive(Debug, Clone, PartialEq)]
pub struct TableArg {
    /// `TABLE t` or a query.
    pub source: TableArgSource,
    /// `PARTITION BY` expressions.
    pub partition_by: Vec<Expr>,
    /// `ORDER BY` items.
    pub order_by: Vec<OrderItem>,
    /// The whole argument.
    pub span: Span,
}

/// Where the rows of a table argument come from.
#[derive(Debug, Clone, PartialEq)]
pub enum TableArgSource {
    /// `TABLE name`.
    Name(ObjectName),
    /// `(query)` or `TABLE (query)`.
    Query(Box<Query>),
}
