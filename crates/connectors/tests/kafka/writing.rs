//! Partitioners, compression, several topics, options that are refused.

use crate::admin::new_topic;
use crate::tables::{failure, rows, table};

fn by_partition(topic: &str) -> Vec<String> {
    let columns = "v BIGINT, p INT METADATA FROM 'partition' VIRTUAL";
    rows(&format!("{}SELECT p, COUNT(*) FROM r GROUP BY p;", table("r", columns, topic, &[])))
}

#[test]
fn partitioners_spread_records() {
    for (partitioner, expected) in [("round-robin", vec!["0,2", "1,2", "2,2"]), ("fixed", vec!["0,6"])] {
        let topic = new_topic("spread", 3);
        let options = [("sink.partitioner", partitioner), ("sink.parallelism", "1")];
        let values: Vec<String> = (0..6).map(|v| format!("(CAST({v} AS BIGINT))")).collect();
        rows(&format!(
            "{}INSERT INTO t VALUES {};",
            table("t", "v BIGINT", &topic, &options),
            values.join(", ")
        ));
        assert_eq!(by_partition(&topic), expected, "{partitioner}");
    }
}

#[test]
fn every_compression_is_written_and_read() {
    for compression in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = new_topic("packed", 2);
        let options = [("properties.compression.type", compression)];
        let source = "CREATE TABLE g (id BIGINT, s STRING) WITH ('connector' = 'datagen', 'number-of-rows' = '20000', \
                      'rows-per-second' = '1000000', 'fields.id.kind' = 'sequence', 'fields.id.start' = '1', \
                      'fields.id.end' = '20000', 'fields.s.length' = '60');\n";
        let script = format!(
            "{source}{}INSERT INTO t SELECT id, s FROM g;\nSELECT COUNT(*), SUM(id), COUNT(DISTINCT id), MIN(CHAR_LENGTH(s)) FROM t;",
            table("t", "id BIGINT, s STRING", &topic, &options)
        );
        assert_eq!(rows(&script), ["20000,200010000,20000,60"], "{compression}");
    }
}

#[test]
fn a_topic_column_names_the_topic_of_each_record() {
    let (first, second) = (new_topic("first", 1), new_topic("second", 1));
    let columns = "v BIGINT, t STRING METADATA FROM 'topic'";
    let both = format!("{first};{second}");
    let script = format!(
        "{}INSERT INTO t VALUES (CAST(1 AS BIGINT), '{first}'), (CAST(2 AS BIGINT), '{second}'), (CAST(3 AS BIGINT), '{first}');\n\
         SELECT v, t = '{first}' FROM t;",
        table("t", columns, &both, &[])
    );
    assert_eq!(rows(&script), ["1,TRUE", "2,FALSE", "3,TRUE"]);
}

#[test]
fn what_can_not_be_honoured_is_refused() {
    let check = |columns: &str, more: &[(&str, &str)], statement: &str| {
        failure(&format!("{}{statement}", table("t", columns, "x", more)))
    };
    let insert = "INSERT INTO t VALUES (CAST(1 AS BIGINT));";
    let cases = [
        (check("v BIGINT", &[("sink.partitioner", "com.acme.Mine")], insert), "sink.partitioner"),
        (
            check("v BIGINT", &[("sink.delivery-guarantee", "exactly-once")], insert),
            "sink.transactional-id-prefix",
        ),
        (check("v BIGINT", &[("topic", "a;b")], insert), "several topics"),
        (check("v BIGINT", &[("topic-pattern", "x.*")], "SELECT * FROM t;"), "exclude each other"),
        (
            check("v BIGINT", &[("scan.startup.mode", "timestamp")], "SELECT * FROM t;"),
            "scan.startup.timestamp-millis",
        ),
        (check("v BIGINT", &[("key.fields", "v")], "SELECT * FROM t;"), "key format"),
        (
            check("v BIGINT", &[("properties.bootstrap.servers", "nowhere")], "SELECT * FROM t;"),
            "is no address",
        ),
        (check("v BIGINT", &[("properties.compression.type", "rar")], insert), "compression.type"),
        (
            check(
                "v BIGINT, o BIGINT METADATA FROM 'offset'",
                &[],
                "INSERT INTO t VALUES (CAST(1 AS BIGINT), CAST(1 AS BIGINT));",
            ),
            "METADATA VIRTUAL",
        ),
        (
            check("v BIGINT", &[], "INSERT INTO t SELECT COUNT(*) FROM (VALUES (1)) AS x(a);"),
            "doesn't support consuming update changes",
        ),
    ];
    for (found, expected) in cases {
        assert!(found.contains(expected), "{expected} is not in:\n{found}");
    }
}
