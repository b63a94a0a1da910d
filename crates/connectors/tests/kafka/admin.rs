//! What tests ask the broker for besides reading and writing: a few calls over a blocking socket.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest, FindCoordinatorRequest, GroupId,
    OffsetFetchRequest, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The address of the broker.
pub fn broker() -> String {
    std::env::var("TIDEMILL_KAFKA").expect("run these tests with .ci/services")
}

/// A name that no other test of any run has.
pub fn unique(name: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn call<R: Request>(address: &str, request: &R, version: i16) -> R::Response {
    let mut body = BytesMut::new();
    let header = RequestHeader::default().with_request_api_key(R::KEY).with_request_api_version(version);
    header.encode(&mut body, R::header_version(version)).unwrap();
    request.encode(&mut body, version).unwrap();
    let mut frame = BytesMut::new();
    frame.put_i32(body.len() as i32);
    frame.extend_from_slice(&body);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&frame).unwrap();
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; i32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer).unwrap();
    let mut answer = Bytes::from(answer);
    ResponseHeader::decode(&mut answer, R::Response::header_version(version)).unwrap();
    R::Response::decode(&mut answer, version).unwrap()
}

fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_string()))
}

/// Makes a topic with a new name that begins with this one.
pub fn new_topic(begins: &str, partitions: i32) -> String {
    let topic = unique(begins);
    create_topic(&broker(), &topic, partitions);
    topic
}

/// Makes a topic.
pub fn create_topic(address: &str, topic: &str, partitions: i32) {
    let creatable = CreatableTopic::default()
        .with_name(name(topic))
        .with_num_partitions(partitions)
        .with_replication_factor(1);
    let request = CreateTopicsRequest::default().with_topics(vec![creatable]).with_timeout_ms(10_000);
    let answer = call(address, &request, 4);
    assert!(answer.topics.iter().all(|topic| topic.error_code == 0), "{answer:?}");
}

/// Gives a topic more partitions.
pub fn grow(topic: &str, partitions: i32) {
    let more =
        CreatePartitionsTopic::default().with_name(name(topic)).with_count(partitions).with_assignments(None);
    let request = CreatePartitionsRequest::default().with_topics(vec![more]).with_timeout_ms(10_000);
    let answer = call(&broker(), &request, 1);
    assert!(answer.results.iter().all(|result| result.error_code == 0), "{answer:?}");
}

/// Removes the records of a partition in front of an offset.
pub fn delete_records(topic: &str, partition: i32, before: i64) {
    let partition = DeleteRecordsPartition::default().with_partition_index(partition).with_offset(before);
    let of_topic = DeleteRecordsTopic::default().with_name(name(topic)).with_partitions(vec![partition]);
    let request = DeleteRecordsRequest::default().with_topics(vec![of_topic]).with_timeout_ms(10_000);
    let answer = call(&broker(), &request, 1);
    assert!(
        answer.topics.iter().flat_map(|topic| &topic.partitions).all(|p| p.error_code == 0),
        "{answer:?}"
    );
}

/// The offset that a group has committed; -1 if there is none.
pub fn committed(group: &str, topic: &str, partition: i32) -> i64 {
    let group_id = StrBytes::from_string(group.to_string());
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let found = call(&broker(), &FindCoordinatorRequest::default().with_key(group_id.clone()), 1);
        if found.error_code == 0 {
            break;
        }
        assert!(Instant::now() < deadline, "{found:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    let topics =
        OffsetFetchRequestTopic::default().with_name(name(topic)).with_partition_indexes(vec![partition]);
    let request =
        OffsetFetchRequest::default().with_group_id(GroupId(group_id)).with_topics(Some(vec![topics]));
    let answer = call(&broker(), &request, 5);
    assert_eq!(answer.error_code, 0);
    answer.topics[0].partitions[0].committed_offset
}
