//! The syntax tree: what was written, with the place where it was written.
//!
//! Invariant: every node that a diagnostic may point at holds a [`Span`](crate::span::Span). Names
//! are unresolved and numbers are text; meaning is the binder's business. Constructs that Flink
//! parses and then refuses are in the tree so that the refusal can name them.

mod ddl;
mod expr;
mod function;
mod json;
mod literal;
mod name;
mod pattern;
mod query;
mod show;
mod statement;
mod table;
mod types;

pub use ddl::*;
pub use expr::*;
pub use function::*;
pub use json::*;
pub use literal::*;
pub use name::*;
pub use pattern::*;
pub use query::*;
pub use show::*;
pub use statement::*;
pub use table::*;
pub use types::*;
