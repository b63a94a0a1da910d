//! Changelogs in JSON: an envelope around rows that says what happened to them.
//!
//! Source of the rules: Flink documentation, "Debezium", "Canal", "Maxwell" and "Ogg Format". The rows
//! are read and written by the format `json`; here is only what each envelope means.

mod decoder;
mod encoder;
mod envelope;
mod metadata;

use crate::Format;
use crate::json::{
    IGNORE_NULL_FIELDS, IGNORE_PARSE_ERRORS, MAP_NULL_KEY_LITERAL, MAP_NULL_KEY_MODE, PLAIN_DECIMALS,
    TIMESTAMP_FORMAT,
};
use tidemill_types::{OptionKind, OptionSpec};

const SCHEMA_INCLUDE: OptionSpec = OptionSpec::new(
    "schema-include",
    OptionKind::Boolean,
    "whether the change stands under 'payload' beside its schema",
)
.default("false");
const DATABASE_INCLUDE: OptionSpec =
    OptionSpec::new("database.include", OptionKind::Text, "a regular expression for the databases to read");
const TABLE_INCLUDE: OptionSpec =
    OptionSpec::new("table.include", OptionKind::Text, "a regular expression for the tables to read");

const COMMON: &[OptionSpec] = &[
    IGNORE_PARSE_ERRORS,
    TIMESTAMP_FORMAT,
    MAP_NULL_KEY_MODE,
    MAP_NULL_KEY_LITERAL,
    PLAIN_DECIMALS,
    IGNORE_NULL_FIELDS,
];

/// Debezium's changes.
pub const DEBEZIUM: Format = Format {
    name: "debezium-json",
    summary: "Debezium's change events: 'before', 'after' and 'op' (c, r, u, d).",
    options: &[
        SCHEMA_INCLUDE,
        IGNORE_PARSE_ERRORS,
        TIMESTAMP_FORMAT,
        MAP_NULL_KEY_MODE,
        MAP_NULL_KEY_LITERAL,
        PLAIN_DECIMALS,
        IGNORE_NULL_FIELDS,
    ],
    changelog: true,
    binary: false,
    metadata: metadata::DEBEZIUM,
    decoder: Some(|request| decoder::open(request, &envelope::DEBEZIUM)),
    encoder: Some(|request| encoder::open(request, encoder::Wrapping::Debezium)),
    files: None,
};

/// Canal's changes.
pub const CANAL: Format = Format {
    name: "canal-json",
    summary: "Canal's change events: arrays 'data' and 'old', and 'type' (INSERT, UPDATE, DELETE).",
    options: &[
        DATABASE_INCLUDE,
        TABLE_INCLUDE,
        IGNORE_PARSE_ERRORS,
        TIMESTAMP_FORMAT,
        MAP_NULL_KEY_MODE,
        MAP_NULL_KEY_LITERAL,
        PLAIN_DECIMALS,
        IGNORE_NULL_FIELDS,
    ],
    changelog: true,
    binary: false,
    metadata: metadata::CANAL,
    decoder: Some(|request| decoder::open(request, &envelope::CANAL)),
    encoder: Some(|request| encoder::open(request, encoder::Wrapping::Canal)),
    files: None,
};

/// Maxwell's changes.
pub const MAXWELL: Format = Format {
    name: "maxwell-json",
    summary: "Maxwell's change events: 'data', 'old' and 'type' (insert, update, delete).",
    options: COMMON,
    changelog: true,
    binary: false,
    metadata: metadata::MAXWELL,
    decoder: Some(|request| decoder::open(request, &envelope::MAXWELL)),
    encoder: Some(|request| encoder::open(request, encoder::Wrapping::Maxwell)),
    files: None,
};

/// The changes of Oracle GoldenGate.
pub const OGG: Format = Format {
    name: "ogg-json",
    summary: "Oracle GoldenGate's change events: 'before', 'after' and 'op_type' (I, U, D).",
    options: COMMON,
    changelog: true,
    binary: false,
    metadata: metadata::OGG,
    decoder: Some(|request| decoder::open(request, &envelope::OGG)),
    encoder: Some(|request| encoder::open(request, encoder::Wrapping::Ogg)),
    files: None,
};
