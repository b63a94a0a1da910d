//! Operators without keyed state: what happens to rows and where marks stay.

#![allow(clippy::unwrap_used)]

#[path = "support/harness.rs"]
#[allow(dead_code)]
mod harness;

use harness::{Driver, Row, input, rows_of, run};
use std::sync::Arc;
use tidemill_operators::{OperatorContext, Output, build, deliver};
use tidemill_plan::{Expr, Operator as Plan, WindowKind, WindowSpec};
use tidemill_types::arrow::{BooleanArray, StringViewArray};
use tidemill_types::{
    ArrayRef, Chunk, DataType, Field, RowKind, Schema, TimeAttribute, TypeKind, WATERMARK_MAX, WATERMARK_NONE,
};

fn column(index: usize) -> Expr {
    let field = &input().fields[index];
    Expr::column(index, field.name.clone(), field.data_type.clone())
}

fn deliver_one(plan: Plan, schema: &Schema, chunk: Chunk) -> (Vec<Chunk>, Output) {
    let mut operator = build(&harness::node(plan), &[schema], &harness::job()).unwrap();
    let mut out = Output::new(false);
    let ctx = OperatorContext { now_ms: 0, watermark: WATERMARK_NONE };
    deliver(operator.as_mut(), 0, chunk, &ctx, &mut out).unwrap();
    (out.take_chunks(), out)
}

fn rows(n: usize) -> Vec<Row> {
    let value = |i: usize| Some(i.to_string());
    (0..n)
        .map(|i| Row { kind: RowKind::Insert, values: vec![value(i), value(i * 10), value(i * 100)] })
        .collect()
}

#[test]
fn calc_filters_and_keeps_all_marks() {
    let schema = Schema::new(vec![
        Field::new("keep", TypeKind::Boolean.nullable()),
        Field::new("text", DataType::string()),
    ]);
    let keep: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true)]));
    let text: ArrayRef = Arc::new(StringViewArray::from_iter_values(["a", "b", "c", "d"]));
    let mut chunk = Chunk::new(vec![keep, text], 4);
    (1..=4).for_each(|row| chunk.marks.push(row, i64::from(row) * 10));
    let of = |index| Expr::column(index, "", schema.fields[index].data_type.clone());
    let plan = Plan::Calc { filter: Some(of(0)), project: vec![of(1), of(1)] };
    let (chunks, out) = deliver_one(plan, &schema, chunk.clone());
    assert_eq!(rows_of(&chunks[0]), ["+I a a", "+I d d"]);
    let marks: Vec<(u32, i64)> = chunks[0].marks.iter().map(|mark| (mark.row, mark.watermark)).collect();
    assert_eq!(marks, [(1, 30), (2, 40)]);
    assert_eq!((out.rows.forwarded, out.rows.filtered, out.rows.emitted), (2, 2, 2));

    chunk.columns[0] = Arc::new(BooleanArray::from(vec![false; 4]));
    let plan = Plan::Calc { filter: Some(of(0)), project: vec![of(1)] };
    let (chunks, _) = deliver_one(plan, &schema, chunk);
    assert_eq!((chunks.len(), chunks[0].rows, chunks[0].marks.last()), (1, 0, Some(40)));
}

#[test]
fn the_watermark_rises_after_each_row_and_survives_a_restart() {
    let plan = Plan::Watermark { watermark: column(2), time_column: 2 };
    let mut driver = Driver::new(plan.clone(), input());
    driver.feed(&rows(3), &[(3, 999_999)]);
    assert_eq!(driver.given, 200);
    driver.restart();
    driver.feed(&rows(2), &[]);
    assert_eq!(driver.given, 200, "a watermark does not fall");
    driver.feed(&[], &[(0, WATERMARK_MAX)]);
    assert_eq!(driver.given, WATERMARK_MAX);

    let early = Row { kind: RowKind::Insert, values: vec![None, None, Some("-5".into())] };
    let (chunks, _) = deliver_one(plan.clone(), &input(), harness::chunk(&input(), &[early], &[]));
    assert!(chunks[0].marks.is_empty(), "no watermark below 1970");

    let null = harness::chunk(&input(), &[Row { kind: RowKind::Insert, values: vec![None; 3] }], &[]);
    let mut operator = build(&harness::node(plan), &[&input()], &harness::job()).unwrap();
    let ctx = OperatorContext { now_ms: 0, watermark: WATERMARK_NONE };
    let error = operator.on_chunk(0, null, &ctx, &mut Output::new(false)).unwrap_err();
    assert!(error.to_string().contains("RowTime field should not be null"), "{error}");
}

#[test]
fn rows_are_given_once_for_each_window() {
    let spec = |kind, time| WindowSpec { kind, time_column: 2, time, zone: None };
    run(
        Plan::WindowAssign(spec(WindowKind::Hop { slide: 5, size: 10, offset: 0 }, TimeAttribute::Rowtime)),
        input(),
        "
        +I a 1 7
        W 100
        -D b 1 -1
        => +I a 1 7 0 10 9
        => +I a 1 7 5 15 14
        => -D b 1 -1 -10 0 -1
        => -D b 1 -1 -5 5 4
        ",
    );
    run(
        Plan::WindowAssign(spec(WindowKind::Tumble { size: 10, offset: 0 }, TimeAttribute::Proctime)),
        input(),
        "
        T 13
        +I a 1 7
        +I b 1 99
        => +I a 1 7 10 20 19
        => +I b 1 99 10 20 19
        ",
    );
}

#[test]
fn rows_are_expanded_before_the_marks_behind_them() {
    let mut schema = input();
    schema.fields[2].data_type = TypeKind::BigInt.nullable();
    let projections = vec![vec![column(0), column(1)], vec![column(0), column(2)]];
    let chunk = harness::chunk(&schema, &rows(2), &[(1, 7), (2, 9)]);
    let (chunks, out) = deliver_one(Plan::Expand { projections }, &schema, chunk);
    assert_eq!(rows_of(&chunks[0]), ["+I 0 0", "+I 0 0", "+I 1 10", "+I 1 100"]);
    let marks: Vec<(u32, i64)> = chunks[0].marks.iter().map(|mark| (mark.row, mark.watermark)).collect();
    assert_eq!((marks, out.rows.emitted), (vec![(2, 7), (4, 9)], 4));
}

#[test]
fn update_before_rows_are_dropped() {
    run(
        Plan::DropUpdateBefore,
        input(),
        "
        +I a 1 0
        => +I a 1 0
        ",
    );
    let kinds = [RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete];
    let mut all = rows(3);
    all.iter_mut().zip(kinds).for_each(|(row, kind)| row.kind = kind);
    let chunk = harness::chunk(&input(), &all, &[(1, 5)]);
    let (chunks, out) = deliver_one(Plan::DropUpdateBefore, &input(), chunk);
    assert_eq!(rows_of(&chunks[0]), ["+U 1 10 100", "-D 2 20 200"]);
    assert_eq!((out.rows.filtered, chunks[0].marks.before(0)), (1, Some(5)));
}
