//! Checkpoints behind a sink that is slower than its source: an aligned barrier waits until all that is queued has been
//! written, one that may overtake does not, and keeps what it overtook. Times are those of the simulated clock.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;
use tidemill_runtime::simulate::{Fate, Simulated, SimulatedClock, simulate};
use tidemill_runtime::{CheckpointMetrics, CheckpointOptions, JobOptions};
use tidemill_state::checkpoint::{CheckpointStore, Manifest, StateFolder};
use tidemill_testkit::faulty_store::FaultyStore;
use tidemill_testkit::ledger;
use tidemill_testkit::oracle::{json_lines, rows, tables};
use tidemill_testkit::random::Random;
use tidemill_testkit::simulation::{SinkMoods, connectors, plan};

/// How long a write of the sink takes at most, and how long barriers are patient.
const WRITE_MS: u64 = 60;
const PATIENCE_MS: u64 = 40;
const ROWS: usize = 3_000;
/// What lies in front of a sink when its barrier comes: 16 packets and those of one step.
const BOUND: Duration = Duration::from_secs(3);

/// Runs a job whose sink is slow; gives what its checkpoints took, and their manifests.
fn slow_job(name: &str, unaligned: Option<u64>) -> (CheckpointMetrics, Vec<Manifest>) {
    let mut random = Random::new(7);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.jsonl");
    std::fs::write(&path, json_lines(&rows(&mut random, ROWS, 60_000))).unwrap();
    let script = format!("{}SELECT seq, a, COUNT(*) FROM t GROUP BY seq, a;", tables(&path, 7, 1_000, 4));
    let job = plan(&script, name, SinkMoods { seed: 7, one_in: 0, slow_ms: WRITE_MS }).unwrap();
    let clock = Arc::new(SimulatedClock::new(0));
    let state = StateFolder::of_store(Arc::new(FaultyStore::new(0, 0)), "simulated").job("job").unwrap();
    let options = options(state.clone(), clock.clone(), unaligned);
    let ended = simulate(&job.plan, &options, &clock, &mut random, Fate::default()).unwrap();
    let Simulated::Ended(summary) = ended else { panic!("nobody killed it") };
    assert_eq!(ledger::visible(name).values().sum::<i64>(), ROWS as i64);
    ledger::forget(name);
    (summary.unwrap().metrics.checkpoints, manifests(&state))
}

fn options(store: CheckpointStore, clock: Arc<SimulatedClock>, unaligned: Option<u64>) -> JobOptions {
    JobOptions {
        parallelism: 3,
        clock,
        checkpoints: Some(CheckpointOptions {
            store,
            job: "job".into(),
            pipeline_id: "simulated".into(),
            interval: Some(Duration::from_millis(300)),
            pause_min: Duration::ZERO,
            timeout: Duration::from_secs(600),
            failures_max: 0,
            retained: 100,
            unaligned: unaligned.map(Duration::from_millis),
            plan: Default::default(),
            from: None,
            state_dir: None,
        }),
        queue_bytes_max: 24 << 10,
        chunk_rows_max: 2,
        ..JobOptions::new(connectors())
    }
}

fn manifests(store: &CheckpointStore) -> Vec<Manifest> {
    let waiting = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let listed = waiting.block_on(store.list()).unwrap();
    listed.into_iter().map(|info| info.manifest.unwrap()).collect()
}

#[test]
fn a_barrier_that_overtakes_comes_through_in_bounded_time() {
    let (aligned, _) = slow_job("aligned", None);
    let (unaligned, manifests) = slow_job("unaligned", Some(PATIENCE_MS));
    println!("aligned {aligned:?}\nunaligned {unaligned:?}");
    assert!(unaligned.unaligned > 0 && aligned.unaligned == 0);
    assert!(unaligned.duration_max < BOUND, "{unaligned:?}");
    assert!(aligned.duration_max > 2 * BOUND, "the queues were not full: {aligned:?}");
    assert!(unaligned.completed > 2 * aligned.completed);
    let kept = manifests.iter().filter(|manifest| !manifest.in_flight.is_empty());
    assert!(kept.clone().count() > 0 && kept.clone().all(|manifest| manifest.cost.in_flight_bytes > 0));
    assert!(manifests.last().unwrap().in_flight.is_empty(), "the end of a job is always aligned");
}
