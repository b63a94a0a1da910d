//! How much memory may be taken: by the tables that share a budget, or by the whole process.
//!
//! The budget of a process is kept by measuring: whoever watches tells now and then what the process takes, and what the
//! tables do not take themselves (queues, buffers, chunks on their way) is taken off their share. While the process takes
//! too much its sources are to be slow, as long as that helps; if it is far too much for long, it is refused.
//! Invariant: nothing here measures or waits; that is done by those who run the job.

use super::process::{Estimate, Throttle};
use super::share::Taken;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use tidemill_types::Error;

/// The part of a process's budget that nobody plans with, as a divisor.
const SLACK: usize = 16;
/// After so many measurements far above the budget, one after another, the run is refused.
const REFUSE_AFTER: usize = 600;
/// How far that is, as a divisor of the budget and at least: nearer to it sources are slow, but the run goes on.
const FAR_SHARE: usize = 4;
const FAR_BYTES_MIN: usize = 32 << 20;

/// Whose tables are that nobody was named for.
const OWNER: &str = "state";

/// How much memory the tables that share it may take, and where they put what is too much.
#[derive(Debug, Clone)]
pub struct MemoryBudget {
    shared: Arc<Shared>,
    owner: Arc<str>,
}

#[derive(Debug)]
struct Shared {
    /// What tables may take now.
    limit: AtomicUsize,
    used: AtomicUsize,
    folder: PathBuf,
    process: Option<Process>,
    /// Raised when tables are to look at their memory though little happened to them.
    round: AtomicU32,
    taken: Mutex<Vec<Weak<Taken>>>,
}

/// What the whole process may take, and how it stands.
#[derive(Debug)]
struct Process {
    limit: usize,
    measured: Mutex<(Estimate, Throttle)>,
    throttled: AtomicBool,
    /// How many measurements were above the limit, one after another.
    above: AtomicUsize,
    refused: OnceLock<Error>,
}

/// A budget that lives as long as others hold it.
#[derive(Debug, Clone)]
pub struct WeakBudget(Weak<Shared>);

impl WeakBudget {
    /// The budget, if somebody still holds it.
    pub fn upgrade(&self) -> Option<MemoryBudget> {
        self.0.upgrade().map(|shared| MemoryBudget { shared, owner: OWNER.into() })
    }
}

/// What a measurement came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pressure {
    /// All is well.
    None,
    /// The process takes too much.
    High,
}

impl MemoryBudget {
    /// A budget of so many bytes for tables; what is too much goes into files without names in a folder.
    pub fn new(limit: usize, folder: &Path) -> Self {
        Self::with(limit, folder, None)
    }

    /// A budget of so many bytes for the whole process, which takes so many already.
    pub fn of_process(limit: usize, taken: usize, folder: &Path) -> Self {
        let process = Process {
            limit,
            measured: Mutex::new((Estimate::new(taken), Throttle::default())),
            throttled: AtomicBool::new(false),
            above: AtomicUsize::new(0),
            refused: OnceLock::new(),
        };
        let budget = Self::with(limit, folder, Some(process));
        budget.note_process(taken);
        budget
    }

    fn with(limit: usize, folder: &Path, process: Option<Process>) -> Self {
        let shared = Shared {
            limit: AtomicUsize::new(limit),
            used: AtomicUsize::new(0),
            folder: folder.into(),
            process,
            round: AtomicU32::new(0),
            taken: Mutex::default(),
        };
        MemoryBudget { shared: Arc::new(shared), owner: OWNER.into() }
    }

    /// The same budget for the tables of this owner.
    pub fn of(&self, owner: &str) -> Self {
        MemoryBudget { shared: self.shared.clone(), owner: owner.into() }
    }

    /// The same without keeping it alive.
    pub fn downgrade(&self) -> WeakBudget {
        WeakBudget(Arc::downgrade(&self.shared))
    }

    /// How much tables may take.
    #[inline]
    pub fn limit(&self) -> usize {
        self.shared.limit.load(Ordering::Relaxed)
    }

    /// How much tables take.
    #[inline]
    pub fn used(&self) -> usize {
        self.shared.used.load(Ordering::Relaxed)
    }

    /// How much the process may take, if it is limited.
    pub fn process_limit(&self) -> Option<usize> {
        self.shared.process.as_ref().map(|process| process.limit)
    }

    /// Where that goes which is too much.
    pub(crate) fn folder(&self) -> &Path {
        &self.shared.folder
    }

    /// The process takes so much: what tables may take follows from it.
    pub fn note_process(&self, taken: usize) -> Pressure {
        let Some(process) = &self.shared.process else { return Pressure::None };
        let used = self.used();
        let planned = process.limit - process.limit / SLACK;
        let (other, (high, slow)) = {
            let mut measured = process.measured.lock().unwrap_or_else(PoisonError::into_inner);
            (measured.0.note(taken, used, planned), measured.1.note(taken, process.limit, planned))
        };
        let limit = planned.saturating_sub(other).max(process.limit / SLACK);
        self.shared.limit.store(limit, Ordering::Relaxed);
        if used > limit {
            self.shared.round.fetch_add(1, Ordering::Relaxed);
        }
        process.throttled.store(slow, Ordering::Relaxed);
        match taken > process.limit + (process.limit / FAR_SHARE).max(FAR_BYTES_MIN) {
            false => process.above.store(0, Ordering::Relaxed),
            true => {
                if process.above.fetch_add(1, Ordering::Relaxed) + 1 >= REFUSE_AFTER {
                    process.refused.get_or_init(|| self.refusal(taken, process.limit));
                }
            }
        }
        if high { Pressure::High } else { Pressure::None }
    }

