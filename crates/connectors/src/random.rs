//! A small seeded random generator (SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number
//! generators", 2014). Invariant: the same seed gives the same numbers on every machine.

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of pseudo-random numbers; not for secrets.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// The stream of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        Random(mix(seed ^ GOLDEN))
    }

    /// The stream of one numbered thing (an event, a task) under a seed.
    pub(crate) fn of(seed: u64, number: u64) -> Self {
        Random(mix(seed.wrapping_add(number.wrapping_mul(GOLDEN))))
    }

    /// 64 random bits.
    #[inline]
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// A number in `0..n`; `n` must not be 0. Lemire's multiply-shift; its bias is below 2^-32 for small `n`.
    #[inline]
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }

    /// A number in `min..=max`.
    #[inline]
    pub(crate) fn between(&mut self, min: i64, max: i64) -> i64 {
        match (max.wrapping_sub(min) as u64).checked_add(1) {
            Some(span) => min.wrapping_add(self.below(span) as i64),
            None => self.bits() as i64,
        }
    }

    /// A number in `[0, 1)`.
    #[inline]
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[inline]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_kept_and_reached() {
        let mut random = Random::new(7);
        let mut seen = [false; 3];
        (0..200).for_each(|_| seen[(random.between(-1, 1) + 1) as usize] = true);
        assert_eq!(seen, [true; 3]);
        random.between(i64::MIN, i64::MAX);
        assert!((0..1000).all(|_| (0.0..1.0).contains(&random.unit())));
    }
}
