//! Rows of bytes by number, without an allocation for each.
//!
//! Invariant: a number stays with its row until the row is removed; removed numbers are given out again. The
//! bytes lie in one run, 8-byte aligned, which is packed when half of it is garbage.

const ALIGNMENT: usize = 8;
/// Below so much garbage the bytes are not packed.
const GARBAGE_MIN_BYTES: usize = 1 << 20;
const FREE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Place {
    /// In units of [`ALIGNMENT`].
    offset: u32,
    /// [`FREE`]: the number is not in use.
    len: u32,
}

/// Rows by number.
#[derive(Debug, Clone, Default)]
pub(crate) struct RowArena {
    places: Vec<Place>,
    bytes: Vec<u8>,
    free: Vec<u32>,
    garbage: usize,
}

impl RowArena {
    /// Keeps a row; gives its number.
    pub(crate) fn push(&mut self, row: &[u8]) -> u32 {
        let offset = self.bytes.len() / ALIGNMENT;
        let offset = u32::try_from(offset).expect("the rows of one task stay below 32 GB");
        self.bytes.extend_from_slice(row);
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
        let place = Place { offset, len: row.len() as u32 };
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
        let place = self.places[id as usize];
        let start = place.offset as usize * ALIGNMENT;
        &self.bytes[start..start + place.len as usize]
    }

    /// Frees the number of a row.
    pub(crate) fn remove(&mut self, id: u32) {
        let place = &mut self.places[id as usize];
        debug_assert_ne!(place.len, FREE, "a number is freed once");
        self.garbage += (place.len as usize).next_multiple_of(ALIGNMENT);
        place.len = FREE;
        self.free.push(id);
        if self.garbage > GARBAGE_MIN_BYTES && self.garbage * 2 > self.bytes.len() {
            self.pack();
        }
    }

    fn pack(&mut self) {
        let mut packed = Vec::with_capacity(self.bytes.len() - self.garbage);
        for place in self.places.iter_mut().filter(|place| place.len != FREE) {
            let start = place.offset as usize * ALIGNMENT;
            let end = start + (place.len as usize).next_multiple_of(ALIGNMENT);
            place.offset = (packed.len() / ALIGNMENT) as u32;
            packed.extend_from_slice(&self.bytes[start..end]);
        }
        self.bytes = packed;
        self.garbage = 0;
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// All numbers are below this.
    pub(crate) fn capacity(&self) -> usize {
        self.places.len()
    }

    /// The memory it takes, roughly.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity() + self.places.capacity() * size_of::<Place>() + self.free.capacity() * 4
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
        (0..20_000).filter(|i| i % 4 != 0).for_each(|i| arena.remove(i as u32));
        assert!(arena.bytes.len() < 2_500_000, "the bytes were packed");
        assert!((0..20_000).step_by(4).all(|i| arena.get(i as u32) == row(i)));
        assert_eq!((arena.push(b"new"), arena.len()), (19_999, 5_001));
    }
}
