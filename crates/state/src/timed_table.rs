//! The timed table: key → rows in the order of their times, each with a tag; and for each key when it is due.
//!
//! Rows of a key are chained, so that a row costs no allocation of its own; a row that comes in the order of
//! time is put at the end at once.
//! Invariant: rows of equal time stand in the order in which they came. A key lives while it has a row or is
//! due. The agenda derives from the keys' due times: an entry counts only while its key is due then. What changed
//! is tracked by key: a checkpoint gets all rows of a key that changed. Numbers of rows that were not freed stay valid
//! until the table is tended.

mod saved;

use crate::agenda::Agenda;
use crate::keyed::{Core, Keyed};
use crate::row_arena::RowArena;

const NONE: u32 = u32::MAX;
/// The due time of a key that is not due.
const NEVER: i64 = i64::MAX;
/// Below so many entries the agenda is not put in order again.
const AGENDA_MIN: usize = 1 << 12;

#[derive(Debug, Clone, Copy)]
struct Entry {
    time: i64,
    key: u32,
    previous: u32,
    next: u32,
    tag: u8,
}

#[derive(Debug, Clone, Copy)]
struct Chain {
    first: u32,
    last: u32,
    due: i64,
}

const EMPTY: Chain = Chain { first: NONE, last: NONE, due: NEVER };

/// Rows by key and time.
#[derive(Debug, Clone)]
pub struct TimedTable {
    core: Core,
    chains: Vec<Chain>,
    rows: RowArena,
    entries: Vec<Entry>,
    agenda: Agenda,
    /// With more entries most may not count any more.
    agenda_max: usize,
}

impl TimedTable {
    /// An empty table.
    pub fn new(key_groups: u32) -> Self {
        TimedTable {
            core: Core::new(key_groups),
            chains: Vec::new(),
            rows: RowArena::default(),
            entries: Vec::new(),
            agenda: Agenda::default(),
            agenda_max: AGENDA_MIN,
        }
    }

    /// The number of a key, if it lives; it is brought back if it was moved out.
    #[inline]
    pub fn find(&mut self, key_hash: u64, key: &[u8]) -> Option<u32> {
        self.load(key_hash, key)
    }

    /// The number of a key; a new key must get a row or be made due before the next call.
    #[inline]
    pub fn resolve(&mut self, key_hash: u64, key: &[u8]) -> u32 {
        self.load_or_add(key_hash, key)
    }

    /// The bytes of a key.
    pub fn key(&self, key: u32) -> &[u8] {
        self.core.keys.key(key)
    }

    /// The hash of a key.
    pub fn key_hash(&self, key: u32) -> u64 {
        self.core.keys.hash(key)
    }

    /// Adds a row behind those of its time; gives its number.
    pub fn insert(&mut self, key: u32, time: i64, tag: u8, row: &[u8]) -> u32 {
        self.core.tracking.touch(key);
        let id = self.rows.push(row);
        let mut previous = self.chains[key as usize].last;
        while previous != NONE && self.entries[previous as usize].time > time {
            previous = self.entries[previous as usize].previous;
        }
        let next = match previous {
            NONE => self.chains[key as usize].first,
            previous => self.entries[previous as usize].next,
        };
        let entry = Entry { time, key, previous, next, tag };
        match self.entries.get_mut(id as usize) {
            Some(place) => *place = entry,
            None => self.entries.push(entry),
        }
        self.set_next(key, previous, id);
        self.set_previous(key, next, id);
        id
    }

    fn set_next(&mut self, key: u32, id: u32, next: u32) {
        match id {
            NONE => self.chains[key as usize].first = next,
            id => self.entries[id as usize].next = next,
        }
    }

    fn set_previous(&mut self, key: u32, id: u32, previous: u32) {
        match id {
            NONE => self.chains[key as usize].last = previous,
            id => self.entries[id as usize].previous = previous,
        }
    }

    /// The first row of a key.
    #[inline]
    pub fn first(&self, key: u32) -> Option<u32> {
        some(self.chains[key as usize].first)
    }

