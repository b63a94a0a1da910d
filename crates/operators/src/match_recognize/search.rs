//! The search: rows advance the partial matches of their keys.
//!
//! 1. Matches that the row's time leaves behind end (WITHIN).
//! 2. Each partial match takes the row in all ways that its position allows; the open match stays, so that every row
//!    may begin a match.
//! 3. Complete matches wait as long as a partial match began before them. Those that need not wait are given in the
//!    order of their first rows, and each ends the matches that the skip strategy leaves out.
//!
//! Rows of different keys that stand at the same place of their keys go through together, so that conditions that look
//! at matches are computed for many at once. The order of the results is put right afterwards.
//! Rule: Flink's CEP library; the result may depend on ties in [`super::heap`].

use super::automaton::{Automaton, Edge};
use super::conditions::{Conditions, Pair, Rows};
use super::found::{Found, Moment};
use super::heap;
use super::rows::{Lanes, RowStore, truth};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use tidemill_plan::pattern::{AfterMatch, MatchRecognizePlan};
use tidemill_state::match_table::{NO_CELLS, NO_KEY};
use tidemill_state::{MatchTable, PartialMatch, Run};
use tidemill_types::{Error, Mark, Result};

/// What a search needs besides the state.
pub(super) struct Searcher {
    pub(super) automaton: Automaton,
    pub(super) conditions: Conditions,
    pub(super) store: RowStore,
    skip: AfterMatch,
    names: Vec<String>,
    within_ms: Option<i64>,
    give_timed_out: bool,
    history: bool,
    partial_matches_max: usize,
    has_cells: bool,
    /// When a key may have a match that ends by its age; at most one entry for each key.
    due: BinaryHeap<Reverse<(i64, u32)>>,
    queued: Vec<bool>,
    /// For each key the last row that was seen while rows are chained; empty places hold [`NO_KEY`].
    last_rows: Vec<u32>,
}

/// One chunk of rows in order, with their keys.
pub(super) struct Task<'a> {
    pub(super) rows: Rows<'a>,
    pub(super) lanes: Lanes,
    pub(super) keys: &'a [u32],
    /// The conditions of each row that need no match.
    pub(super) masks: Vec<u64>,
    /// Which conditions those are.
    pub(super) decided: u64,
    /// For each row the mark that lets it through.
    pub(super) mark_of: &'a dyn Fn(usize) -> u32,
    pub(super) marks: &'a [Mark],
}

/// Buffers of one round, kept from round to round.
#[derive(Default)]
struct Round {
    pairs: Vec<Pair>,
    masks: Vec<u64>,
    asking: Vec<Vec<u32>>,
    /// For each variable the pair's aggregates with the row added.
    cells: Vec<Vec<(u32, u32)>>,
    /// Matches that need aggregates of their own: the pair, the variable, and the number of the match among the new ones.
    open: Vec<(Pair, u16, u32)>,
    fresh: Vec<PartialMatch>,
    potential: Vec<PartialMatch>,
}

impl Searcher {
    pub(super) fn new(plan: &MatchRecognizePlan, conditions: Conditions, store: RowStore) -> Self {
        Searcher {
            automaton: Automaton::new(&plan.pattern),
            has_cells: !conditions.kinds().is_empty(),
            conditions,
            store,
            skip: plan.skip,
            names: plan.variables.iter().map(|variable| variable.name.clone()).collect(),
            within_ms: plan.within_ms,
            give_timed_out: plan.give_timed_out,
            history: plan.history_rows() > 0,
            partial_matches_max: plan.partial_matches_max,
            due: BinaryHeap::new(),
            queued: Vec::new(),
            last_rows: Vec::new(),
        }
    }

    /// For each row whether it may begin a match.
    pub(super) fn begins(&self, masks: &[u64], decided: u64) -> Vec<bool> {
        let first = self.automaton.positions[0].edges.iter();
        let variables = first.fold(0_u64, |bits, edge| bits | 1 << edge.variable);
        if variables & !decided != 0 {
            return vec![true; masks.len()];
        }
        masks.iter().map(|mask| mask & variables != 0).collect()
    }

