//! `SET` and `RESET`. Flink's keys that have a meaning here are declared; unknown ones are kept and warned of.

use std::collections::BTreeMap;
use tidemill_types::options::{near, quoted_or};
use tidemill_types::{OptionKind, OptionSpec, Options, Result};

/// The zone of a session that sets none.
const ZONE_DEFAULT: chrono_tz::Tz = chrono_tz::Tz::UTC;

/// Settings with a meaning.
pub const SETTINGS: &[OptionSpec] = &[
    OptionSpec::new(
        "execution.runtime-mode",
        OptionKind::Choice(&["streaming", "batch"]),
        "streaming or batch",
    )
    .default("streaming"),
    OptionSpec::new(
        "execution.checkpointing.interval",
        OptionKind::Duration,
        "time between checkpoints; 0 for none but at the end [10 s with a state folder]",
    ),
    OptionSpec::new(
        "execution.checkpointing.min-pause",
        OptionKind::Duration,
        "least time from the end of a checkpoint to the next",
    ),
    OptionSpec::new(
        "execution.checkpointing.timeout",
        OptionKind::Duration,
        "after which time an incomplete checkpoint counts as failed [10 min]",
    ),
    OptionSpec::new(
        "execution.checkpointing.tolerable-failed-checkpoints",
        OptionKind::Integer,
        "how many checkpoints in a row may fail before the job does [0]",
    ),
    OptionSpec::new(
        "execution.checkpointing.num-retained",
        OptionKind::Integer,
        "how many checkpoints are kept [2]",
    ),
    OptionSpec::new(
        "execution.checkpointing.unaligned.enabled",
        OptionKind::Boolean,
        "whether a checkpoint may overtake what is queued, and keep it [false]",
    ),
    OptionSpec::new(
        "execution.checkpointing.aligned-checkpoint-timeout",
        OptionKind::Duration,
        "how long an unaligned checkpoint waits for what is queued before it overtakes",
    )
    .default("0 ms"),
    OptionSpec::new(
        "restart-strategy.type",
        OptionKind::Choice(&["none", "fixed-delay", "exponential-delay", "failure-rate"]),
        "when a job is started again after a failure outside [exponential-delay with a state folder]",
    ),
    OptionSpec::new("parallelism.default", OptionKind::Integer, "how many tasks each operator has"),
    OptionSpec::new("pipeline.name", OptionKind::Text, "the name of the job"),
    OptionSpec::new(
        "table.exec.async-lookup.buffer-capacity",
        OptionKind::Integer,
        "how many keys a task of a lookup join asks for at a time",
    )
    .default("100"),
    OptionSpec::new(
        "table.exec.async-lookup.output-mode",
        OptionKind::Choice(&["ORDERED", "ALLOW_UNORDERED"]),
        "whether rows of a lookup join may overtake each other",
    )
    .default("ORDERED"),
    OptionSpec::new(
        "table.exec.async-lookup.timeout",
        OptionKind::Duration,
        "how long an answer to a lookup join may take, further attempts included",
    )
    .default("3 min"),
    OptionSpec::new(
        "table.optimizer.non-deterministic-update.strategy",
        OptionKind::Choice(&["IGNORE", "TRY_RESOLVE"]),
        "whether updates are refused that can't be taken back for certain",
    )
    .default("IGNORE"),
    OptionSpec::new("table.dml-sync", OptionKind::Boolean, "whether an INSERT is waited for"),
    OptionSpec::new(
        "table.exec.legacy-cast-behaviour",
        OptionKind::Choice(&["enabled", "disabled"]),
        "failing casts give NULL",
    )
    .default("disabled"),
    OptionSpec::new(
        "table.exec.sink.not-null-enforcer",
        OptionKind::Choice(&["error", "drop"]),
        "what a NULL in a NOT NULL column of a sink does",
    )
    .default("error"),
    OptionSpec::new(
        "table.exec.source.idle-timeout",
        OptionKind::Duration,
        "when a silent source stops holding back the watermark",
    )
    .default("0 ms"),
    OptionSpec::new(
        "table.exec.state.ttl",
        OptionKind::Duration,
        "how long unused state is kept; 0 for ever",
    )
    .default("0 ms"),
    OptionSpec::new("table.local-time-zone", OptionKind::Text, "the session time zone").default("UTC"),
    OptionSpec::new(
        "tidemill.bad-records",
        OptionKind::Choice(&["fail", "keep"]),
        "whether a bad record ends the run",
    )
    .default("fail"),
    OptionSpec::new(
        "tidemill.late-records",
        OptionKind::Choice(&["count", "keep"]),
        "whether late rows are kept as records",
    )
    .default("count"),
    OptionSpec::new(
        "tidemill.memory",
        OptionKind::Memory,
        "how much memory the run may take; state that does not fit goes to disk, sources wait if need be [any]",
    ),
    OptionSpec::new(
        "tidemill.match-recognize.extensions",
        OptionKind::Boolean,
        "whether MATCH_RECOGNIZE takes what Flink has not: alternatives, groups, PREV, MATCH_TIMED_OUT",
    )
    .default("false"),
    OptionSpec::new(
        "tidemill.match-recognize.partial-matches-max",
        OptionKind::Integer,
        "how many partial matches a key of a MATCH_RECOGNIZE may have; more end the run",
    )
    .default("100000"),
];

