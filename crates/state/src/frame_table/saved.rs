//! How the keys of frames get into checkpoints and back, and out of memory and back.
//!
//! Record: values, number of held rows, number of rows; of each row time, first part and second part (both prefixed).

use super::due::Due;
use super::{DUE_MIN, FrameTable, Row, Rows};
use crate::SlotCells;
use crate::arena::Arena;
use crate::keyed::{Core, Keyed};
use crate::snapshot::{Reader, write_prefixed};
use tidemill_types::{CellKind, Result};

const SALT: u64 = 0x7469_6d65_6452_0001;

impl FrameTable {
    /// Gives up keys that were moved out, have no waiting row and are old by their values; looks at some of them.
    pub fn expire_moved_out(&mut self, old: impl Fn(&SlotCells, u32) -> bool) {
        let kinds: Vec<CellKind> = self.values.cells.iter().map(|cells| cells.kind()).collect();
        let mut scratch = SlotCells::new(&kinds, self.values.sets.len());
        scratch.grow(1);
        self.sweep_out(|record| {
            scratch.clear(&[0]);
            let mut reader = Reader::new(record);
            let counts = scratch.read(0, &mut reader).and_then(|()| Ok((reader.u32()?, reader.u32()?)));
            counts.is_ok_and(|(held, rows)| held == rows) && old(&scratch, 0)
        });
    }
}

impl Keyed for FrameTable {
    fn schema(&self) -> u64 {
        self.values.schema_id() ^ SALT
    }

    fn core(&self) -> &Core {
        &self.core
    }

    fn core_mut(&mut self) -> &mut Core {
        &mut self.core
    }

    fn grow(&mut self) {
        let capacity = self.core.keys.capacity();
        self.values.grow(capacity);
        if self.rows.len() < capacity {
            self.rows.resize_with(capacity, Rows::default);
        }
    }

    fn write_record(&self, slot: u32, out: &mut Vec<u8>) {
        self.values.write(slot, out);
        let rows = &self.rows[slot as usize];
        out.extend_from_slice(&(rows.held as u32).to_le_bytes());
        out.extend_from_slice(&(rows.rows.len() as u32).to_le_bytes());
        for row in &rows.rows {
            out.extend_from_slice(&row.time.to_le_bytes());
            self.parts(*row).into_iter().for_each(|part| write_prefixed(out, part));
        }
    }

    fn read_record(&mut self, slot: u32, from: &mut Reader<'_>) -> Result<()> {
        self.values.read(slot, from)?;
        let held = from.u32()? as usize;
        for _ in 0..from.u32()? {
            let time = from.i64()?;
            let parts = [from.prefixed()?, from.prefixed()?];
            self.push(slot, time, parts);
        }
        self.rows[slot as usize].held = held;
        self.queue(slot);
        if self.due.len() > self.due_max {
            self.order_due();
        }
        Ok(())
    }

    fn empty(&mut self, slot: u32) {
        self.drop_rows(slot);
        self.values.clear(&[slot]);
    }

    fn rows_of(&self, slot: u32) -> usize {
        self.rows[slot as usize].rows.len()
    }

    fn due_of(&self, slot: u32) -> Option<i64> {
        self.waiting(slot)
    }

    fn reset(&mut self) {
        self.values.reset();
        self.rows.clear();
        self.arena = Arena::default();
        (self.due, self.due_max) = (Due::default(), DUE_MIN);
    }

    fn shrink(&mut self) {
        if self.arena.shrink() {
            self.pack();
        }
        self.rows.shrink_to(self.rows.len());
    }

    fn bytes_of_rows(&self) -> usize {
        let lists = self.rows.iter().map(|rows| rows.rows.capacity() * size_of::<Row>()).sum::<usize>();
        lists + self.arena.live_bytes()
    }

    fn own_bytes(&self) -> usize {
        let of_key = |rows: &Rows| size_of::<Rows>() + rows.rows.capacity() * size_of::<Row>();
        self.values.bytes()
            + self.rows.iter().map(of_key).sum::<usize>()
            + self.arena.bytes()
            + self.due.memory()
    }
}
