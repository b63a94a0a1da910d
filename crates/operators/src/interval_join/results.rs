//! From what happened to what comes out: the residual condition over all candidates, padded rows, marks.

use super::steps::{Step, Steps};
use super::{IntervalJoin, MATCHED, UNMATCHED};
use crate::join_rows::{NONE, PAIRS};
use crate::{OperatorContext, Output};
use arrow_array::{Array, ArrayRef};
use arrow_select::concat::concat;
use tidemill_types::{Chunk, Marks, Result};

/// What comes out: for each row where its two halves are.
#[derive(Default)]
struct Results {
    /// Rows of the chunk, or behind them places among the own rows that left.
    own: Vec<u32>,
    /// Places among the decoded rows of the other side.
    other: Vec<u32>,
    marks: Marks,
}

impl Results {
    fn push(&mut self, own: u32, other: u32) {
        self.own.push(own);
        self.other.push(other);
    }
}

impl IntervalJoin {
    /// Gives out what follows from the steps; the chunk was of this side.
    pub(super) fn finish(
        &mut self,
        port: usize,
        chunk: Option<&Chunk>,
        steps: Steps,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        let (others, own_left) = self.decode(port, &steps);
        let columns: &[ArrayRef] = chunk.map_or(&[], |chunk| &chunk.columns);
        let matched = self.matched(port, columns, &others, &steps, ctx)?;
        let results = self.results(port, chunk.map_or(0, |chunk| chunk.rows), &steps, matched.as_deref());
        self.free(&steps);
        self.emit(port, columns, own_left, &others, results, out);
        Ok(())
    }

    /// The rows of the other side that may come out, and the own ones that left and may come out padded.
    fn decode(&mut self, port: usize, steps: &Steps) -> (Vec<ArrayRef>, Vec<ArrayRef>) {
        let leaving = |of: usize, outer: bool| {
            steps.list.iter().filter_map(move |step| match step {
                Step::Leave { port, id } if outer && usize::from(*port) == of => Some(*id),
                _ => None,
            })
        };
        let other = &self.sides[1 - port];
        let ids: Vec<u32> = steps.ids.iter().copied().chain(leaving(1 - port, other.outer)).collect();
        self.touched.collect(&ids, other.table.capacity());
        let others = other.input.decode(self.touched.slots.iter().map(|&id| other.table.row(id)));
        let own = &self.sides[port];
        let ids: Vec<u32> = leaving(port, own.outer).collect();
        self.own_touched.collect(&ids, own.table.capacity());
        let own_left = own.input.decode(self.own_touched.slots.iter().map(|&id| own.table.row(id)));
        (others, own_left)
    }

    /// For each candidate whether the residual condition holds; `None` if there is no condition.
    fn matched(
        &self,
        port: usize,
        columns: &[ArrayRef],
        others: &[ArrayRef],
        steps: &Steps,
        ctx: &OperatorContext,
    ) -> Result<Option<Vec<bool>>> {
        let Some(residual) = self.residual.as_ref().filter(|_| !steps.ids.is_empty()) else {
            return Ok(None);
        };
        let mut matched = Vec::with_capacity(steps.ids.len());
        for (own, ids) in steps.own.chunks(PAIRS).zip(steps.ids.chunks(PAIRS)) {
            let places: Vec<u32> = ids.iter().map(|&id| self.touched.place(id) as u32).collect();
            let (own, other) = ((columns, own), (others, &places[..]));
            let holds = match port {
                0 => residual.holds(own, other, ctx)?,
                _ => residual.holds(other, own, ctx)?,
            };
            matched.extend(holds.values().iter());
        }
        Ok(Some(matched))
    }

    /// Goes through the steps with what matched known.
    fn results(&mut self, port: usize, rows: usize, steps: &Steps, matched: Option<&[bool]>) -> Results {
        let mut results = Results::default();
        let mut at = 0;
        for step in &steps.list {
            match *step {
                Step::Row { row, pairs_end, kept } => {
                    let mut any = false;
                    for pair in at..pairs_end as usize {
                        if matched.is_none_or(|matched| matched[pair]) {
                            any = true;
                            self.match_other(port, steps.ids[pair]);
                            results.push(row, self.touched.place(steps.ids[pair]) as u32);
                        }
                    }
                    at = pairs_end as usize;
                    let own = &mut self.sides[port];
                    match kept {
                        Some(id) if any && own.outer => own.table.set_tag(id, MATCHED),
                        None if !any && own.outer => results.push(row, NONE),
                        _ => {}
                    }
                }
                Step::Leave { port: of, id } => {
                    let side = &self.sides[usize::from(of)];
                    if !side.outer || side.table.tag(id) != UNMATCHED {
                        continue;
                    }
                    if usize::from(of) == port {
                        results.push((rows + self.own_touched.place(id)) as u32, NONE);
                    } else {
                        results.push(NONE, self.touched.place(id) as u32);
                    }
                }
                Step::Mark(watermark) => results.marks.push(results.own.len() as u32, watermark),
            }
        }
        results
    }

    fn match_other(&mut self, port: usize, id: u32) {
        let other = &mut self.sides[1 - port];
        if other.outer {
            other.table.set_tag(id, MATCHED);
        }
    }

    fn free(&mut self, steps: &Steps) {
        for step in &steps.list {
            if let Step::Leave { port, id } = step {
                self.sides[usize::from(*port)].table.free(*id);
            }
        }
    }

    fn emit(
        &self,
        port: usize,
        columns: &[ArrayRef],
        own_left: Vec<ArrayRef>,
        others: &[ArrayRef],
        results: Results,
        out: &mut Output,
    ) {
        let rows = results.own.len();
        let mut chunk = Chunk { marks: results.marks, ..Chunk::default() };
        if rows > 0 {
            let left_any = own_left.first().is_some_and(|column| !column.is_empty());
            let own = match (left_any, columns.is_empty()) {
                (false, _) => self.sides[port].input.gather(columns, &results.own),
                (true, true) => self.sides[port].input.gather(&own_left, &results.own),
                (true, false) => self.sides[port].input.gather(&appended(columns, &own_left), &results.own),
            };
            let other = self.sides[1 - port].input.gather(others, &results.other);
            chunk.columns = match port {
                0 => own.into_iter().chain(other).collect(),
                _ => other.into_iter().chain(own).collect(),
            };
            chunk.rows = rows;
        }
        debug_assert!(!self.kind.left_only(), "interval joins give both sides");
        out.emit(chunk);
    }
}

fn appended(columns: &[ArrayRef], behind: &[ArrayRef]) -> Vec<ArrayRef> {
    let both = |(first, second): (&ArrayRef, &ArrayRef)| {
        concat(&[first.as_ref(), second.as_ref()]).expect("both are columns of one side")
    };
    columns.iter().zip(behind).map(both).collect()
}
