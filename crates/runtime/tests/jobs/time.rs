//! Watermarks over several inputs: minimum, splits, idleness, ended inputs.

use crate::support::*;
use std::time::Duration;
use tidemill_runtime::{JobOptions, collect_channel};
use tidemill_types::WATERMARK_MAX;

#[test]
fn the_watermark_is_the_minimum_over_sources_and_an_ended_one_holds_nothing_back() {
    for exchange in [forward, hash] {
        let mut plan = PlanBuilder::default();
        let sources =
            [vec![rows(&[(1, 1, 100)])], vec![Act::Pause(30), rows(&[(2, 2, 50), (2, 3, 70)]), Act::Hang]];
        let marked = sources.map(|acts| {
            let source = plan.source_with(acts, false, &[("scan.watermark.idle-timeout", "0 s")]);
            plan.watermark(source)
        });
        let both = plan.union(marked.map(exchange).to_vec());
        plan.collect(both);
        let (sender, receiver) = collect_channel(1 << 20);
        let handle =
            tidemill_runtime::start(&plan.0, JobOptions { collect: Some(sender), ..options(2) }).unwrap();
        let sink = || handle.metrics().operators.last().unwrap().watermark;
        let mut seen = 0;
        while seen < 3 {
            let chunk = receiver.recv().unwrap();
            seen += chunk.rows;
        }
        while sink() < 70 {
            std::thread::yield_now();
        }
        assert_eq!(sink(), 70, "the first source has ended");
        handle.stop(true);
        while receiver.recv().is_some() {}
        handle.wait().unwrap();
        assert_eq!(sink(), WATERMARK_MAX);
    }
}

#[test]
fn splits_have_watermarks_of_their_own_where_the_source_says_so() {
    let acts = || {
        vec![
            Act::Json(0, lines(&[(1, 1, 10)])),
            Act::Json(1, lines(&[(1, 2, 5)])),
            Act::Json(0, lines(&[(1, 3, 40), (1, 4, 50)])),
            Act::Json(1, lines(&[(1, 5, 20), (1, 6, 60), (1, 7, 55)])),
            Act::Json(0, lines(&[(1, 8, 45)])),
        ]
    };
    let outcome = |parallelism, per_split| {
        let mut plan = PlanBuilder::default();
        let source = plan.source_with(acts(), per_split, &[]);
        let marked = plan.watermark(source);
        plan.collect(marked);
        watermarks(&run(&plan.0, options(parallelism)).unwrap().chunks)
    };
    let none = i64::MIN;
    let shared = vec![(1, none), (2, 10), (3, 10), (4, 40), (5, 50), (6, 50), (7, 60), (8, 60)];
    let own = vec![(1, none), (2, 10), (3, 10), (4, 10), (5, 10), (6, 20), (7, 50), (8, 50)];
    for parallelism in [1, 2, 5] {
        assert_eq!(outcome(parallelism, false), shared);
        assert_eq!(outcome(parallelism, true), own, "{parallelism} tasks");
    }
}

#[test]
fn an_idle_source_holds_nothing_back() {
    for per_split in [false, true] {
        for parallelism in [1, 3] {
            let mut plan = PlanBuilder::default();
            let sources = [vec![rows(&[(1, 1, 10)]), Act::Hang], vec![rows(&[(2, 2, 50)]), Act::Hang]];
            let timeouts = ["20 ms", "0 s"];
            let marked = [0, 1].map(|i| {
                let option = ("scan.watermark.idle-timeout", timeouts[i]);
                let source = plan.source_with(sources[i].clone(), per_split, &[option]);
                plan.watermark(source)
            });
            let both = plan.union(marked.map(hash).to_vec());
            plan.collect(both);
            let (sender, receiver) = collect_channel(1 << 20);
            let handle = tidemill_runtime::start(
                &plan.0,
                JobOptions { collect: Some(sender), ..options(parallelism) },
            )
            .unwrap();
            let reached = |watermark| handle.metrics().operators.last().unwrap().watermark >= watermark;
            while !reached(50) {
                let _ = receiver.recv_timeout(Duration::from_millis(1));
            }
            handle.stop(false);
            while receiver.recv().is_some() {}
            handle.wait().unwrap();
            assert!(!reached(WATERMARK_MAX));
        }
    }
}
