//! Sink compaction (`ON CONFLICT DO NOTHING` and `DO ERROR`): in front of a table by primary key whose rows have another
//! key, at most one row of each primary key.
//!
//! Rule (Flink 2.3, `WatermarkCompactingSinkMaterializer`):
//! 1. Rows wait until the watermark rises; a row and what takes it back cancel each other.
//! 2. What is left of a primary key is applied to the row that was given last: a row replaces the one of its upsert key,
//!    or stands beside the others if the query has no such key; a row taken back removes the one of its upsert key, or
//!    the one that equals it.
//! 3. No row left takes the given one back; one is given if it is another; several are a conflict. Then NOTHING keeps
//!    the given row, or gives the first if there is none, and ERROR ends the run.
//!
//! State: rows that came since the last watermark, and of each primary key the row given last.
//! Invariant: nothing comes out but at a watermark. Waiting rows stand at the watermark that was reached when they came.

use crate::build::JobInfo;
use crate::keys::Keys;
use crate::stored_rows::{StoredChanges, whole_rows};
use crate::{Operator, OperatorContext, Output};
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, Int32Array};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use tidemill_plan::SinkCompactPlan;
use tidemill_state::{GroupTable, SharedValue, StateTable, WaitingRows};
use tidemill_types::key::EncodedKeys;
use tidemill_types::{
    CellKind, Cells, Chunk, DataType, Error, Result, RowKind, Schema, TypeKind, WATERMARK_NONE,
};

/// Whether a waiting row adds, as it is kept.
const ADDS: i32 = 1;
/// No row.
const NONE: u32 = u32::MAX;

/// A row of a primary key, and what tells which row it is.
#[derive(Debug, Clone, Copy)]
struct Record<'a> {
    row: &'a [u8],
    identity: &'a [u8],
}

/// The running compaction.
pub struct SinkCompact {
    keys: Keys,
    rows: Keys,
    /// The upsert key.
    identity: Option<Keys>,
    names: Vec<String>,
    fails: bool,
    waiting: WaitingRows,
    given: GroupTable,
    reached: SharedValue,
    slots: Vec<u32>,
    ttl_ms: i64,
    next_expiry: i64,
}

impl SinkCompact {
    /// The operator of a plan node.
    pub fn new(plan: &SinkCompactPlan, input: &Schema, job: &JobInfo) -> Self {
        let mut types: Vec<DataType> = input.types().cloned().collect();
        types.push(TypeKind::Int.not_null());
        SinkCompact {
            keys: Keys::new(&plan.keys, input),
            rows: whole_rows(input),
            identity: plan.upsert_key.as_ref().map(|key| Keys::new(key, input)),
            names: plan.keys.iter().map(|key| input.fields[*key].name.clone()).collect(),
            fails: plan.fails,
            waiting: WaitingRows::new(types, plan.keys.clone(), job.key_groups),
            given: GroupTable::new(&[CellKind::Bytes], 0, plan.ttl_ms, job.key_groups),
            reached: SharedValue::new(WATERMARK_NONE),
            slots: Vec::new(),
            ttl_ms: plan.ttl_ms,
            next_expiry: i64::MIN,
        }
    }

    fn expire(&mut self, now_ms: i64) {
        if self.ttl_ms > 0 && now_ms >= self.next_expiry {
            self.given.expire(now_ms);
            self.next_expiry = now_ms.saturating_add(self.ttl_ms / 2 + 1);
        }
    }

    /// Rows wait for the next watermark.
    fn wait(&mut self, chunk: &Chunk, rows: Range<usize>, reached: i64) {
        if rows.is_empty() {
            return;
        }
        let kinds = rows.clone().map(|row| if chunk.kind(row).adds() { ADDS } else { 0 });
        let kinds: ArrayRef = Arc::new(Int32Array::from_iter_values(kinds));
        let of_rows = |column: &ArrayRef| column.slice(rows.start, rows.len());
        let columns = chunk.columns.iter().map(of_rows).chain([kinds]).collect();
        self.waiting.push(columns, &vec![reached; rows.len()]);
    }

