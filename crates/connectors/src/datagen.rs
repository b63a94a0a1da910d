//! `datagen`: rows made up from the table's types.
//!
//! Source of the rules: Flink documentation, "DataGen SQL Connector". Options beyond Flink's: `seed`.

mod field;
mod plan;
mod shape;
mod source;

use tidemill_connector::{Connector, Lookups, OpenSource, TableRequest};
use tidemill_types::{OptionKind, OptionSpec, Options, Result};

const ROWS_PER_SECOND: OptionSpec =
    OptionSpec::new("rows-per-second", OptionKind::Integer, "how many rows are made each second")
        .default("10000");
const NUMBER_OF_ROWS: OptionSpec = OptionSpec::new(
    "number-of-rows",
    OptionKind::Integer,
    "how many rows are made; without it there is no end",
);
const SEED: OptionSpec = OptionSpec::new(
    "seed",
    OptionKind::Integer,
    "the same seed makes the same rows; without it each run differs",
);

const OPTIONS: &[OptionSpec] = &[
    ROWS_PER_SECOND,
    NUMBER_OF_ROWS,
    SEED,
    OptionSpec::new("fields.*.kind", OptionKind::Choice(&["random", "sequence"]), "how values are made"),
    OptionSpec::new("fields.*.min", OptionKind::Number, "the least random number"),
    OptionSpec::new("fields.*.max", OptionKind::Number, "the largest random number"),
    OptionSpec::new("fields.*.max-past", OptionKind::Duration, "how far timestamps lie in the past at most"),
    OptionSpec::new("fields.*.length", OptionKind::Integer, "the length of texts, bytes, arrays and maps"),
    OptionSpec::new("fields.*.var-len", OptionKind::Boolean, "lengths are between 1 and 'length'"),
    OptionSpec::new("fields.*.start", OptionKind::Integer, "the first number of a sequence"),
    OptionSpec::new("fields.*.end", OptionKind::Integer, "the last number of a sequence"),
    OptionSpec::new("fields.*.null-rate", OptionKind::Number, "the share of NULLs, from 0 to 1"),
];

/// The connector.
pub(crate) fn connector() -> Connector {
    Connector {
        name: "datagen",
        summary: "rows made up from the types of the table, at random or in sequence",
        options: OPTIONS,
        formatted: false,
        metadata: &[],
        sink_takes_changes: false,
        sink_skips_update_before: false,
        finds_fields_by_name: false,
        upserts: false,
        bounded,
        check: |request| plan::Plan::of(request).map(drop),
        source: Some(open),
        sink: None,
        lookups: Lookups::NONE,
        single_task_sink: false,
    }
}

fn bounded(options: &Options) -> bool {
    options.get(NUMBER_OF_ROWS.key).is_some()
        || options.0.iter().any(|(key, value)| {
            key.starts_with("fields.") && key.ends_with(".kind") && value.eq_ignore_ascii_case("sequence")
        })
}

fn open(request: &TableRequest<'_>) -> Result<OpenSource> {
    let source = source::Generator::open(request)?;
    Ok(OpenSource {
        source: Box::new(source),
        bounded: bounded(request.options),
        watermark_per_split: false,
        replayable: true,
    })
}
