//! Sink materializer: in front of a table by primary key whose rows have another key, the newest row of each
//! primary key that is still there.
//!
//! Rule (Flink, `SinkUpsertMaterializer`): the rows of a primary key are kept in the order of their arrival. A
//! new one goes behind the others and comes out; taking back the last one brings out the one before it, taking
//! back another one nothing, taking back the only one `-D`. A row that is not there can't be taken back.
//! State: all rows of each primary key, until they are taken back.
//! Invariant: a primary key without rows is not kept.

use crate::build::JobInfo;
use crate::keys::Keys;
use crate::stored_rows::{StoredChanges, whole_rows};
use crate::{Operator, OperatorContext, Output};
use tidemill_state::{GroupTable, StateTable};
use tidemill_types::{CellKind, Cells, Chunk, Result, RowKind, Schema};

/// The rows of a key one after another, each with its length (u32, little-endian) before it.
type Log = Option<Box<[u8]>>;

/// The running materializer.
pub struct SinkMaterialize {
    keys: Keys,
    rows: Keys,
    table: GroupTable,
    slots: Vec<u32>,
    ttl_ms: i64,
    next_expiry: i64,
}

impl SinkMaterialize {
    /// The operator of a plan node: `keys` are the columns of the primary key.
    pub fn new(keys: &[usize], ttl_ms: i64, input: &Schema, job: &JobInfo) -> Self {
        SinkMaterialize {
            keys: Keys::new(keys, input),
            rows: whole_rows(input),
            table: GroupTable::new(&[CellKind::Bytes], 0, ttl_ms, job.key_groups),
            slots: Vec::new(),
            ttl_ms,
            next_expiry: i64::MIN,
        }
    }

    fn expire(&mut self, now_ms: i64) {
        if self.ttl_ms > 0 && now_ms >= self.next_expiry {
            self.table.expire(now_ms);
            self.next_expiry = now_ms.saturating_add(self.ttl_ms / 2 + 1);
        }
    }

    fn on_rows(&mut self, chunk: &Chunk, now_ms: i64, out: &mut Output) -> StoredChanges {
        self.expire(now_ms);
        self.keys.encode(chunk);
        self.rows.encode(chunk);
        self.table.resolve(&self.keys.encoded, &self.keys.hashes, now_ms, &mut self.slots);
        let mut changes = StoredChanges::new(true);
        for row in 0..chunk.rows {
            let log = log_of(&mut self.table, self.slots[row]);
            let bytes = self.rows.encoded.key(row);
            let known = match chunk.kind(row).adds() {
                true => {
                    let kind = if log.is_none() { RowKind::Insert } else { RowKind::UpdateAfter };
                    push(log, bytes);
                    changes.push(kind, bytes, 0);
                    true
                }
                false => take_back(log, bytes, &mut changes),
            };
            out.rows.absorbed += u64::from(known);
            out.rows.bad += u64::from(!known);
        }
        self.drop_empty();
        changes
    }

    fn drop_empty(&mut self) {
        self.slots.sort_unstable();
        self.slots.dedup();
        for at in 0..self.slots.len() {
            if log_of(&mut self.table, self.slots[at]).is_none() {
                self.table.remove(self.slots[at]);
            }
        }
    }
}

fn log_of(table: &mut GroupTable, slot: u32) -> &mut Log {
    match table.values.cells.as_mut_slice() {
        [Cells::Bytes(logs)] => &mut logs[slot as usize],
        _ => unreachable!("the table was made with one log"),
    }
}

fn push(log: &mut Log, row: &[u8]) {
    let mut bytes = log.take().unwrap_or_default().into_vec();
    bytes.extend_from_slice(&(row.len() as u32).to_le_bytes());
    bytes.extend_from_slice(row);
    *log = Some(bytes.into_boxed_slice());
}

/// The places of the rows in a log.
fn places(log: &[u8]) -> Vec<std::ops::Range<usize>> {
    let (mut places, mut at) = (Vec::new(), 0);
    while let Some((length, _)) = log.get(at..).and_then(|rest| rest.split_first_chunk::<4>()) {
        let start = at + 4;
        at = start + u32::from_le_bytes(*length) as usize;
        places.push(start..at);
    }
    places
}

/// Takes the first equal row out of a log; whether there is one.
fn take_back(log: &mut Log, row: &[u8], changes: &mut StoredChanges) -> bool {
    let Some(bytes) = log.take() else { return false };
    let places = places(&bytes);
    let Some(found) = places.iter().position(|place| bytes[place.clone()] == *row) else {
        *log = Some(bytes);
        return false;
    };
    match (places.len(), found + 1 == places.len()) {
        (1, _) => changes.push(RowKind::Delete, row, 0),
        (count, true) => changes.push(RowKind::UpdateAfter, &bytes[places[count - 2].clone()], 0),
        (_, false) => {}
    }
    let mut rest = bytes.into_vec();
    rest.drain(places[found].start - 4..places[found].end);
    *log = Some(rest).filter(|rest| !rest.is_empty()).map(Vec::into_boxed_slice);
    true
}

impl Operator for SinkMaterialize {
    fn on_chunk(
        &mut self,
        _port: usize,
        chunk: Chunk,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        let mut changes = match chunk.rows {
            0 => StoredChanges::new(true),
            _ => self.on_rows(&chunk, ctx.now_ms, out),
        };
        chunk.marks.last().into_iter().for_each(|watermark| changes.mark(watermark));
        changes.finish(&self.rows, false, &[], out);
        Ok(())
    }

    fn tables(&mut self) -> Vec<(&'static str, &mut dyn StateTable)> {
        vec![("rows", &mut self.table)]
    }
}
