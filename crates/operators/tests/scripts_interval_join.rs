//! Interval joins: bounds, padded rows, late rows, NULL keys, what is kept and for how long.

#![allow(clippy::unwrap_used)]

#[path = "support/harness.rs"]
#[allow(dead_code)]
mod harness;
#[path = "support/two_inputs.rs"]
#[allow(dead_code)]
mod two_inputs;

use tidemill_plan::{IntervalJoinPlan, JoinKind, Operator as Plan};
use tidemill_types::TimeAttribute;
use two_inputs::{driver, on_key, run};

fn plan(kind: JoinKind, time: TimeAttribute, lower_ms: i64, upper_ms: i64) -> Plan {
    Plan::IntervalJoin(IntervalJoinPlan {
        on: on_key(kind),
        left_time: 2,
        right_time: 2,
        time,
        lower_ms,
        upper_ms,
    })
}

/// The left row comes 0 to 10 ms after the right one.
fn rowtime(kind: JoinKind) -> Plan {
    plan(kind, TimeAttribute::Rowtime, 0, 10)
}

#[test]
fn rows_inside_the_bounds_pair_whichever_comes_first() {
    run(
        &rowtime(JoinKind::Inner),
        "L +I a 1 100
         R +I a 2 89
         R +I a 3 90
         R +I a 4 100
         R +I a 5 101
         R +I b 6 95
         => +I a 1 100 a 3 90
         => +I a 1 100 a 4 100
         L +I a 7 101
         L +I null 8 101
         R +I null 9 101
         => +I a 7 101 a 4 100
         => +I a 7 101 a 5 101",
    );
}

#[test]
fn rows_of_outer_sides_are_padded_when_nothing_can_match_any_more() {
    // A key is cleaned 5 ms (half the bounds) after its first row has expired.
    run(
        &rowtime(JoinKind::Full),
        "L +I a 1 100
         R +I b 2 100
         R +I a 3 95
         => +I a 1 100 a 3 95
         W 105
         => nothing
         L +I c 4 108
         W 113
         => nothing
         W 114
         => +I c 4 108 null null null
         W 115
         => nothing
         W 116
         => +I null null null b 2 100
         L +I null 5 120
         W 300
         => +I null 5 120 null null null",
    );
    run(
        &rowtime(JoinKind::Left),
        "L +I a 1 100
         R +I a 2 101
         W 106
         => +I a 1 100 null null null
         R +I a 9 500
         W max
         => nothing",
    );
}

#[test]
fn a_late_row_meets_what_is_still_kept() {
    run(
        &rowtime(JoinKind::Left),
        "R +I a 1 100
         W 112
         L +I a 2 105
         => +I a 2 105 a 1 100
         L +I a 3 106
         => +I a 3 106 null null null
         W 116
         L +I a 4 104
         => +I a 4 104 null null null",
    );
}

#[test]
fn bounds_that_nothing_meets_pad_at_once() {
    run(
        &plan(JoinKind::Right, TimeAttribute::Rowtime, 5, 0),
        "L +I a 1 100
         R +I a 2 100
         W 100
         => +I null null null a 2 100",
    );
}

#[test]
fn processing_time_goes_by_the_clock() {
    run(
        &plan(JoinKind::Left, TimeAttribute::Proctime, -10, 10),
        "T 1000
         L +I a 1 0
         T 1005
         R +I a 2 0
         L +I b 3 0
         => +I a 1 0 a 2 0
         T 1015
         R +I b 4 0
         => +I b 3 0 b 4 0
         L +I c 5 0
         L +I d 6 0
         T 1035
         R +I c 7 0
         => +I c 5 0 null null null
         T 1036
         => +I d 6 0 null null null
         W max
         => nothing",
    );
}

#[test]
fn the_watermark_lies_behind_by_the_larger_bound() {
    let mut driver = driver(&plan(JoinKind::Inner, TimeAttribute::Rowtime, -30, 10));
    two_inputs::feed(&mut driver, &[two_inputs::Event::Watermark(100)], 1, &mut || false);
    assert_eq!(driver.given, 70);
}
