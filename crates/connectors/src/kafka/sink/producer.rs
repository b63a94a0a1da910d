//! Sends records: batches that fill for each partition, one request under way for each broker.
//!
//! While a request is under way the next batches fill, so a slow broker gets large requests. Invariant: of each
//! partition at most one batch is under way, so order holds whatever is sent again, and a batch that is sent again
//! has the number it had, so that the broker drops what it has already.

use super::config::SinkConfig;
use super::front::{NO_TIMESTAMP, TIMESTAMP_BYTES, key_of};
use super::partitioner::{Partitioner, of_key};
use super::transactions::{Producer, Transactions, init_producer};
use crate::kafka::batch::writer::{BatchRecords, Sealed};
use crate::kafka::client::failure::{Doing, Failure, Outcome, check};
use crate::kafka::client::{BackOff, Client, is_moved, persist, topic_name};
use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse, TransactionalId};
use kafka_protocol::protocol::StrBytes;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tidemill_connector::Packet;
use tidemill_types::{Error, Result};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long failures are tried again before they are reported.
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// How long the broker may take to have a batch on all replicas.
const ACKS_TIMEOUT: Duration = Duration::from_secs(30);

/// A partition with what waits for it.
struct Partition {
    leader: i32,
    open: BatchRecords,
    full: VecDeque<BatchRecords>,
    /// The batch that is under way or must be sent again.
    sealed: Option<Sealed>,
    in_flight: bool,
    sequence: i32,
}

impl Partition {
    fn new(leader: i32) -> Self {
        Partition {
            leader,
            open: BatchRecords::default(),
            full: VecDeque::new(),
            sealed: None,
            in_flight: false,
            sequence: 0,
        }
    }

    fn is_idle(&self) -> bool {
        self.open.count() == 0 && self.full.is_empty() && self.sealed.is_none()
    }
}

/// A topic that is written to.
struct Topic {
    partitions: Vec<Partition>,
    /// The partition that records without a key go to next.
    turn: usize,
}

/// What became of a request.
struct Done {
    broker: i32,
    places: Vec<(Arc<str>, i32)>,
    answer: Outcome<ProduceResponse>,
}

/// Sends the records of one sink.
pub(super) struct Sender {
    client: Arc<Client>,
    config: Arc<SinkConfig>,
    topics: HashMap<Arc<str>, Topic>,
    requests: JoinSet<Done>,
    busy: Vec<i32>,
    buffered: usize,
    producer: Option<Producer>,
    back_off: BackOff,
    failing: Option<Instant>,
    look_again: bool,
}

impl Sender {
    pub(super) fn new(client: Arc<Client>, config: Arc<SinkConfig>) -> Self {
        Sender {
            client,
            config,
            topics: HashMap::new(),
            requests: JoinSet::new(),
            busy: Vec::new(),
            buffered: 0,
            producer: None,
            back_off: BackOff::new(),
            failing: None,
            look_again: false,
        }
    }

    /// Takes the records of a packet. If it fails, none was taken.
    pub(super) async fn write(
        &mut self,
        packet: &Packet,
        transactions: Option<&mut Transactions>,
    ) -> Result<()> {
        let topic = if packet.partition.is_empty() { &self.config.topic } else { &packet.partition };
        let topic: Arc<str> = topic.as_str().into();
        self.know(&topic).await?;
        let mut transactions = transactions;
        while self.buffered >= self.config.buffer_bytes {
            self.send(true, transactions.as_deref_mut()).await?;
            self.settle_one().await?;
        }
        self.append(&topic, packet);
        // What fails here is found by the next call; the records are kept.
        if let Err(error @ (Error::User { .. } | Error::Internal(_))) = self.send(false, transactions).await {
            return Err(error);
        }
        Ok(())
    }

    /// Sends all and waits until the brokers have it.
    pub(super) async fn flush(&mut self, mut transactions: Option<&mut Transactions>) -> Result<()> {
        loop {
            self.send(true, transactions.as_deref_mut()).await?;
            let idle = self.topics.values().flat_map(|topic| &topic.partitions).all(Partition::is_idle);
            if idle && self.requests.is_empty() {
                return Ok(());
            }
            self.settle_one().await?;
        }
    }

