//! Cuts a chunk into one piece for each receiving task, rows by target and marks to all.
//!
//! 1. Count rows per target and list their indices, one pass over the rows.
//! 2. In the same pass give each target the last mark before each of its rows; marks between two rows of
//!    a target fall together, so the work is that of the rows, not of marks times targets.
//! 3. `take` the rows of each target once.
//!
//! Invariant: each row goes to exactly one piece, in order, behind the same watermark as before; the last
//! mark of the chunk goes to every piece.

use arrow_array::UInt32Array;
use tidemill_types::{Chunk, Mark, Marks};

/// The pieces of the chunk; `targets` holds the piece of each row.
pub fn scatter(chunk: &Chunk, targets: &[u32], pieces: usize) -> Vec<Chunk> {
    debug_assert_eq!(targets.len(), chunk.rows, "one target for each row");
    let (rows, marks) = sort_out(chunk.marks.as_slice(), targets, pieces);
    let pieces = rows.into_iter().zip(marks).map(|(rows, marks)| {
        let piece = match rows.len() {
            0 => Chunk::default(),
            all if all == chunk.rows => Chunk { marks: Marks::none(), ..chunk.clone() },
            _ => chunk.take(&UInt32Array::from(rows)),
        };
        Chunk { marks, ..piece }
    });
    pieces.collect()
}

fn sort_out(marks: &[Mark], targets: &[u32], pieces: usize) -> (Vec<Vec<u32>>, Vec<Marks>) {
    let mut rows: Vec<Vec<u32>> =
        (0..pieces).map(|_| Vec::with_capacity(targets.len() / pieces + 16)).collect();
    let mut out = vec![Marks::none(); pieces];
    let mut next = 0;
    for (row, &target) in targets.iter().enumerate() {
        while next < marks.len() && marks[next].row as usize <= row {
            next += 1;
        }
        let target = target as usize;
        if let Some(last) = next.checked_sub(1) {
            out[target].push(rows[target].len() as u32, marks[last].watermark);
        }
        rows[target].push(row as u32);
    }
    if let Some(last) = marks.last() {
        for (rows, out) in rows.iter().zip(&mut out) {
            out.push(rows.len() as u32, last.watermark);
        }
    }
    (rows, out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Int64Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use proptest::prelude::*;
    use std::sync::Arc;

    proptest! {
        #[test]
        fn each_row_keeps_its_order_and_its_watermark(
            targets in prop::collection::vec(0u32..4, 0..40),
            steps in prop::collection::vec((0u32..3, 1i64..5), 0..20),
        ) {
            let mut marks = Marks::none();
            let (mut row, mut watermark) = (0, 0);
            for (rows, rise) in steps {
                (row, watermark) = ((row + rows).min(targets.len() as u32), watermark + rise);
                marks.push(row, watermark);
            }
            let values = Int64Array::from_iter_values(0..targets.len() as i64);
            let mut chunk = Chunk::new(vec![Arc::new(values)], targets.len());
            chunk.marks = marks;
            let pieces = scatter(&chunk, &targets, 4);
            for (target, piece) in pieces.iter().enumerate() {
                let wanted: Vec<i64> =
                    (0..targets.len()).filter(|&row| targets[row] as usize == target).map(|row| row as i64).collect();
                let rows = match piece.rows { 0 => Vec::new(), _ => piece.columns[0].as_primitive::<Int64Type>().values().to_vec() };
                prop_assert_eq!(&rows, &wanted);
                for (at, &row) in rows.iter().enumerate() {
                    prop_assert_eq!(piece.marks.before(at), chunk.marks.before(row as usize));
                }
                prop_assert_eq!(piece.marks.last(), chunk.marks.last());
            }
        }
    }
}
