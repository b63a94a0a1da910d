//! The event time of each event. Invariant: event `n` belongs at `start + n / rate`; an event that is not
//! late lies behind that by less than the disorder, so a watermark with that delay never overtakes it. A late
//! one lies behind by at least the disorder.

use super::random::{Random, Share};

/// A late event lies at most this much further behind.
const LATE_MAX_MS: u64 = 600_000;

/// Deals out event times.
#[derive(Debug)]
pub(super) struct Timeline {
    start_ms: i64,
    step_ms: f64,
    disorder_ms: u64,
    late: Share,
    next: u64,
}

impl Timeline {
    /// Times from `start_ms` on at `per_second` events in a second of event time.
    pub(super) fn new(start_ms: i64, per_second: f64, disorder_ms: u64, late_share: f64) -> Self {
        Timeline {
            start_ms,
            step_ms: 1_000.0 / per_second,
            disorder_ms,
            late: Share::new(late_share),
            next: 0,
        }
    }

    /// The time of the next event, in milliseconds since 1970.
    #[inline]
    pub(super) fn next_ms(&mut self, random: &mut Random) -> i64 {
        let on_time = self.start_ms + (self.next as f64 * self.step_ms) as i64;
        self.next += 1;
        let behind = if random.happens(self.late) {
            self.disorder_ms + random.below(LATE_MAX_MS)
        } else {
            random.tapered(self.disorder_ms)
        };
        on_time - behind as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disorder_is_bounded_and_used() {
        let (mut timeline, mut random) = (Timeline::new(1_000_000, 100.0, 5_000, 0.0), Random::new(1));
        let (mut max, mut furthest) = (i64::MIN, 0);
        for _ in 0..20_000 {
            let time_ms = timeline.next_ms(&mut random);
            max = max.max(time_ms);
            furthest = furthest.max(max - time_ms);
        }
        assert!((4_000..5_000).contains(&furthest), "{furthest}");
    }

    #[test]
    fn without_disorder_times_only_rise() {
        let (mut timeline, mut random) = (Timeline::new(0, 3.0, 0, 0.0), Random::new(1));
        let times: Vec<i64> = (0..7).map(|_| timeline.next_ms(&mut random)).collect();
        assert_eq!(times, [0, 333, 666, 1_000, 1_333, 1_666, 2_000]);
    }

    #[test]
    fn late_events_have_their_share() {
        let (mut timeline, mut random) = (Timeline::new(0, 1_000.0, 1_000, 0.1), Random::new(1));
        let late = (0..10_000).filter(|n| n - timeline.next_ms(&mut random) >= 1_000).count();
        assert!((900..1_100).contains(&late), "{late}");
    }
}
