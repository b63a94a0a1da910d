//! What comes out does not depend on parallelism, chunks or queues.

use crate::support::*;
use tidemill_plan::stream::NotNullEnforcer;

fn blobs(count: i64, rows_each: i64) -> Vec<Act> {
    let row = |i: i64| (i % 17, i, 1_000 + i * 10 - (i % 7) * 25);
    (0..count).map(|b| rows(&(b * rows_each..(b + 1) * rows_each).map(row).collect::<Vec<_>>())).collect()
}

#[test]
fn rows_go_from_source_through_a_hash_exchange_to_a_sink() {
    for parallelism in [1, 4] {
        let mut plan = PlanBuilder::default();
        let source = plan.source(blobs(20, 50));
        let marked = plan.watermark(source);
        let calc = plan.calc(marked, Some(condition(|v| v % 3 != 0)));
        let keyed = plan.union(vec![hash(calc)]);
        let sink = plan.table_sink(keyed, NotNullEnforcer::Error, vec![0]);
        let handle = tidemill_runtime::start(&plan.0, options(parallelism)).unwrap();
        let summary = handle.wait().unwrap();
        let mut values: Vec<i64> = written(&sink).iter().map(|row| row.1.unwrap()).collect();
        values.sort_unstable();
        assert_eq!(values, (0..1_000).filter(|v| v % 3 != 0).collect::<Vec<_>>());
        assert_eq!(finished(&sink), parallelism);
        assert_eq!(summary.records, 1_000);
        assert!(!summary.stopped);
        assert!(summary.metrics.operators.iter().all(|operator| operator.rows.balanced()));
    }
}

#[test]
fn order_and_watermarks_are_the_same_at_any_parallelism_and_chunk_size() {
    let outcome = |parallelism: usize, chunk_rows_max: usize, queue_bytes_max: usize| {
        let mut plan = PlanBuilder::default();
        let source = plan.source(blobs(40, 23));
        let marked = plan.watermark(source);
        let calc = plan.calc(marked, Some(condition(|v| v % 5 != 1)));
        let all = plan.union(vec![single(calc)]);
        let sink = plan.table_sink(all, NotNullEnforcer::Error, Vec::new());
        let options =
            tidemill_runtime::JobOptions { chunk_rows_max, queue_bytes_max, ..options(parallelism) };
        tidemill_runtime::start(&plan.0, options).unwrap().wait().unwrap();
        watermarks(&written_chunks(&sink))
    };
    let wanted = outcome(1, 4_096, 8 << 20);
    assert_eq!(wanted.len(), 736);
    assert!(wanted.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    for (parallelism, rows, bytes) in
        [(1, 1, 100), (2, 7, 8 << 20), (4, 4_096, 100), (8, 5, 1_000), (8, 4_096, 8 << 20)]
    {
        assert_eq!(outcome(parallelism, rows, bytes), wanted, "{parallelism} tasks, chunks of {rows}");
    }
}

#[test]
fn a_not_null_column_fails_or_drops() {
    let text = "{\"k\":1,\"v\":1}\n{\"v\":2}\n{\"k\":3,\"v\":3}\n";
    let run = |policy| {
        let mut plan = PlanBuilder::default();
        let source = plan.source(vec![Act::Json(0, text.into())]);
        let sink = plan.table_sink(source, policy, vec![0]);
        let ended = tidemill_runtime::start(&plan.0, options(2)).unwrap().wait();
        (ended, written(&sink))
    };
    let error = run(NotNullEnforcer::Error).0.unwrap_err().to_string();
    assert!(error.starts_with("column 'k' is NOT NULL"), "{error}");
    let (ended, rows) = run(NotNullEnforcer::Drop);
    assert_eq!(rows.iter().map(|row| row.1.unwrap()).collect::<Vec<_>>(), [1, 3]);
    let sink = &ended.unwrap().metrics.operators[1];
    assert_eq!((sink.rows.input, sink.rows.filtered), (3, 1));
}

#[test]
fn a_source_shared_by_two_outputs_runs_once() {
    let mut plan = PlanBuilder::default();
    let source = plan.source(blobs(5, 10));
    let (even, odd) = (
        plan.calc(source, Some(condition(|v| v % 2 == 0))),
        plan.calc(source, Some(condition(|v| v % 2 == 1))),
    );
    let sinks = [even, odd].map(|node| plan.table_sink(node, NotNullEnforcer::Error, Vec::new()));
    let summary = tidemill_runtime::start(&plan.0, options(2)).unwrap().wait().unwrap();
    assert_eq!(summary.records, 50);
    assert_eq!(sinks.map(|sink| written(&sink).len()), [25, 25]);
}
