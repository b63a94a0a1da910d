//! Exactly-once: transactions over checkpoints, kills and repeated commits.

use crate::admin::{new_topic, unique};
use crate::tables::{committed_records, committed_within_moments, open_sink, options, packets, write};
use tidemill_connector::{Guarantee, OpenSink};
use tidemill_types::Options;

fn exactly_once(topic: &str) -> Options {
    let prefix = unique("prefix");
    options(topic, &[("sink.delivery-guarantee", "exactly-once"), ("sink.transactional-id-prefix", &prefix)])
}

async fn epoch(sink: &mut OpenSink, rows: &[(&str, i64)], number: u64) -> Vec<u8> {
    for packet in packets(sink, rows) {
        sink.sink.write(packet).await.unwrap();
    }
    sink.sink.prepare(number).await.unwrap()
}

#[tokio::test]
async fn nothing_shows_before_its_commit_and_then_once() {
    let topic = new_topic("exact", 3);
    let mut sink = open_sink(&exactly_once(&topic), "run");
    assert_eq!(sink.guarantee, Guarantee::ExactlyOnce);
    sink.sink.recover(&[]).await.unwrap();
    let first = epoch(&mut sink, &[("a", 1), ("b", 2)], 1).await;
    assert!(committed_records(&topic).await.is_empty());
    // The next epoch is written before the first is committed, as while a checkpoint is stored.
    let second = epoch(&mut sink, &[("c", 3)], 2).await;
    for _ in 0..2 {
        sink.sink.commit(&first).await.unwrap();
    }
    assert_eq!(committed_within_moments(&topic, 2).await.len(), 2);
    sink.sink.commit(&second).await.unwrap();
    let empty = epoch(&mut sink, &[], 3).await;
    sink.sink.commit(&empty).await.unwrap();
    for number in 4..10 {
        let prepared = epoch(&mut sink, &[("d", number)], number as u64).await;
        sink.sink.commit(&prepared).await.unwrap();
    }
    sink.sink.finish().await.unwrap();
    assert_eq!(committed_within_moments(&topic, 9).await.len(), 9);
}

#[tokio::test]
async fn a_prepared_epoch_is_committed_after_a_kill_and_an_unprepared_one_is_aborted() {
    let topic = new_topic("killed", 2);
    let options = exactly_once(&topic);
    let mut sink = open_sink(&options, "run-1");
    sink.sink.recover(&[]).await.unwrap();
    let first = epoch(&mut sink, &[("a", 1)], 1).await;
    sink.sink.commit(&first).await.unwrap();
    let prepared = epoch(&mut sink, &[("b", 2), ("c", 3)], 2).await;
    write(&mut sink, &[("lost", 4)]).await;
    drop(sink);

    // Killed between storing the checkpoint and its commit; what came after it never was.
    let mut sink = open_sink(&options, "run-2");
    sink.sink.recover(std::slice::from_ref(&prepared)).await.unwrap();
    let next = epoch(&mut sink, &[("d", 5)], 3).await;
    sink.sink.commit(&next).await.unwrap();
    drop(sink);
    let mut shown = committed_within_moments(&topic, 4).await;
    shown.sort();
    assert_eq!(
        shown,
        [r#"{"k":"a","v":1}"#, r#"{"k":"b","v":2}"#, r#"{"k":"c","v":3}"#, r#"{"k":"d","v":5}"#]
    );

    // Killed again before another checkpoint: the same one is recovered a second time.
    let mut sink = open_sink(&options, "run-3");
    sink.sink.recover(std::slice::from_ref(&next)).await.unwrap();
    sink.sink.recover(std::slice::from_ref(&next)).await.unwrap();
    let last = epoch(&mut sink, &[("e", 6)], 4).await;
    sink.sink.commit(&last).await.unwrap();
    assert_eq!(committed_within_moments(&topic, 5).await.len(), 5);
}

#[tokio::test]
async fn an_old_checkpoint_can_not_commit_newer_records() {
    let topic = new_topic("stale", 1);
    let options = exactly_once(&topic);
    let mut sink = open_sink(&options, "run");
    let first = epoch(&mut sink, &[("a", 1)], 1).await;
    sink.sink.commit(&first).await.unwrap();
    for number in 2..4 {
        let prepared = epoch(&mut sink, &[("b", number)], number as u64).await;
        sink.sink.commit(&prepared).await.unwrap();
    }
    // The ids of the first epochs are in use again by now, with records that no checkpoint has.
    write(&mut sink, &[("open", 9)]).await;
    drop(sink);
    let mut sink = open_sink(&options, "later");
    let error = sink.sink.recover(std::slice::from_ref(&first)).await.unwrap_err().to_string();
    assert!(error.contains("can't be committed"), "{error}");
    let prepared = epoch(&mut sink, &[("c", 10)], 9).await;
    sink.sink.commit(&prepared).await.unwrap();
    assert_eq!(committed_within_moments(&topic, 4).await.len(), 4);
}

#[tokio::test]
async fn a_timeout_above_the_brokers_is_explained() {
    let topic = new_topic("timeout", 1);
    let mut options = exactly_once(&topic);
    options.0.insert("properties.transaction.timeout.ms".into(), "3600000".into());
    let mut sink = open_sink(&options, "run");
    let packet = packets(&mut sink, &[("a", 1)]).remove(0);
    let error = match sink.sink.write(packet).await {
        Err(error) => error,
        Ok(()) => sink.sink.flush().await.unwrap_err(),
    };
    assert!(error.hint().unwrap().contains("transaction.max.timeout.ms"), "{error}");
}
