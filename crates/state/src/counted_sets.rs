//! One counted set of encoded values for each slot: what DISTINCT aggregates keep.
//!
//! All sets share one hash table keyed by slot and value, so a chunk of rows costs one probe a row however
//! many groups it touches. The entries of a slot form a list, so that a slot can be given up.
//! Invariant: no entry has count 0. Counts below zero are kept: a withdrawal may overtake.

use crate::snapshot::{Reader, write_prefixed};
use hashbrown::HashTable;
use tidemill_types::Result;
use tidemill_types::key::hash as hash_key;

const NONE: u32 = u32::MAX;
const INLINE: usize = 15;

/// A value; short ones need no memory of their own.
#[derive(Debug, Clone)]
enum Value {
    Short { len: u8, bytes: [u8; INLINE] },
    Long(Box<[u8]>),
}

impl Value {
    fn new(value: &[u8]) -> Self {
        if value.len() > INLINE {
            return Value::Long(value.into());
        }
        let mut bytes = [0; INLINE];
        bytes[..value.len()].copy_from_slice(value);
        Value::Short { len: value.len() as u8, bytes }
    }

    #[inline]
    fn as_slice(&self) -> &[u8] {
        match self {
            Value::Short { len, bytes } => &bytes[..*len as usize],
            Value::Long(bytes) => bytes,
        }
    }
}

#[derive(Debug, Clone)]
struct Entry {
    hash: u64,
    count: i64,
    slot: u32,
    next: u32,
    previous: u32,
    value: Value,
}

/// Counted sets addressed by slot.
#[derive(Debug, Clone, Default)]
pub struct CountedSets {
    table: HashTable<u32>,
    entries: Vec<Entry>,
    free: Vec<u32>,
    heads: Vec<u32>,
    long_bytes: usize,
}

const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
/// Undoes a multiplication by [`FACTOR`].
const INVERSE: u64 = 0xF1DE_83E1_9937_733D;

#[inline]
fn mix(hash: u64, slot: u32) -> u64 {
    (hash ^ u64::from(slot)).wrapping_mul(FACTOR).rotate_left(23)
}

/// The hash of a value again, which spares hashing it.
#[inline]
fn unmix(mixed: u64, slot: u32) -> u64 {
    mixed.rotate_right(23).wrapping_mul(INVERSE) ^ u64::from(slot)
}

impl CountedSets {
    /// Grows to `len` slots; new ones hold nothing.
    pub fn resize(&mut self, len: usize) {
        debug_assert!(len >= self.heads.len(), "slots are only added");
        self.heads.resize(len, NONE);
    }

    /// Changes the count of a value; gives the count before and after.
    #[inline]
    pub fn add(&mut self, slot: u32, hash: u64, value: &[u8], delta: i64) -> (i64, i64) {
        let hash = mix(hash, slot);
        let entries = &self.entries;
        let found = self.table.find(hash, |&at| {
            let entry = &entries[at as usize];
            entry.hash == hash && entry.slot == slot && entry.value.as_slice() == value
        });
        match found.copied() {
            None => {
                self.insert(slot, hash, value, delta);
                (0, delta)
            }
            Some(at) => {
                let count = &mut self.entries[at as usize].count;
                let before = *count;
                *count += delta;
                if before + delta == 0 {
                    self.remove(at);
                }
                (before, before + delta)
            }
        }
    }

    fn insert(&mut self, slot: u32, hash: u64, value: &[u8], count: i64) {
        let head = self.heads[slot as usize];
        let entry = Entry { hash, count, slot, next: head, previous: NONE, value: Value::new(value) };
        if let Value::Long(bytes) = &entry.value {
            self.long_bytes += bytes.len();
        }
        let at = match self.free.pop() {
            Some(at) => {
                self.entries[at as usize] = entry;
                at
            }
            None => {
                self.entries.push(entry);
                self.entries.len() as u32 - 1
            }
        };
        if head != NONE {
            self.entries[head as usize].previous = at;
        }
        self.heads[slot as usize] = at;
        let entries = &self.entries;
        self.table.insert_unique(hash, at, |&at| entries[at as usize].hash);
    }

    fn remove(&mut self, at: u32) {
        let Entry { hash, next, previous, slot, .. } = self.entries[at as usize];
        if next != NONE {
            self.entries[next as usize].previous = previous;
        }
        match previous {
            NONE => self.heads[slot as usize] = next,
            _ => self.entries[previous as usize].next = next,
        }
        self.release(at, hash);
    }

    fn release(&mut self, at: u32, hash: u64) {
        if let Ok(found) = self.table.find_entry(hash, |&other| other == at) {
            found.remove();
        }
        let value = std::mem::replace(&mut self.entries[at as usize].value, Value::new(&[]));
        if let Value::Long(bytes) = value {
            self.long_bytes -= bytes.len();
        }
        self.free.push(at);
    }

    /// The values of a slot with their counts.
    pub fn entries(&self, slot: u32) -> impl Iterator<Item = (&[u8], i64)> {
        let mut at = self.heads[slot as usize];
        std::iter::from_fn(move || {
            let entry = self.entries.get(at as usize)?;
            at = entry.next;
            Some((entry.value.as_slice(), entry.count))
        })
    }

