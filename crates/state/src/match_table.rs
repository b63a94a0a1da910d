//! The table of partial matches: key → its last rows, and the matches that were begun over them.
//!
//! The rows of a match follow one another without a gap, so a match is its first row and how its rows are divided
//! into runs of variables; a row that many matches share is kept once. Rows are numbered by key.
//! Invariant: of a key the rows from the first one that a match needs are kept, and the rows before it only as
//! far as the history asked for; a key without match and history is forgotten. Slots of rows and cells given up
//! stay readable until [`MatchTable::release`].

use crate::entries::Entry;
use crate::sections::{GONE, Sections};
use crate::snapshot::{Reader, write_prefixed};
use crate::tracking::Tracking;
use crate::{KeyIndex, SlotCells, SnapshotRows, StateTable};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::ops::Range;
use tidemill_types::key::{EncodedKeys, hash};
use tidemill_types::{CellKind, Result};

const SALT: u64 = 0x6d61_7463_6800_0001;
/// No key has this number.
pub const NO_KEY: u32 = u32::MAX;
/// No cells belong to a match.
pub const NO_CELLS: u32 = u32::MAX;
/// The first row of a match that has none yet.
pub const OPEN: u64 = u64::MAX;

/// Consecutive rows of a match that are mapped to one variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The variable.
    pub variable: u16,
    /// How many rows.
    pub rows: u32,
}

/// A match that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartialMatch {
    /// The number of its first row, or [`OPEN`].
    pub start: u64,
    /// The time of its first row.
    pub start_time: i64,
    /// Where it stands in the pattern.
    pub position: u16,
    /// The variables of its rows.
    pub runs: SmallVec<[Run; 4]>,
    /// The slot of its aggregates, or [`NO_CELLS`].
    pub cells: u32,
}

impl PartialMatch {
    /// The match that any row may begin.
    pub fn open() -> Self {
        PartialMatch {
            start: OPEN,
            start_time: i64::MAX,
            position: 0,
            runs: SmallVec::new(),
            cells: NO_CELLS,
        }
    }

    /// Whether it has no row yet.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.start == OPEN
    }

    /// How many rows it has.
    pub fn rows(&self) -> u64 {
        self.runs.iter().map(|run| u64::from(run.rows)).sum()
    }
}

/// What is kept of a key.
#[derive(Debug, Clone)]
pub struct Partition {
    /// The partial matches, in an order that is their user's. One of them is open.
    pub partial: Vec<PartialMatch>,
    /// Complete matches that wait for earlier ones.
    pub completed: Vec<PartialMatch>,
    /// The number of the next row.
    pub next_row: u64,
    /// The slots of the last rows.
    rows: VecDeque<u32>,
}

impl Partition {
    fn new() -> Self {
        Partition {
            partial: vec![PartialMatch::open()],
            completed: Vec::new(),
            next_row: 0,
            rows: VecDeque::new(),
        }
    }

    /// Whether no row belongs to a match.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.partial.len() == 1 && self.completed.is_empty()
    }

    /// The slot of a row, if it is kept.
    #[inline]
    pub fn row(&self, number: u64) -> Option<u32> {
        let behind = self.next_row.checked_sub(number)? as usize;
        self.rows.len().checked_sub(behind).and_then(|at| self.rows.get(at)).copied()
    }

    fn reset(&mut self) {
        self.partial.clear();
        self.partial.push(PartialMatch::open());
        self.next_row = 0;
    }
}

/// Partial matches by key.
#[derive(Debug, Clone)]
pub struct MatchTable {
    keys: KeyIndex,
    partitions: Vec<Partition>,
    /// The values of rows; written by whoever keeps a row.
    pub rows: SlotCells,
    /// The aggregates of matches.
    pub cells: SlotCells,
    row_slots: Slots,
    cell_slots: Slots,
    /// Which keys changed since the last checkpoint.
    tracking: Tracking,
    history: usize,
    key_groups: u32,
}

/// Which slots are free, and which will be.
#[derive(Debug, Clone, Default)]
struct Slots {
    used: u32,
    free: Vec<u32>,
    given_up: Vec<u32>,
}

