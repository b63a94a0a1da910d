//! The input of a task whose first operator asks a table: rows stand in a line until their keys are answered.
//!
//! Everything that the task is handed joins the line: rows, watermarks, the ends of blobs, silence, barriers, the end.
//! What stands in front leaves once it is answered, so all of it comes out in the order in which it went in, and a
//! barrier passes behind the rows of its epoch: none of them is in flight then, and no state is needed. Rows of the
//! next epoch may be asked for meanwhile. Where order is not wanted, rows may overtake rows, but nothing else.
//!
//! Rows that come straight from the tasks of a source keep their tags, so that the next exchange can restore the
//! source's order and complete its watermark, as if the stage were not there.
//!
//! Invariant: fewer than `capacity` keys wait for an answer when rows are taken, and fewer than [`ROWS_MAX`] rows.

use crate::checkpoint::Barrier;
use crate::decode::SourceDecoder;
use crate::lane::Lane;
use crate::lookup_edge::{LookupCounters, LookupDesk, Told};
use crate::message::{Message, Tag};
use crate::receiver::{Received, Receiver};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tidemill_connector::Found;
use tidemill_operators::lookup_join::{Answer, AskedJoin};
use tidemill_operators::{OperatorContext, Output, RowCounters};
use tidemill_types::{Chunk, Result, WATERMARK_NONE};

/// No rows are taken while so many stand in line.
const ROWS_MAX: usize = 16 << 10;

/// Where the rows come from.
pub enum Feed {
    /// From a task that passes the tags of a source on.
    Relayed(Arc<Lane>),
    /// Through an exchange.
    Merged(Receiver),
}

/// What stands in line.
enum Entry {
    Rows { ticket: u64, rows: usize, watermark: i64, tag: Option<Tag> },
    Marks(Chunk, i64, Option<Tag>),
    Seal(Tag),
    Idle,
    Barrier { barrier: Arc<Barrier>, watermarks: Vec<(String, i64)>, tag: Option<Tag> },
    End { drained: bool, watermarks: Vec<(String, i64)>, tag: Option<Tag> },
}

/// What leaves the line.
pub enum Leaving {
    /// Rows and marks, with the combined watermark before them if it is known.
    Chunks(Vec<Chunk>, i64, Option<Tag>),
    /// The end of a blob.
    Seal(Tag),
    /// All inputs are silent.
    Idle,
    /// The end of an epoch, with the watermarks of the inputs there.
    Barrier(Arc<Barrier>, Vec<(String, i64)>, Option<Tag>),
    /// The end.
    End {
        /// Whether all inputs were read to their end.
        drained: bool,
        /// The watermarks of the inputs.
        watermarks: Vec<(String, i64)>,
        /// The tag of what is still to be given.
        tag: Option<Tag>,
    },
}

/// What a step came to.
pub enum Stepped {
    /// There is nothing to do until woken.
    Nothing,
    /// Something was done.
    Worked,
    /// This leaves the line.
    Leaves(Leaving),
}

/// How a stage is set up.
pub struct StageLimits {
    /// Whether rows come out in the order in which they came in.
    pub ordered: bool,
    /// How many keys are asked for at a time.
    pub capacity: usize,
    /// How many keys one call takes.
    pub keys_max: usize,
}

/// The line of rows in front of a lookup join.
pub struct LookupStage {
    join: AskedJoin,
    feed: Feed,
    limits: StageLimits,
    line: VecDeque<Entry>,
    desk: Arc<LookupDesk>,
    decoder: SourceDecoder,
    counters: Arc<LookupCounters>,
    rows_in_line: usize,
    /// Keys that were asked for and not answered.
    in_flight: usize,
    /// The last piece of an epoch of the source, whose end the barrier tells.
    closing: Option<Tag>,
    out: Output,
}

impl LookupStage {
    /// A stage in front of this join.
    pub(crate) fn new(
        join: AskedJoin,
        feed: Feed,
        limits: StageLimits,
        desk: Arc<LookupDesk>,
        decoder: SourceDecoder,
        counters: Arc<LookupCounters>,
    ) -> Self {
        LookupStage {
            join,
            feed,
            limits,
            line: VecDeque::new(),
            desk,
            decoder,
            counters,
            rows_in_line: 0,
            in_flight: 0,
            closing: None,
            out: Output::new(false),
        }
    }

