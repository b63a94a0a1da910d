//! The format `protobuf`: its options and the places of its parts.
//!
//! Source of the rules: Flink documentation, "Protobuf Format", and the Protocol Buffers documentation, "Encoding". Flink
//! is given a Java class; here the message's definition comes from a file: a `.proto` text, which is compiled in this
//! process, or a descriptor set as `protoc` writes it. Deliberately not here: groups of proto2, and extensions.

mod decoder;
mod descriptor;
mod encoder;
mod read;
mod scalar;
mod wire;

use crate::Format;
use tidemill_types::{OptionKind, OptionSpec};

const MESSAGE: OptionSpec = OptionSpec::new(
    "message-class-name",
    OptionKind::Text,
    "the message: its full name ('package.Message'); a Java class that ends in the message's name is found too",
)
.required();
const IGNORE_ERRORS: OptionSpec = OptionSpec::new(
    "ignore-parse-errors",
    OptionKind::Boolean,
    "whether records that can't be read are skipped and counted",
)
.default("false");
const READ_DEFAULTS: OptionSpec = OptionSpec::new(
    "read-default-values",
    OptionKind::Boolean,
    "whether fields that are absent have their default value rather than NULL",
)
.default("false");
const NULL_TEXT: OptionSpec = OptionSpec::new(
    "write-null-string-literal",
    OptionKind::Text,
    "what is written for a NULL text in an array or map, which can hold none",
)
.default("");
const DESCRIPTOR_FILE: OptionSpec = OptionSpec::new(
    "descriptor-file",
    OptionKind::Text,
    "a descriptor set with the message, as 'protoc --include_imports --descriptor_set_out' writes it",
);
const SCHEMA_FILE: OptionSpec = OptionSpec::new(
    "schema-file",
    OptionKind::Text,
    "a '.proto' file with the message; what it imports is looked for in its folder",
);

/// One message a record.
pub const FORMAT: Format = Format {
    name: "protobuf",
    summary: "Protocol Buffers: one message a record.",
    options: &[MESSAGE, IGNORE_ERRORS, READ_DEFAULTS, NULL_TEXT, DESCRIPTOR_FILE, SCHEMA_FILE],
    changelog: false,
    binary: true,
    metadata: &[],
    decoder: Some(decoder::open),
    encoder: Some(encoder::open),
    files: None,
};
