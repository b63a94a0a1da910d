//! A client of a cluster: which brokers there are, who leads what, and a connection to each.
//!
//! Why not the C library: it hands over records one by one, and it can't finish a transaction that an earlier
//! process prepared. Deliberately not here: fetching and producing, which keep state of their own.

pub(super) mod connection;
pub(super) mod failure;
pub(super) mod groups;
pub(super) mod membership;
pub(super) mod offsets;
pub(super) mod properties;
mod sasl;
mod scram;
pub(super) mod security;
mod tls;
mod versions;

use connection::Connection;
use failure::{Failure, Outcome, check};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{FindCoordinatorRequest, MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::{Request, StrBytes};
use properties::Properties;
use security::Security;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tidemill_types::{Error, Result};
use tokio::sync::Mutex;

/// What a client needs to know.
#[derive(Debug)]
pub(crate) struct ClientConfig {
    bootstrap: Vec<(String, u16)>,
    client_id: String,
    security: Security,
    request_timeout: Duration,
}

impl ClientConfig {
    /// From the properties of a table.
    pub(crate) fn from(properties: &mut Properties<'_>) -> Result<Self> {
        let bootstrap = properties.take("bootstrap.servers").unwrap_or_default();
        let client_id =
            properties.take("client.id").or(properties.take("client.id.prefix")).unwrap_or("tidemill");
        Ok(ClientConfig {
            bootstrap: addresses(bootstrap)?,
            client_id: client_id.to_string(),
            security: Security::from(properties)?,
            request_timeout: properties.millis("request.timeout.ms")?.unwrap_or(Duration::from_secs(30)),
        })
    }
}

fn addresses(text: &str) -> Result<Vec<(String, u16)>> {
    let bad = |part: &str| {
        Error::user_hint(
            format!("'{part}' in 'properties.bootstrap.servers' is no address"),
            "give 'host:port', several separated by commas",
        )
    };
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let read = parts.map(|part| {
        let (host, port) = part.rsplit_once(':').ok_or_else(|| bad(part))?;
        let host = host.rsplit("://").next().unwrap_or(host).trim_matches(['[', ']']);
        Ok((host.to_string(), port.parse().map_err(|_| bad(part))?))
    });
    match read.collect::<Result<Vec<_>>>()? {
        none if none.is_empty() => Err(bad(text)),
        some => Ok(some),
    }
}

/// A partition as its cluster describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartitionInfo {
    /// The partition.
    pub(crate) partition: i32,
    /// The broker that leads it; -1 while there is none.
    pub(crate) leader: i32,
}

/// The partitions of each topic, or why they can't be told.
pub(crate) type Topics = BTreeMap<String, Outcome<Vec<PartitionInfo>>>;

/// What a coordinator looks after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Looks {
    /// A consumer group's offsets.
    Group,
    /// A producer's transactions.
    Transaction,
}

/// A client of a cluster.
pub(crate) struct Client {
    config: Arc<ClientConfig>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    addresses: HashMap<i32, (String, u16)>,
    connections: HashMap<i32, Arc<Connection>>,
    /// The connection that metadata is asked over.
    any: Option<Arc<Connection>>,
    coordinators: HashMap<(Looks, String), i32>,
}

impl Client {
    /// A client that connects when it is first asked.
    pub(crate) fn new(config: ClientConfig) -> Arc<Client> {
        Arc::new(Client { config: Arc::new(config), state: Mutex::default() })
    }

    /// Another one with connections of its own: a broker answers on each in order, and some answers take their time.
    pub(crate) fn another(&self) -> Arc<Client> {
        Arc::new(Client { config: self.config.clone(), state: Mutex::default() })
    }

    /// The topics of these names, or all.
    pub(crate) async fn topics(&self, names: Option<&[String]>) -> Outcome<Topics> {
        let topic = |name: &String| MetadataRequestTopic::default().with_name(Some(topic_name(name)));
        let request = MetadataRequest::default()
            .with_topics(names.map(|names| names.iter().map(topic).collect()))
            .with_allow_auto_topic_creation(false);
        let answer = self.any().await?.call(&request).await?;
        self.state.lock().await.learn(&answer);
        let described = answer.topics.into_iter().map(|topic| {
            let name = topic.name.map(|name| name.to_string()).unwrap_or_default();
            let partition =
                |found: &kafka_protocol::messages::metadata_response::MetadataResponsePartition| {
                    PartitionInfo { partition: found.partition_index, leader: found.leader_id.0 }
                };
            let mut partitions: Vec<_> = topic.partitions.iter().map(partition).collect();
            partitions.sort_unstable_by_key(|info| info.partition);
            (name, check(topic.error_code).map(|()| partitions))
        });
        Ok(described.collect())
    }

    /// All brokers.
    pub(crate) async fn brokers(&self) -> Outcome<Vec<i32>> {
        let answer =
            self.any().await?.call(&MetadataRequest::default().with_topics(Some(Vec::new()))).await?;
        let mut state = self.state.lock().await;
        state.learn(&answer);
        Ok(state.addresses.keys().copied().collect())
    }

    /// The connection to a broker.
    pub(crate) async fn broker(&self, id: i32) -> Outcome<Arc<Connection>> {
        let mut state = self.state.lock().await;
        if let Some(connection) = state.connections.get(&id).filter(|connection| connection.usable()) {
            return Ok(connection.clone());
        }
        let address = state.addresses.get(&id).cloned();
        let address = address.ok_or_else(|| Failure::Connection(format!("broker {id} is not known")))?;
        let opened = Arc::new(self.open(&address).await?);
        state.connections.insert(id, opened.clone());
        Ok(opened)
    }

