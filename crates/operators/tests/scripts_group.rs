//! Group aggregate: changes, withdrawals, DISTINCT, FILTER, time to live, batch results, restarts.

#![allow(clippy::unwrap_used)]

#[path = "support/harness.rs"]
#[allow(dead_code)]
mod harness;

use harness::{Tiny, call, input, run};
use tidemill_plan::stream::GroupAggregatePlan;
use tidemill_plan::{AggregateCall, Operator as Plan};
use tidemill_types::{Field, Schema, TypeKind};

fn plan(aggregates: Vec<AggregateCall>) -> GroupAggregatePlan {
    GroupAggregatePlan {
        keys: vec![0],
        aggregates,
        retract: true,
        update_before: true,
        ttl_ms: 0,
        net_changes: true,
        final_only: false,
        row_without_input: false,
    }
}

fn count_sum() -> Vec<AggregateCall> {
    vec![call(Tiny::Count, &[]), call(Tiny::Sum, &[1])]
}

#[test]
fn each_chunk_gives_one_net_change_a_key() {
    run(
        Plan::GroupAggregate(plan(count_sum())),
        input(),
        "
        +I a 1 0
        +I a 2 0
        +I b 5 0
        => +I a 2 3
        => +I b 1 5
        -U a 1 0
        +U a 4 0
        -D b 5 0
        => -U a 2 3
        => +U a 2 6
        => -D b 1 5
        restart
        +I b 7 0
        -U a 2 0
        +U a 2 0
        => +I b 1 7
        ",
    );
}

#[test]
fn in_front_of_a_log_each_row_gives_its_own_change() {
    let mut plan = plan(count_sum());
    plan.net_changes = false;
    let mut driver = harness::Driver::new(Plan::GroupAggregate(plan), input());
    let row = |kind, key: &str, v: &str| harness::Row {
        kind,
        values: [key, v, "0"].map(|value| Some(value.to_string())).to_vec(),
    };
    use tidemill_types::RowKind::{Delete, Insert};
    driver.feed(
        &[row(Insert, "a", "1"), row(Insert, "b", "5"), row(Insert, "a", "2"), row(Delete, "b", "5")],
        &[],
    );
    assert_eq!(driver.changes, ["+I a 1 1", "+I b 1 5", "-U a 1 1", "+U a 2 3", "-D b 1 5"]);
}

#[test]
fn withdrawals_of_groups_that_do_not_exist_are_dropped() {
    run(
        Plan::GroupAggregate(plan(count_sum())),
        input(),
        "
        -D a 1 0
        +I a 2 0
        -U b 1 0
        => +I a 1 2
        -D a 2 0
        -D a 2 0
        +I a 3 0
        => -U a 1 2
        => +U a 1 3
        ",
    );
}

#[test]
fn without_update_before_only_the_new_row_is_given() {
    let mut plan = plan(count_sum());
    plan.update_before = false;
    let mut driver = harness::Driver::new(Plan::GroupAggregate(plan), input());
    let row = |kind, v: &str| harness::Row {
        kind,
        values: ["a", v, "0"].map(|value| Some(value.to_string())).to_vec(),
    };
    use tidemill_types::RowKind::{Delete, Insert};
    driver.feed(&[row(Insert, "1")], &[]);
    driver.feed(&[row(Insert, "2")], &[(1, 5)]);
    driver.feed(&[row(Delete, "1"), row(Delete, "2")], &[]);
    assert_eq!(driver.changes, ["+I a 1 1", "+U a 2 3", "-D a 2 3"]);
    assert_eq!(driver.given, 5);
}

#[test]
fn a_result_that_stays_equal_gives_nothing() {
    run(
        Plan::GroupAggregate(plan(vec![call(Tiny::Max, &[1])])),
        input(),
        "
        +I a 5 0
        => +I a 5
        +I a 3 0
        => nothing
        +I a 9 0
        => -U a 5
        => +U a 9
        ",
    );
}

#[test]
fn distinct_and_filtered_aggregates_keep_their_own_sets() {
    let mut schema = input();
    schema = Schema::new(
        schema.fields.into_iter().chain([Field::new("w", TypeKind::BigInt.nullable())]).collect(),
    );
    let mut sum = call(Tiny::Sum, &[1]);
    sum.distinct = true;
    let mut count = call(Tiny::Count, &[1]);
    count.distinct = true;
    let mut other = call(Tiny::Count, &[3]);
    other.distinct = true;
    run(
        Plan::GroupAggregate(plan(vec![sum, count, other])),
        schema,
        "
        +I a 5 0 1
        +I a 5 0 2
        +I a null 0 2
        => +I a 5 1 2
        -D a 5 0 1
        => -U a 5 1 2
        => +U a 5 1 1
        restart
        -D a 5 0 2
        => -U a 5 1 1
        => +U a null 0 1
        ",
    );
}

#[test]
fn without_keys_there_is_one_row() {
    let mut plan = plan(count_sum());
    plan.keys = Vec::new();
    run(
        Plan::GroupAggregate(plan),
        input(),
        "
        W 5
        => nothing
        +I a 1 0
        +I b 2 0
        => +I 2 3
        -D a 1 0
        => -U 2 3
        => +U 1 2
        ",
    );
}

#[test]
fn distinct_rows_need_no_aggregate() {
    run(
        Plan::GroupAggregate(plan(Vec::new())),
        input(),
        "
        +I a 1 0
        +I a 1 0
        => +I a
        -D a 1 0
        => nothing
        -D a 1 0
        => -D a
        ",
    );
}

#[test]
fn groups_expire_after_their_time_to_live() {
    let mut plan = plan(vec![call(Tiny::Max, &[1])]);
    plan.ttl_ms = 100;
    run(
        Plan::GroupAggregate(plan),
        input(),
        "
        +I a 5 0
        => +I a 5
        T 99
        +I a 5 0
        => -U a 5
        => +U a 5
        T 198
        +I a 6 0
        => -U a 5
        => +U a 6
        T 298
        +I a 1 0
        => +I a 1
        ",
    );
}

#[test]
fn batch_gives_final_rows_only() {
    let mut plan = plan(count_sum());
    plan.final_only = true;
    run(
        Plan::GroupAggregate(plan.clone()),
        input(),
        "
        +I a 1 0
        +I b 2 0
        W 7
        +I a 1 0
        => nothing
        W max
        => +I a 2 2
        => +I b 1 2
        ",
    );
    plan.keys = Vec::new();
    plan.row_without_input = true;
    run(Plan::GroupAggregate(plan), input(), "W max\n => +I 0 null");
}
