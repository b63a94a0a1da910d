//! Timers: what is due when, by key.
//!
//! Invariant: a key is due at most once at one time; due timers come in the order of their times.

use crate::sections::Sections;
use crate::snapshot::{Reader, write_prefixed};
use crate::{SnapshotRows, StateTable};
use std::collections::BTreeSet;
use std::ops::Range;
use tidemill_types::Result;
use tidemill_types::key::hash;

const SCHEMA: u64 = 0x7469_6d65_7200_0001;

/// Times with the keys that are due.
#[derive(Debug, Clone)]
pub struct Timers {
    due: BTreeSet<(i64, Box<[u8]>)>,
    bytes: usize,
    key_groups: u32,
}

impl Timers {
    /// No timer.
    pub fn new(key_groups: u32) -> Self {
        Timers { due: BTreeSet::new(), bytes: 0, key_groups }
    }

    /// Sets a timer.
    pub fn set(&mut self, time: i64, key: &[u8]) {
        if self.due.insert((time, key.into())) {
            self.bytes += key.len();
        }
    }

    /// Takes a timer back.
    pub fn unset(&mut self, time: i64, key: &[u8]) {
        if self.due.remove(&(time, key.into())) {
            self.bytes -= key.len();
        }
    }

    /// The time of the first timer.
    pub fn next(&self) -> Option<i64> {
        self.due.first().map(|(time, _)| *time)
    }

    /// Takes out the first timer if it is due at or before `time`.
    pub fn pop(&mut self, time: i64) -> Option<(i64, Box<[u8]>)> {
        if self.next()? > time {
            return None;
        }
        let timer = self.due.pop_first()?;
        self.bytes -= timer.1.len();
        Some(timer)
    }
}

impl StateTable for Timers {
    fn schema_id(&self) -> u64 {
        SCHEMA
    }

    /// Row: time, key (prefixed).
    fn snapshot(&self, groups: Range<u32>) -> SnapshotRows {
        let mut sections = Sections::new(groups, self.key_groups);
        for (time, key) in &self.due {
            if let Some(out) = sections.row(hash(key)) {
                out.extend_from_slice(&time.to_le_bytes());
                write_prefixed(out, key);
            }
        }
        sections.finish(SCHEMA)
    }

    fn restore(&mut self, rows: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        rows.check_schema(SCHEMA)?;
        for section in rows.of_groups(groups) {
            let mut reader = Reader::new(&section.bytes);
            while !reader.is_done() {
                let time = reader.i64()?;
                self.set(time, reader.prefixed()?);
            }
        }
        Ok(())
    }

    fn clear(&mut self) {
        *self = Timers::new(self.key_groups);
    }

    fn bytes(&self) -> usize {
        self.bytes + self.due.len() * 48
    }

    fn len(&self) -> usize {
        self.due.len()
    }
}
