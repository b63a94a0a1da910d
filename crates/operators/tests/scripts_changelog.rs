//! Kinds of change as columns and back, the sink materializer and the sink compaction, with
//! restarts after each chunk.

#![allow(clippy::unwrap_used)]

#[path = "support/harness.rs"]
#[allow(dead_code)]
mod harness;

use harness::{input, run};
use tidemill_operators::{OperatorContext, Output, build, deliver};
use tidemill_plan::{FromChangelogPlan, Operator as Plan, SinkCompactPlan, ToChangelogPlan};
use tidemill_types::{RowKind, WATERMARK_NONE};

#[test]
fn kinds_become_codes_and_those_without_are_dropped() {
    let codes = vec![
        (RowKind::Insert, "i".to_string()),
        (RowKind::UpdateAfter, "u".to_string()),
        (RowKind::Delete, "d".to_string()),
    ];
    let script = "
        +I a 1 0
        -U a 1 0
        +U a 2 0
        -D a 2 0
        => +I i a 1
        => +I u a 2
        => +I d a 2
    ";
    run(Plan::ToChangelog(ToChangelogPlan { codes, kept: vec![0, 1] }), input(), script);
}

#[test]
fn codes_become_kinds() {
    let codes = vec![("c".to_string(), RowKind::Insert), ("d".to_string(), RowKind::Delete)];
    let plan = FromChangelogPlan { op: 0, codes, skip: true, kept: vec![1] };
    let script = "
        +I c 1 0
        +I d 1 0
        +I x 2 0
        +I null 3 0
        => +I 1
        => -D 1
    ";
    run(Plan::FromChangelog(plan.clone()), input(), script);
    let strict = Plan::FromChangelog(FromChangelogPlan { skip: false, ..plan });
    let mut operator = build(&harness::node(strict), &[&input()], &harness::job()).unwrap();
    let row = |code: &str| {
        let values = vec![Some(code.to_string()), Some("1".into()), Some("0".into())];
        harness::chunk(&input(), &[harness::Row { kind: RowKind::Insert, values }], &[])
    };
    let ctx = OperatorContext { now_ms: 0, watermark: WATERMARK_NONE };
    let error = deliver(operator.as_mut(), 0, row("x"), &ctx, &mut Output::new(false)).unwrap_err();
    assert!(error.to_string().contains("'x' is no operation code; defined are c, d"));
}

#[test]
fn the_newest_row_of_a_key_comes_back() {
    let script = "
        +I a 1 0
        +I a 2 0
        +I b 5 0
        => +I a 1 0
        => +U a 2 0
        => +I b 5 0
        -U a 1 0
        +U a 3 0
        => +U a 3 0
        -D a 3 0
        => +U a 2 0
        -D b 5 0
        -D b 5 0
        => -D b 5 0
        restart
        +I a 4 0
        -D a 2 0
        -D a 4 0
        => +U a 4 0
        => -D a 4 0
    ";
    run(Plan::SinkMaterialize { keys: vec![0], ttl_ms: 0 }, input(), script);
}

fn compact(upsert_key: Option<Vec<usize>>, fails: bool) -> Plan {
    Plan::SinkCompact(SinkCompactPlan { keys: vec![0], upsert_key, fails, ttl_ms: 0 })
}

#[test]
fn the_first_row_of_a_primary_key_stays() {
    let script = "
        +I a 1 0
        +I a 2 0
        +I b 5 0
        +I c 7 0
        -D c 7 0
        W 10
        => +I a 1 0
        => +I b 5 0
        +I a 3 0
        -U b 5 0
        +U b 6 0
        W 20
        => +U b 6 0
        restart
        -D a 1 0
        +I c 8 0
        W 30
        => -D a 1 0
        => +I c 8 0
        +U b 9 0
        -U b 6 0
        +I c 8 1
        -D c 8 1
        W 40
        => +U b 9 0
        +I d 1 0
        -D b 9 0
        W max
        => +I d 1 0
        => -D b 9 0
    ";
    run(compact(None, false), input(), script);
}

#[test]
fn a_row_replaces_the_one_of_its_upsert_key() {
    let script = "
        +I a 1 10
        W 10
        => +I a 1 10
        # Without the -U of the row before.
        +U a 1 11
        W 20
        => +U a 1 11
        # Another row of the primary key is a conflict until it is gone.
        +U a 1 12
        +I a 2 20
        W 30
        restart
        -D a 1 12
        W 40
        => -D a 1 11
        +I a 3 30
        -U a 3 30
        +U a 3 31
        W 50
        => +I a 3 31
        # What is taken back is found by its upsert key.
        -D a 3 99
        W 60
        => -D a 3 31
    ";
    run(compact(Some(vec![1]), false), input(), script);
}

#[test]
fn several_rows_of_a_primary_key_end_the_run() {
    let mut operator = build(&harness::node(compact(None, true)), &[&input()], &harness::job()).unwrap();
    let ctx = OperatorContext { now_ms: 0, watermark: WATERMARK_NONE };
    let mut out = Output::new(false);
    let row = |kind, key: &str, v: &str| {
        let values = vec![Some(key.to_string()), Some(v.into()), Some("0".into())];
        harness::Row { kind, values }
    };
    let moved =
        [row(RowKind::Insert, "a", "1"), row(RowKind::Insert, "a", "2"), row(RowKind::Delete, "a", "1")];
    deliver(operator.as_mut(), 0, harness::chunk(&input(), &moved, &[(3, 10)]), &ctx, &mut out).unwrap();
    let given: Vec<String> = out.take_chunks().iter().flat_map(harness::rows_of).collect();
    assert_eq!(given, ["+I a 2 0"]);
    let second = harness::chunk(&input(), &[row(RowKind::Insert, "a", "3")], &[(1, 20)]);
    let error = deliver(operator.as_mut(), 0, second, &ctx, &mut out).unwrap_err();
    assert!(error.to_string().contains("Primary key constraint violation"), "{error}");
    assert!(error.to_string().contains("Conflicting key: [k=a]"), "{error}");
}
