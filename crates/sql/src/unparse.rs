//! Syntax tree to text, as Flink shows it in DESCRIBE and SHOW CREATE: names in back-ticks, keywords
//! in upper case, parentheses only where the precedence of the operators asks for them.
//!
//! Invariant: the text parses to a tree that is written as the same text again. Comments and the
//! spelling of literals and keywords are not kept.

mod call;
mod expr;
mod pattern;
mod query;
mod types;
mod writer;

use crate::ast::{Expr, Query, TypeName};
use writer::Writer;

pub use writer::{quote_name, quote_text};

/// An expression, such as `` `ts` - INTERVAL '5' SECOND ``.
#[must_use]
pub fn unparse_expr(expr: &Expr) -> String {
    let mut writer = Writer::default();
    writer.expr(expr);
    writer.finish()
}

/// A query, each clause on a line of its own.
#[must_use]
pub fn unparse_query(query: &Query) -> String {
    let mut writer = Writer::default();
    writer.query(query);
    writer.finish()
}

/// A data type, such as `` ROW<`a` INT, `b` ARRAY<STRING>> NOT NULL ``.
#[must_use]
pub fn unparse_type(data_type: &TypeName) -> String {
    let mut writer = Writer::default();
    writer.data_type(data_type);
    writer.finish()
}
