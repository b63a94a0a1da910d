//! What is said on standard error: warnings, progress, summaries.

pub(crate) mod colour;
mod numbers;
mod progress_line;
mod summary;

pub(crate) use numbers::{bytes, count, grouped};
pub(crate) use progress_line::ProgressLine;

use std::io::{self, Write};
use tidemill_engine::{JobProgress, JobSummary};

/// Says how jobs do, as much as the flags ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reporter {
    quiet: bool,
    accounting: bool,
    queries: bool,
}

impl Reporter {
    /// Summaries unless quiet; the accounting of each operator for people, or where it is asked for.
    pub(crate) fn new(quiet: bool, verbose: bool) -> Reporter {
        Reporter { quiet, accounting: verbose || colour::stderr_is_terminal(), queries: true }
    }

    /// For a shell, where the rows of a query speak for themselves.
    pub(crate) fn for_shell(quiet: bool, verbose: bool) -> Reporter {
        Reporter { quiet, accounting: verbose, queries: verbose }
    }

    /// A line that shows how far jobs are, if there is a terminal for it. A query that prints its rows on the
    /// same terminal needs none.
    pub(crate) fn progress_line(&self, prints_rows: bool) -> ProgressLine {
        let shown = !self.quiet
            && colour::stderr_is_terminal()
            && !(prints_rows && io::IsTerminal::is_terminal(&io::stdout()));
        ProgressLine::new(shown)
    }

    /// Says what somebody may want to know at the start of a job.
    pub(crate) fn notice(&self, text: &str) {
        if !self.quiet {
            say(text);
        }
    }

    /// Says how a job ended.
    pub(crate) fn summary(&self, label: &str, query: bool, ended: &JobSummary) {
        if !self.quiet && (self.queries || !query || ended.totals.bad > 0) {
            say(&summary::text(label, ended, self.accounting));
        }
    }
}

/// How far a job is, in one line.
pub(crate) fn progress(progress: &JobProgress) -> String {
    progress_line::text(progress)
}

/// Says something on standard error. When that is closed there is nobody to tell.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{}", text.trim_end());
}

/// Says what may be wrong.
pub(crate) fn warn(text: &str) {
    let head = if colour::stderr() { "\x1b[1;33mwarning\x1b[0m" } else { "warning" };
    say(&format!("{head}: {text}"));
}
