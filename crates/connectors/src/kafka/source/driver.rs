//! The task that reads all partitions: one fetch under way for each broker, the next one sent before the records
//! of the last are handed on.
//!
//! Invariant: a split's position moves only with what goes out in order through one channel, whose bound is the
//! back-pressure. Failures that pass by themselves are tried again here and reported every few seconds; others
//! end the task.

use super::config::SourceConfig;
use super::fetch::{Answered, Asked, FetchDone, fetch};
use super::start::{self, Leaders};
use crate::kafka::batch::reader::{Aborted, Damage, Run, walk};
use crate::kafka::client::failure::{Failure, Outcome};
use crate::kafka::client::offsets::TopicPartition;
use crate::kafka::client::{BackOff, Client, is_moved};
use crate::notice::notice;
use bytes::Bytes;
use kafka_protocol::ResponseError;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tidemill_types::{Error, Result};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// How long failures are tried again before they are reported.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// A partition that was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) name: Arc<str>,
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    pub(super) start: i64,
}

/// What the task has for the source.
#[derive(Debug)]
pub(super) enum Event {
    /// Partitions that were found; their numbers go on from those before.
    Found(Vec<Found>),
    /// Records of a split.
    Run(usize, Box<Run>),
    /// A split's position moved without records.
    Moved(usize, i64),
    /// All splits are read to their end.
    End,
}

struct Split {
    place: TopicPartition,
    topic: Arc<str>,
    position: i64,
    end: Option<i64>,
    /// -1 while it is not known.
    leader: i32,
}

impl Split {
    fn done(&self) -> bool {
        self.end.is_some_and(|end| self.position >= end)
    }
}

/// The task's state.
pub(super) struct Driver {
    client: Arc<Client>,
    config: Arc<SourceConfig>,
    /// Where an earlier run stood.
    saved: Option<BTreeMap<TopicPartition, i64>>,
    /// The partitions that the group has assigned; absent: all there are.
    assigned: Option<BTreeSet<TopicPartition>>,
    out: mpsc::Sender<Result<Event>>,
    splits: Vec<Split>,
    fetches: JoinSet<FetchDone>,
    busy: BTreeSet<i32>,
    /// When leaders are asked for again, if they have to be.
    look_again: Option<Instant>,
    discover: Option<Instant>,
    back_off: BackOff,
    /// Since when everything fails.
    failing: Option<Instant>,
}

/// Nobody listens any more.
struct Closed;

impl Driver {
    pub(super) fn new(
        client: Arc<Client>,
        config: Arc<SourceConfig>,
        saved: Option<BTreeMap<TopicPartition, i64>>,
        assigned: Option<BTreeSet<TopicPartition>>,
        out: mpsc::Sender<Result<Event>>,
    ) -> Self {
        Driver {
            client,
            config,
            saved,
            assigned,
            out,
            splits: Vec::new(),
            fetches: JoinSet::new(),
            busy: BTreeSet::new(),
            look_again: None,
            discover: None,
            back_off: BackOff::new(),
            failing: None,
        }
    }

    /// Reads until the end, a failure that stays, or nobody listens.
    pub(super) async fn run(mut self) {
        // Starting up is tried until it works; each failure is reported, and the runtime counts them.
        while let Err(error) = self.start().await {
            if !matches!(error, Error::External { retryable: true, .. }) {
                let _ = self.out.send(Err(error)).await;
                return;
            }
            if self.report(error).await.is_err() {
                return;
            }
            self.back_off.pause().await;
        }
        if let Err(error) = self.read().await {
            let _ = self.out.send(Err(error)).await;
        }
    }

    async fn start(&mut self) -> Result<()> {
        let mut leaders = start::leaders(&self.client, &self.config).await?;
        if let Some(assigned) = &self.assigned {
            // Where the group stands counts; partitions without an offset are new, if any other has one.
            self.saved = Some(start::committed(&self.client, &self.config, &leaders).await?);
            leaders.retain(|place, _| assigned.contains(place));
        }
        let first = self.saved.as_ref().is_none_or(|saved| self.assigned.is_some() && saved.is_empty());
        self.add(leaders, first).await.map(drop)
    }

