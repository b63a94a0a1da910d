//! Tiny queues stop writers and never the job.

use crate::support::*;
use tidemill_runtime::JobOptions;

fn blobs(count: i64) -> Vec<Act> {
    (0..count).map(|b| rows(&(b * 20..b * 20 + 20).map(|i| (i % 5, i, i)).collect::<Vec<_>>())).collect()
}

fn tiny(parallelism: usize) -> JobOptions {
    JobOptions { queue_bytes_max: 1, ..options(parallelism) }
}

#[test]
fn a_diamond_does_not_deadlock() {
    for parallelism in [1, 2, 8] {
        let mut plan = PlanBuilder::default();
        let source = plan.source(blobs(30));
        let marked = plan.watermark(source);
        let low = plan.calc(marked, Some(condition(|v| v < 300)));
        let high = plan.calc(marked, Some(condition(|v| v >= 100)));
        let (low, high) = (plan.union(vec![hash(low)]), plan.union(vec![hash(high)]));
        let joined = plan.union(vec![hash(low), hash(high)]);
        plan.collect(joined);
        let outcome = run(&plan.0, tiny(parallelism)).unwrap();
        assert_eq!(outcome.rows().len(), 300 + 500);
    }
}

#[test]
fn a_union_of_a_source_with_itself_gives_each_row_twice() {
    for exchange in [forward, hash] {
        let mut plan = PlanBuilder::default();
        let source = plan.source(blobs(30));
        let marked = plan.watermark(source);
        let (a, b) = (plan.calc(marked, None), plan.calc(marked, None));
        let both = plan.union(vec![exchange(a), exchange(b)]);
        plan.collect(both);
        let outcome = run(&plan.0, tiny(4)).unwrap();
        let mut values: Vec<i64> = outcome.rows().iter().map(|row| row.1.unwrap()).collect();
        values.sort_unstable();
        assert_eq!(values, (0..600).flat_map(|v| [v, v]).collect::<Vec<_>>());
    }
}

#[test]
fn a_slow_reader_stops_the_job_and_one_that_leaves_ends_it() {
    let mut plan = PlanBuilder::default();
    let source = plan.source(blobs(200));
    plan.collect(source);
    let (sender, receiver) = tidemill_runtime::collect_channel(1);
    let options = JobOptions { collect: Some(sender), ..tiny(2) };
    let handle = tidemill_runtime::start(&plan.0, options).unwrap();
    assert!(receiver.recv().is_some());
    assert!(!handle.is_done());
    drop(receiver);
    assert!(handle.wait().unwrap().stopped);
}