    fn refusal(&self, taken: usize, limit: usize) -> Error {
        let of_tables = match self.largest() {
            Some((owner, bytes)) => {
                let all = megabytes(self.used());
                format!("state takes {all} of it, most of that for '{owner}': {}", megabytes(bytes))
            }
            None => "none of it is state".into(),
        };
        Error::user_hint(
            format!(
                "the run takes {} of memory and can't get below its budget of {}; {of_tables}",
                megabytes(taken),
                megabytes(limit)
            ),
            "give more with --memory, or run with a smaller --parallelism; the rows of one key are kept in memory together, \
             so a key with very many rows needs a window, a time to live or a finer key",
        )
    }

    /// Whose tables take the most, and how much.
    fn largest(&self) -> Option<(String, usize)> {
        let mut owners = std::collections::BTreeMap::<Arc<str>, usize>::new();
        for taken in self.taken().iter().filter_map(Weak::upgrade) {
            *owners.entry(taken.owner.clone()).or_default() += taken.bytes();
        }
        owners.into_iter().max_by_key(|(_, bytes)| *bytes).map(|(owner, bytes)| (owner.to_string(), bytes))
    }

    /// Whether those who bring rows in should be slow.
    #[inline]
    pub fn is_throttled(&self) -> bool {
        self.shared.process.as_ref().is_some_and(|process| process.throttled.load(Ordering::Relaxed))
    }

    /// Why the run can't go on, if so.
    pub(crate) fn refused(&self) -> Option<&Error> {
        self.shared.process.as_ref().and_then(|process| process.refused.get())
    }

    /// Changes when tables are to look at their memory.
    #[inline]
    pub(crate) fn round(&self) -> u32 {
        self.shared.round.load(Ordering::Relaxed)
    }

    /// Begins to count what a table takes.
    pub(super) fn enter(&self) -> Arc<Taken> {
        let taken = Arc::new(Taken::new(self.owner.clone()));
        let mut all = self.taken();
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(&taken));
        taken
    }

    /// A table takes so much more or less; gives what all take.
    pub(super) fn change(&self, more: usize, less: usize) -> usize {
        self.shared.used.fetch_add(more, Ordering::Relaxed);
        self.shared.used.fetch_sub(less, Ordering::Relaxed) - less
    }

    fn taken(&self) -> MutexGuard<'_, Vec<Weak<Taken>>> {
        self.shared.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn megabytes(bytes: usize) -> String {
    format!("{:.0} MB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spill::Share;

    const MB: usize = 1 << 20;

    #[test]
    fn what_is_not_state_is_taken_off_its_share() {
        let budget = MemoryBudget::of_process(160 * MB, 30 * MB, Path::new("spill"));
        assert_eq!(budget.limit(), 120 * MB, "all but the slack and what the process takes");
        let mut share = Share::new(&budget.of("join"));
        assert_eq!(share.tell(100 * MB), 100 * MB);
        assert_eq!(budget.note_process(150 * MB), Pressure::None);
        assert_eq!(budget.limit(), 100 * MB, "50 MB are something else");
        assert!(!share.is_pressed() && !budget.is_throttled());
        assert_eq!(budget.note_process(170 * MB), Pressure::High);
        assert!(share.is_pressed() && budget.is_throttled());
        share.tell(80 * MB);
        assert!(!share.is_pressed(), "it looked");
        budget.note_process(155 * MB);
        assert!(budget.is_throttled(), "until it is well below");
        for _ in 0..500 {
            budget.note_process(110 * MB);
        }
        assert!(!budget.is_throttled() && budget.limit() > 118 * MB, "{}", budget.limit() / MB);
    }

    #[test]
    fn a_run_that_stays_above_is_refused_with_the_name_of_the_largest() {
        let budget = MemoryBudget::of_process(100 * MB, 30 * MB, Path::new("spill"));
        let (mut small, mut large) = (Share::new(&budget.of("rank[2]")), Share::new(&budget.of("join[3]")));
        small.tell(10 * MB);
        large.tell(70 * MB);
        (0..REFUSE_AFTER - 1).for_each(|_| assert_eq!(budget.note_process(140 * MB), Pressure::High));
        assert!(large.check().is_ok());
        budget.note_process(120 * MB);
        assert!(large.check().is_ok(), "it came down");
        (0..REFUSE_AFTER).for_each(|_| assert_eq!(budget.note_process(140 * MB), Pressure::High));
        let said = large.check().unwrap_err().to_string();
        assert!(
            said.contains("140 MB") && said.contains("100 MB") && said.contains("'join[3]': 70 MB"),
            "{said}"
        );
        drop((small, large));
        assert_eq!(budget.used(), 0);
    }
}
