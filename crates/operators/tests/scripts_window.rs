//! Window aggregates: firing, lateness, sharing of panes, restarts.

#![allow(clippy::unwrap_used)]

#[path = "support/harness.rs"]
#[allow(dead_code)]
mod harness;

use harness::{Tiny, call, input, run};
use tidemill_plan::stream::WindowAggregatePlan;
use tidemill_plan::{AggregateCall, Operator as Plan, WindowKind, WindowProperty, WindowSpec};
use tidemill_types::{Field, Schema, TimeAttribute, TypeKind};

fn plan(kind: WindowKind, aggregates: Vec<AggregateCall>) -> WindowAggregatePlan {
    WindowAggregatePlan {
        window: WindowSpec { kind, time_column: 2, time: TimeAttribute::Rowtime, zone: None },
        keys: vec![0],
        aggregates,
        properties: vec![WindowProperty::Start, WindowProperty::End],
        retract: false,
    }
}

fn count_sum() -> Vec<AggregateCall> {
    vec![call(Tiny::Count, &[]), call(Tiny::Sum, &[1])]
}

#[test]
fn tumbling_windows_fire_in_order_and_late_rows_are_dropped() {
    run(
        Plan::WindowAggregate(plan(WindowKind::Tumble { size: 10, offset: 0 }, count_sum())),
        input(),
        "
        +I a 1 3
        +I b 2 -4
        +I a 5 12
        => nothing
        W 8
        => +I b 1 2 -10 0
        +I b 7 -1
        +I a 1 9
        W 9
        late 1
        => +I a 2 2 0 10
        restart
        +I a 1 9
        +I a null 15
        +I null 3 18
        W max
        late 1
        => +I a 2 5 10 20
        => +I null 1 3 10 20
        ",
    );
}

#[test]
fn a_mark_inside_a_chunk_makes_the_rows_behind_it_late() {
    run(
        Plan::WindowAggregate(plan(WindowKind::Tumble { size: 10, offset: 0 }, count_sum())),
        input(),
        "
        +I a 1 3
        W 9
        +I a 1 4
        +I b 1 14
        W 25
        +I b 1 21
        +I b 1 19
        late 2
        => +I a 1 1 0 10
        => +I b 1 1 10 20
        W max
        => +I b 1 1 20 30
        ",
    );
}

#[test]
fn hopping_windows_take_late_rows_that_still_have_an_open_window() {
    let script = "
        +I a 1 1
        W 5
        => +I a 1 1 -5 5
        +I a 2 6
        +I b 9 12
        W 10
        => +I a 2 3 0 10
        # [0, 10) has fired, [5, 15) has not
        +I a 4 7
        +I a 8 4
        late 1
        W 15
        => +I a 2 6 5 15
        => +I b 1 9 5 15
        W max
        => +I b 1 9 10 20
        ";
    let kind = WindowKind::Hop { slide: 5, size: 10, offset: 0 };
    run(Plan::WindowAggregate(plan(kind.clone(), count_sum())), input(), script);
    let mut retract = plan(kind, count_sum());
    retract.retract = true;
    run(Plan::WindowAggregate(retract), input(), script);
}

#[test]
fn aggregates_without_inverse_are_merged_afresh() {
    let kind = WindowKind::Hop { slide: 2, size: 6, offset: 0 };
    run(
        Plan::WindowAggregate(plan(kind, vec![call(Tiny::Max, &[1])])),
        input(),
        "
        +I a 9 0
        +I a 1 3
        W 3
        => +I a 9 -4 2
        => +I a 9 -2 4
        +I a 5 5
        W 7
        => +I a 9 0 6
        => +I a 5 2 8
        W max
        => +I a 5 4 10
        ",
    );
}

#[test]
fn cumulating_windows_fire_every_step_once_there_is_data() {
    run(
        Plan::WindowAggregate(plan(WindowKind::Cumulate { step: 5, size: 15, offset: 0 }, count_sum())),
        input(),
        "
        +I a 1 6
        W 9
        => +I a 1 1 0 10
        +I b 2 2
        +I b 4 13
        W 14
        => +I a 1 1 0 15
        => +I b 2 6 0 15
        +I b 2 2
        late 1
        +I a 1 15
        W max
        => +I a 1 1 15 20
        => +I a 1 1 15 25
        => +I a 1 1 15 30
        ",
    );
}

#[test]
fn rows_taken_back_leave_their_window() {
    let mut plan = plan(WindowKind::Tumble { size: 10, offset: 0 }, count_sum());
    plan.retract = true;
    run(
        Plan::WindowAggregate(plan),
        input(),
        "
        +I a 1 3
        +I a 5 4
        +I b 1 3
        -U a 1 3
        +U a 2 3
        -D b 1 3
        -D c 1 3
        W 9
        => +I a 2 7 0 10
        => +I c -1 -1 0 10
        -D a 5 4
        late 1
        ",
    );
}

