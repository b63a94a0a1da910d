//! The rows of windows that end, and what comes out when those of both sides meet.

use super::{MATCHABLE, Side, WindowJoin};
use crate::join_rows::{JoinInput, NONE};
use crate::window::{EMIT_ROWS, Emission};
use crate::{OperatorContext, Output};
use arrow_array::ArrayRef;
use std::ops::Range;
use tidemill_plan::JoinKind;
use tidemill_types::Result;

/// The rows of some keys.
#[derive(Default)]
pub(super) struct Meeting {
    /// The numbers of the keys in the tables.
    keys: [Vec<u32>; 2],
    /// The numbers of the rows in the tables.
    ids: [Vec<u32>; 2],
    /// For each key that may match its rows of both sides, as places in `ids`.
    groups: Vec<[Range<u32>; 2]>,
}

/// Pairs on their way out, and which rows have matched.
struct Pairs {
    places: [Vec<u32>; 2],
    matched: [Vec<bool>; 2],
}

impl Meeting {
    /// Adds the rows of a key.
    pub(super) fn add(&mut self, left: Option<u32>, right: Option<u32>, sides: &[Side; 2]) {
        let mut can_match = true;
        let ranges = [left, right].into_iter().enumerate().map(|(port, key)| {
            let start = self.ids[port].len() as u32;
            if let Some(key) = key {
                let table = &sides[port].table;
                self.keys[port].push(key);
                self.ids[port].extend(table.of_key(key));
                can_match &= table.first(key).is_none_or(|id| table.tag(id) == MATCHABLE);
            }
            start..self.ids[port].len() as u32
        });
        let ranges: Vec<Range<u32>> = ranges.collect();
        if let (true, [left, right]) = (can_match, ranges.as_slice()) {
            self.groups.push([left.clone(), right.clone()]);
        }
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.ids[0].len() + self.ids[1].len()
    }
}

impl WindowJoin {
    /// Lets the rows of both sides meet and forgets them.
    pub(super) fn meet(
        &mut self,
        meeting: Meeting,
        ctx: &OperatorContext,
        out: &mut Output,
        emission: &mut Emission,
    ) -> Result<()> {
        if meeting.rows() == 0 {
            return Ok(());
        }
        let columns = [0, 1].map(|port: usize| {
            let side = &self.sides[port];
            side.input.decode(meeting.ids[port].iter().map(|&id| side.table.row(id)))
        });
        let mut pairs = Pairs {
            places: [Vec::new(), Vec::new()],
            matched: [0, 1].map(|port: usize| vec![false; meeting.ids[port].len()]),
        };
        for [left, right] in &meeting.groups {
            for (l, r) in left.clone().flat_map(|l| right.clone().map(move |r| (l, r))) {
                pairs.places[0].push(l);
                pairs.places[1].push(r);
                if pairs.places[0].len() == EMIT_ROWS {
                    self.give_pairs(&columns, &mut pairs, ctx, out, emission)?;
                }
            }
        }
        self.give_pairs(&columns, &mut pairs, ctx, out, emission)?;
        self.give_single(&columns, &pairs.matched, out, emission);
        self.forget(&meeting);
        Ok(())
    }

    /// Gives out the pairs for which the residual condition holds, and notes that their rows matched.
    fn give_pairs(
        &self,
        columns: &[Vec<ArrayRef>; 2],
        pairs: &mut Pairs,
        ctx: &OperatorContext,
        out: &mut Output,
        emission: &mut Emission,
    ) -> Result<()> {
        let [left, right] = std::mem::take(&mut pairs.places);
        if left.is_empty() {
            return Ok(());
        }
        let (left, right) = match &self.residual {
            None => (left, right),
            Some(residual) => {
                let holds = residual.holds((&columns[0], &left), (&columns[1], &right), ctx)?;
                holds.values().set_indices().map(|at| (left[at], right[at])).unzip()
            }
        };
        left.iter().for_each(|&place| pairs.matched[0][place as usize] = true);
        right.iter().for_each(|&place| pairs.matched[1][place as usize] = true);
        if !self.kind.left_only() && !left.is_empty() {
            let mut given = self.sides[0].input.gather(&columns[0], &left);
            given.extend(self.sides[1].input.gather(&columns[1], &right));
            emission.rows(given, left.len(), out);
        }
        Ok(())
    }

    /// Gives out rows by themselves: those of outer sides without a match, those of semi and anti joins.
    fn give_single(
        &self,
        columns: &[Vec<ArrayRef>; 2],
        matched: &[Vec<bool>; 2],
        out: &mut Output,
        emission: &mut Emission,
    ) {
        for port in 0..2 {
            let wanted = match (self.kind, port) {
                (JoinKind::Semi, 0) => true,
                (JoinKind::Anti, 0) => false,
                (kind, port) if kind.keeps(port == 0) => false,
                _ => continue,
            };
            let places = matched[port].iter().enumerate().filter(|(_, matched)| **matched == wanted);
            let places: Vec<u32> = places.map(|(place, _)| place as u32).collect();
            for places in places.chunks(EMIT_ROWS) {
                let half = |of: usize, input: &JoinInput| match of == port {
                    true => input.gather(&columns[of], places),
                    false => input.gather(&columns[of], &vec![NONE; places.len()]),
                };
                let mut given = half(0, &self.sides[0].input);
                if !self.kind.left_only() {
                    given.extend(half(1, &self.sides[1].input));
                }
                emission.rows(given, places.len(), out);
            }
        }
    }

    fn forget(&mut self, meeting: &Meeting) {
        for (side, keys) in self.sides.iter_mut().zip(&meeting.keys) {
            for &key in keys {
                while let Some(id) = side.table.first(key) {
                    side.table.remove(key, id);
                }
                side.table.release(key);
            }
        }
    }
}
