//! How groups in panes get into checkpoints and back.
//!
//! Row: pane end, pane start, key (prefixed), values. What is gone: pane end, pane start, and then either all rows
//! of the key group in that pane, or the row of a key (prefixed).

use super::pane::Pane;
use super::{DERIVED_END, PaneId, PanedTable};
use crate::entries::Entry;
use crate::sections::{GONE, Sections};
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
    fn write(&self, sections: &mut Sections) {
        let all = sections.any_whole();
        for (&id, pane) in self.panes.range(DERIVED_END..).filter(|(_, pane)| all || pane.changed) {
            for &slot in &pane.slots {
                let key = self.key_of[slot as usize];
                if let Some(out) = sections.row(self.keys.hash(key), self.tracking.is_changed(slot)) {
                    write_pane(id, out);
                    write_prefixed(out, self.keys.key(key));
                    self.values.write(slot, out);
                }
            }
        }
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

    /// Gives up the rows that sections of changes say are gone. Each section speaks for its own key group.
    fn apply_gone(&mut self, sections: &[&Section]) -> Result<()> {
        let mut panes: BTreeMap<PaneId, Vec<u32>> = BTreeMap::new();
        for section in sections {
            let mut reader = Reader::new(&section.bytes);
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

impl StateTable for PanedTable {
    fn schema_id(&self) -> u64 {
        self.values.schema_id() ^ SALT
    }

    fn snapshot(&self, groups: Range<u32>) -> SnapshotRows {
        let mut sections = Sections::new(groups, self.key_groups);
        self.write(&mut sections);
        self.write_moved_out(&|_| true, &mut sections);
        sections.finish(self.schema_id())
    }

    fn restore(&mut self, rows: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        rows.check_schema(self.schema_id())?;
        self.start_tracking();
        let mut slots = Vec::with_capacity(1);
        for section in rows.of_groups(groups) {
            let mut reader = Reader::new(&section.bytes);
            while !reader.is_done() {
                self.read(&mut reader, &mut slots)?;
            }
            self.tend()?;
        }
        Ok(())
    }

    fn delta(&mut self, groups: Range<u32>, whole: &dyn Fn(u32) -> bool) -> SnapshotRows {
        let tracked = self.tracking.is_on();
        let mut sections = Sections::of_changes(groups, self.key_groups, &|group| !tracked || whole(group));
        for &pane in &self.gone {
            sections.gone_everywhere().for_each(|out| {
                write_pane(pane, out);
                out.push(PANE);
            });
        }
        self.tracking.write_gone(&mut sections);
        self.write(&mut sections);
        let whole = |hash| !tracked || whole(key_group(hash, self.key_groups));
        self.write_moved_out(&whole, &mut sections);
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
        for section in sections {
            let mut reader = Reader::new(&section.bytes);
            while !reader.is_done() {
                match reader.u8()? {
                    GONE => skip_gone(&mut reader)?,
                    _ => self.read(&mut reader, &mut slots)?,
                }
            }
            self.tend()?;
        }
        Ok(())
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
