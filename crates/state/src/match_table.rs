//! The table of partial matches: key → its last rows, and the matches that were begun over them.
//!
//! The rows of a match follow one another without a gap, so a match is its first row and how its rows are divided
//! into runs of variables; a row that many matches share is kept once. Rows are numbered by key.
//! Invariant: of a key the rows from the first one that a match needs are kept, and the rows before it only as
//! far as the history asked for; a key without match and history is forgotten. Slots of rows and cells given up
//! stay readable until [`MatchTable::release`]. With an age, keys wait for the time at which their earliest match is too
//! old, in memory or on disk: see [`MatchTable::pop_due`].

mod saved;

use crate::keyed::{Core, Keyed};
use crate::{SlotCells, StateTable};
use smallvec::SmallVec;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use tidemill_types::CellKind;
use tidemill_types::key::EncodedKeys;

/// When a key is queued that is not.
const NEVER: i64 = i64::MAX;
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
    core: Core,
    partitions: Vec<Partition>,
    /// The values of rows; written by whoever keeps a row.
    pub rows: SlotCells,
    /// The aggregates of matches.
    pub cells: SlotCells,
    row_slots: Slots,
    cell_slots: Slots,
    history: usize,
    /// How old a match may become.
    within_ms: Option<i64>,
    /// When a key may have a match that is too old.
    due: BinaryHeap<Reverse<(i64, u32)>>,
    /// For each key the entry of it that counts, or [`NEVER`].
    queued: Vec<i64>,
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
            core: Core::new(key_groups),
            partitions: Vec::new(),
            rows: SlotCells::new(row_kinds, 0),
            cells: SlotCells::new(match_kinds, 0),
            row_slots: Slots::default(),
            cell_slots: Slots::default(),
            history,
            within_ms: None,
            due: BinaryHeap::new(),
            queued: Vec::new(),
        }
    }

    /// The same with matches that may become so old.
    pub fn with_age(self, within_ms: Option<i64>) -> Self {
        MatchTable { within_ms, ..self }
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
            ids[row] = self.load_or_add(hashes[row], keys.key(row));
        }
        if StateTable::is_empty(self) {
            return;
        }
        for (row, id) in ids.iter_mut().enumerate().filter(|(_, id)| **id == NO_KEY) {
            *id = self.load(hashes[row], keys.key(row)).unwrap_or(NO_KEY);
        }
    }

    /// What is kept of a key.
    #[inline]
    pub fn partition(&self, id: u32) -> &Partition {
        &self.partitions[id as usize]
    }

    /// What is kept of a key, to be changed.
    #[inline]
    pub fn partition_mut(&mut self, id: u32) -> &mut Partition {
        self.core.tracking.touch(id);
        &mut self.partitions[id as usize]
    }

    /// The bytes of a key.
    pub fn key(&self, id: u32) -> &[u8] {
        self.core.keys.key(id)
    }

    /// Notes when the first match of a key is too old.
    pub fn queue(&mut self, id: u32) {
        let Some(within) = self.within_ms else { return };
        let first = self.partitions[id as usize].partial.first().filter(|matched| !matched.is_open());
        let due = first.map_or(NEVER, |matched| matched.start_time.saturating_add(within));
        if due < self.queued[id as usize] {
            self.queued[id as usize] = due;
            self.due.push(Reverse((due, id)));
        }
    }

    /// A time at or before which the first match is too old.
    pub fn next_due(&self) -> Option<i64> {
        let next = self.due.peek().map(|Reverse((due, _))| *due);
        next.into_iter().chain(self.core.first_due_out()).min()
    }

    /// Takes a key that may have a match that is too old at a time. It is to be queued again.
    pub fn pop_due(&mut self, until: i64) -> Option<u32> {
        loop {
            let next = self.due.peek().map(|Reverse((due, _))| *due);
            if self.bring_due_back(until.min(next.unwrap_or(NEVER))) {
                continue;
            }
            let Reverse((due, id)) = self.due.peek().copied().filter(|Reverse((due, _))| *due <= until)?;
            self.due.pop();
            if self.queued[id as usize] == due {
                self.queued[id as usize] = NEVER;
                return Some(id);
            }
        }
    }

    /// Adds a row to a key; its values are to be written to the slot.
    pub fn push_row(&mut self, id: u32) -> u32 {
        self.core.tracking.touch(id);
        let slot = self.row_slots.take(&mut self.rows);
        let partition = &mut self.partitions[id as usize];
        partition.rows.push_back(slot);
        partition.next_row += 1;
        slot
    }

    /// Counts a row of a key that nothing needs: no match reaches over it.
    pub fn pass_row(&mut self, id: u32) {
        self.core.tracking.touch(id);
        let partition = &mut self.partitions[id as usize];
        partition.next_row += 1;
        self.row_slots.given_up.extend(partition.rows.drain(..));
    }

    /// Gives up the rows of a key that no match needs any more.
    pub fn trim(&mut self, id: u32) {
        self.core.tracking.touch(id);
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
            if partition.is_idle() && partition.rows.is_empty() && self.core.keys.is_live(id) {
                partition.reset();
                self.queued[id as usize] = NEVER;
                self.drop_key(id);
            }
        }
        self.settle_slots();
    }
}