    /// Adds partitions that are new.
    async fn add(&mut self, leaders: Leaders, first: bool) -> Result<Result<(), Closed>> {
        let known: BTreeSet<&TopicPartition> = self.splits.iter().map(|split| &split.place).collect();
        let new: Leaders = leaders.into_iter().filter(|(place, _)| !known.contains(place)).collect();
        let saved = |place: &TopicPartition| self.saved.as_ref().and_then(|saved| saved.get(place).copied());
        let unsaved: Leaders =
            new.iter().filter(|(place, _)| saved(place).is_none()).map(|(p, l)| (p.clone(), *l)).collect();
        let starts = match unsaved.is_empty() {
            true => BTreeMap::new(),
            false => start::starts(&self.client, &self.config, &unsaved, first).await?,
        };
        let ends = match new.is_empty() {
            true => BTreeMap::new(),
            false => start::ends(&self.client, &self.config, &new).await?,
        };
        let mut found = Vec::new();
        let mut splits = Vec::new();
        for (place, leader) in new {
            let start = saved(&place).or_else(|| starts.get(&place).copied());
            let start = start.ok_or_else(|| Error::internal("a partition without a start"))?;
            let topic: Arc<str> = place.0.as_str().into();
            let name = format!("{}/{}", place.0, place.1).into();
            found.push(Found { name, topic: topic.clone(), partition: place.1, start });
            let end = ends.get(&place).copied();
            splits.push(Split { place, topic, position: start, end, leader });
        }
        self.splits.extend(splits);
        // In a group the leader looks for new partitions.
        let discovery = self.config.discovery.filter(|_| self.assigned.is_none());
        self.discover = discovery.map(|interval| Instant::now() + interval);
        match found.is_empty() {
            true => Ok(Ok(())),
            false => Ok(self.out.send(Ok(Event::Found(found))).await.map_err(|_| Closed)),
        }
    }

    async fn read(&mut self) -> Result<()> {
        loop {
            if self.config.bounds.is_some() && self.splits.iter().all(Split::done) {
                let _ = self.out.send(Ok(Event::End)).await;
                return Ok(());
            }
            self.send_fetches();
            let wake = [self.look_again, self.discover].into_iter().flatten().min();
            tokio::select! {
                Some(done) = self.fetches.join_next() => {
                    let done = done.map_err(|error| Error::internal(format!("a fetch failed: {error}")))?;
                    if self.fetched(done).await?.is_err() {
                        return Ok(());
                    }
                }
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {
                    if self.look().await?.is_err() {
                        return Ok(());
                    }
                }
                () = self.out.closed() => return Ok(()),
            }
        }
    }

    /// Sends a fetch to each broker that has none under way.
    fn send_fetches(&mut self) {
        let mut asked: BTreeMap<i32, Vec<Asked>> = BTreeMap::new();
        for (number, split) in self.splits.iter().enumerate() {
            if split.leader >= 0 && !split.done() && !self.busy.contains(&split.leader) {
                asked.entry(split.leader).or_default().push(Asked {
                    split: number,
                    topic: split.topic.clone(),
                    partition: split.place.1,
                    offset: split.position,
                });
            }
        }
        for (broker, mut asked) in asked {
            // Brokers fill their answers from the front, so each partition comes first in turn.
            let turn =
                asked.iter().map(|asked| asked.offset as usize).fold(0, usize::wrapping_add) % asked.len();
            asked.rotate_left(turn);
            self.busy.insert(broker);
            self.fetches.spawn(fetch(self.client.clone(), self.config.clone(), broker, asked));
        }
    }

    async fn fetched(&mut self, done: FetchDone) -> Result<Result<(), Closed>> {
        self.busy.remove(&done.broker);
        let answers = match done.answer {
            Ok(answers) => answers,
            Err(failure) if failure.retryable() => {
                done.asked.iter().for_each(|asked| self.splits[asked.split].leader = -1);
                return self.failed(&failure).await;
            }
            Err(failure) => return Err(failure.error("can't fetch records")),
        };
        let mut runs = Vec::new();
        let mut lost = None;
        for answered in answers {
            match self.walk(answered, &mut runs).await? {
                Ok(()) => self.worked(),
                Err(failure) => lost = Some(failure),
            }
        }
        if let Some(failure) = lost
            && self.failed(&failure).await?.is_err()
        {
            return Ok(Err(Closed));
        }
        self.send_fetches();
        for event in runs {
            if self.out.send(Ok(event)).await.is_err() {
                return Ok(Err(Closed));
            }
        }
        Ok(Ok(()))
    }

    /// Takes the records of one partition.
    async fn walk(&mut self, answered: Answered, out: &mut Vec<Event>) -> Result<Outcome<()>> {
        let number = answered.split;
        match answered.records {
            Ok((bytes, aborted)) => self.walk_records(number, &bytes, aborted, out).map(Ok),
            Err(failure) if failure.is(ResponseError::OffsetOutOfRange) => {
                self.out_of_range(number, out).await.map(Ok)
            }
            Err(failure) if is_moved(&failure) || failure.retryable() => {
                self.splits[number].leader = -1;
                Ok(Err(failure))
            }
            Err(failure) => {
                let (topic, partition) = &self.splits[number].place;
                Err(failure.error(format!("can't fetch from '{topic}/{partition}'")))
            }
        }
    }

