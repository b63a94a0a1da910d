//! The join with a table that is asked for the rows of each key while the rows of the left side wait.
//!
//! 1. [`AskedJoin::take`] finds the different keys of a chunk; those that the cache does not know are to be asked for.
//! 2. [`AskedJoin::request`] hands out keys to ask for, the oldest chunk's first.
//! 3. [`AskedJoin::answer`] takes the rows of those keys, through the conditions and columns over the table.
//! 4. A chunk whose keys are all answered is [`AskedJoin::ready`], and [`AskedJoin::give`] joins it.
//!
//! Invariant: a chunk never gets an answer that was asked for before it came, unless a cache is wanted; rows of one
//! chunk with the same key share one answer. Deliberately not here: who asks, how often and for how long, and in what
//! order chunks come out.

use super::Pairing;
use super::cache::{CacheCounters, RowCache, Rows};
use crate::calc::Calc;
use crate::join_rows::NONE;
use crate::{OperatorContext, Output, deliver};
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, Int32Array, UInt32Array};
use arrow_select::take::take;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tidemill_plan::{AskPlan, EvalContext, Expr, LookupJoinPlan};
use tidemill_state::KeyIndex;
use tidemill_types::{Chunk, Error, Marks, Result, Schema, TypeKind};

/// Keys to ask for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The chunk that wants them.
    pub ticket: u64,
    /// The number of the first among the keys that the chunk wants.
    pub first: usize,
    /// The keys: a column for each of the plan's, in order.
    pub keys: Chunk,
}

/// What a request has come to.
#[derive(Debug)]
pub struct Answer {
    /// The chunk that asked.
    pub ticket: u64,
    /// The number of the request's first key.
    pub first: usize,
    /// How many keys it had.
    pub count: usize,
    /// Rows of the table, each with the number of its key in the request.
    pub parts: Vec<(Chunk, Vec<u32>)>,
}

/// A chunk that waits for answers.
struct Waiting {
    chunk: Chunk,
    /// For each row the number of its key, [`NONE`] if it can match nothing.
    key_of: Vec<u32>,
    /// The rows of each key, once they are known.
    found: Vec<Option<Rows>>,
    /// The keys to ask for: their numbers, their bytes for the cache, their columns.
    asked: Vec<u32>,
    bytes: Vec<Box<[u8]>>,
    columns: Chunk,
    /// How many of them were handed out, and how many are not answered.
    sent: usize,
    missing: usize,
}

/// The join.
pub struct AskedJoin {
    pairing: Pairing,
    plan: AskPlan,
    left_keys: Vec<usize>,
    /// The steps over the table; each hands the number of a row's key on behind its columns.
    steps: Vec<Calc>,
    cache: Option<RowCache>,
    waiting: BTreeMap<u64, Waiting>,
    to_ask: VecDeque<u64>,
    next_ticket: u64,
}

impl AskedJoin {
    /// The join of a plan node.
    pub fn new(plan: &LookupJoinPlan, ask: &AskPlan, left: &Schema) -> Self {
        AskedJoin {
            pairing: Pairing::new(plan, left),
            plan: ask.clone(),
            left_keys: plan.on.left_keys.clone(),
            steps: steps(plan),
            cache: ask.cache.map(RowCache::new),
            waiting: BTreeMap::new(),
            to_ask: VecDeque::new(),
            next_ticket: 0,
        }
    }

    /// How the cache has done; absent if there is none.
    pub fn cache_counters(&self) -> Option<CacheCounters> {
        self.cache.as_ref().map(RowCache::counters)
    }

