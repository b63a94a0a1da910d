//! Rows of bytes by number, without an allocation for each.
//!
//! Invariant: a number stays with its row until the row is removed; removed numbers are given out again.

use crate::arena::{Arena, Place};

/// Rows by number.
#[derive(Debug, Clone, Default)]
pub(crate) struct RowArena {
    places: Vec<Place>,
    arena: Arena,
    free: Vec<u32>,
}

impl RowArena {
    /// Keeps a row; gives its number.
    pub(crate) fn push(&mut self, row: &[u8]) -> u32 {
        let place = self.arena.add([row, &[]]);
        match self.free.pop() {
            Some(id) => {
                self.places[id as usize] = place;
                id
            }
            None => {
                self.places.push(place);
                self.places.len() as u32 - 1
            }
        }
    }

    /// The bytes of a row.
    #[inline]
    pub(crate) fn get(&self, id: u32) -> &[u8] {
        self.arena.get(self.places[id as usize])
    }

    /// Frees the number of a row.
    pub(crate) fn remove(&mut self, id: u32) {
        let place = std::mem::replace(&mut self.places[id as usize], Place::NONE);
        debug_assert!(!place.is_none(), "a number is freed once");
        self.arena.free(place);
        self.free.push(id);
        if self.arena.sparse() {
            self.pack();
        }
    }

    fn pack(&mut self) {
        self.arena.begin_packing();
        for place in self.places.iter_mut().filter(|place| !place.is_none()) {
            *place = self.arena.packed(*place);
        }
        self.arena.end_packing();
    }

    /// How much of its memory is in use.
    pub(crate) fn used_bytes(&self) -> usize {
        self.arena.live_bytes() + self.len() * size_of::<Place>()
    }

    /// Gives back memory that no row needs. Numbers stay.
    pub(crate) fn shrink(&mut self) {
        if self.arena.shrink() {
            self.pack();
        }
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Whether the number belongs to a row.
    #[inline]
    pub(crate) fn is_live(&self, id: u32) -> bool {
        !self.places[id as usize].is_none()
    }

    /// All numbers are below this.
    pub(crate) fn capacity(&self) -> usize {
        self.places.len()
    }

    /// The memory it takes, roughly.
    pub(crate) fn memory(&self) -> usize {
        self.arena.bytes() + self.places.capacity() * size_of::<Place>() + self.free.capacity() * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_keeps_the_rows() {
        let mut arena = RowArena::default();
        let row = |i: usize| format!("{i:0>200}").into_bytes();
        (0..20_000).for_each(|i| assert_eq!(arena.push(&row(i)), i as u32));
        (0..20_000).filter(|i| i % 8 != 0).for_each(|i| arena.remove(i as u32));
        assert!(arena.memory() < 2_500_000, "the rows were packed");
        assert!((0..20_000).step_by(8).all(|i| arena.get(i as u32) == row(i)));
        assert_eq!((arena.push(b"new"), arena.len()), (19_999, 2_501));
        (0..20_000).filter(|i| i % 16 == 8).for_each(|i| arena.remove(i as u32));
        arena.shrink();
        assert!(arena.memory() < 1_600_000, "{} bytes", arena.memory());
        assert!((0..20_000).step_by(16).all(|i| arena.get(i as u32) == row(i)));
    }
}
