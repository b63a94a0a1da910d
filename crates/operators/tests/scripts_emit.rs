//! Windows with results before and after their end: early, at the end, late; delays, lateness and restarts.

#![allow(clippy::unwrap_used)]

#[path = "support/harness.rs"]
#[allow(dead_code)]
mod harness;

use harness::{Tiny, call, input, run};
use tidemill_plan::stream::{EmittingWindowPlan, WindowAggregatePlan};
use tidemill_plan::{Operator as Plan, WindowKind, WindowProperty, WindowSpec};
use tidemill_types::TimeAttribute;

fn plan(early_ms: Option<i64>, late_ms: Option<i64>, lateness_ms: i64) -> Plan {
    let kind = WindowKind::Tumble { size: 10, offset: 0 };
    let base = WindowAggregatePlan {
        window: WindowSpec { kind, time_column: 2, time: TimeAttribute::Rowtime, zone: None },
        keys: vec![0],
        aggregates: vec![call(Tiny::Sum, &[1])],
        properties: vec![WindowProperty::End],
        retract: true,
    };
    Plan::EmittingWindow(EmittingWindowPlan { base, early_ms, late_ms, lateness_ms })
}

#[test]
fn early_results_are_updated_until_the_end() {
    let script = "
        +I a 1 1
        => +I a 1 10
        +I a 2 2
        => -U a 1 10
        => +U a 3 10
        +I b 5 12
        => +I b 5 20
        W 9
        +I a 4 3
        late 1
        -D b 5 12
        => -D b 5 20
        W max
    ";
    run(plan(Some(0), None, 0), input(), script);
}

#[test]
fn late_rows_update_a_window_until_it_is_given_up() {
    let script = "
        +I a 1 1
        W 9
        => +I a 1 10
        +I a 2 2
        => -U a 1 10
        => +U a 3 10
        restart
        +I a 0 3
        W 19
        +I a 7 4
        late 1
        W max
    ";
    run(plan(None, Some(0), 10), input(), script);
}

#[test]
fn a_delay_gives_one_change_for_many_rows() {
    let script = "
        T 100
        +I a 1 1
        +I a 2 2
        T 150
        => +I a 3 10
        +I a 4 3
        W 9
        => -U a 3 10
        => +U a 7 10
        T 300
    ";
    run(plan(Some(50), None, 0), input(), script);
}