    /// Takes a chunk; gives the ticket under which it waits.
    pub fn take(&mut self, chunk: Chunk, now_ms: i64) -> Result<u64> {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        if chunk.rows > 0 {
            self.pairing.input.encode(&chunk);
        }
        let mut keys = KeyIndex::default();
        let mut waiting = Waiting::new(&chunk);
        let mut first_rows: Vec<u32> = Vec::new();
        for row in (0..chunk.rows).filter(|&row| self.pairing.input.can_match(row)) {
            let (hash, key) = self.pairing.input.key(row);
            let number = keys.resolve_one(hash, key);
            waiting.key_of[row] = number;
            if (number as usize) < waiting.found.len() {
                continue;
            }
            let known = self.cache.as_mut().and_then(|cache| cache.get(key, now_ms));
            if known.is_none() {
                waiting.asked.push(number);
                waiting.bytes.push(if self.cache.is_some() { key.into() } else { Box::default() });
                first_rows.push(row as u32);
            }
            waiting.found.push(known);
        }
        waiting.missing = waiting.asked.len();
        if waiting.missing > 0 {
            waiting.columns = self.key_columns(&chunk, first_rows, now_ms)?;
            self.to_ask.push_back(ticket);
        }
        waiting.chunk = chunk;
        self.waiting.insert(ticket, waiting);
        Ok(ticket)
    }

    /// Parts of a chunk that need not wait for each other: first the rows that need no answer, then the rows of
    /// `keys_max` keys each. Their marks are left out.
    pub fn split(&mut self, chunk: &Chunk, keys_max: usize, now_ms: i64) -> Vec<Chunk> {
        self.pairing.input.encode(chunk);
        let mut keys = KeyIndex::default();
        let mut parts: Vec<Vec<u32>> = vec![Vec::new()];
        for row in 0..chunk.rows {
            let (hash, key) = self.pairing.input.key(row);
            let known = self.cache.as_ref().is_some_and(|cache| cache.knows(key, now_ms));
            let part = match known || !self.pairing.input.can_match(row) {
                true => 0,
                false => 1 + keys.resolve_one(hash, key) as usize / keys_max.max(1),
            };
            parts.resize(parts.len().max(part + 1), Vec::new());
            parts[part].push(row as u32);
        }
        let rows = Chunk { marks: Marks::none(), ..chunk.clone() };
        parts.retain(|part| !part.is_empty());
        parts.into_iter().map(|part| rows.take(&UInt32Array::from(part))).collect()
    }

    /// Some keys to ask for, at most `keys_max`.
    pub fn request(&mut self, keys_max: usize) -> Option<Request> {
        let ticket = *self.to_ask.front()?;
        let waiting = self.waiting.get_mut(&ticket)?;
        let first = waiting.sent;
        let count = keys_max.max(1).min(waiting.asked.len() - first);
        waiting.sent += count;
        if waiting.sent == waiting.asked.len() {
            self.to_ask.pop_front();
        }
        Some(Request { ticket, first, keys: waiting.columns.slice(first, count) })
    }

    /// Whether there are keys to ask for.
    pub fn asks(&self) -> bool {
        !self.to_ask.is_empty()
    }

    /// Takes the rows of keys that were asked for.
    pub fn answer(&mut self, answer: Answer, ctx: &OperatorContext) -> Result<()> {
        let mut by_key: Vec<Vec<Box<[u8]>>> = vec![Vec::new(); answer.count];
        for (rows, of) in answer.parts {
            let (rows, of) = self.through_steps(rows, of, answer.count, ctx)?;
            if rows.rows == 0 {
                continue;
            }
            self.pairing.right.encode(&rows);
            of.iter().enumerate().for_each(|(row, &key)| {
                by_key[key as usize].push(self.pairing.right.row(row).into());
            });
        }
        let waiting = self
            .waiting
            .get_mut(&answer.ticket)
            .ok_or_else(|| Error::internal("an answer that no rows wait for"))?;
        for (at, rows) in by_key.into_iter().enumerate() {
            let (at, rows) = (answer.first + at, Rows::from(rows));
            if let Some(cache) = &mut self.cache {
                cache.insert(&waiting.bytes[at], rows.clone(), ctx.now_ms);
            }
            waiting.found[waiting.asked[at] as usize] = Some(rows);
            waiting.missing -= 1;
        }
        Ok(())
    }

    /// Whether all keys of a chunk are answered.
    pub fn ready(&self, ticket: u64) -> bool {
        self.waiting.get(&ticket).is_some_and(|waiting| waiting.missing == 0)
    }

