//! From encoded keys to small numbers and back.
//!
//! Invariant: a number stays with its key until it is removed; removed numbers are given out again. The
//! full hash of a key is kept, so that growing and removing never hash again.

mod key_bytes;

use crate::columns::ColumnWriter;
use crate::room::{grow, make_room};
use hashbrown::HashTable;
use key_bytes::KeyBytes;
use tidemill_types::bytes::same;
use tidemill_types::key::EncodedKeys;

/// No key has this number: it would be the last of four billion.
const NO_CANDIDATE: u32 = u32::MAX;

/// Which number a key has; the tag is the upper half of its hash, to skip most comparisons of bytes.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    tag: u32,
    id: u32,
}

/// A two-way map between encoded keys and numbers.
#[derive(Debug, Clone, Default)]
pub struct KeyIndex {
    table: HashTable<Bucket>,
    /// By number.
    hashes: Vec<u64>,
    keys: KeyBytes,
    free: Vec<u32>,
    /// Which numbers are free, as far as any ever was.
    is_free: Vec<bool>,
}

impl KeyIndex {
    /// Makes room for so many more keys.
    pub fn reserve(&mut self, keys: usize) {
        let hashes = &self.hashes;
        self.table.reserve(keys, |bucket| hashes[bucket.id as usize]);
        self.hashes.reserve_exact(keys);
        self.keys.reserve(keys);
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.hashes.len() - self.free.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All numbers in use are below this.
    pub fn capacity(&self) -> usize {
        self.hashes.len()
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
        let known = self.hashes.len();
        let id = match self.free.pop() {
            Some(id) => {
                self.hashes[id as usize] = hash;
                self.is_free[id as usize] = false;
                id
            }
            None => {
                make_room(&mut self.hashes, 1);
                self.hashes.push(hash);
                known as u32
            }
        };
        self.keys.set(id, key, known);
        let hashes = &self.hashes;
        let bucket = Bucket { tag: (hash >> 32) as u32, id };
        self.table.insert_unique(hash, bucket, |bucket| hashes[bucket.id as usize]);
        id
    }

    /// Frees the number of a key.
    pub fn remove(&mut self, id: u32) {
        debug_assert!(self.is_live(id), "a number is freed once");
        if let Ok(found) = self.table.find_entry(self.hash(id), |bucket| bucket.id == id) {
            found.remove();
        }
        grow(&mut self.is_free, id as usize + 1, false);
        self.is_free[id as usize] = true;
        self.free.push(id);
        self.keys.free(id);
        let is_free = &self.is_free;
        self.keys.pack(|id| !is_free.get(id as usize).copied().unwrap_or_default());
    }

    /// The bytes of a key.
    #[inline]
    pub fn key(&self, id: u32) -> &[u8] {
        self.keys.get(id)
    }

    /// Writes these keys as a column.
    pub(crate) fn write_column(&self, ids: &[u32], out: &mut ColumnWriter<'_>) {
        match self.keys.even_len() {
            Some(len) => out.even_bytes(len, |row| self.key(ids[row])),
            None => out.bytes(|row| Some(self.key(ids[row]))),
        }
    }

    /// The length of all keys, if it is the same.
    pub fn even_len(&self) -> Option<usize> {
        self.keys.even_len()
    }

    /// The hash of a key.
    #[inline]
    pub fn hash(&self, id: u32) -> u64 {
        self.hashes[id as usize]
    }

    /// Whether the number belongs to a key.
    #[inline]
    pub fn is_live(&self, id: u32) -> bool {
        !self.is_free.get(id as usize).copied().unwrap_or_default()
    }

    /// The numbers in use, ascending.
    pub fn ids(&self) -> impl Iterator<Item = u32> {
        (0..self.hashes.len() as u32).filter(|&id| self.is_live(id))
    }

    /// Forgets all keys.
    pub fn clear(&mut self) {
        *self = KeyIndex::default();
    }

    /// The memory it takes, roughly.
    pub fn bytes(&self) -> usize {
        self.table.allocation_size()
            + self.hashes.capacity() * 8
            + self.keys.bytes()
            + self.free.capacity() * 4
            + self.is_free.capacity()
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
        let key = |i: usize| format!("{i:0>200}{}", "x".repeat(i % 2));
        (0..20_000).for_each(|i| assert_eq!(resolve(&mut index, &key(i)), i as u32));
        (0..20_000).filter(|i| i % 4 != 0).for_each(|i| index.remove(i as u32));
        assert!(index.keys.bytes() < 3_000_000, "the arena was packed");
        assert!((0..20_000).step_by(4).all(|i| resolve(&mut index, &key(i)) == i as u32));
    }

    #[test]
    fn keys_of_one_length_need_nothing_but_their_bytes() {
        let mut index = KeyIndex::default();
        let key = |i: usize| format!("{i:0>9}");
        (0..100_000).for_each(|i| assert_eq!(resolve(&mut index, &key(i)), i as u32));
        assert_eq!(index.even_len(), Some(9));
        assert!(index.keys.bytes() < 9 * 125_000);
        index.remove(17);
        assert_eq!((resolve(&mut index, "another 9"), index.key(17)), (17, &b"another 9"[..]));
        index.remove(18);
        assert_eq!(resolve(&mut index, "ten bytes "), 18);
        assert_eq!(index.even_len(), None);
        assert_eq!((index.key(18), index.key(17)), (&b"ten bytes "[..], &b"another 9"[..]));
        assert!((19..100_000).all(|i| resolve(&mut index, &key(i)) == i as u32));
        assert_eq!((resolve(&mut index, ""), index.key(100_000)), (100_000, &b""[..]));
    }
}
