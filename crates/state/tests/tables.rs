//! Tables answer the same after a snapshot and a restore, also when key groups are split among tables.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use std::collections::BTreeMap;
use tidemill_state::{
    DERIVED_PANE, GroupTable, OrderedTable, PanedTable, SessionTable, SnapshotRows, StateTable, Timers,
};
use tidemill_types::key::{EncodedKeys, hash};
use tidemill_types::{CellKind, Cells};

const GROUPS: u32 = 16;

fn keys(all: &[u8]) -> (EncodedKeys, Vec<u64>) {
    let mut keys = EncodedKeys::default();
    for key in all {
        keys.bytes.extend(format!("key-{key}").as_bytes());
        keys.ends.push(keys.bytes.len() as u32);
    }
    let hashes = keys.iter().map(hash).collect();
    (keys, hashes)
}

fn count(cells: &mut Cells, slot: u32) -> &mut i64 {
    match cells {
        Cells::I64(values) => &mut values[slot as usize],
        _ => panic!("the first column counts"),
    }
}

/// Restores a snapshot into two tables with half of the key groups each.
fn halves<T: StateTable>(table: &T, make: impl Fn() -> T) -> [T; 2] {
    let bytes = table.snapshot(0..GROUPS).encode();
    let rows = SnapshotRows::decode(&bytes).unwrap();
    assert_eq!(rows.rows(), table.len());
    let half = |groups| {
        let mut half = make();
        half.restore(&rows, groups).unwrap();
        half
    };
    let halves = [half(0..GROUPS / 2), half(GROUPS / 2..GROUPS)];
    assert_eq!(halves[0].len() + halves[1].len(), table.len(), "each row is in one half");
    halves
}

/// A table whose keys have eight bytes each.
fn counted(numbers: std::ops::Range<u64>, table: &mut GroupTable) {
    let mut keys = EncodedKeys::default();
    for number in numbers {
        keys.bytes.extend(number.to_be_bytes());
        keys.ends.push(keys.bytes.len() as u32);
    }
    let hashes: Vec<u64> = keys.iter().map(hash).collect();
    let mut slots = Vec::new();
    table.resolve(&keys, &hashes, 0, &mut slots);
    for &slot in &slots {
        *count(&mut table.values.cells[0], slot) += 1 << (slot % 60);
    }
}

#[test]
fn where_most_rows_changed_all_are_saved() {
    let make = || GroupTable::new(&[CellKind::I64, CellKind::I64], 0, 0, GROUPS);
    let mut table = make();
    counted(0..4000, &mut table);
    table.delta(0..GROUPS, &|_| false);
    counted(0..2900, &mut table);
    let changes = table.delta(0..GROUPS, &|_| false);
    assert_eq!((changes.rows(), changes.sections.iter().any(|section| section.whole)), (2900, false));
    counted(0..3100, &mut table);
    let all = SnapshotRows::decode(&table.delta(0..GROUPS, &|_| false).encode()).unwrap();
    assert_eq!((all.rows(), all.sections.iter().all(|section| section.whole)), (4000, true));
    let mut restored = make();
    restored.restore(&all, 0..GROUPS).unwrap();
    let mut expected = table.values.cells[0].clone();
    for slot in table.slots() {
        let other = restored.lookup(table.key(slot)).unwrap();
        assert_eq!(count(&mut restored.values.cells[0], other), count(&mut expected, slot));
    }
    assert_eq!(restored.delta(0..GROUPS, &|_| false).rows(), 0, "what was restored is saved");
}

proptest! {
    #[test]
    fn groups(steps in prop::collection::vec((0u8..30, any::<bool>()), 1..200)) {
        let make = || GroupTable::new(&[CellKind::I64, CellKind::Bytes, CellKind::Multiset], 1, 0, GROUPS);
        let (mut table, mut model) = (make(), BTreeMap::<Vec<u8>, i64>::new());
        let mut slots = Vec::new();
        for (key, remove) in steps {
            let (keys, hashes) = keys(&[key]);
            table.resolve(&keys, &hashes, 0, &mut slots);
            if remove {
                table.remove(slots[0]);
                model.remove(keys.key(0));
            } else {
                *count(&mut table.values.cells[0], slots[0]) += 1;
                table.values.sets[0].add(slots[0], hash(&[key]), &[key], 1);
                *model.entry(keys.key(0).to_vec()).or_default() += 1;
            }
        }
        let mut restored = BTreeMap::new();
        for mut half in halves(&table, make) {
            for slot in half.slots().collect::<Vec<_>>() {
                let seen = *count(&mut half.values.cells[0], slot);
                prop_assert_eq!(half.values.sets[0].entries(slot).map(|entry| entry.1).sum::<i64>(), seen);
                prop_assert_eq!(half.lookup(half.key(slot)), Some(slot));
                restored.insert(half.key(slot).to_vec(), seen);
            }
        }
        prop_assert_eq!(restored, model);
    }

    #[test]
    fn panes(steps in prop::collection::vec((0i64..5, prop::collection::vec(0u8..60, 0..40), 0u8..8), 1..40)) {
        let make = || PanedTable::new(&[CellKind::I64], 0, GROUPS);
        let (mut table, mut model) = (make(), BTreeMap::<(i64, Vec<u8>), i64>::new());
        let (mut ids, mut slots) = (Vec::new(), Vec::new());
        for (pane, rows, drop) in steps {
            let (keys, hashes) = keys(&rows);
            table.sweep(10);
            table.intern(&keys, &hashes, &mut ids);
            slots.clear();
            table.slots((pane, pane - 1), &ids, &mut slots);
            table.slots(DERIVED_PANE, &ids, &mut Vec::new());
            slots.iter().for_each(|&slot| *count(&mut table.values.cells[0], slot) += 1);
            keys.iter().for_each(|key| *model.entry((pane, key.to_vec())).or_default() += 1);
            match drop {
                0 => {
                    table.drop_pane((pane, pane - 1));
                    model.retain(|key, _| key.0 != pane);
                }
                1 => {
                    table.retain((pane, pane - 1), |values, slot| {
                        matches!(&values.cells[0], Cells::I64(counts) if counts[slot as usize] % 2 == 0)
                    });
                    model.retain(|key, count| key.0 != pane || *count % 2 == 0);
                }
                2 => table.drop_pane(DERIVED_PANE),
                _ => {}
            }
        }
        table.drop_pane(DERIVED_PANE);
        let mut restored = BTreeMap::new();
        for mut half in halves(&table, make) {
            for pane in half.panes().collect::<Vec<_>>() {
                for slot in half.pane(pane).to_vec() {
                    let key = (pane.0, half.key(slot).to_vec());
                    restored.insert(key, *count(&mut half.values.cells[0], slot));
                }
            }
        }
        prop_assert_eq!(restored, model);
    }
}

