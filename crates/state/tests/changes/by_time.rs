//! The kinds of tables that keep rows in the order of time.

use crate::tables::{GROUPS, Tested, keys, number};
use arrow_array::{ArrayRef, Int64Array};
use std::collections::BTreeMap;
use std::sync::Arc;
use tidemill_state::match_table::{NO_CELLS, NO_KEY};
use tidemill_state::{FrameTable, MatchTable, PartialMatch, Run, StateTable, WaitingRows};
use tidemill_types::{CellKind, TypeKind};

pub struct Frames(FrameTable);

type Frame = (i64, usize, Vec<(i64, Vec<u8>)>);

impl Tested for Frames {
    type Content = BTreeMap<Vec<u8>, Frame>;

    fn make() -> Self {
        Frames(FrameTable::new(&[CellKind::I64], 0, GROUPS))
    }

    fn table(&mut self) -> &mut dyn StateTable {
        &mut self.0
    }

    fn change(&mut self, key: u8, action: u8, value: i64, now_ms: i64) {
        let table = &mut self.0;
        if action == 0 {
            while let Some((time, slot)) = table.pop_due(now_ms) {
                assert!(time <= now_ms, "only what is due");
                table.hold(slot);
                // The others of this time are held too.
                while table.waiting(slot) == Some(time) {
                    table.hold(slot);
                }
            }
            assert!(table.next_due().is_none_or(|due| due > now_ms), "all that is due came");
            return;
        }
        let ((keys, hashes), mut slots) = (keys(key), Vec::new());
        table.resolve(&keys, &hashes, &mut slots);
        let slot = slots[0];
        match action {
            1 => {
                table.values.clear(&[slot]);
                table.remove(slot);
            }
            2 => table.drop_first(slot),
            _ => {
                *number(&mut table.values.cells[0], slot) += value;
                let time = now_ms + 1 + value % 5;
                if table.push(slot, time, [value.to_string().as_bytes(), b"rest"]) {
                    table.set_due(slot, time);
                }
            }
        }
    }

    fn content(&mut self, _now_ms: i64) -> Self::Content {
        let table = &mut self.0;
        let mut all = BTreeMap::new();
        for key in 0..12 {
            let key = keys(key).0.key(0).to_vec();
            let Some(slot) = table.lookup(&key) else { continue };
            let rows = table.all_rows(slot).map(|(time, parts)| (time, parts.concat())).collect();
            let held = table.held(slot);
            all.insert(key, (*number(&mut table.values.cells[0], slot), held, rows));
        }
        all
    }
}

const AGE: i64 = 30;

pub struct Matches(MatchTable);

type Match = (u64, i64, u16, Vec<Run>, Option<i64>);

impl Matches {
    fn id(&mut self, key: u8, begins: bool) -> Option<u32> {
        let ((keys, hashes), mut ids) = (keys(key), Vec::new());
        self.0.locate(&keys, &hashes, |_| begins, &mut ids);
        Some(ids[0]).filter(|id| *id != NO_KEY)
    }

    fn begin(&mut self, id: u32, value: i64, now_ms: i64) {
        let table = &mut self.0;
        let start = table.partition(id).next_row;
        let (slot, cells) = (table.push_row(id), table.take_cells());
        *number(&mut table.rows.cells[0], slot) = value;
        *number(&mut table.cells.cells[0], cells) = value * 3;
        let runs = [Run { variable: (value % 3) as u16, rows: 1 }].into_iter().collect();
        let found = PartialMatch { start, start_time: now_ms, position: value as u16, runs, cells };
        let partial = &mut table.partition_mut(id).partial;
        let open = partial.len() - 1;
        partial.insert(open, found);
        table.queue(id);
    }

    fn end(&mut self, id: u32, complete: bool) {
        let table = &mut self.0;
        let partial = &mut table.partition_mut(id).partial;
        if partial.len() > 1 {
            let ended = partial.remove(0);
            match complete {
                true => table.partition_mut(id).completed.push(ended),
                false => table.drop_cells(ended.cells),
            }
        }
        table.trim(id);
        table.queue(id);
    }
}

