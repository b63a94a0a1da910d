//! The one way to the time of day. Only the runtime and the edges hold a clock; operators are handed the
//! time as data, so that a simulated clock can drive the whole engine.

use std::time::{SystemTime, UNIX_EPOCH};

/// Tells processing time.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970-01-01 00:00:00 UTC.
    fn now_ms(&self) -> i64;
}

/// The machine's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
    }
}
