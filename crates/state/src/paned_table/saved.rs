//! How groups in panes get into checkpoints and back.
//!
//! Columns: keys, pane ends, lengths of panes, values; the rows of a pane follow one another. Row: pane end, pane start,
//! key (prefixed), values. What is gone: pane end, pane start, and then either all rows of the key group in that pane, or
//! the row of a key (prefixed). Rows are written where columns do not pay: of keys that are on disk. Before format 2
//! all were.

use super::pane::Pane;
use super::{DERIVED_END, PaneId, PanedTable};
use crate::columns::{ColumnReader, Numbers};
use crate::entries::Entry;
use crate::sections::{Chosen, GONE, Sections};
use crate::snapshot::{Reader, Section, write_prefixed};
use crate::{KeyIndex, MemoryBudget, SnapshotRows, StateTable};
use std::collections::BTreeMap;
use std::ops::Range;
use tidemill_types::key::{hash, key_group};
use tidemill_types::{CellKind, Result};

const SALT: u64 = 0x7061_6e65_6400_0001;
/// What is gone: the rows of a pane, or one row.
const PANE: u8 = 0;
/// See [`PANE`].
pub(super) const ROW: u8 = 1;

/// Writes which pane a row is of.
pub(super) fn write_pane((end, start): PaneId, out: &mut Vec<u8>) {
    out.extend_from_slice(&end.to_le_bytes());
    out.extend_from_slice(&start.to_le_bytes());
}

impl PanedTable {
    /// Writes rows in memory, those that are wanted.
    fn write(&self, sections: &mut Sections) {
        let all = sections.any_whole();
        let mut chosen = Chosen::with_capacity(match all {
            true => self.key_of.len() - self.free.len(),
            false => self.tracking.number_changed(),
        });
        let mut ends = Vec::new();
        for (&id, pane) in self.panes.range(DERIVED_END..).filter(|(_, pane)| all || pane.changed) {
            for &slot in &pane.slots {
                let hash = self.keys.hash(self.key_of[slot as usize]);
                sections.choose(hash, self.tracking.is_changed(slot), slot, &mut chosen);
            }
            ends.push((id, chosen.slots.len()));
        }
        let panes = panes_of_rows(&ends);
        let slots = &chosen.slots;
        let keys: Vec<u32> = slots.iter().map(|&slot| self.key_of[slot as usize]).collect();
        let row_bytes = self.keys.even_len().unwrap_or(8) + 8 + self.values.row_bytes();
        let mut out = sections.columns(&chosen, row_bytes);
        self.keys.write_column(&keys, &mut out);
        out.numbers(|row| panes[row].0);
        out.numbers(|row| panes[row].0.wrapping_sub(panes[row].1));
        self.values.write_columns(slots, &mut out);
    }

    fn start_tracking(&mut self) {
        let used = self.panes.range(DERIVED_END..).flat_map(|(_, pane)| pane.slots.iter().copied());
        self.tracking.start(self.key_of.len(), used);
    }

    fn write_moved_out(&self, whole: &dyn Fn(u64) -> bool, sections: &mut Sections) {
        self.see_moved_out(whole, |hash, key, pane, row| {
            if let Some(out) = sections.row(hash, row.changed) {
                write_pane(pane, out);
                write_prefixed(out, key);
                out.extend_from_slice(row.values);
            }
        });
    }

    fn read(&mut self, reader: &mut Reader<'_>, slots: &mut Vec<u32>) -> Result<()> {
        let pane = (reader.i64()?, reader.i64()?);
        let key = reader.prefixed()?;
        self.take_back(hash(key), key);
        let id = self.keys.resolve_one(hash(key), key);
        self.spill.touch_all(&[id], self.keys.capacity());
        self.uses.resize(self.keys.capacity(), 0);
        slots.clear();
        let known = self.len();
        let changed = self.panes.get(&pane).is_some_and(|pane| pane.changed);
        self.slots(pane, &[id], slots);
        if self.len() == known {
            self.values.clear(slots);
        }
        self.tracking.settle(slots[0]);
        if let Some(pane) = self.panes.get_mut(&pane) {
            (pane.changed, pane.saved) = (changed, true);
        }
        self.values.read(slots[0], reader)
    }

