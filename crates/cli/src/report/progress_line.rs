//! One line on a terminal that shows how far jobs are, twice a second, for those that take a while.

use super::numbers::{bytes, duration, rate, short};
use std::io::{self, Write};
use std::time::{Duration, Instant};
use tidemill_engine::JobProgress;

const FIRST_AFTER: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_millis(500);

/// The line; it is erased when this is dropped.
#[derive(Debug)]
pub(crate) struct ProgressLine {
    shown: bool,
    visible: bool,
    next: Instant,
    last: Option<(u64, u64, Duration)>,
}

impl ProgressLine {
    /// A line that is never shown unless there is a terminal for it.
    pub(crate) fn new(shown: bool) -> ProgressLine {
        ProgressLine { shown, visible: false, next: Instant::now() + FIRST_AFTER, last: None }
    }

    /// Shows this if it is time to.
    pub(crate) fn show(&mut self, progress: &JobProgress) {
        self.show_with(|| progress.clone());
    }

    /// Asks how far the jobs are and shows it, if it is time to.
    pub(crate) fn show_with(&mut self, progress: impl FnOnce() -> JobProgress) {
        if !self.shown || Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + EVERY;
        let progress = progress();
        let text = self.text(&progress);
        self.last = Some((progress.records_in, progress.bytes_in, progress.elapsed));
        self.visible = true;
        // The display is a courtesy; a terminal that has gone must not end the run. Without wrapping (?7l)
        // the line stays one line on a narrow terminal.
        let mut err = io::stderr().lock();
        let _ = write!(err, "\r\x1b[2K\x1b[?7l{text}\x1b[?7h");
        let _ = err.flush();
    }

    /// Erases the line: other text comes next.
    pub(crate) fn erase(&mut self) {
        if self.visible {
            self.visible = false;
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }

    /// Rates are those since the last time.
    fn text(&self, now: &JobProgress) -> String {
        let (records, read, elapsed) = self.last.unwrap_or_default();
        let time = now.elapsed.saturating_sub(elapsed);
        let records = rate(now.records_in.saturating_sub(records), time);
        let read = rate(now.bytes_in.saturating_sub(read), time);
        line(now, records, read)
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.erase();
    }
}

/// How far a job is, with its rates since its start.
pub(crate) fn text(now: &JobProgress) -> String {
    line(now, rate(now.records_in, now.elapsed), rate(now.bytes_in, now.elapsed))
}

fn line(now: &JobProgress, records_per_second: f64, bytes_per_second: f64) -> String {
    let mut parts = vec![
        duration(now.elapsed),
        format!("{} in", short(now.records_in as f64)),
        format!("{}/s", short(records_per_second)),
        format!("{}/s", bytes(bytes_per_second)),
        format!("{} out", short(now.rows_out as f64)),
        format!("late {}", short(now.late as f64)),
        format!("bad {}", short(now.bad as f64)),
    ];
    parts.extend(now.watermark_ms.and_then(time).map(|time| format!("watermark {time}")));
    parts.push(format!("state {}", bytes(now.state_bytes as f64)));
    if now.checkpoint > 0 {
        parts.push(format!("checkpoint {} in {}", now.checkpoint, duration(now.checkpoint_took)));
    }
    if now.restarts > 0 {
        parts.push(format!("restarts {}", now.restarts));
    }
    parts.join("  ")
}

/// A watermark as a time in UTC.
fn time(ms: i64) -> Option<String> {
    Some(chrono::DateTime::from_timestamp_millis(ms)?.format("%Y-%m-%d %H:%M:%S%.3f").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_all_there_is() {
        let now = JobProgress {
            elapsed: Duration::from_secs(2),
            records_in: 3_000_000,
            bytes_in: 500_000_000,
            rows_out: 12,
            late: 3,
            bad: 0,
            watermark_ms: Some(1_700_000_000_000),
            state_bytes: 2048,
            checkpoint: 7,
            checkpoint_took: Duration::from_millis(12),
            restarts: 1,
            last_failure: None,
        };
        assert_eq!(
            text(&now),
            "2.00 s  3.00 M in  1.50 M/s  250 MB/s  12 out  late 3  bad 0  watermark 2023-11-14 22:13:20.000  \
             state 2.05 kB  checkpoint 7 in 12 ms  restarts 1"
        );
    }
}
