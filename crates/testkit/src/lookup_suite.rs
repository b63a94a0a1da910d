//! The suite for tables that are asked by key: what a lookup answers does not depend on how keys are put together in
//! calls, on calls that overlap, or on calls that were given up; and it is what the table holds.
//!
//! Connectors whose answers are records are decoded by the suite as the runtime does, so its rows are those that a
//! join would meet.

use crate::random::Random;
use futures_util::future::{join_all, select};
use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;
use tidemill_connector::{Found, OpenLookup};
use tidemill_types::Chunk;

/// How long an answer may take.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// The text of each column of a row.
pub type Row = Vec<String>;

/// A system with the lookup under test.
pub trait LookupBench {
    /// Opens the table.
    fn open(&mut self) -> OpenLookup;

    /// Keys that have rows and keys that have none, all different, as a chunk of key columns.
    fn keys(&self) -> Chunk;

    /// The rows that the table holds under the key of this number, in any order.
    fn expected(&self, key: usize) -> Vec<Row>;

    /// The rows of an answer as texts, with the numbers of their keys.
    fn rows(&mut self, found: Found) -> Vec<(u32, Row)>;
}

/// Holds a lookup to the suite, with this many random rounds.
pub async fn assert_answers(bench: &mut impl LookupBench, seed: u64, rounds: u64) {
    let keys = bench.keys();
    let some = (0..keys.rows).filter(|key| !bench.expected(*key).is_empty()).count();
    assert!(some > 0 && some < keys.rows, "the suite needs keys with and without rows");
    for round in 0..rounds {
        let mut random = Random::new(seed ^ round << 32);
        let open = bench.open();
        assert!(open.keys_max > 0 && open.calls_max > 0, "a lookup takes at least one key and one call");
        give_up_a_call(&open, &keys, &mut random).await;
        let calls = calls(keys.rows, &open, &mut random);
        for together in calls.chunks(open.calls_max.min(4)) {
            let asked = together.iter().map(|numbers| ask(&open, &keys, numbers));
            let found = join_all(asked).await;
            for (numbers, found) in together.iter().zip(found) {
                assert_right(bench, numbers, found, &format!("seed {seed}, round {round}"));
            }
        }
    }
}

/// All keys in random order, cut into calls at random.
fn calls(keys: usize, open: &OpenLookup, random: &mut Random) -> Vec<Vec<u32>> {
    let mut numbers: Vec<u32> = (0..keys as u32).collect();
    for at in (1..numbers.len()).rev() {
        numbers.swap(at, random.below(at as u64 + 1) as usize);
    }
    let mut calls = Vec::new();
    while !numbers.is_empty() {
        let most = open.keys_max.min(numbers.len()) as u64;
        let rest = numbers.split_off(1 + random.below(most) as usize);
        calls.push(std::mem::replace(&mut numbers, rest));
    }
    calls
}

async fn ask(open: &OpenLookup, keys: &Chunk, numbers: &[u32]) -> Found {
    let keys = keys.take(&numbers.to_vec().into());
    let answer = tokio::time::timeout(SILENCE_MAX, open.lookup.lookup(&keys)).await;
    answer.expect("the lookup is silent").expect("the table can be asked")
}

/// Begins a call and drops it while it waits.
async fn give_up_a_call(open: &OpenLookup, keys: &Chunk, random: &mut Random) {
    let patience = Duration::from_micros(random.below(2_000));
    let call = pin!(ask(open, keys, &[0]));
    select(call, pin!(tokio::time::sleep(patience))).await;
}

fn assert_right(bench: &mut impl LookupBench, numbers: &[u32], found: Found, why: &str) {
    let of = found.of();
    assert!(of.is_sorted(), "{why}: rows are not in the order of their keys: {of:?}");
    assert!(of.iter().all(|key| (*key as usize) < numbers.len()), "{why}: rows of no key that was asked for");
    let mut given: BTreeMap<u32, Vec<Row>> = BTreeMap::new();
    bench.rows(found).into_iter().for_each(|(key, row)| given.entry(key).or_default().push(row));
    for (at, key) in numbers.iter().enumerate() {
        let mut rows = given.remove(&(at as u32)).unwrap_or_default();
        let mut expected = bench.expected(*key as usize);
        rows.sort();
        expected.sort();
        assert_eq!(rows, expected, "{why}: the rows of key {key}");
    }
}
