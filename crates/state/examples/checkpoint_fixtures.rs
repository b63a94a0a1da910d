//! Makes the checkpoint files that later versions must be able to open:
//!
//! ```text
//! cargo run -p tidemill-state --example checkpoint_fixtures -- crates/state/tests/fixtures/format-2
//! ```
//!
//! The folder must be new. Besides the state folder it holds `expected.txt`, what the tables hold. Made once for
//! each version of a format, with the program that writes it, and never changed.

#![allow(clippy::unwrap_used, reason = "a tool for developers that ends where it fails")]

#[path = "../tests/support/job.rs"]
mod job;

use job::Job;
use std::path::Path;
use tidemill_state::checkpoint::StateFolder;

/// The epochs made; the last two are kept.
const EPOCHS: u64 = 6;

#[tokio::main]
async fn main() {
    let folder = std::env::args().nth(1).expect("the folder to make");
    assert!(!Path::new(&folder).exists(), "'{folder}' exists; fixtures are never changed");
    let store = StateFolder::open(&folder).unwrap().job("totals").unwrap();
    let mut job = Job::new();
    for epoch in 1..=EPOCHS {
        job.step(epoch);
        job.save(&store, epoch).await.unwrap();
        store.retain(2).await.unwrap();
    }
    std::fs::write(Path::new(&folder).join("expected.txt"), job.describe()).unwrap();
}
