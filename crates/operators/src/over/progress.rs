//! What happens to groups while a chunk is worked off, gathered to be done in one go per aggregate.

use crate::Output;
use crate::aggregates::Aggregates;
use tidemill_plan::Step;
use tidemill_state::SlotCells;
use tidemill_types::key::{EncodedKeys, decode};
use tidemill_types::{Chunk, DataType, Marks, Result};

/// Steps of groups with their rows; the rows that come out, with marks.
#[derive(Debug, Default)]
pub(super) struct Progress {
    slots: Vec<u32>,
    steps: Vec<Step>,
    /// The arguments of the rows that steps name.
    args: EncodedKeys,
    /// The rows that come out, in the order in which they get their results.
    rows: EncodedKeys,
    marks: Marks,
}

fn append(keys: &mut EncodedKeys, parts: &[&[u8]]) {
    parts.iter().for_each(|part| keys.bytes.extend_from_slice(part));
    keys.ends.push(keys.bytes.len() as u32);
}

impl Progress {
    fn step(&mut self, slot: u32, step: Step) {
        self.slots.push(slot);
        self.steps.push(step);
    }

    /// A row comes into its group; it will come out.
    #[inline]
    pub(super) fn add(&mut self, slot: u32, parts: [&[u8]; 2]) {
        self.step(slot, Step::Add(self.args.len() as u32));
        append(&mut self.args, &parts[..1]);
        append(&mut self.rows, &parts);
    }

    /// A row leaves its group.
    #[inline]
    pub(super) fn take(&mut self, slot: u32, args: &[u8]) {
        self.step(slot, Step::Take(self.args.len() as u32));
        append(&mut self.args, &[args]);
    }

    /// The next row that comes out gets its results.
    #[inline]
    pub(super) fn give(&mut self, slot: u32) {
        self.step(slot, Step::Give);
    }

    /// The group starts anew.
    pub(super) fn clear(&mut self, slot: u32) {
        self.step(slot, Step::Clear);
    }

    /// The watermark reaches this after the rows so far.
    pub(super) fn mark(&mut self, watermark: i64) {
        self.marks.push(self.rows.len() as u32, watermark);
    }

    /// Does everything and gives the rows with their results.
    pub(super) fn finish(
        &mut self,
        layout: &Layout,
        aggregates: &mut Aggregates,
        values: &mut SlotCells,
        out: &mut Output,
    ) -> Result<()> {
        let Progress { slots, steps, args, rows, marks } = self;
        let mut chunk = Chunk::default();
        if !steps.is_empty() {
            let args = decode(&layout.types[..layout.arguments], args.iter());
            let results = aggregates.run(values, &args, slots, steps)?;
            chunk = Chunk::new(layout.columns(rows), rows.len());
            if chunk.rows > 0 {
                chunk.columns.extend(results);
            }
        }
        chunk.marks = std::mem::take(marks);
        out.emit(chunk);
        slots.clear();
        steps.clear();
        [args, rows].into_iter().for_each(|keys| {
            keys.bytes.clear();
            keys.ends.clear();
        });
        Ok(())
    }
}

/// In which order the columns of a stored row lie: first those that calls need.
#[derive(Debug)]
pub(super) struct Layout {
    /// The types of the columns as they lie.
    pub(super) types: Vec<DataType>,
    /// How many of them calls need.
    pub(super) arguments: usize,
    /// Where each input column lies.
    pub(super) places: Vec<usize>,
}

impl Layout {
    fn columns(&self, rows: &EncodedKeys) -> Vec<arrow_array::ArrayRef> {
        if rows.is_empty() {
            return Vec::new();
        }
        let columns = decode(&self.types, rows.iter());
        self.places.iter().map(|&place| columns[place].clone()).collect()
    }
}
