//! Session assign: gives each row with the session it ended up in, once the session is over.
//!
//! Rows wait in an ordered table by (partition key, wall-clock time, arrival). Lateness and merging are those
//! of [`crate::session_aggregate`].
//! Invariant: rows of a key that wait belong to its open sessions, and sessions of a key end in the order of
//! their times, so the rows of an ending session are all that lie before its end.

use crate::build::JobInfo;
use crate::keys::Keys;
use crate::wall_clock::WallClock;
use crate::window::{EMIT_ROWS, Properties, time_values};
use crate::{Operator, OperatorContext, Output};
use tidemill_plan::{WindowProperty, WindowSpec};
use tidemill_state::{OrderedTable, SessionTable, SharedValue, StateTable, UNUSED_KEYS};
use tidemill_types::key::{EncodedKeys, KeyEncoder, decode};
use tidemill_types::{Chunk, DataType, Result, RowKind, Schema, TimeAttribute, WATERMARK_NONE};

const KINDS: [RowKind; 4] = [RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete];

/// The running assignment.
pub struct SessionAssign {
    keys: Keys,
    types: Vec<DataType>,
    rows_encoder: KeyEncoder,
    encoded_rows: EncodedKeys,
    sessions: SessionTable,
    rows: OrderedTable,
    /// How many rows have come; tells rows of one time apart.
    arrivals: SharedValue,
    reached: SharedValue,
    gap: i64,
    time_column: usize,
    proctime: bool,
    clock: WallClock,
    properties: Properties,
    ids: Vec<u32>,
}

/// Sorts by time, then by arrival.
fn sort_key(time: i64, arrival: i64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&(time ^ i64::MIN).to_be_bytes());
    key[8..].copy_from_slice(&arrival.to_be_bytes());
    key
}

impl SessionAssign {
    /// The operator of a plan node with session windows.
    pub fn new(spec: &WindowSpec, gap: i64, partition: &[usize], input: &Schema, job: &JobInfo) -> Self {
        let types: Vec<DataType> = input.types().cloned().collect();
        let all = [WindowProperty::Start, WindowProperty::End, WindowProperty::Time];
        SessionAssign {
            keys: Keys::new(partition, input),
            rows_encoder: KeyEncoder::new(types.iter().cloned()),
            encoded_rows: EncodedKeys::default(),
            properties: Properties::new(&all, &types[spec.time_column]),
            types,
            sessions: SessionTable::new(&[], 0, job.key_groups),
            rows: OrderedTable::new(job.key_groups),
            arrivals: SharedValue::new(0),
            reached: SharedValue::new(WATERMARK_NONE),
            gap,
            time_column: spec.time_column,
            proctime: spec.time == TimeAttribute::Proctime,
            clock: WallClock::new(spec.zone),
            ids: Vec::new(),
        }
    }

    /// Puts a row into a session; false if it is late.
    fn place(&mut self, key: u32, start: i64, watermark: i64) -> bool {
        let end = start + self.gap;
        let touching = self.sessions.touching(key, start, end);
        if touching.is_empty() {
            let late = self.clock.fires_at(end) <= watermark;
            if !late {
                self.sessions.open(key, start, end);
            }
            return !late;
        }
        self.sessions.grow(key, touching.start, start, end);
        for _ in touching.start + 1..touching.end {
            let other = self.sessions.remove(key, touching.start + 1);
            self.sessions.grow(key, touching.start, other.start, other.end);
            self.sessions.release(&[other.slot]);
        }
        true
    }

