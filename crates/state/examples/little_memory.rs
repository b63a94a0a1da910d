//! What state larger than memory costs: `cargo run --release -p tidemill-state --example little_memory [keys] [MB]`.
//!
//! Groups with a count and a sum are made and then counted up, all keys evenly and 19 of 20 rows on one key in
//! twenty; without a budget and with so many MB, where the rest is on disk.

use std::path::Path;
use std::time::Instant;
use tidemill_state::{GroupTable, MemoryBudget, StateTable};
use tidemill_types::key::{EncodedKeys, hash};
use tidemill_types::{CellKind, Cells};

/// The allocator of the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CHUNK: u64 = 4_096;

fn main() {
    let argument = |at| std::env::args().nth(at).and_then(|text| text.parse::<u64>().ok());
    let (keys, megabytes) = (argument(1).unwrap_or(4_000_000), argument(2).unwrap_or(64));
    run("in memory", keys, None);
    let budget = MemoryBudget::new((megabytes as usize) << 20, Path::new("target"));
    run(&format!("with {megabytes} MB"), keys, Some(&budget));
}

fn run(name: &str, keys: u64, budget: Option<&MemoryBudget>) {
    let mut table = GroupTable::new(&[CellKind::I64, CellKind::I64], 0, 0, 128);
    budget.into_iter().for_each(|budget| table.set_budget(budget));
    let mut random = 1u64;
    let mut next = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        random >> 33
    };
    time(name, "made", &mut table, keys, |i| i);
    time(name, "counted, evenly", &mut table, keys / 4, |_| next() % keys);
    time(name, "counted, 95 % on 5 %", &mut table, keys, |_| match next() % 20 {
        0 => next() % keys,
        _ => next() % (keys / 20),
    });
    let start = Instant::now();
    let rows = table.delta(0..128, &|_| true).rows();
    println!("{name:12} {:22} {:6.2} M rows/s", "all of it saved", rate(rows as u64, start));
    println!("{name:12} {:22} {:6} MB", "memory of the table", table.bytes() >> 20);
}

fn rate(rows: u64, start: Instant) -> f64 {
    rows as f64 / start.elapsed().as_secs_f64() / 1e6
}

fn time(name: &str, what: &str, table: &mut GroupTable, rows: u64, mut key: impl FnMut(u64) -> u64) {
    let (mut keys, mut slots) = (EncodedKeys::default(), Vec::new());
    let start = Instant::now();
    for first in (0..rows).step_by(CHUNK as usize) {
        keys.bytes.clear();
        keys.ends.clear();
        for i in first..(first + CHUNK).min(rows) {
            keys.bytes.extend_from_slice(&key(i).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
            keys.ends.push(keys.bytes.len() as u32);
        }
        let hashes: Vec<u64> = keys.iter().map(hash).collect();
        table.resolve(&keys, &hashes, 0, &mut slots);
        for cells in &mut table.values.cells {
            if let Cells::I64(values) = cells {
                slots.iter().for_each(|&slot| values[slot as usize] += 1);
            }
        }
        table.tend().expect("the disk takes what memory does not");
    }
    println!("{name:12} {what:22} {:6.2} M rows/s", rate(rows, start));
}
