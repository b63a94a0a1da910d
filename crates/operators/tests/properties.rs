//! Whatever the rows, chunks and restarts: windows and groups give what a naive model gives.

#![allow(clippy::unwrap_used)]

#[path = "support/harness.rs"]
#[allow(dead_code)]
mod harness;

use harness::{Driver, Row, Tiny, call, feed_in_chunks, input, net};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tidemill_operators::{build_global, build_local, local_phase};
use tidemill_plan::stream::{GroupAggregatePlan, MiniBatchPlan, WindowAggregatePlan};
use tidemill_plan::{AggregateCall, Operator as Plan, WindowKind, WindowProperty, WindowSpec};
use tidemill_types::{RowKind, TimeAttribute, WATERMARK_MAX, WATERMARK_NONE};

/// A row, how far the watermark then lags behind it, and whether there is a mark.
type Step = (u8, i64, i64, Option<i64>);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let mark = prop_oneof![2 => Just(None), 3 => (0i64..15).prop_map(Some)];
    prop::collection::vec((0u8..4, -3i64..4, -25i64..30, mark), 1..60)
}

/// Times drift forward, with rows out of order around them.
fn rows_and_marks(steps: &[Step]) -> (Vec<Row>, Vec<(usize, i64)>) {
    let (mut rows, mut marks, mut reached) = (Vec::new(), Vec::new(), WATERMARK_NONE);
    for (i, &(key, value, jitter, mark)) in steps.iter().enumerate() {
        let time = i as i64 * 2 - 30 + jitter;
        let values = [format!("k{key}"), value.to_string(), time.to_string()];
        rows.push(Row { kind: RowKind::Insert, values: values.map(Some).to_vec() });
        if let Some(watermark) = mark.map(|lag| time - lag).filter(|&watermark| watermark > reached) {
            reached = watermark;
            marks.push((i + 1, watermark));
        }
    }
    (rows, marks)
}

fn before(marks: &[(usize, i64)], row: usize) -> i64 {
    marks.iter().rev().find(|mark| mark.0 <= row).map_or(WATERMARK_NONE, |mark| mark.1)
}

fn windows(kind: &WindowKind, time: i64) -> Vec<(i64, i64)> {
    let all = |starts: Vec<i64>, size: i64| starts.into_iter().map(|start| (start, start + size)).collect();
    match *kind {
        WindowKind::Tumble { size, offset } => all(vec![time - (time - offset).rem_euclid(size)], size),
        WindowKind::Hop { slide, size, offset } => {
            let last = time - (time - offset).rem_euclid(slide);
            all((0..).map(|i| last - i * slide).take_while(|start| start + size > time).collect(), size)
        }
        WindowKind::Cumulate { step, size, offset } => {
            let start = time - (time - offset).rem_euclid(size);
            (1..=size / step).map(|i| (start, start + i * step)).filter(|window| window.1 > time).collect()
        }
        _ => unreachable!("only windows on a grid"),
    }
}

#[derive(Default, Clone)]
struct Model {
    count: i64,
    sum: i64,
    max: Option<i64>,
    distinct: BTreeMap<i64, ()>,
}

impl Model {
    fn add(&mut self, value: i64) {
        self.count += 1;
        self.sum += value;
        self.max = self.max.max(Some(value));
        self.distinct.insert(value, ());
    }

    fn show(&self, wide: bool) -> String {
        let narrow = format!("{} {}", self.count, self.sum);
        match wide {
            false => narrow,
            true => format!("{narrow} {} {}", self.max.unwrap(), self.distinct.keys().sum::<i64>()),
        }
    }
}

fn aggregates(wide: bool) -> Vec<AggregateCall> {
    let mut all = vec![call(Tiny::Count, &[]), call(Tiny::Sum, &[1])];
    if wide {
        let mut distinct = call(Tiny::Sum, &[1]);
        distinct.distinct = true;
        all.extend([call(Tiny::Max, &[1]), distinct]);
    }
    all
}

/// What the windows must give, and how many rows are late.
fn naive(
    kind: &WindowKind,
    rows: &[Row],
    marks: &[(usize, i64)],
    wide: bool,
) -> (BTreeMap<String, i64>, u64) {
    let (mut groups, mut late) = (BTreeMap::<(i64, i64, String), Model>::new(), 0);
    for (at, row) in rows.iter().enumerate() {
        let [key, value, time] = [0, 1, 2].map(|i| row.values[i].clone().unwrap());
        let time: i64 = time.parse().unwrap();
        let all = windows(kind, time);
        let open: Vec<_> = all.iter().filter(|window| window.1 - 1 > before(marks, at)).collect();
        late += u64::from(open.is_empty() && !all.is_empty());
        for window in open {
            let group = groups.entry((window.0, window.1, key.clone())).or_default();
            group.add(value.parse().unwrap());
        }
    }
    let row = |((start, end, key), model): (&(i64, i64, String), &Model)| {
        (format!(" {key} {} {start} {end}", model.show(wide)), 1)
    };
    (groups.iter().map(row).collect(), late)
}

