//! The source of one task.
//!
//! Events are numbered over all tasks; a block of [`CHUNK_EVENTS`] of them is a chunk, and task `t` of `n`
//! makes blocks `t`, `t + n`, `t + 2n`… Invariant: an event is the same whichever task and chunk makes it,
//! because its random stream is seeded by its id. The position of a task is the number of its next event, with the
//! time of the first one, which is the start of the run unless the table names it.

use super::auction::Auctions;
use super::bid::Bids;
use super::config::Config;
use super::layout::{Column, Kind, column};
use super::person::Persons;
use crate::columns::fixed;
use crate::pace::Pace;
use crate::random::Random;
use arrow_array::{ArrayRef, StructArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::DataType as Arrow;
use std::sync::Arc;
use tidemill_connector::{Fetched, Positions, Source, TableRequest};
use tidemill_types::arrow_type::arrow_type;
use tidemill_types::{Chunk, DataType, Error, Result, TypeKind};

/// How many events a chunk holds at most.
const CHUNK_EVENTS: u64 = 4_096;
/// The seed of all events.
const SEED: u64 = 0x006e_6578_6d61_726b;

/// Makes the events of one task.
pub(super) struct Events {
    config: Config,
    columns: Vec<Column>,
    pace: Option<Pace>,
    /// What positions call it: the task and how many there are.
    split: String,
    /// The number of the next event.
    next: u64,
    /// The end of the block that it lies in.
    block_end: u64,
    tasks: u64,
}

impl Events {
    pub(super) fn open(request: &TableRequest<'_>) -> Result<Self> {
        let config = Config::of(request.options)?;
        let columns = request.wanted.iter().map(|&index| column(&request.schema.fields[index]));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let tasks = request.parallelism.max(1) as u64;
        let next = request.task as u64 * CHUNK_EVENTS;
        Ok(Events {
            pace: config.limited.then(|| Pace::new(config.rate / tasks as f64)),
            config,
            columns,
            split: format!("events {}/{tasks}", request.task),
            next,
            block_end: next + CHUNK_EVENTS,
            tasks,
        })
    }

    /// How many events of the current block are left.
    fn left(&self) -> u64 {
        self.block_end.min(self.config.events.unwrap_or(u64::MAX)).saturating_sub(self.next)
    }

    fn chunk(&mut self, count: usize) -> Chunk {
        let kinds = Kinds { first: self.config.id(self.next), count, config: &self.config };
        let columns = self.columns.iter().map(|column| kinds.column(column)).collect();
        self.next += count as u64;
        if self.next == self.block_end {
            self.next += (self.tasks - 1) * CHUNK_EVENTS;
            self.block_end = self.next + CHUNK_EVENTS;
        }
        Chunk::new(columns, count)
    }
}

#[async_trait::async_trait]
impl Source for Events {
    async fn next(&mut self) -> Result<Fetched> {
        let most = self.left() as usize;
        if most == 0 {
            if self.config.keep_alive {
                std::future::pending::<()>().await;
            }
            return Ok(Fetched::End);
        }
        let count = match &mut self.pace {
            Some(pace) => pace.due(most).await,
            None => most,
        };
        Ok(Fetched::Rows(self.chunk(count)))
    }

    fn positions(&self) -> Positions {
        Positions::from([(self.split.clone(), format!("{}:{}", self.next, self.config.base_ms()))])
    }

    async fn restore(&mut self, positions: &Positions) -> Result<()> {
        let Some(position) = positions.get(&self.split) else { return Ok(()) };
        let (next, base_ms) = position
            .split_once(':')
            .and_then(|(next, base_ms)| Some((next.parse().ok()?, base_ms.parse().ok()?)))
            .ok_or_else(|| Error::internal(format!("'{position}' is no position of nexmark")))?;
        self.next = next;
        self.block_end = (next / CHUNK_EVENTS + 1) * CHUNK_EVENTS;
        self.config.resume_at(base_ms);
        Ok(())
    }
}

/// A run of events.
struct Kinds<'a> {
    first: i64,
    count: usize,
    config: &'a Config,
}

impl Kinds<'_> {
    fn kind(&self, id: i64) -> Kind {
        match id % self.config.total {
            rest if rest < self.config.persons => Kind::Person,
            rest if rest < self.config.persons + self.config.auctions => Kind::Auction,
            _ => Kind::Bid,
        }
    }

    fn column(&self, column: &Column) -> ArrayRef {
        match column {
            Column::EventType => {
                let kinds = self.ids().map(|id| self.kind(id) as i32);
                fixed(&TypeKind::Int.nullable(), kinds.collect::<Vec<_>>(), None)
            }
            Column::Event { kind, data_type, fields } => {
                let (parts, nulls) = self.parts(*kind);
                row(data_type, fields.iter().map(|&at| parts[at].clone()).collect(), nulls)
            }
        }
    }

    fn ids(&self) -> impl Iterator<Item = i64> {
        self.first..self.first + self.count as i64
    }

    /// The fields of the events of one kind, with NULL where the event is of another.
    fn parts(&self, kind: Kind) -> (Vec<ArrayRef>, NullBuffer) {
        let is_kind = |row: usize| self.kind(self.first + row as i64) == kind;
        let nulls = NullBuffer::new(BooleanBuffer::collect_bool(self.count, is_kind));
        let parts = match kind {
            Kind::Person => {
                let mut persons = Persons::new(self.count);
                self.each(&nulls, |row, id, random| persons.make(row, id, self.config, random));
                persons.finish(&nulls)
            }
            Kind::Auction => {
                let mut auctions = Auctions::new(self.count);
                self.each(&nulls, |row, id, random| auctions.make(row, id, self.config, random));
                auctions.finish(&nulls)
            }
            Kind::Bid => {
                let mut bids = Bids::new(self.count);
                self.each(&nulls, |row, id, random| bids.make(row, id, self.config, random));
                bids.finish(&nulls)
            }
        };
        (parts, nulls)
    }

    fn each(&self, rows: &NullBuffer, mut make: impl FnMut(usize, i64, &mut Random)) {
        for row in rows.valid_indices() {
            let id = self.first + row as i64;
            make(row, id, &mut Random::of(SEED, id as u64));
        }
    }
}

fn row(data_type: &DataType, parts: Vec<ArrayRef>, nulls: NullBuffer) -> ArrayRef {
    let Arrow::Struct(fields) = arrow_type(data_type) else {
        unreachable!("a ROW lies in a struct column");
    };
    Arc::new(StructArray::new(fields, parts, Some(nulls)))
}

/// A BIGINT column.
pub(super) fn longs(values: Vec<i64>, nulls: &NullBuffer) -> ArrayRef {
    fixed(&TypeKind::BigInt.nullable(), values, Some(nulls.clone()))
}

/// A TIMESTAMP(3) column.
pub(super) fn times(values: Vec<i64>, nulls: &NullBuffer) -> ArrayRef {
    fixed(&TypeKind::Timestamp(3).nullable(), values, Some(nulls.clone()))
}
