//! The real binary is killed with SIGKILL at random moments under load, again and again on one state folder, and each
//! numbered row comes out exactly once: into files here, through a real Kafka broker with the feature `real-services`.
//!
//! `TIDEMILL_KILLS=n` kills so often (the default is small), `TIDEMILL_BIN=path` takes another binary, such as the
//! release build, `TIDEMILL_SEED=n` other moments.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How often a run is killed unless told otherwise.
const KILLS_DEFAULT: u64 = 12;
/// How long the last run may take.
const LAST_RUN_MAX: Duration = Duration::from_secs(300);

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

fn start(place: &Path, file: &str, parallelism: u64) -> Child {
    let binary = std::env::var("TIDEMILL_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_tidemill").to_string());
    let log = std::fs::OpenOptions::new().create(true).append(true).open(place.join("log")).unwrap();
    Command::new(binary)
        .args(["run", file, "--state", "state", "-p", &parallelism.to_string()])
        .current_dir(place)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Kills the pipeline as often as asked, unless it ends by itself before, and lets the last run end.
fn kill_again_and_again(place: &Path, file: &str) -> u64 {
    let kills_max = number("TIDEMILL_KILLS", KILLS_DEFAULT);
    let mut moments = Moments(number("TIDEMILL_SEED", 7));
    let mut kills = 0;
    while kills < kills_max {
        let mut child = start(place, file, 1 + moments.next(3));
        let lives = Duration::from_millis(60 + moments.next(500));
        if let Some(status) = wait(&mut child, lives) {
            assert!(status.success(), "it failed: {}", log(place));
            return kills;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    let mut child = start(place, file, 2);
    let status = wait(&mut child, LAST_RUN_MAX).unwrap_or_else(|| {
        let _ = child.kill();
        panic!("the last run does not end: {}", log(place))
    });
    assert!(status.success(), "it failed: {}", log(place));
    kills
}

fn wait(child: &mut Child, at_most: Duration) -> Option<ExitStatus> {
    let begin = Instant::now();
    while begin.elapsed() < at_most {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    None
}

fn log(place: &Path) -> String {
    let text = std::fs::read_to_string(place.join("log")).unwrap_or_default();
    text.lines().rev().take(12).map(|line| format!("{line}\n")).collect()
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
}

/// How many rows are generated in a second, and for how many kills they last.
const ROWS_PER_SECOND: u64 = 40_000;

fn rows() -> i64 {
    // A life brings about 0.2 s of progress.
    (number("TIDEMILL_KILLS", KILLS_DEFAULT) * ROWS_PER_SECOND / 5) as i64
}

fn generated(rows: i64) -> String {
    format!(
        "SET 'execution.checkpointing.interval' = '50 ms';\n\
         CREATE TABLE g (id BIGINT, k BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '{rows}', \
         'rows-per-second' = '{ROWS_PER_SECOND}', 'fields.id.kind' = 'sequence', 'fields.id.start' = '1', \
         'fields.id.end' = '{rows}', 'fields.k.min' = '1', 'fields.k.max' = '50');\n"
    )
}

#[test]
fn files_hold_each_row_once_whenever_the_run_is_killed() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let rows = rows();
    let sql = generated(rows)
        + "CREATE TABLE passed (id BIGINT, k BIGINT) WITH ('connector' = 'filesystem', 'path' = 'passed', 'format' = 'json');\n\
           CREATE TABLE counted (k BIGINT, n BIGINT) WITH ('connector' = 'filesystem', 'path' = 'counted', 'format' = 'debezium-json');\n\
           BEGIN STATEMENT SET;\n\
           INSERT INTO passed SELECT id, k FROM g;\n\
           INSERT INTO counted SELECT k, COUNT(*) FROM g GROUP BY k;\nEND;";
    std::fs::write(place.join("p.sql"), sql).unwrap();
    let kills = kill_again_and_again(place, "p.sql");
    let passed = visible(&place.join("passed"));
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
    assert!(
        kills > number("TIDEMILL_KILLS", KILLS_DEFAULT) / 2,
        "only {kills} kills: the input was too short"
    );
    println!("{rows} rows, {kills} kills");
}

#[cfg(feature = "real-services")]
mod kafka {
    use super::*;

    /// After so long everything committed must be visible.
    const VISIBLE_MAX: Duration = Duration::from_secs(20);

    fn broker() -> String {
        std::env::var("TIDEMILL_KAFKA").expect("TIDEMILL_KAFKA says where the broker listens")
    }

    fn run(place: &Path, name: &str, sql: &str) {
        std::fs::write(place.join(name), sql).unwrap();
        let mut child = start(place, name, 2);
        let status = wait(&mut child, LAST_RUN_MAX).expect("it ends");
        assert!(status.success(), "{}", log(place));
    }

    fn table(name: &str, topic: &str, options: &str) -> String {
        format!(
            "CREATE TABLE {name} (id BIGINT, k BIGINT) WITH ('connector' = 'kafka', 'topic' = '{topic}', \
             'properties.bootstrap.servers' = '{}', 'format' = 'json'{options});\n",
            broker()
        )
    }

    #[test]
    fn a_topic_holds_each_row_once_whenever_the_run_is_killed() {
        let place = tempfile::tempdir().unwrap();
        let place = place.path();
        let rows = rows();
        let stamp = std::process::id();
        let topic = |what: &str| format!("kills-{what}-{stamp}");
        for topic in [topic("in"), topic("out")] {
            create_topic(&topic);
        }
        // The input is there before; it is read at a rate that outlives the kills.
        run(
            place,
            "fill.sql",
            &(generated(rows).replace(&format!("'rows-per-second' = '{ROWS_PER_SECOND}', "), "")
                + &table("t", &topic("in"), "")
                + "INSERT INTO t SELECT id, k FROM g;"),
        );
        std::fs::remove_dir_all(place.join("state")).unwrap();
        let bounded = ", 'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset'";
        let sql = "SET 'execution.checkpointing.interval' = '50 ms';\n".to_string()
            + &table("t", &topic("in"), bounded)
            + &table(
                "o",
                &topic("out"),
                &format!(
                    ", 'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = 'kills-{stamp}', \
                          'properties.transaction.timeout.ms' = '600000'"
                ),
            )
            + "INSERT INTO o SELECT id, k FROM t;";
        std::fs::write(place.join("p.sql"), sql).unwrap();
        let kills = kill_again_and_again(place, "p.sql");
        let read =
            table("o", &topic("out"), &format!("{bounded}, 'properties.isolation.level' = 'read_committed'"));
        let sql = read
            + "CREATE TABLE f (id BIGINT) WITH ('connector' = 'filesystem', 'path' = 'read', 'format' = 'json');\n\
               INSERT INTO f SELECT id FROM o;";
        // The broker makes committed rows visible a moment after it said that they are.
        let begin = Instant::now();
        let read = loop {
            for folder in ["state", "read"] {
                let _ = std::fs::remove_dir_all(place.join(folder));
            }
            run(place, "read.sql", &sql);
            let read = visible(&place.join("read"));
            if read.len() as i64 >= rows || begin.elapsed() > VISIBLE_MAX {
                break read;
            }
        };
        exactly_once(read.iter().map(|row| row["id"].as_i64().unwrap()), rows);
        println!("{rows} rows, {kills} kills");
    }

    fn create_topic(name: &str) {
        let script = std::env::var("TIDEMILL_KAFKA_SCRIPT").expect("TIDEMILL_KAFKA_SCRIPT names .ci/kafka");
        let folder = std::env::var("TIDEMILL_KAFKA_DIR").expect("TIDEMILL_KAFKA_DIR is the broker's folder");
        let made = Command::new(script).args(["topic", &folder, name, "4"]).stdout(Stdio::null()).status();
        let made = made.unwrap();
        assert!(made.success(), "topic {name} can't be created");
    }
}
