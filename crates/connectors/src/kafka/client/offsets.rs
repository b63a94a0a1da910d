//! Offsets of partitions: the first, the last, that of a time.

use super::failure::{Outcome, check};
use super::{Client, topic_name};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest};
use std::collections::BTreeMap;

/// A partition of a topic.
pub(crate) type TopicPartition = (String, i32);

/// The place in a partition that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// The first record there still is.
    Earliest,
    /// Behind the last record; behind the last that is decided, for readers of committed records.
    Latest,
    /// The first record of this time or later, in milliseconds; behind the last if there is none.
    Time(i64),
}

impl Point {
    fn timestamp(self) -> i64 {
        match self {
            Point::Earliest => -2,
            Point::Latest => -1,
            Point::Time(ms) => ms,
        }
    }
}

/// The offsets of a point in these partitions, which are given with their leaders. Partitions without a record
/// of that time or later are absent.
pub(crate) async fn offsets(
    client: &Client,
    partitions: &BTreeMap<TopicPartition, i32>,
    point: Point,
    committed_only: bool,
) -> Outcome<BTreeMap<TopicPartition, i64>> {
    let mut by_leader: BTreeMap<i32, BTreeMap<&str, Vec<i32>>> = BTreeMap::new();
    for ((topic, partition), leader) in partitions {
        by_leader.entry(*leader).or_default().entry(topic).or_default().push(*partition);
    }
    let mut found = BTreeMap::new();
    for (leader, topics) in by_leader {
        let connection = client.broker(leader).await?;
        let answer = connection.call(&request(&topics, point, committed_only)).await?;
        for topic in &answer.topics {
            for partition in &topic.partitions {
                check(partition.error_code)?;
                if partition.offset >= 0 {
                    found.insert((topic.name.to_string(), partition.partition_index), partition.offset);
                }
            }
        }
    }
    Ok(found)
}

fn request(topics: &BTreeMap<&str, Vec<i32>>, point: Point, committed_only: bool) -> ListOffsetsRequest {
    let partition = |&partition: &i32| {
        ListOffsetsPartition::default()
            .with_partition_index(partition)
            .with_current_leader_epoch(-1)
            .with_timestamp(point.timestamp())
    };
    let topics = topics.iter().map(|(name, partitions)| {
        ListOffsetsTopic::default()
            .with_name(topic_name(name))
            .with_partitions(partitions.iter().map(partition).collect())
    });
    ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_isolation_level(i8::from(committed_only))
        .with_topics(topics.collect())
}
