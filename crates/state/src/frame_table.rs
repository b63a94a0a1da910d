//! The table of frames: key → cells, and the rows of the key in the order of their times.
//!
//! The first rows of a key are held: they were given out and are kept to be taken back later. The others
//! wait. A row has two parts: what is needed to take it back, and the rest.
//! A checkpoint has all of a key that changed.
//! Invariant: no waiting row is earlier than a held one; of rows with equal times the first to come is the
//! first. A slot that nobody holds has no rows; its cells are the caller's to clear.

mod arena;

use crate::sections::{GONE, Sections};
use crate::snapshot::{Reader, write_prefixed};
use crate::tracking::Tracking;
use crate::{KeyIndex, SlotCells, SnapshotRows, StateTable};
use arena::{Arena, Place};
use std::collections::VecDeque;
use std::ops::Range;
use tidemill_types::key::{EncodedKeys, hash};
use tidemill_types::{CellKind, Result};

const SALT: u64 = 0x7469_6d65_6452_0001;

#[derive(Debug, Clone, Copy)]
struct Row {
    time: i64,
    place: Place,
    /// How long the first part is.
    split: u32,
}

/// The rows of one key.
#[derive(Debug, Clone, Default)]
struct Rows {
    rows: VecDeque<Row>,
    held: usize,
}

/// A table of frames.
#[derive(Debug, Clone)]
pub struct FrameTable {
    keys: KeyIndex,
    /// The values; read and changed in place.
    pub values: SlotCells,
    rows: Vec<Rows>,
    arena: Arena,
    tracking: Tracking,
    key_groups: u32,
}

impl FrameTable {
    /// A table with cells of these kinds and so many counted sets.
    pub fn new(kinds: &[CellKind], sets: usize, key_groups: u32) -> Self {
        FrameTable {
            keys: KeyIndex::default(),
            values: SlotCells::new(kinds, sets),
            rows: Vec::new(),
            arena: Arena::default(),
            tracking: Tracking::default(),
            key_groups,
        }
    }

    /// The slot of each key; a new key gets one. All count as changed.
    pub fn resolve(&mut self, keys: &EncodedKeys, hashes: &[u64], slots: &mut Vec<u32>) {
        self.keys.resolve(keys, hashes, slots);
        self.grow();
        self.tracking.touch_all(slots);
    }

    /// The slot of one key; a new key gets one.
    pub fn resolve_one(&mut self, key: &[u8], hash: u64) -> u32 {
        let slot = self.keys.resolve_one(hash, key);
        self.grow();
        slot
    }

    /// The values of a slot are about to change.
    #[inline]
    pub fn touch(&mut self, slot: u32) {
        self.tracking.touch(slot);
    }

    fn grow(&mut self) {
        self.tracking.grow(self.keys.capacity());
        self.values.grow(self.keys.capacity());
        if self.rows.len() < self.keys.capacity() {
            self.rows.resize_with(self.keys.capacity(), Rows::default);
        }
    }

    /// The slot of a key that exists.
    pub fn lookup(&self, key: &[u8]) -> Option<u32> {
        self.keys.find(hash(key), key)
    }

    /// The key of a slot in use.
    pub fn key(&self, slot: u32) -> &[u8] {
        self.keys.key(slot)
    }

    /// The slots in use, ascending.
    pub fn slots(&self) -> impl Iterator<Item = u32> {
        self.keys.ids()
    }

    /// Adds a waiting row behind all that are no later; tells whether it is the first of its time.
    pub fn push(&mut self, slot: u32, time: i64, parts: [&[u8]; 2]) -> bool {
        self.pack_if_sparse();
        let row = Row { time, place: self.arena.add(parts), split: parts[0].len() as u32 };
        self.tracking.touch(slot);
        let rows = &mut self.rows[slot as usize].rows;
        let at = match rows.back() {
            Some(last) if last.time > time => rows.partition_point(|known| known.time <= time),
            _ => rows.len(),
        };
        let first = at.checked_sub(1).is_none_or(|before| rows[before].time != time);
        match at == rows.len() {
            true => rows.push_back(row),
            false => rows.insert(at, row),
        }
        first
    }

