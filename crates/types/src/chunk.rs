//! A chunk: rows that move together, as Arrow columns with row kinds and watermark marks.
//!
//! Invariant: every column has `rows` values, and so have the kinds when present; a result never depends
//! on how rows were cut into chunks. Column names live in the plan, not here.

use crate::{Marks, RowKind};
use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow_select::{concat::concat, filter::FilterBuilder, take::take};
use std::sync::Arc;

/// Rows moving together.
#[derive(Debug, Clone, Default)]
pub struct Chunk {
    /// The columns, in the order of the schema that the plan gives.
    pub columns: Vec<ArrayRef>,
    /// How many rows; kept apart because a chunk may have no column.
    pub rows: usize,
    /// The kind of each row; absent means that all are `+I`.
    pub kinds: Option<Arc<[RowKind]>>,
    /// Where the watermark advances inside the chunk.
    pub marks: Marks,
}

impl Chunk {
    /// A chunk of inserts without marks.
    pub fn new(columns: Vec<ArrayRef>, rows: usize) -> Self {
        debug_assert!(
            columns.iter().all(|column| column.len() == rows),
            "columns of a chunk are equally long"
        );
        Chunk { columns, rows, kinds: None, marks: Marks::none() }
    }

    /// A chunk that holds no row and only moves the watermark.
    pub fn watermark(watermark: i64) -> Self {
        Chunk { marks: Marks::at(0, watermark), ..Chunk::default() }
    }

    /// The kind of a row.
    pub fn kind(&self, row: usize) -> RowKind {
        self.kinds.as_ref().map_or(RowKind::Insert, |kinds| kinds[row])
    }

    /// The same rows and marks with other columns.
    pub fn with_columns(&self, columns: Vec<ArrayRef>) -> Chunk {
        Chunk { columns, rows: self.rows, kinds: self.kinds.clone(), marks: self.marks.clone() }
    }

    /// The rows for which `keep` is true (NULL counts as false); marks stay where they were.
    pub fn filter(&self, keep: &BooleanArray) -> Chunk {
        debug_assert_eq!(keep.len(), self.rows, "one decision for each row");
        let keep = match keep.null_count() {
            0 => keep.clone(),
            _ => BooleanArray::new(keep.values() & keep.nulls().expect("nulls were counted").inner(), None),
        };
        let filter = FilterBuilder::new(&keep).optimize().build();
        let columns =
            self.columns.iter().map(|column| filter.filter(column).expect("lengths were checked")).collect();
        let kinds = self.kinds.as_ref().map(|kinds| {
            kinds.iter().zip(keep.values()).filter_map(|(kind, kept)| kept.then_some(*kind)).collect()
        });
        let marks = self.marks.filter(|row| keep.value(row));
        Chunk { columns, rows: filter.count(), kinds, marks }
    }

    /// The rows at these indices, without marks (the caller knows where they go).
    pub fn take(&self, indices: &UInt32Array) -> Chunk {
        let columns = self
            .columns
            .iter()
            .map(|column| take(column, indices, None).expect("indices lie inside the chunk"))
            .collect();
        let kinds =
            self.kinds.as_ref().map(|kinds| indices.values().iter().map(|&i| kinds[i as usize]).collect());
        Chunk { columns, rows: indices.len(), kinds, marks: Marks::none() }
    }

    /// The rows `start..start + len` with their marks (see [`Marks::slice`]).
    pub fn slice(&self, start: usize, len: usize) -> Chunk {
        Chunk {
            columns: self.columns.iter().map(|column| column.slice(start, len)).collect(),
            rows: len,
            kinds: self.kinds.as_ref().map(|kinds| kinds[start..start + len].into()),
            marks: self.marks.slice(start, len),
        }
    }

    /// All rows and marks of the chunks, in order. The chunks have the same columns; those that hold
    /// marks only may have none.
    pub fn concat(chunks: &[Chunk]) -> Chunk {
        let mut marks = Marks::none();
        let mut rows = 0;
        for chunk in chunks {
            marks.append(rows, &chunk.marks);
            rows += chunk.rows;
        }
        let full: Vec<&Chunk> = chunks.iter().filter(|chunk| chunk.rows > 0).collect();
        let width = full.first().map_or(0, |chunk| chunk.columns.len());
        let columns = (0..width)
            .map(|i| {
                let parts: Vec<&dyn Array> = full.iter().map(|chunk| chunk.columns[i].as_ref()).collect();
                concat(&parts).expect("chunks of one edge have the same types")
            })
            .collect();
        let kinds = full
            .iter()
            .any(|chunk| chunk.kinds.is_some())
            .then(|| full.iter().flat_map(|chunk| (0..chunk.rows).map(|row| chunk.kind(row))).collect());
        Chunk { columns, rows, kinds, marks }
    }

    /// The bytes the chunk holds on to, roughly: what bounds a queue.
    pub fn bytes(&self) -> usize {
        let kinds = self.kinds.as_ref().map_or(0, |kinds| kinds.len());
        self.columns.iter().map(|column| column.get_slice_memory_size_or_zero()).sum::<usize>() + kinds + 64
    }
}

trait SliceMemory {
    fn get_slice_memory_size_or_zero(&self) -> usize;
}

impl SliceMemory for ArrayRef {
    fn get_slice_memory_size_or_zero(&self) -> usize {
        self.to_data().get_slice_memory_size().unwrap_or(0)
    }
}
