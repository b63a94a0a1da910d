//! Event-time temporal joins: which version a row meets, deletions, changes of the left side, late rows.

#![allow(clippy::unwrap_used)]

#[path = "support/harness.rs"]
#[allow(dead_code)]
mod harness;
#[path = "support/two_inputs.rs"]
#[allow(dead_code)]
mod two_inputs;

use tidemill_plan::{JoinKind, Operator as Plan, TemporalJoinPlan};
use two_inputs::{on_key, run};

fn plan(kind: JoinKind, update_before: bool) -> Plan {
    let on = on_key(kind);
    Plan::TemporalJoin(TemporalJoinPlan { on, left_time: 2, right_time: 2, update_before })
}

#[test]
fn a_row_meets_the_version_of_its_time_once_the_watermark_has_passed() {
    run(
        &plan(JoinKind::Inner, false),
        "L +I a 1 15
         L +I a 2 20
         R +I a 7 10
         R -U a 7 10
         R +U a 8 20
         L +I b 3 20
         L +I null 4 20
         => nothing
         W 19
         => +I a 1 15 a 7 10
         W 20
         => +I a 2 20 a 8 20
         L +I a 5 40
         R -D a 8 30
         W 50
         => nothing
         R +I a 9 60
         R +I a 6 60
         L +I a 5 70
         W max
         => +I a 5 70 a 6 60",
    );
}

#[test]
fn left_joins_pad_and_keep_the_kind_of_the_left_row() {
    run(
        &plan(JoinKind::Left, false),
        "L +I a 1 5
         R +I a 7 10
         L -U a 1 12
         L +U a 2 12
         L +I null 3 12
         W 12
         => +I a 1 5 null null null
         => -U a 1 12 a 7 10
         => +U a 2 12 a 7 10
         => +I null 3 12 null null null",
    );
}

#[test]
fn a_late_row_meets_the_kept_versions_at_the_next_watermark() {
    run(
        &plan(JoinKind::Left, false),
        "R +I a 7 10
         R +I a 8 20
         W 30
         L +I a 1 25
         L +I a 2 15
         => nothing
         W 31
         => +I a 1 25 a 8 20
         => +I a 2 15 null null null",
    );
}

#[test]
fn a_row_taken_back_ends_its_version_where_it_is_seen() {
    run(
        &plan(JoinKind::Inner, true),
        "R +I a 7 10
         R -U a 7 10
         L +I a 1 15
         W max
         => nothing",
    );
}
