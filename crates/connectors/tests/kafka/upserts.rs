//! `upsert-kafka`: the newest row of each key, deletions as records without value.

use crate::admin::new_topic;
use crate::tables::{failure, rows, table};

const UPSERT: &[(&str, &str)] = &[
    ("connector", "upsert-kafka"),
    ("format", "-"),
    ("scan.startup.mode", "-"),
    ("key.format", "json"),
    ("value.format", "json"),
];
const KEYED: &str = "k STRING, c BIGINT, PRIMARY KEY (k) NOT ENFORCED";

#[test]
fn the_newest_row_of_each_key_counts() {
    for more in [&[][..], &[("value.fields-include", "EXCEPT_KEY")]] {
        let topic = new_topic("upserts", 3);
        let script = format!(
            "{}INSERT INTO t SELECT k, COUNT(*) FROM \
             (SELECT CAST(k AS STRING) AS k FROM (VALUES ('a'), ('b'), ('a'), ('c'), ('a')) AS v(k)) GROUP BY k;\n\
             INSERT INTO t VALUES ('b', CAST(40 AS BIGINT));\n\
             SELECT * FROM t;",
            table("t", KEYED, &topic, &[UPSERT, more].concat())
        );
        assert_eq!(rows(&script), ["a,3", "b,40", "c,1"]);
        let total =
            format!("{}SELECT SUM(c), COUNT(*) FROM t;", table("t", KEYED, &topic, &[UPSERT, more].concat()));
        assert_eq!(rows(&total), ["44,3"]);
    }
}

#[test]
fn deletions_are_records_without_value() {
    let topic = new_topic("deleted", 1);
    let changes = "CREATE TEMPORARY VIEW changes AS SELECT k, c FROM \
                   (SELECT k, COUNT(*) AS c FROM \
                   (SELECT CAST(k AS STRING) AS k FROM (VALUES ('a'), ('b'), ('a')) AS v(k)) GROUP BY k) WHERE c < 2;\n";
    let script = format!(
        "{}{changes}INSERT INTO t SELECT * FROM changes;\nSELECT * FROM t;",
        table("t", KEYED, &topic, UPSERT)
    );
    assert_eq!(rows(&script), ["b,1"]);
    let raw = format!("{}SELECT line FROM r;", table("r", "line STRING", &topic, &[("format", "raw")]));
    assert!(rows(&raw).contains(&"NULL".to_string()));
}

#[test]
fn rows_that_wait_for_newer_ones_are_written_once() {
    let topic = new_topic("buffered", 1);
    let more = [
        ("sink.buffer-flush.max-rows", "1000"),
        ("sink.buffer-flush.interval", "1 min"),
        ("sink.parallelism", "1"),
    ];
    let values: Vec<String> = (0..50).map(|v| format!("('k{}', CAST({v} AS BIGINT))", v % 2)).collect();
    let script = format!(
        "{}INSERT INTO t VALUES {};\nSELECT * FROM t;",
        table("t", KEYED, &topic, &[UPSERT, &more].concat()),
        values.join(", ")
    );
    assert_eq!(rows(&script), ["k0,48", "k1,49"]);
    let raw = format!("{}SELECT line FROM r;", table("r", "line STRING", &topic, &[("format", "raw")]));
    assert!(rows(&raw).len() <= 4, "{:?}", rows(&raw));
}

#[test]
fn a_primary_key_is_needed() {
    let keyless = table("t", "k STRING, c BIGINT", "x", UPSERT);
    let error = failure(&format!("{keyless}SELECT * FROM t;"));
    assert!(error.contains("needs a primary key"), "{error}");
}
