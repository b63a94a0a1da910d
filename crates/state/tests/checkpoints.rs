//! Checkpoints on a local folder and in memory: what was published comes back, and nothing else does.

#![allow(clippy::unwrap_used)]

#[path = "support/model.rs"]
mod support;

use object_store::memory::InMemory;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use support::{Model, changes, data_file, manifest_file, whole};
use tidemill_state::checkpoint::{CheckpointStore, StateFolder};
use tidemill_types::Clock;

fn in_memory() -> StateFolder {
    StateFolder::of_store(Arc::new(InMemory::new()), "memory")
}

async fn saved(store: &CheckpointStore, epochs: u64) -> Model {
    let mut model = Model::default();
    for epoch in 1..=epochs {
        model.step(epoch);
        model.save(store, epoch).await.unwrap();
    }
    model
}

#[tokio::test]
async fn the_newest_checkpoint_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().join("state");
    for folder in [in_memory(), StateFolder::open(location.to_str().unwrap()).unwrap()] {
        let store = folder.job("words / 1").unwrap();
        assert!(store.load().await.unwrap().is_none());
        let model = saved(&store, 5).await;
        // Another store object, as after a restart.
        let store = folder.job("words / 1").unwrap();
        let loaded = store.load().await.unwrap().unwrap();
        assert_eq!((loaded.manifest.epoch, loaded.next_epoch), (5, 6));
        assert_eq!(loaded.skipped, []);
        assert_eq!(support::contents(&loaded), model.contents());
        assert_eq!(folder.jobs().await.unwrap(), ["words / 1"]);
    }
}

#[tokio::test]
async fn an_epoch_without_manifest_is_not_real() {
    let folder = in_memory();
    let store = folder.job("j").unwrap();
    let model = saved(&store, 2).await;
    let writer = store.begin(3);
    writer.append(&whole(0..4, 9)).await.unwrap();
    writer.finish().await.unwrap();
    let store = folder.job("j").unwrap();
    let loaded = store.load().await.unwrap().unwrap();
    assert_eq!((loaded.manifest.epoch, loaded.next_epoch), (2, 4));
    assert_eq!(support::contents(&loaded), model.contents());
    assert_eq!(store.clear_leftovers().await.unwrap(), 1);
    assert_eq!(store.load().await.unwrap().unwrap().next_epoch, 3);
}

#[tokio::test]
async fn damage_makes_it_fall_back_and_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().to_str().unwrap();
    let store = StateFolder::open(location).unwrap().job("j").unwrap();
    let mut model = saved(&store, 3).await;
    let before = model.contents();
    model.step(4);
    model.save(&store, 4).await.unwrap();
    let file = folder.path().join("checkpoints/j").join(data_file(4));
    let mut bytes = std::fs::read(&file).unwrap();
    let last = bytes.len() - 9;
    bytes[last] ^= 1;
    std::fs::write(&file, bytes).unwrap();

    let report = store.verify(4).await.unwrap().unwrap();
    assert_eq!(report.damages.len(), 1);
    assert!(store.verify(3).await.unwrap().unwrap().is_good());
    let loaded = store.load().await.unwrap().unwrap();
    assert_eq!((loaded.manifest.epoch, loaded.next_epoch), (3, 5));
    assert_eq!(support::contents(&loaded), before);
    assert_eq!(loaded.skipped.len(), 1);
    assert!(loaded.skipped[0].1.contains(&data_file(4)), "{:?}", loaded.skipped);
}

#[tokio::test]
async fn without_any_whole_checkpoint_it_refuses_to_start_anew() {
    let folder = tempfile::tempdir().unwrap();
    let store = StateFolder::open(folder.path().to_str().unwrap()).unwrap().job("j").unwrap();
    saved(&store, 1).await;
    std::fs::write(folder.path().join("checkpoints/j").join(manifest_file(1)), "").unwrap();
    let error = store.load().await.unwrap_err();
    assert!(error.to_string().contains("no checkpoint of job 'j' can be used"), "{error}");
    assert!(error.hint().is_some());
    assert_eq!(store.clear_leftovers().await.unwrap(), 0, "what can't be read is left for people");
}

