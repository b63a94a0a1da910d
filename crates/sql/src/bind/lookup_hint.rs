//! The LOOKUP hint: `SELECT /*+ LOOKUP('table'='d', 'async'='true', …) */`.
//!
//! Rules (Flink documentation, "Hints"; the checks are those of its planner): 'table' is required and names a table
//! of FROM, by its alias if it has one; the four retry options come together or not at all; 'capacity' is looked at
//! only where 'async' is 'true'.

use super::{Bound, RelationColumn};
use crate::ast::{Hint, HintArg, Property};
use crate::diagnostic::Diagnostic;
use tidemill_plan::MissPlan;
use tidemill_types::options::{near, quoted_or};
use tidemill_types::{OptionKind, OptionSpec, Options};

const TABLE: &str = "table";
const OPTIONS: &[OptionSpec] = &[
    OptionSpec::new(TABLE, OptionKind::Text, "the table that is looked up, by its alias if it has one"),
    OptionSpec::new("async", OptionKind::Boolean, "whether several keys are asked for at a time"),
    OptionSpec::new(
        "output-mode",
        OptionKind::Choice(&["ORDERED", "ALLOW_UNORDERED"]),
        "whether rows may overtake each other",
    ),
    OptionSpec::new("capacity", OptionKind::Integer, "how many keys a task asks for at a time"),
    OptionSpec::new("timeout", OptionKind::Duration, "how long an answer may take"),
    OptionSpec::new("retry-predicate", OptionKind::Text, "when a key is asked for again: 'lookup_miss'"),
    OptionSpec::new(
        "retry-strategy",
        OptionKind::Choice(&["FIXED_DELAY", "FIXED-DELAY"]),
        "how: 'fixed_delay'",
    ),
    OptionSpec::new("fixed-delay", OptionKind::Duration, "the pause before a key is asked for again"),
    OptionSpec::new("max-attempts", OptionKind::Integer, "how often a key is asked for again at most"),
    OptionSpec::new("shuffle", OptionKind::Boolean, "whether rows are divided among the tasks by key"),
];
const RETRY: [&str; 4] = ["retry-predicate", "retry-strategy", "fixed-delay", "max-attempts"];
const LOOKUP_MISS: &str = "lookup_miss";

/// What a hint says of one table.
#[derive(Debug, Clone, Default)]
pub(super) struct LookupHint {
    pub(super) asynchronous: Option<bool>,
    pub(super) allow_unordered: Option<bool>,
    pub(super) capacity: Option<usize>,
    pub(super) timeout_ms: Option<u64>,
    pub(super) on_miss: Option<MissPlan>,
    pub(super) shuffled: bool,
}

fn lookups(hints: &[Hint]) -> impl Iterator<Item = &Hint> {
    hints.iter().filter(|hint| hint.name.value.eq_ignore_ascii_case("LOOKUP"))
}

/// Checks the LOOKUP hints of a SELECT; each must name a table among those of FROM.
pub(super) fn check(hints: &[Hint], from: &[RelationColumn]) -> Bound<()> {
    for hint in lookups(hints) {
        let (table, _) = parse(hint)?;
        let tables = || from.iter().filter_map(|column| column.qualifier.as_deref());
        if tables().any(|known| known == table) {
            continue;
        }
        let message = format!(
            "The options of following hints cannot match the name of input tables or views: `{table}` in `LOOKUP`"
        );
        let diagnostic = Diagnostic::new(hint.span, message);
        return Err(match near(&table, tables()).as_slice() {
            [] => diagnostic.with_hint("name a table of FROM, by its alias if it has one"),
            near => diagnostic.with_hint(format!("did you mean {}?", quoted_or(near))),
        });
    }
    Ok(())
}

/// What the hints say of a table; the first hint for it counts.
pub(super) fn of_table(hints: &[Hint], table: &str) -> Bound<LookupHint> {
    for hint in lookups(hints) {
        let (named, parsed) = parse(hint)?;
        if named == table {
            return Ok(parsed);
        }
    }
    Ok(LookupHint::default())
}

