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
use tidemill_plan::pattern::{AfterMatch, MatchRecognizePlan};
use tidemill_state::match_table::{NO_CELLS, NO_KEY};
use tidemill_state::{MatchTable, PartialMatch, Run};
use tidemill_types::{Error, Mark, Result};

/// What a search needs besides the state.
pub(super) struct Searcher {
    pub(super) automaton: Automaton,
    pub(super) conditions: Conditions,
    pub(super) store: RowStore,
    pub(super) skip: AfterMatch,
    pub(super) names: Vec<String>,
    pub(super) within_ms: Option<i64>,
    pub(super) give_timed_out: bool,
    history: bool,
    partial_matches_max: usize,
    has_cells: bool,
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
        table.queue(key);
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
