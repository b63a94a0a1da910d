//! Rows for a person or a program: changes of a query, or the answer of SHOW, DESCRIBE and EXPLAIN.

use std::sync::Arc;
use tidemill_format::{RowWriter, write_display};
use tidemill_types::{Chunk, Schema, TypeKind};

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultColumn {
    /// Its name.
    pub name: String,
    /// Its type as Flink writes it.
    pub data_type: String,
    /// Whether it is a number, which a table aligns to the right.
    pub numeric: bool,
}

/// Some rows of a result.
#[derive(Debug, Clone)]
pub struct ResultBatch {
    schema: Arc<Schema>,
    chunk: Chunk,
    zone: chrono_tz::Tz,
}

impl ResultBatch {
    pub(crate) fn new(schema: Arc<Schema>, chunk: Chunk, zone: chrono_tz::Tz) -> Self {
        ResultBatch { schema, chunk, zone }
    }

    /// The columns.
    pub fn columns(&self) -> Vec<ResultColumn> {
        columns(&self.schema)
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.chunk.rows
    }

    /// The change a row stands for: `+I`, `-U`, `+U` or `-D`.
    pub fn op(&self, row: usize) -> &'static str {
        self.chunk.kind(row).short()
    }

    /// Appends a line `{"op":"+I","row":{…}}` for each row.
    pub fn write_json(&self, out: &mut Vec<u8>) -> Result<(), crate::EngineError> {
        RowWriter::new((*self.schema).clone(), self.zone).write(&self.chunk, out).map_err(Into::into)
    }

    /// The text of a value; NULL is `NULL`.
    pub fn cell(&self, row: usize, column: usize) -> String {
        let mut out = Vec::new();
        let data_type = &self.schema.fields[column].data_type;
        write_display(self.chunk.columns[column].as_ref(), data_type, row, self.zone, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// The columns of a schema for a front end.
pub(crate) fn columns(schema: &Schema) -> Vec<ResultColumn> {
    let column = |field: &tidemill_types::Field| ResultColumn {
        name: field.name.clone(),
        data_type: field.data_type.to_string(),
        numeric: field.data_type.kind.is_numeric() && field.data_type.kind != TypeKind::Null,
    };
    schema.fields.iter().map(column).collect()
}
