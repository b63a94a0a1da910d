//! What the options of a source ask for.

use crate::kafka::batch::reader::Wanted;
use crate::kafka::client::ClientConfig;
use crate::kafka::client::membership::Patience;
use crate::kafka::client::offsets::Point;
use crate::kafka::client::properties::Properties;
use crate::kafka::options::{
    BOUNDED_MODE, BOUNDED_OFFSETS, BOUNDED_TIME, DISCOVERY, STARTUP_MODE, STARTUP_OFFSETS, STARTUP_TIME,
    TOPIC, TOPIC_PATTERN,
};
use fancy_regex::Regex;
use std::collections::BTreeMap;
use std::time::Duration;
use tidemill_connector::{RecordFields, SHARED_SPLITS, TableRequest, VALUE_FORMAT};
use tidemill_types::{Error, OptionSpec, Options, Result};

/// The topics that are read.
#[derive(Debug)]
pub(crate) enum Subscription {
    /// These.
    Topics(Vec<String>),
    /// Those whose name matches.
    Pattern(Regex),
}

/// A place in each partition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Mark {
    /// The same kind of place in all.
    Point(Point),
    /// What the group has committed.
    Group,
    /// By partition, of every topic.
    Specific(BTreeMap<i32, i64>),
}

/// How much is fetched at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FetchSizes {
    pub(crate) min_bytes: i32,
    pub(crate) max_bytes: i32,
    pub(crate) partition_bytes: i32,
    pub(crate) wait: Duration,
}

/// What a source is to do.
#[derive(Debug)]
pub(crate) struct SourceConfig {
    pub(crate) table: String,
    pub(crate) subscription: Subscription,
    pub(crate) startup: Mark,
    /// Where reading ends; `None`: never.
    pub(crate) bounds: Option<Mark>,
    pub(crate) discovery: Option<Duration>,
    pub(crate) group: String,
    /// Whether partitions are shared with the other members of the group.
    pub(crate) shared: bool,
    /// How long the group waits for its members.
    pub(crate) patience: Patience,
    /// Where to go on if there is no offset or it is not there any more; `None` is an error.
    pub(crate) reset: Option<Point>,
    pub(crate) wanted: Wanted,
    /// Whether records without value delete.
    pub(crate) upserts: bool,
    pub(crate) sizes: FetchSizes,
}

impl SourceConfig {
    /// Reads the options; also what the client needs, and the properties that nobody takes.
    pub(crate) fn read(
        request: &TableRequest<'_>,
        upserts: bool,
    ) -> Result<(SourceConfig, ClientConfig, Vec<String>)> {
        let options = request.options;
        let mut properties = Properties::of(options);
        let client = ClientConfig::from(&mut properties)?;
        let startup = match upserts {
            true => Mark::Point(Point::Earliest),
            false => mark(options, &STARTUP_MODE, &STARTUP_OFFSETS, &STARTUP_TIME)?,
        };
        let bounded = options.text(&BOUNDED_MODE).is_some_and(|mode| !mode.eq_ignore_ascii_case("unbounded"));
        let bounds =
            bounded.then(|| mark(options, &BOUNDED_MODE, &BOUNDED_OFFSETS, &BOUNDED_TIME)).transpose()?;
        let discovery = options.duration(&DISCOVERY)?.filter(|interval| !interval.is_zero());
        let group = properties.take("group.id").filter(|group| !group.is_empty());
        let shared = options.boolean(&SHARED_SPLITS)?;
        check_shared(shared, group, bounded)?;
        let config = SourceConfig {
            table: request.table.to_string(),
            subscription: subscription(request)?,
            startup,
            bounds,
            discovery: discovery.filter(|_| !bounded),
            group: group.map_or_else(|| format!("KafkaSource-{}", request.table), str::to_string),
            shared,
            patience: patience(&mut properties)?,
            reset: reset(&mut properties)?,
            wanted: wanted(request, upserts, &mut properties)?,
            upserts,
            sizes: sizes(&mut properties)?,
        };
        Ok((config, client, properties.left().into_iter().map(str::to_string).collect()))
    }
}

fn check_shared(shared: bool, group: Option<&str>, bounded: bool) -> Result<()> {
    let key = SHARED_SPLITS.key;
    match (shared, group) {
        (true, None) => Err(Error::user_hint(
            format!("'{key}' = 'true' needs the option 'properties.group.id'"),
            "give all runs that are to share the partitions the same one",
        )),
        (true, Some(_)) if bounded => Err(Error::user_hint(
            format!(
                "a table with '{key}' = 'true' can't end: others may take its partitions over at any time"
            ),
            "leave out 'scan.bounded.mode' or the membership",
        )),
        _ => Ok(()),
    }
}

/// The defaults are those of the Java client.
fn patience(properties: &mut Properties<'_>) -> Result<Patience> {
    Ok(Patience {
        session: properties.millis("session.timeout.ms")?.unwrap_or(Duration::from_secs(45)),
        rebalance: properties.millis("max.poll.interval.ms")?.unwrap_or(Duration::from_secs(300)),
        heartbeat: properties.millis("heartbeat.interval.ms")?.unwrap_or(Duration::from_secs(3)),
    })
}

