//! From results before and after to the rows of a changelog, column by column.

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_ord::cmp::not_distinct;
use arrow_select::interleave::interleave;
use arrow_select::take::take;
use tidemill_types::{Chunk, RowKind};

/// What happened to the groups that a chunk touched; one value for each group.
pub(super) struct Changes<'a> {
    pub(super) existed: &'a [bool],
    pub(super) exists: &'a [bool],
    pub(super) before: &'a [ArrayRef],
    pub(super) after: &'a [ArrayRef],
    /// Whether `-U` goes before `+U`.
    pub(super) update_before: bool,
    /// Whether a result that stayed equal is given again.
    pub(super) repeat_equal: bool,
}

/// Rows of a changelog.
pub(super) struct Changed {
    /// Keys, then results.
    pub(super) rows: Chunk,
    /// For each of them, the row of the input that it is due to.
    pub(super) origin: UInt32Array,
}

impl Changes<'_> {
    /// The rows of the changelog. `rows` tells where in `keys` the key of each group stands.
    pub(super) fn changed(&self, keys: &[ArrayRef], rows: &[u32]) -> Changed {
        let mut kinds: Vec<RowKind> = Vec::with_capacity(rows.len());
        // For each row: whether its results are those after (1) or before (0), and of which group.
        let mut places: Vec<(usize, usize)> = Vec::with_capacity(rows.len());
        for (group, unchanged) in self.unchanged().into_iter().enumerate() {
            match (self.existed[group], self.exists[group]) {
                (false, false) => {}
                (false, true) => {
                    kinds.push(RowKind::Insert);
                    places.push((1, group));
                }
                (true, false) => {
                    kinds.push(RowKind::Delete);
                    places.push((0, group));
                }
                (true, true) if unchanged && !self.repeat_equal => {}
                (true, true) => {
                    if self.update_before {
                        kinds.push(RowKind::UpdateBefore);
                        places.push((0, group));
                    }
                    kinds.push(RowKind::UpdateAfter);
                    places.push((1, group));
                }
            }
        }
        let of_key = UInt32Array::from_iter_values(places.iter().map(|&(_, group)| rows[group]));
        let mut columns: Vec<ArrayRef> = keys
            .iter()
            .map(|key| take(key, &of_key, None).expect("row numbers lie inside the chunk"))
            .collect();
        columns.extend(self.before.iter().zip(self.after).map(|(b, a)| pick(b, a, &places)));
        let mut chunk = Chunk::new(columns, places.len());
        if kinds.iter().any(|&kind| kind != RowKind::Insert) {
            chunk.kinds = Some(kinds.into());
        }
        Changed { rows: chunk, origin: of_key }
    }

    /// Which groups have equal results before and after.
    fn unchanged(&self) -> Vec<bool> {
        let mut equal = vec![true; self.exists.len()];
        if !self.existed.contains(&true) {
            return equal;
        }
        for (before, after) in self.before.iter().zip(self.after) {
            match not_distinct(before, after) {
                Ok(same) => equal.iter_mut().zip(same.values()).for_each(|(equal, same)| *equal &= same),
                // Nested values have no kernel; they are compared one by one.
                Err(_) => equal
                    .iter_mut()
                    .enumerate()
                    .for_each(|(i, equal)| *equal &= before.slice(i, 1) == after.slice(i, 1)),
            }
        }
        equal
    }
}

fn pick(before: &ArrayRef, after: &ArrayRef, places: &[(usize, usize)]) -> ArrayRef {
    if places.iter().all(|&(side, _)| side == 1) {
        let groups = UInt32Array::from_iter_values(places.iter().map(|&(_, group)| group as u32));
        return take(after, &groups, None).expect("groups have a result each");
    }
    let sides: [&dyn Array; 2] = [before.as_ref(), after.as_ref()];
    interleave(&sides, places).expect("results before and after have one type")
}
