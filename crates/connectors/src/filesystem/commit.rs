//! Partition commit: marking partitions that are complete, for whoever reads them later.
//!
//! Source of the rules: Flink documentation, "FileSystem SQL Connector", "Partition Commit". A partition is
//! complete when the clock (`process-time`) or the watermark (`partition-time`) has passed its time and the
//! delay; a late row makes it pending again, so that it is marked once more.

use super::civil;
use super::options::{
    COMMIT_DELAY, COMMIT_POLICY, COMMIT_TRIGGER, COMMIT_ZONE, SUCCESS_NAME, TIME_FORMATTER, TIME_PATTERN,
};
use super::path::partition_folders;
use chrono::NaiveDateTime;
use chrono_tz::Tz;
use std::collections::BTreeMap;
use std::time::Duration;
use tidemill_connector::TableRequest;
use tidemill_types::{Clock, Error, Result, SystemClock, WATERMARK_MAX};

/// What a complete partition is marked by.
const POLICIES: &[&str] = &["success-file", "metastore"];

/// When it is asked which partitions are complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// Rows or watermarks came.
    Moved,
    /// It is time to look at the clock too: completing a partition ends its file, so not after each batch.
    Checked,
    /// The run ends.
    Ended,
}

/// Knows the partitions that were written and not yet marked.
#[derive(Debug)]
pub(super) struct Committer {
    /// The name of the mark; `None` if no policy asks for one.
    success_name: Option<String>,
    by_watermark: bool,
    delay: Duration,
    zone: Tz,
    pattern: Option<String>,
    formatter: Option<String>,
    /// When each was written first, in milliseconds since 1970.
    pending: BTreeMap<String, i64>,
    watermark: Option<i64>,
}

impl Committer {
    /// The committer of a table; `None` if it has no partitions or no policy.
    pub(super) fn open(request: &TableRequest<'_>) -> Result<Option<Self>> {
        let options = request.options;
        let Some(policies) = options.text(&COMMIT_POLICY) else { return Ok(None) };
        let policies: Vec<&str> = policies.split(',').map(str::trim).collect();
        if let Some(other) = policies.iter().find(|policy| !POLICIES.contains(policy)) {
            return Err(Error::user_hint(
                format!("there is no partition commit policy '{other}'"),
                "the policies are: success-file, metastore",
            ));
        }
        let by_watermark = options.text(&COMMIT_TRIGGER) == Some("partition-time");
        let pattern = options.text(&TIME_PATTERN).map(str::to_string);
        let formatter = options.text(&TIME_FORMATTER).map(str::to_string);
        check_formatter(formatter.as_deref())?;
        if request.partition_by.is_empty() {
            return Ok(None);
        }
        Ok(Some(Committer {
            success_name: policies
                .contains(&"success-file")
                .then(|| options.text(&SUCCESS_NAME).unwrap_or_default().to_string()),
            by_watermark,
            delay: options.duration(&COMMIT_DELAY)?.unwrap_or_default(),
            zone: zone(options.text(&COMMIT_ZONE).unwrap_or("UTC"))?,
            pattern,
            formatter,
            pending: BTreeMap::new(),
            watermark: None,
        }))
    }

    /// The name of the mark of a complete partition.
    pub(super) fn success_name(&self) -> Option<&str> {
        self.success_name.as_deref()
    }

    /// Rows were written to a partition.
    pub(super) fn wrote(&mut self, partition: &str) {
        if !self.pending.contains_key(partition) {
            self.pending.insert(partition.to_string(), SystemClock.now_ms());
        }
    }

    /// The watermark moved.
    pub(super) fn watermark(&mut self, watermark: i64) {
        self.watermark = self.watermark.max(Some(watermark));
    }

    /// The partitions that are not complete, with when each was written first, and the watermark.
    pub(super) fn state(&self) -> (&BTreeMap<String, i64>, Option<i64>) {
        (&self.pending, self.watermark)
    }

    /// Goes on from an earlier run.
    pub(super) fn restore(&mut self, pending: Vec<(String, i64)>, watermark: Option<i64>) {
        self.pending.extend(pending);
        self.watermark = self.watermark.max(watermark);
    }

    /// Takes out the partitions that are complete. At the end of a run those that follow the clock are, and
    /// so are those that follow a watermark which never moved.
    pub(super) fn complete(&mut self, moment: Moment) -> Result<Vec<String>> {
        let (mut complete, now_ms) = (Vec::new(), SystemClock.now_ms());
        for (partition, created_ms) in &self.pending {
            let passed = match (self.by_watermark, self.watermark) {
                (false, _) if moment == Moment::Checked => {
                    now_ms - created_ms >= self.delay.as_millis() as i64
                }
                (false, _) | (true, None) => moment == Moment::Ended,
                (true, Some(WATERMARK_MAX)) => true,
                (true, Some(watermark)) => watermark >= self.time_ms(partition)?,
            };
            if passed {
                complete.push(partition.clone());
            }
        }
        self.pending.retain(|partition, _| !complete.contains(partition));
        Ok(complete)
    }

