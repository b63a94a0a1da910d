//! Tokens to syntax tree: recursive descent, with precedence climbing for expressions.
//!
//! Invariant: every text yields statements or diagnostics, never a panic or a stack overflow: each
//! recursion is counted against a named limit. After an error the parser goes on behind the next
//! semicolon, so that one run reports several errors.
//!
//! The grammar is that of Flink 2.3. Where it is told by the grammar alone, a construct that Flink
//! refuses later is accepted here, so that the binder can refuse it by name.

mod alter;
mod call;
mod create;
mod expr;
mod hint;
mod insert;
mod inspect;
mod json;
mod literal;
mod match_recognize;
mod names;
mod primary;
mod query;
mod select;
mod special;
mod statement;
mod stream;
mod table_ref;
mod table_schema;
mod types;
mod window;

use crate::ast::{Expr, Query, Statement, TypeName};
use crate::diagnostic::Diagnostic;
use stream::{Parse, Parser};

/// Parses a script of statements separated by semicolons. Both lists are in the order of the text;
/// the statements are complete if there are no diagnostics.
#[must_use]
pub fn parse_script(source: &str) -> (Vec<Statement>, Vec<Diagnostic>) {
    let mut parser = Parser::new(source);
    let statements = parser.script();
    (statements, parser.into_diagnostics())
}

/// Parses a text that is one expression.
///
/// # Errors
/// If the text is no expression.
pub fn parse_expression(source: &str) -> Result<Expr, Diagnostic> {
    whole(source, Parser::expr)
}

/// Parses a text that is one query.
///
/// # Errors
/// If the text is no query.
pub fn parse_query(source: &str) -> Result<Query, Diagnostic> {
    whole(source, Parser::query)
}

/// Parses a text that is one data type.
///
/// # Errors
/// If the text is no data type.
pub fn parse_type(source: &str) -> Result<TypeName, Diagnostic> {
    whole(source, Parser::type_name)
}

fn whole<'a, T>(source: &'a str, parse: impl FnOnce(&mut Parser<'a>) -> Parse<T>) -> Result<T, Diagnostic> {
    let mut parser = Parser::new(source);
    let result = parse(&mut parser).and_then(|parsed| {
        if parser.at_end() { Ok(parsed) } else { Err(parser.expected("the end of the text")) }
    });
    result.map_err(|diagnostic| *diagnostic)
}