#[test]
fn rows_stay_in_order_within_their_key() {
    let make = || OrderedTable::new(GROUPS);
    let mut table = make();
    for (key, sort, row) in [("a", "2", "x"), ("a", "1", "y"), ("ab", "0", "z"), ("", "9", "w")] {
        assert_eq!(table.insert(key.as_bytes(), sort.as_bytes(), row.as_bytes()), None);
    }
    assert_eq!(table.insert(b"a", b"2", b"v").as_deref(), Some(&b"x"[..]));
    let rows = |table: &OrderedTable, key: &str| {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        table.range(key.as_bytes()).map(|(sort, row)| text(sort) + &text(row)).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(["", "a", "ab", "b"].map(|key| rows(&table, key)), ["9w", "1y 2v", "0z", ""]);
    let halves = halves(&table, make);
    assert!(halves.iter().any(|half| rows(half, "a") == "1y 2v"));
    assert_eq!(table.take_below(b"a", b"2").len(), 1);
    assert_eq!((rows(&table, "a"), table.keys().len()), ("2v".into(), 3));
}

#[test]
fn timers_are_due_in_order() {
    let make = || Timers::new(GROUPS);
    let mut timers = make();
    [(5, "a"), (-3, "b"), (5, "b"), (9, "a"), (7, "c")]
        .iter()
        .for_each(|&(t, k)| timers.set(t, k.as_bytes()));
    timers.unset(7, b"c");
    let due: Vec<i64> = halves(&timers, make).iter().filter_map(Timers::next).collect();
    assert!(due.contains(&-3));
    let mut order = Vec::new();
    while let Some((time, key)) = timers.pop(5) {
        order.push((time, key[0]));
    }
    assert_eq!(order, [(-3, b'b'), (5, b'a'), (5, b'b')]);
    assert_eq!(timers.next(), Some(9));
}

#[test]
fn groups_expire_and_sessions_grow() {
    let mut table = GroupTable::new(&[CellKind::I64], 0, 100, GROUPS);
    let (keys, hashes) = keys(&[1]);
    let mut slots = Vec::new();
    table.resolve(&keys, &hashes, 0, &mut slots);
    *count(&mut table.values.cells[0], slots[0]) = 7;
    table.resolve(&keys, &hashes, 99, &mut slots);
    assert_eq!(*count(&mut table.values.cells[0], slots[0]), 7);
    table.resolve(&keys, &hashes, 199, &mut slots);
    assert_eq!(*count(&mut table.values.cells[0], slots[0]), 0);
    table.expire(299);
    assert!(table.is_empty());

    let make = || SessionTable::new(&[CellKind::I64], 0, GROUPS);
    let mut sessions = make();
    let mut ids = Vec::new();
    sessions.intern(&keys, &hashes, &mut ids);
    sessions.open(ids[0], 0, 10);
    sessions.open(ids[0], 20, 30);
    assert_eq!(sessions.touching(ids[0], 10, 19), 0..1);
    assert_eq!(sessions.touching(ids[0], 11, 19), 1..1);
    sessions.grow(ids[0], 0, 10, 19);
    assert_eq!(sessions.next_end(), Some(19));
    let mut ends: Vec<Option<i64>> = halves(&sessions, make).iter_mut().map(SessionTable::next_end).collect();
    ends.sort();
    assert_eq!(ends, [None, Some(19)]);
    assert_eq!(sessions.pop().map(|(_, session)| (session.start, session.end)), Some((0, 19)));
    assert_eq!(sessions.next_end(), Some(30));
}
