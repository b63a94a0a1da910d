//! The line that ends a run.

use std::fmt;
use std::time::Duration;

/// What was written, and how long it took.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) events: u64,
    pub(super) bytes: u64,
    pub(super) elapsed: Duration,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs_f64();
        let rate = self.events as f64 / seconds.max(1e-9);
        let megabytes = self.bytes as f64 / 1e6;
        write!(f, "{} events, {megabytes:.1} MB in {seconds:.2} s, {rate:.0} events/s", self.events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line() {
        let summary = Summary { events: 3_000, bytes: 600_000, elapsed: Duration::from_millis(1_500) };
        assert_eq!(summary.to_string(), "3000 events, 0.6 MB in 1.50 s, 2000 events/s");
    }
}
