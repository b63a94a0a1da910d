//! How waiting rows get into checkpoints and back, and out of memory.
//!
//! Row: time, row (prefixed). What is gone, once for each group: the time up to which rows left.

use super::{Batch, Later, ORDER_BYTES, Place, WaitingRows};
use crate::entries::Entry;
use crate::sections::{GONE, Sections};
use crate::snapshot::{Reader, write_prefixed};
use crate::{MemoryBudget, SnapshotRows, StateTable};
use arrow_array::{Array, ArrayRef};
use std::ops::Range;
use tidemill_types::key::{EncodedKeys, KeyEncoder, decode, hash, key_group};
use tidemill_types::{DataType, Result};

const SALT: u64 = 0x7761_6974_6900_0001;
/// So many rows are written in one go.
const WRITE_ROWS: usize = 8_192;

impl WaitingRows {
    fn key_hashes(&self, columns: &[ArrayRef], rows: usize) -> Vec<u64> {
        let mut keys = EncodedKeys::default();
        let types = self.keys.iter().map(|&key| self.types[key].clone());
        let key_columns: Vec<ArrayRef> = self.keys.iter().map(|&key| columns[key].clone()).collect();
        KeyEncoder::new(types).encode(&key_columns, rows, &mut keys);
        keys.iter().map(hash).collect()
    }

    fn key_hash(&self, row: &[u8]) -> u64 {
        self.key_hashes(&decode(&self.types, [row]), 1)[0]
    }

    /// Whether a row on disk had left when the checkpoint was taken from which it comes.
    pub(super) fn has_left(&self, time: i64, row: &[u8]) -> bool {
        !self.left.is_empty() && {
            let left = self.left.get(&key_group(self.key_hash(row), self.key_groups));
            left.is_some_and(|left| time <= *left)
        }
    }

    /// Writes all rows or those that no checkpoint has.
    fn write(&self, all: bool, sections: &mut Sections) {
        self.later.iter().for_each(|later| {
            later.for_each(all, |time, bytes, fresh| {
                let row = &bytes[ORDER_BYTES..];
                if !self.has_left(time, row) {
                    write_row(sections, self.key_hash(row), fresh, time, row);
                }
            });
        });
        let mut places = self.places();
        places.retain(|place| all || place.batch >= self.saved_upto);
        for part in places.chunks(WRITE_ROWS) {
            let (rows, hashes) = (self.encoded(part), self.key_hashes(&self.gather(part), part.len()));
            for ((place, row), hash) in part.iter().zip(rows.iter()).zip(hashes) {
                write_row(sections, hash, place.batch >= self.saved_upto, place.time, row);
            }
        }
    }

    /// Adds rows of a checkpoint.
    fn put(&mut self, mut rows: Vec<(i64, &[u8])>) {
        rows.sort_by_key(|(time, _)| *time);
        if !rows.is_empty() {
            let columns = decode(&self.types, rows.iter().map(|(_, row)| *row));
            self.push(columns, &rows.iter().map(|(time, _)| *time).collect::<Vec<_>>());
        }
        self.saved_upto = self.end();
        self.tracked = true;
    }

    /// Drops the rows in memory that had left.
    fn drop_left(&mut self) {
        if self.left.is_empty() {
            return;
        }
        let places = self.places();
        let mut gone: Vec<Place> = Vec::new();
        for part in places.chunks(WRITE_ROWS) {
            let hashes = self.key_hashes(&self.gather(part), part.len());
            gone.extend(part.iter().zip(hashes).filter_map(|(place, hash)| {
                let left = self.left.get(&key_group(hash, self.key_groups));
                left.is_some_and(|left| place.time <= *left).then_some(*place)
            }));
        }
        let mut sorted = gone.clone();
        sorted.sort_unstable();
        self.runs.iter_mut().for_each(|run| run.retain(|place| sorted.binary_search(place).is_err()));
        self.runs.retain(|run| !run.is_empty());
        self.forget(&gone);
    }

    fn end(&self) -> u32 {
        self.first + self.batches.len() as u32
    }

    fn memory(&self) -> usize {
        let of_column = |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or(0);
        let of_batch = |batch: &Batch| batch.columns.iter().map(of_column).sum::<usize>();
        let runs = self.runs.iter().map(|run| run.capacity() * size_of::<Place>()).sum::<usize>();
        let later = self.later.as_ref().map_or(0, Later::memory);
        self.batches.iter().map(of_batch).sum::<usize>() + runs + later
    }
}

