//! INTERSECT and EXCEPT over two changelogs, with NULLs, equal rows and restarts after each row; UNNEST.

#![allow(clippy::unwrap_used)]

#[path = "support/harness.rs"]
#[allow(dead_code)]
mod harness;

use harness::{Row, chunk, input, job, rows_of};
use std::sync::Arc;
use tidemill_operators::{Operator, OperatorContext, Output, build, deliver};
use tidemill_plan::{
    Exchange, Input, Operator as Plan, SetOperationKind as Kind, SetOperationPlan, UnnestPlan,
};
use tidemill_types::arrow::{Array, Int64Array, ListArray};
use tidemill_types::{ArrayRef, Chunk, Marks, RowKind, WATERMARK_MAX, WATERMARK_NONE};

fn make(kind: Kind, all: bool, final_only: bool) -> Box<dyn Operator> {
    let plan = SetOperationPlan { kind, all, ttl_ms: 0, final_only };
    let mut node = harness::node(Plan::SetOperation(plan));
    node.inputs.push(Input { node: 1, exchange: Exchange::Forward });
    build(&node, &[&input(), &input()], &job()).unwrap()
}

/// `L +I a 1`: a row of the left side; its time is always 0.
fn parse(line: &str) -> (usize, Row) {
    let words: Vec<&str> = line.split(' ').collect();
    let kinds = [RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete];
    let kind = kinds.into_iter().find(|kind| kind.short() == words[1]).unwrap();
    let value = |text: &str| (text != "null").then(|| text.to_string());
    (usize::from(words[0] == "R"), Row { kind, values: vec![value(words[2]), value(words[3]), value("0")] })
}

const STEPS: [&str; 9] = [
    "L +I a 1",
    "L +I a 1",
    "R +I a 1",
    "R +I null 2",
    "L +I null 2",
    "R +I a 1",
    "L -D a 1",
    "R -D null 2",
    "L -U a 1",
];

fn check(kind: Kind, all: bool, expected: &[&str]) {
    for restart in [false, true] {
        let mut operator = make(kind, all, false);
        let mut out = Output::new(true);
        let ctx = OperatorContext { now_ms: 0, watermark: WATERMARK_NONE };
        for step in STEPS {
            let (port, row) = parse(step);
            deliver(operator.as_mut(), port, chunk(&input(), &[row], &[]), &ctx, &mut out).unwrap();
            if restart {
                let mut new = make(kind, all, false);
                for ((_, from), (_, to)) in operator.tables().into_iter().zip(new.tables()) {
                    to.restore(&from.snapshot(0..harness::GROUPS), 0..harness::GROUPS).unwrap();
                }
                new.on_restored().unwrap();
                operator = new;
            }
        }
        let given: Vec<String> = out.take_chunks().iter().flat_map(rows_of).collect();
        assert_eq!(given, expected, "{kind:?}, all: {all}, restart: {restart}");
        assert!(out.rows.balanced());
    }
}

#[test]
fn intersect_follows_the_smaller_count() {
    let once = ["+I a 1 0", "+I null 2 0", "-D null 2 0", "-D a 1 0"];
    check(Kind::Intersect, false, &once);
    let all = ["+I a 1 0", "+I null 2 0", "+I a 1 0", "-D a 1 0", "-D null 2 0", "-D a 1 0"];
    check(Kind::Intersect, true, &all);
}

#[test]
fn except_follows_the_difference() {
    check(Kind::Except, false, &["+I a 1 0", "-D a 1 0", "+I null 2 0"]);
    let all = ["+I a 1 0", "+I a 1 0", "-D a 1 0", "-D a 1 0", "+I null 2 0"];
    check(Kind::Except, true, &all);
}

#[test]
fn a_batch_gives_final_rows_only() {
    let mut operator = make(Kind::Except, true, true);
    let mut out = Output::new(true);
    let ctx = OperatorContext { now_ms: 0, watermark: WATERMARK_NONE };
    for step in &STEPS[..4] {
        let (port, row) = parse(step);
        deliver(operator.as_mut(), port, chunk(&input(), &[row], &[]), &ctx, &mut out).unwrap();
    }
    assert!(out.take_chunks().is_empty());
    deliver(operator.as_mut(), 0, Chunk::watermark(WATERMARK_MAX), &ctx, &mut out).unwrap();
    let given: Vec<String> = out.take_chunks().iter().flat_map(rows_of).collect();
    assert_eq!(given, ["+I a 1 0"]);
}

/// `k` and a list of numbers: `[1, NULL]`, `[]`, NULL, `[2]`; the second row is taken back.
fn lists() -> Chunk {
    let lists = [Some(vec![Some(1), None]), Some(vec![]), None, Some(vec![Some(2)])];
    let lists = ListArray::from_iter_primitive::<tidemill_types::arrow::types::Int64Type, _, _>(lists);
    let keys: ArrayRef = Arc::new(Int64Array::from(vec![10, 11, 12, 13]));
    let mut chunk = Chunk::new(vec![keys, Arc::new(lists)], 4);
    let insert = RowKind::Insert;
    chunk.kinds = Some([insert, RowKind::Delete, insert, RowKind::UpdateAfter].into());
    let mut marks = Marks::none();
    [(1, 5), (3, 6), (4, 7)].into_iter().for_each(|(row, watermark)| marks.push(row, watermark));
    chunk.marks = marks;
    chunk
}

fn unnested(outer: bool, ordinality: bool) -> Chunk {
    let plan =
        UnnestPlan { collection: 1, kept: vec![0], multiset: false, flatten: false, outer, ordinality };
    let mut operator = build(&harness::node(Plan::Unnest(plan)), &[&input()], &job()).unwrap();
    let mut out = Output::new(true);
    let ctx = OperatorContext { now_ms: 0, watermark: WATERMARK_NONE };
    deliver(operator.as_mut(), 0, lists(), &ctx, &mut out).unwrap();
    assert!(out.rows.balanced() && operator.tables().is_empty());
    out.take_chunks().remove(0)
}

#[test]
fn unnest_gives_each_element_with_kind_and_marks() {
    let chunk = unnested(false, false);
    assert_eq!(rows_of(&chunk), ["+I 10 1", "+I 10 null", "+U 13 2"]);
    let marks: Vec<_> = chunk.marks.iter().map(|mark| (mark.row, mark.watermark)).collect();
    assert_eq!(marks, [(2, 6), (3, 7)]);
}

#[test]
fn a_left_unnest_keeps_rows_without_elements() {
    let chunk = unnested(true, false);
    assert_eq!(rows_of(&chunk), ["+I 10 1", "+I 10 null", "-D 11 null", "+I 12 null", "+U 13 2"]);
    let places = unnested(true, true);
    assert_eq!(places.columns[2].null_count(), 2);
}
