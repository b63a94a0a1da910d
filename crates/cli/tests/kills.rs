//! The real binary is killed with SIGKILL at random moments under load, again and again on one state folder, and each
//! numbered row comes out exactly once: into files here, through a real Kafka broker with the feature `real-services`.
//! In between the disk is full, or the broker is gone.
//!
//! `TIDEMILL_KILLS=n` kills so often (the default is small), `TIDEMILL_BIN=path` takes another binary, such as the
//! release build, `TIDEMILL_SEED=n` other moments.

#![allow(clippy::unwrap_used)]

#[path = "kills/disk.rs"]
mod disk;
#[path = "kills/files.rs"]
mod files;
#[cfg(feature = "real-services")]
#[path = "kills/group.rs"]
mod group;
#[cfg(feature = "real-services")]
#[path = "kills/kafka.rs"]
mod kafka;
#[path = "kills/run.rs"]
mod run;

use std::collections::BTreeMap;
use std::path::Path;

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Moments under a seed.
struct Moments(u64);

impl Moments {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// The lines of all visible files in a folder.
fn visible(folder: &Path) -> Vec<serde_json::Value> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && !path.file_name().unwrap().to_string_lossy().starts_with(['.', '_']) {
            let text = std::fs::read_to_string(path).unwrap();
            lines.extend(text.lines().map(|line| serde_json::from_str(line).unwrap()));
        }
    }
    lines
}

/// Each number from 1 to `count` is there once.
fn exactly_once(numbers: impl Iterator<Item = i64>, count: i64) {
    let mut seen: BTreeMap<i64, u32> = BTreeMap::new();
    numbers.for_each(|number| *seen.entry(number).or_default() += 1);
    let doubled: Vec<_> = seen.iter().filter(|(_, times)| **times > 1).take(5).collect();
    let lost: Vec<_> = (1..=count).filter(|number| !seen.contains_key(number)).take(5).collect();
    assert!(
        doubled.is_empty() && lost.is_empty(),
        "doubled {doubled:?}, lost {lost:?} of {} seen",
        seen.len()
    );
    assert_eq!(seen.len() as i64, count, "no number that was not sent");
    assert!(count > 0, "something came");
}

/// More rows than any run lives to see.
const ROWS: u64 = 1_000_000_000_000;

/// The start of a pipeline: checkpoints all the time, and a table of numbered rows.
fn generated(rows_per_second: u32) -> String {
    format!(
        "SET 'execution.checkpointing.interval' = '50 ms';\n\
         CREATE TABLE g (id BIGINT, k BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '{ROWS}', \
         'rows-per-second' = '{rows_per_second}', 'fields.id.kind' = 'sequence', 'fields.id.start' = '1', \
         'fields.id.end' = '{ROWS}', 'fields.k.min' = '1', 'fields.k.max' = '50');\n"
    )
}