    fn walk_records(
        &mut self,
        number: usize,
        bytes: &Bytes,
        aborted: Vec<Aborted>,
        out: &mut Vec<Event>,
    ) -> Result<()> {
        let split = &mut self.splits[number];
        let mut runs = Vec::new();
        let range = split.position..split.end.unwrap_or(i64::MAX);
        let walked = walk(bytes, range, aborted, self.config.wanted, &mut runs);
        let next = walked.map_err(|Damage(what)| {
            Error::external_fatal(format!("the topic '{}/{}' has {what}", split.place.0, split.place.1))
        })?;
        if next == split.position && bytes.len() >= self.config.sizes.max_bytes as usize {
            return Err(Error::internal("a batch did not fit into its answer"));
        }
        if next > split.position && runs.last().is_none_or(|run| run.next_offset < next) {
            split.position = next;
            out.extend(runs.into_iter().map(|run| Event::Run(number, Box::new(run))));
            out.push(Event::Moved(number, next));
        } else {
            split.position = next;
            out.extend(runs.into_iter().map(|run| Event::Run(number, Box::new(run))));
        }
        Ok(())
    }

    /// The offset is not there any more (or not yet): what the options say, or an error.
    async fn out_of_range(&mut self, number: usize, out: &mut Vec<Event>) -> Result<()> {
        let split = &self.splits[number];
        let ((topic, partition), position) = (&split.place, split.position);
        let Some(point) = self.config.reset else {
            return Err(Error::external_fatal(format!(
                "offset {position} of '{topic}/{partition}' is not there (any more): records were removed before \
                 they were read, or the topic was made anew; to go on nevertheless, set \
                 'properties.auto.offset.reset' = 'earliest' or 'latest'"
            )));
        };
        let partitions = Leaders::from([(split.place.clone(), split.leader)]);
        let offsets = start::at_point(&self.client, &self.config, &partitions, point).await?;
        let next = offsets.get(&split.place).copied();
        let next = next.ok_or_else(|| Error::external("a partition has no offset to go on from"))?;
        notice(
            &self.config.table,
            format_args!(
                "offset {position} of '{topic}/{partition}' is not there; reading goes on at {next}"
            ),
        );
        self.splits[number].position = next;
        out.push(Event::Moved(number, next));
        Ok(())
    }

    fn worked(&mut self) {
        self.failing = None;
        self.back_off.reset();
    }

    /// Notes a failure that may pass, reports it if it lasts, and has the leaders asked for again.
    async fn failed(&mut self, failure: &Failure) -> Result<Result<(), Closed>> {
        let now = Instant::now();
        let since = *self.failing.get_or_insert(now);
        self.look_again.get_or_insert(now + self.back_off.next());
        if now - since < REPORT_EVERY {
            return Ok(Ok(()));
        }
        self.failing = Some(now);
        Ok(self.report(failure.error(format!("table '{}' can't be read", self.config.table))).await)
    }

    /// Tells of a failure, unless others still wait to be heard.
    async fn report(&mut self, error: Error) -> Result<(), Closed> {
        if self.out.is_closed() {
            return Err(Closed);
        }
        match self.out.capacity() == self.out.max_capacity() {
            true => self.out.send(Err(error)).await.map_err(|_| Closed),
            false => Ok(()),
        }
    }

    /// Looks for new partitions and for who leads those there are.
    async fn look(&mut self) -> Result<Result<(), Closed>> {
        let now = Instant::now();
        let discovers = self.discover.is_some_and(|at| at <= now);
        self.look_again = None;
        if discovers {
            self.discover = self.config.discovery.map(|interval| now + interval);
        }
        let found = start::leaders(&self.client, &self.config).await;
        let leaders = match found {
            Ok(leaders) => leaders,
            Err(Error::External { message, .. }) => return self.failed(&Failure::Connection(message)).await,
            Err(error) => return Err(error),
        };
        for split in &mut self.splits {
            split.leader = leaders.get(&split.place).copied().unwrap_or(-1);
        }
        if self.splits.iter().any(|split| split.leader < 0) {
            self.look_again = Some(now + self.back_off.next());
        }
        if !discovers {
            return Ok(Ok(()));
        }
        match self.add(leaders, false).await {
            Err(Error::External { message, retryable: true }) => {
                self.failed(&Failure::Connection(message)).await
            }
            other => other,
        }
    }
}
