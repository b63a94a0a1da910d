//! The options of `filesystem`, declared once.

use tidemill_types::{OptionKind, OptionSpec};

const fn text(key: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec::new(key, OptionKind::Text, help)
}

pub(super) const PATH: OptionSpec =
    text("path", "a file, a folder or '-' for standard input and output; a sink writes into a folder")
        .required();
pub(super) const DEFAULT_NAME: OptionSpec =
    text("partition.default-name", "the partition value that stands for NULL and the empty text")
        .default("__DEFAULT_PARTITION__");
pub(super) const MONITOR_INTERVAL: OptionSpec = OptionSpec::new(
    "source.monitor-interval",
    OptionKind::Duration,
    "how often to look for new files and growth; without it the source ends after the files there are",
);
pub(super) const REGEX: OptionSpec =
    text("source.path.regex-pattern", "reads only files whose whole absolute path matches this pattern");
pub(super) const FILE_SIZE: OptionSpec = OptionSpec::new(
    "sink.rolling-policy.file-size",
    OptionKind::Memory,
    "a part file this large is finished",
)
.default("128MB");
pub(super) const ROLLOVER: OptionSpec = OptionSpec::new(
    "sink.rolling-policy.rollover-interval",
    OptionKind::Duration,
    "a part file open for this long is finished",
)
.default("30 min");
pub(super) const INACTIVITY: OptionSpec = OptionSpec::new(
    "sink.rolling-policy.inactivity-interval",
    OptionKind::Duration,
    "a part file without new rows for this long is finished",
)
.default("30 min");
pub(super) const CHECK_INTERVAL: OptionSpec = OptionSpec::new(
    "sink.rolling-policy.check-interval",
    OptionKind::Duration,
    "how often the ages of part files are looked at",
)
.default("1 min");
pub(super) const COMMIT_TRIGGER: OptionSpec = OptionSpec::new(
    "sink.partition-commit.trigger",
    OptionKind::Choice(&["process-time", "partition-time"]),
    "whether a partition is complete by the clock or when the watermark has passed its time",
)
.default("process-time");
pub(super) const COMMIT_DELAY: OptionSpec = OptionSpec::new(
    "sink.partition-commit.delay",
    OptionKind::Duration,
    "how long after its time a partition is complete",
)
.default("0 s");
pub(super) const COMMIT_ZONE: OptionSpec = text(
    "sink.partition-commit.watermark-time-zone",
    "the zone of partition times compared with the watermark",
)
.default("UTC");
pub(super) const COMMIT_POLICY: OptionSpec = text(
    "sink.partition-commit.policy.kind",
    "what marks a complete partition: 'success-file'; 'metastore' is accepted and does nothing",
);
pub(super) const SUCCESS_NAME: OptionSpec =
    text("sink.partition-commit.success-file.name", "the name of the file that marks a complete partition")
        .default("_SUCCESS");
pub(super) const TIME_KIND: OptionSpec = OptionSpec::new(
    "partition.time-extractor.kind",
    OptionKind::Choice(&["default"]),
    "how a partition's time is found; only by pattern",
)
.default("default");
pub(super) const TIME_PATTERN: OptionSpec = text(
    "partition.time-extractor.timestamp-pattern",
    "a partition's time from its columns, such as '$dt $hour:00:00'; without it the first column",
);
pub(super) const TIME_FORMATTER: OptionSpec = text(
    "partition.time-extractor.timestamp-formatter",
    "how that text is read, such as 'yyyyMMddHH'; without it 'yyyy-MM-dd' or 'yyyy-MM-dd HH:mm:ss'",
);

/// All of them, for the check and the reference page.
pub(super) const ALL: &[OptionSpec] = &[
    PATH,
    DEFAULT_NAME,
    MONITOR_INTERVAL,
    REGEX,
    OptionSpec::new(
        "source.report-statistics",
        OptionKind::Choice(&["NONE", "ALL"]),
        "accepted; statistics change no answer",
    ),
    OptionSpec::new(
        "sink.shuffle-by-partition.enable",
        OptionKind::Boolean,
        "accepted; tasks write their own files either way",
    ),
    FILE_SIZE,
    ROLLOVER,
    INACTIVITY,
    CHECK_INTERVAL,
    OptionSpec::new("auto-compaction", OptionKind::Boolean, "accepted; files roll by size and age only"),
    OptionSpec::new("compaction.file-size", OptionKind::Memory, "accepted, see 'auto-compaction'"),
    OptionSpec::new("compaction.parallelism", OptionKind::Integer, "accepted, see 'auto-compaction'"),
    COMMIT_TRIGGER,
    COMMIT_DELAY,
    COMMIT_ZONE,
    COMMIT_POLICY,
    SUCCESS_NAME,
    TIME_KIND,
    TIME_PATTERN,
    TIME_FORMATTER,
];
