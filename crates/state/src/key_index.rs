//! From encoded keys to small numbers and back.
//!
//! Invariant: a number stays with its key until it is removed; removed numbers are given out again. The
//! full hash of a key is kept, so that growing and removing never hash again. Key bytes lie in one arena,
//! 8-byte aligned, which is packed when half of it is garbage.

use hashbrown::HashTable;
use tidemill_types::bytes::same;
use tidemill_types::key::EncodedKeys;

const ALIGNMENT: usize = 8;
/// Below so much garbage the arena is not packed.
const GARBAGE_MIN_BYTES: usize = 1 << 20;
const FREE: u32 = u32::MAX;
/// No key has this number: it would be the last of four billion.
const NO_CANDIDATE: u32 = u32::MAX;

/// Which number a key has; the tag is the upper half of its hash, to skip most comparisons of bytes.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    tag: u32,
    id: u32,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u64,
    /// In units of [`ALIGNMENT`].
    offset: u32,
    /// [`FREE`]: the number is not in use.
    len: u32,
}

/// A two-way map between encoded keys and numbers.
#[derive(Debug, Clone, Default)]
pub struct KeyIndex {
    table: HashTable<Bucket>,
    entries: Vec<Entry>,
    arena: Vec<u8>,
    free: Vec<u32>,
    garbage: usize,
}

impl KeyIndex {
    /// Makes room for so many more keys.
    pub fn reserve(&mut self, keys: usize) {
        let entries = &self.entries;
        self.table.reserve(keys, |bucket| entries[bucket.id as usize].hash);
        self.entries.reserve(keys);
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All numbers in use are below this.
    pub fn capacity(&self) -> usize {
        self.entries.len()
    }

    /// The number of each key; a new key gets one.
    pub fn resolve(&mut self, keys: &EncodedKeys, hashes: &[u64], ids: &mut Vec<u32>) {
        debug_assert_eq!(keys.len(), hashes.len(), "one hash for each key");
        ids.clear();
        // In two passes, so that no look into the table waits for the comparison before it.
        ids.extend(hashes.iter().map(|&hash| self.candidate(hash)));
        for ((id, key), &hash) in ids.iter_mut().zip(keys.iter()).zip(hashes) {
            if *id == NO_CANDIDATE || !same(self.key(*id), key) {
                *id = self.resolve_one(hash, key);
            }
        }
    }

    /// The number that most likely belongs to the key with this hash.
    #[inline]
    fn candidate(&self, hash: u64) -> u32 {
        let tag = (hash >> 32) as u32;
        self.table.find(hash, |bucket| bucket.tag == tag).map_or(NO_CANDIDATE, |bucket| bucket.id)
    }

    /// The number of one key; a new key gets one.
    #[inline]
    pub fn resolve_one(&mut self, hash: u64, key: &[u8]) -> u32 {
        match self.find(hash, key) {
            Some(id) => id,
            None => self.insert(hash, key),
        }
    }

    /// The number of a key, if it has one.
    #[inline]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<u32> {
        let tag = (hash >> 32) as u32;
        self.table
            .find(hash, |bucket| bucket.tag == tag && same(self.key(bucket.id), key))
            .map(|bucket| bucket.id)
    }

    #[cold]
    fn insert(&mut self, hash: u64, key: &[u8]) -> u32 {
        let offset = self.arena.len() / ALIGNMENT;
        let offset = u32::try_from(offset).expect("the keys of one task stay below 32 GB");
        self.arena.extend_from_slice(key);
        self.arena.resize(self.arena.len().next_multiple_of(ALIGNMENT), 0);
        let entry = Entry { hash, offset, len: key.len() as u32 };
        let id = match self.free.pop() {
            Some(id) => {
                self.entries[id as usize] = entry;
                id
            }
            None => {
                self.entries.push(entry);
                self.entries.len() as u32 - 1
            }
        };
        let entries = &self.entries;
        let bucket = Bucket { tag: (hash >> 32) as u32, id };
        self.table.insert_unique(hash, bucket, |bucket| entries[bucket.id as usize].hash);
        id
    }

