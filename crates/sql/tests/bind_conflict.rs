//! ON CONFLICT: which operator stands in front of a table by primary key, and what is refused.

mod support;

use support::plan_of;
use tidemill_sql::Diagnostic;

const TABLES: &str = "CREATE TABLE t (id INT, k STRING, v BIGINT, ts TIMESTAMP(3), \
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) \
    WITH ('connector' = 'filesystem', 'path' = 't.jsonl', 'format' = 'json');\n\
    CREATE TABLE plain (k STRING, v BIGINT) \
    WITH ('connector' = 'filesystem', 'path' = 'p.jsonl', 'format' = 'json');\n\
    CREATE TABLE u (k STRING, n BIGINT, PRIMARY KEY (n) NOT ENFORCED) WITH ('connector' = 'upsert-kafka', \
    'topic' = 'u', 'properties.bootstrap.servers' = 'localhost:1', 'key.format' = 'json', 'value.format' = 'json');\n\
    CREATE TABLE lines (k STRING, n BIGINT) WITH ('connector' = 'print');\n";

const COUNTS: &str = "INSERT INTO u SELECT k, COUNT(*) FROM t GROUP BY k";

fn plan(text: &str) -> Result<String, Diagnostic> {
    plan_of(&format!("{TABLES}{text};"))
}

#[test]
fn the_clause_chooses_what_settles_rows() {
    let cases = [
        (format!("{COUNTS} ON CONFLICT DO NOTHING"), "sink-compact", "keys=1, conflict=nothing,"),
        (format!("{COUNTS} ON CONFLICT DO ERROR"), "sink-compact", "keys=1, conflict=error,"),
        (format!("{COUNTS} ON CONFLICT DO DEDUPLICATE"), "sink-materialize", "keys=1,"),
        // Appended rows have no key: the first of a primary key stays.
        (
            "INSERT INTO u SELECT k, v FROM t ON CONFLICT DO NOTHING".into(),
            "sink-compact",
            "conflict=nothing",
        ),
        ("INSERT INTO u VALUES ('a', 1) ON CONFLICT DO ERROR".into(), "sink-compact", "conflict=error"),
        (
            format!("SET 'table.exec.state.ttl' = '2 s'; {COUNTS} ON CONFLICT DO ERROR"),
            "sink-compact",
            "the row given last of each primary key, 2000 ms after its last change",
        ),
    ];
    for (text, operator, part) in cases {
        let plan = plan(&text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert!(plan.contains(operator) && plan.contains(part), "{text}\n{plan}");
    }
}

#[test]
fn rows_with_the_tables_own_key_are_not_settled() {
    let cases = [
        "INSERT INTO u SELECT MAX(k), v FROM t GROUP BY v ON CONFLICT DO NOTHING".to_string(),
        format!("SET 'table.exec.sink.upsert-materialize' = 'NONE'; {COUNTS} ON CONFLICT DO ERROR"),
        "INSERT INTO u SELECT k, v FROM t ON CONFLICT DO DEDUPLICATE".into(),
    ];
    for text in cases {
        let plan = plan(&text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert!(!plan.contains("sink-compact") && !plan.contains("sink-materialize"), "{text}\n{plan}");
    }
}

#[test]
fn what_can_not_be_settled_is_refused() {
    let cases = [
        (
            "INSERT INTO u SELECT k, v FROM plain ON CONFLICT DO NOTHING".to_string(),
            "ON CONFLICT DO NOTHING requires all source tables to define watermarks, but the following source(s) do not: plain",
        ),
        (
            format!(
                "SET 'table.exec.sink.upserts.compaction-mode' = 'CHECKPOINT'; {COUNTS} ON CONFLICT DO ERROR"
            ),
            "table.exec.sink.upserts.compaction-mode = CHECKPOINT is not supported",
        ),
        (
            "INSERT INTO lines SELECT k, v FROM t ON CONFLICT DO ERROR".into(),
            "ON CONFLICT is only allowed for upsert sinks",
        ),
        (COUNTS.into(), "primary key: [n], upsert key: [k]"),
    ];
    for (text, part) in cases {
        let error = plan(&text).err().unwrap_or_else(|| panic!("not refused: {text}"));
        assert!(error.message.contains(part), "{text}\n{}", error.message);
    }
}
