//! Window joins of each kind: what comes out at a window's end, late rows, NULL keys; `ts` is the window's end.

#![allow(clippy::unwrap_used)]

#[path = "support/harness.rs"]
#[allow(dead_code)]
mod harness;
#[path = "support/two_inputs.rs"]
#[allow(dead_code)]
mod two_inputs;

use tidemill_plan::{JoinKind, JoinOn, Operator as Plan, WindowJoinPlan};
use tidemill_types::TimeAttribute;
use two_inputs::run;

fn plan(kind: JoinKind, time: TimeAttribute) -> Plan {
    let keys = vec![0, 2];
    let on = JoinOn {
        kind,
        left_keys: keys.clone(),
        right_keys: keys,
        null_safe: vec![false, false],
        residual: None,
    };
    Plan::WindowJoin(WindowJoinPlan { on, left_end: 2, right_end: 2, time, zone: None })
}

const ROWS: &str = "L +I a 1 100
     L +I a 2 100
     R +I a 3 100
     R +I a 4 200
     L +I b 5 100
     R +I c 6 100
     L +I null 7 100
     R +I null 8 100
     W 98
     => nothing
     W 99";

fn check(kind: JoinKind, expected: &[&str]) {
    let expected: String = expected.iter().map(|row| format!("=> {row}\n")).collect();
    let after = "late 0
         L +I a 9 100
         R +I a 9 100
         W 150
         => nothing
         late 2";
    run(&plan(kind, TimeAttribute::Rowtime), &format!("{ROWS}\n{expected}{after}"));
}

#[test]
fn inner_and_outer_joins_give_pairs_and_padded_rows() {
    let pairs = ["+I a 1 100 a 3 100", "+I a 2 100 a 3 100"];
    let left = ["+I b 5 100 null null null", "+I null 7 100 null null null"];
    let right = ["+I null null null c 6 100", "+I null null null null 8 100"];
    check(JoinKind::Inner, &pairs);
    check(JoinKind::Left, &[pairs, left].concat());
    check(JoinKind::Right, &[pairs, right].concat());
    check(JoinKind::Full, &[pairs, left, right].concat());
}

#[test]
fn semi_and_anti_joins_give_left_rows() {
    check(JoinKind::Semi, &["+I a 1 100", "+I a 2 100"]);
    check(JoinKind::Anti, &["+I b 5 100", "+I null 7 100"]);
}

#[test]
fn processing_time_windows_end_by_the_clock() {
    run(
        &plan(JoinKind::Left, TimeAttribute::Proctime),
        "T 50
         L +I a 1 100
         R +I a 2 100
         L +I b 3 200
         T 99
         => nothing
         T 100
         => +I a 1 100 a 2 100
         W max
         => nothing",
    );
}
