//! Checkpoints in a real S3-compatible server. The environment tells which, as it does for users: `AWS_ENDPOINT`
//! (`http://127.0.0.1:5000`), `AWS_ALLOW_HTTP=true`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`. The
//! server must create buckets without a signature. Each test has a bucket of its own.

#![allow(clippy::unwrap_used)]

#[path = "support/model.rs"]
mod support;

use bytes::Bytes;
use std::sync::Arc;
use support::{GROUPS, Model, contents};
use tidemill_state::SnapshotRows;
use tidemill_state::checkpoint::StateFolder;
use tidemill_state::snapshot::Section;
use tidemill_types::{Clock, SystemClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The URL of a new bucket.
async fn bucket(name: &str) -> String {
    let endpoint = std::env::var("AWS_ENDPOINT").expect("AWS_ENDPOINT tells the address of a server");
    let host = endpoint.strip_prefix("http://").unwrap();
    let name = format!("tidemill-{name}-{}-{}", std::process::id(), SystemClock.now_ms());
    let mut server = tokio::net::TcpStream::connect(host).await.unwrap();
    let request =
        format!("PUT /{name} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    server.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    server.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    format!("s3://{name}/some/place")
}

#[tokio::test]
async fn checkpoints_come_back_and_old_ones_go() {
    let folder = StateFolder::open(&bucket("cycle").await).unwrap();
    let store = folder.job("orders / 1").unwrap();
    assert!(store.load().await.unwrap().is_none());
    let mut model = Model::default();
    for epoch in 1..=6 {
        model.step(epoch);
        model.save(&store, epoch).await.unwrap();
        store.retain(2).await.unwrap();
    }
    let store = folder.job("orders / 1").unwrap();
    let loaded = store.load().await.unwrap().unwrap();
    assert_eq!((loaded.manifest.epoch, loaded.skipped.len()), (6, 0));
    assert_eq!(contents(&loaded), model.contents());
    let epochs: Vec<u64> = store.list().await.unwrap().iter().map(|info| info.epoch).collect();
    assert_eq!(epochs, [5, 6]);
    assert!(store.verify(5).await.unwrap().unwrap().is_good());
    assert_eq!(folder.jobs().await.unwrap(), ["orders / 1"]);
}

#[tokio::test]
async fn large_epochs_go_up_in_parts() {
    let folder = StateFolder::open(&bucket("large").await).unwrap();
    let store = folder.job("j").unwrap();
    let bytes: Vec<u8> =
        (0..3_000_000u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let section = |group| Section {
        group,
        rows: 1,
        whole: true,
        bytes: Bytes::from(bytes.clone()),
        ..Section::default()
    };
    let rows = SnapshotRows { schema: support::SCHEMA, sections: (0..GROUPS / 2).map(section).collect() };
    let writer = store.begin(1);
    let segment = writer.append(&rows).await.unwrap();
    writer.finish().await.unwrap();
    let mut model = Model::default();
    model.adopt(&rows, segment);
    store.publish(&model.manifest("j", 1)).await.unwrap();
    let loaded = folder.job("j").unwrap().load().await.unwrap().unwrap();
    assert_eq!(loaded.tables.into_values().next().unwrap().rows, [rows]);
}

#[tokio::test]
async fn a_given_up_epoch_leaves_nothing() {
    let folder = StateFolder::open(&bucket("abandon").await).unwrap();
    let store = folder.job("j").unwrap();
    let writer = store.begin(1);
    writer.append(&support::whole(0..GROUPS, 1)).await.unwrap();
    writer.abandon().await.unwrap();
    let store = folder.job("j").unwrap();
    assert!(store.load().await.unwrap().is_none());
    assert_eq!(store.clear_leftovers().await.unwrap(), 0);
}

#[tokio::test]
async fn of_two_runs_one_publishes_an_epoch() {
    let folder = StateFolder::open(&bucket("race").await).unwrap();
    let (first, second) = (folder.job("j").unwrap(), folder.job("j").unwrap());
    let (mut ours, mut theirs) = (Model::default(), Model::default());
    ours.step(1);
    ours.save(&first, 1).await.unwrap();
    theirs.step(2);
    let error = theirs.save(&second, 1).await.unwrap_err();
    assert!(error.to_string().contains("another run has written"), "{error}");
    // The same manifest again is no conflict: an answer may get lost.
    let third = folder.job("j").unwrap();
    third.publish(&ours.manifest("j", 1)).await.unwrap();
}

/// A clock far ahead.
struct Ahead;

impl Clock for Ahead {
    fn now_ms(&self) -> i64 {
        SystemClock.now_ms() + 3_600_000
    }
}

#[tokio::test]
async fn a_lease_has_one_owner() {
    let folder = StateFolder::open(&bucket("lease").await).unwrap();
    let lock = folder.lock().await.unwrap();
    lock.check().unwrap();
    let refused = folder.lock().await.unwrap_err();
    assert!(refused.to_string().contains("is in use by"), "{refused}");
    lock.release().await.unwrap();
    let dead = folder.lock().await.unwrap();
    drop(dead);
    let later = folder.clone().with_clock(Arc::new(Ahead));
    later.lock().await.unwrap().check().unwrap();
}
