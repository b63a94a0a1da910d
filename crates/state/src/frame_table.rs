//! The table of frames: key → cells, and the rows of the key in the order of their times.
//!
//! The first rows of a key are held: they were given out and are kept to be taken back later. The others
//! wait. A row has two parts: what is needed to take it back, and the rest.
//! Keys wait for the times of their waiting rows, in memory or on disk: see [`FrameTable::pop_due`].
//! Invariant: no waiting row is earlier than a held one; of rows with equal times the first to come is the
//! first. A slot that nobody holds has no rows; its cells are the caller's to clear.

mod due;
mod saved;

use crate::SlotCells;
use crate::arena::{Arena, Place};
use crate::keyed::{Core, Keyed};
use due::Due;
use std::collections::VecDeque;
use tidemill_types::CellKind;
use tidemill_types::key::{EncodedKeys, hash};

/// Below so many entries what is due is not put in order again.
const DUE_MIN: usize = 1 << 12;

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
    core: Core,
    /// The values; read and changed in place.
    pub values: SlotCells,
    rows: Vec<Rows>,
    arena: Arena,
    /// The times of waiting rows; perhaps of keys that were moved out.
    due: Due,
    /// With more entries most may not count any more.
    due_max: usize,
}

impl FrameTable {
    /// A table with cells of these kinds and so many counted sets.
    pub fn new(kinds: &[CellKind], sets: usize, key_groups: u32) -> Self {
        FrameTable {
            core: Core::new(key_groups),
            values: SlotCells::new(kinds, sets),
            rows: Vec::new(),
            arena: Arena::default(),
            due: Due::default(),
            due_max: DUE_MIN,
        }
    }

    /// The slot of each key; a new key gets one. All count as changed.
    pub fn resolve(&mut self, keys: &EncodedKeys, hashes: &[u64], slots: &mut Vec<u32>) {
        self.load_or_add_all(keys, hashes, slots);
        self.core.tracking.touch_all(slots);
    }

    /// The values of a slot are about to change.
    #[inline]
    pub fn touch(&mut self, slot: u32) {
        self.core.tracking.touch(slot);
    }

    /// The slot of a key that exists; it is brought back if it was moved out.
    pub fn lookup(&mut self, key: &[u8]) -> Option<u32> {
        self.load(hash(key), key)
    }

    /// The key of a slot in use.
    pub fn key(&self, slot: u32) -> &[u8] {
        self.core.keys.key(slot)
    }

    /// The slots in use, ascending; keys that were moved out have none.
    pub fn slots(&self) -> impl Iterator<Item = u32> {
        self.core.keys.ids()
    }

    /// Adds a waiting row behind all that are no later; tells whether it is the first of its time.
    pub fn push(&mut self, slot: u32, time: i64, parts: [&[u8]; 2]) -> bool {
        self.pack_if_sparse();
        let row = Row { time, place: self.arena.add(parts), split: parts[0].len() as u32 };
        self.core.tracking.touch(slot);
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

    /// All rows with their times, the held ones first.
    pub fn all_rows(&self, slot: u32) -> impl Iterator<Item = (i64, [&[u8]; 2])> {
        self.rows[slot as usize].rows.iter().map(|row| (row.time, self.parts(*row)))
    }

    /// The first waiting row is held from now on.
    #[inline]
    pub fn hold(&mut self, slot: u32) {
        self.core.tracking.touch(slot);
        let rows = &mut self.rows[slot as usize];
        debug_assert!(rows.held < rows.rows.len(), "a waiting row is there");
        rows.held += 1;
    }

    /// Drops the first row: the oldest held one, or, if none is held, the first waiting one.
    #[inline]
    pub fn drop_first(&mut self, slot: u32) {
        self.core.tracking.touch(slot);
        let rows = &mut self.rows[slot as usize];
        let Some(row) = rows.rows.pop_front() else { return };
        rows.held = rows.held.saturating_sub(1);
        self.arena.free(row.place);
    }

    /// Drops all rows of a slot.
    pub fn drop_rows(&mut self, slot: u32) {
        self.core.tracking.touch(slot);
        let rows = std::mem::take(&mut self.rows[slot as usize]);
        rows.rows.iter().for_each(|row| self.arena.free(row.place));
    }

    /// Gives up a key with its rows. Its cells are left as they are.
    pub fn remove(&mut self, slot: u32) {
        self.drop_rows(slot);
        self.drop_key(slot);
    }

    /// The key is due at a time at which rows of it wait.
    #[inline]
    pub fn set_due(&mut self, slot: u32, time: i64) {
        self.due.push(time, slot);
    }

    /// The time at which the first key is due, or one before it.
    pub fn next_due(&mut self) -> Option<i64> {
        self.due.next().into_iter().chain(self.core.first_due_out()).min()
    }

    /// The same without moving anything.
    pub fn due_bound(&self) -> Option<i64> {
        self.due.bound().into_iter().chain(self.core.first_due_out()).min()
    }

    /// Takes the first key whose first waiting rows have a time up to this, with that time.
    pub fn pop_due(&mut self, until: i64) -> Option<(i64, u32)> {
        loop {
            let next = self.due.next();
            if self.bring_due_back(until.min(next.unwrap_or(i64::MAX))) {
                continue;
            }
            let (time, slot) = self.due.next().filter(|time| *time <= until).and_then(|_| self.due.pop())?;
            let keys = &self.core.keys;
            if (slot as usize) < keys.capacity() && keys.is_live(slot) && self.waiting(slot) == Some(time) {
                return Some((time, slot));
            }
        }
    }

    /// Notes when the waiting rows of a key are due.
    fn queue(&mut self, slot: u32) {
        let times: Vec<i64> = self.waiting_times(slot).collect();
        times.into_iter().for_each(|time| self.due.push(time, slot));
    }

    /// Keeps of what is due only what counts.
    fn order_due(&mut self) {
        self.due.clear();
        for slot in 0..self.core.keys.capacity() as u32 {
            if self.core.keys.is_live(slot) {
                self.queue(slot);
            }
        }
        self.due_max = DUE_MIN.max(self.due.len() * 2);
    }

    /// The times of the waiting rows, ascending, each once.
    fn waiting_times(&self, slot: u32) -> impl Iterator<Item = i64> {
        let rows = &self.rows[slot as usize];
        let mut last = None;
        rows.rows
            .iter()
            .skip(rows.held)
            .map(|row| row.time)
            .filter(move |&time| last.replace(time) != Some(time))
    }

    fn pack_if_sparse(&mut self) {
        if self.arena.sparse() {
            self.pack();
        }
    }

    fn pack(&mut self) {
        self.arena.begin_packing();
        for row in self.rows.iter_mut().flat_map(|rows| rows.rows.iter_mut()) {
            row.place = self.arena.packed(row.place);
        }
        self.arena.end_packing();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SnapshotRows, StateTable};

    fn table() -> FrameTable {
        FrameTable::new(&[CellKind::I64], 0, 8)
    }

    fn add(table: &mut FrameTable, key: &str, time: i64, text: &str) -> bool {
        let slot = table.load_or_add(hash(key.as_bytes()), key.as_bytes());
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
