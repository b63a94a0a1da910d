//! The value table with panes: (key, pane) → slot → cells, for windows.
//!
//! A key is interned once and keeps its number over all panes, so a row costs one probe of the key table
//! whatever number of panes there are; from there each pane finds its slot by number. All panes share one
//! block of cells, so rows of many panes are aggregated by one call, and slots of dropped panes are used
//! again.
//! Invariant: a slot belongs to one key and one pane. Keys without a slot go away at [`PanedTable::sweep`]
//! only, so numbers stay valid while a chunk is worked on.

use crate::sections::Sections;
use crate::snapshot::{Reader, write_prefixed};
use crate::{KeyIndex, SlotCells, SnapshotRows, StateTable};
use hashbrown::HashTable;
use std::collections::BTreeMap;
use std::ops::Range;
use tidemill_types::key::{EncodedKeys, hash};
use tidemill_types::{CellKind, Result};

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
}

impl Default for Pane {
    fn default() -> Self {
        Pane { slots: Vec::new(), lookup: Lookup::Sparse(HashTable::new()) }
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
            key_groups,
        }
    }

    /// The number of each key.
    pub fn intern(&mut self, keys: &EncodedKeys, hashes: &[u64], ids: &mut Vec<u32>) {
        self.keys.resolve(keys, hashes, ids);
        self.uses.resize(self.keys.capacity(), 0);
    }

    /// Appends the slots of these key numbers in a pane; missing ones are made.
    pub fn slots(&mut self, pane: PaneId, ids: &[u32], out: &mut Vec<u32>) {
        let PanedTable { keys, uses, used, values, key_of, free, panes, .. } = self;
        let pane = panes.entry(pane).or_default();
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
        if let Some(pane) = self.panes.remove(&pane) {
            self.release(&pane.slots);
        }
    }

    fn release(&mut self, slots: &[u32]) {
        self.values.clear(slots);
        for &slot in slots {
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
        for &slot in &gone {
            let id = self.key_of[slot as usize];
            match &mut held.lookup {
                Lookup::Dense(slots) => slots[id as usize] = NONE,
                Lookup::Sparse(table) => {
                    let found = table.find_entry(spread(id), |&other| other == slot);
                    found.expect("a pane finds each of its slots").remove();
                }
            }
        }
        held.slots = kept;
        self.release(&gone);
        self.panes.insert(pane, held);
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

impl StateTable for PanedTable {
    fn schema_id(&self) -> u64 {
        self.values.schema_id() ^ SALT
    }

    /// Row: pane end, pane start, key (prefixed), values.
    fn snapshot(&self, groups: Range<u32>) -> SnapshotRows {
        let mut sections = Sections::new(groups, self.key_groups);
        for (&id, pane) in self.panes.range(DERIVED_END..) {
            for &slot in &pane.slots {
                let key = self.key_of[slot as usize];
                if let Some(out) = sections.row(self.keys.hash(key)) {
                    out.extend_from_slice(&id.0.to_le_bytes());
                    out.extend_from_slice(&id.1.to_le_bytes());
                    write_prefixed(out, self.keys.key(key));
                    self.values.write(slot, out);
                }
            }
        }
        sections.finish(self.schema_id())
    }

    fn restore(&mut self, rows: &SnapshotRows, groups: Range<u32>) -> Result<()> {
        rows.check_schema(self.schema_id())?;
        let mut slots = Vec::with_capacity(1);
        for section in rows.of_groups(groups) {
            let mut reader = Reader::new(&section.bytes);
            while !reader.is_done() {
                let pane = (reader.i64()?, reader.i64()?);
                let key = reader.prefixed()?;
                let id = self.keys.resolve_one(hash(key), key);
                self.uses.resize(self.keys.capacity(), 0);
                slots.clear();
                self.slots(pane, &[id], &mut slots);
                self.values.read(slots[0], &mut reader)?;
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
    }

    fn len(&self) -> usize {
        self.key_of.len() - self.free.len()
    }
}
