//! SIGINT and SIGTERM: the first stops all jobs gracefully, the second aborts the process.
//!
//! Invariant: a job that is registered after the first signal is stopped at once, so no job outlives it.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use tidemill_engine::StopHandle;

const EXIT_ABORTED: i32 = 130;

/// The jobs that a signal stops.
#[derive(Clone)]
pub(crate) struct Stops(Arc<Shared>);

struct Shared {
    handles: Mutex<BTreeMap<u64, StopHandle>>,
    next_id: AtomicU64,
    signals: AtomicUsize,
    drain: bool,
}

/// Keeps a job among those that a signal stops, until it is dropped.
pub(crate) struct Registered {
    stops: Stops,
    id: u64,
}

impl Stops {
    /// No jobs yet. With `drain` a stop fires the windows that are still open.
    pub(crate) fn new(drain: bool) -> Stops {
        Stops(Arc::new(Shared {
            handles: Mutex::default(),
            next_id: AtomicU64::new(0),
            signals: AtomicUsize::new(0),
            drain,
        }))
    }

    /// Takes over SIGINT and SIGTERM of the process.
    pub(crate) fn install(&self) -> anyhow::Result<()> {
        let stops = self.clone();
        Ok(crate::signals::on_each(move || stops.on_signal())?)
    }

    /// Registers a job, and stops it at once if a signal has come already.
    pub(crate) fn register(&self, handle: StopHandle) -> Registered {
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        let mut handles = self.handles();
        if self.requested() {
            handle.stop(self.0.drain);
        }
        handles.insert(id, handle);
        drop(handles);
        Registered { stops: self.clone(), id }
    }

    /// Whether a signal has come.
    pub(crate) fn requested(&self) -> bool {
        self.0.signals.load(Ordering::SeqCst) > 0
    }

    /// Forgets signals that came before: the next one stops again, as between the statements of a shell.
    pub(crate) fn forget(&self) {
        self.0.signals.store(0, Ordering::SeqCst);
    }

    fn on_signal(&self) {
        if self.0.signals.fetch_add(1, Ordering::SeqCst) > 0 {
            let _ = writeln!(std::io::stderr(), "aborted");
            std::process::exit(EXIT_ABORTED);
        }
        let windows = if self.0.drain { "open windows are fired" } else { "open windows are not fired" };
        // The erased line may hold a progress display.
        let erase = if crate::report::colour::stderr_is_terminal() { "\r\x1b[2K" } else { "" };
        let _ = writeln!(
            std::io::stderr(),
            "{erase}stopping: what was read is finished and sinks are flushed, {windows}; a second signal aborts"
        );
        self.handles().values().for_each(|handle| handle.stop(self.0.drain));
    }

    fn handles(&self) -> MutexGuard<'_, BTreeMap<u64, StopHandle>> {
        self.0.handles.lock().expect("no holder of this lock panics")
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.stops.handles().remove(&self.id);
    }
}