    /// Adds the values of the slot `from` to the slot `to`, the oldest first, and tells the count of each
    /// before and after.
    pub fn merge(&mut self, from: u32, to: u32, mut told: impl FnMut(&[u8], i64, i64)) {
        let mut order = Vec::new();
        let mut at = self.heads[from as usize];
        while at != NONE {
            order.push(at);
            at = self.entries[at as usize].next;
        }
        for &at in order.iter().rev() {
            let Entry { hash, count, ref value, .. } = self.entries[at as usize];
            let value = value.clone();
            let (before, after) = self.add(to, unmix(hash, from), value.as_slice(), count);
            told(value.as_slice(), before, after);
        }
    }

    /// Forgets the values of a slot.
    pub fn clear(&mut self, slot: u32) {
        let mut at = std::mem::replace(&mut self.heads[slot as usize], NONE);
        while at != NONE {
            let Entry { hash, next, .. } = self.entries[at as usize];
            self.release(at, hash);
            at = next;
        }
    }

    /// Appends the values of a slot to a saved row.
    pub fn write(&self, slot: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.entries(slot).count() as u32).to_le_bytes());
        for (value, count) in self.entries(slot) {
            write_prefixed(out, value);
            out.extend_from_slice(&count.to_le_bytes());
        }
    }

    /// The reverse of [`CountedSets::write`].
    pub fn read(&mut self, slot: u32, from: &mut Reader<'_>) -> Result<()> {
        for _ in 0..from.u32()? {
            let value = from.prefixed()?;
            let count = from.i64()?;
            self.add(slot, hash_key(value), value, count);
        }
        Ok(())
    }

    /// The memory it takes, roughly.
    pub fn bytes(&self) -> usize {
        self.table.allocation_size()
            + self.entries.capacity() * size_of::<Entry>()
            + (self.free.capacity() + self.heads.capacity()) * 4
            + self.long_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(sets: &mut CountedSets, slot: u32, value: &str, delta: i64) -> (i64, i64) {
        sets.add(slot, hash_key(value.as_bytes()), value.as_bytes(), delta)
    }

    fn sorted(sets: &CountedSets, slot: u32) -> Vec<(Vec<u8>, i64)> {
        let mut all: Vec<_> = sets.entries(slot).map(|(value, count)| (value.to_vec(), count)).collect();
        all.sort();
        all
    }

    #[test]
    fn slots_are_apart_and_counts_may_go_below_zero() {
        let mut sets = CountedSets::default();
        sets.resize(2);
        let long = "a value longer than what fits in place";
        assert_eq!(add(&mut sets, 0, "a", 1), (0, 1));
        assert_eq!(add(&mut sets, 1, "a", 1), (0, 1));
        assert_eq!(add(&mut sets, 0, "a", 1), (1, 2));
        assert_eq!(add(&mut sets, 0, long, -1), (0, -1));
        assert_eq!(sorted(&sets, 0), [(b"a".to_vec(), 2), (long.as_bytes().to_vec(), -1)]);
        assert_eq!(add(&mut sets, 0, long, 1), (-1, 0));
        assert_eq!(add(&mut sets, 0, "a", -2), (2, 0));
        assert_eq!((sorted(&sets, 0).len(), sorted(&sets, 1).len()), (0, 1));
    }

    #[test]
    fn a_slot_is_added_to_another_in_order() {
        let mut sets = CountedSets::default();
        sets.resize(2);
        let long = "a value longer than what fits in place";
        for (slot, value, delta) in [(0, "a", 2), (0, long, 1), (0, "b", 3), (1, "b", -3), (1, "a", 1)] {
            add(&mut sets, slot, value, delta);
        }
        let mut told = Vec::new();
        sets.merge(0, 1, |value, before, after| told.push((value.to_vec(), before, after)));
        let told: Vec<_> = told.iter().map(|(v, b, a)| (v.as_slice(), *b, *a)).collect();
        assert_eq!(told, [(b"a".as_slice(), 1, 3), (long.as_bytes(), 0, 1), (b"b".as_slice(), -3, 0)]);
        assert_eq!(sorted(&sets, 1), [(b"a".to_vec(), 3), (long.as_bytes().to_vec(), 1)]);
        // Found under the hash it would have been added with.
        assert_eq!(add(&mut sets, 1, long, 1), (1, 2));
        assert_eq!(sorted(&sets, 0).len(), 3);
    }

    #[test]
    fn a_slot_can_be_saved_cleared_and_read() {
        let mut sets = CountedSets::default();
        sets.resize(1);
        (0..100).for_each(|i| {
            add(&mut sets, 0, &format!("v{i}"), i + 1);
        });
        let before = sorted(&sets, 0);
        let mut bytes = Vec::new();
        sets.write(0, &mut bytes);
        sets.clear(0);
        assert!(sorted(&sets, 0).is_empty());
        sets.read(0, &mut Reader::new(&bytes)).unwrap();
        assert_eq!(sorted(&sets, 0), before);
    }
}