    /// Joins a chunk that is ready.
    pub fn give(&mut self, ticket: u64, ctx: &OperatorContext, out: &mut Output) -> Result<()> {
        let waiting = self.waiting.remove(&ticket);
        let waiting = waiting.ok_or_else(|| Error::internal("rows that do not wait"))?;
        if waiting.chunk.rows == 0 {
            out.emit(waiting.chunk);
            return Ok(());
        }
        let rows_of = |key: usize| waiting.found[key].as_deref().unwrap_or_default();
        let mut starts = vec![0];
        for key in 0..waiting.found.len() {
            starts.push(starts[key] + rows_of(key).len() as u32);
        }
        let all = (0..waiting.found.len()).flat_map(|key| rows_of(key).iter().map(|row| &**row));
        let table = self.pairing.right.decode(all);
        let (mut own, mut found) = (Vec::new(), Vec::new());
        for (row, &key) in waiting.key_of.iter().enumerate().filter(|(_, key)| **key != NONE) {
            found.extend(starts[key as usize]..starts[key as usize + 1]);
            own.resize(found.len(), row as u32);
        }
        self.pairing.give(&waiting.chunk, (own, found), &table, ctx, out)
    }

    /// The keys of these rows, with the constants.
    fn key_columns(&self, chunk: &Chunk, rows: Vec<u32>, now_ms: i64) -> Result<Chunk> {
        let count = rows.len();
        let rows = UInt32Array::from(rows);
        let marks = Marks::none();
        let eval =
            EvalContext { rows: count, now_ms, watermark: tidemill_types::WATERMARK_NONE, marks: &marks };
        let mut left = self.left_keys.iter();
        let column = |constant: &Option<Expr>| match constant {
            Some(value) => value.eval_array(&Chunk::new(Vec::new(), count), &eval),
            None => {
                let column = left.next().expect("a key is a constant or a column of the left side");
                Ok(take(&chunk.columns[*column], &rows, None).expect("rows lie inside the chunk"))
            }
        };
        let columns: Result<Vec<ArrayRef>> =
            self.plan.keys.iter().map(|key| &key.constant).map(column).collect();
        Ok(Chunk::new(columns?, count))
    }

    /// What the conditions and columns over the table make of some of its rows.
    fn through_steps(
        &mut self,
        rows: Chunk,
        of: Vec<u32>,
        keys: usize,
        ctx: &OperatorContext,
    ) -> Result<(Chunk, Vec<u32>)> {
        if rows.rows != of.len() || of.iter().any(|&key| key as usize >= keys) {
            return Err(Error::internal("a lookup gave rows of keys that were not asked for"));
        }
        let mut columns = rows.columns;
        columns.push(Arc::new(Int32Array::from_iter_values(of.iter().map(|&key| key as i32))));
        let mut given = vec![Chunk::new(columns, of.len())];
        for step in &mut self.steps {
            let mut out = Output::new(false);
            for chunk in given {
                deliver(step, 0, chunk, ctx, &mut out)?;
            }
            given = out.take_chunks();
        }
        let mut rows = Chunk::concat(&given);
        let of = match rows.columns.pop() {
            Some(of) => of.as_primitive::<Int32Type>().values().iter().map(|&key| key as u32).collect(),
            None => Vec::new(),
        };
        Ok((rows, of))
    }
}

impl Waiting {
    fn new(chunk: &Chunk) -> Self {
        Waiting {
            chunk: Chunk::default(),
            key_of: vec![NONE; chunk.rows],
            found: Vec::new(),
            asked: Vec::new(),
            bytes: Vec::new(),
            columns: Chunk::default(),
            sent: 0,
            missing: 0,
        }
    }
}

/// The steps of a plan with one more column, which goes through unchanged.
fn steps(plan: &LookupJoinPlan) -> Vec<Calc> {
    let mut width = plan.table.wanted.len() + plan.table.metadata.len();
    let mut steps = Vec::with_capacity(plan.steps.len());
    for (filter, project) in &plan.steps {
        let mut project = project.clone();
        project.push(Expr::column(width, "key", TypeKind::Int.not_null()));
        width = project.len() - 1;
        steps.push(Calc::new(filter.as_ref(), &project));
    }
    steps
}
