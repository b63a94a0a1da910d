//! Timers: what is due when, by key.
//!
//! Invariant: a key is due at most once at one time; due timers come in the order of their times.

use crate::entries::Entry;
use crate::sections::{GONE, Sections};
use crate::snapshot::{Reader, write_prefixed};
use crate::tracking::Gone;
use crate::{SnapshotRows, StateTable};
use std::collections::BTreeSet;
use std::ops::Range;
use tidemill_types::Result;
use tidemill_types::key::hash;

const SCHEMA: u64 = 0x7469_6d65_7200_0001;

/// When which key is due.
type Timer = (i64, Box<[u8]>);

/// Times with the keys that are due.
#[derive(Debug, Clone)]
pub struct Timers {
    due: BTreeSet<Timer>,
    bytes: usize,
    /// Whether changes are tracked: timers set since the last checkpoint, and those that it has and that are gone.
    tracked: bool,
    fresh: BTreeSet<Timer>,
    gone: Gone,
    key_groups: u32,
}

impl Timers {
    /// No timer.
    pub fn new(key_groups: u32) -> Self {
        Timers {
            due: BTreeSet::new(),
            bytes: 0,
            tracked: false,
            fresh: BTreeSet::new(),
            gone: Gone::default(),
            key_groups,
        }
    }

    /// Sets a timer.
    pub fn set(&mut self, time: i64, key: &[u8]) {
        if self.due.insert((time, key.into())) {
            self.bytes += key.len();
            if self.tracked {
                self.fresh.insert((time, key.into()));
            }
        }
    }

    /// Takes a timer back.
    pub fn unset(&mut self, time: i64, key: &[u8]) {
        let timer = (time, key.into());
        if self.due.remove(&timer) {
            self.note_gone(&timer);
        }
    }

    fn note_gone(&mut self, timer: &Timer) {
        self.bytes -= timer.1.len();
        if self.tracked && !self.fresh.remove(timer) {
            self.gone.push(hash(&timer.1), |out| write_timer(timer, out));
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
        self.note_gone(&timer);
        Some(timer)
    }

    /// Starts to track changes; no checkpoint has what there is.
    fn track(&mut self) {
        if !self.tracked {
            self.tracked = true;
            self.fresh.clone_from(&self.due);
        }
    }

    /// Adds or takes out a timer as a checkpoint has it.
    fn put(&mut self, reader: &mut Reader<'_>, gone: bool) -> Result<()> {
        let timer: Timer = (reader.i64()?, reader.prefixed()?.into());
        let len = timer.1.len();
        match gone {
            true if self.due.remove(&timer) => self.bytes -= len,
            false if self.due.insert(timer) => self.bytes += len,
            _ => {}
        }
        Ok(())
    }
}

/// Row: time, key (prefixed).
fn write_timer((time, key): &Timer, out: &mut Vec<u8>) {
    out.extend_from_slice(&time.to_le_bytes());
    write_prefixed(out, key);
}

impl StateTable for Timers {
    fn schema_id(&self) -> u64 {
        SCHEMA
    }

    fn snapshot(&self, groups: Range<u32>) -> SnapshotRows {
        let mut sections = Sections::new(groups, self.key_groups);
        for timer in &self.due {
            sections.row(hash(&timer.1), true).into_iter().for_each(|out| write_timer(timer, out));
        }
        sections.finish(SCHEMA)
    }

    fn restore(&mut self, rows: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        rows.check_schema(SCHEMA)?;
        self.track();
        for section in rows.of_groups(groups) {
            let mut reader = Reader::new(&section.bytes);
            while !reader.is_done() {
                self.put(&mut reader, false)?;
            }
        }
        Ok(())
    }

    fn delta(&mut self, groups: Range<u32>, whole: &dyn Fn(u32) -> bool) -> SnapshotRows {
        let tracked = self.tracked;
        let mut sections = Sections::of_changes(groups, self.key_groups, &|group| !tracked || whole(group));
        self.gone.write(&mut sections);
        if sections.any_whole() {
            for timer in &self.due {
                let out = sections.row(hash(&timer.1), self.fresh.contains(timer));
                out.into_iter().for_each(|out| write_timer(timer, out));
            }
        } else {
            for timer in &self.fresh {
                sections.row(hash(&timer.1), true).into_iter().for_each(|out| write_timer(timer, out));
            }
        }
        self.tracked = true;
        self.fresh.clear();
        self.gone.clear();
        sections.finish(SCHEMA)
    }

    fn apply(&mut self, changes: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        changes.check_schema(SCHEMA)?;
        self.track();
        for section in changes.of_groups(groups) {
            let mut reader = Reader::new(&section.bytes);
            while !reader.is_done() {
                let gone = reader.u8()? == GONE;
                self.put(&mut reader, gone)?;
            }
        }
        Ok(())
    }

    fn each_entry(&self, each: &mut dyn FnMut(Entry<'_>)) {
        for (time, key) in &self.due {
            each(Entry { key: Some(key), numbers: &[("time", *time)], ..Entry::default() });
        }
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
