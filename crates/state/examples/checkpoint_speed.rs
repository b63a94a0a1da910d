//! How fast a checkpoint is written and loaded:
//!
//! ```text
//! cargo run --release -p tidemill-state --example checkpoint_speed -- FOLDER|URL [MEGABYTES]
//! ```
//!
//! The folder must be new. The rows come from memory and, locally, loading reads the page cache.

#![allow(clippy::unwrap_used, reason = "a tool for developers that ends where it fails")]

use bytes::Bytes;
use std::time::Instant;
use tidemill_state::SnapshotRows;
use tidemill_state::checkpoint::{Chains, Manifest, StateFolder};
use tidemill_state::snapshot::Section;

const GROUPS: u32 = 128;
const TASKS: u32 = 2;
const TABLES: [&str; 2] = ["groups", "timers"];

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let location = args.next().expect("a folder or URL");
    let megabytes: usize = args.next().map_or(1024, |text| text.parse().unwrap());
    let store = StateFolder::open(&location).unwrap().job("speed").unwrap();
    assert!(store.load().await.unwrap().is_none(), "the folder is not new");

    let group_bytes = megabytes * 1_000_000 / (GROUPS as usize * TABLES.len());
    let bytes: Vec<u8> =
        (0..group_bytes as u64).map(|at| (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect();
    let bytes = Bytes::from(bytes);
    let section = |group| Section { group, rows: 1, whole: true, bytes: bytes.clone(), ..Section::default() };
    let (started, mut chains) = (Instant::now(), Chains::default());
    let writer = store.begin(1);
    for (task, table) in (0..TASKS).flat_map(|task| TABLES.map(|table| (task, table))) {
        let groups = task * GROUPS / TASKS..(task + 1) * GROUPS / TASKS;
        let rows = SnapshotRows { schema: 1, sections: groups.map(section).collect() };
        let segment = writer.append(&rows).await.unwrap();
        chains.add("operator", table, &rows, segment);
    }
    writer.finish().await.unwrap();
    let tables = chains.tables(|_, _| u64::from(GROUPS));
    let manifest = Manifest { job: "speed".into(), epoch: 1, tables, ..Manifest::default() };
    store.publish(&manifest).await.unwrap();
    report("written", megabytes, started);

    for _ in 0..3 {
        let started = Instant::now();
        let loaded = store.load().await.unwrap().unwrap();
        report("loaded", megabytes, started);
        assert_eq!(loaded.tables.len(), TABLES.len());
    }
}

fn report(what: &str, megabytes: usize, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    println!("{what}: {megabytes} MB in {seconds:.2} s, {:.2} GB/s", megabytes as f64 / 1000.0 / seconds);
}
