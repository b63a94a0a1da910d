//! The kinds of tables with something to do to each, and what they hold in a form that can be compared.

use std::collections::BTreeMap;
use tidemill_state::{
    DERIVED_PANE, GroupTable, JoinRows, JoinTable, OrderedTable, PanedTable, SessionTable, StateTable,
    TimedTable, Timers,
};
use tidemill_types::key::{EncodedKeys, hash};
use tidemill_types::{CellKind, Cells};

pub const GROUPS: u32 = 16;

/// A table under test.
pub trait Tested {
    type Content: std::fmt::Debug
        + Clone
        + PartialEq
        + IntoIterator
        + Extend<<Self::Content as IntoIterator>::Item>;

    fn make() -> Self;
    fn table(&mut self) -> &mut dyn StateTable;
    fn change(&mut self, key: u8, action: u8, value: i64, now_ms: i64);
    /// What it holds at this time.
    fn content(&mut self, now_ms: i64) -> Self::Content;

    /// The content of several tables together.
    fn union(all: Vec<Self::Content>) -> Self::Content {
        let mut all = all.into_iter();
        let mut first = all.next().unwrap();
        all.for_each(|content| first.extend(content));
        first
    }
}

pub fn keys(key: u8) -> (EncodedKeys, Vec<u64>) {
    let mut keys = EncodedKeys::default();
    keys.bytes.extend(format!("key-{key}").as_bytes());
    keys.ends.push(keys.bytes.len() as u32);
    let hashes = keys.iter().map(hash).collect();
    (keys, hashes)
}

pub fn number(cells: &mut Cells, slot: u32) -> &mut i64 {
    match cells {
        Cells::I64(values) => &mut values[slot as usize],
        _ => panic!("the first column is of numbers"),
    }
}

fn group_change(table: &mut GroupTable, key: u8, action: u8, value: i64, now_ms: i64) {
    let (keys, hashes) = keys(key);
    let mut slots = Vec::new();
    table.resolve(&keys, &hashes, now_ms, &mut slots);
    let slot = slots[0];
    match action {
        0 | 1 => table.remove(slot),
        2 => table.expire(now_ms),
        _ => {
            *number(&mut table.values.cells[0], slot) += value;
            if let Cells::Bytes(cells) = &mut table.values.cells[1] {
                cells[slot as usize] = (value % 3 > 0).then(|| value.to_string().into_bytes().into());
            }
            table.values.sets[0].add(slot, hash(&[value as u8]), &[value as u8], 1);
        }
    }
}

type Group = (i64, Option<Box<[u8]>>, BTreeMap<Vec<u8>, i64>);

fn group_content(table: &mut GroupTable) -> BTreeMap<Vec<u8>, Group> {
    let mut all = BTreeMap::new();
    for slot in table.more_slots() {
        let bytes = match &table.values.cells[1] {
            Cells::Bytes(cells) => cells[slot as usize].clone(),
            _ => None,
        };
        let set = table.values.sets[0].entries(slot).map(|(value, count)| (value.to_vec(), count)).collect();
        let sum = *number(&mut table.values.cells[0], slot);
        all.insert(table.key(slot).to_vec(), (sum, bytes, set));
    }
    all
}

pub struct Groups(GroupTable);

impl Tested for Groups {
    type Content = BTreeMap<Vec<u8>, Group>;

    fn make() -> Self {
        Groups(GroupTable::new(&[CellKind::I64, CellKind::Bytes], 1, 0, GROUPS))
    }

    fn table(&mut self) -> &mut dyn StateTable {
        &mut self.0
    }

    fn change(&mut self, key: u8, action: u8, value: i64, now_ms: i64) {
        group_change(&mut self.0, key, action, value, now_ms);
    }

    fn content(&mut self, _now_ms: i64) -> Self::Content {
        group_content(&mut self.0)
    }
}

/// Groups with a time to live.
pub struct ExpiringGroups(GroupTable);

impl Tested for ExpiringGroups {
    type Content = BTreeMap<Vec<u8>, Group>;

    fn make() -> Self {
        ExpiringGroups(GroupTable::new(&[CellKind::I64, CellKind::Bytes], 1, 20, GROUPS))
    }

    fn table(&mut self) -> &mut dyn StateTable {
        &mut self.0
    }

