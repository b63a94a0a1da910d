//! From results before and after to the rows of a changelog, column by column.

use crate::join_rows::take_all;
use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_ord::cmp::not_distinct;
use arrow_select::interleave::interleave;
use arrow_select::take::take;
use std::sync::Arc;
use tidemill_types::{Chunk, RowKind};

/// Whether a group was there before a change and is there after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) existed: bool,
    pub(super) exists: bool,
}

/// What happened to the groups that a chunk touched; one value for each group.
pub(super) struct Changes<'a> {
    pub(super) fates: &'a [Fate],
    pub(super) before: &'a [ArrayRef],
    pub(super) after: &'a [ArrayRef],
    /// Whether `-U` goes before `+U`.
    pub(super) update_before: bool,
    /// Whether a result that stayed equal is given again.
    pub(super) repeat_equal: bool,
}

impl Changes<'_> {
    /// The rows of the changelog: keys, then results. `rows` tells where in `keys` the key of each group stands.
    pub(super) fn changed(&self, keys: &[ArrayRef], rows: &[u32]) -> Chunk {
        let unchanged = if self.repeat_equal { vec![false; rows.len()] } else { self.unchanged() };
        let (kinds, places) = kinds_of(self.fates, &unchanged, self.update_before);
        let of_key = UInt32Array::from_iter_values(places.iter().map(|&(_, group)| rows[group]));
        let mut columns = take_all(keys, &of_key);
        columns.extend(self.before.iter().zip(self.after).map(|(b, a)| pick(b, a, &places)));
        Chunk { kinds, ..Chunk::new(columns, places.len()) }
    }

    /// Which groups have equal results before and after.
    fn unchanged(&self) -> Vec<bool> {
        let mut equal: Vec<bool> = self.fates.iter().map(|fate| fate.existed && fate.exists).collect();
        if !equal.contains(&true) {
            return equal;
        }
        for (before, after) in self.before.iter().zip(self.after) {
            keep_equal(&mut equal, before, after);
        }
        equal
    }
}

/// Leaves `true` only where both values are equal, too.
pub(super) fn keep_equal(equal: &mut [bool], before: &ArrayRef, after: &ArrayRef) {
    match not_distinct(before, after) {
        Ok(same) => equal.iter_mut().zip(same.values()).for_each(|(equal, same)| *equal &= same),
        // Nested values have no kernel; they are compared one by one.
        Err(_) => equal
            .iter_mut()
            .enumerate()
            .for_each(|(i, equal)| *equal &= before.slice(i, 1) == after.slice(i, 1)),
    }
}

/// Kinds of changes, absent if all are inserts; and for each whether its results are those after (1) or before (0), and
/// of which group.
pub(super) type Kinds = (Option<Arc<[RowKind]>>, Vec<(usize, usize)>);

/// The changes of groups; those that are `unchanged` give nothing.
pub(super) fn kinds_of(fates: &[Fate], unchanged: &[bool], update_before: bool) -> Kinds {
    let mut kinds: Vec<RowKind> = Vec::with_capacity(fates.len() * 2);
    let mut places: Vec<(usize, usize)> = Vec::with_capacity(fates.len() * 2);
    for (group, (fate, &unchanged)) in fates.iter().zip(unchanged).enumerate() {
        let (kind, side) = match (fate.existed, fate.exists) {
            (false, false) => continue,
            (false, true) => (RowKind::Insert, 1),
            (true, false) => (RowKind::Delete, 0),
            (true, true) if unchanged => continue,
            (true, true) => {
                if update_before {
                    kinds.push(RowKind::UpdateBefore);
                    places.push((0, group));
                }
                (RowKind::UpdateAfter, 1)
            }
        };
        kinds.push(kind);
        places.push((side, group));
    }
    let inserts = kinds.iter().all(|&kind| kind == RowKind::Insert);
    ((!inserts).then(|| kinds.into()), places)
}

fn pick(before: &ArrayRef, after: &ArrayRef, places: &[(usize, usize)]) -> ArrayRef {
    if places.iter().all(|&(side, _)| side == 1) {
        let groups = UInt32Array::from_iter_values(places.iter().map(|&(_, group)| group as u32));
        return take(after, &groups, None).expect("groups have a result each");
    }
    let sides: [&dyn Array; 2] = [before.as_ref(), after.as_ref()];
    interleave(&sides, places).expect("results before and after have one type")
}
