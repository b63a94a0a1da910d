//! Where reading starts and ends, metadata, new partitions, offsets of groups.

use crate::admin::{committed, delete_records, grow, new_topic, unique};
use crate::tables::{failure, open_sink, open_source, options, records, rows, table, write};
use tidemill_connector::{Fetched, Positions, Source};
use tidemill_testkit::source_suite::assert_replays;

const COLUMNS: &str = "k STRING, v BIGINT";

/// A topic of one partition with the values 0 to 9; the timestamps are a second apart from 1000 s on.
fn numbers() -> String {
    let topic = new_topic("numbers", 1);
    let columns = "k STRING, v BIGINT, ts TIMESTAMP_LTZ(3) METADATA FROM 'timestamp'";
    let values: Vec<String> = (0..10)
        .map(|v| format!("('k{v}', CAST({v} AS BIGINT), TO_TIMESTAMP_LTZ({}, 3))", 1_000_000 + v * 1_000))
        .collect();
    rows(&format!("{}INSERT INTO w VALUES {};", table("w", columns, &topic, &[]), values.join(", ")));
    topic
}

fn read(topic: &str, more: &[(&str, &str)]) -> String {
    let found = rows(&format!("{}SELECT v FROM r;", table("r", COLUMNS, topic, more)));
    found.join(" ")
}

#[test]
fn startup_and_bounded_modes_start_and_end_where_they_say() {
    let topic = numbers();
    assert_eq!(read(&topic, &[]), "0 1 2 3 4 5 6 7 8 9");
    assert_eq!(read(&topic, &[("scan.startup.mode", "latest-offset")]), "");
    let from_time = [("scan.startup.mode", "timestamp"), ("scan.startup.timestamp-millis", "1006500")];
    assert_eq!(read(&topic, &from_time), "7 8 9");
    let late = [("scan.startup.mode", "timestamp"), ("scan.startup.timestamp-millis", "2000000")];
    assert_eq!(read(&topic, &late), "");
    let specific = [
        ("scan.startup.mode", "specific-offsets"),
        ("scan.startup.specific-offsets", "partition:0,offset:8"),
    ];
    assert_eq!(read(&topic, &specific), "8 9");
    let until = [("scan.bounded.mode", "timestamp"), ("scan.bounded.timestamp-millis", "1003000")];
    assert_eq!(read(&topic, &until), "0 1 2");
    let until = [
        ("scan.bounded.mode", "specific-offsets"),
        ("scan.bounded.specific-offsets", "partition:0,offset:4"),
    ];
    assert_eq!(read(&topic, &until), "0 1 2 3");
}

#[test]
fn topics_are_named_listed_or_matched() {
    let (first, second) = (numbers(), numbers());
    let count = |more: &[(&str, &str)]| {
        rows(&format!(
            "{}SELECT t, COUNT(*) FROM r GROUP BY t;",
            table("r", "v BIGINT, t STRING METADATA FROM 'topic' VIRTUAL", "", more)
        ))
    };
    let listed = format!("{first};{second}");
    let mut both = vec![format!("{first},10"), format!("{second},10")];
    both.sort();
    assert_eq!(count(&[("topic", &listed)]), both);
    let pattern = format!("{first}|{second}");
    assert_eq!(count(&[("topic", "-"), ("topic-pattern", &pattern)]), both);
    let missing = unique("missing");
    assert!(
        failure(&format!("{}SELECT v FROM r;", table("r", COLUMNS, &missing, &[])))
            .contains("does not exist")
    );
}

#[test]
fn metadata_columns_tell_of_records() {
    let topic = new_topic("metadata", 1);
    let columns = "v BIGINT, ts TIMESTAMP_LTZ(3) METADATA FROM 'timestamp', headers MAP<STRING, BYTES> METADATA, \
                   p INT METADATA FROM 'partition' VIRTUAL, o BIGINT METADATA FROM 'offset' VIRTUAL, \
                   e INT METADATA FROM 'leader-epoch' VIRTUAL, y STRING METADATA FROM 'timestamp-type' VIRTUAL, \
                   t STRING METADATA FROM 'topic' VIRTUAL";
    let write = "INSERT INTO m VALUES \
                 (CAST(1 AS BIGINT), TO_TIMESTAMP_LTZ(1000, 3), MAP['a', ENCODE('x', 'UTF-8'), 'b', ENCODE('y', 'UTF-8')]), \
                 (CAST(2 AS BIGINT), TO_TIMESTAMP_LTZ(2500, 3), CAST(NULL AS MAP<STRING, BYTES>));";
    let script = format!(
        "SET 'table.local-time-zone' = 'UTC';\n{}{write}\n\
         SELECT v, ts, DECODE(headers['b'], 'UTF-8'), CARDINALITY(headers), p, o, e, y, t FROM m;",
        table("m", columns, &topic, &[])
    );
    assert_eq!(
        rows(&script),
        [
            format!("1,1970-01-01 00:00:01.000,y,2,0,0,0,CreateTime,{topic}"),
            format!("2,1970-01-01 00:00:02.500,NULL,0,0,1,0,CreateTime,{topic}"),
        ]
    );
}