fn write_row(sections: &mut Sections, hash: u64, changed: bool, time: i64, row: &[u8]) {
    if let Some(out) = sections.row(hash, changed) {
        out.extend_from_slice(&time.to_le_bytes());
        write_prefixed(out, row);
    }
}

impl StateTable for WaitingRows {
    fn schema_id(&self) -> u64 {
        let types: Vec<String> = self.types.iter().map(DataType::to_string).collect();
        hash(types.join(",").as_bytes()) ^ SALT
    }

    fn snapshot(&self, groups: Range<u32>) -> SnapshotRows {
        let mut sections = Sections::new(groups, self.key_groups);
        self.write(true, &mut sections);
        sections.finish(self.schema_id())
    }

    fn restore(&mut self, rows: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        rows.check_schema(self.schema_id())?;
        for section in rows.of_groups(groups) {
            let (mut reader, mut read) = (Reader::new(&section.bytes), Vec::new());
            while !reader.is_done() {
                read.push((reader.i64()?, reader.prefixed()?));
            }
            self.put(read);
            self.tend()?;
        }
        Ok(())
    }

    fn delta(&mut self, groups: Range<u32>, whole: &dyn Fn(u32) -> bool) -> SnapshotRows {
        let tracked = self.tracked;
        let mut sections = Sections::of_changes(groups, self.key_groups, &|group| !tracked || whole(group));
        if let Some(upto) = self.taken_upto {
            sections.gone_everywhere().for_each(|out| out.extend_from_slice(&upto.to_le_bytes()));
        }
        self.write(sections.any_whole(), &mut sections);
        self.tracked = true;
        self.taken_upto = None;
        self.saved_upto = self.end();
        self.later.iter_mut().for_each(Later::settle);
        sections.finish(self.schema_id())
    }

    fn apply(&mut self, changes: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        changes.check_schema(self.schema_id())?;
        let mut read = Vec::new();
        for section in changes.of_groups(groups) {
            let mut reader = Reader::new(&section.bytes);
            while !reader.is_done() {
                if reader.u8()? == GONE {
                    let upto = reader.i64()?;
                    let left = self.left.entry(section.group).or_insert(upto);
                    *left = upto.max(*left);
                } else {
                    read.push((reader.i64()?, reader.prefixed()?));
                }
            }
        }
        self.drop_left();
        self.put(read);
        self.tend()
    }

    fn set_budget(&mut self, budget: &MemoryBudget) {
        self.later = Some(Later::new(budget));
    }

    fn tend(&mut self) -> Result<()> {
        if self.later.as_ref().is_some_and(|later| later.is_due(self.live)) {
            let (rows, bytes) = (self.live, self.memory());
            let surplus = self.later.as_mut().map_or(0, |later| later.surplus(rows, bytes));
            if surplus > 0 {
                self.move_out(surplus);
                let bytes = self.memory();
                self.later.iter_mut().for_each(|later| later.tell(bytes));
            }
        }
        self.later.as_ref().map_or(Ok(()), Later::check)
    }

    fn each_entry(&self, each: &mut dyn FnMut(Entry<'_>)) {
        let mut show = |time: i64, row: &[u8]| {
            each(Entry { row: Some(row), numbers: &[("time", time)], ..Entry::default() });
        };
        self.later.iter().for_each(|later| {
            later.for_each(true, |time, bytes, _| {
                let row = &bytes[ORDER_BYTES..];
                if !self.has_left(time, row) {
                    show(time, row);
                }
            });
        });
        for part in self.places().chunks(WRITE_ROWS) {
            let rows = self.encoded(part);
            part.iter().zip(rows.iter()).for_each(|(place, row)| show(place.time, row));
        }
    }

    fn clear(&mut self) {
        let mut later = self.later.take();
        later.iter_mut().for_each(Later::clear);
        *self =
            WaitingRows { later, ..WaitingRows::new(self.types.clone(), self.keys.clone(), self.key_groups) };
    }

    fn bytes(&self) -> usize {
        self.memory()
    }

    fn len(&self) -> usize {
        self.live + self.later.as_ref().map_or(0, Later::len)
    }
}
