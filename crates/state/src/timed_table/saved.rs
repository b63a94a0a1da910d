//! How keys with their rows get into checkpoints and back, and out of memory and back.
//!
//! Record: due time, number of rows, then for each its time, tag and bytes (prefixed).

use super::{AGENDA_MIN, Chain, EMPTY, Entry, TimedTable};
use crate::agenda::Agenda;
use crate::keyed::{Core, Keyed};
use crate::row_arena::RowArena;
use crate::snapshot::{Reader, write_prefixed};
use tidemill_types::Result;

const SCHEMA: u64 = 0x7469_6d65_6472_0001;

impl Keyed for TimedTable {
    fn schema(&self) -> u64 {
        SCHEMA
    }

    fn core(&self) -> &Core {
        &self.core
    }

    fn core_mut(&mut self) -> &mut Core {
        &mut self.core
    }

    fn grow(&mut self) {
        let capacity = self.core.keys.capacity();
        if self.chains.len() < capacity {
            self.chains.resize(capacity, EMPTY);
        }
    }

    fn write_record(&self, key: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.chains[key as usize].due.to_le_bytes());
        out.extend_from_slice(&(self.rows_of(key) as i64).to_le_bytes());
        for id in self.of_key(key) {
            out.extend_from_slice(&self.time(id).to_le_bytes());
            out.extend_from_slice(&i64::from(self.tag(id)).to_le_bytes());
            write_prefixed(out, self.row(id));
        }
    }

    fn read_record(&mut self, key: u32, from: &mut Reader<'_>) -> Result<()> {
        let (due, count) = (from.i64()?, from.i64()?);
        self.set_due(key, due);
        for _ in 0..count {
            let (time, tag) = (from.i64()?, from.i64()? as u8);
            self.insert(key, time, tag, from.prefixed()?);
        }
        Ok(())
    }

    fn empty(&mut self, key: u32) {
        while let Some(id) = self.first(key) {
            self.remove(key, id);
        }
        self.unset_due(key);
    }

    fn rows_of(&self, key: u32) -> usize {
        self.of_key(key).count()
    }

    /// A key that is only due counts too.
    fn held(&self) -> usize {
        self.rows.len().max(self.core.keys.len())
    }

    fn count_of(&self, key: u32) -> usize {
        self.rows_of(key).max(1)
    }

    fn due_of(&self, key: u32) -> Option<i64> {
        self.due(key)
    }

    fn reset(&mut self) {
        self.chains.clear();
        self.rows = RowArena::default();
        self.entries.clear();
        (self.agenda, self.agenda_max) = (Agenda::default(), AGENDA_MIN);
    }

    fn shrink(&mut self) {
        self.rows.shrink();
        self.entries.shrink_to(self.entries.len());
        self.chains.shrink_to(self.chains.len());
    }

    fn bytes_of_rows(&self) -> usize {
        self.rows.used_bytes() + self.rows.len() * size_of::<Entry>()
    }

    fn own_bytes(&self) -> usize {
        self.rows.memory()
            + self.agenda.memory()
            + self.chains.capacity() * size_of::<Chain>()
            + self.entries.capacity() * size_of::<Entry>()
    }
}
