//! Whole rows that wait for their time, in columns as they came.
//!
//! Rows are found in the order of their times by runs: a row goes behind the first run that it does not precede, so
//! that rows that are nearly in order make few runs and cost no comparison each (as in impatience sort, Chandramouli et
//! al., 2018). Columns are kept until all their rows are gone, or packed when most are. With little memory the later rows
//! are on disk, encoded.
//! Invariant: rows of equal time come out in the order in which they went in; of these, those on disk are the first. Rows
//! leave by time only, so a checkpoint needs no more than the rows that are new and the time up to which rows left.

mod saved;

use crate::spill::Later;
use arrow_array::{Array, ArrayRef};
use arrow_select::interleave::interleave;
use std::collections::{BTreeMap, VecDeque};
use tidemill_types::DataType;
use tidemill_types::key::{EncodedKeys, KeyEncoder, decode};

/// The number of the first batch; rows that come back from disk stand in front of it.
const FIRST: u32 = 1 << 31;
/// In front of an encoded row on disk: its place among rows of equal time.
const ORDER_BYTES: usize = 8;
/// So many rows are moved out in one go.
const MOVE_ROWS: usize = 8_192;
/// With fewer rows gone than this nothing is packed.
const GONE_MIN_ROWS: usize = 1 << 16;

/// Where a row lies; batches are numbered in the order in which they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    time: i64,
    batch: u32,
    row: u32,
}

#[derive(Debug, Clone, Default)]
struct Batch {
    columns: Vec<ArrayRef>,
    rows: usize,
    live: usize,
}

/// Rows by time.
#[derive(Debug)]
pub struct WaitingRows {
    types: Vec<DataType>,
    keys: Vec<usize>,
    batches: VecDeque<Batch>,
    /// The number of the first batch.
    first: u32,
    runs: Vec<VecDeque<Place>>,
    live: usize,
    /// Batches before this one are in a checkpoint.
    saved_upto: u32,
    /// Whether changes are tracked, and the time up to which rows left since the last checkpoint.
    tracked: bool,
    taken_upto: Option<i64>,
    later: Option<Later>,
    /// How many rows were moved out.
    moved: u64,
    /// By key group: rows on disk up to these times had left before.
    left: BTreeMap<u32, i64>,
    key_groups: u32,
}

impl WaitingRows {
    /// Rows of these types; the columns `keys` say to which key group a row belongs.
    pub fn new(types: Vec<DataType>, keys: Vec<usize>, key_groups: u32) -> Self {
        WaitingRows {
            types,
            keys,
            batches: VecDeque::new(),
            first: FIRST,
            runs: Vec::new(),
            live: 0,
            saved_upto: FIRST,
            tracked: false,
            taken_upto: None,
            later: None,
            moved: 0,
            left: BTreeMap::new(),
            key_groups,
        }
    }

    /// Adds rows at their times.
    pub fn push(&mut self, columns: Vec<ArrayRef>, times: &[i64]) {
        if times.is_empty() {
            return;
        }
        let batch = self.first + self.batches.len() as u32;
        for (row, &time) in times.iter().enumerate() {
            // The last times of the runs fall from run to run, so the first run that fits is found by halving.
            let run = self.runs.partition_point(|run| run.back().is_some_and(|last| last.time > time));
            if run == self.runs.len() {
                self.runs.push(VecDeque::new());
            }
            self.runs[run].push_back(Place { time, batch, row: row as u32 });
        }
        self.live += times.len();
        self.later.iter_mut().for_each(|later| later.note_work(times.len()));
        self.batches.push_back(Batch { columns, rows: times.len(), live: times.len() });
    }

    /// Takes out the rows up to a time, in the order of their times.
    pub fn take(&mut self, upto: i64) -> Option<(Vec<ArrayRef>, Vec<i64>)> {
        let mut places = self.bring_back(upto);
        for run in &mut self.runs {
            let ready = run.partition_point(|place| place.time <= upto);
            places.extend(run.drain(..ready));
        }
        if places.is_empty() {
            return None;
        }
        self.runs.retain(|run| !run.is_empty());
        self.taken_upto = self.taken_upto.max(Some(upto));
        places.sort();
        let columns = self.gather(&places);
        self.forget(&places);
        Some((columns, places.iter().map(|place| place.time).collect()))
    }

    /// The time of the first row.
    pub fn earliest(&self) -> Option<i64> {
        let later = self.later.as_ref().and_then(Later::first).map(|(time, _)| time);
        self.runs.iter().filter_map(|run| run.front()).map(|place| place.time).chain(later).min()
    }