impl Tested for Matches {
    type Content = BTreeMap<u8, (u64, Vec<i64>, Vec<Match>, usize)>;

    fn make() -> Self {
        Matches(MatchTable::new(&[CellKind::I64], &[CellKind::I64], 0, GROUPS).with_age(Some(AGE)))
    }

    fn table(&mut self) -> &mut dyn StateTable {
        &mut self.0
    }

    fn change(&mut self, key: u8, action: u8, value: i64, now_ms: i64) {
        let mut touched = Vec::new();
        match action {
            0 => {
                while let Some(id) = self.0.pop_due(now_ms) {
                    let first = |table: &MatchTable| table.partition(id).partial[0].start_time;
                    while self.0.partition(id).partial.len() > 1 && first(&self.0) + AGE <= now_ms {
                        self.end(id, false);
                    }
                    self.0.queue(id);
                    touched.push(id);
                }
                assert!(self.0.next_due().is_none_or(|due| due > now_ms), "all that is due came");
            }
            1 | 2 => {
                let id = self.id(key, false);
                id.into_iter().for_each(|id| self.end(id, action == 1));
                touched.extend(id);
            }
            _ => {
                let id = self.id(key, true);
                id.into_iter().for_each(|id| self.begin(id, value, now_ms));
            }
        }
        self.0.release(&touched);
    }

    fn content(&mut self, _now_ms: i64) -> Self::Content {
        let mut all = BTreeMap::new();
        for key in 0..12 {
            let Some(id) = self.id(key, false) else { continue };
            let mut slots = Vec::new();
            let partition = self.0.partition(id).clone();
            slots.extend((0..partition.next_row).filter_map(|row| partition.row(row)));
            let rows = slots.iter().map(|&slot| *number(&mut self.0.rows.cells[0], slot)).collect();
            let mut matches = Vec::new();
            for found in partition.partial.iter().chain(&partition.completed) {
                let cell =
                    (found.cells != NO_CELLS).then(|| *number(&mut self.0.cells.cells[0], found.cells));
                matches.push((found.start, found.start_time, found.position, found.runs.to_vec(), cell));
            }
            all.insert(key, (partition.next_row, rows, matches, partition.completed.len()));
        }
        all
    }
}

pub struct Waiting(WaitingRows);

impl Tested for Waiting {
    type Content = Vec<(i64, Vec<u8>)>;

    fn make() -> Self {
        let types = vec![TypeKind::BigInt.not_null(); 2];
        Waiting(WaitingRows::new(types, vec![0], GROUPS))
    }

    fn table(&mut self) -> &mut dyn StateTable {
        &mut self.0
    }

    fn change(&mut self, key: u8, action: u8, value: i64, now_ms: i64) {
        let table = &mut self.0;
        if action < 2 {
            if let Some((columns, times)) = table.take(now_ms) {
                assert!(columns.len() == 2 && times.is_sorted() && times.last() <= Some(&now_ms));
            }
            assert!(table.earliest().is_none_or(|time| time > now_ms), "all that was due came");
            return;
        }
        let rows = i64::from(action) - 1;
        let column = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
        let columns = vec![
            column((0..rows).map(|row| i64::from(key) + row).collect()),
            column((0..rows).map(|row| value * 10 + row).collect()),
        ];
        let times: Vec<i64> = (0..rows).map(|row| now_ms + 1 + (value + row * 3) % 7).collect();
        table.push(columns, &times);
    }

    fn content(&mut self, _now_ms: i64) -> Self::Content {
        let mut all = Vec::new();
        self.0.each_entry(&mut |entry| all.push((entry.numbers[0].1, entry.row.unwrap().to_vec())));
        all.sort();
        all
    }

    fn union(all: Vec<Self::Content>) -> Self::Content {
        let mut all: Vec<_> = all.into_iter().flatten().collect();
        all.sort();
        all
    }
}
