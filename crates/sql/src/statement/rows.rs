//! Rows that a statement shows at once: DESCRIBE, SHOW, EXPLAIN.

use arrow_array::{ArrayRef, BooleanArray, StringViewArray};
use std::sync::Arc;
use tidemill_types::{Chunk, DataType, Field, Schema, TypeKind};

/// A small table of texts; a column named `null` holds booleans.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// The columns.
    pub schema: Schema,
    /// The rows.
    pub rows: Vec<Vec<Option<String>>>,
}

impl Rows {
    pub(crate) fn new(names: &[&str]) -> Self {
        let data_type = |name: &str| match name {
            "null" => TypeKind::Boolean.nullable(),
            _ => DataType::string(),
        };
        let fields = names.iter().map(|name| Field::new(*name, data_type(name))).collect();
        Rows { schema: Schema::new(fields), rows: Vec::new() }
    }

    pub(crate) fn push(&mut self, row: Vec<Option<String>>) {
        debug_assert_eq!(row.len(), self.schema.len(), "a value for each column");
        self.rows.push(row);
    }

    /// The rows as a chunk.
    pub fn chunk(&self) -> Chunk {
        let column = |i: usize| -> ArrayRef {
            let values = self.rows.iter().map(|row| row[i].as_deref());
            match self.schema.fields[i].data_type.kind {
                TypeKind::Boolean => {
                    Arc::new(values.map(|v| v.map(|text| text == "true")).collect::<BooleanArray>())
                }
                _ => Arc::new(values.collect::<StringViewArray>()),
            }
        };
        Chunk::new((0..self.schema.len()).map(column).collect(), self.rows.len())
    }
}
