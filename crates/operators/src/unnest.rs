//! Unnest: gives each row once for each element of a collection in it.
//!
//! An ARRAY gives its elements, a MAP its keys and values, a MULTISET each element as often as it is in it. The
//! fields of ROW elements become columns; such an element that is NULL gives no row. A row without elements gives
//! none, or one padded with NULLs if the join is a left one.
//! Invariant: kinds and marks go with the rows; all rows of one input row stand before the marks that follow it.
//! Nothing is kept.

use crate::{Operator, OperatorContext, Output};
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, Int32Array, UInt32Array};
use arrow_select::take::take;
use std::sync::Arc;
use tidemill_plan::UnnestPlan;
use tidemill_types::map::map_keys;
use tidemill_types::{Chunk, Marks, Result};

/// The running unnest.
#[derive(Debug)]
pub struct Unnest {
    plan: UnnestPlan,
}

/// Where each row that comes out is from.
#[derive(Debug, Default)]
struct Places {
    /// The input row.
    rows: Vec<u32>,
    /// The element among all elements of the column; absent for a padded row.
    elements: Vec<Option<u32>>,
    /// Its place in its collection, from 1.
    ordinals: Vec<Option<i32>>,
}

/// The elements of all rows: the columns they are made of, and which of them belong to which row.
struct Elements<'a> {
    columns: Vec<ArrayRef>,
    offsets: &'a [i32],
    /// How often each element counts, for a MULTISET.
    counts: Option<&'a Int32Array>,
    /// ROW elements whose fields are the columns.
    rows: Option<ArrayRef>,
}

impl Unnest {
    /// The operator of a plan node.
    pub fn new(plan: &UnnestPlan) -> Self {
        Unnest { plan: plan.clone() }
    }

    fn places(&self, collections: &dyn Array, elements: &Elements<'_>) -> Places {
        let mut places = Places::default();
        for row in 0..collections.len() {
            let first = places.rows.len();
            if collections.is_valid(row) {
                places.add(row, elements);
            }
            if self.plan.outer && places.rows.len() == first {
                places.push(row, None, None);
            }
        }
        places
    }
}

impl Places {
    fn add(&mut self, row: usize, of: &Elements<'_>) {
        let (start, end) = (of.offsets[row], of.offsets[row + 1]);
        let mut ordinal = 0;
        for element in start..end {
            let copies = of.counts.map_or(1, |counts| counts.value(element as usize));
            let given = of.rows.as_ref().is_none_or(|rows| rows.is_valid(element as usize));
            for _ in 0..copies {
                ordinal += 1;
                if given {
                    self.push(row, Some(element as u32), Some(ordinal));
                }
            }
        }
    }

    fn push(&mut self, row: usize, element: Option<u32>, ordinal: Option<i32>) {
        self.rows.push(row as u32);
        self.elements.push(element);
        self.ordinals.push(ordinal);
    }
}

fn elements<'a>(collections: &'a dyn Array, plan: &UnnestPlan) -> Elements<'a> {
    let Some(map) = collections.as_map_opt() else {
        let list = collections.as_list::<i32>();
        return flattened(vec![list.values().clone()], list.value_offsets(), None, plan.flatten);
    };
    let keys = map_keys(map).clone();
    match plan.multiset {
        true => {
            let counts = map.values().as_primitive::<Int32Type>();
            flattened(vec![keys], map.value_offsets(), Some(counts), plan.flatten)
        }
        false => flattened(vec![keys, map.values().clone()], map.value_offsets(), None, false),
    }
}

fn flattened<'a>(
    columns: Vec<ArrayRef>,
    offsets: &'a [i32],
    counts: Option<&'a Int32Array>,
    flatten: bool,
) -> Elements<'a> {
    match (flatten, columns.as_slice()) {
        (true, [rows]) => {
            let fields = rows.as_struct().columns().to_vec();
            Elements { columns: fields, offsets, counts, rows: Some(rows.clone()) }
        }
        _ => Elements { columns, offsets, counts, rows: None },
    }
}

impl Operator for Unnest {
    fn on_chunk(
        &mut self,
        _port: usize,
        chunk: Chunk,
        _ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        if chunk.rows == 0 {
            out.emit(chunk);
            return Ok(());
        }
        let collections = chunk.columns[self.plan.collection].clone();
        let elements = elements(collections.as_ref(), &self.plan);
        let places = self.places(collections.as_ref(), &elements);
        let rows = UInt32Array::from(places.rows);
        let of_elements = UInt32Array::from(places.elements);
        let taken = |column: &ArrayRef, at: &UInt32Array| {
            take(column, at, None).expect("places lie inside the column")
        };
        let mut columns: Vec<ArrayRef> =
            self.plan.kept.iter().map(|&column| taken(&chunk.columns[column], &rows)).collect();
        columns.extend(elements.columns.iter().map(|column| taken(column, &of_elements)));
        if self.plan.ordinality {
            columns.push(Arc::new(Int32Array::from(places.ordinals)));
        }
        let kinds =
            chunk.kinds.as_ref().map(|kinds| rows.values().iter().map(|&row| kinds[row as usize]).collect());
        let marks = moved(&chunk.marks, rows.values());
        count(out, &chunk, rows.values());
        out.emit(Chunk { columns, rows: rows.len(), kinds, marks });
        Ok(())
    }
}

/// The marks behind the rows that the rows before them became. `rows` ascends.
fn moved(marks: &Marks, rows: &[u32]) -> Marks {
    let mut out = Marks::none();
    for mark in marks.iter() {
        out.push(rows.partition_point(|row| *row < mark.row) as u32, mark.watermark);
    }
    out
}

fn count(out: &mut Output, chunk: &Chunk, rows: &[u32]) {
    let forwarded = rows.chunk_by(|a, b| a == b).count() as u64;
    out.rows.forwarded += forwarded;
    out.rows.filtered += chunk.rows as u64 - forwarded;
}
