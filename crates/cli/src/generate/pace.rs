//! Even pacing. Invariant: event `n` leaves no earlier than `n / rate` seconds after the begin; time comes in
//! from outside. After a stall at most [`BACKLOG_MAX`] worth of events is caught up on.

use std::time::Duration;

/// Due events wait for each other this long, so that a fast rate does not cost a write each.
const TICK: Duration = Duration::from_millis(1);
/// How much of what a slow target missed is made up for.
const BACKLOG_MAX: Duration = Duration::from_secs(2);

/// Lets events out at a rate.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: f64,
    taken: u64,
    skipped: Duration,
}

impl Pace {
    /// A pace of `per_second` events, more than 0.
    pub(super) fn new(per_second: f64) -> Self {
        Pace { per_second, taken: 0, skipped: Duration::ZERO }
    }

    /// How many events are due at this time since the begin, at most `max`; they count as taken.
    pub(super) fn take_due(&mut self, elapsed: Duration, max: u64) -> u64 {
        let behind = elapsed.saturating_sub(self.due_at());
        if behind > BACKLOG_MAX {
            self.skipped += behind - BACKLOG_MAX;
        }
        let running = elapsed.saturating_sub(self.skipped).as_secs_f64();
        let due = ((running * self.per_second) as u64 + 1).saturating_sub(self.taken).min(max);
        self.taken += due;
        due
    }

    /// How long until the next event is due, at least a tick.
    pub(super) fn wait(&self, elapsed: Duration) -> Duration {
        self.due_at().saturating_sub(elapsed).max(TICK)
    }

    /// When the next event is due, since the begin.
    fn due_at(&self) -> Duration {
        self.skipped + Duration::from_secs_f64(self.taken as f64 / self.per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_leave_at_the_rate() {
        let (mut pace, mut taken) = (Pace::new(1_000.0), 0);
        for ms in 0..=2_000 {
            taken += pace.take_due(Duration::from_millis(ms), u64::MAX);
            assert!(taken <= ms + 1, "{taken} after {ms} ms");
        }
        assert_eq!(taken, 2_001);
    }

    #[test]
    fn slow_rates_wait_for_their_time() {
        let mut pace = Pace::new(0.5);
        assert_eq!(pace.take_due(Duration::ZERO, 10), 1);
        assert_eq!(pace.take_due(Duration::from_millis(1_999), 10), 0);
        assert_eq!(pace.wait(Duration::from_millis(1_500)), Duration::from_millis(500));
        assert_eq!(pace.take_due(Duration::from_secs(2), 10), 1);
    }

    #[test]
    fn a_stall_is_not_followed_by_a_flood() {
        let mut pace = Pace::new(100.0);
        pace.take_due(Duration::ZERO, 1);
        assert!((200..=201).contains(&pace.take_due(Duration::from_secs(60), u64::MAX)));
        assert!((99..=101).contains(&pace.take_due(Duration::from_secs(61), u64::MAX)));
    }
}