    /// Does whatever can be done next: lets the next leave, else takes one more into the line. Rows are counted in
    /// `counters`.
    pub fn step(&mut self, rows_max: usize, now_ms: i64, counters: &mut RowCounters) -> Result<Stepped> {
        let mut done = self.take_answers(now_ms)?;
        if let Some(leaving) = self.leave(now_ms, counters)? {
            self.ask();
            return Ok(Stepped::Leaves(leaving));
        }
        if self.has_room() {
            done |= self.enter(rows_max, now_ms, counters)?;
        }
        self.ask();
        self.publish();
        Ok(if done { Stepped::Worked } else { Stepped::Nothing })
    }

    fn has_room(&self) -> bool {
        !self.join.asks() && self.in_flight < self.limits.capacity && self.rows_in_line < ROWS_MAX
    }

    /// Hands out as many keys as may be asked for.
    fn ask(&mut self) {
        while self.in_flight < self.limits.capacity {
            let free = self.limits.capacity - self.in_flight;
            let Some(request) = self.join.request(self.limits.keys_max.min(free)) else { return };
            self.in_flight += request.keys.rows;
            self.desk.ask(request);
        }
    }

    fn take_answers(&mut self, now_ms: i64) -> Result<bool> {
        let mut some = false;
        while let Some(told) = self.desk.told() {
            some = true;
            let (ticket, first, count) = (told.request.ticket, told.request.first, told.request.keys.rows);
            self.in_flight -= count;
            let parts = self.decoded(told, now_ms)?;
            let ctx = OperatorContext { now_ms, watermark: WATERMARK_NONE };
            self.join.answer(Answer { ticket, first, count, parts }, &ctx)?;
        }
        Ok(some)
    }

    /// The rows of an answer, each with the number of its key in the request.
    fn decoded(&mut self, told: Told, now_ms: i64) -> Result<Vec<(Chunk, Vec<u32>)>> {
        let mut parts = Vec::new();
        for (keys, found) in told.parts {
            match found {
                Found::Rows { rows, of } => {
                    parts.push((rows, of.into_iter().map(|key| number(&keys, key)).collect()));
                }
                Found::Blobs(blobs) => {
                    for (key, blob) in blobs {
                        // What the answers count is not what the join counts.
                        let rows = self.decoder.decode(&blob, now_ms, &mut RowCounters::default())?;
                        let of = vec![number(&keys, key); rows.rows];
                        parts.push((rows, of));
                    }
                }
            }
        }
        Ok(parts)
    }

    /// What may leave the line now.
    fn leave(&mut self, now_ms: i64, counters: &mut RowCounters) -> Result<Option<Leaving>> {
        let Some(at) = self.leaver() else { return Ok(None) };
        let Some(entry) = self.line.remove(at) else { return Ok(None) };
        Ok(Some(match entry {
            Entry::Rows { ticket, rows, watermark, tag } => {
                self.rows_in_line -= rows;
                let before = self.out.rows;
                self.join.give(ticket, &OperatorContext { now_ms, watermark }, &mut self.out)?;
                counters.buffered -= rows as u64;
                counters.forwarded += self.out.rows.forwarded - before.forwarded;
                counters.filtered += self.out.rows.filtered - before.filtered;
                counters.emitted += self.out.rows.emitted - before.emitted;
                Leaving::Chunks(self.out.take_chunks(), watermark, tag)
            }
            Entry::Marks(chunk, watermark, tag) => Leaving::Chunks(vec![chunk], watermark, tag),
            Entry::Seal(tag) => Leaving::Seal(tag),
            Entry::Idle => Leaving::Idle,
            Entry::Barrier { barrier, watermarks, tag } => Leaving::Barrier(barrier, watermarks, tag),
            Entry::End { drained, watermarks, tag } => {
                self.desk.end();
                Leaving::End { drained, watermarks, tag }
            }
        }))
    }

    /// The place of what may leave: the first, or without order the first rows that are ready and have only rows
    /// in front.
    fn leaver(&self) -> Option<usize> {
        let ready = |entry: &Entry| match entry {
            Entry::Rows { ticket, .. } => self.join.ready(*ticket),
            _ => true,
        };
        match self.line.front() {
            None => None,
            Some(first) if ready(first) => Some(0),
            Some(_) if self.limits.ordered => None,
            Some(_) => {
                let rows = self.line.iter().take_while(|entry| matches!(entry, Entry::Rows { .. }));
                rows.enumerate().find(|(_, entry)| ready(entry)).map(|(at, _)| at)
            }
        }
    }