#[test]
fn groups_start_at_their_offsets_and_need_one() {
    let topic = numbers();
    let group = unique("group");
    let by_group = [("scan.startup.mode", "group-offsets"), ("properties.group.id", group.as_str())];
    let refused = failure(&format!("{}SELECT v FROM r;", table("r", COLUMNS, &topic, &by_group)));
    assert!(refused.contains("has committed no offset"), "{refused}");
    assert_eq!(read(&topic, &[by_group[0], by_group[1], ("properties.auto.offset.reset", "latest")]), "");
    assert_eq!(
        read(&topic, &[by_group[0], by_group[1], ("properties.auto.offset.reset", "earliest")]).len(),
        19
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut source = open_source(&options(&topic, &by_group[1..])).source;
        source.committed(&Positions::from([(format!("{topic}/0"), "6".into())])).await.unwrap();
    });
    assert_eq!(committed(&group, &topic, 0), 6);
    assert_eq!(read(&topic, &by_group), "6 7 8 9");
    assert_eq!(read(&topic, &[("scan.bounded.mode", "group-offsets"), by_group[1]]), "0 1 2 3 4 5");
}

#[test]
fn positions_go_on_and_removed_records_are_an_error() {
    let topic = numbers();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let bounded = [("scan.startup.mode", "latest-offset"), ("scan.bounded.mode", "latest-offset")];
        let restored = |offset: &str, more: &[(&str, &str)]| {
            let source = open_source(&options(&topic, &[&bounded[..], more].concat())).source;
            (source, Positions::from([(format!("{topic}/0"), offset.to_string())]))
        };
        let (mut source, at) = restored("7", &[]);
        source.restore(&at).await.unwrap();
        assert_eq!(records(source.as_mut(), usize::MAX).await.len(), 3);
        assert_eq!(source.positions()[&format!("{topic}/0")], "10");
        delete_records(&topic, 0, 5);
        let (mut source, at) = restored("2", &[]);
        source.restore(&at).await.unwrap();
        let error = error_of(source.as_mut()).await;
        assert!(error.contains("offset 2") && error.contains("auto.offset.reset"), "{error}");
        let (mut source, at) = restored("2", &[("properties.auto.offset.reset", "earliest")]);
        source.restore(&at).await.unwrap();
        assert_eq!(records(source.as_mut(), usize::MAX).await.len(), 5);
    });
}

async fn error_of(source: &mut dyn Source) -> String {
    loop {
        match source.next().await {
            Err(error) => return error.to_string(),
            Ok(Fetched::End) => panic!("it must fail"),
            Ok(_) => {}
        }
    }
}

#[tokio::test]
async fn runs_that_are_cut_and_resumed_read_each_record_once() {
    let topic = new_topic("cut", 3);
    let mut sink = open_sink(&options(&topic, &[("sink.partitioner", "round-robin")]), "run");
    for batch in 0..40 {
        let values: Vec<(&str, i64)> = (0..60).map(|v| ("k", batch * 60 + v)).collect();
        write(&mut sink, &values).await;
    }
    let small = [
        ("scan.startup.mode", "earliest-offset"),
        ("scan.bounded.mode", "latest-offset"),
        ("properties.max.partition.fetch.bytes", "2000"),
        ("properties.fetch.max.bytes", "4000"),
    ];
    assert_replays(|| open_source(&options(&topic, &small)), 11, 8).await;
}

#[test]
fn a_watermark_waits_for_the_slowest_partition() {
    let topic = new_topic("watermarks", 2);
    // One partition is an hour behind the other: were the watermark not the least of both, its rows were late.
    let columns = "k STRING, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND";
    let rows_of = |hour: i64| {
        (0..20).map(move |n| {
            format!("('k{hour}', CAST({n} AS BIGINT), TIMESTAMP '2024-01-01 {hour:02}:{n:02}:00')")
        })
    };
    let keyed = [("format", "-"), ("value.format", "json"), ("key.format", "raw"), ("key.fields", "k")];
    let values: Vec<String> = rows_of(6).chain(rows_of(5)).collect();
    let script = format!(
        "{}INSERT INTO t VALUES {};\n\
         SELECT k, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY k, window_start, window_end;",
        table("t", columns, &topic, &keyed),
        values.join(", ")
    );
    assert_eq!(rows(&script), ["k5,20", "k6,20"]);
}

#[test]
fn new_partitions_are_found_and_read_from_their_beginning() {
    let topic = new_topic("growing", 1);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let reading = [
            ("scan.startup.mode", "latest-offset"),
            ("scan.topic-partition-discovery.interval", "200 ms"),
            ("properties.metadata.max.age.ms", "100"),
        ];
        let mut source = open_source(&options(&topic, &reading)).source;
        assert!(matches!(source.next().await.unwrap(), Fetched::Splits(splits) if splits == [0]));
        grow(&topic, 3);
        // A new sink knows all partitions, and the keys of its records go to all of them.
        let writing = [("sink.partitioner", "round-robin")];
        let mut sink = open_sink(&options(&topic, &writing), "run");
        let values: Vec<(&str, i64)> = (0..30).map(|v| ("k", v)).collect();
        write(&mut sink, &values).await;
        assert_eq!(records(source.as_mut(), 30).await.len(), 30);
        assert_eq!(source.positions().len(), 3);
    });
}