#[test]
fn rows_that_carry_their_window_are_grouped_by_it() {
    let mut schema = input();
    let time = |name: &str| Field::new(name, TypeKind::Timestamp(3).not_null());
    schema = Schema::new(schema.fields.into_iter().chain([time("ws"), time("we")]).collect());
    run(
        Plan::WindowAggregate(plan(WindowKind::Attached { start: 3, end: 4 }, count_sum())),
        schema,
        "
        +I a 1 9 0 10
        +I a 2 9 5 10
        +I a 4 9 0 20
        W 9
        => +I a 1 1 0 10
        => +I a 1 2 5 10
        +I a 1 9 0 10
        +I a 1 9 0 20
        W max
        late 1
        => +I a 2 5 0 20
        ",
    );
}

#[test]
fn sessions_merge_when_they_touch() {
    run(
        Plan::WindowAggregate(plan(WindowKind::Session { gap: 10, partition: vec![0] }, count_sum())),
        input(),
        "
        +I a 1 0
        +I a 2 20
        +I b 4 5
        => nothing
        # touches both
        +I a 8 10
        W 14
        => +I b 1 4 5 15
        W 28
        # joins the open session though its own span has fired
        +I a 16 1
        # does not join
        +I b 1 5
        late 1
        W 29
        => +I a 4 27 0 30
        +I a 1 40
        +I a 1 51
        W max
        => +I a 1 1 40 50
        => +I a 1 1 51 61
        ",
    );
}

#[test]
fn sessions_of_updating_input_take_rows_back() {
    let mut plan = plan(WindowKind::Session { gap: 10, partition: vec![0] }, count_sum());
    plan.retract = true;
    run(
        Plan::WindowAggregate(plan),
        input(),
        "
        +I a 1 0
        +I a 3 5
        -D a 1 0
        +I b 1 0
        -D b 1 0
        W max
        => +I a 1 3 0 15
        ",
    );
}

#[test]
fn rows_wait_for_the_end_of_their_session() {
    let kind = WindowKind::Session { gap: 10, partition: vec![0] };
    let spec = WindowSpec { kind, time_column: 2, time: TimeAttribute::Rowtime, zone: None };
    run(
        Plan::WindowAssign(spec),
        input(),
        "
        +I a 1 0
        +I b 3 1
        +I a 2 15
        +I a 4 7
        W 10
        => +I b 3 1 1 11 10
        +I b 4 -5
        W 24
        late 1
        => +I a 1 0 0 25 24
        => +I a 4 7 0 25 24
        => +I a 2 15 0 25 24
        ",
    );
}

#[test]
fn sessions_may_be_grouped_by_other_columns() {
    run(
        Plan::WindowAggregate(plan(WindowKind::Session { gap: 10, partition: vec![] }, count_sum())),
        input(),
        "
        +I a 1 0
        +I b 2 8
        +I a 4 16
        W 24
        => nothing
        +I a 8 30
        W 25
        => +I a 2 5 0 26
        => +I b 1 2 0 26
        +I a 8 3
        W max
        late 1
        => +I a 1 8 30 40
        ",
    );
}

#[test]
fn processing_time_windows_fire_by_the_clock_only() {
    let mut plan = plan(WindowKind::Tumble { size: 10, offset: 0 }, count_sum());
    plan.window.time = TimeAttribute::Proctime;
    run(
        Plan::WindowAggregate(plan),
        input(),
        "
        T 3
        +I a 1 0
        +I a 1 0
        T 9
        => nothing
        T 10
        => +I a 2 2 0 10
        +I a 5 0
        restart
        T 25
        => +I a 1 5 10 20
        +I a 7 0
        W max
        => nothing
        ",
    );
}

#[test]
fn distinct_values_count_once_over_all_panes() {
    let mut distinct = call(Tiny::Sum, &[1]);
    distinct.distinct = true;
    run(
        Plan::WindowAggregate(plan(
            WindowKind::Hop { slide: 5, size: 10, offset: 0 },
            vec![distinct, call(Tiny::Count, &[])],
        )),
        input(),
        "
        +I a 3 1
        +I a 3 2
        +I a 3 6
        +I a 4 7
        +I a null 7
        W max
        => +I a 3 2 -5 5
        => +I a 7 5 0 10
        => +I a 7 3 5 15
        ",
    );
}

#[test]
fn windows_of_instants_follow_the_wall_clock() {
    let mut schema = input();
    schema.fields[2].data_type = TypeKind::TimestampLtz(3).nullable();
    let mut plan = plan(WindowKind::Tumble { size: 86_400_000, offset: 0 }, vec![call(Tiny::Count, &[])]);
    plan.window.zone = Some(chrono_tz::America::New_York);
    plan.properties.push(WindowProperty::Time);
    // 2024-03-10 has 23 hours there: 05:00 to 04:00 the next day in UTC.
    run(
        Plan::WindowAggregate(plan),
        schema,
        "
        +I a 1 1710046800000
        +I a 1 1710129599999
        +I a 1 1710129600000
        W 1710129599998
        => nothing
        W 1710129599999
        => +I a 2 1710028800000 1710115200000 1710129599999
        W max
        => +I a 1 1710115200000 1710201600000 1710215999999
        ",
    );
}
