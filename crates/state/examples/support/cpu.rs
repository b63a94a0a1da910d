//! CPU time, which other work on the machine leaves alone; the time that passed where the system does not tell it.

#![allow(dead_code, reason = "each example uses some of it")]

use std::time::{Duration, Instant};

/// A moment of the calling thread.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    cpu: Option<Duration>,
    wall: Instant,
}

/// What a thread took since a moment.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    /// CPU time.
    pub cpu: Duration,
    /// The time that passed.
    pub wall: Duration,
}

impl Moment {
    /// Now.
    pub fn now() -> Self {
        Moment { cpu: thread_cpu(), wall: Instant::now() }
    }

    /// What the thread took since; to be asked by the thread itself.
    pub fn took(&self) -> Took {
        let wall = self.wall.elapsed();
        let cpu = self.cpu.and_then(|before| thread_cpu()?.checked_sub(before));
        Took { cpu: cpu.unwrap_or(wall), wall }
    }
}

fn thread_cpu() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}
