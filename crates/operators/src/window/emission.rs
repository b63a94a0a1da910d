//! Gathers the rows that windows give into chunks, with the marks behind the rows they fired.

use crate::Output;
use arrow_array::{Array, ArrayRef};
use arrow_select::concat::concat;
use tidemill_types::{Chunk, Marks};

/// Rows in a chunk of results, more or less: the bound on one fire's part of a chunk.
pub const EMIT_ROWS: usize = 4_096;

/// Rows and marks on their way out.
#[derive(Debug, Default)]
pub struct Emission {
    parts: Vec<Vec<ArrayRef>>,
    rows: usize,
    marks: Marks,
}

impl Emission {
    /// Adds rows; never more than [`EMIT_ROWS`] at once.
    pub fn rows(&mut self, columns: Vec<ArrayRef>, rows: usize, out: &mut Output) {
        if self.rows + rows > EMIT_ROWS {
            self.flush(out);
        }
        self.rows += rows;
        self.parts.push(columns);
    }

    /// The watermark reaches this after the rows added so far.
    pub fn mark(&mut self, watermark: i64) {
        self.marks.push(self.rows as u32, watermark);
    }

    /// Gives everything out.
    pub fn flush(&mut self, out: &mut Output) {
        let Emission { parts, rows, marks } = std::mem::take(self);
        let columns = match parts.as_slice() {
            [] => Vec::new(),
            [_] => parts.into_iter().next().unwrap_or_default(),
            [first, ..] => (0..first.len())
                .map(|i| {
                    let column: Vec<&dyn Array> = parts.iter().map(|part| part[i].as_ref()).collect();
                    concat(&column).expect("all parts have the types of the schema")
                })
                .collect(),
        };
        out.emit(Chunk { columns, rows, kinds: None, marks });
    }
}