    /// Takes the next of the feed into the line; tells whether there was any.
    fn enter(&mut self, rows_max: usize, now_ms: i64, counters: &mut RowCounters) -> Result<bool> {
        match &mut self.feed {
            Feed::Relayed(lane) => match lane.pop() {
                None => return Ok(false),
                Some(Message::Piece { chunk, tag }) => self.enter_piece(chunk, tag, now_ms, counters)?,
                Some(Message::Idle) => self.line.push_back(Entry::Idle),
                Some(Message::Barrier(barrier)) => {
                    let tag = self.closing.take();
                    self.line.push_back(Entry::Barrier { barrier, watermarks: Vec::new(), tag });
                }
                Some(Message::End { drained }) => {
                    let tag = self.closing.take();
                    self.line.push_back(Entry::End { drained, watermarks: Vec::new(), tag });
                }
            },
            Feed::Merged(receiver) => match receiver.next(rows_max) {
                Received::Nothing => return Ok(false),
                Received::Chunk { chunk, watermark, .. } => {
                    self.enter_rows(chunk, watermark, None, now_ms, counters)?;
                }
                Received::Idle => self.line.push_back(Entry::Idle),
                Received::Barrier(barrier) => {
                    let watermarks = receiver.watermarks();
                    self.line.push_back(Entry::Barrier { barrier, watermarks, tag: None });
                }
                Received::End { drained } if !self.has_ended() => {
                    let Feed::Merged(receiver) = &self.feed else { return Ok(false) };
                    let watermarks = receiver.watermarks();
                    self.line.push_back(Entry::End { drained, watermarks, tag: None });
                }
                Received::End { .. } => return Ok(false),
            },
        }
        Ok(true)
    }

    fn has_ended(&self) -> bool {
        matches!(self.line.back(), Some(Entry::End { .. }))
    }

    fn enter_piece(
        &mut self,
        chunk: Chunk,
        tag: Option<Tag>,
        now_ms: i64,
        counters: &mut RowCounters,
    ) -> Result<()> {
        if chunk.rows > 0 || !chunk.marks.is_empty() {
            let tag = tag.map(|tag| Tag { last: false, ..tag });
            self.enter_rows(chunk, WATERMARK_NONE, tag, now_ms, counters)?;
        }
        match tag.filter(|tag| tag.last) {
            Some(tag) if tag.closing => self.closing = Some(tag),
            Some(tag) => self.line.push_back(Entry::Seal(tag)),
            None => {}
        }
        Ok(())
    }

    fn enter_rows(
        &mut self,
        chunk: Chunk,
        watermark: i64,
        tag: Option<Tag>,
        now_ms: i64,
        counters: &mut RowCounters,
    ) -> Result<()> {
        counters.input += chunk.rows as u64;
        counters.buffered += chunk.rows as u64;
        self.rows_in_line += chunk.rows;
        if chunk.rows == 0 {
            self.line.push_back(Entry::Marks(chunk, watermark, tag));
            return Ok(());
        }
        if self.limits.ordered {
            return self.enter_together(chunk, watermark, tag, now_ms);
        }
        for part in self.join.split(&chunk, self.limits.keys_max.min(self.limits.capacity), now_ms) {
            self.enter_together(part, watermark, tag, now_ms)?;
        }
        if let Some(mark) = chunk.marks.last() {
            self.line.push_back(Entry::Marks(Chunk::watermark(mark), watermark, tag));
        }
        Ok(())
    }

    fn enter_together(&mut self, chunk: Chunk, watermark: i64, tag: Option<Tag>, now_ms: i64) -> Result<()> {
        let rows = chunk.rows;
        let ticket = self.join.take(chunk, now_ms)?;
        self.line.push_back(Entry::Rows { ticket, rows, watermark, tag });
        Ok(())
    }

    fn publish(&self) {
        if let Some(cache) = self.join.cache_counters() {
            self.counters.hits.store(cache.hits, Relaxed);
            self.counters.misses.store(cache.misses, Relaxed);
            self.counters.cached_rows.store(cache.rows, Relaxed);
        }
    }
}

/// The number in a request of a key that was asked for (perhaps again, with others left out).
fn number(keys: &[u32], key: u32) -> u32 {
    keys.get(key as usize).copied().unwrap_or(u32::MAX)
}