    /// The watermark has risen to this: settles what has waited.
    fn settle(&mut self, watermark: i64, now_ms: i64, changes: &mut StoredChanges) -> Result<()> {
        let Some((mut columns, times)) = self.waiting.take(watermark - 1) else { return Ok(()) };
        self.expire(now_ms);
        let kinds = columns.pop().expect("the kind stands behind the row");
        let kinds = kinds.as_primitive::<Int32Type>();
        let adds: Vec<bool> = kinds.values().iter().map(|kind| *kind == ADDS).collect();
        let chunk = Chunk::new(columns, times.len());
        self.keys.encode(&chunk);
        self.rows.encode(&chunk);
        self.identity.iter_mut().for_each(|identity| identity.encode(&chunk));
        let mut slots = std::mem::take(&mut self.slots);
        self.given.resolve(&self.keys.encoded, &self.keys.hashes, now_ms, &mut slots);
        let slot = |row: &u32| slots[*row as usize];
        let mut left = left_over(&self.rows.encoded, &adds);
        left.sort_by_key(slot);
        let mut keys: Vec<&[u32]> = left.chunk_by(|a, b| slot(a) == slot(b)).collect();
        keys.sort_by_key(|of_key| of_key[0]);
        for of_key in keys {
            self.settle_key(slot(&of_key[0]), of_key, &adds, changes)?;
        }
        self.slots = slots;
        self.drop_empty();
        Ok(())
    }

    /// Settles the rows left of one primary key, by their numbers.
    fn settle_key(
        &mut self,
        slot: u32,
        of_key: &[u32],
        adds: &[bool],
        changes: &mut StoredChanges,
    ) -> Result<()> {
        let packed = given_of(&mut self.given, slot).take();
        let given = packed.as_deref().map(unpack);
        let (rows, identity) = (&self.rows.encoded, self.identity.as_ref().map(|keys| &keys.encoded));
        let changed = of_key.iter().map(|row| {
            let content = rows.key(*row as usize);
            let identity = identity.map_or(content, |identity| identity.key(*row as usize));
            (adds[*row as usize], Record { row: content, identity })
        });
        let records = applied(given, changed, identity.is_some());
        let mut records = records.iter().flatten();
        let (first, several) = (records.next(), records.next().is_some());
        let next = match (first, given) {
            (Some(_), _) if several && self.fails => return Err(self.conflict(of_key[0] as usize)),
            (Some(_), Some(_)) if several => packed,
            (Some(first), Some(given)) if first.row == given.row => packed,
            (Some(first), given) => {
                let kind = if given.is_some() { RowKind::UpdateAfter } else { RowKind::Insert };
                changes.push(kind, first.row, 0);
                Some(pack(first, identity.is_some()))
            }
            (None, given) => {
                given.iter().for_each(|given| changes.push(RowKind::Delete, given.row, 0));
                None
            }
        };
        *given_of(&mut self.given, slot) = next;
        Ok(())
    }

    fn drop_empty(&mut self) {
        self.slots.sort_unstable();
        self.slots.dedup();
        for at in 0..self.slots.len() {
            if given_of(&mut self.given, self.slots[at]).is_none() {
                self.given.remove(self.slots[at]);
            }
        }
    }

    fn conflict(&self, row: usize) -> Error {
        let columns = self.keys.decode([self.keys.encoded.key(row)]);
        let values = self.names.iter().zip(&columns).map(|(name, column)| format!("{name}={}", text(column)));
        Error::data(format!(
            "Primary key constraint violation: multiple distinct records with the same primary key detected. \
             Conflicting key: [{}]. Use ON CONFLICT DO NOTHING to keep the first record.",
            values.collect::<Vec<_>>().join(", ")
        ))
    }
}

/// The numbers of the rows that are left when equal ones of opposite kinds have cancelled each other, in order.
fn left_over(rows: &EncodedKeys, adds: &[bool]) -> Vec<u32> {
    // Of each content the first and last row without a counterpart; all of them are of one kind.
    let mut open: HashMap<&[u8], (u32, u32)> = HashMap::new();
    let mut next = vec![NONE; adds.len()];
    let mut is_left = vec![true; adds.len()];
    for (row, content) in rows.iter().enumerate() {
        let (first, last) = open.entry(content).or_insert((NONE, NONE));
        if *first == NONE {
            (*first, *last) = (row as u32, row as u32);
        } else if adds[*first as usize] == adds[row] {
            next[*last as usize] = row as u32;
            *last = row as u32;
        } else {
            is_left[*first as usize] = false;
            is_left[row] = false;
            *first = next[*first as usize];
        }
    }
    (0..adds.len() as u32).filter(|row| is_left[*row as usize]).collect()
}