    /// The time from which on a partition is complete.
    fn time_ms(&self, partition: &str) -> Result<i64> {
        let text = self.time_text(partition);
        let time = self.parse(&text).ok_or_else(|| {
            Error::user_hint(
                format!("the partition '{partition}' has no time: can't read '{text}'"),
                format!("set '{}' and '{}'", TIME_PATTERN.key, TIME_FORMATTER.key),
            )
        })?;
        Ok(civil::instant_ms(time, self.zone).saturating_add(self.delay.as_millis() as i64))
    }

    fn time_text(&self, partition: &str) -> String {
        let mut folders: Vec<(String, String)> = partition_folders(partition).collect();
        let Some(pattern) = &self.pattern else {
            return folders.into_iter().next().map_or_else(String::new, |(_, value)| value);
        };
        // Longer names first, so that `$day` is not taken for `$d` and `ay`.
        folders.sort_by_key(|(column, _)| std::cmp::Reverse(column.len()));
        folders
            .iter()
            .fold(pattern.clone(), |text, (column, value)| text.replace(&format!("${column}"), value))
    }

    fn parse(&self, text: &str) -> Option<NaiveDateTime> {
        match &self.formatter {
            Some(formatter) => civil::parse_with(formatter, text),
            None => civil::parse_timestamp(text),
        }
    }
}

fn check_formatter(formatter: Option<&str>) -> Result<()> {
    match formatter {
        Some(pattern) if !civil::is_known_pattern(pattern) => Err(Error::user_hint(
            format!("option '{}' is '{pattern}', which can't be read", TIME_FORMATTER.key),
            "it may hold y, M, d, H, m, s, S, quoted text and signs",
        )),
        _ => Ok(()),
    }
}

fn zone(name: &str) -> Result<Tz> {
    name.parse().map_err(|_| {
        Error::user_hint(
            format!("option '{}' is '{name}', which is no time zone", COMMIT_ZONE.key),
            "give a name such as 'UTC' or 'Asia/Shanghai'",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tidemill_types::{Options, Schema, SystemDisk};

    fn committer(pairs: &[(&str, &str)]) -> Result<Option<Committer>> {
        let options = Options::new(pairs.iter().copied());
        Committer::open(&TableRequest {
            table: "t",
            options: &options,
            schema: &Schema::default(),
            wanted: &[],
            metadata: &[],
            partition_by: &["dt".to_string(), "hm".to_string()],
            primary_key: &[],
            overwrite: false,
            task: 0,
            parallelism: 1,
            zone: Tz::UTC,
            run_id: "r",
            pipeline_id: "p",
            checkpointed: false,
            state_dir: None,
            disk: Arc::new(SystemDisk),
        })
    }

    const BY_TIME: &[(&str, &str)] = &[
        ("sink.partition-commit.trigger", "partition-time"),
        ("sink.partition-commit.delay", "1 min"),
        ("sink.partition-commit.policy.kind", "metastore,success-file"),
        ("partition.time-extractor.timestamp-pattern", "$dt $hm:00"),
    ];

    #[test]
    fn the_watermark_completes_partitions_and_late_rows_reopen_them() {
        let mut committer = committer(BY_TIME).unwrap().unwrap();
        let (early, late) = ("dt=2024-01-01/hm=00%3A10", "dt=2024-01-01/hm=00%3A20");
        committer.wrote(early);
        committer.wrote(late);
        let time = committer.time_ms(early).unwrap();
        assert_eq!(time, 1_704_067_200_000 + 11 * 60_000);
        committer.watermark(time - 1);
        assert!(committer.complete(Moment::Moved).unwrap().is_empty());
        committer.watermark(time);
        assert_eq!(committer.complete(Moment::Moved).unwrap(), [early]);
        assert!(committer.complete(Moment::Moved).unwrap().is_empty());
        committer.wrote(early);
        assert_eq!(
            committer.complete(Moment::Ended).unwrap(),
            [early],
            "a stopped run leaves the open partition"
        );
        committer.watermark(WATERMARK_MAX);
        assert_eq!(committer.complete(Moment::Ended).unwrap(), [late]);
    }

    #[test]
    fn the_clock_completes_partitions_only_when_it_is_looked_at() {
        let mut committer =
            committer(&[("sink.partition-commit.policy.kind", "success-file")]).unwrap().unwrap();
        committer.wrote("dt=1");
        committer.watermark(WATERMARK_MAX - 1);
        assert!(committer.complete(Moment::Moved).unwrap().is_empty());
        assert_eq!(committer.complete(Moment::Checked).unwrap(), ["dt=1"]);
    }

    #[test]
    fn policies_and_formats_are_checked() {
        assert!(committer(&[]).unwrap().is_none());
        assert!(committer(&[("sink.partition-commit.policy.kind", "custom")]).is_err());
        let pattern = ("partition.time-extractor.timestamp-formatter", "yyyy-MMM-EEE");
        assert!(committer(&[("sink.partition-commit.policy.kind", "metastore"), pattern]).is_err());
    }
}
