//! Keys and values in their formats, records without value, changelogs.

use crate::admin::new_topic;
use crate::registry;
use crate::tables::{failure, rows, table};

const KEYED: &[(&str, &str)] =
    &[("format", "-"), ("value.format", "json"), ("key.format", "csv"), ("key.fields", "k;n")];

#[test]
fn keys_stand_beside_values_or_in_them_only() {
    for include in ["ALL", "EXCEPT_KEY"] {
        let topic = new_topic("keyed", 3);
        let keyed = table(
            "t",
            "k STRING, v BIGINT, n INT",
            &topic,
            &[KEYED, &[("value.fields-include", include)]].concat(),
        );
        let script = format!(
            "{keyed}INSERT INTO t VALUES ('a', CAST(1 AS BIGINT), 7), ('b', CAST(2 AS BIGINT), 8), ('a', CAST(3 AS BIGINT), 7);\n\
             SELECT * FROM t;"
        );
        assert_eq!(rows(&script), ["a,1,7", "a,3,7", "b,2,8"], "{include}");
        let values = format!("{}SELECT * FROM v;", table("v", "line STRING", &topic, &[("format", "raw")]));
        let expected = match include {
            "ALL" => r#"{"k":"a","v":1,"n":7}"#,
            _ => r#"{"v":1}"#,
        };
        assert!(rows(&values).contains(&expected.to_string()), "{include}");
    }
}

#[test]
fn prefixes_tell_key_columns_from_value_columns() {
    let topic = new_topic("prefixed", 1);
    let options = [
        ("format", "-"),
        ("value.format", "json"),
        ("value.json.encode.ignore-null-fields", "true"),
        ("key.format", "json"),
        ("key.fields", "key_id"),
        ("key.fields-prefix", "key_"),
        ("value.fields-include", "EXCEPT_KEY"),
    ];
    let script = format!(
        "{}INSERT INTO t VALUES (CAST(5 AS BIGINT), 'x');\nSELECT * FROM t;",
        table("t", "key_id BIGINT, id STRING", &topic, &options)
    );
    assert_eq!(rows(&script), ["5,x"]);
    // A reader that takes the key as text sees its name without the prefix.
    let raw = [
        ("format", "-"),
        ("value.format", "json"),
        ("key.format", "raw"),
        ("key.fields", "k"),
        ("value.fields-include", "EXCEPT_KEY"),
    ];
    let script = format!("{}SELECT * FROM r;", table("r", "k STRING, id STRING", &topic, &raw));
    assert_eq!(rows(&script), [r#"{"id":5},x"#]);
}

#[test]
fn records_without_value_are_null_in_raw_and_nothing_in_json() {
    let topic = new_topic("tombstones", 1);
    let raw = table("w", "line STRING", &topic, &[("format", "raw")]);
    let script = format!(
        "{raw}INSERT INTO w VALUES ('{{\"v\": 1}}'), (CAST(NULL AS STRING)), ('{{\"v\": 2}}');\nSELECT * FROM w;"
    );
    assert_eq!(rows(&script), ["NULL", r#"{"v": 1}"#, r#"{"v": 2}"#]);
    let json = format!(
        "{}SELECT v, o FROM r;",
        table("r", "v BIGINT, o BIGINT METADATA FROM 'offset' VIRTUAL", &topic, &[])
    );
    assert_eq!(rows(&json), ["1,0", "2,2"]);
}

#[test]
fn changelogs_are_written_and_read_with_metadata() {
    let topic = new_topic("changes", 1);
    let columns = "k STRING, c BIGINT, o BIGINT METADATA FROM 'offset' VIRTUAL, \
                   p INT METADATA FROM 'partition' VIRTUAL";
    let script = format!(
        "{}INSERT INTO t SELECT k, COUNT(*) FROM (VALUES ('a'), ('b'), ('a')) AS v(k) GROUP BY k;\n\
         SELECT k, c, p FROM t;",
        table("t", columns, &topic, &[("format", "debezium-json")])
    );
    assert_eq!(rows(&script), ["a,2,0", "b,1,0"]);
    let offsets = format!(
        "{}SELECT k, MAX(o) > 1 FROM t GROUP BY k;",
        table("t", columns, &topic, &[("format", "debezium-json")])
    );
    assert_eq!(rows(&offsets).len(), 2);
}

/// Keys and values in `avro-confluent`.
fn confluent(url: &str) -> [(&str, &str); 7] {
    [
        ("format", "-"),
        ("value.format", "avro-confluent"),
        ("value.avro-confluent.url", url),
        ("key.format", "avro-confluent"),
        ("key.avro-confluent.url", url),
        ("key.fields", "k"),
        ("value.fields-include", "EXCEPT_KEY"),
    ]
}

#[test]
fn records_that_name_their_schema_come_back_to_tables_with_other_columns() {
    let (registry, topic) = (registry::start([]), new_topic("confluent", 2));
    let options = confluent(&registry.url);
    let script = format!(
        "{}INSERT INTO t VALUES ('a', CAST(1 AS BIGINT), 'x'), ('b', CAST(NULL AS BIGINT), 'y');\nSELECT * FROM t;",
        table("t", "k STRING, v BIGINT, s STRING", &topic, &options)
    );
    assert_eq!(rows(&script), ["a,1,x", "b,NULL,y"]);
    let mut subjects: Vec<String> =
        registry.state.lock().unwrap().subjects.iter().map(|(subject, _)| subject.clone()).collect();
    subjects.sort_unstable();
    subjects.dedup();
    assert_eq!(subjects, [format!("{topic}-key"), format!("{topic}-value")]);
    // A reader goes by the schema that wrote a record, not by its own.
    let columns = "s STRING, k STRING, later INT, v DOUBLE";
    let other = format!("{}SELECT s, k, later FROM t;", table("t", columns, &topic, &options));
    assert_eq!(rows(&other), ["x,a,NULL", "y,b,NULL"]);
}

#[test]
fn a_record_with_a_schema_that_the_registry_lacks_is_a_bad_one() {
    let (registry, topic) = (registry::start([]), new_topic("unknown_schema", 1));
    let columns = "k STRING, v BIGINT";
    let written = table("t", columns, &topic, &confluent(&registry.url));
    rows(&format!("{written}INSERT INTO t VALUES ('a', CAST(1 AS BIGINT));\nSELECT * FROM t;"));
    let empty = registry::start([]);
    let read = table("t", columns, &topic, &confluent(&empty.url));
    let why = failure(&format!("{read}SELECT * FROM t;"));
    assert!(why.contains("the schema registry has no schema"), "{why}");
}
