//! The source: hands on what its reading task has, and says where each partition stands.
//!
//! Invariant: the task is started by the first `next`; what it read waits in a channel, so `next` may be dropped
//! while it waits. Positions are those behind what was handed on, whatever the task has read since. In a group another
//! task gets the partitions, and each time it does a new reading task begins where the group stands.

pub(super) mod columns;
pub(super) mod config;
mod driver;
mod fetch;
mod member;
mod share;
mod start;

use super::batch::reader::Run;
use super::client::groups::commit_offsets;
use super::client::offsets::TopicPartition;
use super::client::{Client, persist};
use crate::notice::notice;
use arrow_array::ArrayRef;
use columns::MetadataColumns;
use config::SourceConfig;
use driver::{Driver, Event, Found};
use member::{Membership, Shift};
use share::Share;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tidemill_connector::{Fetched, FetchedBlob, LogRecords, Place, Positions, Source, TableRequest};
use tidemill_types::{Error, Result};
use tokio::sync::mpsc;

/// How many runs of records may wait to be handed on.
const RUNS_AHEAD: usize = 8;
/// How long committing offsets is tried; the next checkpoint commits later ones anyway.
const COMMIT_PATIENCE: Duration = Duration::from_secs(5);

/// A source of all partitions of a table.
pub(super) struct KafkaSource {
    client: Arc<Client>,
    config: Arc<SourceConfig>,
    columns: MetadataColumns,
    saved: Option<BTreeMap<TopicPartition, i64>>,
    running: Option<mpsc::Receiver<Result<Event>>>,
    splits: Vec<Split>,
    numbers: HashMap<Arc<str>, usize>,
    /// The splits of the reading task by its own numbers.
    of_task: Vec<usize>,
    share: Option<Share>,
    ended: bool,
}

struct Split {
    name: Arc<str>,
    place: TopicPartition,
    /// Where the reading task began.
    start: i64,
    position: i64,
    constants: Vec<(usize, ArrayRef)>,
}

impl KafkaSource {
    /// A source that connects when it is first asked.
    pub(super) fn open(request: &TableRequest<'_>, upserts: bool) -> Result<Self> {
        let (config, client, unused) = SourceConfig::read(request, upserts)?;
        super::warn_unused(request.table, &unused);
        if config.shared && !request.checkpointed {
            return Err(Error::user_hint(
                format!(
                    "table '{}' shares its partitions with other runs and needs checkpoints",
                    request.table
                ),
                "run it with --state DIR, each run with a folder of its own",
            ));
        }
        Ok(KafkaSource {
            client: Client::new(client),
            config: Arc::new(config),
            columns: MetadataColumns::of(request),
            saved: None,
            running: None,
            splits: Vec::new(),
            numbers: HashMap::new(),
            of_task: Vec::new(),
            share: None,
            ended: false,
        })
    }

    /// Starts what was not started yet.
    fn start(&mut self) {
        match self.config.shared {
            true if self.share.is_none() => {
                let client = self.client.another();
                let (shifts, drained) = Membership::spawn(client, self.config.clone());
                self.share = Some(Share::new(self.client.another(), shifts, drained));
            }
            false if self.running.is_none() => self.read(self.saved.clone(), None),
            _ => {}
        }
    }

    /// Starts a reading task in place of the one before.
    fn read(
        &mut self,
        saved: Option<BTreeMap<TopicPartition, i64>>,
        assigned: Option<BTreeSet<TopicPartition>>,
    ) {
        let (out, events) = mpsc::channel(RUNS_AHEAD);
        let driver = Driver::new(self.client.clone(), self.config.clone(), saved, assigned, out);
        tokio::spawn(driver.run());
        self.of_task.clear();
        self.running = Some(events);
    }

    fn found(&mut self, found: Vec<Found>) -> Fetched {
        let numbers = found.into_iter().map(|found| {
            let next = self.splits.len();
            let number = *self.numbers.entry(found.name.clone()).or_insert(next);
            if number == next {
                self.splits.push(Split {
                    constants: self.columns.constants(&found.topic, found.partition),
                    name: found.name,
                    place: (found.topic.to_string(), found.partition),
                    start: 0,
                    position: 0,
                });
            }
            let split = &mut self.splits[number];
            (split.start, split.position) = (found.start, found.start);
            self.of_task.push(number);
            number as u32
        });
        Fetched::Splits(numbers.collect())
    }

    /// What the group wants.
    fn follow(&mut self, shift: Shift) -> Result<()> {
        let Some(share) = &mut self.share else { return Ok(()) };
        match shift {
            Shift::Assigned(member, partitions) => {
                share.begin(member);
                self.read(None, Some(partitions));
            }
            Shift::Revoked => {
                // What was read and not handed on is forgotten.
                self.running = None;
                let own = self.of_task.iter().map(|&number| &self.splits[number]);
                let moved = own.filter(|split| split.position > split.start);
                share.drain(moved.map(|split| (split.place.clone(), split.position)).collect());
            }
            Shift::Lost => {
                self.running = None;
                share.lose();
                notice(
                    &self.config.table,
                    format_args!(
                        "the group '{}' has gone on without this run, which joins again; others read again what was \
                         not committed",
                        self.config.group
                    ),
                );
            }
            Shift::Failed(error) => return Err(error),
        }
        Ok(())
    }

