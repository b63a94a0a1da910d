//! Membership in a consumer group: joining, sharing out, staying, leaving.
//!
//! Speaks the classic protocol with the assignor `range`, as the Java consumer does by default, so members of both kinds
//! may be in one group. The leader computes who reads what; here that is a pure function.

use super::failure::{Failure, Outcome, check};
use super::groups::{group_id, settle};
use super::offsets::TopicPartition;
use super::{Client, Looks, topic_name};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::consumer_protocol_assignment::TopicPartition as AssignedTopic;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, HeartbeatRequest, JoinGroupRequest,
    LeaveGroupRequest, SyncGroupRequest,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const ASSIGNOR: &str = "range";
const PROTOCOL_TYPE: &str = "consumer";
/// The version of what members tell each other, in front of it.
const FORM: i16 = 0;

/// How long the group waits for its members.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For a sign of life.
    pub(crate) session: Duration,
    /// For a member to give up what it has and join again.
    pub(crate) rebalance: Duration,
    /// Between two signs of life.
    pub(crate) heartbeat: Duration,
}

/// A member in one generation of its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) group: String,
    pub(crate) id: String,
    pub(crate) generation: i32,
}

/// The answer to joining.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) member: Member,
    /// Only for the leader: each member with its topics.
    pub(crate) members: Vec<(String, BTreeSet<String>)>,
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

fn ms(duration: Duration) -> i32 {
    duration.as_millis().min(i32::MAX as u128) as i32
}

/// Joins under the id that the group gave this member, empty at first. Answers when all members have joined.
pub(crate) async fn join(
    client: &Client,
    group: &str,
    id: &str,
    topics: &[String],
    patience: Patience,
) -> Outcome<Result<Joined, String>> {
    let subscription = ConsumerProtocolSubscription::default()
        .with_topics(topics.iter().map(|topic| text(topic)).collect())
        .with_user_data(None);
    let protocol =
        JoinGroupRequestProtocol::default().with_name(text(ASSIGNOR)).with_metadata(encode(&subscription)?);
    let request = JoinGroupRequest::default()
        .with_group_id(group_id(group))
        .with_session_timeout_ms(ms(patience.session))
        .with_rebalance_timeout_ms(ms(patience.rebalance))
        .with_member_id(text(id))
        .with_protocol_type(text(PROTOCOL_TYPE))
        .with_protocols(vec![protocol]);
    let answer = client.call_coordinator_for(Looks::Group, group, &request, patience.rebalance).await?;
    match check(answer.error_code) {
        // The group wants to know this member before it waits for it.
        Err(failure) if failure.is(kafka_protocol::ResponseError::MemberIdRequired) => {
            return Ok(Err(answer.member_id.to_string()));
        }
        outcome => settle(client, group, outcome).await?,
    }
    let members = answer.members.iter().map(|member| {
        let subscription: ConsumerProtocolSubscription = decode(member.metadata.clone())?;
        let topics = subscription.topics.iter().map(ToString::to_string).collect();
        Ok((member.member_id.to_string(), topics))
    });
    let members = members.collect::<Outcome<Vec<_>>>()?;
    let id = answer.member_id.to_string();
    Ok(Ok(Joined {
        member: Member { group: group.to_string(), id, generation: answer.generation_id },
        members,
    }))
}

/// Gets the partitions of this member; the leader hands over those of all.
pub(crate) async fn sync(
    client: &Client,
    member: &Member,
    shares: &BTreeMap<String, Vec<TopicPartition>>,
    patience: Patience,
) -> Outcome<BTreeSet<TopicPartition>> {
    let share = |(id, partitions): (&String, &Vec<TopicPartition>)| {
        let assignment = encode(&assignment(partitions))?;
        Ok(SyncGroupRequestAssignment::default().with_member_id(text(id)).with_assignment(assignment))
    };
    let request = SyncGroupRequest::default()
        .with_group_id(group_id(&member.group))
        .with_generation_id(member.generation)
        .with_member_id(text(&member.id))
        .with_protocol_type(Some(text(PROTOCOL_TYPE)))
        .with_protocol_name(Some(text(ASSIGNOR)))
        .with_assignments(shares.iter().map(share).collect::<Outcome<_>>()?);
    let answer =
        client.call_coordinator_for(Looks::Group, &member.group, &request, patience.rebalance).await?;
    settle(client, &member.group, check(answer.error_code)).await?;
    if answer.assignment.is_empty() {
        return Ok(BTreeSet::new());
    }
    let assigned: ConsumerProtocolAssignment = decode(answer.assignment)?;
    let partitions = assigned
        .assigned_partitions
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|partition| (topic.topic.to_string(), *partition)));
    Ok(partitions.collect())
}

