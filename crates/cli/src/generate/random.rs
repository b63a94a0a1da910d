//! The seeded generator of numbers (SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number
//! generators", 2014). Invariant: the same seed gives the same numbers on every machine.

/// A stream of pseudo-random numbers; not for secrets.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

/// A probability, kept as a threshold so that a draw is one comparison.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share(u64);

impl Share {
    /// A probability from 0 to 1.
    pub(super) fn new(share: f64) -> Self {
        Share((share * u64::MAX as f64) as u64)
    }
}

impl Random {
    /// The stream of a seed.
    pub(super) fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// 64 random bits.
    #[inline]
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number in `0..n`, all equally likely; `n` is at least 1.
    #[inline]
    pub(super) fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }

    /// A number in `0..n` where low ones are common: a Zipf law with exponent 1/2, drawn as `n * u * u`. The
    /// commonest has a share of about `1 / sqrt(n)`.
    #[inline]
    pub(super) fn skewed(&mut self, n: u64) -> u64 {
        let u = self.bits() >> 32;
        ((u128::from(u * u) * u128::from(n)) >> 64) as u64
    }

    /// A number in `0..n` where low ones are common and high ones rare: the product of two even draws.
    #[inline]
    pub(super) fn tapered(&mut self, n: u64) -> u64 {
        let bits = self.bits();
        let product = (bits >> 32) * (bits & 0xffff_ffff);
        ((u128::from(product) * u128::from(n)) >> 64) as u64
    }

    /// Whether something of this probability happens.
    #[inline]
    pub(super) fn happens(&mut self, share: Share) -> bool {
        share.0 != 0 && self.bits() <= share.0
    }
}

/// Spreads the bits of a number; also serves as a hash of small numbers.
#[inline]
pub(super) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_in_range() {
        let mut random = Random::new(3);
        for n in [1, 2, 7, 1_000_000] {
            assert!((0..1_000).all(|_| random.below(n) < n && random.skewed(n) < n && random.tapered(n) < n));
        }
    }

    #[test]
    fn the_commonest_has_its_share() {
        let mut random = Random::new(3);
        let first = (0..100_000).filter(|_| random.skewed(10_000) == 0).count();
        assert!((800..1_200).contains(&first), "1 / sqrt(10,000) of 100,000 is 1,000, not {first}");
    }

    #[test]
    fn shares_hold_at_both_ends() {
        let mut random = Random::new(3);
        assert!((0..1_000).all(|_| !random.happens(Share::new(0.0))));
        assert!((0..1_000).all(|_| random.happens(Share::new(1.0))));
    }
}
