//! How partial matches get into checkpoints and back, and out of memory and back.
//!
//! Record: next row, number of rows, their values, partial matches, complete matches.

use super::{MatchTable, NEVER, NO_CELLS, PartialMatch, Partition, Run, Slots};
use crate::SlotCells;
use crate::keyed::{Core, Keyed};
use crate::snapshot::Reader;
use crate::spill::in_use;
use smallvec::SmallVec;
use tidemill_types::Result;

const SALT: u64 = 0x6d61_7463_6800_0001;

impl MatchTable {
    fn write_matches(&self, matches: &[PartialMatch], out: &mut Vec<u8>) {
        out.extend_from_slice(&(matches.len() as u32).to_le_bytes());
        for found in matches {
            out.extend_from_slice(&found.start.to_le_bytes());
            out.extend_from_slice(&found.start_time.to_le_bytes());
            out.extend_from_slice(&u32::from(found.position).to_le_bytes());
            out.extend_from_slice(&(found.runs.len() as u32).to_le_bytes());
            for run in &found.runs {
                out.extend_from_slice(&u32::from(run.variable).to_le_bytes());
                out.extend_from_slice(&run.rows.to_le_bytes());
            }
            out.push(u8::from(found.cells != NO_CELLS));
            if found.cells != NO_CELLS {
                self.cells.write(found.cells, out);
            }
        }
    }

    fn read_matches(&mut self, from: &mut Reader<'_>) -> Result<Vec<PartialMatch>> {
        let count = from.u32()?;
        let mut matches = Vec::with_capacity(count.min(1 << 16) as usize);
        for _ in 0..count {
            let (start, start_time) = (from.u64()?, from.i64()?);
            let position = from.u32()? as u16;
            let mut runs = SmallVec::new();
            for _ in 0..from.u32()? {
                runs.push(Run { variable: from.u32()? as u16, rows: from.u32()? });
            }
            let cells = match from.u8()? {
                0 => NO_CELLS,
                _ => {
                    let slot = self.take_cells();
                    self.cells.read(slot, from)?;
                    slot
                }
            };
            matches.push(PartialMatch { start, start_time, position, runs, cells });
        }
        Ok(matches)
    }
}

impl Keyed for MatchTable {
    fn schema(&self) -> u64 {
        self.rows.schema_id() ^ self.cells.schema_id().rotate_left(1) ^ SALT
    }

    fn core(&self) -> &Core {
        &self.core
    }

    fn core_mut(&mut self) -> &mut Core {
        &mut self.core
    }

    fn grow(&mut self) {
        let capacity = self.core.keys.capacity();
        if self.partitions.len() < capacity {
            self.partitions.resize_with(capacity, Partition::new);
            self.queued.resize(capacity, NEVER);
        }
    }

    fn write_record(&self, id: u32, out: &mut Vec<u8>) {
        let partition = &self.partitions[id as usize];
        out.extend_from_slice(&partition.next_row.to_le_bytes());
        out.extend_from_slice(&(partition.rows.len() as u32).to_le_bytes());
        partition.rows.iter().for_each(|&slot| self.rows.write(slot, out));
        self.write_matches(&partition.partial, out);
        self.write_matches(&partition.completed, out);
    }

    fn read_record(&mut self, id: u32, from: &mut Reader<'_>) -> Result<()> {
        let next_row = from.u64()?;
        for _ in 0..from.u32()? {
            let slot = self.push_row(id);
            self.rows.read(slot, from)?;
        }
        let partial = self.read_matches(from)?;
        let completed = self.read_matches(from)?;
        let partition = &mut self.partitions[id as usize];
        (partition.partial, partition.completed) = (partial, completed);
        partition.next_row = next_row;
        self.queue(id);
        Ok(())
    }

    /// Slots of rows and cells are given up and can be read until [`MatchTable::release`].
    fn empty(&mut self, id: u32) {
        let partition = &mut self.partitions[id as usize];
        self.row_slots.given_up.extend(partition.rows.drain(..));
        let matches = partition.partial.drain(..).chain(partition.completed.drain(..));
        let cells = matches.map(|found| found.cells).filter(|cells| *cells != NO_CELLS);
        self.cell_slots.given_up.extend(cells);
        *partition = Partition::new();
        self.queued[id as usize] = NEVER;
    }

    fn settle_slots(&mut self) {
        self.row_slots.release(&mut self.rows);
        self.cell_slots.release(&mut self.cells);
    }

    fn rows_of(&self, id: u32) -> usize {
        self.partitions[id as usize].rows.len()
    }

    fn due_of(&self, id: u32) -> Option<i64> {
        Some(self.queued[id as usize]).filter(|due| *due != NEVER)
    }

    fn reset(&mut self) {
        self.partitions.clear();
        self.queued.clear();
        self.due.clear();
        self.rows.reset();
        self.cells.reset();
        (self.row_slots, self.cell_slots) = (Slots::default(), Slots::default());
    }

    fn shrink(&mut self) {
        // What is due was mostly noted of keys that are gone.
        if self.due.len() > 2 * self.core.keys.len() {
            let mut due = std::mem::take(&mut self.due).into_vec();
            due.retain(|entry| self.queued[entry.0.1 as usize] == entry.0.0);
            self.due = due.into();
        }
        self.due.shrink_to_fit();
        self.partitions.shrink_to(self.partitions.len());
    }

    fn bytes_of_rows(&self) -> usize {
        let of_slots = |values: &SlotCells, slots: &Slots| {
            in_use(values.bytes(), slots.used as usize - slots.free.len(), values.len())
        };
        let lists = self.partitions.iter().map(bytes_of_lists).sum::<usize>();
        of_slots(&self.rows, &self.row_slots) + of_slots(&self.cells, &self.cell_slots) + lists
    }

    fn own_bytes(&self) -> usize {
        let of_slots = |values: &SlotCells, slots: &Slots| {
            values.bytes() + (slots.free.capacity() + slots.given_up.capacity()) * 4
        };
        of_slots(&self.rows, &self.row_slots)
            + of_slots(&self.cells, &self.cell_slots)
            + self.due.capacity() * size_of::<(i64, u32)>()
            + self.queued.capacity() * 8
            + self.partitions.capacity() * size_of::<Partition>()
            + self.partitions.iter().map(bytes_of_lists).sum::<usize>()
    }
}

fn bytes_of_lists(partition: &Partition) -> usize {
    let of_matches = |matches: &Vec<PartialMatch>| {
        let spilled = matches.iter().filter(|found| found.runs.spilled()).map(|found| found.runs.capacity());
        matches.capacity() * size_of::<PartialMatch>() + spilled.sum::<usize>() * size_of::<Run>()
    };
    of_matches(&partition.partial) + of_matches(&partition.completed) + partition.rows.capacity() * 4
}