    /// The time of the first waiting row.
    #[inline]
    pub fn waiting(&self, slot: u32) -> Option<i64> {
        let rows = &self.rows[slot as usize];
        rows.rows.get(rows.held).map(|row| row.time)
    }

    /// The time of the first held row.
    #[inline]
    pub fn oldest(&self, slot: u32) -> Option<i64> {
        let rows = &self.rows[slot as usize];
        rows.rows.front().filter(|_| rows.held > 0).map(|row| row.time)
    }

    /// How many rows are held.
    #[inline]
    pub fn held(&self, slot: u32) -> usize {
        self.rows[slot as usize].held
    }

    /// The parts of the first waiting row.
    #[inline]
    pub fn waiting_row(&self, slot: u32) -> [&[u8]; 2] {
        let rows = &self.rows[slot as usize];
        self.parts(rows.rows[rows.held])
    }

    /// The first part of the first held row.
    #[inline]
    pub fn oldest_row(&self, slot: u32) -> &[u8] {
        self.parts(self.rows[slot as usize].rows[0])[0]
    }

    #[inline]
    fn parts(&self, row: Row) -> [&[u8]; 2] {
        let (first, second) = self.arena.get(row.place).split_at(row.split as usize);
        [first, second]
    }

    /// The first waiting row is held from now on.
    #[inline]
    pub fn hold(&mut self, slot: u32) {
        self.tracking.touch(slot);
        let rows = &mut self.rows[slot as usize];
        debug_assert!(rows.held < rows.rows.len(), "a waiting row is there");
        rows.held += 1;
    }

    /// Drops the first row: the oldest held one, or, if none is held, the first waiting one.
    #[inline]
    pub fn drop_first(&mut self, slot: u32) {
        self.tracking.touch(slot);
        let rows = &mut self.rows[slot as usize];
        let Some(row) = rows.rows.pop_front() else { return };
        rows.held = rows.held.saturating_sub(1);
        self.arena.free(row.place);
    }

    /// Drops all rows of a slot.
    pub fn drop_rows(&mut self, slot: u32) {
        self.tracking.touch(slot);
        let rows = std::mem::take(&mut self.rows[slot as usize]);
        rows.rows.iter().for_each(|row| self.arena.free(row.place));
    }

    /// Gives up a key with its rows. Its cells are left as they are.
    pub fn remove(&mut self, slot: u32) {
        self.drop_rows(slot);
        if self.tracking.release(slot) {
            let key = self.keys.key(slot);
            self.tracking.note_gone(self.keys.hash(slot), |out| write_prefixed(out, key));
        }
        self.keys.remove(slot);
    }

    /// The times of the waiting rows, ascending, each once.
    pub fn waiting_times(&self, slot: u32) -> impl Iterator<Item = i64> {
        let rows = &self.rows[slot as usize];
        let mut last = None;
        rows.rows
            .iter()
            .skip(rows.held)
            .map(|row| row.time)
            .filter(move |&time| last.replace(time) != Some(time))
    }

    fn pack_if_sparse(&mut self) {
        if !self.arena.sparse() {
            return;
        }
        let mut packed = Arena::default();
        for row in self.rows.iter_mut().flat_map(|rows| rows.rows.iter_mut()) {
            row.place = packed.add([self.arena.get(row.place), &[]]);
        }
        self.arena = packed;
    }
}

