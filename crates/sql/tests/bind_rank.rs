//! Ranking and ordering: which operator a query becomes, and what is refused.

mod support;

use support::plan_of;
use tidemill_sql::Diagnostic;

const TABLE: &str = "CREATE TABLE t (id INT, k STRING, v BIGINT, p AS PROCTIME(), ts TIMESTAMP(3), \
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) \
    WITH ('connector' = 'filesystem', 'path' = 't.jsonl', 'format' = 'json');\n";

fn plan(text: &str) -> Result<String, Diagnostic> {
    plan_of(&format!("{TABLE}{text}"))
}

fn ranked(columns: &str, over: &str, condition: &str) -> String {
    format!("SELECT {columns} FROM (SELECT *, ROW_NUMBER() OVER ({over}) AS rn FROM t) WHERE {condition};")
}

#[test]
fn a_condition_on_the_rank_chooses_the_operator() {
    let by_time = "PARTITION BY k ORDER BY ts";
    let by_value = "PARTITION BY k ORDER BY v DESC";
    let cases = [
        (ranked("id", by_value, "rn <= 3"), "ranks=1..=3, order=[#2 DESC NULLS LAST], columns=[id, k, v]"),
        (ranked("id, rn", by_value, "rn < 3 AND id > 1"), "columns=[id, k, v, $rank]"),
        (
            ranked("id, rn", by_value, "2 = rn"),
            "ranks=2..=2, order=[#2 DESC NULLS LAST], columns=[id, k, v],",
        ),
        (ranked("id", by_value, "rn BETWEEN 2 AND 4"), "ranks=2..=4"),
        (ranked("id", by_value, "rn <= id"), "ranks=1..=#0"),
        (ranked("id", by_time, "rn = 1"), "keep=first, columns=[id, k, ts *ROWTIME*], changelog=[I]"),
        (ranked("id", "PARTITION BY k ORDER BY p DESC", "rn <= 1"), "keep=last"),
        (ranked("id", by_time, "rn <= 2"), "top-n"),
        // A Top-1 without rank gives inserts only, as Flink has it, unless it keeps the last by one column.
        (
            ranked("id", "PARTITION BY k ORDER BY v DESC, id", "rn = 1"),
            "ranks=1..=1, order=[#2 DESC NULLS LAST, #0 ASC NULLS FIRST], columns=[id, k, v], changelog=[I],",
        ),
        (ranked("id", "PARTITION BY k ORDER BY v", "rn = 1"), "columns=[id, k, v], changelog=[I],"),
        (ranked("id", by_value, "rn = 1"), "columns=[id, k, v], changelog=[I,UB,UA,D],"),
        (
            format!(
                "SET 'table.exec.mini-batch.enabled' = 'true'; SET 'table.exec.mini-batch.allow-latency' = '1 s'; \
                 SET 'table.exec.mini-batch.size' = '10'; {}",
                ranked("id", "PARTITION BY k ORDER BY v", "rn = 1")
            ),
            "columns=[id, k, v], changelog=[I,UB,UA,D],",
        ),
        // Flink takes `<` and `=` of a column for the last rank too.
        (ranked("k", by_value, "rn < id"), "ranks=1..=#0"),
        (ranked("v", "PARTITION BY v ORDER BY v", "rn = id"), "ranks=1..=#0"),
        (
            "SELECT n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY n ORDER BY n) AS rn FROM \
             (SELECT id, v AS n, k, CAST(v AS INT) AS m FROM t)) WHERE rn <= m;"
                .into(),
            "top-n",
        ),
        (
            format!("SET 'table.exec.state.ttl' = '2 s'; {}", ranked("id", by_value, "rn <= 3")),
            "state=the rows up to the last rank of each key, 2000 ms after it was written",
        ),
        (
            format!(
                "SET 'table.exec.state.ttl' = '2 s'; {}",
                ranked("id", "PARTITION BY k ORDER BY p", "rn = 1")
            ),
            "state=each key, 2000 ms after it was written",
        ),
        ("SELECT id FROM t ORDER BY ts, v;".into(), "time-sort"),
        ("SELECT id FROM t ORDER BY v LIMIT 3 OFFSET 2;".into(), "ranks=3..=5"),
        ("SELECT id FROM t LIMIT 3;".into(), "offset=0, count=3"),
        (
            "SELECT k, COUNT(*) AS c FROM t GROUP BY k ORDER BY COUNT(*) DESC FETCH FIRST 2 ROWS ONLY;"
                .into(),
            "top-n",
        ),
        (
            "SELECT id FROM t WINDOW w AS (PARTITION BY k ORDER BY v) QUALIFY ROW_NUMBER() OVER w = 1;"
                .into(),
            "ranks=1..=1",
        ),
        (
            "SET 'execution.runtime-mode' = 'batch'; SELECT id FROM t ORDER BY v;".into(),
            "state=all rows, until the end of input",
        ),
    ];
    for (text, expected) in cases {
        let plan = plan(&text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert!(plan.contains(expected), "{text}\n{plan}");
    }
}

#[test]
fn what_streaming_can_not_rank_or_sort_is_refused() {
    let sort = "Sort on a non-time-attribute field is not supported.";
    let cases = [
        ("SELECT id FROM t ORDER BY v;", sort),
        ("SELECT id FROM t ORDER BY ts DESC;", sort),
        (
            "SELECT id FROM t OFFSET 2;",
            "FETCH is missed, which on streaming table is not supported currently",
        ),
        ("SELECT id FROM t ORDER BY 4;", "the query has no column 4 to order by"),
        (
            "SELECT id, RANK() OVER (PARTITION BY k ORDER BY v) FROM t;",
            "RANK() on streaming table is not supported currently",
        ),
        (
            "SELECT id, ROW_NUMBER() OVER (PARTITION BY k) FROM t;",
            "The window can only be ordered by a single time column.",
        ),
        (
            "SELECT id FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY v) AS rn FROM t) WHERE rn >= 2;",
            "Rank end is not specified.",
        ),
        (
            "SELECT id FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY v) AS rn FROM t) WHERE rn < 1;",
            "Rank end should not less than zero",
        ),
        // All ranks in descending order would be an OVER that streaming does not have.
        (
            "SELECT id FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY v DESC) AS rn FROM t) WHERE rn * 2 < 5;",
            "The window can only be ordered in ASCENDING mode.",
        ),
    ];
    for (text, expected) in cases {
        let error = plan(text).expect_err(text);
        assert!(error.message.contains(expected), "{text}\n{}", error.message);
    }
}