    /// The next records are another producer's, whose batches are numbered anew.
    pub(super) fn change_producer(&mut self) {
        self.producer = None;
        for partition in self.topics.values_mut().flat_map(|topic| &mut topic.partitions) {
            partition.sequence = 0;
        }
    }

    async fn know(&mut self, topic: &Arc<str>) -> Result<()> {
        if self.topics.contains_key(topic) {
            return Ok(());
        }
        let names = [topic.to_string()];
        let described = persist(REPORT_EVERY, || async {
            let mut topics = self.client.topics(Some(&names)).await?;
            topics.remove(&names[0]).unwrap_or(Err(Failure::Broker(ResponseError::UnknownTopicOrPartition)))
        });
        let partitions =
            described.await.map_err(|failure| match failure.is(ResponseError::UnknownTopicOrPartition) {
                true => Error::external(format!(
                    "the topic '{topic}' of table '{}' does not exist",
                    self.config.table
                )),
                false => failure.error(format!("can't write to the topic '{topic}'")),
            })?;
        let partitions: Vec<_> = partitions.iter().map(|info| Partition::new(info.leader)).collect();
        if partitions.is_empty() {
            return Err(Error::external(format!("the topic '{topic}' has no partitions")));
        }
        let turn = self.config.task % partitions.len();
        self.topics.insert(topic.clone(), Topic { partitions, turn });
        Ok(())
    }