#[tokio::test]
async fn retention_keeps_what_kept_checkpoints_need() {
    let folder = in_memory();
    let store = folder.job("j").unwrap();
    let mut model = Model::default();
    for epoch in 1..=20 {
        model.step(epoch);
        model.save(&store, epoch).await.unwrap();
        store.retain(2).await.unwrap();
        let list = store.list().await.unwrap();
        let epochs: Vec<u64> = list.iter().map(|info| info.epoch).collect();
        assert_eq!(epochs, (epoch.max(2) - 1..=epoch).collect::<Vec<_>>());
        for epoch in epochs {
            assert!(store.verify(epoch).await.unwrap().unwrap().is_good());
        }
        let loaded = folder.job("j").unwrap().load().await.unwrap().unwrap();
        assert_eq!(support::contents(&loaded), model.contents());
    }
}

#[tokio::test]
async fn retention_leaves_an_epoch_under_way_alone() {
    let store = in_memory().job("j").unwrap();
    let mut model = saved(&store, 2).await;
    let writer = store.begin(3);
    let segment = writer.append(&changes(0..2, 3)).await.unwrap();
    writer.finish().await.unwrap();
    store.retain(1).await.unwrap();
    model.adopt(&changes(0..2, 3), segment);
    store.publish(&model.manifest("j", 3)).await.unwrap();
    assert!(store.verify(3).await.unwrap().unwrap().is_good());
}

#[tokio::test]
async fn of_two_runs_without_a_lock_one_publishes_an_epoch() {
    let folder = in_memory();
    let mut ours = saved(&folder.job("j").unwrap(), 1).await;
    let mut theirs = Model::default();
    theirs.step(2);
    let error = theirs.save(&folder.job("j").unwrap(), 1).await.unwrap_err();
    assert!(error.to_string().contains("another run has written"), "{error}");
    // The same manifest again is no conflict: an answer may get lost.
    folder.job("j").unwrap().publish(&ours.manifest("j", 1)).await.unwrap();
}

#[tokio::test]
async fn a_folder_has_one_owner() {
    let folder = tempfile::tempdir().unwrap();
    let state = StateFolder::open(folder.path().to_str().unwrap()).unwrap();
    let lock = state.lock().await.unwrap();
    let error = state.lock().await.unwrap_err().to_string();
    assert!(error.contains(&format!("in use by process {}", std::process::id())), "{error}");
    drop(lock);
    state.lock().await.unwrap().check().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lease_has_one_owner_until_it_is_released_or_dies() {
    let folder = in_memory();
    let lock = folder.lock().await.unwrap();
    assert!(folder.lock().await.unwrap_err().to_string().contains("in use by process"));
    lock.release().await.unwrap();
    let lock = folder.lock().await.unwrap();
    drop(lock);
    // Nobody renews it: after a while it is free.
    folder.lock().await.unwrap().check().unwrap();
}

/// A clock that is set by hand.
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn who_lost_the_lease_publishes_nothing() {
    let clock = Arc::new(Hand(AtomicI64::new(1)));
    let folder = in_memory().with_clock(clock.clone());
    let lock = folder.lock().await.unwrap();
    let store = folder.job("j").unwrap();
    let mut model = saved(&store, 1).await;
    // The machine slept for a minute, and nothing was renewed meanwhile.
    clock.0.fetch_add(60_000, Ordering::Relaxed);
    model.step(2);
    let error = model.save(&store, 2).await.unwrap_err();
    assert!(error.to_string().contains("could not be renewed in time"), "{error}");
    assert_eq!(lock.check(), Err(error));
    // It is renewed as soon as it can be, if nobody else has taken it.
    tokio::time::sleep(Duration::from_secs(60)).await;
    lock.check().unwrap();
    store.publish(&model.manifest("j", 2)).await.unwrap();
}
