//! Even pacing for sources that make their own rows.
//!
//! Invariant: item `n` is let through no earlier than `n / rate` seconds after the first; a consumer that
//! was slow is not flooded afterwards with more than [`BACKLOG_MAX`] worth of items.

use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Items that became due closer together than this travel in one chunk.
const TICK: Duration = Duration::from_millis(2);
/// How much of what a slow consumer missed is made up for.
const BACKLOG_MAX: Duration = Duration::from_secs(1);

/// Lets items through at an even rate.
#[derive(Debug)]
pub(crate) struct Pace {
    per_second: f64,
    start: Option<Instant>,
    passed: u64,
}

impl Pace {
    /// A pace of `per_second` items, more than 0.
    pub(crate) fn new(per_second: f64) -> Self {
        Pace { per_second, start: None, passed: 0 }
    }

    /// Waits until items are due and says how many, at least one and at most `max`; they count as passed.
    /// Safe to drop while it waits.
    pub(crate) async fn due(&mut self, max: usize) -> usize {
        loop {
            let now = Instant::now();
            let start = *self.start.get_or_insert(now);
            let due = ((now - start).as_secs_f64() * self.per_second) as u64 + 1;
            if due > self.passed {
                let items = (due - self.passed).min(max as u64);
                self.passed += items;
                self.forget_backlog(now);
                return items as usize;
            }
            sleep_until(self.due_at(start).max(now + TICK)).await;
        }
    }

    fn due_at(&self, start: Instant) -> Instant {
        start + Duration::from_secs_f64(self.passed as f64 / self.per_second)
    }

    fn forget_backlog(&mut self, now: Instant) {
        let Some(start) = self.start else { return };
        let behind = now.saturating_duration_since(self.due_at(start));
        if behind > BACKLOG_MAX {
            self.start = Some(start + (behind - BACKLOG_MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn items_pass_at_the_rate() {
        let (mut pace, begin) = (Pace::new(1_000.0), Instant::now());
        let mut passed = 0;
        while passed < 50 {
            passed += pace.due(10).await;
        }
        assert!(begin.elapsed() >= Duration::from_millis(49), "50 items at 1000 a second take 49 ms");
    }
}
