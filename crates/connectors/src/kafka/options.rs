//! The options of `kafka` and `upsert-kafka`, declared once.

use tidemill_connector::{KEY_FIELDS, KEY_FORMAT, KEY_PREFIX, SHARED_SPLITS, VALUE_FORMAT, VALUE_INCLUDE};
use tidemill_types::{OptionKind, OptionSpec};

const fn text(key: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec::new(key, OptionKind::Text, help)
}

const fn whole(key: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec::new(key, OptionKind::Integer, help)
}

pub(super) const TOPIC: OptionSpec = text("topic", "the topic; a source takes several: 'a;b'");
pub(super) const TOPIC_PATTERN: OptionSpec =
    text("topic-pattern", "a source reads all topics whose whole name matches this regular expression");
pub(super) const BOOTSTRAP: OptionSpec =
    text("properties.bootstrap.servers", "addresses of brokers: 'host:port,host:port'").required();
pub(super) const PROPERTIES: OptionSpec =
    text("properties.*", "settings of Kafka's clients; those that have no meaning here give a warning");
pub(super) const STARTUP_MODE: OptionSpec = OptionSpec::new(
    "scan.startup.mode",
    OptionKind::Choice(&[
        "earliest-offset",
        "latest-offset",
        "group-offsets",
        "timestamp",
        "specific-offsets",
    ]),
    "where a first run starts reading",
)
.default("group-offsets");
pub(super) const STARTUP_OFFSETS: OptionSpec = text(
    "scan.startup.specific-offsets",
    "offsets to start at: 'partition:0,offset:42;partition:1,offset:300'",
);
pub(super) const STARTUP_TIME: OptionSpec =
    whole("scan.startup.timestamp-millis", "the time to start at, in milliseconds since 1970");
pub(super) const BOUNDED_MODE: OptionSpec = OptionSpec::new(
    "scan.bounded.mode",
    OptionKind::Choice(&["unbounded", "latest-offset", "group-offsets", "timestamp", "specific-offsets"]),
    "where reading ends",
)
.default("unbounded");
pub(super) const BOUNDED_OFFSETS: OptionSpec =
    text("scan.bounded.specific-offsets", "offsets to end in front of: 'partition:0,offset:42;…'");
pub(super) const BOUNDED_TIME: OptionSpec =
    whole("scan.bounded.timestamp-millis", "the time to end in front of, in milliseconds since 1970");
pub(super) const DISCOVERY: OptionSpec = OptionSpec::new(
    "scan.topic-partition-discovery.interval",
    OptionKind::Duration,
    "how often to look for new partitions and topics; 0: never",
)
.default("5 min");
pub(super) const PARTITIONER: OptionSpec = text(
    "sink.partitioner",
    "'default' (by the key's hash, else partition after partition), 'fixed' (one for each task) or 'round-robin'",
)
.default("default");
pub(super) const GUARANTEE: OptionSpec = OptionSpec::new(
    "sink.delivery-guarantee",
    OptionKind::Choice(&["none", "at-least-once", "exactly-once"]),
    "what is promised when a run with checkpoints is killed",
)
.default("at-least-once");
pub(super) const TRANSACTIONAL_PREFIX: OptionSpec =
    text("sink.transactional-id-prefix", "what the transactional ids of an exactly-once sink begin with");
pub(super) const NAMING_STRATEGY: OptionSpec = OptionSpec::new(
    "sink.transaction-naming-strategy",
    OptionKind::Choice(&["DEFAULT", "INCREMENTING", "POOLING"]),
    "accepted; ids of transactions are used again once their checkpoint is replaced by a later one",
);
pub(super) const BUFFER_ROWS: OptionSpec =
    whole("sink.buffer-flush.max-rows", "how many rows wait for newer ones of their key; 0: none")
        .default("0");
pub(super) const BUFFER_INTERVAL: OptionSpec = OptionSpec::new(
    "sink.buffer-flush.interval",
    OptionKind::Duration,
    "how long rows wait for newer ones of their key; 0: not at all",
)
.default("0");

/// The options of `kafka`.
pub(super) const KAFKA: &[OptionSpec] = &[
    TOPIC,
    TOPIC_PATTERN,
    BOOTSTRAP,
    PROPERTIES,
    KEY_FORMAT,
    VALUE_FORMAT,
    KEY_FIELDS,
    KEY_PREFIX,
    VALUE_INCLUDE,
    STARTUP_MODE,
    STARTUP_OFFSETS,
    STARTUP_TIME,
    BOUNDED_MODE,
    BOUNDED_OFFSETS,
    BOUNDED_TIME,
    DISCOVERY,
    SHARED_SPLITS,
    PARTITIONER,
    GUARANTEE,
    TRANSACTIONAL_PREFIX,
    NAMING_STRATEGY,
];

/// The options of `upsert-kafka`.
pub(super) const UPSERT_KAFKA: &[OptionSpec] = &[
    TOPIC,
    TOPIC_PATTERN,
    BOOTSTRAP,
    PROPERTIES,
    KEY_FORMAT.required(),
    VALUE_FORMAT.required(),
    KEY_PREFIX,
    VALUE_INCLUDE,
    BOUNDED_MODE,
    BOUNDED_OFFSETS,
    BOUNDED_TIME,
    DISCOVERY,
    GUARANTEE,
    TRANSACTIONAL_PREFIX,
    NAMING_STRATEGY,
    BUFFER_ROWS,
    BUFFER_INTERVAL,
];