    /// Asks the coordinator of a group or transaction.
    pub(crate) async fn call_coordinator<R: Request>(
        &self,
        looks: Looks,
        key: &str,
        request: &R,
    ) -> Outcome<R::Response> {
        self.call_coordinator_for(looks, key, request, Duration::ZERO).await
    }

    /// Asks the coordinator for something that it may take this long to answer, besides the usual time.
    pub(crate) async fn call_coordinator_for<R: Request>(
        &self,
        looks: Looks,
        key: &str,
        request: &R,
        patience: Duration,
    ) -> Outcome<R::Response> {
        let broker = self.coordinator(looks, key).await?;
        let answer = match self.broker(broker).await {
            Ok(connection) => connection.call_for(request, patience).await,
            Err(failure) => Err(failure),
        };
        if answer.is_err() {
            self.forget_coordinator(looks, key).await;
        }
        answer
    }

    /// Asks again who the coordinator is; called after it said that it is not.
    pub(crate) async fn forget_coordinator(&self, looks: Looks, key: &str) {
        self.state.lock().await.coordinators.remove(&(looks, key.to_string()));
    }

    async fn coordinator(&self, looks: Looks, key: &str) -> Outcome<i32> {
        let place = (looks, key.to_string());
        if let Some(&known) = self.state.lock().await.coordinators.get(&place) {
            return Ok(known);
        }
        let request = FindCoordinatorRequest::default()
            .with_key(StrBytes::from_string(key.to_string()))
            .with_key_type(match looks {
                Looks::Group => 0,
                Looks::Transaction => 1,
            });
        let answer = self.any().await?.call(&request).await?;
        check(answer.error_code)?;
        let mut state = self.state.lock().await;
        state.addresses.insert(answer.node_id.0, (answer.host.to_string(), answer.port as u16));
        state.coordinators.insert(place, answer.node_id.0);
        Ok(answer.node_id.0)
    }

    /// A connection to whichever broker answers.
    pub(crate) async fn any(&self) -> Outcome<Arc<Connection>> {
        let mut state = self.state.lock().await;
        if let Some(connection) = state.any.as_ref().filter(|connection| connection.usable()) {
            return Ok(connection.clone());
        }
        let known = state.addresses.values().chain(&self.config.bootstrap).cloned();
        let known: Vec<_> = known.collect();
        let mut last = Failure::Connection("no address is known".into());
        for address in known {
            match self.open(&address).await {
                Ok(connection) => {
                    let connection = Arc::new(connection);
                    state.any = Some(connection.clone());
                    return Ok(connection);
                }
                Err(Failure::Fatal(why)) => return Err(Failure::Fatal(why)),
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    async fn open(&self, address: &(String, u16)) -> Outcome<Connection> {
        let config = &self.config;
        Connection::open(address, &config.client_id, &config.security, config.request_timeout).await
    }
}

impl State {
    fn learn(&mut self, answer: &MetadataResponse) {
        let brokers = answer.brokers.iter();
        let known: HashMap<_, _> =
            brokers.map(|broker| (broker.node_id.0, (broker.host.to_string(), broker.port as u16))).collect();
        let addresses = &known;
        self.connections
            .retain(|id, _| addresses.get(id).is_some() && addresses.get(id) == self.addresses.get(id));
        self.addresses = known;
    }
}

/// Whether a failure means that who leads or coordinates must be asked again.
pub(crate) fn is_moved(failure: &Failure) -> bool {
    use ResponseError::{
        CoordinatorNotAvailable, FencedLeaderEpoch, KafkaStorageError, LeaderNotAvailable, NotCoordinator,
        NotLeaderOrFollower, UnknownLeaderEpoch, UnknownTopicOrPartition,
    };
    match failure {
        Failure::Connection(_) => true,
        Failure::Broker(error) => matches!(
            error,
            NotLeaderOrFollower
                | LeaderNotAvailable
                | UnknownTopicOrPartition
                | FencedLeaderEpoch
                | UnknownLeaderEpoch
                | KafkaStorageError
                | NotCoordinator
                | CoordinatorNotAvailable
        ),
        Failure::Fatal(_) => false,
    }
}

/// A name as the protocol has it.
pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_string()))
}

/// Pauses between attempts: doubled each time, up to a second.
#[derive(Debug)]
pub(crate) struct BackOff(u32);

impl BackOff {
    /// None so far.
    pub(crate) fn new() -> Self {
        BackOff(0)
    }

    /// How long to wait before the next attempt.
    pub(crate) fn next(&mut self) -> Duration {
        const FIRST_MS: u64 = 20;
        const LONGEST_MS: u64 = 1_000;
        let pause = (FIRST_MS << self.0.min(10)).min(LONGEST_MS);
        self.0 += 1;
        Duration::from_millis(pause)
    }

    /// Waits before the next attempt.
    pub(crate) async fn pause(&mut self) {
        tokio::time::sleep(self.next()).await;
    }

    /// The last attempt was good.
    pub(crate) fn reset(&mut self) {
        self.0 = 0;
    }
}

/// Tries until it works, can't work, or this much time is over.
pub(crate) async fn persist<T, F: Future<Output = Outcome<T>>>(
    patience: Duration,
    mut attempt: impl FnMut() -> F,
) -> Outcome<T> {
    let start = tokio::time::Instant::now();
    let mut back_off = BackOff::new();
    loop {
        match attempt().await {
            Err(failure) if failure.retryable() && start.elapsed() < patience => back_off.pause().await,
            settled => return settled,
        }
    }
}
