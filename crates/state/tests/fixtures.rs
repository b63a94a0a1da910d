//! Checkpoints that former versions wrote are opened: one folder for each version of the formats.
//!
//! `crates/state/examples/checkpoint_fixtures.rs` says how a new one is made.

#![allow(clippy::unwrap_used)]

#[path = "support/job.rs"]
mod job;

use job::Job;
use std::path::{Path, PathBuf};
use tidemill_state::checkpoint::StateFolder;

/// The folders with fixtures.
fn fixtures() -> Vec<PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(all).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(!folders.is_empty());
    folders
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        match from.is_dir() {
            true => copy(&from, &to),
            false => std::fs::write(to, std::fs::read(from).unwrap()).unwrap(),
        }
    }
}

#[tokio::test]
async fn checkpoints_of_former_versions_are_opened_and_gone_on_from() {
    for fixture in fixtures() {
        let folder = tempfile::tempdir().unwrap();
        copy(&fixture, folder.path());
        let expected = std::fs::read_to_string(fixture.join("expected.txt")).unwrap();
        let store = StateFolder::open(folder.path().to_str().unwrap()).unwrap().job("totals").unwrap();
        assert_eq!(store.clear_leftovers().await.unwrap(), 0, "every file is needed");
        for info in store.list().await.unwrap() {
            assert!(store.verify(info.epoch).await.unwrap().unwrap().is_good(), "{}", fixture.display());
        }
        let loaded = store.load().await.unwrap().unwrap();
        let manifest = &loaded.manifest;
        assert_eq!((manifest.epoch, manifest.parallelism, manifest.key_groups), (6, 2, job::GROUPS));
        assert_eq!(manifest.created_ms, 1_700_000_060_000);
        assert_eq!(manifest.sources["source"].positions["in.csv"], "6000:60");
        assert_eq!(manifest.watermarks["source"], 1_600_000_000_006);
        assert_eq!(manifest.sinks["sink"], [b"part-6".to_vec(), vec![0, 159, 146, 150]]);
        assert_eq!(manifest.plan["operators"][0]["uid"], "operator");
        assert_eq!(manifest.settings["table.local-time-zone"], "UTC");
        assert_eq!(Job::restored(&loaded).describe(), expected, "{}", fixture.display());

        // It goes on as if it had never stopped.
        let (mut stopped, mut other) = (Job::restored(&loaded), Job::new());
        stopped.step(7);
        stopped.save(&store, 7).await.unwrap();
        let again = Job::restored(&store.load().await.unwrap().unwrap());
        (1..=7).for_each(|epoch| other.step(epoch));
        assert_eq!(again.describe(), other.describe(), "{}", fixture.display());
    }
}