    fn on_rows(&mut self, chunk: &Chunk, times: &[i64], mut watermark: i64, out: &mut Output) -> Result<()> {
        self.keys.encode(chunk);
        self.sessions.sweep(UNUSED_KEYS);
        self.sessions.intern(&self.keys.encoded, &self.keys.hashes, &mut self.ids);
        self.rows_encoder.encode(&chunk.columns, chunk.rows, &mut self.encoded_rows);
        let (marks, mut at, mut late) = (chunk.marks.as_slice(), 0, Vec::new());
        let mut bytes = Vec::new();
        for (row, &time) in times.iter().enumerate() {
            while at < marks.len() && marks[at].row as usize <= row {
                watermark = watermark.max(marks[at].watermark);
                at += 1;
                self.fire_until(watermark, out);
            }
            let wall = self.clock.wall(time);
            if !self.place(self.ids[row], wall, watermark) {
                late.push(row as u32);
                continue;
            }
            bytes.clear();
            bytes.push(chunk.kind(row) as u8);
            bytes.extend_from_slice(self.encoded_rows.key(row));
            let arrival = self.arrivals.get();
            self.rows.insert(self.keys.encoded.key(row), &sort_key(wall, arrival), &bytes);
            self.arrivals.raise(arrival + 1);
        }
        out.rows.absorbed += (chunk.rows - late.len()) as u64;
        out.late(chunk, &late);
        Ok(())
    }

    /// Gives the rows of the sessions that end at or below this watermark, then the watermark.
    fn fire_until(&mut self, watermark: i64, out: &mut Output) {
        let (mut rows, mut windows): (Vec<Box<[u8]>>, Vec<(i64, i64)>) = (Vec::new(), Vec::new());
        let mut fired = false;
        while let Some(end) = self.sessions.next_end()
            && self.clock.fires_at(end) <= watermark
        {
            let Some((key, session)) = self.sessions.pop_next() else { break };
            let ended = self.rows.take_below(self.sessions.key(key), &sort_key(end, 0));
            self.sessions.release(&[session.slot]);
            windows.resize(windows.len() + ended.len(), (session.start, session.end));
            rows.extend(ended.into_iter().map(|(_, row)| row));
            fired = true;
            if rows.len() >= EMIT_ROWS {
                self.give(&mut rows, &mut windows, out);
            }
        }
        self.give(&mut rows, &mut windows, out);
        if fired && !self.proctime {
            out.emit(Chunk::watermark(watermark));
        }
    }

    fn give(&self, rows: &mut Vec<Box<[u8]>>, windows: &mut Vec<(i64, i64)>, out: &mut Output) {
        if rows.is_empty() {
            return;
        }
        let mut columns = decode(&self.types, rows.iter().map(|row| &row[1..]));
        columns.extend(self.properties.each(&self.clock, windows));
        let mut chunk = Chunk::new(columns, rows.len());
        if rows.iter().any(|row| row[0] != RowKind::Insert as u8) {
            chunk.kinds = Some(rows.iter().map(|row| KINDS[row[0] as usize]).collect());
        }
        out.emit(chunk);
        rows.clear();
        windows.clear();
    }
}

impl Operator for SessionAssign {
    fn on_chunk(
        &mut self,
        _port: usize,
        chunk: Chunk,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        let mark = chunk.marks.last();
        if self.proctime {
            self.fire_until(ctx.now_ms - 1, out);
            let times = vec![ctx.now_ms; chunk.rows];
            let rows = Chunk { marks: Default::default(), ..chunk };
            self.on_rows(&rows, &times, ctx.now_ms - 1, out)?;
        } else {
            let before = self.reached.get().max(ctx.watermark);
            if chunk.rows > 0 {
                self.on_rows(&chunk, time_values(&chunk, self.time_column)?, before, out)?;
            }
            let after = mark.map_or(before, |mark| mark.max(before));
            self.fire_until(after, out);
            self.reached.raise(after);
        }
        mark.into_iter().for_each(|watermark| out.emit(Chunk::watermark(watermark)));
        Ok(())
    }

    fn on_time(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        if self.proctime {
            self.fire_until(ctx.now_ms - 1, out);
        }
        Ok(())
    }

    fn next_time(&self) -> Option<i64> {
        match self.proctime {
            true => self.sessions.earliest_end().map(|end| self.clock.instant(end)),
            false => None,
        }
    }

    fn tables(&mut self) -> Vec<(&'static str, &mut dyn StateTable)> {
        vec![
            ("sessions", &mut self.sessions),
            ("rows", &mut self.rows),
            ("arrivals", &mut self.arrivals),
            ("watermark", &mut self.reached),
        ]
    }
}
