//! The formats `avro` and `avro-confluent`: their options and the places of their parts.
//!
//! Source of the rules: Flink documentation, "Avro Format" and "Confluent Avro Format", the Avro specification, and
//! Flink 2.3's behaviour. Deliberately not here: Avro's JSON encoding.

mod container;
mod cursor;
mod decoder;
mod derive;
mod encoder;
mod plan;
mod read;
mod registry;
mod schema;
mod write;

use crate::{FileFormat, Format, MetadataKey};
use tidemill_types::{Error, OptionKind, OptionSpec, Options, Result};

pub(crate) const LEGACY: OptionSpec = OptionSpec::new(
    "timestamp_mapping.legacy",
    OptionKind::Boolean,
    "whether TIMESTAMP is an instant and TIMESTAMP_LTZ refused, as in Flink before 1.19",
)
.default("true");
const ENCODING: OptionSpec =
    OptionSpec::new("encoding", OptionKind::Choice(&["binary", "json"]), "only 'binary'").default("binary");
pub(crate) const CODEC: OptionSpec = OptionSpec::new(
    "codec",
    OptionKind::Choice(&["null", "deflate", "snappy", "zstandard", "bzip2", "xz"]),
    "how the blocks of files are compressed",
)
.default("snappy");

/// Plain records, whose schema is that of the table.
pub const AVRO: Format = Format {
    name: "avro",
    summary: "Avro: a record of the table's schema, without it; files hold their schema.",
    options: &[LEGACY, ENCODING, CODEC],
    changelog: false,
    binary: true,
    metadata: NO_METADATA,
    decoder: Some(decoder::open_plain),
    encoder: Some(encoder::open_plain),
    files: Some(FileFormat { only: false, reader: container::open_reader, writer: container::open_writer }),
};

/// Records with the id of their schema in front.
pub const CONFLUENT: Format = Format {
    name: "avro-confluent",
    summary: "Avro with the id of its schema in Confluent's Schema Registry in front.",
    options: CONFLUENT_OPTIONS,
    changelog: false,
    binary: true,
    metadata: NO_METADATA,
    decoder: Some(decoder::open_confluent),
    encoder: Some(encoder::open_confluent),
    files: None,
};

const NO_METADATA: &[MetadataKey] = &[];

const CONFLUENT_OPTIONS: &[OptionSpec] = &{
    let own = registry::OPTIONS;
    let mut all = [LEGACY; registry::OPTIONS.len() + 1];
    let mut at = 0;
    while at < own.len() {
        all[at] = own[at];
        at += 1;
    }
    all
};

fn legacy(options: &Options) -> Result<bool> {
    if options.text(&ENCODING).is_some_and(|text| text.eq_ignore_ascii_case("json")) {
        return Err(Error::user_hint(
            "option 'encoding' is 'json', but records of the format 'avro' are read and written as binary only",
            "remove it, or use the format 'json'",
        ));
    }
    options.boolean(&LEGACY)
}

/// The options of a format with the subject that a log's topic gives, if the format registers schemas and none is named.
/// `part` is `key` or `value`.
pub fn with_subject(format: &str, mut options: Options, topic: Option<&str>, part: &str) -> Options {
    if let Some(topic) = topic
        && format == CONFLUENT.name
    {
        options.0.entry(registry::SUBJECT.key.to_string()).or_insert_with(|| format!("{topic}-{part}"));
    }
    options
}
