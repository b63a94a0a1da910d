//! Which partitions there are, and where reading of each starts and ends.

use super::config::{Mark, SourceConfig, Subscription};
use crate::kafka::client::failure::{Doing, Failure, Outcome};
use crate::kafka::client::groups::committed_offsets;
use crate::kafka::client::offsets::{Point, TopicPartition, offsets};
use crate::kafka::client::{Client, Topics, persist};
use kafka_protocol::ResponseError;
use std::collections::BTreeMap;
use std::time::Duration;
use tidemill_types::{Error, Result};

/// How long starting up tries by itself before it reports.
const PATIENCE: Duration = Duration::from_secs(5);

/// Partitions with the brokers that lead them.
pub(super) type Leaders = BTreeMap<TopicPartition, i32>;

/// The partitions that the source reads, with their leaders (-1 while there is none).
pub(super) async fn leaders(client: &Client, config: &SourceConfig) -> Result<Leaders> {
    let names = match &config.subscription {
        Subscription::Topics(names) => Some(names.as_slice()),
        Subscription::Pattern(_) => None,
    };
    let topics = persist(PATIENCE, || client.topics(names)).await.doing("can't ask Kafka for its topics")?;
    let mut leaders = Leaders::new();
    for (topic, partitions) in matching(topics, &config.subscription) {
        match partitions {
            Ok(partitions) => leaders
                .extend(partitions.into_iter().map(|info| ((topic.clone(), info.partition), info.leader))),
            Err(failure) if failure.is(ResponseError::UnknownTopicOrPartition) => {
                return Err(Error::external(format!(
                    "the topic '{topic}' of table '{}' does not exist",
                    config.table
                )));
            }
            Err(failure) => return Err(failure.error(format!("can't read the topic '{topic}'"))),
        }
    }
    Ok(leaders)
}

fn matching(topics: Topics, subscription: &Subscription) -> Topics {
    match subscription {
        Subscription::Topics(_) => topics,
        Subscription::Pattern(pattern) => {
            let own = |name: &String| pattern.is_match(name).unwrap_or(false);
            topics.into_iter().filter(|(name, partitions)| partitions.is_ok() && own(name)).collect()
        }
    }
}

/// Where each of these partitions starts.
pub(super) async fn starts(
    client: &Client,
    config: &SourceConfig,
    partitions: &Leaders,
    first: bool,
) -> Result<BTreeMap<TopicPartition, i64>> {
    // What comes up later is read from its beginning, so that nothing is lost between two looks.
    let earliest = Mark::Point(Point::Earliest);
    let mark = if first { &config.startup } else { &earliest };
    let mut found = at_mark(client, config, partitions, mark).await?;
    let missing: Leaders = partitions
        .iter()
        .filter(|(place, _)| !found.contains_key(*place))
        .map(|(p, l)| (p.clone(), *l))
        .collect();
    if missing.is_empty() {
        return Ok(found);
    }
    let point = match (mark, config.reset) {
        // No record is as late as the time: what comes next is.
        (Mark::Point(_), _) => Point::Latest,
        (_, Some(point)) => point,
        (Mark::Specific(_), None) => Point::Earliest,
        (Mark::Group, None) => return Err(no_offset(config, &missing)),
    };
    found.extend(at_mark(client, config, &missing, &Mark::Point(point)).await?);
    Ok(found)
}

fn no_offset(config: &SourceConfig, missing: &Leaders) -> Error {
    let (topic, partition) = missing.keys().next().expect("something is missing");
    Error::user_hint(
        format!(
            "the group '{}' has committed no offset of partition {partition} of topic '{topic}', from which table \
             '{}' is to start",
            config.group, config.table
        ),
        "set 'scan.startup.mode' = 'earliest-offset' or 'latest-offset', or say what to do without an offset: \
         'properties.auto.offset.reset' = 'earliest' or 'latest'",
    )
}

/// Where reading of each of these partitions ends; absent ones never do.
pub(super) async fn ends(
    client: &Client,
    config: &SourceConfig,
    partitions: &Leaders,
) -> Result<BTreeMap<TopicPartition, i64>> {
    let Some(mark) = &config.bounds else { return Ok(BTreeMap::new()) };
    let mut ends = at_mark(client, config, partitions, mark).await?;
    match mark {
        Mark::Specific(_) | Mark::Group => {
            if let Some((topic, partition)) = partitions.keys().find(|place| !ends.contains_key(*place)) {
                return Err(Error::user_hint(
                    format!("there is no offset at which partition {partition} of topic '{topic}' ends"),
                    "give one for each partition, or set 'scan.bounded.mode' = 'latest-offset'",
                ));
            }
        }
        Mark::Point(_) => {
            let latest = at_mark(client, config, partitions, &Mark::Point(Point::Latest)).await?;
            for (place, latest) in latest {
                ends.entry(place).or_insert(latest);
            }
        }
    }
    Ok(ends)
}

/// The offsets that the group has committed of these partitions.
pub(super) async fn committed(
    client: &Client,
    config: &SourceConfig,
    partitions: &Leaders,
) -> Result<BTreeMap<TopicPartition, i64>> {
    at_mark(client, config, partitions, &Mark::Group).await
}

/// The offsets of a point in these partitions.
pub(super) async fn at_point(
    client: &Client,
    config: &SourceConfig,
    partitions: &Leaders,
    point: Point,
) -> Result<BTreeMap<TopicPartition, i64>> {
    at_mark(client, config, partitions, &Mark::Point(point)).await
}

async fn at_mark(
    client: &Client,
    config: &SourceConfig,
    partitions: &Leaders,
    mark: &Mark,
) -> Result<BTreeMap<TopicPartition, i64>> {
    let by_topic = |offsets: &BTreeMap<i32, i64>| {
        let known = partitions.keys().filter_map(|place| Some((place.clone(), *offsets.get(&place.1)?)));
        known.collect()
    };
    match mark {
        Mark::Specific(offsets) => Ok(by_topic(offsets)),
        Mark::Group => persist(PATIENCE, || committed_offsets(client, &config.group, partitions))
            .await
            .doing(format!("can't read the offsets of group '{}'", config.group)),
        Mark::Point(point) => persist(PATIENCE, || led_offsets(client, partitions, *point, config))
            .await
            .doing("can't read the offsets of partitions"),
    }
}

/// Asks the leaders, after looking again who they are.
async fn led_offsets(
    client: &Client,
    partitions: &Leaders,
    point: Point,
    config: &SourceConfig,
) -> Outcome<BTreeMap<TopicPartition, i64>> {
    let names: std::collections::BTreeSet<&String> = partitions.keys().map(|(topic, _)| topic).collect();
    let names: Vec<String> = names.into_iter().cloned().collect();
    let topics = client.topics(Some(&names)).await?;
    let mut led = Leaders::new();
    for (topic, partition) in partitions.keys() {
        let known = topics.get(topic).ok_or(Failure::Broker(ResponseError::UnknownTopicOrPartition))?;
        let known = known.as_ref().map_err(Clone::clone)?;
        let info = known.iter().find(|info| info.partition == *partition && info.leader >= 0);
        let info = info.ok_or(Failure::Broker(ResponseError::LeaderNotAvailable))?;
        led.insert((topic.clone(), *partition), info.leader);
    }
    offsets(client, &led, point, config.wanted.committed_only).await
}
