//! Flink SQL: text to syntax tree to stream plan.
//!
//! Invariant: nothing here does I/O or names a concrete connector or function.

pub mod ast;
pub mod bind;
pub mod catalog;
pub mod diagnostic;
pub mod lexer;
mod optimize;
pub mod parser;
pub mod span;
mod statement;
pub mod unparse;

pub use catalog::Session;
pub use diagnostic::Diagnostic;
pub use parser::parse_script;
pub use statement::{Job, Outcome, Rows};
