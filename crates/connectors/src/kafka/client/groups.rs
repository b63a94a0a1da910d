//! The offsets that a consumer group has committed.

use super::failure::{Outcome, check};
use super::membership::Member;
use super::offsets::TopicPartition;
use super::{Client, Looks, is_moved, topic_name};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::{GroupId, OffsetCommitRequest, OffsetFetchRequest};
use kafka_protocol::protocol::StrBytes;
use std::collections::BTreeMap;

fn by_topic<'a, V: Copy + 'a>(
    partitions: impl Iterator<Item = (&'a TopicPartition, V)>,
) -> BTreeMap<&'a str, Vec<(i32, V)>> {
    let mut topics: BTreeMap<&str, Vec<(i32, V)>> = BTreeMap::new();
    for ((topic, partition), value) in partitions {
        topics.entry(topic).or_default().push((*partition, value));
    }
    topics
}

pub(super) fn group_id(group: &str) -> GroupId {
    GroupId(StrBytes::from_string(group.to_string()))
}

/// The offsets that the group has committed; partitions without one are absent.
pub(crate) async fn committed_offsets(
    client: &Client,
    group: &str,
    partitions: &BTreeMap<TopicPartition, i32>,
) -> Outcome<BTreeMap<TopicPartition, i64>> {
    let topics = by_topic(partitions.keys().map(|place| (place, ())));
    let topics = topics.into_iter().map(|(name, partitions)| {
        OffsetFetchRequestTopic::default()
            .with_name(topic_name(name))
            .with_partition_indexes(partitions.into_iter().map(|(partition, ())| partition).collect())
    });
    let request = OffsetFetchRequest::default()
        .with_group_id(group_id(group))
        .with_topics(Some(topics.collect()))
        .with_require_stable(true);
    let answer = client.call_coordinator(Looks::Group, group, &request).await?;
    settle(client, group, check(answer.error_code)).await?;
    let mut found = BTreeMap::new();
    for topic in &answer.topics {
        for partition in &topic.partitions {
            settle(client, group, check(partition.error_code)).await?;
            if partition.committed_offset >= 0 {
                found.insert((topic.name.to_string(), partition.partition_index), partition.committed_offset);
            }
        }
    }
    Ok(found)
}

/// Commits the offsets at which reading would go on; as a member, only if the group still has it in this generation.
pub(crate) async fn commit_offsets(
    client: &Client,
    group: &str,
    member: Option<&Member>,
    offsets: &BTreeMap<TopicPartition, i64>,
) -> Outcome<()> {
    let partition = |&(partition, offset): &(i32, i64)| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(partition)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(-1)
            .with_committed_metadata(Some(StrBytes::default()))
    };
    let topics = by_topic(offsets.iter().map(|(place, offset)| (place, *offset)));
    let topics = topics.into_iter().map(|(name, partitions)| {
        OffsetCommitRequestTopic::default()
            .with_name(topic_name(name))
            .with_partitions(partitions.iter().map(partition).collect())
    });
    let request = OffsetCommitRequest::default()
        .with_group_id(group_id(group))
        .with_generation_id_or_member_epoch(member.map_or(-1, |member| member.generation))
        .with_member_id(StrBytes::from_string(member.map_or_else(String::new, |member| member.id.clone())))
        .with_topics(topics.collect());
    let answer = client.call_coordinator(Looks::Group, group, &request).await?;
    for partition in answer.topics.iter().flat_map(|topic| &topic.partitions) {
        settle(client, group, check(partition.error_code)).await?;
    }
    Ok(())
}

/// Makes the next attempt ask who the coordinator is, if it has moved.
pub(super) async fn settle(client: &Client, group: &str, outcome: Outcome<()>) -> Outcome<()> {
    if outcome.as_ref().is_err_and(is_moved) {
        client.forget_coordinator(Looks::Group, group).await;
    }
    outcome
}