fn window_plan(kind: WindowKind, wide: bool) -> WindowAggregatePlan {
    WindowAggregatePlan {
        window: WindowSpec { kind, time_column: 2, time: TimeAttribute::Rowtime, zone: None },
        keys: vec![0],
        aggregates: aggregates(wide),
        properties: vec![WindowProperty::Start, WindowProperty::End],
        retract: false,
    }
}

fn kinds() -> impl Strategy<Value = WindowKind> {
    prop_oneof![
        (1i64..12, -5i64..5).prop_map(|(size, offset)| WindowKind::Tumble { size, offset }),
        (1i64..6, 1i64..6, -5i64..5).prop_map(|(slide, n, offset)| WindowKind::Hop {
            slide,
            size: slide * n,
            offset
        }),
        (1i64..4, 1i64..25, -5i64..5).prop_map(|(slide, n, offset)| WindowKind::Hop {
            slide,
            size: slide * n,
            offset
        }),
        (1i64..9, 1i64..9).prop_map(|(slide, size)| WindowKind::Hop { slide, size, offset: 0 }),
        (1i64..6, 1i64..6, -5i64..5).prop_map(|(step, n, offset)| WindowKind::Cumulate {
            step,
            size: step * n,
            offset
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn windows_equal_the_model(
        steps in steps(),
        kind in kinds(),
        wide in any::<bool>(),
        chunk_rows in 1usize..70,
        restart in any::<bool>(),
    ) {
        let (rows, marks) = rows_and_marks(&steps);
        let mut driver = Driver::new(Plan::WindowAggregate(window_plan(kind.clone(), wide)), input());
        if chunk_rows % 2 == 0 {
            driver = driver.with_little_memory();
        }
        feed_in_chunks(&mut driver, &rows, &marks, chunk_rows, restart);
        driver.feed(&[], &[(0, WATERMARK_MAX)]);
        let (expected, late) = naive(&kind, &rows, &marks, wide);
        prop_assert_eq!(net(&driver.changes), expected);
        prop_assert_eq!(driver.out.rows.late, late);
        prop_assert_eq!(driver.given, WATERMARK_MAX);
    }

    #[test]
    fn two_phases_equal_the_model(
        steps in steps(),
        kind in kinds(),
        chunk_rows in 1usize..70,
        restart in any::<bool>(),
    ) {
        let (rows, marks) = rows_and_marks(&steps);
        let plan = WindowAggregatePlan {
            aggregates: aggregates(true)[..3].to_vec(),
            ..window_plan(kind.clone(), false)
        };
        let phase = local_phase(&plan, &input()).expect("windows on a grid");
        let (first, schema) = (phase.plan.clone(), phase.schema.clone());
        let mut local = Driver::with(Box::new(move || build_local(&first, &input()).unwrap()), input());
        let second = plan.clone();
        let make = move || build_global(&second, &input(), &harness::job()).unwrap();
        let mut global = Driver::with(Box::new(make), schema);
        // A small chunk many times over makes the first phase give rows instead of groups.
        for (start, end) in (0..rows.len()).step_by(chunk_rows).map(|s| (s, (s + chunk_rows).min(rows.len()))) {
            let inside: Vec<(usize, i64)> = marks
                .iter()
                .filter(|(row, _)| *row > start && *row <= end)
                .map(|&(row, watermark)| (row - start, watermark))
                .collect();
            local.feed(&rows[start..end], &inside);
            for chunk in std::mem::take(&mut local.chunks) {
                global.feed_chunk(chunk);
                if restart {
                    global.restart();
                }
            }
        }
        global.feed(&[], &[(0, WATERMARK_MAX)]);
        let (expected, late) = naive(&kind, &rows, &marks, false);
        let given: Vec<String> = global.changes.iter().map(|row| without_max(row)).collect();
        prop_assert_eq!(net(&given), expected);
        prop_assert_eq!(global.out.rows.late, late);
        prop_assert_eq!(local.out.rows.forwarded, global.out.rows.input);
    }

    #[test]
    fn sessions_equal_the_model(
        steps in steps(),
        gap in 1i64..15,
        chunk_rows in 1usize..70,
        restart in any::<bool>(),
    ) {
        let (rows, marks) = rows_and_marks(&steps);
        let kind = WindowKind::Session { gap, partition: vec![0] };
        let mut driver = Driver::new(Plan::WindowAggregate(window_plan(kind, true)), input());
        if chunk_rows % 2 == 0 {
            driver = driver.with_little_memory();
        }
        feed_in_chunks(&mut driver, &rows, &marks, chunk_rows, restart);
        driver.feed(&[], &[(0, WATERMARK_MAX)]);
        let (expected, late) = naive_sessions(gap, &rows, &marks);
        prop_assert_eq!(net(&driver.changes), expected);
        prop_assert_eq!(driver.out.rows.late, late);
    }

    #[test]
    fn groups_equal_the_model(
        steps in steps(),
        takes_back in prop::collection::vec(any::<prop::sample::Index>(), 60),
        update_before in any::<bool>(),
        net_changes in any::<bool>(),
        batch_rows in prop::option::of(1usize..40),
        chunk_rows in 1usize..70,
        restart in any::<bool>(),
    ) {
        let (inserts, _) = rows_and_marks(&steps);
        let rows = with_withdrawals(inserts, &takes_back);
        let plan = GroupAggregatePlan {
            keys: vec![0],
            aggregates: vec![aggregates(true)[0].clone(), aggregates(true)[1].clone(), aggregates(true)[3].clone()],
            retract: true,
            update_before: true,
            ttl_ms: 0,
            net_changes,
            mini_batch: batch_rows.map(|rows| MiniBatchPlan { rows, latency_ms: 0 }),
            final_only: !update_before,
            row_without_input: false,
        };
        let mut driver = Driver::new(Plan::GroupAggregate(plan), input());
        if chunk_rows % 2 == 0 {
            driver = driver.with_little_memory();
        }
        feed_in_chunks(&mut driver, &rows, &[], chunk_rows, restart);
        driver.feed(&[], &[(0, WATERMARK_MAX)]);
        prop_assert_eq!(net(&driver.changes), naive_groups(&rows));
    }

    #[test]
    fn a_log_of_changes_does_not_depend_on_chunks(steps in steps(), chunk_rows in 1usize..70) {
        let (rows, _) = rows_and_marks(&steps);
        let log = |chunk_rows| {
            let plan = GroupAggregatePlan {
                keys: vec![0],
                aggregates: vec![aggregates(true)[0].clone(), aggregates(true)[1].clone()],
                retract: false,
                update_before: true,
                ttl_ms: 0,
                net_changes: false,
                mini_batch: None,
                final_only: false,
                row_without_input: false,
            };
            let mut driver = Driver::new(Plan::GroupAggregate(plan), input());
            feed_in_chunks(&mut driver, &rows, &[], chunk_rows, false);
            driver.changes
        };
        prop_assert_eq!(log(chunk_rows), log(1));
    }
}

/// A row without its fourth value.
fn without_max(row: &str) -> String {
    let mut words: Vec<&str> = row.split(' ').collect();
    words.remove(4);
    words.join(" ")
}

/// After some inserts, takes one of those still there back.
fn with_withdrawals(inserts: Vec<Row>, takes_back: &[prop::sample::Index]) -> Vec<Row> {
    let (mut rows, mut held) = (Vec::new(), Vec::new());
    for (at, row) in inserts.into_iter().enumerate() {
        held.push(row.clone());
        rows.push(row);
        if at % 3 != 0 {
            let gone: Row = held.swap_remove(takes_back[at % takes_back.len()].index(held.len()));
            rows.push(Row { kind: RowKind::Delete, ..gone });
        }
    }
    rows
}

fn naive_groups(rows: &[Row]) -> BTreeMap<String, i64> {
    let mut groups: BTreeMap<String, BTreeMap<i64, i64>> = BTreeMap::new();
    for row in rows {
        let [key, value] = [0, 1].map(|i| row.values[i].clone().unwrap());
        *groups.entry(key).or_default().entry(value.parse().unwrap()).or_default() += row.kind.sign();
    }
    let mut out = BTreeMap::new();
    for (key, values) in groups {
        let count: i64 = values.values().sum();
        let sum: i64 = values.iter().map(|(value, count)| value * count).sum();
        let distinct: i64 = values.iter().filter(|(_, count)| **count > 0).map(|(value, _)| value).sum();
        if count != 0 {
            out.insert(format!(" {key} {count} {sum} {distinct}"), 1);
        }
    }
    out
}

fn naive_sessions(gap: i64, rows: &[Row], marks: &[(usize, i64)]) -> (BTreeMap<String, i64>, u64) {
    let mut open: Vec<(String, i64, i64, Model)> = Vec::new();
    let (mut out, mut late) = (BTreeMap::new(), 0);
    let show = |(key, start, end, model): &(String, i64, i64, Model)| {
        format!(" {key} {} {start} {end}", model.show(true))
    };
    for (at, row) in rows.iter().enumerate() {
        let [key, value, time] = [0, 1, 2].map(|i| row.values[i].clone().unwrap());
        let watermark = before(marks, at);
        for fired in open.extract_if(.., |session| session.2 - 1 <= watermark) {
            *out.entry(show(&fired)).or_insert(0) += 1;
        }
        let time: i64 = time.parse().unwrap();
        let (mut start, mut end, mut model) = (time, time + gap, Model::default());
        let joined: Vec<_> =
            open.extract_if(.., |s| s.0 == key && s.1 <= time + gap && s.2 >= time).collect();
        if joined.is_empty() && end - 1 <= watermark {
            late += 1;
            continue;
        }
        for (_, from, to, other) in joined {
            (start, end) = (start.min(from), end.max(to));
            model.count += other.count;
            model.sum += other.sum;
            model.max = model.max.max(other.max);
            model.distinct.extend(other.distinct);
        }
        model.add(value.parse().unwrap());
        open.push((key, start, end, model));
    }
    open.iter().for_each(|session| *out.entry(show(session)).or_insert(0) += 1);
    (out, late)
}
