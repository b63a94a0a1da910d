//! OVER: which operators a query becomes, and what is refused.

mod support;

use support::plan_of;
use tidemill_sql::Diagnostic;

const TABLE: &str = "CREATE TABLE t (id INT, k STRING, v BIGINT, p AS PROCTIME(), ts TIMESTAMP(3), \
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) \
    WITH ('connector' = 'filesystem', 'path' = 't.jsonl', 'format' = 'json');\n";

fn plan(text: &str) -> Result<String, Diagnostic> {
    plan_of(&format!("{TABLE}{text}"))
}

#[test]
fn windows_become_operators() {
    let batch = "SET 'execution.runtime-mode' = 'batch';";
    let cases = [
        (
            "SELECT id, SUM(v) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '10' SECOND PRECEDING \
             AND CURRENT ROW) AS s FROM t;"
                .to_string(),
            "event time, partition=[#2], order=[#3 ASC NULLS FIRST], RANGE BETWEEN 10000 PRECEDING AND CURRENT \
             ROW, calls=[SUM(v)], columns=[id, $v, $k, $ts *ROWTIME*, SUM(v)], changelog=[I], state=rows of each \
             key, until the watermark has passed them by 15000 ms at most",
        ),
        // One window however it is spelled; what is equal to a column is that column; results stand in expressions.
        (
            "SELECT k, v - LAG(v) OVER w, 2 * MAX(v + 1) OVER (w), COUNT(*) FILTER (WHERE id > 1) OVER \
             (PARTITION BY k ORDER BY ts RANGE UNBOUNDED PRECEDING) FROM t WINDOW w AS (PARTITION BY k ORDER BY ts);"
                .into(),
            "calls=[LAG(#1, 1), MAX((v + CAST(1 AS BIGINT NOT NULL))), COUNT(*) FILTER (WHERE (id > 1))]",
        ),
        (
            "SELECT id, ROW_NUMBER() OVER (ORDER BY p) AS n FROM t;".into(),
            "processing time, partition=[], order=[#1 ASC NULLS FIRST], ROWS BETWEEN UNBOUNDED PRECEDING AND \
             CURRENT ROW, calls=[ROW_NUMBER()], columns=[id, $key1 *PROCTIME*, $rank], changelog=[I], state=one cell \
             row per key, for ever",
        ),
        (
            "SET 'table.exec.state.ttl' = '1 h'; SELECT id, SUM(v) OVER (PARTITION BY k ORDER BY ts ROWS 9 PRECEDING) \
             FROM t;"
                .into(),
            "state=the last 10 rows of each key, 3600000 ms after its last use",
        ),
        (
            "SELECT id, SUM(v) OVER (PARTITION BY k ORDER BY id) AS s FROM t;".into(),
            "updating, partition=[#2], order=[#0 ASC NULLS FIRST], RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT \
             ROW, calls=[SUM(v)], columns=[id, $v, $k, SUM(v)], changelog=[I,UB,UA,D], state=all rows",
        ),
        (
            "SELECT id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts) AS rn FROM t) WHERE MOD(rn, 2) = 0;"
                .into(),
            "event time, partition=[#1]",
        ),
        (
            "SELECT k, SUM(COUNT(*)) OVER (ORDER BY k) AS s FROM t GROUP BY k;".into(),
            "updating, partition=[], order=[#0 ASC NULLS FIRST]",
        ),
        (
            format!("{batch} SELECT id, NTILE(4) OVER (ORDER BY v DESC), SUM(v) OVER (PARTITION BY k) FROM t;"),
            "batch, partition=[#2], order=[], RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING, \
             calls=[SUM(v)]",
        ),
        (
            format!("{batch} SELECT id, AVG(v) OVER (ORDER BY v RANGE BETWEEN 1.25 PRECEDING AND 0.5 FOLLOWING) FROM t;"),
            "RANGE BETWEEN 1.25 PRECEDING AND 0.50 FOLLOWING",
        ),
        (
            format!("{batch} SELECT id, AVG(v) OVER (ORDER BY v ROWS BETWEEN 1 PRECEDING AND 2 FOLLOWING) FROM t;"),
            "ROWS BETWEEN 1 PRECEDING AND 2 FOLLOWING",
        ),
        (
            "SELECT id, SUM(v) OVER w AS s FROM t WINDOW w AS (PARTITION BY k ORDER BY ts) QUALIFY s > 10;".into(),
            "where=($over0 > CAST(10 AS BIGINT NOT NULL)), select=[id, $over0]",
        ),
    ];
    for (text, expected) in cases {
        let plan = plan(&text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert!(plan.contains(expected), "{text}\n{expected}\n{plan}");
    }
}

#[test]
fn results_that_nobody_reads_are_not_computed() {
    let text = "SELECT id, b FROM (SELECT id, SUM(v) OVER w AS a, COUNT(*) OVER w AS b FROM t \
        WINDOW w AS (PARTITION BY k ORDER BY ts));";
    let plan = plan(text).expect(text);
    assert!(plan.contains("calls=[COUNT(*)], columns=[id, $k, $ts *ROWTIME*, COUNT(*)]"), "{plan}");
}

#[test]
fn what_flink_refuses_is_refused() {
    let following = "OVER RANGE FOLLOWING windows are not supported yet.";
    let one_window = "All aggregates must be computed on the same window.";
    let single = "The window can only be ordered by a single time column.";
    let cases = [
        ("SELECT SUM(v) OVER (ORDER BY ts ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM t;", following),
        ("SELECT SUM(v) OVER (ORDER BY ts ROWS BETWEEN CURRENT ROW AND CURRENT ROW) FROM t;", following),
        (
            "SELECT SUM(v) OVER (PARTITION BY k ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM t;",
            following,
        ),
        ("SELECT SUM(v) OVER (PARTITION BY k) FROM t;", following),
        ("SELECT SUM(v) OVER (ORDER BY ts, v) FROM t;", single),
        (
            "SELECT SUM(v) OVER (ORDER BY ts DESC) FROM t;",
            "The window can only be ordered in ASCENDING mode.",
        ),
        (
            "SELECT SUM(v) OVER (ORDER BY id ROWS 1 PRECEDING) FROM t;",
            "Non-time attribute sort is not supported",
        ),
        ("SELECT SUM(v) OVER (ORDER BY ts), SUM(v) OVER (PARTITION BY k ORDER BY ts) FROM t;", one_window),
        // ROW_NUMBER has a frame of ROWS, SUM one of RANGE.
        ("SELECT SUM(v) OVER w, ROW_NUMBER() OVER w FROM t WINDOW w AS (ORDER BY ts);", one_window),
        ("SELECT LEAD(v) OVER (ORDER BY ts) FROM t;", "LEAD Function is not supported in stream mode."),
        (
            "SELECT LAG(v, 1, 0) OVER (ORDER BY ts) FROM t;",
            "the default of LAG is INT NOT NULL, but the value is BIGINT",
        ),
        ("SELECT LAG(v) OVER (ORDER BY ts ROWS 2 PRECEDING) FROM t;", "ROW/RANGE not allowed with"),
        (
            "SELECT NTILE(2) OVER (ORDER BY ts) FROM t;",
            "NTILE() on streaming table is not supported currently",
        ),
        ("SELECT UPPER(k) OVER (ORDER BY ts) FROM t;", "UPPER is no function that takes an OVER clause"),
        ("SELECT SUM(v) OVER w FROM t;", "there is no window 'w'"),
        (
            "SELECT SUM(v) OVER (w) FROM t WINDOW w AS (ORDER BY ts ROWS 1 PRECEDING);",
            "Referenced window cannot have framing declarations",
        ),
        ("SELECT SUM(v) OVER (ORDER BY ts RANGE INTERVAL '1' MONTH PRECEDING) FROM t;", "a frame of months"),
        ("SELECT SUM(s) OVER (ORDER BY ts) FROM (SELECT ts, SUM(v) AS s FROM t GROUP BY ts);", "Non-time"),
    ];
    for (text, expected) in cases {
        match plan(text) {
            // A grouped time is no time attribute any more: such a window is kept up to date.
            Ok(plan) => assert!(expected == "Non-time" && plan.contains("updating,"), "{text}\n{plan}"),
            Err(error) => assert!(error.message.contains(expected), "{text}\n{}", error.message),
        }
    }
}
