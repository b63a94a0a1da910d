//! Top-N, window Top-N, deduplication, sort and limit: changes, late rows, restarts.

#![allow(clippy::unwrap_used)]

#[path = "support/harness.rs"]
#[allow(dead_code)]
mod harness;

use harness::{input, run};
use tidemill_plan::Operator as Plan;
use tidemill_plan::rank::{
    DeduplicatePlan, RankEnd, RankPlan, SortColumn, TimeSortPlan, TopNPlan, WindowTopNPlan,
};
use tidemill_types::{Field, Schema, TimeAttribute, TypeKind};

fn ranks(start: u64, end: u64, rank: bool) -> RankPlan {
    let order = vec![SortColumn { column: 1, descending: true, nulls_first: false }];
    RankPlan { keys: vec![0], order, start, end, end_column: None, rank }
}

fn top(ranks: RankPlan, retract: bool) -> Plan {
    Plan::TopN(TopNPlan {
        ranks,
        retract,
        final_only: false,
        inserts_only: false,
        update_before: true,
        ttl_ms: 0,
    })
}

fn dedup(time: TimeAttribute, keep_last: bool) -> Plan {
    Plan::Deduplicate(DeduplicatePlan {
        keys: vec![0],
        time_column: 2,
        time,
        keep_last,
        update_before: true,
        ttl_ms: 0,
    })
}

#[test]
fn without_the_rank_one_row_enters_and_one_leaves() {
    run(
        top(ranks(1, 2, false), false),
        input(),
        "
        +I a 5 1
        +I a null 2
        +I b 1 3
        => +I a 5 1
        => +I a null 2
        => +I b 1 3
        +I a 7 4
        => -D a null 2
        => +I a 7 4
        restart
        +I a 5 5
        => nothing
        +I a 6 6
        => -D a 5 1
        => +I a 6 6
        ",
    );
}

#[test]
fn with_the_rank_every_shifted_rank_changes() {
    run(
        top(ranks(1, 3, true), true),
        input(),
        "
        +I a 5 1
        +I a 3 2
        => +I a 5 1 1
        => +I a 3 2 2
        +I a 7 3
        => -U a 5 1 1
        => +U a 7 3 1
        => -U a 3 2 2
        => +U a 5 1 2
        => +I a 3 2 3
        +I a 1 4
        => nothing
        restart
        -D a 5 1
        => -U a 5 1 2
        => +U a 3 2 2
        => -U a 3 2 3
        => +U a 1 4 3
        -D a 9 9
        => nothing
        -D a 1 4
        => -D a 1 4 3
        ",
    );
}

#[test]
fn ranks_from_the_second_on_let_rows_in_from_both_sides() {
    run(
        top(ranks(2, 3, false), true),
        input(),
        "
        +I a 5 1
        => nothing
        +I a 7 2
        => +I a 5 1
        +I a 6 3
        => +I a 6 3
        +I a 9 4
        => -D a 5 1
        => +I a 7 2
        -D a 9 4
        => -D a 7 2
        => +I a 5 1
        restart
        -D a 6 3
        => -D a 6 3
        -D a 7 2
        => -D a 5 1
        ",
    );
}

#[test]
fn the_last_rank_may_be_a_column() {
    let mut ranks = ranks(1, u64::MAX, false);
    ranks.keys = vec![2];
    ranks.end_column = Some(RankEnd { column: 1, places: Vec::new() });
    ranks.order = vec![SortColumn { column: 0, descending: false, nulls_first: true }];
    run(
        top(ranks, false),
        input(),
        "
        +I b 1 5
        => +I b 1 5
        restart
        +I a 1 5
        => -D b 1 5
        => +I a 1 5
        +I null 1 5
        => -D a 1 5
        => +I null 1 5
        ",
    );
}

#[test]
fn a_column_may_let_no_row_in_or_more_than_are_gathered() {
    let mut ranks = ranks(1, u64::MAX, false);
    ranks.end_column = Some(RankEnd { column: 1, places: Vec::new() });
    ranks.order = vec![SortColumn { column: 2, descending: false, nulls_first: true }];
    let mut script = String::from("+I none 0 1\n => nothing\n +I a 1000 500\n => +I a 1000 500\n");
    // Ninety-nine more are gathered, then only those that rank before the last.
    (1..100).for_each(|i| script += &format!("+I a 1000 {}\n => +I a 1000 {0}\n", 500 + i));
    script += "+I a 1000 900\n => nothing\n restart\n +I a 1000 499\n => +I a 1000 499\n";
    run(top(ranks, false), input(), &script);
}

#[test]
fn a_top_1_of_inserts_only_keeps_what_it_gave() {
    let plan = TopNPlan {
        ranks: ranks(1, 1, false),
        retract: false,
        final_only: false,
        inserts_only: true,
        update_before: true,
        ttl_ms: 0,
    };
    run(
        Plan::TopN(plan),
        input(),
        "
        +I a 5 1
        +I a 5 2
        +I a 4 3
        => +I a 5 1
        restart
        +I a 6 4
        => +I a 6 4
        ",
    );
}

#[test]
fn rows_are_forgotten_when_their_time_to_live_is_over() {
    let plan = |retract| TopNPlan {
        ranks: ranks(1, 2, true),
        retract,
        final_only: false,
        inserts_only: false,
        update_before: true,
        ttl_ms: 10,
    };
    for retract in [false, true] {
        run(
            Plan::TopN(plan(retract)),
            input(),
            "
            T 0
            +I a 5 1
            => +I a 5 1 1
            T 9
            +I a 3 2
            => +I a 3 2 2
            restart
            T 10
            +I a 1 3
            => +I a 1 3 2
            T 40
            +I a 2 4
            => +I a 2 4 1
            ",
        );
    }
}