    /// Feeds the rows of a chunk.
    pub(super) fn run(
        &mut self,
        task: &Task<'_>,
        begins: &[bool],
        table: &mut MatchTable,
        found: &mut Found,
    ) -> Result<()> {
        let all = if self.names.len() == 64 { u64::MAX } else { (1 << self.names.len()) - 1 };
        let mut round = Round {
            asking: vec![Vec::new(); self.names.len()],
            cells: vec![Vec::new(); self.names.len()],
            ..Round::default()
        };
        if task.decided & all == all && !self.has_cells {
            for row in (0..task.keys.len()).filter(|&row| task.keys[row] != NO_KEY) {
                if self.concerns(task, begins, table, row) {
                    self.step(task, &[row as u32], &mut round, table, found)?;
                }
            }
            return Ok(());
        }
        let (mut front, next) = self.chains(task.keys);
        while !front.is_empty() {
            front.iter_mut().for_each(|row| {
                while *row != NO_KEY && !self.concerns(task, begins, table, *row as usize) {
                    *row = next[*row as usize];
                }
            });
            front.retain(|row| *row != NO_KEY);
            self.step(task, &front, &mut round, table, found)?;
            front.iter_mut().for_each(|row| *row = next[*row as usize]);
        }
        Ok(())
    }

    /// For each key its first row; for each row the next one of its key.
    fn chains(&mut self, keys: &[u32]) -> (Vec<u32>, Vec<u32>) {
        let (mut front, mut next) = (Vec::new(), vec![NO_KEY; keys.len()]);
        let known = || keys.iter().copied().filter(|key| *key != NO_KEY);
        let capacity = known().max().map_or(0, |key| key as usize + 1);
        self.last_rows.resize(capacity.max(self.last_rows.len()), NO_KEY);
        for (row, &key) in keys.iter().enumerate().filter(|(_, key)| **key != NO_KEY) {
            match self.last_rows[key as usize] {
                NO_KEY => front.push(row as u32),
                before => next[before as usize] = row as u32,
            }
            self.last_rows[key as usize] = row as u32;
        }
        known().for_each(|key| self.last_rows[key as usize] = NO_KEY);
        (front, next)
    }

    /// Whether a row can change anything.
    fn concerns(&self, task: &Task<'_>, begins: &[bool], table: &MatchTable, row: usize) -> bool {
        begins[row] || self.history || !table.partition(task.keys[row]).is_idle()
    }

    /// Feeds rows of different keys.
    fn step(
        &mut self,
        task: &Task<'_>,
        front: &[u32],
        round: &mut Round,
        table: &mut MatchTable,
        found: &mut Found,
    ) -> Result<()> {
        round.pairs.clear();
        round.masks.clear();
        for &row in front {
            let key = task.keys[row as usize];
            self.expire_before(task, row, key, table, found)?;
            for (at, matched) in table.partition(key).partial.iter().enumerate() {
                round.pairs.push(Pair { key, at: at as u32, row, cells: matched.cells });
                round.masks.push(task.masks[row as usize]);
            }
        }
        self.ask(task, round, table)?;
        let mut first = 0;
        for &row in front {
            let count = table.partition(task.keys[row as usize]).partial.len();
            self.advance(task, row, first..first + count, round, table, found)?;
            first += count;
        }
        for cells in &mut round.cells {
            // Copies that no match went on with.
            cells.drain(..).for_each(|(_, slot)| table.drop_cells(slot));
        }
        Ok(())
    }

