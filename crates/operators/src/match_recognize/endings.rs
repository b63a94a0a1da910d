//! How matches end: they are given, left out by the skip strategy, or too old.

use super::found::{Found, Moment};
use super::heap;
use super::search::{Searcher, Task};
use tidemill_plan::pattern::AfterMatch;
use tidemill_state::{MatchTable, PartialMatch};
use tidemill_types::{Error, Result};

/// With so many keys looked at, those of which nothing is kept are forgotten, unless something waits to come out.
const RELEASE_KEYS: usize = 4_096;

impl Searcher {
    /// Gives the complete matches that need not wait.
    pub(super) fn give(
        &self,
        key: u32,
        time: i64,
        moment: Moment,
        table: &mut MatchTable,
        found: &mut Found,
    ) -> Result<()> {
        loop {
            let partition = table.partition_mut(key);
            let earliest = partition.partial.first().map_or(u64::MAX, |matched| matched.start);
            if partition.completed.first().is_none_or(|complete| complete.start > earliest) {
                return Ok(());
            }
            let Some(complete) = heap::pop(&mut partition.completed) else { return Ok(()) };
            let (first, inclusive) = self.search_goes_on(&complete)?;
            let keep = |matched: &PartialMatch| {
                matched.is_open() || matched.start > first || (matched.start == first && !inclusive)
            };
            let mut gone = Vec::new();
            heap::retain(&mut partition.partial, keep, |matched| gone.push(matched.cells));
            heap::retain(&mut partition.completed, keep, |_| ());
            gone.into_iter().for_each(|cells| table.drop_cells(cells));
            found.add(key, &complete, table.partition(key), time, moment, false);
        }
    }

    /// Matches that began before this row are left out; whether those that began at it are, too.
    fn search_goes_on(&self, complete: &PartialMatch) -> Result<(u64, bool)> {
        let last = complete.start + complete.rows() - 1;
        match self.skip {
            AfterMatch::PastLastRow => Ok((last, true)),
            AfterMatch::NextRow => Ok((complete.start, true)),
            AfterMatch::First(variable) => self.to_row(complete, variable, first_of(complete, variable)),
            AfterMatch::Last(variable) => self.to_row(complete, variable, last_of(complete, variable)),
        }
    }

    fn to_row(&self, complete: &PartialMatch, variable: usize, row: Option<u64>) -> Result<(u64, bool)> {
        let name = &self.names[variable];
        match row {
            None => Err(Error::user_hint(
                format!("AFTER MATCH SKIP TO {name}: could not skip, the match has no row of {name}"),
                "skip to a variable that every match has, PAST LAST ROW or TO NEXT ROW",
            )),
            Some(row) if row == complete.start => Err(Error::user_hint(
                format!(
                    "AFTER MATCH SKIP TO {name}: could not skip to the first row of a match, the search would never end"
                ),
                "skip PAST LAST ROW or TO NEXT ROW",
            )),
            Some(row) => Ok((row, false)),
        }
    }

    /// Ends the matches of a key that are too old when a row comes.
    pub(super) fn expire_before(
        &mut self,
        task: &Task<'_>,
        row: u32,
        key: u32,
        table: &mut MatchTable,
        found: &mut Found,
    ) -> Result<()> {
        let Some(within) = self.within_ms else { return Ok(()) };
        let own = (task.mark_of)(row as usize);
        let time = task.rows.times[row as usize];
        while let Some(matched) = table.partition(key).partial.first().filter(|matched| !matched.is_open()) {
            let due = matched.start_time.saturating_add(within);
            let mark = task.marks.partition_point(|mark| mark.watermark < due);
            if mark < own as usize {
                let moment = Moment { mark: mark as u32, after: true, row };
                self.expire(key, task.marks[mark].watermark, moment, table, found)?;
            } else if due <= time {
                let moment = Moment { mark: own, after: false, row };
                self.expire(key, time, moment, table, found)?;
            } else {
                break;
            }
        }
        Ok(())
    }

    /// Ends the matches that are too old when the time comes, for all keys.
    pub(super) fn expire_due(
        &mut self,
        time: i64,
        moment_of: impl Fn(i64) -> (i64, Moment),
        table: &mut MatchTable,
        found: &mut Found,
        touched: &mut Vec<u32>,
    ) -> Result<()> {
        let Some(within) = self.within_ms else { return Ok(()) };
        while let Some(key) = table.pop_due(time) {
            while let Some(matched) = table.partition(key).partial.first().filter(|found| !found.is_open()) {
                let due = matched.start_time.saturating_add(within);
                if due > time {
                    break;
                }
                let (at, moment) = moment_of(due);
                self.expire(key, at, moment, table, found)?;
            }
            touched.push(key);
            table.queue(key);
            if touched.len() >= RELEASE_KEYS && found.is_empty() {
                table.release(touched);
                touched.clear();
            }
        }
        Ok(())
    }

    /// Ends the matches of a key that are too old at a time, and gives what waited for them.
    fn expire(
        &self,
        key: u32,
        time: i64,
        moment: Moment,
        table: &mut MatchTable,
        found: &mut Found,
    ) -> Result<()> {
        let within = self.within_ms.unwrap_or(i64::MAX);
        let old = std::mem::take(&mut table.partition_mut(key).partial);
        let mut kept = Vec::with_capacity(old.len());
        let mut last_start = None;
        for matched in old {
            if matched.is_open() || time.saturating_sub(matched.start_time) < within {
                heap::push(&mut kept, matched);
                continue;
            }
            // Of the ways from one first row the first counts.
            if self.give_timed_out && last_start != Some(matched.start) {
                last_start = Some(matched.start);
                found.add(key, &matched, table.partition(key), time, moment, true);
            }
            table.drop_cells(matched.cells);
        }
        table.partition_mut(key).partial = kept;
        self.give(key, time, moment, table, found)?;
        table.trim(key);
        Ok(())
    }
}

fn first_of(complete: &PartialMatch, variable: usize) -> Option<u64> {
    let mut start = complete.start;
    for run in &complete.runs {
        if usize::from(run.variable) == variable {
            return Some(start);
        }
        start += u64::from(run.rows);
    }
    None
}

fn last_of(complete: &PartialMatch, variable: usize) -> Option<u64> {
    let mut end = complete.start + complete.rows();
    for run in complete.runs.iter().rev() {
        if usize::from(run.variable) == variable {
            return Some(end - 1);
        }
        end -= u64::from(run.rows);
    }
    None
}