    fn append(&mut self, topic: &Arc<str>, packet: &Packet) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
        let topic = self.topics.get_mut(topic).expect("the topic is known");
        let (partitioner, batch_bytes) = (self.config.partitioner, self.config.batch_bytes);
        let mut start = 0;
        for &end in &packet.ends {
            let (timestamp, tail) = packet.bytes[start..end].split_at(TIMESTAMP_BYTES);
            start = end;
            let timestamp = i64::from_le_bytes(timestamp.try_into().expect("a timestamp has eight bytes"));
            let count = topic.partitions.len();
            let key = if partitioner == Partitioner::Default { key_of(tail) } else { None };
            let at = match key {
                Some(key) => of_key(key, count),
                None if partitioner == Partitioner::Fixed => self.config.task % count,
                None => topic.turn,
            };
            let partition = &mut topic.partitions[at];
            let before = partition.open.len();
            partition.open.push(if timestamp == NO_TIMESTAMP { now } else { timestamp }, tail);
            self.buffered += partition.open.len() - before;
            let full = partition.open.len() >= batch_bytes;
            if full {
                partition.full.push_back(std::mem::take(&mut partition.open));
            }
            if partitioner == Partitioner::RoundRobin || (full && key.is_none()) {
                topic.turn = (topic.turn + 1) % count;
            }
        }
    }

    /// Sends what is full (or all there is) to the brokers that have no request under way.
    async fn send(&mut self, all: bool, mut transactions: Option<&mut Transactions>) -> Result<()> {
        if self.look_again {
            self.look().await?;
        }
        let mut places: BTreeMap<i32, Vec<(Arc<str>, usize)>> = BTreeMap::new();
        for (name, topic) in &self.topics {
            for (at, partition) in topic.partitions.iter().enumerate() {
                let some = partition.sealed.is_some() || !partition.full.is_empty();
                let ready = some || (all && partition.open.count() > 0);
                if ready
                    && !partition.in_flight
                    && partition.leader >= 0
                    && !self.busy.contains(&partition.leader)
                {
                    places.entry(partition.leader).or_default().push((name.clone(), at));
                }
            }
        }
        if places.is_empty() {
            return Ok(());
        }
        let producer = self.producer(transactions.as_deref_mut()).await?;
        if let Some(transactions) = transactions {
            let names = places.values().flatten().map(|(topic, at)| (topic.to_string(), *at as i32));
            transactions.add(&self.client, names).await?;
        }
        for (broker, places) in places {
            self.request(broker, places, &producer)?;
        }
        Ok(())
    }

    async fn producer(&mut self, transactions: Option<&mut Transactions>) -> Result<Producer> {
        if let Some(transactions) = transactions {
            let (producer, new) = transactions.producer(&self.client).await?;
            if new {
                self.change_producer();
            }
            return Ok(producer);
        }
        if let Some(producer) = &self.producer {
            return Ok(producer.clone());
        }
        let producer = match self.config.idempotent {
            false => Producer::ANONYMOUS,
            true => {
                let made = persist(REPORT_EVERY, || init_producer(&self.client, None, ACKS_TIMEOUT)).await;
                match made {
                    // Not everybody may have a number; then what is sent again may be there twice.
                    Err(failure) if failure.is(ResponseError::ClusterAuthorizationFailed) => {
                        Producer::ANONYMOUS
                    }
                    made => made.doing(format!("can't write to Kafka for table '{}'", self.config.table))?,
                }
            }
        };
        self.producer = Some(producer.clone());
        Ok(producer)
    }

    fn request(&mut self, broker: i32, places: Vec<(Arc<str>, usize)>, producer: &Producer) -> Result<()> {
        let mut data: BTreeMap<Arc<str>, Vec<PartitionProduceData>> = BTreeMap::new();
        for (name, at) in &places {
            let topic = self.topics.get_mut(name).expect("the topic is known");
            let records = topic.partitions[*at].seal(producer, &self.config)?;
            let partition =
                PartitionProduceData::default().with_index(*at as i32).with_records(Some(records));
            data.entry(name.clone()).or_default().push(partition);
        }
        let topics = data.into_iter().map(|(name, partitions)| {
            TopicProduceData::default().with_name(topic_name(&name)).with_partition_data(partitions)
        });
        let id = producer.transactional_id.clone().map(|id| TransactionalId(StrBytes::from_string(id)));
        let request = ProduceRequest::default()
            .with_transactional_id(id)
            .with_acks(if self.config.all_acks { -1 } else { 1 })
            .with_timeout_ms(ACKS_TIMEOUT.as_millis() as i32)
            .with_topic_data(topics.collect());
        let places = places.into_iter().map(|(name, at)| (name, at as i32)).collect();
        let client = self.client.clone();
        self.busy.push(broker);
        self.requests.spawn(async move {
            let answer = async { client.broker(broker).await?.call_for(&request, ACKS_TIMEOUT).await }.await;
            Done { broker, places, answer }
        });
        Ok(())
    }

    /// Waits for an answer, or for a moment if all wait for a leader.
    async fn settle_one(&mut self) -> Result<()> {
        match self.requests.join_next().await {
            Some(done) => {
                self.settle(done.map_err(|error| Error::internal(format!("a request failed: {error}")))?)
                    .await
            }
            None => {
                if self
                    .topics
                    .values()
                    .flat_map(|topic| &topic.partitions)
                    .any(|partition| !partition.is_idle())
                {
                    self.look_again |= self.topics.values().flat_map(|t| &t.partitions).any(|p| p.leader < 0);
                }
                Ok(())
            }
        }
    }

    async fn settle(&mut self, done: Done) -> Result<()> {
        self.busy.retain(|busy| *busy != done.broker);
        let outcomes: Vec<Outcome<()>> = match &done.answer {
            Err(failure) => done.places.iter().map(|_| Err(failure.clone())).collect(),
            Ok(answer) => done.places.iter().map(|place| outcome_of(answer, place)).collect(),
        };
        let mut failed = None;
        for ((name, at), outcome) in done.places.iter().zip(outcomes) {
            let topic = self.topics.get_mut(name).expect("the topic is known");
            let partition = &mut topic.partitions[*at as usize];
            partition.in_flight = false;
            match outcome {
                Ok(()) => self.buffered -= partition.acknowledged(),
                Err(failure) => {
                    partition.leader = if is_moved(&failure) { -1 } else { partition.leader };
                    failed = Some((format!("{name}/{at}"), failure));
                }
            }
        }
        match failed {
            None => {
                self.failing = None;
                self.back_off.reset();
                Ok(())
            }
            Some((place, failure)) => self.failed(&place, &failure).await,
        }
    }

    /// Notes a failure that may pass and reports it if it lasts.
    async fn failed(&mut self, place: &str, failure: &Failure) -> Result<()> {
        use ResponseError::{InvalidProducerEpoch, OutOfOrderSequenceNumber, UnknownProducerId};
        let doing = format!("can't write to '{place}' for table '{}'", self.config.table);
        let forgotten = [OutOfOrderSequenceNumber, UnknownProducerId, InvalidProducerEpoch];
        if self.config.transactions.is_none() && forgotten.iter().any(|error| failure.is(*error)) {
            // The broker has lost what it knew of this producer: another one goes on.
            self.change_producer();
            let partitions = self.topics.values_mut().flat_map(|topic| &mut topic.partitions);
            partitions
                .filter_map(|partition| partition.sealed.as_mut())
                .for_each(|sealed| sealed.forget_stamp());
        } else if !failure.retryable() && !is_moved(failure) {
            return Err(failure.error(doing));
        }
        self.look_again = true;
        let now = Instant::now();
        let since = *self.failing.get_or_insert(now);
        if now - since >= REPORT_EVERY.min(self.config.delivery_timeout) {
            self.failing = Some(now);
            return Err(failure.error(doing));
        }
        self.back_off.pause().await;
        Ok(())
    }

    /// Asks who leads what.
    async fn look(&mut self) -> Result<()> {
        let names: Vec<String> = self.topics.keys().map(|name| name.to_string()).collect();
        let topics = match self.client.topics(Some(&names)).await {
            Ok(topics) => topics,
            Err(failure) => return self.failed(&names.join(", "), &failure).await,
        };
        self.look_again = false;
        for (name, partitions) in topics {
            let Some(topic) = self.topics.get_mut(name.as_str()) else { continue };
            for info in partitions.unwrap_or_default() {
                match topic.partitions.get_mut(info.partition as usize) {
                    Some(partition) => partition.leader = info.leader,
                    None => topic.partitions.push(Partition::new(info.leader)),
                }
            }
        }
        if self.topics.values().flat_map(|topic| &topic.partitions).any(|partition| partition.leader < 0) {
            self.look_again = true;
            let nobody = Failure::Broker(ResponseError::LeaderNotAvailable);
            return self.failed(&names.join(", "), &nobody).await;
        }
        Ok(())
    }
}

