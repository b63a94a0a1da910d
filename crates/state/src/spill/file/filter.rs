//! Which hashes are not in a run: a Bloom filter whose bits of one hash lie in one cache line.
//!
//! Invariant: a hash that was added is never said to be absent. Of others about one in a hundred and fifty is taken for
//! there.

/// Bits for each hash.
const BITS_OF_HASH: usize = 12;
/// Bits of a block: a cache line.
const BLOCK_BITS: usize = 512;
/// Bits that are set for each hash.
const PROBES: usize = 6;
/// Spreads the lower bits, as the upper ones choose the block.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Hashes that may be there.
#[derive(Debug)]
pub(super) struct Filter {
    blocks: Vec<[u64; BLOCK_BITS / 64]>,
}

impl Filter {
    /// Room for so many hashes.
    pub(super) fn new(hashes: usize) -> Self {
        let blocks = (hashes * BITS_OF_HASH).div_ceil(BLOCK_BITS).max(1);
        Filter { blocks: vec![[0; BLOCK_BITS / 64]; blocks] }
    }

    #[inline]
    fn block(&self, hash: u64) -> usize {
        (((hash >> 32) * self.blocks.len() as u64) >> 32) as usize
    }

    /// Adds a hash.
    pub(super) fn add(&mut self, hash: u64) {
        let at = self.block(hash);
        bits(hash).for_each(|bit| self.blocks[at][bit / 64] |= 1 << (bit % 64));
    }

    /// Whether it may have been added.
    #[inline]
    pub(super) fn may_hold(&self, hash: u64) -> bool {
        let block = &self.blocks[self.block(hash)];
        bits(hash).all(|bit| block[bit / 64] >> (bit % 64) & 1 == 1)
    }

    /// The memory it takes.
    pub(super) fn memory(&self) -> usize {
        self.blocks.capacity() * BLOCK_BITS / 8
    }
}

#[inline]
fn bits(hash: u64) -> impl Iterator<Item = usize> {
    let spread = hash.wrapping_mul(SPREAD) >> 10;
    (0..PROBES).map(move |probe| (spread >> (9 * probe)) as usize % BLOCK_BITS)
}
