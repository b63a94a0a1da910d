//! OVER: frames, late rows, peers, forgetting, restarts.

#![allow(clippy::unwrap_used)]

#[path = "support/harness.rs"]
#[allow(dead_code)]
mod harness;

use harness::{Tiny, call, input, run};
use tidemill_plan::Operator as Plan;
use tidemill_plan::over::{OverCall, OverFrame, OverMode, OverPlan, RankFunction};
use tidemill_plan::rank::SortColumn;
use tidemill_types::TypeKind;

const ROWS_UNBOUNDED: OverFrame = OverFrame { rows: true, start: None, end: Some(0), scale: 0 };
const RANGE_UNBOUNDED: OverFrame = OverFrame { rows: false, start: None, end: Some(0), scale: 0 };

fn plan(mode: OverMode, frame: OverFrame, calls: Vec<OverCall>) -> OverPlan {
    let order = vec![SortColumn { column: 2, descending: false, nulls_first: true }];
    OverPlan { keys: vec![0], order, mode, frame, calls, ttl_ms: 0 }
}

fn counted() -> Vec<OverCall> {
    vec![OverCall::Aggregate(call(Tiny::Count, &[])), OverCall::Aggregate(call(Tiny::Sum, &[1]))]
}

fn back(rows: bool, distance: i64) -> OverFrame {
    OverFrame { rows, start: Some(-distance), end: Some(0), scale: 0 }
}

#[test]
fn range_forgets_what_is_older_and_judges_late_rows_by_their_key() {
    run(
        Plan::Over(plan(OverMode::Rowtime, back(false, 10), counted())),
        input(),
        "
        +I a 1 5
        +I a 2 3
        +I b 7 4
        +I a null 5
        => nothing
        restart
        W 4
        => +I a 2 3 1 2
        => +I b 7 4 1 7
        W 5
        => +I a 1 5 3 3
        => +I a null 5 3 3
        # No later than what came out of its key; earlier than the watermark, but its key is not that far.
        +I a 9 5
        +I b 1 5
        => nothing
        late 1
        W 13
        => +I b 1 5 2 8
        +I a 4 14
        +I a 4 15
        W 15
        => +I a 4 14 3 5
        => +I a 4 15 4 9
        restart
        +I a 5 40
        W max
        => +I a 5 40 1 5
        ",
    );
}

#[test]
fn range_forgets_a_key_and_with_it_what_came_out_last() {
    run(
        Plan::Over(plan(OverMode::Rowtime, back(false, 10), counted())),
        input(),
        "
        +I a 1 5
        W 5
        => +I a 1 5 1 1
        # Forgotten at 5 + 15 + 1.
        W 20
        +I a 2 4
        => nothing
        late 1
        restart
        W 21
        +I a 2 4
        => nothing
        late 0
        W 22
        => +I a 2 4 1 2
        # An earlier clean-up time counts as if something had come out then.
        +I c 1 100
        W 100
        => +I c 1 100 1 1
        +I c 2 107
        W 108
        => +I c 2 107 2 3
        restart
        W 116
        +I c 3 114
        => nothing
        late 1
        +I c 4 117
        W 118
        => +I c 4 117 2 6
        ",
    );
}

#[test]
fn rows_count_the_rows_before_and_keep_them_for_ever() {
    run(
        Plan::Over(plan(OverMode::Rowtime, back(true, 1), counted())),
        input(),
        "
        +I a 1 5
        +I a 2 5
        +I a 3 4
        W 5
        => +I a 3 4 1 3
        => +I a 1 5 2 4
        => +I a 2 5 2 3
        restart
        W 1000
        +I a 8 5
        late 1
        +I a 4 6
        => nothing
        W max
        => +I a 4 6 2 6
        ",
    );
}

#[test]
fn unbounded_frames_judge_late_rows_by_the_watermark() {
    let calls = vec![
        OverCall::Rank(RankFunction::RowNumber),
        OverCall::Aggregate(call(Tiny::Max, &[1])),
        OverCall::Shift { column: 1, distance: -1, default: None, data_type: TypeKind::BigInt.nullable() },
    ];
    run(
        Plan::Over(plan(OverMode::Rowtime, ROWS_UNBOUNDED, calls.clone())),
        input(),
        "
        +I a 5 3
        +I a 4 2
        +I a 6 3
        W 3
        => +I a 4 2 1 4 null
        => +I a 5 3 2 5 4
        => +I a 6 3 3 6 5
        restart
        +I b 1 3
        late 1
        +I a 1 7
        W 7
        => +I a 1 7 4 6 6
        ",
    );
    // With RANGE rows of one time share what the last of them has.
    run(
        Plan::Over(plan(OverMode::Rowtime, RANGE_UNBOUNDED, calls)),
        input(),
        "
        +I a 4 2
        +I a 5 3
        +I a 6 3
        restart
        W max
        => +I a 4 2 1 4 null
        => +I a 5 3 3 6 5
        => +I a 6 3 3 6 5
        ",
    );
}

#[test]
fn distinct_values_come_and_go() {
    let mut distinct = call(Tiny::Count, &[1]);
    distinct.distinct = true;
    let calls = vec![OverCall::Aggregate(distinct)];
    run(
        Plan::Over(plan(OverMode::Rowtime, back(true, 2), calls)),
        input(),
        "
        +I a 1 1
        +I a 1 2
        +I a 2 3
        W 3
        => +I a 1 1 1
        => +I a 1 2 1
        => +I a 2 3 2
        restart
        +I a 2 4
        +I a 2 5
        W 5
        => +I a 2 4 2
        => +I a 2 5 1
        ",
    );
}