#[test]
fn keys_are_forgotten_when_their_time_to_live_is_over() {
    for (keep_last, again) in [(true, "=> -U a 2 10\n => +U a 3 10"), (false, "=> nothing")] {
        let plan = DeduplicatePlan {
            keys: vec![0],
            time_column: 2,
            time: TimeAttribute::Proctime,
            keep_last,
            update_before: true,
            ttl_ms: 10,
        };
        let refreshed = if keep_last { "=> -U a 1 10\n => +U a 2 10" } else { "=> nothing" };
        let script = format!(
            "
            T 0
            +I a 1 10
            => +I a 1 10
            T 5
            +I a 2 10
            {refreshed}
            restart
            T 9
            +I a 3 10
            {again}
            T 30
            +I a 4 10
            => +I a 4 10
            "
        );
        run(Plan::Deduplicate(plan), input(), &script);
    }
}

#[test]
fn batch_gives_the_final_ranks_in_order() {
    let mut all = ranks(1, u64::MAX, false);
    all.keys.clear();
    run(
        Plan::TopN(TopNPlan {
            ranks: all,
            retract: false,
            final_only: true,
            inserts_only: false,
            update_before: true,
            ttl_ms: 0,
        }),
        input(),
        "
        +I a 5 1
        +I b 7 2
        => nothing
        restart
        W max
        => +I b 7 2
        => +I a 5 1
        ",
    );
}

#[test]
fn keep_last_by_event_time_takes_rows_that_are_no_earlier() {
    run(
        dedup(TimeAttribute::Rowtime, true),
        input(),
        "
        +I a 1 10
        => +I a 1 10
        +I a 2 9
        => nothing
        W 20
        +I a 3 10
        => -U a 1 10
        => +U a 3 10
        restart
        +I b 1 1
        +I a 4 11
        => +I b 1 1
        => -U a 3 10
        => +U a 4 11
        ",
    );
}

#[test]
fn keep_first_by_event_time_waits_for_the_watermark() {
    run(
        dedup(TimeAttribute::Rowtime, false),
        input(),
        "
        +I a 1 10
        +I a 2 8
        +I a 3 8
        +I b 4 9
        => nothing
        restart
        W 8
        => +I a 2 8
        +I a 5 7
        +I c 6 8
        => nothing
        late 1
        W max
        => +I b 4 9
        ",
    );
}

#[test]
fn by_processing_time_arrival_decides() {
    run(
        dedup(TimeAttribute::Proctime, false),
        input(),
        "
        +I a 1 10
        +I a 2 8
        => +I a 1 10
        restart
        +I a 3 7
        => nothing
        ",
    );
    run(
        dedup(TimeAttribute::Proctime, true),
        input(),
        "
        +I a 1 10
        => +I a 1 10
        +I a 1 10
        => nothing
        restart
        +I a 2 8
        => -U a 1 10
        => +U a 2 8
        ",
    );
}

fn windowed() -> Schema {
    let mut fields: Vec<Field> = input().fields.to_vec();
    fields.push(Field::new("window_end", TypeKind::Timestamp(3).not_null()));
    Schema::new(fields)
}

fn window_top(end: u64, rank: bool, latest_first: bool) -> Plan {
    let mut ranks = ranks(1, end, rank);
    ranks.keys = vec![0, 3];
    if latest_first {
        ranks.order[0].column = 2;
    }
    let time = TimeAttribute::Rowtime;
    Plan::WindowTopN(WindowTopNPlan { ranks, window_end: 3, time, zone: None, latest_first })
}

#[test]
fn windows_give_their_ranks_at_their_end() {
    run(
        window_top(2, true, false),
        windowed(),
        "
        +I a 1 1 10
        +I a 3 2 10
        +I a 2 3 10
        +I a 9 12 20
        W 8
        => nothing
        restart
        W 9
        => +I a 3 2 10 1
        => +I a 2 3 10 2
        +I a 4 4 10
        late 1
        W max
        => +I a 9 12 20 1
        ",
    );
    run(
        window_top(1, false, true),
        windowed(),
        "
        +I a 1 5 10
        +I a 2 5 10
        +I a 3 4 10
        W 9
        => +I a 2 5 10
        ",
    );
}

#[test]
fn a_sort_by_time_releases_rows_with_the_watermark() {
    let order = vec![SortColumn { column: 1, descending: true, nulls_first: false }];
    run(
        Plan::TimeSort(TimeSortPlan { time_column: 2, order }),
        input(),
        "
        +I a 1 10
        +I b 5 8
        +I c 6 8
        => nothing
        restart
        W 9
        => +I c 6 8
        => +I b 5 8
        +I d 1 9
        late 1
        W max
        => +I a 1 10
        ",
    );
}

#[test]
fn a_limit_counts_arrivals() {
    run(
        Plan::Limit { offset: 1, count: 2 },
        input(),
        "
        +I a 1 1
        +I b 1 1
        => +I b 1 1
        restart
        +I c 1 1
        +I d 1 1
        => +I c 1 1
        ",
    );
}

#[test]
fn rows_by_key_become_a_changelog() {
    run(
        Plan::ChangelogNormalize { keys: vec![0] },
        input(),
        "
        +I a 5 1
        +I a 5 1
        +U a 6 2
        +I b 1 3
        -D c null null
        => +I a 5 1
        => -U a 5 1
        => +U a 6 2
        => +I b 1 3
        restart
        -D a null null
        +I a 7 4
        => -D a 6 2
        => +I a 7 4
        -D b 9 9
        -D b 9 9
        => -D b 1 3
        ",
    );
}
