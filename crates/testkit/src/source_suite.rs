//! The suite for sources that can replay: a run that is cut at random and resumed reads what an uninterrupted one
//! reads, each record once, with the same places.
//!
//! 1. The whole input is read once.
//! 2. A source is opened, restored to the last positions, and read for a random while; its positions are saved.
//! 3. It is read a little further, as by a run that dies before its next checkpoint, and dropped.
//! 4. That repeats until the end, and what came before each saving is put together.

use crate::random::Random;
use std::collections::BTreeMap;
use std::time::Duration;
use tidemill_connector::{Fetched, FetchedBlob, OpenSource, Positions};
use tidemill_types::{Chunk, Framing};

/// How long a source may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How often a run is cut at most.
const CUTS_MAX: usize = 10_000;

/// A record with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its offset: in bytes where lines are numbered, in records elsewhere.
    pub offset: u64,
    /// Its line, from 1; 0 if lines have no meaning.
    pub line: u64,
    /// Its bytes, without the end of the line.
    pub bytes: Vec<u8>,
}

/// What was read.
#[derive(Debug, Default)]
pub struct Input {
    /// The records of each split, in order.
    pub records: BTreeMap<String, Vec<Record>>,
    /// Finished rows.
    pub rows: Vec<Chunk>,
}

impl Input {
    fn take(&mut self, fetched: Fetched) {
        match fetched {
            Fetched::Blob(blob) => self.take_blob(&blob),
            Fetched::Rows(chunk) => self.rows.push(chunk),
            Fetched::Splits(_) | Fetched::End => {}
        }
    }

    fn take_blob(&mut self, FetchedBlob { blob, place, .. }: &FetchedBlob) {
        let bytes = blob.bytes.as_slice();
        let ranges: Vec<(usize, usize)> = match &blob.framing {
            Framing::Lines => lines(bytes),
            Framing::Records(ranges) => ranges.iter().map(|r| (r.start as usize, r.end as usize)).collect(),
            Framing::Whole => vec![(0, bytes.len())],
        };
        let records = self.records.entry(place.split.to_string()).or_default();
        for (number, (start, end)) in ranges.into_iter().enumerate() {
            let (offset, line) = match place.line {
                0 => (number as u64, 0),
                line => (start as u64, line + number as u64),
            };
            records.push(Record { offset: place.offset + offset, line, bytes: bytes[start..end].to_vec() });
        }
    }

    /// How many records and rows there are.
    pub fn len(&self) -> usize {
        let rows: usize = self.rows.iter().map(|chunk| chunk.rows).sum();
        rows + self.records.values().map(Vec::len).sum::<usize>()
    }

    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fails the test unless both are the same, however they were cut.
    pub fn assert_same(&self, other: &Input, why: &str) {
        let splits = |input: &Input| input.records.keys().cloned().collect::<Vec<_>>();
        assert_eq!(splits(self), splits(other), "{why}");
        for (split, records) in &self.records {
            let other = &other.records[split];
            let differs = records.iter().zip(other).find(|(one, other)| one != other);
            assert!(differs.is_none(), "{why}: {split} differs: {differs:?}");
            assert_eq!(records.len(), other.len(), "{why}: {split} has another length");
        }
        assert_eq!(self.rows.is_empty(), other.rows.is_empty(), "{why}");
        if !self.rows.is_empty() {
            let (one, other) = (Chunk::concat(&self.rows), Chunk::concat(&other.rows));
            assert_eq!(one.rows, other.rows, "{why}: another number of rows");
            for (at, (one, other)) in one.columns.iter().zip(&other.columns).enumerate() {
                assert!(one == other, "{why}: column {at} differs");
            }
        }
    }
}

fn lines(bytes: &[u8]) -> Vec<(usize, usize)> {
    let (mut out, mut start) = (Vec::new(), 0);
    while start < bytes.len() {
        let end = bytes[start..].iter().position(|byte| *byte == b'\n');
        let end = end.map_or(bytes.len(), |end| start + end);
        out.push((start, end));
        start = end + 1;
    }
    out
}

/// Reads at most so many fetches; says whether the end came.
async fn read(open: &mut OpenSource, fetches: u64, mut take: impl FnMut(Fetched)) -> bool {
    for _ in 0..fetches {
        let next = tokio::time::timeout(SILENCE_MAX, open.source.next()).await;
        match next.expect("the source is silent").expect("it can be read") {
            Fetched::End => return true,
            fetched => take(fetched),
        }
    }
    false
}

/// Holds a source that ends to the suite, with this many random runs.
pub async fn assert_replays(mut open: impl FnMut() -> OpenSource, seed: u64, runs: u64) {
    let (mut whole, mut source) = (Input::default(), open());
    assert!(source.bounded && source.replayable, "the suite reads sources that end and can replay");
    read(&mut source, u64::MAX, |fetched| whole.take(fetched)).await;
    assert!(!whole.is_empty(), "a source that gives nothing proves nothing");
    for run in 0..runs {
        let mut random = Random::new(seed ^ run << 32);
        let input = read_with_cuts(&mut open, &mut random).await;
        input.assert_same(&whole, &format!("seed {seed}, run {run}"));
    }
}

async fn read_with_cuts(open: &mut impl FnMut() -> OpenSource, random: &mut Random) -> Input {
    let (mut input, mut positions) = (Input::default(), None::<Positions>);
    for _ in 0..CUTS_MAX {
        let mut source = open();
        if let Some(positions) = &positions {
            source.source.restore(positions).await.expect("it can be restored");
            assert_eq!(&source.source.positions(), positions, "a restored source stands where it was");
        }
        let fetches = random.below(4);
        if read(&mut source, fetches, |fetched| input.take(fetched)).await {
            return input;
        }
        positions = Some(source.source.positions());
        read(&mut source, random.below(3), drop).await;
    }
    panic!("the source does not end");
}