    fn change(&mut self, key: u8, action: u8, value: i64, now_ms: i64) {
        group_change(&mut self.0, key, action, value, now_ms);
    }

    /// What expired may or may not be there; so it is given up first.
    fn content(&mut self, now_ms: i64) -> Self::Content {
        self.0.more_slots();
        // One call ends at the last group, the next begins with the first.
        (0..2).for_each(|_| self.0.expire(now_ms));
        group_content(&mut self.0)
    }
}

pub struct Panes(PanedTable);

impl Tested for Panes {
    type Content = BTreeMap<(i64, Vec<u8>), i64>;

    fn make() -> Self {
        Panes(PanedTable::new(&[CellKind::I64], 0, GROUPS))
    }

    fn table(&mut self) -> &mut dyn StateTable {
        &mut self.0
    }

    fn change(&mut self, key: u8, action: u8, value: i64, _now_ms: i64) {
        let table = &mut self.0;
        let (keys, hashes) = keys(key);
        let (mut ids, mut slots) = (Vec::new(), Vec::new());
        let pane = (value % 4, value % 4 - 10);
        table.sweep(2);
        table.intern(&keys, &hashes, &mut ids);
        match action {
            0 => table.drop_pane(pane),
            1 => table.retain(pane, |values, slot| {
                matches!(&values.cells[0], Cells::I64(counts) if counts[slot as usize] % 2 == 0)
            }),
            2 => table.slots(DERIVED_PANE, &ids, &mut slots),
            3 => table.drop_pane(DERIVED_PANE),
            _ => {
                table.slots(pane, &ids, &mut slots);
                *number(&mut table.values.cells[0], slots[0]) += value;
            }
        }
    }

    fn content(&mut self, _now_ms: i64) -> Self::Content {
        let mut all = BTreeMap::new();
        let panes: Vec<_> = self.0.panes().collect();
        if let Some(mut walk) = self.0.moved_out(&panes) {
            while !self.0.bring_some_back(&mut walk).is_empty() {}
        }
        for pane in panes {
            for slot in self.0.pane(pane).to_vec() {
                let key = (pane.0, self.0.key(slot).to_vec());
                all.insert(key, *number(&mut self.0.values.cells[0], slot));
            }
        }
        all
    }
}

pub struct Sessions(SessionTable);

impl Tested for Sessions {
    type Content = BTreeMap<(Vec<u8>, i64), (i64, i64)>;

    fn make() -> Self {
        Sessions(SessionTable::new(&[CellKind::I64], 0, GROUPS))
    }

    fn table(&mut self) -> &mut dyn StateTable {
        &mut self.0
    }

    fn change(&mut self, key: u8, action: u8, value: i64, _now_ms: i64) {
        let table = &mut self.0;
        if action == 0 {
            if let Some((_, session)) = table.pop() {
                table.release(&[session.slot]);
            }
            return;
        }
        let (keys, hashes) = keys(key);
        let mut ids = Vec::new();
        table.sweep(2);
        table.intern(&keys, &hashes, &mut ids);
        let (start, end) = (value * 3, value * 3 + 5);
        let touching = table.touching(ids[0], start, end);
        let slot = match touching.is_empty() {
            true => table.open(ids[0], start, end),
            false => table.grow(ids[0], touching.start, start, end),
        };
        for _ in touching.start + 1..touching.end {
            let other = table.remove(ids[0], touching.start + 1);
            table.grow(ids[0], touching.start, other.start, other.end);
            table.release(&[other.slot]);
        }
        *number(&mut table.values.cells[0], slot) += value;
    }

    fn content(&mut self, _now_ms: i64) -> Self::Content {
        let mut all = BTreeMap::new();
        for key in 0..12 {
            let (keys, hashes) = keys(key);
            let mut ids = Vec::new();
            self.0.intern(&keys, &hashes, &mut ids);
            for session in self.0.sessions(ids[0]).to_vec() {
                let sum = *number(&mut self.0.values.cells[0], session.slot);
                all.insert((keys.key(0).to_vec(), session.start), (session.end, sum));
            }
        }
        all
    }
}

