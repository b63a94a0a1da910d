//! Window aggregations in two phases give the same rows and counts as in one.

use crate::support::*;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array};
use std::sync::Arc;
use tidemill_plan::stream::WindowAggregatePlan;
use tidemill_plan::*;
use tidemill_runtime::{JobOptions, OperatorMetrics};
use tidemill_types::*;

/// SUM of a BIGINT without NULLs.
struct Sum;

impl Accumulator for Sum {
    fn cells(&self) -> Vec<CellKind> {
        vec![CellKind::I64]
    }

    fn update(&self, cells: &mut [Cells], batch: &UpdateBatch<'_>) -> Result<()> {
        self.merge(cells, batch.slots, batch.args)
    }

    fn merge(&self, cells: &mut [Cells], slots: &[u32], partial: &[ArrayRef]) -> Result<()> {
        let Cells::I64(sums) = &mut cells[0] else { panic!("foreign cells") };
        let values = partial[0].as_primitive::<Int64Type>().values();
        slots.iter().zip(values).for_each(|(&slot, value)| sums[slot as usize] += value);
        Ok(())
    }

    fn finish(&self, cells: &[Cells], slots: &[u32]) -> Result<ArrayRef> {
        let Cells::I64(sums) = &cells[0] else { panic!("foreign cells") };
        Ok(Arc::new(Int64Array::from_iter_values(slots.iter().map(|&slot| sums[slot as usize]))))
    }

    fn retracts(&self) -> bool {
        false
    }
}

fn window(kind: WindowKind) -> Operator {
    let bigint = || TypeKind::BigInt.nullable();
    let sum = AggregateCall {
        text: "SUM(v)".into(),
        args: vec![1],
        arg_types: vec![bigint()],
        filter: None,
        distinct: false,
        return_type: bigint(),
        accumulator: Arc::new(Sum),
    };
    Operator::WindowAggregate(WindowAggregatePlan {
        window: WindowSpec { kind, time_column: 2, time: TimeAttribute::Rowtime, zone: None },
        keys: vec![0],
        aggregates: vec![sum],
        properties: vec![WindowProperty::End],
        retract: false,
    })
}

/// Rows of which some are late and, with hops that leave gaps, some belong to no window.
fn blobs() -> Vec<Act> {
    let row = |i: i64| (i * 7 % 5, i, 1_000 + i * 10 - if i % 11 == 0 { 700 } else { i % 7 * 25 });
    (0..40).map(|blob| rows(&(blob * 25..(blob + 1) * 25).map(row).collect::<Vec<_>>())).collect()
}

fn outcome(kind: &WindowKind, per_split: bool, options: JobOptions) -> (Vec<Row>, OperatorMetrics) {
    let mut plan = PlanBuilder::default();
    let source = plan.source_with(blobs(), per_split, &[]);
    let marked = plan.watermark(source);
    let counted = plan.node(window(kind.clone()), vec![hash(marked)]);
    plan.collect(counted);
    let outcome = run(&plan.0, options).unwrap();
    let mut rows = outcome.rows();
    rows.sort_unstable();
    let metrics =
        outcome.summary.metrics.operators.iter().find(|operator| operator.name == "window-aggregate");
    (rows, metrics.expect("the aggregation has counters").clone())
}

#[test]
fn two_phases_give_and_count_what_one_does() {
    let kinds = [
        WindowKind::Tumble { size: 250, offset: 30 },
        WindowKind::Hop { slide: 100, size: 300, offset: 0 },
        WindowKind::Hop { slide: 300, size: 100, offset: 0 },
    ];
    for kind in &kinds {
        let (rows, one) = outcome(kind, false, options(1));
        assert_eq!((one.rows.input, one.rows.balanced()), (1_000, true));
        assert!(one.rows.late > 0 && !rows.is_empty(), "{:?}", one.rows);
        for (tasks, chunk_rows_max) in [(2, 4_096), (2, 3), (4, 10)] {
            let (given, metrics) = outcome(kind, false, JobOptions { chunk_rows_max, ..options(tasks) });
            assert_eq!(given, rows, "{kind} with {tasks} tasks, chunks of {chunk_rows_max}");
            assert_eq!(metrics.rows, one.rows, "{kind} with {tasks} tasks, chunks of {chunk_rows_max}");
            assert_eq!(metrics.tasks, tasks);
        }
        let (given, metrics) = outcome(kind, true, options(2));
        assert_eq!((given, metrics.rows), (rows, one.rows), "one split with a watermark of its own");
    }
}
