//! One pane: its slots, and how it finds the slot of a key number.

use hashbrown::HashTable;

const NONE: u32 = u32::MAX;
/// A pane that holds one in so many of all keys finds slots by position, others by hash.
const DENSE_SHARE: usize = 4;

/// How a pane finds the slot of a key number.
#[derive(Debug, Clone)]
enum Lookup {
    /// By position.
    Dense(Vec<u32>),
    /// Slots by hash of the key number.
    Sparse(HashTable<u32>),
}

#[derive(Debug, Clone)]
pub(super) struct Pane {
    pub(super) slots: Vec<u32>,
    lookup: Lookup,
    /// Whether rows were looked up to be changed since the last checkpoint.
    pub(super) changed: bool,
    /// Whether a checkpoint has it.
    pub(super) saved: bool,
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
    pub(super) fn find(&self, id: u32, key_of: &[u32]) -> Option<u32> {
        match &self.lookup {
            Lookup::Dense(slots) => slots.get(id as usize).copied().filter(|&slot| slot != NONE),
            Lookup::Sparse(table) => table.find(spread(id), |&slot| key_of[slot as usize] == id).copied(),
        }
    }

    pub(super) fn insert(&mut self, id: u32, slot: u32, key_of: &[u32], keys: usize) {
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
    pub(super) fn forget(&mut self, gone: &[u32], key_of: &[u32]) {
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

    pub(super) fn bytes(&self) -> usize {
        let lookup = match &self.lookup {
            Lookup::Dense(slots) => slots.capacity() * 4,
            Lookup::Sparse(table) => table.allocation_size(),
        };
        self.slots.capacity() * 4 + lookup
    }
}