    /// Reads the rows of a section; what is gone has been given up.
    fn read_section(&mut self, section: &Section, slots: &mut Vec<u32>) -> Result<()> {
        let (mut reader, columns) = section.parts()?;
        while !reader.is_done() {
            match section.whole || reader.u8()? != GONE {
                true => self.read(&mut reader, slots)?,
                false => skip_gone(&mut reader)?,
            }
        }
        columns.map_or(Ok(()), |columns| self.read_columns(columns))?;
        self.tend()
    }

    fn read_columns(&mut self, mut columns: ColumnReader<'_>) -> Result<()> {
        let mut ids = Vec::with_capacity(columns.rows());
        columns.bytes()?.for_each_batch(|keys| {
            let mut found = Vec::with_capacity(keys.len());
            let hashes: Vec<u64> = keys.iter().map(hash).collect();
            self.intern(keys, &hashes, &mut found);
            ids.extend(found);
        })?;
        let mut slots = Vec::with_capacity(columns.rows());
        let panes = panes_read(&columns.numbers()?, &columns.numbers()?);
        let mut runs = panes.as_slice();
        while let Some(&pane) = runs.first() {
            let rows = runs.iter().take_while(|&&other| other == pane).count();
            self.settled_slots(pane, &ids[slots.len()..slots.len() + rows], &mut slots);
            runs = &runs[rows..];
        }
        self.values.read_columns(&slots, &mut columns)
    }

    /// Appends the slots of keys whose rows in a pane are about to be read.
    fn settled_slots(&mut self, pane: PaneId, ids: &[u32], slots: &mut Vec<u32>) {
        let (first, changed) = (slots.len(), self.panes.get(&pane).is_some_and(|pane| pane.changed));
        self.slots(pane, ids, slots);
        slots[first..].iter().for_each(|&slot| self.tracking.settle(slot));
        if let Some(pane) = self.panes.get_mut(&pane) {
            (pane.changed, pane.saved) = (changed, true);
        }
    }

    /// Gives up the rows that sections of changes say are gone. Each section speaks for its own key group.
    fn apply_gone(&mut self, sections: &[&Section]) -> Result<()> {
        let mut panes: BTreeMap<PaneId, Vec<u32>> = BTreeMap::new();
        for section in sections {
            let (mut reader, _) = section.parts()?;
            while !reader.is_done() && reader.u8()? == GONE {
                let pane = (reader.i64()?, reader.i64()?);
                if reader.u8()? == PANE {
                    panes.entry(pane).or_default().push(section.group);
                    continue;
                }
                let key = reader.prefixed()?;
                self.take_back(hash(key), key);
                if let Some(id) = self.keys.find(hash(key), key) {
                    self.give_up(pane, |_, key| key != id);
                }
            }
        }
        for (pane, mut groups) in panes {
            groups.sort_unstable();
            self.bring_pane_back(pane);
            let key_groups = self.key_groups;
            self.give_up(pane, |keys, key| {
                groups.binary_search(&key_group(keys.hash(key), key_groups)).is_err()
            });
        }
        Ok(())
    }

    /// Keeps the rows of a pane whose keys `keep` wants, and the pane if it has rows.
    fn give_up(&mut self, pane: PaneId, keep: impl Fn(&KeyIndex, u32) -> bool) {
        let Some(mut held) = self.panes.remove(&pane) else { return };
        let (kept, gone): (Vec<u32>, Vec<u32>) =
            held.slots.iter().partition(|&&slot| keep(&self.keys, self.key_of[slot as usize]));
        held.forget(&gone, &self.key_of);
        held.slots = kept;
        self.release(&gone);
        if !held.slots.is_empty() || self.moved.holds(pane) {
            self.panes.insert(pane, held);
        }
    }
}

/// The pane of each row, of panes with where their rows end.
fn panes_of_rows(ends: &[(PaneId, usize)]) -> Vec<PaneId> {
    let mut panes = Vec::with_capacity(ends.last().map_or(0, |(_, end)| *end));
    ends.iter().for_each(|&(pane, end)| panes.resize(end, pane));
    panes
}

