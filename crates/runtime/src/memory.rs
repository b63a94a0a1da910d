//! Watches what the process takes, so that a budget for all of it is kept.
//!
//! A thread measures the resident memory a few times a second as long as somebody holds the budget. Deliberately not
//! here: what follows from it, which is the budget's business, that of the tables that share it and that of sources,
//! which bring rows in slowly meanwhile.

use std::time::Duration;
use tidemill_state::{MemoryBudget, Pressure, WeakBudget};

/// The time between two measurements.
const INTERVAL: Duration = Duration::from_millis(25);
/// How long a source waits before it brings in more while the process takes too much.
pub(crate) const THROTTLED: Duration = Duration::from_millis(50);

/// The memory that the process takes, in bytes; absent where it can't be known.
pub fn process_bytes() -> Option<usize> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    // The second number: resident pages.
    pages.split_whitespace().nth(1)?.parse::<usize>().ok().map(|pages| pages * PAGE_BYTES)
}

/// Pages are this long where releases run; longer ones would make a run look smaller than it is.
const PAGE_BYTES: usize = 4096;

/// Begins to watch on behalf of a budget of the whole process. `say` gets a message, once.
pub fn watch(budget: &MemoryBudget, say: impl Fn(&str) + Send + 'static) {
    let weak = budget.downgrade();
    let watching = std::thread::Builder::new().name("memory".into()).spawn(move || run(&weak, say));
    // Without the thread the tables still keep to what they were given.
    drop(watching);
}

fn run(weak: &WeakBudget, say: impl Fn(&str)) {
    let mut said = false;
    while let Some(budget) = weak.upgrade() {
        let (Some(taken), Some(limit)) = (process_bytes(), budget.process_limit()) else { return };
        if budget.note_process(taken) == Pressure::High && !said {
            said = true;
            say(&format!(
                "the run takes {} MB of memory, more than its budget of {} MB: sources are slowed down until it is below",
                taken >> 20,
                limit >> 20
            ));
        }
        drop(budget);
        std::thread::sleep(INTERVAL);
    }
}
