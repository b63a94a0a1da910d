//! Ctrl-C and SIGTERM as a flag. The first ends the run between two batches; a second one, for a target that
//! takes nothing any more, ends the process at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What a shell reports for a process ended by Ctrl-C.
const EXIT_INTERRUPTED: i32 = 130;

/// Whether the run shall end.
#[derive(Debug, Clone, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// A flag that signals of this process set.
    pub(super) fn on_signal() -> std::io::Result<Self> {
        let stop = Stop::default();
        let seen = stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                for is_second in [false, true] {
                    if next_signal().await.is_err() {
                        return;
                    }
                    if is_second {
                        std::process::exit(EXIT_INTERRUPTED);
                    }
                    seen.set();
                }
            });
        })?;
        Ok(stop)
    }

    /// Whether the run shall end.
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Sleeps in slices, until the time is over or the run shall end.
    pub(super) fn sleep(&self, time: Duration) {
        const SLICE: Duration = Duration::from_millis(20);
        let mut left = time;
        while !left.is_zero() && !self.is_set() {
            std::thread::sleep(left.min(SLICE));
            left = left.saturating_sub(SLICE);
        }
    }
}

#[cfg(unix)]
async fn next_signal() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn next_signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
