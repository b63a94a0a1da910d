//! One fetch from one broker: what is asked and what of the answer matters.

use super::config::SourceConfig;
use crate::kafka::batch::reader::Aborted;
use crate::kafka::client::failure::{Failure, Outcome, check};
use crate::kafka::client::{Client, topic_name};
use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{BrokerId, FetchRequest, FetchResponse};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A partition to fetch from: its split's number, topic, partition and offset.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) split: usize,
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    pub(super) offset: i64,
}

/// What a broker answered for a partition.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) split: usize,
    pub(super) records: Outcome<(Bytes, Vec<Aborted>)>,
}

/// An answer, or why there is none.
pub(super) struct FetchDone {
    pub(super) broker: i32,
    pub(super) asked: Vec<Asked>,
    pub(super) answer: Outcome<Vec<Answered>>,
}

/// Fetches from a broker.
pub(super) async fn fetch(
    client: Arc<Client>,
    config: Arc<SourceConfig>,
    broker: i32,
    asked: Vec<Asked>,
) -> FetchDone {
    let answer = ask(&client, &config, broker, &asked).await;
    FetchDone { broker, asked, answer }
}

async fn ask(client: &Client, config: &SourceConfig, broker: i32, asked: &[Asked]) -> Outcome<Vec<Answered>> {
    let connection = client.broker(broker).await?;
    let answer: FetchResponse = connection.call_for(&request(config, asked), config.sizes.wait).await?;
    check(answer.error_code)?;
    let mut found = Vec::with_capacity(asked.len());
    let splits: BTreeMap<(&str, i32), usize> =
        asked.iter().map(|asked| ((&*asked.topic, asked.partition), asked.split)).collect();
    for topic in answer.responses {
        for partition in topic.partitions {
            let place = (&**topic.topic, partition.partition_index);
            let Some(&split) = splits.get(&place) else {
                return Err(Failure::Fatal("a broker answered for a partition it was not asked for".into()));
            };
            let aborted = partition.aborted_transactions.unwrap_or_default().into_iter().map(|aborted| {
                Aborted { producer_id: aborted.producer_id.0, first_offset: aborted.first_offset }
            });
            let records = partition.records.unwrap_or_default();
            let records = check(partition.error_code).map(|()| (records, aborted.collect()));
            found.push(Answered { split, records });
        }
    }
    Ok(found)
}

fn request(config: &SourceConfig, asked: &[Asked]) -> FetchRequest {
    let mut topics: Vec<FetchTopic> = Vec::new();
    for asked in asked {
        let partition = FetchPartition::default()
            .with_partition(asked.partition)
            .with_current_leader_epoch(-1)
            .with_fetch_offset(asked.offset)
            .with_log_start_offset(-1)
            .with_partition_max_bytes(config.sizes.partition_bytes);
        match topics.last_mut().filter(|topic| **topic.topic == *asked.topic) {
            Some(topic) => topic.partitions.push(partition),
            None => topics.push(
                FetchTopic::default().with_topic(topic_name(&asked.topic)).with_partitions(vec![partition]),
            ),
        }
    }
    FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(config.sizes.wait.as_millis() as i32)
        .with_min_bytes(config.sizes.min_bytes)
        .with_max_bytes(config.sizes.max_bytes)
        .with_isolation_level(i8::from(config.wanted.committed_only))
        .with_session_id(0)
        .with_session_epoch(-1)
        .with_topics(topics)
}