    /// Brings the rows up to a time back from disk, into a batch in front of all.
    fn bring_back(&mut self, upto: i64) -> Vec<Place> {
        let (mut times, mut rows) = (Vec::new(), EncodedKeys::default());
        while let Some(later) =
            self.later.as_mut().filter(|later| later.first().is_some_and(|(t, _)| t <= upto))
            && let Some(entry) = later.pop()
        {
            let row = &entry.bytes[ORDER_BYTES..];
            if !self.has_left(entry.time, row) {
                times.push(entry.time);
                rows.bytes.extend_from_slice(row);
                rows.ends.push(rows.bytes.len() as u32);
            }
        }
        if self.left.values().all(|left| *left <= upto) {
            self.left.clear();
        }
        if times.is_empty() {
            return Vec::new();
        }
        let columns = decode(&self.types, rows.iter());
        self.first -= 1;
        self.live += times.len();
        self.batches.push_front(Batch { columns, rows: times.len(), live: times.len() });
        let place = |(row, time)| Place { time, batch: self.first, row: row as u32 };
        times.into_iter().enumerate().map(place).collect()
    }

    /// Moves the latest rows out.
    fn move_out(&mut self, surplus: usize) {
        let mut places = self.places();
        let Some(from) = places.len().checked_sub(surplus).and_then(|at| places.get(at)).map(|p| p.time)
        else {
            return;
        };
        places.drain(..places.partition_point(|place| place.time < from));
        for run in &mut self.runs {
            run.truncate(run.partition_point(|place| place.time < from));
        }
        self.runs.retain(|run| !run.is_empty());
        for part in places.chunks(MOVE_ROWS) {
            let rows = self.encoded(part);
            let (first, tracked, saved_upto) = (self.moved, self.tracked, self.saved_upto);
            let entries = part.iter().enumerate().map(|(row, place)| {
                let order = (first + row as u64).to_be_bytes();
                (place.time, [&order, rows.key(row)].concat(), tracked && place.batch >= saved_upto)
            });
            self.later.iter_mut().for_each(|later| later.add(entries.clone()));
            self.moved += part.len() as u64;
        }
        self.forget(&places);
        self.pack();
    }

    /// Rows in the form that they have on disk and in checkpoints.
    fn encoded(&self, places: &[Place]) -> EncodedKeys {
        let mut rows = EncodedKeys::default();
        let columns = self.gather(places);
        KeyEncoder::new(self.types.iter().cloned()).encode(&columns, places.len(), &mut rows);
        rows
    }

    fn gather(&self, places: &[Place]) -> Vec<ArrayRef> {
        let low = places.iter().map(|place| place.batch).min().unwrap_or_default();
        let high = places.iter().map(|place| place.batch).max().unwrap_or_default();
        let used: Vec<&Batch> = (low..=high).map(|batch| &self.batches[self.at(batch)]).collect();
        let whole = match used.as_slice() {
            [only] => only.rows == places.len() && places.windows(2).all(|pair| pair[0].row < pair[1].row),
            _ => false,
        };
        if whole {
            return used[0].columns.clone();
        }
        let indices: Vec<(usize, usize)> =
            places.iter().map(|place| ((place.batch - low) as usize, place.row as usize)).collect();
        (0..self.types.len())
            .map(|column| {
                // A batch whose rows are all gone has no columns, and none of its rows is wanted.
                let empty = &used.iter().find(|batch| batch.live > 0).expect("a wanted row is there").columns;
                let parts: Vec<&dyn Array> = used
                    .iter()
                    .map(|batch| batch.columns.get(column).unwrap_or(&empty[column]).as_ref())
                    .collect();
                interleave(&parts, &indices).expect("all rows have the types of the table")
            })
            .collect()
    }

    fn at(&self, batch: u32) -> usize {
        (batch - self.first) as usize
    }

    fn forget(&mut self, places: &[Place]) {
        self.live -= places.len();
        for place in places {
            let at = self.at(place.batch);
            let batch = &mut self.batches[at];
            batch.live -= 1;
            if batch.live == 0 {
                *batch = Batch::default();
            }
        }
        while self.batches.front().is_some_and(|batch| batch.live == 0) {
            self.batches.pop_front();
            self.first += 1;
        }
        let held: usize = self.batches.iter().map(|batch| batch.rows).sum();
        if held - self.live > GONE_MIN_ROWS.max(self.live) {
            self.pack();
        }
    }

    /// All rows in two batches, by time: those that a checkpoint has, and the others.
    fn pack(&mut self) {
        let (saved, fresh): (Vec<Place>, Vec<Place>) =
            self.places().into_iter().partition(|place| place.batch < self.saved_upto);
        let [saved, fresh] = [saved, fresh].map(|places| {
            let columns = if places.is_empty() { Vec::new() } else { self.gather(&places) };
            (columns, places.iter().map(|place| place.time).collect::<Vec<_>>())
        });
        self.first += self.batches.len() as u32;
        (self.batches, self.runs, self.live) = (VecDeque::new(), Vec::new(), 0);
        self.push(saved.0, &saved.1);
        self.saved_upto = self.first + self.batches.len() as u32;
        self.push(fresh.0, &fresh.1);
    }

    fn places(&self) -> Vec<Place> {
        let mut places: Vec<Place> = self.runs.iter().flatten().copied().collect();
        places.sort();
        places
    }
}
