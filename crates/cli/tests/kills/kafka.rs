//! From topic to topic through a real broker, which is killed and started again in between.

use crate::run::{Accident, Run, spawn, terminate, wait};
use crate::{exactly_once, generated, visible};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// After so long everything committed must be visible.
const VISIBLE_MAX: Duration = Duration::from_secs(20);
/// How long reading a topic may take.
const READ_MAX: Duration = Duration::from_secs(300);
/// As much as a run that is killed all the time keeps up with.
const ROWS_PER_SECOND: u32 = 10_000;
const FROM_FIRST: &str = ", 'scan.startup.mode' = 'earliest-offset'";
const TO_LAST: &str = ", 'scan.bounded.mode' = 'latest-offset'";

/// The broker's address.
pub fn broker() -> String {
    std::env::var("TIDEMILL_KAFKA").expect("TIDEMILL_KAFKA says where the broker listens")
}

/// Calls the script that keeps the broker.
pub fn script(command: &str, arguments: &[&str]) {
    let script = std::env::var("TIDEMILL_KAFKA_SCRIPT").expect("TIDEMILL_KAFKA_SCRIPT names .ci/kafka");
    let folder = std::env::var("TIDEMILL_KAFKA_DIR").expect("TIDEMILL_KAFKA_DIR is the broker's folder");
    let called = Command::new(script).args([command, &folder]).args(arguments).stdout(Stdio::null()).status();
    assert!(called.unwrap().success(), "{command} {arguments:?} failed");
}

/// A folder for pipelines in a folder for their logs.
pub struct Folder {
    _logs: tempfile::TempDir,
    pub place: PathBuf,
}

impl Folder {
    pub fn new() -> Self {
        let logs = tempfile::tempdir().unwrap();
        let place = logs.path().join("run");
        std::fs::create_dir(&place).unwrap();
        Folder { _logs: logs, place }
    }
}

/// The broker is gone.
struct Outage;

impl Accident for Outage {
    fn begin(&mut self) {
        script("kill", &[]);
    }

    fn end(&mut self) {
        script("start", &[]);
    }
}

/// A table of rows on a topic.
pub fn table(name: &str, topic: &str, options: &str) -> String {
    format!(
        "CREATE TABLE {name} (id BIGINT, k BIGINT) WITH ('connector' = 'kafka', 'topic' = '{topic}', \
         'properties.bootstrap.servers' = '{}', 'format' = 'json'{options});\n",
        broker()
    )
}

/// The numbers in a topic, committed ones only; waits until there are so many, as the broker makes committed rows
/// visible a moment after it said that they are.
pub fn numbers(place: &Path, topic: &str, at_least: usize) -> Vec<i64> {
    let committed = format!("{FROM_FIRST}{TO_LAST}, 'properties.isolation.level' = 'read_committed'");
    let sql = table("o", topic, &committed)
        + "CREATE TABLE f (id BIGINT) WITH ('connector' = 'filesystem', 'path' = 'read', 'format' = 'json');\n\
           INSERT INTO f SELECT id FROM o;";
    std::fs::write(place.join("read.sql"), sql).unwrap();
    let begin = Instant::now();
    loop {
        let _ = std::fs::remove_dir_all(place.join("read"));
        let status = wait(&mut spawn(place, "read.sql", &["-q"]), READ_MAX).expect("reading ends");
        assert!(status.success(), "{}", Run::new(place, "read.sql").log());
        let read = visible(&place.join("read"));
        if read.len() >= at_least || begin.elapsed() > VISIBLE_MAX {
            return read.iter().map(|row| row["id"].as_i64().unwrap()).collect();
        }
    }
}

#[test]
fn a_topic_holds_each_row_once_whenever_the_run_is_killed() {
    let folder = Folder::new();
    let place = folder.place.as_path();
    let stamp = std::process::id();
    let topic = |what: &str| format!("kills-{what}-{stamp}");
    for topic in [topic("in"), topic("out")] {
        script("topic", &[&topic, "4"]);
    }
    let copy = |bounds: &str| {
        let sink = format!(
            ", 'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = 'kills-{stamp}', \
             'properties.transaction.timeout.ms' = '600000'"
        );
        "SET 'execution.checkpointing.interval' = '50 ms';\n".to_string()
            + &table("t", &topic("in"), &format!("{FROM_FIRST}{bounds}"))
            + &table("o", &topic("out"), &sink)
            + "INSERT INTO o SELECT id, k FROM t;"
    };
    let feed =
        generated(ROWS_PER_SECOND) + &table("t", &topic("in"), "") + "INSERT INTO t SELECT id, k FROM g;";
    for (file, sql) in [("feed.sql", feed), ("p.sql", copy("")), ("last.sql", copy(TO_LAST))] {
        std::fs::write(place.join(file), sql).unwrap();
    }
    let feeder = spawn(place, "feed.sql", &[]);
    let kills = Run::new(place, "p.sql").kill_again_and_again(&mut Outage);
    terminate(&feeder);
    Run::new(place, "feed.sql").ends(feeder);
    // What was fed to its end is copied to its end.
    let mut last = Run::new(place, "last.sql");
    let child = last.start();
    last.ends(child);
    let fed = numbers(place, &topic("in"), 0);
    let rows = fed.len() as i64;
    exactly_once(fed.into_iter(), rows);
    exactly_once(numbers(place, &topic("out"), rows as usize).into_iter(), rows);
    println!("topics: {rows} rows, {kills} kills");
}
