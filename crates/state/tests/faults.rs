//! Whatever the store does: what is loaded is one complete epoch, and never an older one than was promised.

#![allow(clippy::unwrap_used)]

#[path = "support/faulty_store.rs"]
mod faulty_store;
#[path = "support/model.rs"]
mod support;

use faulty_store::{FaultyStore, Odds};
use futures_util::TryStreamExt;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};
use std::collections::BTreeMap;
use std::sync::Arc;
use support::{Contents, Model, contents};
use tidemill_state::checkpoint::{CheckpointStore, Loaded, StateFolder};
use tidemill_types::{Error, Result};

/// How many lives a run has and how many epochs it tries in each.
const LIVES: usize = 6;
const EPOCHS: u64 = 8;

/// A run that is killed again and again.
struct Run {
    store: FaultyStore,
    /// What the job held at each epoch that may have become real.
    history: BTreeMap<u64, Contents>,
    /// The last epoch that was promised to be real.
    promised: u64,
}

impl Run {
    fn new(seed: u64) -> Self {
        Run { store: FaultyStore::new(seed), history: BTreeMap::new(), promised: 0 }
    }

    fn job(&self) -> CheckpointStore {
        StateFolder::of_store(Arc::new(self.store.clone()), "faulty").job("j").unwrap()
    }

    /// Loads, however often the store fails to answer.
    async fn load(&self, job: &CheckpointStore) -> Result<Option<Loaded>> {
        loop {
            match job.load().await {
                Err(Error::External { retryable: true, .. }) => {}
                result => return result,
            }
        }
    }

    /// What was loaded is what some epoch held, and the promised one unless the store has lied.
    fn check(&self, loaded: Option<&Loaded>) {
        let epoch = loaded.map_or(0, |loaded| loaded.manifest.epoch);
        if self.store.lies() == 0 {
            assert!(epoch >= self.promised, "{epoch} was loaded, {} promised", self.promised);
        }
        if let Some(loaded) = loaded {
            assert_eq!(&contents(loaded), &self.history[&epoch], "epoch {epoch}");
            assert_eq!(loaded.manifest.sinks["sink"], [epoch.to_le_bytes().to_vec()]);
        }
    }

    /// From a start to a kill. Gives false if nothing is left to start from.
    async fn live(&mut self, odds: Odds) -> bool {
        let job = self.job();
        let _ = job.clear_leftovers().await;
        let loaded = match self.load(&job).await {
            Ok(loaded) => loaded,
            Err(error) => {
                // A torn first manifest can't be told from one that went bad, so it is not passed over.
                assert!(self.store.lies() > 0 || self.promised == 0, "{error}");
                return false;
            }
        };
        self.check(loaded.as_ref());
        let first = loaded.as_ref().map_or(1, |loaded| loaded.next_epoch);
        let mut model = loaded.as_ref().map_or_else(Model::default, Model::restored);
        self.store.set_odds(odds);
        for epoch in first..first + 1 + self.store.random(EPOCHS) {
            model.step(epoch);
            self.history.insert(epoch, model.contents());
            let before = model.chains.clone();
            match model.save(&job, epoch).await {
                Ok(()) => self.promised = epoch,
                Err(_) => {
                    job.abandon(epoch);
                    model.chains = before;
                    model.chains.forget_groups();
                }
            }
            let _ = job.retain(1 + epoch as usize % 3).await;
        }
        self.store.crash().await;
        self.store.set_odds(Odds { fails_before: odds.fails_before, ..Odds::default() });
        true
    }
}

async fn survive(seed: u64, odds: Odds) -> Run {
    let mut run = Run::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    for _ in 0..LIVES {
        if !run.live(odds).await {
            break;
        }
    }
    run
}

#[tokio::test(start_paused = true)]
async fn failing_stores_lose_nothing_that_was_promised() {
    let mut promised = 0;
    for seed in 1..=150 {
        let odds =
            Odds { fails_before: 12, fails_after: 9, tears: 9, slow: 3, deletions_forgotten: 2, lies: 0 };
        promised += survive(seed, odds).await.promised;
    }
    assert!(promised > 1000, "epochs succeed too: {promised}");
}

#[tokio::test(start_paused = true)]
async fn after_a_lie_an_earlier_epoch_is_loaded_whole() {
    let mut lies = 0;
    for seed in 1..=150 {
        let odds = Odds { lies: 12, fails_after: 30, deletions_forgotten: 3, ..Odds::default() };
        lies += survive(seed, odds).await.store.lies();
    }
    assert!(lies > 100, "{lies}");
}

#[tokio::test]
async fn a_full_disk_fails_the_epoch_and_keeps_the_one_before() {
    let mut run = Run::new(7);
    let (job, mut model) = (run.job(), Model::default());
    for epoch in 1..=3 {
        model.step(epoch);
        run.history.insert(epoch, model.contents());
        model.save(&job, epoch).await.unwrap();
        run.promised = epoch;
    }
    for room in [0, 100, 300, 700] {
        run.store.set_room(room);
        let before = model.clone();
        model.step(4);
        run.history.insert(4, model.contents());
        let error = model.save(&job, 4).await.unwrap_err().to_string();
        assert!(error.contains("no space left on device"), "{error}");
        job.abandon(4);
        run.check(run.job().load().await.unwrap().as_ref());
        model = before;
    }
    run.store.set_room(u64::MAX);
    model.step(4);
    model.save(&job, 4).await.unwrap();
    run.promised = 4;
    run.check(run.job().load().await.unwrap().as_ref());
}

/// Every bit of every byte of every file: whatever is loaded was once written, and a checkpoint that has the
/// changed byte is not used.
#[tokio::test]
async fn every_changed_bit_is_noticed() {
    let store = Arc::new(InMemory::new());
    let job = StateFolder::of_store(store.clone(), "memory").job("j").unwrap();
    let (mut model, mut history) = (Model::default(), BTreeMap::new());
    for epoch in 1..=2 {
        model.step(epoch);
        history.insert(epoch, model.contents());
        model.save(&job, epoch).await.unwrap();
    }
    let newest = job.list().await.unwrap().pop().unwrap().manifest.unwrap();
    let needed: Vec<&str> = newest.segments().map(|segment| segment.file.as_str()).collect();
    for file in store.list(None).try_collect::<Vec<_>>().await.unwrap() {
        let (path, name) = (&file.location, file.location.filename().unwrap());
        let good = store.get(path).await.unwrap().bytes().await.unwrap();
        let is_used = needed.contains(&name) || name == support::manifest_file(2);
        for at in 0..good.len() {
            let mut wrong = good.to_vec();
            wrong[at] ^= 1 << (at % 8);
            store.put(path, wrong.into()).await.unwrap();
            match job.load().await {
                Ok(loaded) => {
                    let loaded = loaded.unwrap();
                    assert_eq!(contents(&loaded), history[&loaded.manifest.epoch], "{name} byte {at}");
                    assert_eq!(loaded.manifest.epoch == 2, !is_used, "{name} byte {at}");
                }
                Err(error) => assert!(is_used, "{name} byte {at}: {error}"),
            }
        }
        store.put(path, good.into()).await.unwrap();
    }
}