/// The settings of a session.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    values: Options,
}

impl Settings {
    /// Sets a key. The answer is a warning if the key is not known.
    pub fn set(&mut self, key: &str, value: &str) -> Result<Option<String>> {
        let pair = Options::new([(key, value)]);
        if let Some(spec) = SETTINGS.iter().find(|spec| spec.matches(key)) {
            pair.check("a session", &[std::slice::from_ref(spec)])?;
        }
        if key == "table.local-time-zone" {
            parse_zone(value)?;
        }
        self.values.0.insert(key.to_string(), value.to_string());
        Ok(unknown_warning(key))
    }

    /// Resets a key, or all.
    pub fn reset(&mut self, key: Option<&str>) {
        match key {
            Some(key) => drop(self.values.0.remove(key)),
            None => self.values.0.clear(),
        }
    }

    /// All that was set.
    pub fn all(&self) -> &BTreeMap<String, String> {
        &self.values.0
    }

    /// The keys that have a meaning.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        SETTINGS.iter().map(|spec| spec.key)
    }

    /// The text of a key, or its default.
    pub fn get(&self, key: &str) -> Option<&str> {
        let default = || SETTINGS.iter().find(|spec| spec.key == key).and_then(|spec| spec.default);
        self.values.get(key).or_else(default)
    }

    /// Whether a key has this value, in any case.
    pub fn is(&self, key: &str, value: &str) -> bool {
        self.get(key).is_some_and(|text| text.eq_ignore_ascii_case(value))
    }

    /// A duration in milliseconds.
    pub fn duration_ms(&self, key: &str) -> i64 {
        self.get(key)
            .and_then(tidemill_types::options::parse_duration)
            .map_or(0, |duration| duration.as_millis() as i64)
    }

    /// The session time zone.
    pub fn zone(&self) -> chrono_tz::Tz {
        self.get("table.local-time-zone").and_then(|text| parse_zone(text).ok()).unwrap_or(ZONE_DEFAULT)
    }
}

fn parse_zone(text: &str) -> Result<chrono_tz::Tz> {
    let fixed = match text {
        "Z" | "UTC" | "GMT" => Some("UTC".to_string()),
        _ => fixed_offset(text),
    };
    fixed.as_deref().unwrap_or(text).parse().map_err(|_| {
        tidemill_types::Error::user_hint(
            format!("there is no time zone '{text}'"),
            "use a name such as 'Europe/Berlin', or an offset of whole hours such as 'GMT+8'",
        )
    })
}

/// `GMT+8`, `UTC-05:00`, `+08:00` as the zone `Etc/GMT-8`, whose sign is turned round.
fn fixed_offset(text: &str) -> Option<String> {
    let offset = ["GMT", "UTC", ""].iter().find_map(|prefix| text.strip_prefix(prefix))?;
    let (sign, digits) = match offset.as_bytes().first()? {
        b'+' => ('-', &offset[1..]),
        b'-' => ('+', &offset[1..]),
        _ => return None,
    };
    let hours: u32 = digits.strip_suffix(":00").unwrap_or(digits).parse().ok()?;
    Some(format!("Etc/GMT{sign}{hours}"))
}

fn unknown_warning(key: &str) -> Option<String> {
    if SETTINGS.iter().any(|spec| spec.matches(key))
        || FLINK_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
    {
        return None;
    }
    let known = SETTINGS.iter().map(|spec| spec.key);
    let hint = match near(key, known).as_slice() {
        [] => String::new(),
        near => format!("; did you mean {}?", quoted_or(near)),
    };
    Some(format!("the setting '{key}' is not known and has no effect{hint}"))
}

/// Settings of Flink that are accepted without effect, because they only tune its own execution.
const FLINK_PREFIXES: &[&str] = &[
    "table.exec.mini-batch.",
    "table.exec.sink.",
    "table.exec.",
    "table.optimizer.",
    "execution.",
    "state.",
    "pipeline.",
    "restart-strategy.",
    "sql-client.",
    "table.sql-dialect",
    "table.column-expansion-strategy",
    "taskmanager.",
    "jobmanager.",
    "parallelism.",
];
