//! One change for each row: what its group gave before it and what it gives after it.
//!
//! 1. The rows become steps of their groups: a look at each group that is there, then each row with a look behind
//!    it; a group whose last row is taken back starts anew.
//! 2. Each aggregate does all steps in one loop.
//! 3. Each row compares the look before it with the one behind it.

use super::changes::{Fate, keep_equal, kinds_of};
use crate::aggregates::Aggregates;
use crate::join_rows::take_all;
use crate::touched::Touched;
use arrow_array::{ArrayRef, UInt32Array};
use tidemill_plan::Step;
use tidemill_state::SlotCells;
use tidemill_types::{Chunk, Result};

/// Not looked at yet.
const NONE: u32 = u32::MAX;

/// The steps of a chunk, and which looks belong to each row.
#[derive(Debug, Default)]
pub(super) struct EachRow {
    slots: Vec<u32>,
    steps: Vec<Step>,
    before: Vec<u32>,
    after: Vec<u32>,
    fates: Vec<Fate>,
}

impl EachRow {
    /// The steps of rows with these slots, which `touched` collected and whose groups have so many rows.
    pub(super) fn plan(&mut self, chunk: &Chunk, slots: &[u32], touched: &Touched, mut counts: Vec<i64>) {
        self.clear();
        let (mut looks, mut latest) = (0, vec![NONE; counts.len()]);
        for (row, &slot) in slots.iter().enumerate() {
            let (place, kind) = (touched.place(slot), chunk.kind(row));
            let (count, latest) = (&mut counts[place], &mut latest[place]);
            let existed = *count != 0;
            if existed && *latest == NONE {
                self.look(slot, latest, &mut looks);
            }
            let before = *latest;
            self.step(slot, if kind.adds() { Step::Add(row as u32) } else { Step::Take(row as u32) });
            *count += kind.sign();
            let exists = *count != 0;
            match exists {
                true => self.look(slot, latest, &mut looks),
                false => self.step(slot, Step::Clear),
            }
            self.before.push(if existed { before } else { *latest });
            self.after.push(*latest);
            self.fates.push(Fate { existed, exists });
        }
    }

    fn clear(&mut self) {
        self.slots.clear();
        self.steps.clear();
        self.before.clear();
        self.after.clear();
        self.fates.clear();
    }

    fn step(&mut self, slot: u32, step: Step) {
        self.slots.push(slot);
        self.steps.push(step);
    }

    fn look(&mut self, slot: u32, latest: &mut u32, looks: &mut u32) {
        self.step(slot, Step::Give);
        *latest = *looks;
        *looks += 1;
    }

    /// Does the steps and gives the rows of the changelog: keys, then results.
    pub(super) fn run(
        &self,
        aggregates: &mut Aggregates,
        values: &mut SlotCells,
        chunk: &Chunk,
        keys: &[ArrayRef],
        (update_before, repeat_equal): (bool, bool),
    ) -> Result<Chunk> {
        let looks = aggregates.run(values, &chunk.columns, &self.slots, &self.steps)?;
        let unchanged = if repeat_equal { vec![false; chunk.rows] } else { self.unchanged(&looks) };
        let (kinds, places) = kinds_of(&self.fates, &unchanged, update_before);
        let rows = UInt32Array::from_iter_values(places.iter().map(|&(_, row)| row as u32));
        let of_look =
            |&(side, row): &(usize, usize)| if side == 0 { self.before[row] } else { self.after[row] };
        let results = UInt32Array::from_iter_values(places.iter().map(of_look));
        let mut columns = take_all(keys, &rows);
        columns.extend(take_all(&looks, &results));
        Ok(Chunk { kinds, ..Chunk::new(columns, places.len()) })
    }

    /// Which rows leave the results of their group as they were.
    fn unchanged(&self, looks: &[ArrayRef]) -> Vec<bool> {
        let mut unchanged: Vec<bool> = self.fates.iter().map(|fate| fate.existed && fate.exists).collect();
        let [before, after] = [&self.before, &self.after].map(|looks| UInt32Array::from(looks.clone()));
        for look in looks {
            if !unchanged.contains(&true) {
                break;
            }
            let sides = [&before, &after].map(|side| take_all(std::slice::from_ref(look), side).remove(0));
            keep_equal(&mut unchanged, &sides[0], &sides[1]);
        }
        unchanged
    }
}