    /// The last row of a key.
    #[inline]
    pub fn last(&self, key: u32) -> Option<u32> {
        some(self.chains[key as usize].last)
    }

    /// The row behind a row.
    #[inline]
    pub fn next(&self, id: u32) -> Option<u32> {
        some(self.entries[id as usize].next)
    }

    /// The row in front of a row.
    #[inline]
    pub fn previous(&self, id: u32) -> Option<u32> {
        some(self.entries[id as usize].previous)
    }

    /// The rows of a key in the order of their times.
    pub fn of_key(&self, key: u32) -> impl Iterator<Item = u32> {
        std::iter::successors(self.first(key), |&id| self.next(id))
    }

    /// Takes a row out of its key's chain. It can still be read until [`TimedTable::free`]. The key stays.
    pub fn unlink(&mut self, key: u32, id: u32) {
        self.core.tracking.touch(key);
        let Entry { previous, next, .. } = self.entries[id as usize];
        self.set_next(key, previous, next);
        self.set_previous(key, next, previous);
    }

    /// Gives up an unlinked row.
    pub fn free(&mut self, id: u32) {
        self.rows.remove(id);
    }

    /// Takes a row out and gives it up.
    pub fn remove(&mut self, key: u32, id: u32) {
        self.unlink(key, id);
        self.free(id);
    }

    /// Gives up a key if it has no row and is not due; whether it did.
    pub fn release(&mut self, key: u32) -> bool {
        let Chain { first, due, .. } = self.chains[key as usize];
        let idle = first == NONE && due == NEVER;
        if idle {
            self.drop_key(key);
        }
        idle
    }

    /// When a key is due.
    #[inline]
    pub fn due(&self, key: u32) -> Option<i64> {
        Some(self.chains[key as usize].due).filter(|&due| due != NEVER)
    }

    /// Makes a key due at another time.
    #[inline]
    pub fn set_due(&mut self, key: u32, time: i64) {
        self.core.tracking.touch(key);
        self.chains[key as usize].due = time;
        if time != NEVER {
            self.agenda.push(time, key);
            if self.agenda.len() > self.agenda_max {
                self.order_agenda();
            }
        }
    }

    /// Makes a key not due.
    pub fn unset_due(&mut self, key: u32) {
        self.core.tracking.touch(key);
        self.chains[key as usize].due = NEVER;
    }

    /// The time at which the first key is due, or one before it.
    #[inline]
    pub fn next_due(&self) -> Option<i64> {
        let next = self.agenda.first().map(|(time, _)| time);
        next.into_iter().chain(self.core.first_due_out()).min()
    }

    /// Takes the first key that is due at or before a time; it is not due any more.
    pub fn pop_due(&mut self, until: i64) -> Option<(i64, u32)> {
        loop {
            let next = self.agenda.first().map(|(time, _)| time);
            if self.bring_due_back(until.min(next.unwrap_or(NEVER))) {
                continue;
            }
            let (time, key) = self.agenda.first().filter(|(time, _)| *time <= until)?;
            self.agenda.pop();
            if self.is_due(key, time) {
                self.unset_due(key);
                return Some((time, key));
            }
        }
    }

    fn is_due(&self, key: u32, time: i64) -> bool {
        let keys = &self.core.keys;
        (key as usize) < keys.capacity() && keys.is_live(key) && self.chains[key as usize].due == time
    }

    /// Keeps of the agenda only what counts.
    fn order_agenda(&mut self) {
        let mut due: Vec<(i64, u32)> = std::iter::from_fn(|| self.agenda.pop()).collect();
        due.retain(|&(time, key)| self.is_due(key, time));
        due.dedup();
        due.into_iter().for_each(|(time, key)| self.agenda.push(time, key));
        self.agenda_max = AGENDA_MIN.max(self.agenda.len() * 2);
    }

    /// The time of a row.
    #[inline]
    pub fn time(&self, id: u32) -> i64 {
        self.entries[id as usize].time
    }

    /// The tag of a row.
    #[inline]
    pub fn tag(&self, id: u32) -> u8 {
        self.entries[id as usize].tag
    }