    /// Frees the number of a key.
    pub fn remove(&mut self, id: u32) {
        let entry = self.entries[id as usize];
        debug_assert_ne!(entry.len, FREE, "a number is freed once");
        if let Ok(found) = self.table.find_entry(entry.hash, |bucket| bucket.id == id) {
            found.remove();
        }
        self.entries[id as usize].len = FREE;
        self.garbage += (entry.len as usize).next_multiple_of(ALIGNMENT);
        self.free.push(id);
        if self.garbage > GARBAGE_MIN_BYTES && self.garbage * 2 > self.arena.len() {
            self.pack();
        }
    }

    fn pack(&mut self) {
        let mut packed = Vec::with_capacity(self.arena.len() - self.garbage);
        for entry in self.entries.iter_mut().filter(|entry| entry.len != FREE) {
            let start = entry.offset as usize * ALIGNMENT;
            let end = start + (entry.len as usize).next_multiple_of(ALIGNMENT);
            entry.offset = (packed.len() / ALIGNMENT) as u32;
            packed.extend_from_slice(&self.arena[start..end]);
        }
        self.arena = packed;
        self.garbage = 0;
    }

    /// The bytes of a key.
    #[inline]
    pub fn key(&self, id: u32) -> &[u8] {
        let entry = self.entries[id as usize];
        let start = entry.offset as usize * ALIGNMENT;
        &self.arena[start..start + entry.len as usize]
    }

    /// The hash of a key.
    #[inline]
    pub fn hash(&self, id: u32) -> u64 {
        self.entries[id as usize].hash
    }

    /// Whether the number belongs to a key.
    #[inline]
    pub fn is_live(&self, id: u32) -> bool {
        self.entries[id as usize].len != FREE
    }

    /// The numbers in use, ascending.
    pub fn ids(&self) -> impl Iterator<Item = u32> {
        (0..self.entries.len() as u32).filter(|&id| self.is_live(id))
    }

    /// Forgets all keys.
    pub fn clear(&mut self) {
        *self = KeyIndex::default();
    }

    /// The memory it takes, roughly.
    pub fn bytes(&self) -> usize {
        self.table.allocation_size()
            + self.entries.capacity() * size_of::<Entry>()
            + self.arena.capacity()
            + self.free.capacity() * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemill_types::key::hash as hash_key;

    fn resolve(index: &mut KeyIndex, key: &str) -> u32 {
        index.resolve_one(hash_key(key.as_bytes()), key.as_bytes())
    }

    #[test]
    fn numbers_stay_and_are_given_out_again() {
        let mut index = KeyIndex::default();
        assert_eq!(["a", "", "bcd", "a"].map(|key| resolve(&mut index, key)), [0, 1, 2, 0]);
        index.remove(1);
        assert_eq!(index.find(hash_key(b""), b""), None);
        assert_eq!((index.len(), index.ids().collect::<Vec<_>>()), (2, vec![0, 2]));
        assert_eq!(resolve(&mut index, "new"), 1);
        assert_eq!((index.key(1), index.key(2)), (&b"new"[..], &b"bcd"[..]));
    }

    #[test]
    fn packing_keeps_the_keys() {
        let mut index = KeyIndex::default();
        let key = |i: usize| format!("{i:0>200}");
        (0..20_000).for_each(|i| assert_eq!(resolve(&mut index, &key(i)), i as u32));
        (0..20_000).filter(|i| i % 4 != 0).for_each(|i| index.remove(i as u32));
        assert!(index.arena.len() < 2_500_000, "the arena was packed");
        assert!((0..20_000).step_by(4).all(|i| resolve(&mut index, &key(i)) == i as u32));
    }
}
