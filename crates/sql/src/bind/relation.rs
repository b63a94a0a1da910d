//! What binding a query or table gives: a node with named columns.

use tidemill_plan::{NodeId, WindowKind, WindowSpec};
use tidemill_types::{DataType, Field, Schema, TimeAttribute};

/// The rows of a query or table reference.
#[derive(Debug, Clone)]
pub struct Relation {
    /// The node that gives them.
    pub node: NodeId,
    /// The columns as queries may name them. Those of a pending window function come last and are not yet
    /// in the node's schema.
    pub columns: Vec<RelationColumn>,
    /// Set if the rows belong to windows.
    pub windowing: Option<Windowing>,
}

/// A column with the alias of its table.
#[derive(Debug, Clone, PartialEq)]
pub struct RelationColumn {
    /// The table alias by which it may be qualified.
    pub qualifier: Option<String>,
    /// Its name, type and time attribute.
    pub field: Field,
    /// Whether it can only be named with its table: USING and NATURAL show a shared column once.
    pub hidden: bool,
}

/// How rows belong to windows.
#[derive(Debug, Clone)]
pub enum Windowing {
    /// A windowing function was applied but its columns not computed: an aggregate over its windows does
    /// not need them. The columns window_start, window_end and window_time are the last three.
    Pending(WindowSpec),
    /// Two columns hold the window of each row.
    Attached {
        /// The column window_start.
        start: usize,
        /// The column window_end.
        end: usize,
        /// The column window_time, if it is still there.
        time: Option<usize>,
        /// Event or processing time.
        kind: TimeAttribute,
        /// The function that gave the windows.
        window: WindowKind,
    },
}

impl Relation {
    /// The columns as a schema.
    pub fn schema(&self) -> Schema {
        Schema::new(self.columns.iter().map(|column| column.field.clone()).collect())
    }

    /// The same rows under a table alias, columns renamed if names are given.
    pub(crate) fn aliased(mut self, alias: &str) -> Self {
        for column in &mut self.columns {
            column.qualifier = Some(alias.to_string());
        }
        self
    }
}

impl RelationColumn {
    /// A column without table alias.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        RelationColumn { qualifier: None, field: Field::new(name, data_type), hidden: false }
    }
}