/// The reverse, of their columns.
fn panes_read(ends: &Numbers<'_>, lengths: &Numbers<'_>) -> Vec<PaneId> {
    let mut panes = Vec::new();
    ends.for_each(|_, end| panes.push((end, end)));
    lengths.for_each(|row, length| panes[row].1 = panes[row].0.wrapping_sub(length));
    panes
}

impl StateTable for PanedTable {
    fn schema_id(&self) -> u64 {
        self.values.schema_id() ^ SALT
    }

    fn snapshot(&self, groups: Range<u32>) -> SnapshotRows {
        let mut sections = Sections::new(groups, self.key_groups);
        self.write_moved_out(&|_| true, &mut sections);
        self.write(&mut sections);
        sections.finish(self.schema_id())
    }

    fn restore(&mut self, rows: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        rows.check_schema(self.schema_id())?;
        self.start_tracking();
        let mut slots = Vec::with_capacity(1);
        rows.of_groups(groups).try_for_each(|section| self.read_section(section, &mut slots))
    }

    fn delta(&mut self, groups: Range<u32>, whole: &dyn Fn(u32) -> bool) -> SnapshotRows {
        let all =
            !self.tracking.is_on() || (self.spill.is_empty() && self.tracking.mostly_changed(self.len()));
        let mut sections = Sections::of_changes(groups, self.key_groups, &|group| all || whole(group));
        for &pane in &self.gone {
            sections.gone_everywhere().for_each(|out| {
                write_pane(pane, out);
                out.push(PANE);
            });
        }
        self.tracking.write_gone(&mut sections);
        let whole = |hash| all || whole(key_group(hash, self.key_groups));
        self.write_moved_out(&whole, &mut sections);
        self.write(&mut sections);
        self.start_tracking();
        self.tracking.settle_all();
        self.spill.settle();
        self.gone.clear();
        self.panes.range_mut(DERIVED_END..).for_each(|(_, pane)| (pane.changed, pane.saved) = (false, true));
        sections.finish(self.schema_id())
    }

    fn apply(&mut self, changes: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        changes.check_schema(self.schema_id())?;
        self.start_tracking();
        let sections: Vec<&Section> = changes.of_groups(groups).collect();
        self.apply_gone(&sections)?;
        let mut slots = Vec::with_capacity(1);
        sections.into_iter().try_for_each(|section| self.read_section(section, &mut slots))
    }

    fn each_entry(&self, each: &mut dyn FnMut(Entry<'_>)) {
        for pane in self.panes() {
            let numbers = [("pane", pane.0)];
            for &slot in self.pane(pane) {
                let (key, cells) = (Some(self.key(slot)), Some((&self.values, slot)));
                each(Entry { key, numbers: &numbers, cells, ..Entry::default() });
            }
        }
    }

    fn clear(&mut self) {
        let kinds: Vec<CellKind> = self.values.cells.iter().map(|cells| cells.kind()).collect();
        let mut spill = std::mem::take(&mut self.spill);
        spill.clear();
        *self = PanedTable { spill, ..PanedTable::new(&kinds, self.values.sets.len(), self.key_groups) };
    }

    fn set_budget(&mut self, budget: &MemoryBudget) {
        self.spill.set_budget(budget);
    }

    fn tend(&mut self) -> Result<()> {
        self.shed(&[]);
        self.sweep_moved_out();
        self.spill.tend()
    }

    fn bytes(&self) -> usize {
        self.keys.bytes()
            + self.values.bytes()
            + self.panes.values().map(Pane::bytes).sum::<usize>()
            + (self.uses.capacity() + self.key_of.capacity() + self.free.capacity()) * 4
            + self.tracking.bytes()
            + self.spill.memory()
    }

    fn len(&self) -> usize {
        self.key_of.len() - self.free.len() + self.moved.rows()
    }
}

fn skip_gone(reader: &mut Reader<'_>) -> Result<()> {
    reader.bytes(16)?;
    if reader.u8()? == ROW {
        reader.prefixed()?;
    }
    Ok(())
}