#[test]
fn by_processing_time_rows_come_out_on_arrival() {
    run(
        Plan::Over(plan(OverMode::Proctime, back(true, 1), counted())),
        input(),
        "
        T 10
        +I a 1 0
        +I a 2 0
        => +I a 1 0 1 1
        => +I a 2 0 2 3
        restart
        T 20
        +I a 3 0
        => +I a 3 0 2 5
        ",
    );
    run(
        Plan::Over(plan(OverMode::Proctime, RANGE_UNBOUNDED, counted())),
        input(),
        "
        +I a 1 0
        => +I a 1 0 1 1
        restart
        +I a 2 0
        +I b 2 0
        => +I a 2 0 2 3
        => +I b 2 0 1 2
        ",
    );
}

#[test]
fn by_processing_time_range_waits_until_its_millisecond_is_over() {
    run(
        Plan::Over(plan(OverMode::Proctime, back(false, 10), counted())),
        input(),
        "
        T 100
        +I a 1 0
        +I a 2 0
        => nothing
        T 101
        => +I a 1 0 2 3
        => +I a 2 0 2 3
        restart
        +I a 4 0
        T 105
        => +I a 4 0 3 7
        T 110
        +I a 8 0
        T 111
        => +I a 8 0 4 15
        +I a 16 0
        T 112
        => +I a 16 0 3 28
        restart
        T 200
        +I a 3 0
        T 201
        => +I a 3 0 1 3
        # The input ends before the millisecond is over.
        +I a 5 0
        W max
        => nothing
        ",
    );
}

#[test]
fn idle_keys_are_forgotten_when_their_time_to_live_is_over() {
    let ttl = |mode, frame| Plan::Over(OverPlan { ttl_ms: 10, ..plan(mode, frame, counted()) });
    // A timer set at 0 is due at 15; using the key at 4 does not put it off, at 6 it does.
    run(
        ttl(OverMode::Rowtime, ROWS_UNBOUNDED),
        input(),
        "
        T 0
        +I a 1 1
        W 1
        => +I a 1 1 1 1
        T 4
        +I a 1 2
        W 2
        => +I a 1 2 2 2
        restart
        T 15
        +I a 1 3
        W 3
        => +I a 1 3 1 1
        T 24
        +I a 1 4
        # Not come out yet: it is not forgotten.
        T 100
        W 4
        => +I a 1 4 2 2
        ",
    );
    run(
        ttl(OverMode::Proctime, ROWS_UNBOUNDED),
        input(),
        "
        T 0
        +I a 1 1
        => +I a 1 1 1 1
        T 9
        +I a 1 1
        => +I a 1 1 2 2
        restart
        T 19
        +I a 1 1
        => +I a 1 1 1 1
        ",
    );
}

#[test]
fn by_any_column_results_are_kept_up_to_date() {
    let by_value = |frame| {
        let order = vec![SortColumn { column: 1, descending: false, nulls_first: true }];
        Plan::Over(OverPlan { order, ..plan(OverMode::Updating, frame, counted()) })
    };
    run(
        by_value(RANGE_UNBOUNDED),
        input(),
        "
        +I a 5 1
        => +I a 5 1 1 5
        +I a 3 2
        => +I a 3 2 1 3
        => -U a 5 1 1 5
        => +U a 5 1 2 8
        restart
        +I a 5 3
        => -U a 5 1 2 8
        => +U a 5 1 3 13
        => +I a 5 3 3 13
        -D a 3 2
        => -D a 3 2 1 3
        => -U a 5 1 3 13
        => +U a 5 1 2 10
        => -U a 5 3 3 13
        => +U a 5 3 2 10
        -D a 4 4
        => nothing
        ",
    );
    run(
        by_value(ROWS_UNBOUNDED),
        input(),
        "
        +I a 5 1
        +I a 5 2
        => +I a 5 1 1 5
        => +I a 5 2 2 10
        restart
        -U a 5 1
        +U a 6 1
        => -D a 5 1 1 5
        => -U a 5 2 2 10
        => +U a 5 2 1 5
        => +U a 6 1 2 11
        ",
    );
}

#[test]
fn batch_has_all_frames_and_functions() {
    let batch = |frame, calls| Plan::Over(plan(OverMode::Batch, frame, calls));
    run(
        batch(OverFrame { rows: true, start: Some(-1), end: Some(1), scale: 0 }, counted()),
        input(),
        "
        +I a 1 3
        +I a 2 1
        +I a 4 2
        +I b 8 1
        => nothing
        restart
        W max
        => +I a 2 1 2 6
        => +I a 4 2 3 7
        => +I a 1 3 2 5
        => +I b 8 1 1 8
        ",
    );
    let data_type = TypeKind::BigInt.nullable();
    run(
        batch(
            OverFrame { rows: false, start: None, end: None, scale: 0 },
            vec![
                OverCall::Rank(RankFunction::Rank),
                OverCall::Shift { column: 1, distance: 1, default: None, data_type: data_type.clone() },
                OverCall::Shift { column: 1, distance: -1, default: Some(1), data_type },
                OverCall::Aggregate(call(Tiny::Sum, &[1])),
            ],
        ),
        input(),
        "
        +I a 1 3
        +I a 2 1
        +I a 4 3
        W max
        => +I a 2 1 1 1 2 7
        => +I a 1 3 2 4 2 7
        => +I a 4 3 2 null 1 7
        ",
    );
}