fn subscription(request: &TableRequest<'_>) -> Result<Subscription> {
    let options = request.options;
    match (options.text(&TOPIC), options.text(&TOPIC_PATTERN)) {
        (Some(topics), None) => {
            let topics = topics.split(';').map(|topic| topic.trim().to_string());
            let mut topics: Vec<String> = topics.filter(|topic| !topic.is_empty()).collect();
            topics.sort_unstable();
            topics.dedup();
            match topics.is_empty() {
                true => Err(Error::user_hint("option 'topic' is empty", TOPIC.help)),
                false => Ok(Subscription::Topics(topics)),
            }
        }
        (None, Some(pattern)) => {
            Regex::new(&format!("^(?:{pattern})$")).map(Subscription::Pattern).map_err(|error| {
                Error::user(format!("option 'topic-pattern' is no regular expression: {error}"))
            })
        }
        (Some(_), Some(_)) => Err(Error::user_hint(
            "options 'topic' and 'topic-pattern' exclude each other",
            "keep one of them",
        )),
        (None, None) => Err(Error::user_hint(
            format!("table '{}' names no topic", request.table),
            "add the option 'topic' or 'topic-pattern'",
        )),
    }
}

fn mark(options: &Options, mode: &OptionSpec, offsets: &OptionSpec, time: &OptionSpec) -> Result<Mark> {
    let missing = |needed: &OptionSpec, word: &str| {
        Error::user_hint(format!("'{}' = '{word}' needs the option '{}'", mode.key, needed.key), needed.help)
    };
    match options.text(mode).unwrap_or_default().to_ascii_lowercase().as_str() {
        "earliest-offset" => Ok(Mark::Point(Point::Earliest)),
        "latest-offset" => Ok(Mark::Point(Point::Latest)),
        "group-offsets" => Ok(Mark::Group),
        "timestamp" => {
            let ms = options.integer(time)?.ok_or_else(|| missing(time, "timestamp"))?;
            Ok(Mark::Point(Point::Time(ms)))
        }
        word => {
            let text = options.text(offsets).ok_or_else(|| missing(offsets, word))?;
            specific(offsets, text).map(Mark::Specific)
        }
    }
}

/// Reads `partition:0,offset:42;partition:1,offset:300`.
fn specific(option: &OptionSpec, text: &str) -> Result<BTreeMap<i32, i64>> {
    let bad = || Error::user_hint(format!("option '{}' is '{text}'", option.key), option.help);
    let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    let read = parts.map(|part| {
        let (partition, offset) = part.split_once(',')?;
        let partition = partition.trim().strip_prefix("partition:")?.trim().parse().ok()?;
        Some((partition, offset.trim().strip_prefix("offset:")?.trim().parse().ok()?))
    });
    let read: Option<BTreeMap<i32, i64>> = read.collect();
    read.filter(|offsets| !offsets.is_empty()).ok_or_else(bad)
}

fn reset(properties: &mut Properties<'_>) -> Result<Option<Point>> {
    match properties.word("auto.offset.reset", &["earliest", "latest", "none"])? {
        Some("earliest") => Ok(Some(Point::Earliest)),
        Some("latest") => Ok(Some(Point::Latest)),
        _ => Ok(None),
    }
}

fn wanted(request: &TableRequest<'_>, upserts: bool, properties: &mut Properties<'_>) -> Result<Wanted> {
    let fields = RecordFields::of(request.options, request.schema, request.primary_key)?;
    let only_in_key = |column: &usize| fields.key.contains(column) && !fields.value.contains(column);
    let metadata = |key: &str| request.metadata.iter().any(|(wanted, _)| wanted == key);
    let format = request.options.get("format").or(request.options.get(VALUE_FORMAT.key));
    let isolation = properties.word("isolation.level", &["read_uncommitted", "read_committed"])?;
    Ok(Wanted {
        keys: upserts || request.wanted.iter().any(only_in_key),
        timestamps: metadata("timestamp"),
        headers: metadata("headers"),
        of_batch: metadata("leader-epoch") || metadata("timestamp-type"),
        tombstones: upserts || format == Some("raw"),
        committed_only: isolation == Some("read_committed"),
        check_crcs: properties.word("check.crcs", &["true", "false"])? != Some("false"),
    })
}

fn sizes(properties: &mut Properties<'_>) -> Result<FetchSizes> {
    Ok(FetchSizes {
        min_bytes: properties.number("fetch.min.bytes")?.unwrap_or(1),
        max_bytes: properties.number("fetch.max.bytes")?.unwrap_or(32 << 20),
        partition_bytes: properties.number("max.partition.fetch.bytes")?.unwrap_or(4 << 20),
        wait: properties.millis("fetch.max.wait.ms")?.unwrap_or(Duration::from_millis(500)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specific_offsets_are_read() {
        let read = specific(&STARTUP_OFFSETS, "partition:0,offset:42; partition:1,offset:300").unwrap();
        assert_eq!(read, BTreeMap::from([(0, 42), (1, 300)]));
        for bad in ["", "0:1", "partition:0", "partition:0,offset:x"] {
            assert!(specific(&STARTUP_OFFSETS, bad).is_err(), "{bad}");
        }
    }
}
