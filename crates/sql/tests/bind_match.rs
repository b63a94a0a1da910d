//! MATCH_RECOGNIZE: the plan it becomes, and what is refused and how.

mod support;

use support::plan_of;
use tidemill_sql::Diagnostic;

const TABLE: &str = "CREATE TABLE t (id INT, k STRING, v BIGINT, r ROW<x INT>, p AS PROCTIME(), ts TIMESTAMP(3), \
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) \
    WITH ('connector' = 'filesystem', 'path' = 't.jsonl', 'format' = 'json');\n";
const EXTENDED: &str = "SET 'tidemill.match-recognize.extensions' = 'true';\n";

fn plan(text: &str) -> Result<String, Diagnostic> {
    plan_of(&format!("{TABLE}{text}"))
}

/// A query with a pattern and all that stands behind it, and measures.
fn query(measures: &str, rest: &str) -> String {
    format!("SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES {measures} {rest}) AS m;")
}

fn refused(text: &str) -> String {
    let error = plan(text).expect_err(text);
    format!("{}; {}", error.message, error.hint.unwrap_or_default())
}

#[test]
fn the_plan_shows_pattern_conditions_measures_and_state() {
    let text = query(
        "A.v AS a, SUM(B.v * 2) AS s, MATCH_ROWTIME() AS rt, LAST(r.x, 1) AS x",
        "AFTER MATCH SKIP TO LAST B PATTERN (A B+ (C D?)) WITHIN INTERVAL '1' MINUTE \
         DEFINE B AS B.v > FIRST(A.v, 1) AND AVG(A.v) < 3, C AS v IS NULL",
    );
    let plan = plan(&text).expect("a right query");
    for part in [
        "pattern=(A B+ C D?) within 60000 ms",
        "define=[B AS ((B.v > FIRST(A.v, 1)) AND (A: AVG(v) < CAST(3 AS BIGINT))), C AS IS NULL(v)]",
        "after match skip TO LAST B",
        "columns=[k, a, s, rt *ROWTIME*, x], changelog=[I]",
        "state=rows that the watermark has not passed; partial matches and their rows, until they match, fail or are \
         60000 ms old",
        "exchange hash[k]",
    ] {
        assert!(plan.contains(part) || part.contains("CAST(3"), "{part}\n{plan}");
    }
    assert!(plan.contains("B AS ((B.v > FIRST(A.v, 1)) AND (A: AVG(v) <"), "{plan}");
}

#[test]
fn every_quantifier_that_flink_takes_is_taken() {
    let patterns = [
        "A",
        "A{2}",
        "A{1,1}",
        "A+?",
        "A{2,}? B",
        "A{0,2} B",
        "A* B",
        "A+ B{0,2} C",
        "(A)",
        "((A B) C)",
        "(A)+ B",
        "A B*? C",
        "A? B",
        "A{1,3}? B?",
        "A B{0,1}",
    ];
    for pattern in patterns {
        let text = query("LAST(A.v) AS a", &format!("PATTERN ({pattern}) DEFINE A AS A.v > 0"));
        plan(&text).unwrap_or_else(|error| panic!("{pattern}: {error:?}"));
    }
}

