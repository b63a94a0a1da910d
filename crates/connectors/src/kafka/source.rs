//! The source: hands on what its reading task has, and says where each partition stands.
//!
//! Invariant: the task is started by the first `next`; what it read waits in a channel, so `next` may be dropped
//! while it waits. Positions are those behind what was handed on, whatever the task has read since.

pub(super) mod columns;
pub(super) mod config;
mod driver;
mod fetch;
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
use std::collections::BTreeMap;
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
    ended: bool,
}

struct Split {
    name: Arc<str>,
    position: i64,
    constants: Vec<(usize, ArrayRef)>,
}

impl KafkaSource {
    /// A source that connects when it is first asked.
    pub(super) fn open(request: &TableRequest<'_>, upserts: bool) -> Result<Self> {
        let (config, client, unused) = SourceConfig::read(request, upserts)?;
        super::warn_unused(request.table, &unused);
        Ok(KafkaSource {
            client: Client::new(client),
            config: Arc::new(config),
            columns: MetadataColumns::of(request),
            saved: None,
            running: None,
            splits: Vec::new(),
            ended: false,
        })
    }

    fn start(&mut self) -> mpsc::Receiver<Result<Event>> {
        let (out, events) = mpsc::channel(RUNS_AHEAD);
        let driver = Driver::new(self.client.clone(), self.config.clone(), self.saved.clone(), out);
        tokio::spawn(driver.run());
        events
    }

    fn found(&mut self, found: Vec<Found>) -> Fetched {
        let first = self.splits.len() as u32;
        self.splits.extend(found.into_iter().map(|found| Split {
            constants: self.columns.constants(&found.topic, found.partition),
            name: found.name,
            position: found.start,
        }));
        Fetched::Splits((first..self.splits.len() as u32).collect())
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
        if self.running.is_none() {
            self.running = Some(self.start());
        }
        loop {
            let Some(running) = self.running.as_mut().filter(|_| !self.ended) else {
                return Ok(Fetched::End);
            };
            match running.recv().await {
                Some(Ok(Event::Found(found))) => return Ok(self.found(found)),
                Some(Ok(Event::Run(number, run))) => return self.blob(number, *run),
                Some(Ok(Event::Moved(number, next))) => self.splits[number].position = next,
                Some(Ok(Event::End)) => self.ended = true,
                Some(Err(error)) => return Err(error),
                None => return Err(Error::external_fatal("the task that reads from Kafka has ended")),
            }
        }
    }

    fn positions(&self) -> Positions {
        // Partitions that were not found again yet stand where the earlier run left them.
        let saved = self.saved.iter().flatten();
        let mut positions: Positions =
            saved.map(|((topic, partition), at)| (format!("{topic}/{partition}"), at.to_string())).collect();
        let found = self.splits.iter().map(|split| (split.name.to_string(), split.position.to_string()));
        positions.extend(found);
        positions
    }

    async fn restore(&mut self, positions: &Positions) -> Result<()> {
        // A run that had not found its partitions yet saved nothing: this one starts as the options say.
        self.saved = Some(offsets(positions)?).filter(|saved| !saved.is_empty());
        Ok(())
    }

    async fn committed(&mut self, positions: &Positions) -> Result<()> {
        let offsets = offsets(positions)?;
        if offsets.is_empty() {
            return Ok(());
        }
        let (client, group) = (self.client.clone(), self.config.group.clone());
        let committed = persist(COMMIT_PATIENCE, || commit_offsets(&client, &group, &offsets)).await;
        if let Err(failure) = committed {
            // The checkpoint holds the offsets that count; those of the group are for people and other readers.
            notice(
                &self.config.table,
                format_args!("the offsets of group '{group}' were not committed: {failure}"),
            );
        }
        Ok(())
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