impl Slots {
    fn take(&mut self, values: &mut SlotCells) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.used += 1;
            values.grow((self.used as usize).next_power_of_two());
            self.used - 1
        })
    }

    fn release(&mut self, values: &mut SlotCells) {
        values.clear(&self.given_up);
        self.free.append(&mut self.given_up);
    }
}

impl MatchTable {
    /// A table whose rows and matches have cells of these kinds, and that keeps so many rows of each key for ever.
    pub fn new(row_kinds: &[CellKind], match_kinds: &[CellKind], history: usize, key_groups: u32) -> Self {
        MatchTable {
            keys: KeyIndex::default(),
            partitions: Vec::new(),
            rows: SlotCells::new(row_kinds, 0),
            cells: SlotCells::new(match_kinds, 0),
            row_slots: Slots::default(),
            cell_slots: Slots::default(),
            tracking: Tracking::default(),
            history,
            key_groups,
        }
    }

    /// The number of the key of each row, [`NO_KEY`] where nothing is kept of the key and no row here begins a match.
    pub fn locate(
        &mut self,
        keys: &EncodedKeys,
        hashes: &[u64],
        begins: impl Fn(usize) -> bool,
        ids: &mut Vec<u32>,
    ) {
        ids.clear();
        ids.resize(hashes.len(), NO_KEY);
        let every = self.history > 0;
        for row in (0..hashes.len()).filter(|&row| every || begins(row)) {
            ids[row] = self.keys.resolve_one(hashes[row], keys.key(row));
        }
        self.grow();
        if self.keys.is_empty() {
            return;
        }
        for (row, id) in ids.iter_mut().enumerate().filter(|(_, id)| **id == NO_KEY) {
            *id = self.keys.find(hashes[row], keys.key(row)).unwrap_or(NO_KEY);
        }
    }

    fn grow(&mut self) {
        self.partitions.resize_with(self.keys.capacity(), Partition::new);
        self.tracking.grow(self.keys.capacity());
    }

    /// What is kept of a key.
    #[inline]
    pub fn partition(&self, id: u32) -> &Partition {
        &self.partitions[id as usize]
    }

    /// What is kept of a key, to be changed.
    #[inline]
    pub fn partition_mut(&mut self, id: u32) -> &mut Partition {
        self.tracking.touch(id);
        &mut self.partitions[id as usize]
    }

    /// The bytes of a key.
    pub fn key(&self, id: u32) -> &[u8] {
        self.keys.key(id)
    }

    /// The keys of which something is kept.
    pub fn ids(&self) -> impl Iterator<Item = u32> {
        self.keys.ids()
    }

    /// Whether the number belongs to a key.
    pub fn is_live(&self, id: u32) -> bool {
        (id as usize) < self.keys.capacity() && self.keys.is_live(id)
    }

    /// Adds a row to a key; its values are to be written to the slot.
    pub fn push_row(&mut self, id: u32) -> u32 {
        self.tracking.touch(id);
        let slot = self.row_slots.take(&mut self.rows);
        let partition = &mut self.partitions[id as usize];
        partition.rows.push_back(slot);
        partition.next_row += 1;
        slot
    }

    /// Counts a row of a key that nothing needs: no match reaches over it.
    pub fn pass_row(&mut self, id: u32) {
        self.tracking.touch(id);
        let partition = &mut self.partitions[id as usize];
        partition.next_row += 1;
        self.row_slots.given_up.extend(partition.rows.drain(..));
    }

    /// Gives up the rows of a key that no match needs any more.
    pub fn trim(&mut self, id: u32) {
        self.tracking.touch(id);
        let partition = &mut self.partitions[id as usize];
        let starts = partition.partial.iter().chain(&partition.completed).map(|found| found.start);
        let first = starts.min().unwrap_or(OPEN).min(partition.next_row).saturating_sub(self.history as u64);
        let wanted = (partition.next_row - first) as usize;
        let surplus = partition.rows.len().saturating_sub(wanted);
        self.row_slots.given_up.extend(partition.rows.drain(..surplus));
    }

    /// A neutral slot for the aggregates of a match.
    pub fn take_cells(&mut self) -> u32 {
        self.cell_slots.take(&mut self.cells)
    }

    /// Gives up the aggregates of a match.
    #[inline]
    pub fn drop_cells(&mut self, cells: u32) {
        if cells != NO_CELLS {
            self.cell_slots.given_up.push(cells);
        }
    }