/// The table that a hint names, and what it says.
fn parse(hint: &Hint) -> Bound<(String, LookupHint)> {
    let options = options(hint)?;
    let Some(table) = options.get(TABLE) else {
        return Err(invalid(hint, "Invalid LOOKUP hint: incomplete required option(s): [table]"));
    };
    let read = |key: &str| options.get(key).map(str::trim);
    let flag = |key: &str| read(key).map(|text| text.eq_ignore_ascii_case("true"));
    let asynchronous = flag("async");
    let capacity: Option<i64> = read("capacity").and_then(|text| text.parse().ok());
    if asynchronous == Some(true) && capacity.is_some_and(|capacity| capacity <= 0) {
        return Err(not_positive(hint, "capacity", capacity.unwrap_or_default()));
    }
    let duration = |key: &str| read(key).and_then(tidemill_types::options::parse_duration);
    let parsed = LookupHint {
        asynchronous,
        allow_unordered: read("output-mode").map(|text| text.eq_ignore_ascii_case("ALLOW_UNORDERED")),
        capacity: capacity
            .and_then(|capacity| usize::try_from(capacity).ok())
            .filter(|capacity| *capacity > 0),
        timeout_ms: duration("timeout").map(|time| time.as_millis() as u64),
        on_miss: on_miss(hint, &options)?,
        shuffled: flag("shuffle") == Some(true),
    };
    Ok((table.to_string(), parsed))
}

fn on_miss(hint: &Hint, options: &Options) -> Bound<Option<MissPlan>> {
    match RETRY.iter().filter(|key| options.get(key).is_some()).count() {
        0 => return Ok(None),
        all if all == RETRY.len() => {}
        _ => {
            return Err(invalid(hint, "Invalid LOOKUP hint: retry options can be both null or all not null")
                .with_hint(format!("give all of {}, or none", quoted_or(&RETRY).replace(" or ", " and "))));
        }
    }
    let predicate = options.get("retry-predicate").unwrap_or_default();
    if !predicate.eq_ignore_ascii_case(LOOKUP_MISS) {
        let message = format!(
            "Invalid LOOKUP hint option: unsupported retry-predicate '{predicate}', only '{LOOKUP_MISS}' is supported"
        );
        return Err(invalid(hint, message));
    }
    let attempts: i64 =
        options.get("max-attempts").and_then(|text| text.trim().parse().ok()).unwrap_or_default();
    if attempts <= 0 {
        return Err(not_positive(hint, "max-attempts", attempts));
    }
    let delay = options.get("fixed-delay").and_then(tidemill_types::options::parse_duration);
    Ok(Some(MissPlan {
        delay_ms: delay.map_or(0, |delay| delay.as_millis() as u64),
        attempts_max: u32::try_from(attempts).unwrap_or(u32::MAX),
    }))
}

/// The options of a hint; the last value of a key counts.
fn options(hint: &Hint) -> Bound<Options> {
    let mut options = Options::default();
    for arg in &hint.args {
        let Property { key, value, .. } = match arg {
            HintArg::Pair(pair) => pair,
            HintArg::Item(item) => {
                let message = "Invalid list options in LOOKUP hint, only support key-value options";
                return Err(Diagnostic::new(item.span, message)
                    .with_hint("write LOOKUP('table' = 'd', 'async' = 'true')"));
            }
        };
        Options::new([(key.value.as_str(), value.value.as_str())])
            .check("the LOOKUP hint", &[OPTIONS])
            .map_err(|error| super::at(key.span.to(value.span))(error))?;
        options.0.insert(key.value.clone(), value.value.clone());
    }
    Ok(options)
}

fn invalid(hint: &Hint, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(hint.span, message)
}

fn not_positive(hint: &Hint, key: &str, value: i64) -> Diagnostic {
    invalid(
        hint,
        format!("Invalid LOOKUP hint option: {key} value should be positive integer but was {value}"),
    )
}
