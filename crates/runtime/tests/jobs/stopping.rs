//! Ends of input, stops with and without drain.

use crate::support::*;
use tidemill_runtime::{CollectReceiver, JobHandle, JobOptions, collect_channel};
use tidemill_types::{Chunk, WATERMARK_MAX};

fn start(acts: Vec<Act>) -> (JobHandle, CollectReceiver) {
    let mut plan = PlanBuilder::default();
    let source = plan.source(acts);
    let marked = plan.watermark(source);
    let keyed = plan.union(vec![hash(marked)]);
    plan.collect(keyed);
    let (sender, receiver) = collect_channel(1 << 20);
    let options = JobOptions { collect: Some(sender), ..options(3) };
    (tidemill_runtime::start(&plan.0, options).unwrap(), receiver)
}

fn watermark(handle: &JobHandle) -> i64 {
    handle.metrics().operators.last().unwrap().watermark
}

#[test]
fn stop_finishes_what_was_read_and_fires_only_with_drain() {
    for drain in [false, true] {
        let (handle, receiver) = start(vec![rows(&[(1, 1, 10), (2, 2, 20), (3, 3, 30)]), Act::Hang]);
        let mut seen = 0;
        while seen < 3 {
            seen += receiver.recv().unwrap().rows;
        }
        handle.stop(drain);
        let rest: Vec<Chunk> = std::iter::from_fn(|| receiver.recv()).collect();
        let summary = handle.wait().unwrap();
        assert!(summary.stopped && rest.iter().all(|chunk| chunk.rows == 0));
        assert_eq!(watermark(&handle), if drain { WATERMARK_MAX } else { 30 });
    }
}

#[test]
fn the_end_of_input_raises_the_watermark_to_its_maximum() {
    let (handle, receiver) = start(vec![rows(&[(1, 1, 10)])]);
    while receiver.recv().is_some() {}
    assert!(!handle.wait().unwrap().stopped);
    assert_eq!(watermark(&handle), WATERMARK_MAX);
}

#[test]
fn a_job_that_nobody_holds_is_torn_down() {
    let (handle, receiver) = start(vec![rows(&[(1, 1, 10)]), Act::Hang]);
    assert!(receiver.recv().is_some());
    drop(handle);
    while receiver.recv().is_some() {}
}