/// A sign of life; the failure says when the group has changed or forgotten this member.
pub(crate) async fn heartbeat(client: &Client, member: &Member) -> Outcome<()> {
    let request = HeartbeatRequest::default()
        .with_group_id(group_id(&member.group))
        .with_generation_id(member.generation)
        .with_member_id(text(&member.id));
    let answer = client.call_coordinator(Looks::Group, &member.group, &request).await?;
    settle(client, &member.group, check(answer.error_code)).await
}

/// Leaves, so that nobody waits for the end of the session.
pub(crate) async fn leave(client: &Client, member: &Member) -> Outcome<()> {
    let identity = MemberIdentity::default().with_member_id(text(&member.id));
    let request =
        LeaveGroupRequest::default().with_group_id(group_id(&member.group)).with_members(vec![identity]);
    let answer = client.call_coordinator(Looks::Group, &member.group, &request).await?;
    check(answer.error_code)
}

/// Shares partitions out by the rule `range`: of each topic, runs of neighbours to the members that want it, in the
/// order of their ids; the first ones get one more if it does not come out even.
pub(crate) fn range(
    members: &[(String, BTreeSet<String>)],
    partitions: &BTreeMap<String, Vec<i32>>,
) -> BTreeMap<String, Vec<TopicPartition>> {
    let mut shares: BTreeMap<String, Vec<TopicPartition>> =
        members.iter().map(|(id, _)| (id.clone(), Vec::new())).collect();
    for (topic, partitions) in partitions {
        let mut wanting: Vec<&String> =
            members.iter().filter(|(_, topics)| topics.contains(topic)).map(|(id, _)| id).collect();
        wanting.sort_unstable();
        let mut rest = partitions.as_slice();
        for (at, id) in wanting.iter().enumerate() {
            let (own, others) = rest.split_at(rest.len().div_ceil(wanting.len() - at));
            rest = others;
            let own = own.iter().map(|partition| (topic.clone(), *partition));
            shares.entry((*id).clone()).or_default().extend(own);
        }
    }
    shares
}

fn assignment(partitions: &[TopicPartition]) -> ConsumerProtocolAssignment {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in partitions {
        topics.entry(topic).or_default().push(*partition);
    }
    let topics = topics.into_iter().map(|(topic, partitions)| {
        AssignedTopic::default().with_topic(topic_name(topic)).with_partitions(partitions)
    });
    ConsumerProtocolAssignment::default().with_assigned_partitions(topics.collect()).with_user_data(None)
}

fn encode(message: &impl Encodable) -> Outcome<Bytes> {
    let mut bytes = BytesMut::new();
    bytes.put_i16(FORM);
    message
        .encode(&mut bytes, FORM)
        .map_err(|error| Failure::Fatal(format!("a message to the group can't be encoded: {error}")))?;
    Ok(bytes.freeze())
}

/// Later forms only add to the end, so all are read as the first one.
fn decode<M: Decodable>(mut bytes: Bytes) -> Outcome<M> {
    let unreadable =
        || Failure::Fatal("another member of the group sent what can't be read; is it a consumer?".into());
    if bytes.remaining() < 2 {
        return Err(unreadable());
    }
    bytes.advance(2);
    M::decode(&mut bytes, FORM).map_err(|_| unreadable())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(all: &[(&str, &[&str])]) -> Vec<(String, BTreeSet<String>)> {
        let topics = |topics: &[&str]| topics.iter().map(ToString::to_string).collect();
        all.iter().map(|(id, wanted)| (id.to_string(), topics(wanted))).collect()
    }

    #[test]
    fn each_partition_goes_to_one_member_that_wants_its_topic() {
        let all = members(&[("c", &["a"]), ("a", &["a", "b"]), ("b", &["a"])]);
        let partitions = BTreeMap::from([("a".to_string(), (0..8).collect()), ("b".to_string(), vec![0, 1])]);
        let shares = range(&all, &partitions);
        let of = |id: &str| shares[id].iter().map(|(t, p)| format!("{t}{p}")).collect::<Vec<_>>().join(" ");
        assert_eq!([of("a"), of("b"), of("c")], ["a0 a1 a2 b0 b1", "a3 a4 a5", "a6 a7"]);
        let idle = range(&members(&[("a", &["a"]), ("b", &["a"])]), &BTreeMap::from([("a".into(), vec![0])]));
        assert_eq!((idle["a"].len(), idle["b"].len()), (1, 0));
    }

    #[test]
    fn what_members_tell_each_other_is_read_again() {
        let partitions = vec![("t".to_string(), 3), ("t".to_string(), 5), ("u".to_string(), 0)];
        let read: ConsumerProtocolAssignment = decode(encode(&assignment(&partitions)).unwrap()).unwrap();
        assert_eq!(read, assignment(&partitions));
        assert!(decode::<ConsumerProtocolAssignment>(Bytes::from_static(b"x")).is_err());
    }
}