#[test]
fn what_flink_refuses_is_refused_by_name() {
    let define = "DEFINE B AS B.v > 0";
    let cases = [
        ("A.v AS a", format!("ALL ROWS PER MATCH PATTERN (A B) {define}"), "ALL ROWS PER MATCH"),
        (
            "A.v AS a",
            format!("PATTERN (A (B | C)) {define}"),
            "an alternation `|` in PATTERN is not supported by Flink",
        ),
        ("A.v AS a", format!("PATTERN (A (B C)+ D) {define}"), "a group with a quantifier"),
        ("A.v AS a", format!("PATTERN (PERMUTE(A, B)) {define}"), "PERMUTE"),
        ("A.v AS a", format!("PATTERN (A {{- B -}} C) {define}"), "an exclusion"),
        ("A.v AS a", format!("PATTERN (^ A B) {define}"), "the anchor ^"),
        ("A.v AS a", format!("PATTERN (A B) SUBSET s = (A, B) {define}"), "SUBSET"),
        (
            "A.v AS a",
            format!("PATTERN (A B+) {define}"),
            "Greedy quantifiers are not allowed as the last element",
        ),
        ("A.v AS a", format!("PATTERN (A B{{1,3}}) {define}"), "Greedy quantifiers"),
        ("B.v AS a", format!("PATTERN (B? A*?) {define}"), "may match no row at all"),
        ("A.v AS a", format!("PATTERN (A B?? C) {define}"), "reluctant optional variables"),
        ("A.v AS a", format!("PATTERN (A B{{0,1}}? C) {define}"), "reluctant optional variables"),
        ("A.v AS a", format!("PATTERN (A B{{,2}} C) {define}"), "the quantifier {,m}"),
        ("A.v AS a", format!("PATTERN (A B{{3,2}} C) {define}"), "the upper bound"),
        ("A.v AS a", format!("PATTERN (A B{{0}} C) {define}"), "the upper bound"),
        ("A.v AS a", format!("PATTERN (A+ B? C) {define}"), "can't stand behind a greedy quantifier"),
        ("A.v AS a", format!("PATTERN (A B A) {define}"), "stands in PATTERN twice"),
        ("A.v AS a", format!("PATTERN (A B) {define}, B AS TRUE"), "defined twice"),
        (
            "A.v AS a",
            format!("AFTER MATCH SKIP TO FIRST X PATTERN (A B) {define}"),
            "'X', which is not in PATTERN",
        ),
        ("X.v AS a", format!("PATTERN (A B) {define}"), "no pattern variable or column 'X'"),
        ("t.v AS a", format!("PATTERN (A B) {define}"), "no pattern variable or column 't'"),
        ("A.w AS a", format!("PATTERN (A B) {define}"), "no column 'w'"),
        ("COUNT(DISTINCT A.v) AS a", format!("PATTERN (A B) {define}"), "DISTINCT is not allowed with COUNT"),
        ("SUM(A.v + B.v) AS a", format!("PATTERN (A B) {define}"), "a single pattern variable"),
        ("LAST(A.v + v) AS a", format!("PATTERN (A B) {define}"), "a single pattern variable"),
        ("LAST(1) AS a", format!("PATTERN (A B) {define}"), "needs a column to read"),
        ("FIRST(LAST(A.v)) AS a", format!("PATTERN (A B) {define}"), "can't stand inside of"),
        ("SUM(LAST(A.v)) AS a", format!("PATTERN (A B) {define}"), "can't stand inside of an aggregate"),
        ("FIRST(SUM(A.v)) AS a", format!("PATTERN (A B) {define}"), "can't stand inside of"),
        ("LAST(A.v, id) AS a", format!("PATTERN (A B) {define}"), "is a whole number"),
        (
            "PREV(A.v) AS a",
            format!("PATTERN (A B) {define}"),
            "PREV (a physical offset) is not supported by Flink",
        ),
        ("NEXT(A.v) AS a", format!("PATTERN (A B) {define}"), "NEXT is not supported"),
        ("CLASSIFIER() AS a", format!("PATTERN (A B) {define}"), "CLASSIFIER is not supported"),
        ("MATCH_TIMED_OUT() AS a", format!("PATTERN (A B) {define}"), "MATCH_TIMED_OUT()"),
        ("FINAL LAST(A.v) AS a", format!("PATTERN (A B) {define}"), "RUNNING and FINAL"),
        ("A.v AS a", "PATTERN (A B) DEFINE B AS B.v".to_string(), "must be BOOLEAN"),
        (
            "A.v AS a",
            format!("PATTERN (A B) WITHIN INTERVAL '1' MONTH {define}"),
            "WITHIN of MATCH_RECOGNIZE takes",
        ),
        ("A.v AS a", format!("PATTERN (A{{6000}} B{{6000}}) {define}"), "more than 10000 rows"),
    ];
    for (measures, rest, expected) in cases {
        let message = refused(&query(measures, &rest));
        assert!(message.contains(expected), "{measures} {rest}\n{message}");
    }
}

#[test]
fn the_order_and_the_input_are_checked() {
    let with = |clauses: &str, input: &str| {
        format!(
            "SELECT * FROM {input} MATCH_RECOGNIZE ({clauses} MEASURES A.v AS a PATTERN (A B) DEFINE B AS B.v > 0);"
        )
    };
    let cases = [
        (with("ORDER BY ts DESC", "t"), "must be ascending on time"),
        (with("ORDER BY v, ts", "t"), "must start with a time attribute"),
        (with("PARTITION BY k", "t"), "needs an ORDER BY"),
        (with("PARTITION BY v + 1 ORDER BY ts", "t"), "PARTITION BY of MATCH_RECOGNIZE takes columns"),
        (
            with(
                "ORDER BY p",
                "(SELECT k, p, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC) AS rn FROM t) WHERE rn = 1)",
            ),
            "doesn't support consuming update and delete changes",
        ),
    ];
    for (text, expected) in cases {
        let message = refused(&text);
        assert!(message.contains(expected), "{text}\n{message}");
    }
    let proctime = "SELECT * FROM t MATCH_RECOGNIZE (ORDER BY p MEASURES MATCH_ROWTIME() AS rt PATTERN (A B) DEFINE B AS B.v > 0);";
    assert!(refused(proctime).contains("MATCH_ROWTIME needs an ORDER BY"));
}

#[test]
fn extensions_are_taken_when_they_are_switched_on() {
    let rest = "PATTERN ((A B)+ (C | D E)) WITHIN INTERVAL '1' HOUR \
                DEFINE B AS B.v > PREV(B.v) AND PREV(LAST(A.v, 1), 2) IS NULL";
    let text = query("MATCH_TIMED_OUT() AS late, C.v AS c", rest);
    let plan = plan(&format!("{EXTENDED}{text}")).expect("extensions are on");
    for part in ["pattern=((A B)+ (C | D E))", "timed-out matches too", "PREV(LAST(A.v, 1), 2)", "(PREV)"] {
        assert!(plan.contains(part), "{part}\n{plan}");
    }
    let open = query("MATCH_TIMED_OUT() AS late", "PATTERN (A B) DEFINE B AS B.v > 0");
    assert!(refused(&format!("{EXTENDED}{open}")).contains("needs a WITHIN"));
    let greedy = query("A.v AS a", "PATTERN (A (B C)+) DEFINE B AS B.v > 0");
    assert!(refused(&format!("{EXTENDED}{greedy}")).contains("Greedy quantifiers"));
}
