//! What tables say they take is what they take, within 15 %.

#![allow(clippy::unwrap_used)]
#![allow(unsafe_code, reason = "an allocator can't be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use tidemill_state::{
    FrameTable, GroupTable, JoinTable, MatchTable, OrderedTable, PanedTable, PartialMatch, SessionTable,
    StateTable, TimedTable, Timers,
};
use tidemill_types::key::{EncodedKeys, hash};
use tidemill_types::{CellKind, Cells};

/// Allocators round up to this.
const GRAIN: usize = 8;
const KEYS: usize = 30_000;
const CHUNK: usize = 1_000;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
}

/// Counts what each thread holds.
struct Counting;

fn count(size: usize, sign: isize) {
    HELD.with(|held| held.set(held.get() + sign * size.next_multiple_of(GRAIN) as isize));
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn check<T: StateTable>(name: &str, make: impl FnOnce() -> T) {
    let before = HELD.with(Cell::get);
    let table = make();
    let held = (HELD.with(Cell::get) - before) as f64;
    let said = table.bytes() as f64;
    assert!((said / held - 1.0).abs() < 0.15, "{name} says {said}, takes {held}: {:.2}", said / held);
}

fn chunks(keys: usize) -> impl Iterator<Item = (EncodedKeys, Vec<u64>)> {
    (0..keys).step_by(CHUNK).map(move |start| {
        let mut encoded = EncodedKeys::default();
        for i in start..(start + CHUNK).min(keys) {
            encoded.bytes.extend(format!("key {i}").as_bytes());
            encoded.ends.push(encoded.bytes.len() as u32);
        }
        let hashes = encoded.iter().map(hash).collect();
        (encoded, hashes)
    })
}

fn row(i: usize) -> Vec<u8> {
    format!("row {i} ").repeat(1 + i % 9).into_bytes()
}

#[test]
fn groups() {
    check("counts", || {
        let mut table = GroupTable::new(&[CellKind::I64, CellKind::I128, CellKind::F64], 0, 0, 128);
        let mut slots = Vec::new();
        chunks(KEYS).for_each(|(keys, hashes)| table.resolve(&keys, &hashes, 0, &mut slots));
        table
    });
    check("values of any kind, with a time to live", || {
        let mut table = GroupTable::new(&[CellKind::Bytes, CellKind::Multiset], 1, 1_000, 128);
        let mut slots = Vec::new();
        for (keys, hashes) in chunks(KEYS) {
            table.resolve(&keys, &hashes, 0, &mut slots);
            for &slot in &slots {
                let (at, i) = (slot as usize, slot as usize);
                if let Cells::Bytes(values) = &mut table.values.cells[0] {
                    values[at] = (i % 5 > 0).then(|| row(i).into());
                }
                if let Cells::Multiset(values) = &mut table.values.cells[1] {
                    values[at].extend((0..i % 30).map(|n| (row(n).into(), 1)));
                }
                for n in 0..i % 4 {
                    table.values.sets[0].add(slot, hash(&row(n)), &row(n), 1);
                }
            }
        }
        table.delta(0..128, &|_| false);
        table
    });
}

/// Whatever the number of keys: in memory with the marks of what changed, and in a checkpoint.
#[test]
fn a_key_with_a_count_and_a_sum_is_small() {
    let mut table = GroupTable::new(&[CellKind::I64, CellKind::I64], 0, 0, 128);
    table.delta(0..128, &|_| true);
    let (mut keys, mut slots) = (EncodedKeys::default(), Vec::new());
    for first in (0..1_000_000u64).step_by(4_096) {
        keys.bytes.clear();
        keys.ends.clear();
        for number in first..first + 4_096 {
            keys.bytes.push(1);
            keys.bytes.extend(number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
            keys.ends.push(keys.bytes.len() as u32);
        }
        let hashes: Vec<u64> = keys.iter().map(hash).collect();
        table.resolve(&keys, &hashes, 0, &mut slots);
        for cells in &mut table.values.cells {
            let Cells::I64(values) = cells else { continue };
            slots.iter().zip(&hashes).for_each(|(&slot, &hash)| values[slot as usize] = hash as i64);
        }
        let (bytes, rows) = (table.bytes(), table.len());
        assert!(rows < 100_000 || bytes <= 64 * rows, "{bytes} bytes for {rows} keys");
    }
    let (saved, rows) = (table.delta(0..128, &|_| true).encode().len(), table.len());
    assert!(saved <= 26 * rows, "{saved} bytes of a checkpoint for {rows} keys");
}

#[test]
fn panes() {
    check("panes", || {
        let mut table = PanedTable::new(&[CellKind::I64, CellKind::I64], 0, 128);
        let (mut ids, mut slots) = (Vec::new(), Vec::new());
        for (at, (keys, hashes)) in chunks(KEYS).enumerate() {
            table.intern(&keys, &hashes, &mut ids);
            slots.clear();
            table.slots((at as i64 / 7, at as i64 / 7 - 1), &ids, &mut slots);
            table.slots((100, 99), &ids, &mut slots);
        }
        table
    });
}

#[test]
fn sessions() {
    check("sessions", || {
        let mut table = SessionTable::new(&[CellKind::I64], 0, 128);
        let mut ids = Vec::new();
        for (keys, hashes) in chunks(KEYS) {
            table.intern(&keys, &hashes, &mut ids);
            for &id in &ids {
                for n in 0..i64::from(id % 3) {
                    table.open(id, n * 100, n * 100 + 10);
                }
            }
        }
        table
    });
}

#[test]
fn join_sides() {
    check("a side", || {
        let mut table = JoinTable::new(tidemill_state::JoinRows::Counted, 0, 128);
        for i in 0..KEYS {
            let key = format!("key {}", i / 3).into_bytes();
            table.add((hash(&key), &key), &row(i), &row(i), 0, 0);
        }
        table
    });
}

#[test]
fn frames() {
    check("frames", || {
        let mut table = FrameTable::new(&[CellKind::I64, CellKind::I64], 0, 128);
        let mut slots = Vec::new();
        for (keys, hashes) in chunks(KEYS) {
            table.resolve(&keys, &hashes, &mut slots);
            for &slot in &slots {
                for n in 0..i64::from(slot % 5) {
                    if table.push(slot, n * 1_000, [&row(n as usize), b"rest"]) {
                        table.set_due(slot, n * 1_000);
                    }
                }
            }
        }
        table
    });
}

#[test]
fn timed_rows() {
    check("timed rows", || {
        let mut table = TimedTable::new(128);
        for i in 0..KEYS {
            let key = format!("key {}", i / 3).into_bytes();
            let key = table.resolve(hash(&key), &key);
            table.insert(key, i as i64, 0, &row(i));
            table.set_due(key, i as i64 + 1_000);
        }
        table
    });
}

#[test]
fn matches() {
    check("matches", || {
        let mut table = MatchTable::new(&[CellKind::I64], &[CellKind::I64], 0, 128).with_age(Some(1_000));
        let mut ids = Vec::new();
        for (keys, hashes) in chunks(KEYS) {
            table.locate(&keys, &hashes, |_| true, &mut ids);
            for &id in &ids {
                table.push_row(id);
                let cells = table.take_cells();
                let begun =
                    PartialMatch { start: 0, start_time: i64::from(id), cells, ..PartialMatch::open() };
                table.partition_mut(id).partial.insert(0, begun);
                table.queue(id);
            }
        }
        table
    });
}

#[test]
fn ordered_rows() {
    for rows_of_key in [1, 5, 40, 3_000] {
        check("ordered rows", || {
            let mut table = OrderedTable::new(128);
            for i in 0..KEYS {
                let key = format!("key {}", i / rows_of_key);
                table.insert(key.as_bytes(), &(i as u64).to_be_bytes(), &row(i));
            }
            table
        });
    }
}

#[test]
fn timers() {
    check("timers", || {
        let mut table = Timers::new(128);
        (0..KEYS).for_each(|i| table.set((i as i64 * 7_919) % 10_007, format!("key {i}").as_bytes()));
        table
    });
}
