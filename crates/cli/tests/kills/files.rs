//! From generated rows into files, with rows that pass through and counts that are kept in state.

use crate::disk::SmallDisk;
use crate::run::Run;
use crate::{exactly_once, generated, visible};
use std::collections::BTreeMap;

#[test]
fn files_hold_each_row_once_whenever_the_run_is_killed() {
    let mut disk = SmallDisk::new();
    let place = disk.path();
    let sql = generated(40_000)
        + "CREATE TABLE passed (id BIGINT, k BIGINT) WITH ('connector' = 'filesystem', 'path' = 'passed', 'format' = 'json');\n\
           CREATE TABLE counted (k BIGINT, n BIGINT) WITH ('connector' = 'filesystem', 'path' = 'counted', 'format' = 'debezium-json');\n\
           BEGIN STATEMENT SET;\n\
           INSERT INTO passed SELECT id, k FROM g;\n\
           INSERT INTO counted SELECT k, COUNT(*) FROM g GROUP BY k;\nEND;";
    std::fs::write(place.join("p.sql"), sql).unwrap();
    let mut run = Run::new(&place, "p.sql");
    let kills = run.kill_again_and_again(&mut disk);
    run.stop();
    let passed = visible(&place.join("passed"));
    let rows = passed.len() as i64;
    exactly_once(passed.iter().map(|row| row["id"].as_i64().unwrap()), rows);
    let mut counts: BTreeMap<i64, i64> = BTreeMap::new();
    passed.iter().for_each(|row| *counts.entry(row["k"].as_i64().unwrap()).or_default() += 1);
    let mut counted: BTreeMap<i64, i64> = BTreeMap::new();
    for change in visible(&place.join("counted")) {
        for (side, sign) in [("before", -1), ("after", 1)] {
            if let Some(key) = change[side]["k"].as_i64() {
                *counted.entry(key).or_default() += sign * change[side]["n"].as_i64().unwrap();
            }
        }
    }
    assert_eq!(counted, counts, "the counts that survived are those of the rows that passed");
    println!("files: {rows} rows, {kills} kills");
}
