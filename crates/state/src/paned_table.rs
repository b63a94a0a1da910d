//! The value table with panes: (key, pane) → slot → cells, for windows.
//!
//! A key is interned once and keeps its number over all panes, so a row costs one probe of the key table
//! whatever number of panes there are; from there each pane finds its slot by number. All panes share one
//! block of cells, so rows of many panes are aggregated by one call, and slots of dropped panes are used
//! again.
//! Invariant: a slot belongs to one key and one pane. Keys without a slot go away at [`PanedTable::sweep`]
//! only, so numbers stay valid while a chunk is worked on.

use crate::sections::{GONE, Sections};
use crate::snapshot::{Reader, Section, write_prefixed};
use crate::tracking::Tracking;
use crate::{KeyIndex, SlotCells, SnapshotRows, StateTable};
use hashbrown::HashTable;
use std::collections::BTreeMap;
use std::ops::Range;
use tidemill_types::key::{EncodedKeys, hash, key_group};
use tidemill_types::{CellKind, Result};

/// What is gone, in a section of changes: the rows of a pane, or one row.
const PANE: u8 = 0;
const ROW: u8 = 1;

const SALT: u64 = 0x7061_6e65_6400_0001;
const NONE: u32 = u32::MAX;
/// A pane that holds one in so many of all keys finds slots by position, others by hash.
const DENSE_SHARE: usize = 4;
/// So many unused keys do no harm: they are likely to come again.
pub const UNUSED_KEYS: usize = 4_096;

/// Which pane: its end, then its start, in ms. Panes are ordered by end.
pub type PaneId = (i64, i64);

/// The first pane for derived values: such are never saved and not among [`PanedTable::panes`].
pub const DERIVED_PANE: PaneId = (i64::MIN, i64::MIN);

/// Real panes end at or after this.
const DERIVED_END: PaneId = (i64::MIN + 64, i64::MIN);

/// Further panes for derived values, by level (1 to 63) and number.
pub fn derived_pane(level: u32, number: i64) -> PaneId {
    debug_assert!((1..64).contains(&level), "levels of derived panes are small");
    (i64::MIN + i64::from(level), number)
}

/// How a pane finds the slot of a key number.
#[derive(Debug, Clone)]
enum Lookup {
    /// By position.
    Dense(Vec<u32>),
    /// Slots by hash of the key number.
    Sparse(HashTable<u32>),
}

#[derive(Debug, Clone)]
struct Pane {
    slots: Vec<u32>,
    lookup: Lookup,
    /// Whether rows were looked up to be changed since the last checkpoint.
    changed: bool,
    /// Whether a checkpoint has it.
    saved: bool,
}

impl Default for Pane {
    fn default() -> Self {
        let lookup = Lookup::Sparse(HashTable::new());
        Pane { slots: Vec::new(), lookup, changed: false, saved: false }
    }
}

#[inline]
fn spread(id: u32) -> u64 {
    u64::from(id).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32)
}

impl Pane {
    #[inline]
    fn find(&self, id: u32, key_of: &[u32]) -> Option<u32> {
        match &self.lookup {
            Lookup::Dense(slots) => slots.get(id as usize).copied().filter(|&slot| slot != NONE),
            Lookup::Sparse(table) => table.find(spread(id), |&slot| key_of[slot as usize] == id).copied(),
        }
    }

    fn insert(&mut self, id: u32, slot: u32, key_of: &[u32], keys: usize) {
        self.slots.push(slot);
        match &mut self.lookup {
            Lookup::Dense(slots) => {
                if slots.len() <= id as usize {
                    slots.resize(keys.max(id as usize + 1), NONE);
                }
                slots[id as usize] = slot;
            }
            Lookup::Sparse(table) if self.slots.len() * DENSE_SHARE < keys => {
                table.insert_unique(spread(id), slot, |&slot| spread(key_of[slot as usize]));
            }
            Lookup::Sparse(_) => {
                let mut slots = vec![NONE; keys];
                self.slots.iter().for_each(|&slot| slots[key_of[slot as usize] as usize] = slot);
                self.lookup = Lookup::Dense(slots);
            }
        }
    }

