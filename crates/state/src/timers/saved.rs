//! How timers get into checkpoints and back, and out of memory.
//!
//! Row and what is gone: time, key (prefixed). Timers that a checkpoint says are gone are looked for in memory, so that
//! all are there while changes are applied.

use super::{Timer, Timers};
use crate::entries::Entry;
use crate::sections::{GONE, Sections};
use crate::snapshot::{Reader, write_prefixed};
use crate::spill::Later;
use crate::{MemoryBudget, SnapshotRows, StateTable};
use std::ops::Range;
use tidemill_types::Result;
use tidemill_types::key::hash;

const SCHEMA: u64 = 0x7469_6d65_7200_0001;
/// What a timer takes beside its key.
const TIMER_BYTES: usize = 48;

pub(super) fn write_timer(time: i64, key: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&time.to_le_bytes());
    write_prefixed(out, key);
}

impl Timers {
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

    /// Writes all timers or the fresh ones.
    fn write(&self, all: bool, sections: &mut Sections) {
        let mut write = |time: i64, key: &[u8], fresh: bool| {
            sections.row(hash(key), fresh).into_iter().for_each(|out| write_timer(time, key, out));
        };
        match all {
            true => self.due.iter().for_each(|timer| write(timer.0, &timer.1, self.fresh.contains(timer))),
            false => self.fresh.iter().for_each(|(time, key)| write(*time, key, true)),
        }
        self.later.iter().for_each(|later| later.for_each(all, &mut write));
    }

    fn memory(&self) -> usize {
        let fresh = self.fresh.iter().map(|(_, key)| key.len() + TIMER_BYTES).sum::<usize>();
        self.bytes + self.due.len() * TIMER_BYTES + fresh + self.gone.bytes()
    }
}

impl StateTable for Timers {
    fn schema_id(&self) -> u64 {
        SCHEMA
    }

    fn snapshot(&self, groups: Range<u32>) -> SnapshotRows {
        let mut sections = Sections::new(groups, self.key_groups);
        self.write(true, &mut sections);
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
        self.write(sections.any_whole(), &mut sections);
        self.tracked = true;
        self.fresh.clear();
        self.gone.clear();
        self.later.iter_mut().for_each(Later::settle);
        sections.finish(SCHEMA)
    }

    fn apply(&mut self, changes: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        changes.check_schema(SCHEMA)?;
        self.track();
        self.bring_back();
        for section in changes.of_groups(groups) {
            let mut reader = Reader::new(&section.bytes);
            while !reader.is_done() {
                let gone = reader.u8()? == GONE;
                self.put(&mut reader, gone)?;
            }
        }
        Ok(())
    }

    fn set_budget(&mut self, budget: &MemoryBudget) {
        self.later = Some(Later::new(budget));
    }

    fn tend(&mut self) -> Result<()> {
        if self.later.as_ref().is_some_and(|later| later.is_due(self.due.len())) {
            let (timers, bytes) = (self.due.len(), self.bytes());
            let surplus = self.later.as_mut().map_or(0, |later| later.surplus(timers, bytes));
            if surplus > 0 {
                self.move_out(surplus);
                let bytes = self.bytes();
                self.later.iter_mut().for_each(|later| later.tell(bytes));
            }
        }
        self.later.as_ref().map_or(Ok(()), Later::check)
    }

    fn each_entry(&self, each: &mut dyn FnMut(Entry<'_>)) {
        let mut show = |time: i64, key: &[u8], _| {
            each(Entry { key: Some(key), numbers: &[("time", time)], ..Entry::default() });
        };
        self.due.iter().for_each(|(time, key)| show(*time, key, true));
        self.later.iter().for_each(|later| later.for_each(true, &mut show));
    }

    fn clear(&mut self) {
        let mut later = self.later.take();
        later.iter_mut().for_each(Later::clear);
        *self = Timers { later, ..Timers::new(self.key_groups) };
    }

    fn bytes(&self) -> usize {
        self.memory() + self.later.as_ref().map_or(0, Later::memory)
    }

    fn len(&self) -> usize {
        self.due.len() + self.later.as_ref().map_or(0, Later::len)
    }
}
