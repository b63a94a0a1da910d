//! The SQL/JSON functions, whose arguments hold clauses of their own.

use super::{Expr, TypeName};

/// A SQL/JSON function.
#[derive(Debug, Clone, PartialEq)]
pub enum JsonExpr {
    /// `JSON_EXISTS(input, path [TRUE|FALSE|UNKNOWN|ERROR ON ERROR])`.
    Exists {
        /// The document.
        input: Expr,
        /// The path.
        path: Expr,
        /// What a failure gives.
        on_error: Option<JsonExistsOnError>,
    },
    /// `JSON_VALUE(input, path [RETURNING type] [behaviour ON EMPTY] [behaviour ON ERROR])`.
    Value {
        /// The document.
        input: Expr,
        /// The path.
        path: Expr,
        /// The result's type, STRING by default.
        returning: Option<TypeName>,
        /// What an empty result gives, NULL by default.
        on_empty: Option<JsonBehavior>,
        /// What a failure gives, NULL by default.
        on_error: Option<JsonBehavior>,
    },
    /// `JSON_QUERY(input, path [RETURNING type] [wrapper] [behaviour ON EMPTY|ERROR])`.
    Query {
        /// The document.
        input: Expr,
        /// The path.
        path: Expr,
        /// The result's type, STRING by default.
        returning: Option<TypeName>,
        /// Whether the result is wrapped in an array.
        wrapper: Option<JsonWrapper>,
        /// What an empty result gives, NULL by default.
        on_empty: Option<JsonBehavior>,
        /// What a failure gives, NULL by default.
        on_error: Option<JsonBehavior>,
    },
    /// `JSON_OBJECT([[KEY] k VALUE v, ..] [NULL|ABSENT ON NULL])`.
    Object {
        /// The members in order.
        members: Vec<JsonMember>,
        /// What happens to null values; nulls are kept by default.
        on_null: Option<JsonOnNull>,
    },
    /// `JSON_ARRAY([v, ..] [NULL|ABSENT ON NULL])`.
    Array {
        /// The elements.
        items: Vec<Expr>,
        /// What happens to nulls; they are left out by default.
        on_null: Option<JsonOnNull>,
    },
    /// `JSON_OBJECTAGG([KEY] k VALUE v [NULL|ABSENT ON NULL])`.
    ObjectAgg {
        /// The member made from each row.
        member: JsonMember,
        /// What happens to null values; nulls are kept by default.
        on_null: Option<JsonOnNull>,
        /// `FILTER (WHERE ..)`.
        filter: Option<Expr>,
    },
    /// `JSON_ARRAYAGG(v [NULL|ABSENT ON NULL])`.
    ArrayAgg {
        /// The element made from each row.
        item: Expr,
        /// What happens to nulls; they are left out by default.
        on_null: Option<JsonOnNull>,
        /// `FILTER (WHERE ..)`.
        filter: Option<Expr>,
    },
}

/// `[KEY] key VALUE value` or `key : value`.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonMember {
    /// The key.
    pub key: Expr,
    /// The value.
    pub value: Expr,
}

/// What JSON_VALUE and JSON_QUERY give instead of a result.
#[derive(Debug, Clone, PartialEq)]
pub enum JsonBehavior {
    /// `ERROR`.
    Error,
    /// `NULL`.
    Null,
    /// `DEFAULT e`, JSON_VALUE only.
    Default(Expr),
    /// `EMPTY ARRAY`, JSON_QUERY only.
    EmptyArray,
    /// `EMPTY OBJECT`, JSON_QUERY only.
    EmptyObject,
}

/// What JSON_EXISTS gives when it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JsonExistsOnError {
    /// `TRUE`.
    True,
    /// `FALSE`.
    False,
    /// `UNKNOWN`.
    Unknown,
    /// `ERROR`.
    Error,
}

/// Whether JSON_QUERY wraps its result in an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JsonWrapper {
    /// `WITHOUT [ARRAY] WRAPPER`.
    Without,
    /// `WITH CONDITIONAL [ARRAY] WRAPPER`.
    Conditional,
    /// `WITH [UNCONDITIONAL] [ARRAY] WRAPPER`.
    Unconditional,
}

/// What a JSON constructor does with nulls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JsonOnNull {
    /// `NULL ON NULL`.
    Null,
    /// `ABSENT ON NULL`.
    Absent,
}

/// What IS JSON asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JsonKind {
    /// `JSON` or `JSON VALUE`.
    Value,
    /// `JSON OBJECT`.
    Object,
    /// `JSON ARRAY`.
    Array,
    /// `JSON SCALAR`.
    Scalar,
}