    fn blob(&mut self, number: usize, mut run: Run) -> Result<Fetched> {
        let split = &mut self.splits[number];
        split.position = run.next_offset;
        let offset = run.offsets.first().copied().unwrap_or_default();
        let place = Place { split: split.name.clone(), split_index: number as u32, offset, line: 0 };
        let by_record = self.config.wanted.keys || self.columns.by_record() || !run.is_plain();
        let log = match by_record {
            false => None,
            true => Some(Box::new(LogRecords {
                columns: self.columns.of_run(&run)?,
                offsets: std::mem::take(&mut run.offsets),
                keys: std::mem::take(&mut run.keys),
                tombstones: std::mem::take(&mut run.tombstones),
                deletes: self.config.upserts,
            })),
        };
        let blob = FetchedBlob {
            constants: split.constants.clone(),
            log,
            ..FetchedBlob::new(run.take_blob(), place)
        };
        Ok(Fetched::Blob(blob))
    }
}

#[async_trait::async_trait]
impl Source for KafkaSource {
    async fn next(&mut self) -> Result<Fetched> {
        self.start();
        loop {
            if self.ended {
                return Ok(Fetched::End);
            }
            let event = tokio::select! {
                biased;
                shift = next_shift(&mut self.share) => {
                    self.follow(shift)?;
                    continue;
                }
                event = next_event(&mut self.running) => event,
            };
            match event {
                Some(Ok(Event::Found(found))) => return Ok(self.found(found)),
                Some(Ok(Event::Run(number, run))) => return self.blob(self.of_task[number], *run),
                Some(Ok(Event::Moved(number, next))) => self.splits[self.of_task[number]].position = next,
                Some(Ok(Event::End)) => self.ended = true,
                Some(Err(error)) => return Err(error),
                None => return Err(Error::external_fatal("the task that reads from Kafka has ended")),
            }
        }
    }

    fn positions(&self) -> Positions {
        let own = self.of_task.iter().map(|&number| &self.splits[number]);
        if let Some(share) = &self.share {
            let saved =
                own.filter_map(|split| Some((split.name.to_string(), share.position(split.position)?)));
            return saved.collect();
        }
        // Partitions that were not found again yet stand where the earlier run left them.
        let saved = self.saved.iter().flatten();
        let mut positions: Positions =
            saved.map(|((topic, partition), at)| (format!("{topic}/{partition}"), at.to_string())).collect();
        positions.extend(own.map(|split| (split.name.to_string(), split.position.to_string())));
        positions
    }

    async fn restore(&mut self, positions: &Positions) -> Result<()> {
        if self.config.shared {
            // Others may have read on since: where the group stands counts.
            return Ok(());
        }
        // A run that had not found its partitions yet saved nothing: this one starts as the options say.
        self.saved = Some(offsets(positions)?).filter(|saved| !saved.is_empty());
        Ok(())
    }

    async fn committed(&mut self, positions: &Positions) -> Result<()> {
        let (client, member, offsets) = match &self.share {
            None => (self.client.clone(), None, offsets(positions)?),
            Some(share) => {
                let own = offsets(&share.of_generation(positions))?;
                (share.client.clone(), share.member().cloned(), own)
            }
        };
        if offsets.is_empty() {
            return Ok(());
        }
        let group = &self.config.group;
        let commit = || commit_offsets(&client, group, member.as_ref(), &offsets);
        match (persist(COMMIT_PATIENCE, commit).await, &mut self.share) {
            (Ok(()), Some(share)) => share.committed(offsets),
            (Ok(()), None) => {}
            // The checkpoint holds the offsets that count; those of the group are for people and other readers. Among
            // members the next checkpoint commits later ones, or the records are read again.
            (Err(failure), _) => notice(
                &self.config.table,
                format_args!("the offsets of group '{group}' were not committed: {failure}"),
            ),
        }
        Ok(())
    }
}

/// What the group says next; without one, nothing ever.
async fn next_shift(share: &mut Option<Share>) -> Shift {
    match share {
        Some(share) => share.next().await,
        None => std::future::pending().await,
    }
}

/// What the reading task has next; while there is none, nothing.
async fn next_event(running: &mut Option<mpsc::Receiver<Result<Event>>>) -> Option<Result<Event>> {
    match running {
        Some(running) => running.recv().await,
        None => std::future::pending().await,
    }
}

/// Positions as offsets of partitions.
fn offsets(positions: &Positions) -> Result<BTreeMap<TopicPartition, i64>> {
    let read = positions.iter().map(|(name, position)| {
        let (topic, partition) = name.rsplit_once('/')?;
        Some(((topic.to_string(), partition.parse().ok()?), position.parse().ok()?))
    });
    let read: Option<_> = read.collect();
    read.ok_or_else(|| Error::external_fatal("the saved positions of a Kafka table can't be read"))
}