    /// Forgets the rows and cells that were given up, and those of these keys of which nothing is kept.
    pub fn release(&mut self, touched: &[u32]) {
        for &id in touched {
            let partition = &mut self.partitions[id as usize];
            if partition.is_idle() && partition.rows.is_empty() && self.keys.is_live(id) {
                partition.reset();
                if self.tracking.release(id) {
                    let (hash, key) = (self.keys.hash(id), self.keys.key(id));
                    self.tracking.note_gone(hash, |out| write_prefixed(out, key));
                }
                self.keys.remove(id);
            }
        }
        self.row_slots.release(&mut self.rows);
        self.cell_slots.release(&mut self.cells);
    }

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

impl MatchTable {
    /// Row: key (prefixed), next row, number of rows, their values, partial matches, complete matches.
    fn write(&self, ids: impl Iterator<Item = u32>, sections: &mut Sections) {
        for id in ids {
            let partition = &self.partitions[id as usize];
            let changed = self.tracking.is_changed(id);
            let Some(out) = sections.row(self.keys.hash(id), changed) else { continue };
            write_prefixed(out, self.keys.key(id));
            out.extend_from_slice(&partition.next_row.to_le_bytes());
            out.extend_from_slice(&(partition.rows.len() as u32).to_le_bytes());
            partition.rows.iter().for_each(|&slot| self.rows.write(slot, out));
            self.write_matches(&partition.partial, out);
            self.write_matches(&partition.completed, out);
        }
    }

    /// Reads a row; what was kept of its key before is given up.
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let key = reader.prefixed()?;
        let id = self.keys.resolve_one(hash(key), key);
        self.grow();
        self.empty(id);
        let next_row = reader.u64()?;
        for _ in 0..reader.u32()? {
            let slot = self.push_row(id);
            self.rows.read(slot, reader)?;
        }
        let partial = self.read_matches(reader)?;
        let completed = self.read_matches(reader)?;
        let partition = &mut self.partitions[id as usize];
        (partition.partial, partition.completed) = (partial, completed);
        partition.next_row = next_row;
        self.tracking.settle(id);
        Ok(())
    }

    /// Gives up all rows and matches of a key.
    fn empty(&mut self, id: u32) {
        let partition = &mut self.partitions[id as usize];
        self.row_slots.given_up.extend(partition.rows.drain(..));
        let matches = partition.partial.drain(..).chain(partition.completed.drain(..));
        let cells = matches.map(|found| found.cells).filter(|cells| *cells != NO_CELLS);
        self.cell_slots.given_up.extend(cells);
    }
}

impl StateTable for MatchTable {
    fn schema_id(&self) -> u64 {
        self.rows.schema_id() ^ self.cells.schema_id().rotate_left(1) ^ SALT
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
                if let Some(id) = self.keys.find(hash(key), key) {
                    self.empty(id);
                    self.partitions[id as usize].reset();
                    self.tracking.forget(id);
                    self.keys.remove(id);
                }
            }
        }
        self.row_slots.release(&mut self.rows);
        self.cell_slots.release(&mut self.cells);
        Ok(())
    }

    fn each_entry(&self, each: &mut dyn FnMut(Entry<'_>)) {
        self.ids().for_each(|id| each(Entry { key: Some(self.key(id)), ..Entry::default() }));
    }

    fn clear(&mut self) {
        let kinds = |values: &SlotCells| values.cells.iter().map(|cells| cells.kind()).collect::<Vec<_>>();
        *self = MatchTable::new(&kinds(&self.rows), &kinds(&self.cells), self.history, self.key_groups);
    }

    fn bytes(&self) -> usize {
        let of_matches = |matches: &Vec<PartialMatch>| matches.capacity() * size_of::<PartialMatch>();
        let of_partition = |partition: &Partition| {
            let matches = of_matches(&partition.partial) + of_matches(&partition.completed);
            size_of::<Partition>() + matches + partition.rows.capacity() * 4
        };
        self.keys.bytes()
            + self.rows.bytes()
            + self.cells.bytes()
            + self.partitions.iter().map(of_partition).sum::<usize>()
    }

    fn len(&self) -> usize {
        self.keys.len()
    }
}
