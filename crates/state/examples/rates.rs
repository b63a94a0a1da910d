//! How fast tables are written and come back: `cargo run --release -p tidemill-state --example rates [keys]`.
//!
//! Groups with a count and a sum, with one value of text, in panes, and rows of a join side; on one thread, and restored on
//! two threads with half of the key groups each. Times are CPU times; those of two threads are the longer one.

#[path = "support/cpu.rs"]
mod cpu;

use cpu::Moment;
use std::time::Duration;
use tidemill_state::{GroupTable, JoinTable, OrderedTable, PanedTable, SnapshotRows, StateTable};
use tidemill_types::key::{EncodedKeys, hash};
use tidemill_types::{CellKind, Cells};

/// The allocator of the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const GROUPS: u32 = 128;
const CHUNK: usize = 4_096;

fn main() {
    let keys: usize = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    counts(keys);
    texts(keys);
    panes(keys);
    sides(keys);
    ordered(keys);
}

fn key(i: usize) -> [u8; 9] {
    let mut key = [1; 9];
    key[1..].copy_from_slice(&(i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    key
}

fn text(i: usize) -> [u8; 100] {
    let mut text = [b'x'; 100];
    text[..8].copy_from_slice(&(i as u64).to_le_bytes());
    text
}

fn report(what: &str, rows: usize, bytes: usize, took: Duration) {
    let seconds = took.as_secs_f64();
    let (rows_rate, bytes_rate) = (rows as f64 / seconds / 1e6, bytes as f64 / seconds / 1e6);
    println!("{what:28} {:8.1} ms {rows_rate:8.1} M rows/s {bytes_rate:8.0} MB/s", seconds * 1e3);
}

fn encoded(keys: std::ops::Range<usize>) -> EncodedKeys {
    let mut encoded = EncodedKeys::default();
    for i in keys {
        encoded.bytes.extend(key(i));
        encoded.ends.push(encoded.bytes.len() as u32);
    }
    encoded
}

fn touch(
    table: &mut GroupTable,
    keys: std::ops::Range<usize>,
    mut each: impl FnMut(&mut GroupTable, usize, u32),
) {
    let mut slots = Vec::new();
    for start in keys.clone().step_by(CHUNK) {
        let chunk = start..(start + CHUNK).min(keys.end);
        let encoded = encoded(chunk.clone());
        let hashes: Vec<u64> = encoded.iter().map(hash).collect();
        table.resolve(&encoded, &hashes, 0, &mut slots);
        chunk.zip(&slots).for_each(|(i, &slot)| each(table, i, slot));
    }
}

fn count(table: &mut GroupTable, keys: std::ops::Range<usize>) {
    touch(table, keys, |table, i, slot| {
        for cells in &mut table.values.cells {
            if let Cells::I64(values) = cells {
                values[slot as usize] += i as i64;
            }
        }
    });
}

fn size(rows: &SnapshotRows) -> usize {
    rows.sections.iter().map(|section| section.bytes.len()).sum()
}

/// Times the checkpoints of a table and its coming back.
fn measure<T: StateTable + 'static>(name: &str, table: &mut T, make: fn() -> T, change: impl Fn(&mut T)) {
    let timed = |what: &str, run: &mut dyn FnMut() -> SnapshotRows| {
        let start = Moment::now();
        let rows = run();
        report(&format!("{name} {what}"), rows.rows(), size(&rows), start.took().cpu);
        rows
    };
    timed("first delta", &mut || table.delta(0..GROUPS, &|_| false));
    change(table);
    timed("delta, all dirty", &mut || table.delta(0..GROUPS, &|_| false));
    timed("delta, none dirty", &mut || table.delta(0..GROUPS, &|_| false));
    timed("delta, four groups whole", &mut || table.delta(0..GROUPS, &|group| group < 4));
    let rows = timed("snapshot", &mut || table.snapshot(0..GROUPS));
    println!("{name:28} {:.1} bytes a row in memory", table.bytes() as f64 / table.len() as f64);
    let restore = |half| {
        let start = Moment::now();
        let mut table = make();
        table.restore(&rows, half).expect("the rows were just written");
        std::mem::forget(table);
        start.took().cpu
    };
    let took = std::thread::scope(|scope| {
        let halves = [0..GROUPS / 2, GROUPS / 2..GROUPS];
        let threads = halves.map(|half| scope.spawn(|| restore(half)));
        threads.into_iter().map(|thread| thread.join().expect("it does not panic")).max()
    });
    report(&format!("{name} restore, 2 threads"), rows.rows(), size(&rows), took.unwrap_or_default());
}

fn counts(keys: usize) {
    let make = || GroupTable::new(&[CellKind::I64, CellKind::I64], 0, 0, GROUPS);
    let mut table = make();
    count(&mut table, 0..keys);
    measure("count+sum", &mut table, make, |table| count(table, 0..keys));
    let start = Moment::now();
    count(&mut table, 0..keys);
    report("count+sum update", keys, 0, start.took().cpu);
}

fn texts(keys: usize) {
    let make = || GroupTable::new(&[CellKind::Bytes], 0, 0, GROUPS);
    let mut table = make();
    let write = |table: &mut GroupTable| {
        touch(table, 0..keys, |table, i, slot| {
            if let Cells::Bytes(values) = &mut table.values.cells[0] {
                values[slot as usize] = Some(text(i)[..87].into());
            }
        });
    };
    write(&mut table);
    measure("100 bytes", &mut table, make, write);
}

fn panes(keys: usize) {
    let make = || PanedTable::new(&[CellKind::I64, CellKind::I64], 0, GROUPS);
    let mut table = make();
    let write = |table: &mut PanedTable| {
        let (mut ids, mut slots) = (Vec::new(), Vec::new());
        for start in (0..keys).step_by(CHUNK) {
            let encoded = encoded(start..(start + CHUNK).min(keys));
            let hashes: Vec<u64> = encoded.iter().map(hash).collect();
            table.intern(&encoded, &hashes, &mut ids);
            let pane = (start as i64 / 100_000 * 1_000, start as i64 / 100_000 * 1_000 - 1_000);
            slots.clear();
            table.slots(pane, &ids, &mut slots);
            for cells in &mut table.values.cells {
                if let Cells::I64(values) = cells {
                    slots.iter().for_each(|&slot| values[slot as usize] += i64::from(slot));
                }
            }
        }
    };
    write(&mut table);
    measure("panes", &mut table, make, write);
}

fn sides(keys: usize) {
    let make = || JoinTable::new(tidemill_state::JoinRows::Counted, 0, GROUPS);
    let mut table = make();
    for i in 0..keys {
        table.add((hash(&key(i)), &key(i)), &text(i), &text(i), 0, 0);
    }
    measure("join side", &mut table, make, |table| {
        (0..keys).for_each(|i| table.add((hash(&key(i)), &key(i)), &text(i), &text(i), 0, 0));
    });
}

fn ordered(keys: usize) {
    let make = || OrderedTable::new(GROUPS);
    let mut table = make();
    let write = |table: &mut OrderedTable| {
        for i in 0..keys {
            table.insert(&key(i), &[], &text(i));
        }
    };
    write(&mut table);
    measure("ordered", &mut table, make, write);
}