impl FrameTable {
    /// Row: key (prefixed), values, number of held rows, number of rows; of each row time, first part and
    /// second part (both prefixed).
    fn write(&self, slots: impl Iterator<Item = u32>, sections: &mut Sections) {
        for slot in slots {
            let changed = self.tracking.is_changed(slot);
            let Some(out) = sections.row(self.keys.hash(slot), changed) else { continue };
            write_prefixed(out, self.keys.key(slot));
            self.values.write(slot, out);
            let rows = &self.rows[slot as usize];
            out.extend_from_slice(&(rows.held as u32).to_le_bytes());
            out.extend_from_slice(&(rows.rows.len() as u32).to_le_bytes());
            for row in &rows.rows {
                out.extend_from_slice(&row.time.to_le_bytes());
                self.parts(*row).into_iter().for_each(|part| write_prefixed(out, part));
            }
        }
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let key = reader.prefixed()?;
        let slot = self.resolve_one(key, hash(key));
        self.values.clear(&[slot]);
        self.drop_rows(slot);
        self.values.read(slot, reader)?;
        let held = reader.u32()? as usize;
        for _ in 0..reader.u32()? {
            let time = reader.i64()?;
            let parts = [reader.prefixed()?, reader.prefixed()?];
            self.push(slot, time, parts);
        }
        self.rows[slot as usize].held = held;
        self.tracking.settle(slot);
        Ok(())
    }
}

impl StateTable for FrameTable {
    fn schema_id(&self) -> u64 {
        self.values.schema_id() ^ SALT
    }

    fn snapshot(&self, groups: Range<u32>) -> SnapshotRows {
        let mut sections = Sections::new(groups, self.key_groups);
        self.write(self.keys.ids(), &mut sections);
        sections.finish(self.schema_id())
    }

    fn restore(&mut self, rows: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        rows.check_schema(self.schema_id())?;
        self.tracking.start(self.keys.capacity(), self.keys.ids());
        for section in rows.of_groups(groups) {
            let mut reader = Reader::new(&section.bytes);
            while !reader.is_done() {
                self.read(&mut reader)?;
            }
        }
        Ok(())
    }

    fn delta(&mut self, groups: Range<u32>, whole: &dyn Fn(u32) -> bool) -> SnapshotRows {
        let tracked = self.tracking.is_on();
        let mut sections = Sections::of_changes(groups, self.key_groups, &|group| !tracked || whole(group));
        self.tracking.write_gone(&mut sections);
        match sections.any_whole() {
            true => self.write(self.keys.ids(), &mut sections),
            false => self.write(self.tracking.changed(), &mut sections),
        }
        self.tracking.start(self.keys.capacity(), self.keys.ids());
        self.tracking.settle_all();
        sections.finish(self.schema_id())
    }