    /// Finds these slots no more.
    fn forget(&mut self, gone: &[u32], key_of: &[u32]) {
        for &slot in gone {
            let id = key_of[slot as usize];
            match &mut self.lookup {
                Lookup::Dense(slots) => slots[id as usize] = NONE,
                Lookup::Sparse(table) => {
                    let found = table.find_entry(spread(id), |&other| other == slot);
                    found.expect("a pane finds each of its slots").remove();
                }
            }
        }
    }

    fn bytes(&self) -> usize {
        let lookup = match &self.lookup {
            Lookup::Dense(slots) => slots.capacity() * 4,
            Lookup::Sparse(table) => table.allocation_size(),
        };
        self.slots.capacity() * 4 + lookup
    }
}

/// A table of groups in panes.
#[derive(Debug, Clone)]
pub struct PanedTable {
    keys: KeyIndex,
    /// How many slots each key number has.
    uses: Vec<u32>,
    /// How many keys have a slot.
    used: usize,
    /// The values; read and changed in place.
    pub values: SlotCells,
    key_of: Vec<u32>,
    free: Vec<u32>,
    panes: BTreeMap<PaneId, Pane>,
    tracking: Tracking,
    /// Panes that a checkpoint has and that are gone.
    gone: Vec<PaneId>,
    key_groups: u32,
}

impl PanedTable {
    /// A table with cells of these kinds and so many counted sets.
    pub fn new(kinds: &[CellKind], sets: usize, key_groups: u32) -> Self {
        PanedTable {
            keys: KeyIndex::default(),
            uses: Vec::new(),
            used: 0,
            values: SlotCells::new(kinds, sets),
            key_of: Vec::new(),
            free: Vec::new(),
            panes: BTreeMap::new(),
            tracking: Tracking::default(),
            gone: Vec::new(),
            key_groups,
        }
    }

    /// The number of each key.
    pub fn intern(&mut self, keys: &EncodedKeys, hashes: &[u64], ids: &mut Vec<u32>) {
        self.keys.resolve(keys, hashes, ids);
        self.uses.resize(self.keys.capacity(), 0);
    }

    /// Appends the slots of these key numbers in a pane, to be changed; missing ones are made.
    pub fn slots(&mut self, pane: PaneId, ids: &[u32], out: &mut Vec<u32>) {
        let PanedTable { keys, uses, used, values, key_of, free, panes, tracking, .. } = self;
        let pane = panes.entry(pane).or_default();
        let first = out.len();
        pane.changed = true;
        out.extend(ids.iter().map(|&id| match pane.find(id, key_of) {
            Some(slot) => slot,
            None => {
                let slot = match free.pop() {
                    Some(slot) => {
                        key_of[slot as usize] = id;
                        slot
                    }
                    None => {
                        key_of.push(id);
                        key_of.len() as u32 - 1
                    }
                };
                pane.insert(id, slot, key_of, keys.capacity());
                *used += usize::from(uses[id as usize] == 0);
                uses[id as usize] += 1;
                slot
            }
        }));
        values.grow(key_of.len());
        tracking.grow(key_of.len());
        tracking.touch_all(&out[first..]);
    }

    /// The slot of a key number in a pane, if it has one.
    pub fn find(&self, pane: PaneId, id: u32) -> Option<u32> {
        self.panes.get(&pane)?.find(id, &self.key_of)
    }

    /// The slots of a pane in the order they were made.
    pub fn pane(&self, pane: PaneId) -> &[u32] {
        self.panes.get(&pane).map_or(&[], |pane| &pane.slots)
    }

    /// The panes in order, without derived ones.
    pub fn panes(&self) -> impl DoubleEndedIterator<Item = PaneId> {
        self.panes.range(DERIVED_END..).map(|(&pane, _)| pane)
    }

    /// The panes of this range, in order.
    pub fn panes_in(&self, range: Range<PaneId>) -> impl DoubleEndedIterator<Item = PaneId> {
        self.panes.range(range).map(|(&pane, _)| pane)
    }

    /// The key number of a slot.
    #[inline]
    pub fn key_of(&self, slot: u32) -> u32 {
        self.key_of[slot as usize]
    }