    /// Gives a row another tag. An unlinked row may outlive its key.
    #[inline]
    pub fn set_tag(&mut self, id: u32, tag: u8) {
        let entry = &mut self.entries[id as usize];
        entry.tag = tag;
        if self.core.keys.is_live(entry.key) {
            self.core.tracking.touch(entry.key);
        }
    }

    /// The bytes of a row.
    #[inline]
    pub fn row(&self, id: u32) -> &[u8] {
        self.rows.get(id)
    }

    /// All numbers of rows are below this.
    pub fn capacity(&self) -> usize {
        self.rows.capacity()
    }
}

#[inline]
fn some(id: u32) -> Option<u32> {
    (id != NONE).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StateTable;
    use tidemill_types::key::hash;

    fn add(table: &mut TimedTable, key: &[u8], time: i64, row: &[u8]) -> u32 {
        let key = table.resolve(hash(key), key);
        table.insert(key, time, 0, row)
    }

    fn rows(table: &mut TimedTable, key: &[u8]) -> Vec<(i64, String)> {
        let Some(key) = table.find(hash(key), key) else { return Vec::new() };
        let text = |id| String::from_utf8(table.row(id).to_vec()).unwrap();
        table.of_key(key).map(|id| (table.time(id), text(id))).collect()
    }

    #[test]
    fn rows_stand_in_the_order_of_time_and_arrival() {
        let mut table = TimedTable::new(8);
        for (key, time, row) in
            [(b"a", 5, "x"), (b"b", 1, "y"), (b"a", 3, "z"), (b"a", 5, "w"), (b"a", 4, "v")]
        {
            add(&mut table, key, time, row.as_bytes());
        }
        let all = |pairs: &[(i64, &str)]| pairs.iter().map(|(t, r)| (*t, r.to_string())).collect::<Vec<_>>();
        let expected = all(&[(3, "z"), (4, "v"), (5, "x"), (5, "w")]);
        assert_eq!(rows(&mut table, b"a"), expected);
        let mut restored = TimedTable::new(8);
        restored.restore(&table.snapshot(0..8), 0..8).unwrap();
        assert_eq!((rows(&mut restored, b"a"), restored.len()), (expected, 5));
        let key = table.find(hash(b"a"), b"a").unwrap();
        let middle = table.next(table.first(key).unwrap()).unwrap();
        table.remove(key, middle);
        assert_eq!(rows(&mut table, b"a"), all(&[(3, "z"), (5, "x"), (5, "w")]));
        assert!(!table.release(key));
        while let Some(id) = table.first(key) {
            table.remove(key, id);
        }
        assert!(table.release(key) && table.last(0).is_none() && rows(&mut table, b"a").is_empty());
    }

    #[test]
    fn a_row_that_outlives_its_key_is_no_change() {
        let mut table = TimedTable::new(4);
        let id = add(&mut table, b"k", 1, b"row");
        table.delta(0..4, &|_| true);
        let key = table.find(hash(b"k"), b"k").unwrap();
        table.unlink(key, id);
        assert!(table.release(key));
        table.set_tag(id, 1);
        table.free(id);
        assert_eq!(table.delta(0..4, &|_| false).rows(), 1, "the key is gone, and that is all");
    }

    #[test]
    fn a_key_is_due_once_and_at_its_latest_setting() {
        let mut table = TimedTable::new(8);
        add(&mut table, b"a", 1, b"x");
        add(&mut table, b"b", 1, b"y");
        table.set_due(0, 10);
        table.set_due(1, 7);
        table.set_due(0, 5);
        let mut restored = TimedTable::new(8);
        restored.restore(&table.snapshot(0..8), 0..8).unwrap();
        for table in [&mut table, &mut restored] {
            assert_eq!(table.pop_due(4), None);
            let mut due = Vec::new();
            while let Some((time, key)) = table.pop_due(20) {
                due.push((time, table.key(key).to_vec()));
            }
            assert_eq!(due, [(5, b"a".to_vec()), (7, b"b".to_vec())]);
        }
    }
}
