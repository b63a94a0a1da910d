//! Whole rows that wait for their time, in columns as they came.
//!
//! Rows are found in the order of their times by runs: a row goes behind the first run that it does not precede, so
//! that rows that are nearly in order make few runs and cost no comparison each (as in impatience sort, Chandramouli et
//! al., 2018). Columns are kept until all their rows are gone, or packed when most are.
//! Invariant: rows of equal time come out in the order in which they went in.

use crate::sections::Sections;
use crate::snapshot::{Reader, write_prefixed};
use crate::{SnapshotRows, StateTable};
use arrow_array::{Array, ArrayRef};
use arrow_select::interleave::interleave;
use std::collections::VecDeque;
use std::ops::Range;
use tidemill_types::key::{EncodedKeys, KeyEncoder, decode, hash};
use tidemill_types::{DataType, Result};

const SALT: u64 = 0x7761_6974_6900_0001;
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
#[derive(Debug, Clone)]
pub struct WaitingRows {
    types: Vec<DataType>,
    keys: Vec<usize>,
    batches: VecDeque<Batch>,
    /// The number of the first batch.
    first: u32,
    runs: Vec<VecDeque<Place>>,
    live: usize,
    key_groups: u32,
}

impl WaitingRows {
    /// Rows of these types; the columns `keys` say to which key group a row belongs.
    pub fn new(types: Vec<DataType>, keys: Vec<usize>, key_groups: u32) -> Self {
        let (batches, runs) = (VecDeque::new(), Vec::new());
        WaitingRows { types, keys, batches, first: 0, runs, live: 0, key_groups }
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
        self.batches.push_back(Batch { columns, rows: times.len(), live: times.len() });
    }

    /// Takes out the rows up to a time, in the order of their times.
    pub fn take(&mut self, upto: i64) -> Option<(Vec<ArrayRef>, Vec<i64>)> {
        let mut places: Vec<Place> = Vec::new();
        for run in &mut self.runs {
            let ready = run.partition_point(|place| place.time <= upto);
            places.extend(run.drain(..ready));
        }
        if places.is_empty() {
            return None;
        }
        self.runs.retain(|run| !run.is_empty());
        places.sort();
        let columns = self.gather(&places);
        self.forget(&places);
        Some((columns, places.iter().map(|place| place.time).collect()))
    }

    /// The time of the first row.
    pub fn earliest(&self) -> Option<i64> {
        self.runs.iter().filter_map(|run| run.front()).map(|place| place.time).min()
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

    /// All rows in one batch, by time.
    fn pack(&mut self) {
        if let Some((columns, times)) = self.take_all() {
            self.push(columns, &times);
        }
    }

    fn take_all(&mut self) -> Option<(Vec<ArrayRef>, Vec<i64>)> {
        let places = self.places();
        let columns = (!places.is_empty()).then(|| self.gather(&places))?;
        (self.batches, self.runs, self.live) = (VecDeque::new(), Vec::new(), 0);
        Some((columns, places.iter().map(|place| place.time).collect()))
    }

    fn places(&self) -> Vec<Place> {
        let mut places: Vec<Place> = self.runs.iter().flatten().copied().collect();
        places.sort();
        places
    }
}

impl StateTable for WaitingRows {
    fn schema_id(&self) -> u64 {
        let types: Vec<String> = self.types.iter().map(ToString::to_string).collect();
        hash(types.join(",").as_bytes()) ^ SALT
    }

    /// Row: time, row (prefixed).
    fn snapshot(&self, groups: Range<u32>) -> SnapshotRows {
        let mut sections = Sections::new(groups, self.key_groups);
        let places = self.places();
        if !places.is_empty() {
            let columns = self.gather(&places);
            let (mut keys, mut rows) = (EncodedKeys::default(), EncodedKeys::default());
            let key_types = self.keys.iter().map(|&key| self.types[key].clone());
            let key_columns: Vec<ArrayRef> = self.keys.iter().map(|&key| columns[key].clone()).collect();
            KeyEncoder::new(key_types).encode(&key_columns, places.len(), &mut keys);
            KeyEncoder::new(self.types.iter().cloned()).encode(&columns, places.len(), &mut rows);
            for (row, place) in places.iter().enumerate() {
                if let Some(out) = sections.row(hash(keys.key(row)), true) {
                    out.extend_from_slice(&place.time.to_le_bytes());
                    write_prefixed(out, rows.key(row));
                }
            }
        }
        sections.finish(self.schema_id())
    }

    fn restore(&mut self, rows: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        rows.check_schema(self.schema_id())?;
        let (mut times, mut encoded) = (Vec::new(), Vec::new());
        for section in rows.of_groups(groups) {
            let mut reader = Reader::new(&section.bytes);
            while !reader.is_done() {
                times.push(reader.i64()?);
                encoded.push(reader.prefixed()?);
            }
        }
        let mut order: Vec<usize> = (0..times.len()).collect();
        order.sort_by_key(|&row| times[row]);
        let columns = decode(&self.types, order.iter().map(|&row| encoded[row]));
        self.push(columns, &order.iter().map(|&row| times[row]).collect::<Vec<_>>());
        Ok(())
    }

    fn clear(&mut self) {
        *self = WaitingRows::new(self.types.clone(), self.keys.clone(), self.key_groups);
    }

    fn bytes(&self) -> usize {
        let of_column = |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or(0);
        let columns = self.batches.iter().flat_map(|batch| &batch.columns).map(of_column).sum::<usize>();
        columns + self.runs.iter().map(|run| run.capacity() * size_of::<Place>()).sum::<usize>()
    }

    fn len(&self) -> usize {
        self.live
    }
}