fn side_change(table: &mut JoinTable, key: u8, action: u8, value: i64, now_ms: i64) {
    let key = format!("key-{key}");
    let row = format!("{key}:{}", value % 5);
    let (key, row) = (key.as_bytes(), row.as_bytes());
    table.load(&EncodedKeys { bytes: key.to_vec(), ends: vec![key.len() as u32] }, &[hash(key)]);
    match action {
        0..3 => {
            table.retract(row, now_ms);
        }
        3 => {
            let ids: Vec<u32> = table.of_key(hash(key), key, now_ms).collect();
            for id in ids {
                table.change_matches(id, value, now_ms);
            }
        }
        4 => table.expire(now_ms),
        _ => table.add((hash(key), key), row, row, value, now_ms),
    }
}

/// For each key its rows in order, with count and matches.
type Joined = BTreeMap<String, Vec<(Vec<u8>, i64, i64)>>;

fn side_content(table: &mut JoinTable, now_ms: i64) -> Joined {
    let mut all = BTreeMap::new();
    for key in 0..12 {
        let (encoded, hashes) = keys(key);
        table.load(&encoded, &hashes);
        let key = format!("key-{key}");
        let rows: Vec<_> = table
            .of_key(hash(key.as_bytes()), key.as_bytes(), now_ms)
            .map(|id| (table.row(id).to_vec(), table.count(id), table.matches(id)))
            .collect();
        if !rows.is_empty() {
            all.insert(key, rows);
        }
    }
    all
}

pub struct Side(JoinTable);

impl Tested for Side {
    type Content = Joined;

    fn make() -> Self {
        Side(JoinTable::new(JoinRows::Counted, 0, GROUPS))
    }

    fn table(&mut self) -> &mut dyn StateTable {
        &mut self.0
    }

    fn change(&mut self, key: u8, action: u8, value: i64, now_ms: i64) {
        side_change(&mut self.0, key, action, value, now_ms);
    }

    fn content(&mut self, _now_ms: i64) -> Self::Content {
        side_content(&mut self.0, 0)
    }
}

/// A side with a time to live.
pub struct ExpiringSide(JoinTable);

impl Tested for ExpiringSide {
    type Content = Joined;

    fn make() -> Self {
        ExpiringSide(JoinTable::new(JoinRows::Counted, 20, GROUPS))
    }

    fn table(&mut self) -> &mut dyn StateTable {
        &mut self.0
    }

    fn change(&mut self, key: u8, action: u8, value: i64, now_ms: i64) {
        side_change(&mut self.0, key, action, value, now_ms);
    }

    fn content(&mut self, now_ms: i64) -> Self::Content {
        side_content(&mut self.0, now_ms)
    }
}

/// A side whose rows are only added.
pub struct AddedSide(JoinTable);

impl Tested for AddedSide {
    type Content = Joined;

    fn make() -> Self {
        AddedSide(JoinTable::new(JoinRows::Added, 0, GROUPS))
    }

    fn table(&mut self) -> &mut dyn StateTable {
        &mut self.0
    }

    fn change(&mut self, key: u8, _action: u8, value: i64, _now_ms: i64) {
        let key = format!("key-{}", key % 12);
        let row = format!("{key} {value}");
        self.0.add((hash(key.as_bytes()), key.as_bytes()), &[], row.as_bytes(), 0, 0);
    }

    fn content(&mut self, _now_ms: i64) -> Self::Content {
        side_content(&mut self.0, 0)
    }
}

/// A side whose rows are unique by a part of them.
pub struct UniqueSide(JoinTable);

impl Tested for UniqueSide {
    type Content = Joined;

    fn make() -> Self {
        UniqueSide(JoinTable::new(JoinRows::Unique, 0, GROUPS))
    }

    fn table(&mut self) -> &mut dyn StateTable {
        &mut self.0
    }

    fn change(&mut self, key: u8, action: u8, value: i64, now_ms: i64) {
        if action < 5 {
            return side_change(&mut self.0, key, action, value, now_ms);
        }
        let key = format!("key-{key}");
        let (identity, row) = (format!("{key}:{}", value % 5), format!("{key} {value}"));
        self.0.add((hash(key.as_bytes()), key.as_bytes()), identity.as_bytes(), row.as_bytes(), 0, now_ms);
    }

    fn content(&mut self, _now_ms: i64) -> Self::Content {
        side_content(&mut self.0, 0)
    }
}

/// Rows in the order of their times.
pub struct Timed(TimedTable);