    fn apply(&mut self, changes: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        changes.check_schema(self.schema_id())?;
        for section in changes.of_groups(groups) {
            let mut reader = Reader::new(&section.bytes);
            while !reader.is_done() {
                if reader.u8()? != GONE {
                    self.read(&mut reader)?;
                    continue;
                }
                let key = reader.prefixed()?;
                if let Some(slot) = self.keys.find(hash(key), key) {
                    self.drop_rows(slot);
                    self.values.clear(&[slot]);
                    self.tracking.forget(slot);
                    self.keys.remove(slot);
                }
            }
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.keys.clear();
        self.values.reset();
        self.rows.clear();
        self.arena = Arena::default();
        // The next checkpoint has everything whole.
        self.tracking = Tracking::default();
    }

    fn bytes(&self) -> usize {
        self.keys.bytes()
            + self.values.bytes()
            + self.rows.iter().map(|rows| 40 + rows.rows.capacity() * size_of::<Row>()).sum::<usize>()
            + self.arena.bytes()
            + self.tracking.bytes()
    }

    fn len(&self) -> usize {
        self.keys.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> FrameTable {
        FrameTable::new(&[CellKind::I64], 0, 8)
    }

    fn add(table: &mut FrameTable, key: &str, time: i64, text: &str) -> bool {
        let slot = table.resolve_one(key.as_bytes(), hash(key.as_bytes()));
        table.push(slot, time, [text.as_bytes(), b"-rest"])
    }

    fn drain(table: &mut FrameTable, key: &str) -> Vec<(i64, String)> {
        let slot = table.lookup(key.as_bytes()).unwrap();
        let mut out = Vec::new();
        while let Some(time) = table.waiting(slot) {
            let [first, rest] = table.waiting_row(slot);
            assert_eq!(rest, b"-rest");
            out.push((time, String::from_utf8(first.to_vec()).unwrap()));
            table.hold(slot);
        }
        out
    }

    #[test]
    fn rows_come_by_time_and_then_by_arrival() {
        let mut table = table();
        assert!(add(&mut table, "k", 5, "a"));
        assert!(!add(&mut table, "k", 5, "b"));
        assert!(add(&mut table, "k", 3, "c"));
        assert!(add(&mut table, "l", 3, "d"));
        assert!(!add(&mut table, "k", 3, "e"));
        let slot = table.lookup(b"k").unwrap();
        assert_eq!(table.waiting_times(slot).collect::<Vec<_>>(), [3, 5]);
        let rows = [(3, "c"), (3, "e"), (5, "a"), (5, "b")].map(|(time, row)| (time, row.to_string()));
        assert_eq!(drain(&mut table, "k"), rows);
        assert_eq!((table.oldest(slot), table.oldest_row(slot), table.held(slot)), (Some(3), &b"c"[..], 4));
        table.drop_first(slot);
        assert_eq!((table.oldest(slot), table.oldest_row(slot), table.held(slot)), (Some(3), &b"e"[..], 3));
    }

    #[test]
    fn packing_keeps_the_rows() {
        let mut table = table();
        let long = "x".repeat(500);
        for i in 0..20_000 {
            add(&mut table, &format!("k{}", i % 100), i, &format!("{i}{long}"));
            if i >= 100 && i % 100 != 7 {
                let slot = table.lookup(format!("k{}", i % 100).as_bytes()).unwrap();
                table.drop_first(slot);
            }
        }
        assert!(table.bytes() < 8 << 20, "{} bytes", table.bytes());
        let rows = drain(&mut table, "k7");
        assert_eq!(rows.len(), 200);
        assert!(rows.iter().all(|(time, row)| *row == format!("{time}{long}")));
        assert_eq!(drain(&mut table, "k8"), [(19_908, format!("19908{long}"))]);
    }

    #[test]
    fn a_restored_table_goes_on_like_the_old_one() {
        let mut table = table();
        for (key, time) in [("a", 2), ("a", 1), ("b", 1), ("a", 9)] {
            add(&mut table, key, time, key);
        }
        let slot = table.lookup(b"a").unwrap();
        table.hold(slot);
        let saved = SnapshotRows::decode(&table.snapshot(0..8).encode()).unwrap();
        let mut back = FrameTable::new(&[CellKind::I64], 0, 8);
        back.restore(&saved, 0..3).unwrap();
        back.restore(&saved, 3..8).unwrap();
        let slot = back.lookup(b"a").unwrap();
        assert_eq!((back.len(), back.oldest(slot), back.waiting(slot)), (2, Some(1), Some(2)));
        back.remove(slot);
        assert_eq!((back.len(), back.lookup(b"a")), (1, None));
    }

    #[test]
    fn changes_make_an_old_copy_like_the_table() {
        let mut table = table();
        for key in ["a", "b", "c"] {
            add(&mut table, key, 1, key);
        }
        let mut copy = FrameTable::new(&[CellKind::I64], 0, 8);
        copy.restore(&table.delta(0..8, &|_| false), 0..8).unwrap();
        let [a, b] = ["a", "b"].map(|key| table.lookup(key.as_bytes()).unwrap());
        table.hold(a);
        add(&mut table, "a", 5, "x");
        table.remove(b);
        add(&mut table, "d", 7, "y");
        let changes = table.delta(0..8, &|_| false);
        assert_eq!(
            changes.sections.iter().map(|section| section.rows).sum::<u32>(),
            3,
            "a, d and b, which is gone"
        );
        copy.apply(&SnapshotRows::decode(&changes.encode()).unwrap(), 0..8).unwrap();
        assert_eq!(copy.snapshot(0..8).encode().len(), table.snapshot(0..8).encode().len());
        let a = copy.lookup(b"a").unwrap();
        assert_eq!(
            (copy.len(), copy.oldest(a), copy.waiting(a), copy.lookup(b"b")),
            (3, Some(1), Some(5), None)
        );
    }
}
