//! A pipeline that is changed between two runs: what fits goes on, the rest is told and asked about.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};

/// Counts by key over a growing folder; the state folder is beside it.
fn run(place: &Path, query: &str, extra: &[&str]) -> Output {
    let file = place.join("p.sql");
    let text = format!(
        "CREATE TABLE t (k STRING, v BIGINT) WITH ('connector' = 'filesystem', 'path' = '{0}/in', \
         'source.monitor-interval' = '10 ms', 'format' = 'json');\n\
         CREATE TABLE o (k STRING, n BIGINT) WITH ('connector' = 'filesystem', 'path' = '{0}/out', \
         'format' = 'debezium-json');\n\
         CREATE TABLE p (k STRING, v BIGINT) WITH ('connector' = 'filesystem', 'path' = '{0}/out2', \
         'format' = 'json');\n{query}",
        place.display()
    );
    std::fs::write(&file, text).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_tidemill"))
        .arg("run")
        .arg(&file)
        .args(["--state", "state", "-p", "1"])
        .args(extra)
        .current_dir(place)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    stop_when_read(place, &child);
    child.wait_with_output().unwrap()
}

/// Stops the run once it has read what is there: the progress is not visible from outside, so it is given a while.
fn stop_when_read(_place: &Path, child: &std::process::Child) {
    let pid = child.id().to_string();
    std::thread::sleep(std::time::Duration::from_millis(700));
    let _ = Command::new("kill").args(["-INT", &pid]).status();
}

/// The count of a key after all changes.
fn count(place: &Path, key: &str) -> i64 {
    let mut count = 0;
    for entry in std::fs::read_dir(place.join("out")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with('.') {
            continue;
        }
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let change: serde_json::Value = serde_json::from_str(line).unwrap();
            for (side, sign) in [("before", -1), ("after", 1)] {
                if change[side]["k"] == key {
                    count += sign * change[side]["n"].as_i64().unwrap();
                }
            }
        }
    }
    count
}

#[test]
fn a_filter_and_an_output_keep_state_and_a_new_key_asks() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    std::fs::create_dir(place.join("in")).unwrap();
    let feed = |name: &str, rows: usize| {
        std::fs::write(place.join(name), "{\"k\":\"a\",\"v\":5}\n".repeat(rows)).unwrap();
        std::fs::rename(place.join(name), place.join("in").join(name)).unwrap();
    };
    feed("1.jsonl", 3);
    let counts = "INSERT INTO o SELECT k, COUNT(*) FROM t GROUP BY k;";
    let first = run(place, counts, &[]);
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    assert_eq!(count(place, "a"), 3);

    // A filter in front, another one behind and another output: nothing is asked, the count goes on.
    feed("2.jsonl", 2);
    let more = "BEGIN STATEMENT SET;\n\
                INSERT INTO o SELECT k, n FROM (SELECT k, COUNT(*) AS n FROM t WHERE v > 1 GROUP BY k) WHERE n >= 0;\n\
                INSERT INTO p SELECT k, v FROM t;\nEND;";
    let second = run(place, more, &[]);
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(second.status.success() && told.contains("goes on from checkpoint"), "{told}");
    assert_eq!(count(place, "a"), 5);

    // Another key: refused with what would happen, and nothing is lost by that.
    let other = "INSERT INTO o SELECT CAST(v AS STRING), COUNT(*) FROM t GROUP BY v;";
    let refused = run(place, other, &[]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && told.contains("drop") && told.contains("--upgrade"), "{told}");
    let unanswered = run(place, other, &["--upgrade"]);
    assert!(!unanswered.status.success(), "without a terminal nobody says yes");
    feed("3.jsonl", 4);
    let upgraded = run(place, other, &["--upgrade", "--yes"]);
    let told = String::from_utf8_lossy(&upgraded.stderr).into_owned();
    assert!(upgraded.status.success() && told.contains("keep    source-t"), "{told}");
    assert_eq!(count(place, "5"), 4, "the source went on behind what it had read, the counts began anew");
}
