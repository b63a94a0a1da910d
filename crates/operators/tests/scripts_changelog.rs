//! Kinds of change as columns and back, and the sink materializer, with restarts after each chunk.

#![allow(clippy::unwrap_used)]

#[path = "support/harness.rs"]
#[allow(dead_code)]
mod harness;

use harness::{input, run};
use tidemill_operators::{OperatorContext, Output, build, deliver};
use tidemill_plan::{FromChangelogPlan, Operator as Plan, ToChangelogPlan};
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