impl Partition {
    /// The batch to send, with its number.
    fn seal(&mut self, producer: &Producer, config: &SinkConfig) -> Result<Bytes> {
        if self.sealed.is_none() {
            let records = self.full.pop_front().unwrap_or_else(|| std::mem::take(&mut self.open));
            let sealed = records.seal(config.codec);
            let failed = |error| Error::external_fatal(format!("a batch can't be packed: {error}"));
            self.sealed = Some(sealed.map_err(failed)?);
        }
        self.in_flight = true;
        let sealed = self.sealed.as_mut().expect("it was just sealed");
        if !sealed.is_stamped() {
            let transactional = producer.transactional_id.is_some();
            let sequence = if producer.id < 0 { -1 } else { self.sequence };
            sealed.stamp(producer.id, producer.epoch, sequence, transactional);
            // Numbers go on from 0 behind the largest.
            self.sequence =
                ((i64::from(self.sequence) + i64::from(sealed.count())) & i64::from(i32::MAX)) as i32;
        }
        Ok(sealed.bytes())
    }

    /// The batch under way has arrived: how many buffered bytes are free again.
    fn acknowledged(&mut self) -> usize {
        self.sealed.take().map_or(0, |sealed| sealed.unpacked_len())
    }
}

fn outcome_of(answer: &ProduceResponse, (name, at): &(Arc<str>, i32)) -> Outcome<()> {
    let topic = answer.responses.iter().find(|topic| **topic.name == **name);
    let partition = topic.and_then(|topic| topic.partition_responses.iter().find(|found| found.index == *at));
    match partition {
        None => Err(Failure::Fatal("a broker left a batch out of its answer".into())),
        Some(found) => match check(found.error_code) {
            // It was there already: an answer was lost on the way.
            Err(failure) if failure.is(ResponseError::DuplicateSequenceNumber) => Ok(()),
            outcome => outcome,
        },
    }
}