impl Tested for Timed {
    /// For each key when it is due, and its rows with time and tag.
    type Content = BTreeMap<Vec<u8>, (Option<i64>, Vec<(i64, u8, Vec<u8>)>)>;

    fn make() -> Self {
        Timed(TimedTable::new(GROUPS))
    }

    fn table(&mut self) -> &mut dyn StateTable {
        &mut self.0
    }

    fn change(&mut self, key: u8, action: u8, value: i64, now_ms: i64) {
        let table = &mut self.0;
        let found = table.find(hash(&[key]), &[key]);
        match (action, found) {
            (0, Some(found)) => {
                if let Some(id) = table.first(found) {
                    table.remove(found, id);
                }
                table.release(found);
            }
            (1, Some(found)) => {
                if let Some(id) = table.last(found) {
                    table.set_tag(id, value as u8);
                }
            }
            (2, _) => {
                if let Some((_, due)) = table.pop_due(now_ms) {
                    table.release(due);
                }
            }
            (3, Some(found)) => table.set_due(found, now_ms + value),
            _ => {
                let found = table.resolve(hash(&[key]), &[key]);
                table.insert(found, value % 7, action, value.to_string().as_bytes());
            }
        }
    }

    fn content(&mut self, _now_ms: i64) -> Self::Content {
        let table = &mut self.0;
        let keys: Vec<u32> = (0..=u8::MAX).filter_map(|key| table.find(hash(&[key]), &[key])).collect();
        let row = |id| (table.time(id), table.tag(id), table.row(id).to_vec());
        keys.into_iter()
            .map(|key| (table.key(key).to_vec(), (table.due(key), table.of_key(key).map(row).collect())))
            .collect()
    }
}

pub struct Ordered(OrderedTable);

impl Tested for Ordered {
    type Content = BTreeMap<(Vec<u8>, Vec<u8>), Vec<u8>>;

    fn make() -> Self {
        Ordered(OrderedTable::new(GROUPS))
    }

    fn table(&mut self) -> &mut dyn StateTable {
        &mut self.0
    }

    fn change(&mut self, key: u8, action: u8, value: i64, now_ms: i64) {
        // Few keys get many rows, so that lists become trees.
        let key = [key / 4];
        let sort_key = (value * 3 + i64::from(action)).to_be_bytes();
        match action {
            0 => drop(self.0.remove(&key, &sort_key)),
            1 => drop(self.0.take_below(&key, &(value / 2).to_be_bytes())),
            _ => drop(self.0.insert(&key, &sort_key, now_ms.to_string().as_bytes())),
        }
    }

    fn content(&mut self, _now_ms: i64) -> Self::Content {
        let mut all = BTreeMap::new();
        self.0.for_each(|key, sort, row| {
            all.insert((key.to_vec(), sort.to_vec()), row.to_vec());
        });
        assert_eq!(all.len(), self.0.len());
        for key in 0..3 {
            self.0.load_one(&[key]);
            let rows: Vec<_> =
                self.0.range(&[key]).map(|(sort, row)| (sort.to_vec(), row.to_vec())).collect();
            let known = all.iter().filter(|((of, _), _)| of == &[key]);
            let known: Vec<_> = known.map(|((_, sort), row)| (sort.clone(), row.clone())).collect();
            assert_eq!(rows, known);
        }
        all
    }
}

pub struct Due(Timers);

impl Tested for Due {
    type Content = Vec<(i64, Box<[u8]>)>;

    fn make() -> Self {
        Due(Timers::new(GROUPS))
    }

    fn table(&mut self) -> &mut dyn StateTable {
        &mut self.0
    }

    fn change(&mut self, key: u8, action: u8, value: i64, now_ms: i64) {
        match action {
            0 => drop(self.0.pop(now_ms)),
            1 | 2 => self.0.unset(value, &[key]),
            _ => self.0.set(value, &[key]),
        }
    }

    fn content(&mut self, _now_ms: i64) -> Self::Content {
        let mut all = Vec::new();
        self.0.each_entry(&mut |entry| all.push((entry.numbers[0].1, entry.key.unwrap().into())));
        all.sort();
        all.dedup();
        all
    }

    fn union(all: Vec<Self::Content>) -> Self::Content {
        let mut all: Vec<_> = all.into_iter().flatten().collect();
        all.sort();
        all
    }
}
