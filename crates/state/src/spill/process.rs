//! What a process takes beside its tables, and whether its sources are to be slow, from one measurement after another.
//!
//! What tables give up is not the system's at once: the allocator holds it for the next values, and lists by number keep
//! their length. That is room for the tables, so it is not taken off their share; otherwise each step down would ask for
//! the next one.
//! Invariant: nothing here measures or waits.

/// How fast the estimate of what is not state falls, as a divisor for each measurement.
const FORGET: usize = 32;
/// How fast room that was given up counts as lost while the process takes more than is planned, likewise.
const LOSE: usize = 256;
/// After so many measurements without effect sources are no longer slow.
const PATIENCE: usize = 40;
/// What counts as an effect, and what as growth, as divisors of the limit.
const EFFECT: usize = 128;
const GROWTH: usize = 64;

/// What a process takes beside its tables.
#[derive(Debug)]
pub(super) struct Estimate {
    other: usize,
    /// What tables gave up and the process still has.
    spare: usize,
    used: usize,
    gap: usize,
}

impl Estimate {
    /// Nothing but this.
    pub(super) fn new(taken: usize) -> Self {
        Estimate { other: taken, spare: 0, used: 0, gap: taken }
    }

    /// The process takes so much, tables so much of it; gives what is neither theirs nor room for them.
    pub(super) fn note(&mut self, taken: usize, used: usize, planned: usize) -> usize {
        let gap = taken.saturating_sub(used);
        let given_up = self.used.saturating_sub(used);
        self.spare += gap.saturating_sub(self.gap).min(given_up);
        self.spare = self.spare.saturating_sub(self.gap.saturating_sub(gap)).min(gap);
        if taken > planned {
            self.spare -= self.spare / LOSE;
        }
        (self.used, self.gap) = (used, gap);
        let now = gap - self.spare;
        self.other = if now > self.other { now } else { self.other - (self.other - now) / FORGET };
        self.other
    }
}

/// Whether sources are to be slow: while the process takes too much, and that makes it less.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    high: bool,
    /// The least since it was too much, or what it grew to.
    level: usize,
    /// Measurements since then.
    idle: usize,
}

impl Throttle {
    /// The process takes so much; gives whether that is too much and whether sources are to be slow.
    pub(super) fn note(&mut self, taken: usize, limit: usize, planned: usize) -> (bool, bool) {
        let was = self.high;
        self.high = taken > limit || (was && taken > planned);
        let moved = taken + limit / EFFECT < self.level || taken > self.level + limit / GROWTH;
        if !was || moved {
            (self.level, self.idle) = (taken, 0);
        } else {
            self.idle += 1;
        }
        (self.high, self.high && self.idle < PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: usize = 1 << 20;

    #[test]
    fn what_tables_gave_up_is_room_for_them() {
        let mut estimate = Estimate::new(30 * MB);
        assert_eq!(estimate.note(150 * MB, 100 * MB, 150 * MB), 50 * MB);
        assert_eq!(estimate.note(150 * MB, 70 * MB, 150 * MB), 50 * MB, "the allocator has it");
        assert_eq!(estimate.note(150 * MB, 98 * MB, 150 * MB), 50 * MB, "it was used again");
        assert_eq!(estimate.note(170 * MB, 98 * MB, 180 * MB), 70 * MB, "something else grew");
    }

    #[test]
    fn room_that_nobody_can_use_is_lost_in_the_end() {
        let mut estimate = Estimate::new(30 * MB);
        estimate.note(160 * MB, 100 * MB, 150 * MB);
        assert!(estimate.note(160 * MB, 40 * MB, 150 * MB) < 61 * MB);
        assert!((0..2_000).map(|_| estimate.note(160 * MB, 40 * MB, 150 * MB)).last() > Some(119 * MB));
    }

    #[test]
    fn sources_are_slow_while_that_helps() {
        let mut throttle = Throttle::default();
        let mut note = |taken: usize| throttle.note(taken * MB, 160 * MB, 150 * MB);
        assert_eq!(note(159), (false, false));
        assert_eq!(note(170), (true, true));
        assert!((0..PATIENCE - 1).all(|_| note(170) == (true, true)));
        assert!((0..PATIENCE).all(|_| note(170) == (true, false)), "it doesn't help");
        assert_eq!(note(174), (true, true), "it grows");
        assert_eq!(note(155), (true, true), "until it is well below");
        assert_eq!(note(149), (false, false));
    }
}
