//! The format `csv`: its options and the places of its parts.
//!
//! Source of the rules: Flink documentation, "CSV Format", and Flink 2.3's behaviour. There is no header.
//! A quoted field may hold line ends: within a blob such a record is read whole. Sources cut blobs at line
//! ends without knowing of quotes, so a record that a cut divides is a reject (an unclosed quote).

mod decoder;
mod encoder;
mod options;
mod split;

use crate::Format;

/// One line of separated fields a record.
pub const FORMAT: Format = Format {
    name: "csv",
    summary: "One line of separated fields a record, in the order of the columns; no header.",
    options: options::OPTIONS,
    changelog: false,
    binary: false,
    metadata: &[],
    decoder: Some(decoder::open),
    encoder: Some(encoder::open),
    files: None,
};