    /// Computes the conditions that look at matches.
    fn ask(&self, task: &Task<'_>, round: &mut Round, table: &mut MatchTable) -> Result<()> {
        for (at, pair) in round.pairs.iter().enumerate() {
            let position = table.partition(pair.key).partial[pair.at as usize].position;
            for &variable in &self.automaton.positions[usize::from(position)].asks {
                if task.decided & 1 << variable == 0 {
                    round.asking[usize::from(variable)].push(at as u32);
                }
            }
        }
        let mut slots = Vec::new();
        for variable in 0..self.names.len() {
            let asking = std::mem::take(&mut round.asking[variable]);
            if !asking.is_empty() {
                let pairs: Vec<Pair> = asking.iter().map(|&at| round.pairs[at as usize]).collect();
                let holds =
                    self.conditions.of_pairs(variable, &pairs, &task.rows, table, &self.store, &mut slots)?;
                for (&at, holds) in asking.iter().zip(truth(&holds).iter()) {
                    round.masks[at as usize] |= if holds { 1 << variable } else { 0 };
                }
                round.cells[variable].extend(asking.iter().copied().zip(slots.iter().copied()));
            }
            round.asking[variable] = asking;
            round.asking[variable].clear();
        }
        Ok(())
    }

    /// Lets the matches of a key take a row.
    fn advance(
        &mut self,
        task: &Task<'_>,
        row: u32,
        pairs: std::ops::Range<usize>,
        round: &mut Round,
        table: &mut MatchTable,
        found: &mut Found,
    ) -> Result<()> {
        let key = task.keys[row as usize];
        let time = task.rows.times[row as usize];
        let partition = table.partition_mut(key);
        let number = partition.next_row;
        let old = std::mem::take(&mut partition.partial);
        let mut taken = false;
        round.open.clear();
        round.fresh.clear();
        round.potential.clear();
        let mut fresh = std::mem::take(&mut round.fresh);
        for (at, matched) in pairs.zip(&old) {
            let mask = round.masks[at];
            for edge in &self.automaton.positions[usize::from(matched.position)].edges {
                if !fires(edge, mask) {
                    continue;
                }
                taken = true;
                let next = took(matched, edge, number, time);
                let complete = edge.completes.iter().any(|unless| none_of(unless, mask));
                if complete {
                    heap::push(&mut round.potential, next.clone());
                }
                if !self.automaton.positions[usize::from(edge.target)].edges.is_empty() {
                    self.go_on(next, at, edge.variable, round, &mut fresh);
                }
            }
            if matched.is_open() {
                heap::push(&mut fresh, matched.clone());
            }
        }
        self.add_cells(task, &old, round, &mut fresh, table)?;
        let partition = table.partition_mut(key);
        let mut recycled = old;
        recycled.clear();
        partition.partial = fresh;
        round.fresh = recycled;
        partition.completed.reserve(round.potential.len());
        round.potential.drain(..).for_each(|complete| heap::push(&mut partition.completed, complete));
        self.keep_row(task, row, key, taken, table);
        self.check_number(key, table, found)?;
        let moment = Moment { mark: (task.mark_of)(row as usize), after: false, row };
        self.give(key, time, moment, table, found)?;
        table.trim(key);
        self.queue(key, table);
        Ok(())
    }

    /// Adds a match that may take more rows.
    fn go_on(
        &self,
        mut next: PartialMatch,
        pair: usize,
        variable: u16,
        round: &mut Round,
        fresh: &mut Vec<PartialMatch>,
    ) {
        if self.has_cells {
            // Marked by a number until its aggregates are there, since matches move in the heap.
            next.cells = round.open.len() as u32;
            round.open.push((round.pairs[pair], variable, pair as u32));
        }
        heap::push(fresh, next);
    }

