//! What the options of a sink ask for.

use super::partitioner::Partitioner;
use crate::kafka::batch::codec::{Codec, NAMES};
use crate::kafka::client::ClientConfig;
use crate::kafka::client::properties::Properties;
use crate::kafka::options::{
    BUFFER_INTERVAL, BUFFER_ROWS, GUARANTEE, TOPIC, TOPIC_PATTERN, TRANSACTIONAL_PREFIX,
};
use std::time::Duration;
use tidemill_connector::{Guarantee, TableRequest};
use tidemill_types::{Error, Result};

/// The largest batch that brokers take unless told otherwise (`message.max.bytes` is 1,048,588).
const BATCH_BYTES: usize = 512 << 10;
/// How much waits to be sent before writing waits.
const BUFFER_BYTES: usize = 32 << 20;
/// The longest that brokers let a transaction be open, unless told otherwise.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// What a sink is to do.
#[derive(Debug)]
pub(crate) struct SinkConfig {
    pub(crate) table: String,
    /// Where records go that name no topic.
    pub(crate) topic: String,
    pub(crate) partitioner: Partitioner,
    pub(crate) task: usize,
    pub(crate) parallelism: usize,
    pub(crate) codec: Codec,
    pub(crate) batch_bytes: usize,
    pub(crate) buffer_bytes: usize,
    /// Whether all replicas must have a batch before it counts.
    pub(crate) all_acks: bool,
    pub(crate) idempotent: bool,
    pub(crate) delivery_timeout: Duration,
    /// What the ids of transactions begin with; set for exactly-once with checkpoints.
    pub(crate) transactions: Option<TransactionNames>,
    pub(crate) transaction_timeout: Duration,
    /// How many rows wait for newer ones of their key.
    pub(crate) latest_rows: Option<usize>,
}

/// How ids of transactions are made.
#[derive(Debug, Clone)]
pub(crate) struct TransactionNames {
    /// Of this table in this pipeline, whatever the run.
    pub(crate) base: String,
    /// Of this run.
    pub(crate) run: String,
}

impl SinkConfig {
    /// Reads the options; also what the client needs, and the properties that nobody takes.
    pub(crate) fn read(
        request: &TableRequest<'_>,
        upserts: bool,
    ) -> Result<(SinkConfig, ClientConfig, Vec<String>)> {
        let options = request.options;
        let mut properties = Properties::of(options);
        let client = ClientConfig::from(&mut properties)?;
        let codec = properties.word("compression.type", NAMES)?.and_then(Codec::named).unwrap_or_default();
        let acks = properties.word("acks", &["all", "-1", "1", "0"])?.unwrap_or("all");
        let all_acks = matches!(acks, "all" | "-1");
        let idempotent = properties.word("enable.idempotence", &["true", "false"])? != Some("false");
        let transactions = transactions(request)?;
        let latest = options.integer(&BUFFER_ROWS)?.filter(|rows| *rows > 0).map(|rows| rows as usize);
        let latest = latest
            .filter(|_| options.duration(&BUFFER_INTERVAL).is_ok_and(|d| d.is_some_and(|d| !d.is_zero())));
        if transactions.is_some() && !(all_acks && idempotent) {
            return Err(Error::user_hint(
                "exactly-once needs 'properties.acks' = 'all' and idempotence",
                "leave out 'properties.acks' and 'properties.enable.idempotence'",
            ));
        }
        // Batches are as large as what waits makes them; there is nothing to linger for.
        properties.take("linger.ms");
        let config = SinkConfig {
            table: request.table.to_string(),
            topic: topic(request)?,
            partitioner: Partitioner::from(options)?,
            task: request.task,
            parallelism: request.parallelism.max(1),
            codec,
            batch_bytes: properties.number("batch.size")?.unwrap_or(BATCH_BYTES).max(1),
            buffer_bytes: properties.number("buffer.memory")?.unwrap_or(BUFFER_BYTES).max(1),
            all_acks,
            idempotent: all_acks && idempotent,
            delivery_timeout: properties.millis("delivery.timeout.ms")?.unwrap_or(Duration::from_secs(120)),
            transactions,
            transaction_timeout: properties.millis("transaction.timeout.ms")?.unwrap_or(TRANSACTION_TIMEOUT),
            latest_rows: latest.filter(|_| upserts),
        };
        // A source's settings on a table that is written too say nothing wrong.
        for of_source in ["group.id", "auto.offset.reset", "isolation.level", "check.crcs"] {
            properties.take(of_source);
        }
        Ok((config, client, properties.left().into_iter().map(str::to_string).collect()))
    }
}

fn topic(request: &TableRequest<'_>) -> Result<String> {
    let by_record = request.metadata.iter().any(|(key, _)| key == "topic");
    match (request.options.text(&TOPIC), request.options.text(&TOPIC_PATTERN)) {
        (Some(topics), _) if by_record || !topics.contains(';') => {
            Ok(topics.split(';').next().unwrap_or_default().trim().to_string())
        }
        (None, Some(_)) if by_record => Ok(String::new()),
        (Some(topics), _) => Err(Error::user_hint(
            format!("table '{}' names several topics ('{topics}') and can't be written so", request.table),
            "give one topic, or a column 'topic' STRING METADATA that names that of each record",
        )),
        (None, _) => Err(Error::user_hint(
            format!("table '{}' names no topic to write to", request.table),
            "add the option 'topic'",
        )),
    }
}

/// What a sink promises with these options.
pub(crate) fn guarantee(request: &TableRequest<'_>) -> Guarantee {
    match request.options.text(&GUARANTEE).is_some_and(|word| word.eq_ignore_ascii_case("exactly-once")) {
        true => Guarantee::ExactlyOnce,
        false => Guarantee::AtLeastOnce,
    }
}

fn transactions(request: &TableRequest<'_>) -> Result<Option<TransactionNames>> {
    if guarantee(request) == Guarantee::AtLeastOnce {
        return Ok(None);
    }
    let prefix = request.options.text(&TRANSACTIONAL_PREFIX).filter(|prefix| !prefix.is_empty());
    let prefix = prefix.ok_or_else(|| {
        Error::user_hint(
            "'sink.delivery-guarantee' = 'exactly-once' needs the option 'sink.transactional-id-prefix'",
            "give a name that no other pipeline on this Kafka cluster uses",
        )
    })?;
    // Parts are told from each other by '-', so they must not hold one.
    let part = |text: &str| text.replace('-', "_");
    let base = format!("{prefix}-{}-", part(request.pipeline_id));
    Ok(request.checkpointed.then(|| TransactionNames { base, run: part(request.run_id) }))
}
