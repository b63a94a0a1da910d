//! The bytes of keys by number.
//!
//! While all keys have the same length they lie one after another and the number tells the place, so nothing is kept
//! but the bytes. The first key of another length gives each its place in an arena, 8-byte aligned, which is packed when
//! half of it is garbage.

use crate::room::make_room;

const ALIGNMENT: usize = 8;
/// Below so much garbage the arena is not packed.
const GARBAGE_MIN_BYTES: usize = 1 << 20;

/// Where a key lies.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// In units of [`ALIGNMENT`].
    offset: u32,
    len: u32,
}

#[derive(Debug, Clone)]
enum Layout {
    /// All keys have this length.
    Even(usize),
    Places(Vec<Place>),
}

/// The bytes of all keys.
#[derive(Debug, Clone)]
pub(super) struct KeyBytes {
    arena: Vec<u8>,
    layout: Layout,
    garbage: usize,
    /// How many keys are expected before the first is there.
    expected: usize,
}

/// A place in the arena in units of [`ALIGNMENT`].
fn in_units(at: usize) -> u32 {
    u32::try_from(at / ALIGNMENT).expect("the keys of one task stay below 32 GB")
}

impl Default for KeyBytes {
    fn default() -> Self {
        KeyBytes { arena: Vec::new(), layout: Layout::Even(0), garbage: 0, expected: 0 }
    }
}

impl KeyBytes {
    /// Makes room for so many more keys, as soon as their length is known.
    pub(super) fn reserve(&mut self, keys: usize) {
        self.expected = keys;
        match &mut self.layout {
            Layout::Even(len) => self.arena.reserve_exact(keys * *len),
            Layout::Places(places) => places.reserve_exact(keys),
        }
    }

    /// The length of all keys, if it is the same.
    pub(super) fn even_len(&self) -> Option<usize> {
        match self.layout {
            Layout::Even(len) => Some(len),
            Layout::Places(_) => None,
        }
    }

    /// The bytes of a key.
    #[inline]
    pub(super) fn get(&self, id: u32) -> &[u8] {
        match &self.layout {
            Layout::Even(len) => &self.arena[id as usize * len..][..*len],
            Layout::Places(places) => {
                let place = places[id as usize];
                &self.arena[place.offset as usize * ALIGNMENT..][..place.len as usize]
            }
        }
    }

    /// Sets the bytes of a key; `known` numbers had bytes before, and `id` is one of them or the next.
    pub(super) fn set(&mut self, id: u32, key: &[u8], known: usize) {
        match self.layout {
            Layout::Even(_) if known == 0 => {
                self.layout = Layout::Even(key.len());
                self.arena.reserve_exact(self.expected * key.len());
            }
            Layout::Even(len) if len != key.len() => self.give_places(len, known),
            _ => {}
        }
        match &self.layout {
            Layout::Even(len) if (id as usize) < known => {
                self.arena[id as usize * len..][..*len].copy_from_slice(key);
            }
            Layout::Even(_) => {
                make_room(&mut self.arena, key.len());
                self.arena.extend_from_slice(key);
            }
            Layout::Places(_) => self.place(id, key),
        }
    }

    fn place(&mut self, id: u32, key: &[u8]) {
        let Layout::Places(places) = &mut self.layout else { return };
        let offset = in_units(self.arena.len());
        make_room(&mut self.arena, key.len().next_multiple_of(ALIGNMENT));
        self.arena.extend_from_slice(key);
        self.arena.resize(self.arena.len().next_multiple_of(ALIGNMENT), 0);
        let place = Place { offset, len: key.len() as u32 };
        match places.get_mut(id as usize) {
            Some(old) => *old = place,
            None => {
                make_room(places, 1);
                places.push(place);
            }
        }
    }

    /// Keys of the length `len` get places of their own.
    fn give_places(&mut self, len: usize, known: usize) {
        let room = len.next_multiple_of(ALIGNMENT);
        let arena = std::mem::take(&mut self.arena);
        self.arena.reserve_exact(known * room);
        let place = |id: usize| {
            self.arena.extend_from_slice(&arena[id * len..][..len]);
            self.arena.resize((id + 1) * room, 0);
            Place { offset: in_units(id * room), len: len as u32 }
        };
        self.layout = Layout::Places((0..known).map(place).collect());
    }

    /// A number is free.
    pub(super) fn free(&mut self, id: u32) {
        if let Layout::Places(places) = &self.layout {
            self.garbage += (places[id as usize].len as usize).next_multiple_of(ALIGNMENT);
        }
    }

    /// Packs the arena if that is due.
    pub(super) fn pack(&mut self, is_live: impl Fn(u32) -> bool) {
        let Layout::Places(places) = &mut self.layout else { return };
        if self.garbage <= GARBAGE_MIN_BYTES || self.garbage * 2 <= self.arena.len() {
            return;
        }
        let mut packed = Vec::with_capacity(self.arena.len() - self.garbage);
        for (id, place) in places.iter_mut().enumerate() {
            if !is_live(id as u32) {
                *place = Place { offset: 0, len: 0 };
                continue;
            }
            let room = (place.len as usize).next_multiple_of(ALIGNMENT);
            let start = place.offset as usize * ALIGNMENT;
            place.offset = in_units(packed.len());
            packed.extend_from_slice(&self.arena[start..start + room]);
        }
        self.arena = packed;
        self.garbage = 0;
    }

    /// The memory it takes, roughly.
    pub(super) fn bytes(&self) -> usize {
        let places = match &self.layout {
            Layout::Even(_) => 0,
            Layout::Places(places) => places.capacity() * size_of::<Place>(),
        };
        self.arena.capacity() + places
    }
}