    /// Gives the new matches their aggregates: the copies with the row added, and gives up those of the old ones.
    fn add_cells(
        &self,
        task: &Task<'_>,
        old: &[PartialMatch],
        round: &mut Round,
        fresh: &mut [PartialMatch],
        table: &mut MatchTable,
    ) -> Result<()> {
        if !self.has_cells {
            return Ok(());
        }
        let mut slots = Vec::with_capacity(round.open.len());
        let mut made = Vec::new();
        for &(pair, variable, at) in &round.open {
            let copies = &mut round.cells[usize::from(variable)];
            match copies.iter().position(|(own, _)| *own == at) {
                Some(place) => slots.push(copies.swap_remove(place).1),
                None => {
                    self.conditions.with_row(usize::from(variable), &[pair], &task.rows, table, &mut made)?;
                    slots.append(&mut made);
                }
            }
        }
        for matched in fresh.iter_mut().filter(|matched| !matched.is_open()) {
            matched.cells = slots[matched.cells as usize];
        }
        old.iter().for_each(|matched| table.drop_cells(matched.cells));
        Ok(())
    }

    /// Keeps a row if a match took it.
    fn keep_row(&self, task: &Task<'_>, row: u32, key: u32, taken: bool, table: &mut MatchTable) {
        if taken || self.history {
            let slot = table.push_row(key);
            self.store.write(&task.lanes, row as usize, slot, &mut table.rows);
        } else {
            table.pass_row(key);
        }
    }

    fn check_number(&self, key: u32, table: &MatchTable, found: &Found) -> Result<()> {
        let partial = table.partition(key).partial.len() - 1;
        if partial <= self.partial_matches_max {
            return Ok(());
        }
        Err(Error::user_hint(
            format!(
                "MATCH_RECOGNIZE has more than {} partial matches for the key {}",
                self.partial_matches_max,
                found.key_text(table.key(key))
            ),
            "add WITHIN or a stricter condition, or raise the setting 'tidemill.match-recognize.partial-matches-max'",
        ))
    }

    /// Gives the complete matches that need not wait.
    fn give(
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
    fn expire_before(
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
        while let Some(&Reverse((due, key))) = self.due.peek()
            && due <= time
        {
            self.due.pop();
            self.queued[key as usize] = false;
            if !table.is_live(key) {
                continue;
            }
            while let Some(matched) = table.partition(key).partial.first().filter(|found| !found.is_open()) {
                let due = matched.start_time.saturating_add(within);
                if due > time {
                    break;
                }
                let (at, moment) = moment_of(due);
                self.expire(key, at, moment, table, found)?;
            }
            touched.push(key);
            self.queue(key, table);
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

    /// Remembers when the first match of a key ends by its age.
    fn queue(&mut self, key: u32, table: &MatchTable) {
        let Some(within) = self.within_ms else { return };
        let at = key as usize;
        if self.queued.len() <= at {
            self.queued.resize((at + 1).next_power_of_two(), false);
        }
        let first = table.partition(key).partial.first().filter(|matched| !matched.is_open());
        if let Some(matched) = first
            && !self.queued[at]
        {
            self.queued[at] = true;
            self.due.push(Reverse((matched.start_time.saturating_add(within), key)));
        }
    }

    /// When the next match may end by its age.
    pub(super) fn next_due(&self) -> Option<i64> {
        self.due.peek().map(|Reverse((due, _))| *due)
    }

    /// The table was restored.
    pub(super) fn restored(&mut self, table: &MatchTable) {
        self.due.clear();
        self.queued.clear();
        table.ids().for_each(|key| self.queue(key, table));
    }
}

fn none_of(variables: &[u16], mask: u64) -> bool {
    variables.iter().all(|variable| mask & 1 << variable == 0)
}

fn fires(edge: &Edge, mask: u64) -> bool {
    mask & 1 << edge.variable != 0 && none_of(&edge.unless, mask)
}

/// The match with one more row.
fn took(matched: &PartialMatch, edge: &Edge, number: u64, time: i64) -> PartialMatch {
    let mut runs = matched.runs.clone();
    match runs.last_mut() {
        Some(run) if run.variable == edge.variable => run.rows += 1,
        _ => runs.push(Run { variable: edge.variable, rows: 1 }),
    }
    let (start, start_time) = match matched.is_open() {
        true => (number, time),
        false => (matched.start, matched.start_time),
    };
    PartialMatch { start, start_time, position: edge.target, runs, cells: NO_CELLS }
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