/// The records of a primary key after changes of the one given; what was removed leaves its place.
fn applied<'a>(
    given: Option<Record<'a>>,
    changes: impl Iterator<Item = (bool, Record<'a>)>,
    replaces: bool,
) -> Vec<Option<Record<'a>>> {
    let mut records = vec![given];
    let mut places: HashMap<&[u8], usize> = given.iter().map(|given| (given.identity, 0)).collect();
    for (adds, record) in changes {
        let known = places.get(record.identity).copied().filter(|at| records[*at].is_some());
        match (adds, known) {
            (true, Some(at)) if replaces => records[at] = Some(record),
            (true, _) => {
                places.insert(record.identity, records.len());
                records.push(Some(record));
            }
            (false, Some(at)) => records[at] = None,
            (false, None) => {}
        }
    }
    records
}

fn given_of(table: &mut GroupTable, slot: u32) -> &mut Option<Box<[u8]>> {
    match table.values.cells.as_mut_slice() {
        [Cells::Bytes(rows)] => &mut rows[slot as usize],
        _ => unreachable!("the table was made with one row"),
    }
}

/// The length of the row (u32, little-endian), the row, its upsert key if there is one.
fn pack(record: &Record<'_>, keyed: bool) -> Box<[u8]> {
    let length = (record.row.len() as u32).to_le_bytes();
    let identity = if keyed { record.identity } else { &[] };
    [&length[..], record.row, identity].concat().into()
}

fn unpack(bytes: &[u8]) -> Record<'_> {
    let (length, rest) = bytes.split_first_chunk::<4>().expect("the length was written first");
    let (row, identity) = rest.split_at(u32::from_le_bytes(*length) as usize);
    Record { row, identity: if identity.is_empty() { row } else { identity } }
}

/// The only value of a column, for messages.
fn text(column: &ArrayRef) -> String {
    if column.is_null(0) {
        return "null".into();
    }
    let number = column
        .as_primitive_opt::<Int32Type>()
        .map(|column| i64::from(column.value(0)))
        .or_else(|| column.as_primitive_opt::<Int64Type>().map(|column| column.value(0)))
        .or_else(|| column.as_primitive_opt::<Int16Type>().map(|column| column.value(0).into()))
        .or_else(|| column.as_primitive_opt::<Int8Type>().map(|column| column.value(0).into()));
    let other = || {
        let string = column.as_string_view_opt().map(|column| column.value(0).to_string());
        let decimal = || column.as_primitive_opt::<Decimal128Type>().map(|column| column.value_as_string(0));
        let date = || column.as_primitive_opt::<Date32Type>()?.value_as_date(0).map(|date| date.to_string());
        string.or_else(decimal).or_else(date).unwrap_or_else(|| format!("{column:?}"))
    };
    number.map_or_else(other, |number| number.to_string())
}

impl Operator for SinkCompact {
    fn on_chunk(
        &mut self,
        _port: usize,
        chunk: Chunk,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<()> {
        out.rows.absorbed += chunk.rows as u64;
        let mut changes = StoredChanges::new(true);
        let mut reached = self.reached.get().max(ctx.watermark);
        let mut from = 0;
        for mark in chunk.marks.iter() {
            let upto = mark.row as usize;
            self.wait(&chunk, from..upto, reached);
            from = upto;
            if mark.watermark > reached {
                self.settle(mark.watermark, ctx.now_ms, &mut changes)?;
                reached = mark.watermark;
            }
            changes.mark(mark.watermark);
        }
        self.wait(&chunk, from..chunk.rows, reached);
        self.reached.raise(reached);
        changes.finish(&self.rows, false, &[], out);
        Ok(())
    }

    fn tables(&mut self) -> Vec<(&'static str, &mut dyn StateTable)> {
        vec![("waiting", &mut self.waiting), ("given", &mut self.given), ("watermark", &mut self.reached)]
    }
}
