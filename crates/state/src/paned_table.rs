//! The value table with panes: (key, pane) → slot → cells, for windows.
//!
//! A key is interned once and keeps its number over all panes, so a row costs one probe of the key table
//! whatever number of panes there are; from there each pane finds its slot by number. All panes share one
//! block of cells, so rows of many panes are aggregated by one call, and slots of dropped panes are used
//! again.
//! Invariant: a slot belongs to one key and one pane. Keys without a slot go away at [`PanedTable::sweep`]
//! only, so numbers stay valid while a chunk is worked on.

mod moved;
mod pane;
mod saved;

use crate::snapshot::write_prefixed;
use crate::spill::Spill;
use crate::tracking::Tracking;
use crate::{KeyIndex, SlotCells};
use moved::Moved;
pub use moved::MovedOut;
use pane::Pane;
use saved::{ROW, write_pane};
use std::collections::BTreeMap;
use std::ops::Range;
use tidemill_types::CellKind;
use tidemill_types::key::EncodedKeys;

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
    /// By key.
    spill: Spill,
    moved: Moved,
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
            spill: Spill::default(),
            moved: Moved::default(),
            key_groups,
        }
    }

    /// The number of each key.
    pub fn intern(&mut self, keys: &EncodedKeys, hashes: &[u64], ids: &mut Vec<u32>) {
        if !self.spill.is_empty() {
            self.bring_back(keys, hashes);
        }
        self.keys.resolve(keys, hashes, ids);
        self.spill.touch_all(ids, self.keys.capacity());
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

    /// The slots of a pane in the order they were made, of keys in memory; for the others see
    /// [`PanedTable::moved_out`].
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

    /// Gives up a pane, wherever its rows are.
    pub fn drop_pane(&mut self, pane: PaneId) {
        self.moved.drop_pane(pane);
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
        self.bring_pane_back(pane);
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