    /// The key of a slot.
    pub fn key(&self, slot: u32) -> &[u8] {
        self.keys.key(self.key_of[slot as usize])
    }

    /// Gives up a pane.
    pub fn drop_pane(&mut self, pane: PaneId) {
        if let Some(held) = self.panes.remove(&pane) {
            if held.saved {
                self.gone.push(pane);
            }
            self.release(&held.slots);
        }
    }

    fn release(&mut self, slots: &[u32]) {
        self.values.clear(slots);
        for &slot in slots {
            self.tracking.forget(slot);
            let uses = &mut self.uses[self.key_of[slot as usize] as usize];
            *uses -= 1;
            self.used -= usize::from(*uses == 0);
        }
        // Reversed, so that the next pane gets them in ascending order again.
        self.free.extend(slots.iter().rev());
    }

    /// Gives up those slots of a pane for which `keep` is false.
    pub fn retain(&mut self, pane: PaneId, mut keep: impl FnMut(&SlotCells, u32) -> bool) {
        let Some(mut held) = self.panes.remove(&pane) else { return };
        let (kept, gone): (Vec<u32>, Vec<u32>) =
            held.slots.iter().partition(|&&slot| keep(&self.values, slot));
        held.forget(&gone, &self.key_of);
        held.slots = kept;
        self.note_gone(pane, &gone);
        self.release(&gone);
        self.panes.insert(pane, held);
    }

    fn note_gone(&mut self, (end, start): PaneId, slots: &[u32]) {
        for &slot in slots.iter().filter(|_| (end, start) >= DERIVED_END) {
            if self.tracking.release(slot) {
                let key = self.key_of[slot as usize];
                let bytes = self.keys.key(key);
                self.tracking.note_gone(self.keys.hash(key), |out| {
                    write_pane((end, start), out);
                    out.push(ROW);
                    write_prefixed(out, bytes);
                });
            }
        }
    }

    /// Forgets keys that no pane uses, if they are more than `tolerated` and than those in use. Numbers
    /// from [`PanedTable::intern`] end here.
    pub fn sweep(&mut self, tolerated: usize) {
        let unused = self.keys.len() - self.used;
        if unused <= tolerated.max(self.used) {
            return;
        }
        for id in 0..self.keys.capacity() as u32 {
            if self.uses[id as usize] == 0 && self.keys.is_live(id) {
                self.keys.remove(id);
            }
        }
    }
}

fn write_pane((end, start): PaneId, out: &mut Vec<u8>) {
    out.extend_from_slice(&end.to_le_bytes());
    out.extend_from_slice(&start.to_le_bytes());
}

impl PanedTable {
    /// Row: pane end, pane start, key (prefixed), values.
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

    fn read(&mut self, reader: &mut Reader<'_>, slots: &mut Vec<u32>) -> Result<()> {
        let pane = (reader.i64()?, reader.i64()?);
        let key = reader.prefixed()?;
        let id = self.keys.resolve_one(hash(key), key);
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
                if let Some(id) = self.keys.find(hash(key), key) {
                    self.give_up(pane, |_, key| key != id);
                }
            }
        }
        for (pane, mut groups) in panes {
            groups.sort_unstable();
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
        if !held.slots.is_empty() {
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
        self.start_tracking();
        self.tracking.settle_all();
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
        }
        Ok(())
    }

    fn clear(&mut self) {
        let kinds: Vec<CellKind> = self.values.cells.iter().map(|cells| cells.kind()).collect();
        *self = PanedTable::new(&kinds, self.values.sets.len(), self.key_groups);
    }

    fn bytes(&self) -> usize {
        self.keys.bytes()
            + self.values.bytes()
            + self.panes.values().map(Pane::bytes).sum::<usize>()
            + (self.uses.capacity() + self.key_of.capacity() + self.free.capacity()) * 4
            + self.tracking.bytes()
    }

    fn len(&self) -> usize {
        self.key_of.len() - self.free.len()
    }
}

fn skip_gone(reader: &mut Reader<'_>) -> Result<()> {
    reader.bytes(16)?;
    if reader.u8()? == ROW {
        reader.prefixed()?;
    }
    Ok(())
}
