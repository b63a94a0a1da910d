//! Tables of lookup joins that are read as a whole: before the job starts, and again while it runs.
//!
//! Invariant: a table is replaced only by one that was read to its end. Tables that are read again are no part of the
//! job's end: the last read is dropped with the job.

use crate::dead_letter::{DeadLetters, EVERY_RUN, TaskLetters};
use crate::decode::SourceDecoder;
use crate::job::{JobShared, PhaseWatch};
use crate::lookup_edge::LookupCounters;
use crate::options::JobOptions;
use crate::source_edge::Attempts;
use crate::start::open::{open_source, table_version};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tidemill_connector::Fetched;
use tidemill_operators::lookup_join::{LookupTable, SharedTable};
use tidemill_operators::{OperatorContext, Output, RowCounters, calc::Calc, deliver};
use tidemill_plan::{LookupJoinPlan, Reload};
use tidemill_types::zone::{local_from_utc_ms, utc_from_local_ms};
use tidemill_types::{Chunk, Error, Result, WATERMARK_NONE};
use tokio::time::sleep;

const DAY_MS: i64 = 86_400_000;

/// Reads a table as a whole.
pub(crate) struct TableLoader {
    pub(crate) plan: Arc<LookupJoinPlan>,
    /// The stable name of the join.
    pub(crate) uid: String,
    pub(crate) options: JobOptions,
    pub(crate) dead_letters: Arc<DeadLetters>,
    pub(crate) counters: Arc<LookupCounters>,
}

impl TableLoader {
    /// Reads it, again after failures that may pass.
    pub(crate) async fn load(&self) -> Result<LookupTable> {
        let mut attempts = Attempts::new(self.options.retry);
        loop {
            match self.read().await {
                Ok(chunks) => {
                    self.counters.loads.fetch_add(1, Relaxed);
                    self.counters
                        .cached_rows
                        .store(chunks.iter().map(|chunk| chunk.rows as u64).sum(), Relaxed);
                    return Ok(LookupTable::new(&self.plan, &chunks));
                }
                Err(error) => {
                    self.counters.retries.fetch_add(1, Relaxed);
                    attempts.pause(error).await?;
                }
            }
        }
    }

    async fn read(&self) -> Result<Vec<Chunk>> {
        let table = &self.plan.table;
        let mut open = open_source(table, &self.uid, &self.options)?;
        let mut decoder = SourceDecoder::new(
            Arc::new(table.clone()),
            self.options.zone,
            self.options.bad_records,
            Arc::new(TaskLetters::new(self.dead_letters.clone(), EVERY_RUN)),
        );
        let steps = &self.plan.steps;
        let mut calcs: Vec<Calc> =
            steps.iter().map(|(filter, project)| Calc::new(filter.as_ref(), project)).collect();
        let (mut chunks, mut counters) = (Vec::new(), RowCounters::default());
        let ctx = OperatorContext { now_ms: self.options.clock.now_ms(), watermark: WATERMARK_NONE };
        loop {
            let chunk = match open.source.next().await? {
                Fetched::Blob(fetched) => decoder.decode(&fetched, ctx.now_ms, &mut counters)?,
                Fetched::Rows(chunk) => chunk,
                Fetched::End => return Ok(chunks),
                Fetched::Splits(_) => continue,
            };
            let mut given = vec![chunk];
            for calc in &mut calcs {
                let mut out = Output::new(false);
                for chunk in given {
                    deliver(calc, 0, chunk, &ctx, &mut out)?;
                }
                given = out.take_chunks();
            }
            chunks.extend(given.into_iter().filter(|chunk| chunk.rows > 0));
        }
    }

    /// A number that changes with the table, if that can be told.
    pub(crate) fn version(&self) -> Result<Option<u64>> {
        table_version(&self.plan.table, &self.uid, &self.options)
    }
}

/// A table that is read again while the job runs.
pub(crate) struct Reloader {
    pub(crate) table: Arc<SharedTable>,
    pub(crate) loader: TableLoader,
    pub(crate) reload: Reload,
    /// The version that was read last.
    pub(crate) version: Option<u64>,
}

impl Reloader {
    /// Reads the table again whenever it is due, until the job has ended. A failure ends the job.
    pub(crate) async fn run(mut self, job: Arc<JobShared>, mut watch: PhaseWatch) {
        let mut busy_ms = 0;
        while !job.is_done() {
            tokio::select! {
                biased;
                () = watch.aborted() => return,
                () = sleep(self.pause(busy_ms)) => {}
            }
            if job.is_done() {
                return;
            }
            let began = self.now_ms();
            if let Err(error) = self.load_if_due().await {
                return job.fail(error);
            }
            busy_ms = self.now_ms() - began;
        }
    }

    fn now_ms(&self) -> i64 {
        self.loader.options.clock.now_ms()
    }

    async fn load_if_due(&mut self) -> Result<()> {
        if !matches!(self.reload, Reload::WhenChanged { .. }) {
            self.table.replace(self.loader.load().await?);
            return Ok(());
        }
        let version = match self.loader.version() {
            // What is not there at the moment has not changed yet.
            Err(Error::External { retryable: true, .. }) => {
                self.loader.counters.retries.fetch_add(1, Relaxed);
                return Ok(());
            }
            version => version?,
        };
        if version == self.version {
            return Ok(());
        }
        self.table.replace(self.loader.load().await?);
        // What changed while it was read is read again.
        self.version = version;
        Ok(())
    }

    /// How long to wait, if the last read took so long.
    fn pause(&self, busy_ms: i64) -> Duration {
        let ms = match self.reload {
            Reload::Never => i64::MAX,
            Reload::WhenChanged { every_ms } => every_ms as i64,
            Reload::Periodic { interval_ms, fixed_rate: false } => interval_ms as i64,
            Reload::Periodic { interval_ms, fixed_rate: true } => interval_ms as i64 - busy_ms,
            Reload::Daily { at_ms, zone, days } => until(self.now_ms(), at_ms, zone, days),
        };
        Duration::from_millis(ms.max(1) as u64)
    }
}

/// How many ms pass until the next time of day `at_ms` in the zone, and if that is today or tomorrow, as many days
/// more as lie between two reads.
fn until(now_ms: i64, at_ms: i64, zone: chrono_tz::Tz, days: u32) -> i64 {
    let local = local_from_utc_ms(zone, now_ms);
    let today = local - local.rem_euclid(DAY_MS) + at_ms;
    let next = if today > local { today } else { today + DAY_MS };
    let more = i64::from(days.max(1) - 1) * DAY_MS;
    utc_from_local_ms(zone, next + more) - now_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_day_follows_the_zone() {
        const HOUR: i64 = 3_600_000;
        // 1970-01-01 02:00 UTC is 10:00 in Shanghai.
        let now = 2 * HOUR;
        assert_eq!(until(now, 10 * HOUR + 1, chrono_tz::Asia::Shanghai, 1), 1);
        assert_eq!(until(now, 10 * HOUR, chrono_tz::Asia::Shanghai, 1), DAY_MS);
        assert_eq!(until(now, HOUR, chrono_tz::UTC, 3), 23 * HOUR + 2 * DAY_MS);
    }
}
