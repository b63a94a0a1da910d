//! The format `parquet`: its options and the places of its parts.
//!
//! Source of the rules: Flink documentation, "Parquet Format", the Parquet specification, and files written by Flink
//! 2.3. The crate `parquet` does the encodings and pages; here is how its values are those of Flink's types.
//! Invariant: columns are found by their names, never by their places. Deliberately not here: encryption, bloom filters,
//! and the codecs brotli and LZO.

mod convert;
mod read;
mod schema;
mod shred;
mod stamp;
mod write;

use crate::{DecodeRequest, Decoded, Decoder, EncodeRequest, Encoder, FileFormat, Format};
use tidemill_types::{Blob, Chunk, Error, OptionKind, OptionSpec, Options, Result};

const UTC_ZONE: OptionSpec = OptionSpec::new(
    "utc-timezone",
    OptionKind::Boolean,
    "whether timestamps are kept as UTC; otherwise they are converted from and to this machine's zone, as Hive 2 does",
)
.default("false");
const TIME_UNIT: OptionSpec = OptionSpec::new(
    "timestamp.time.unit",
    OptionKind::Choice(&["nanos", "micros", "millis"]),
    "the unit of timestamps that are written as INT64",
)
.default("micros");
const INT64: OptionSpec = OptionSpec::new(
    "write.int64.timestamp",
    OptionKind::Boolean,
    "whether timestamps are written as INT64 with their unit rather than as INT96",
)
.default("false");
const BATCH_SIZE: OptionSpec =
    OptionSpec::new("batch-size", OptionKind::Integer, "accepted; how many rows are read at a time")
        .default("2048");
const COMPRESSION: OptionSpec = OptionSpec::new(
    "compression",
    OptionKind::Choice(&["UNCOMPRESSED", "SNAPPY", "GZIP", "LZ4", "LZ4_RAW", "ZSTD"]),
    "how pages are compressed",
)
.default("SNAPPY");
const BLOCK_SIZE: OptionSpec = OptionSpec::new(
    "block.size",
    OptionKind::Memory,
    "how many bytes of rows, as they are in memory, make a row group",
)
.default("32mb");
const PAGE_SIZE: OptionSpec =
    OptionSpec::new("page.size", OptionKind::Memory, "how large a page is").default("1mb");
const DICTIONARY: OptionSpec = OptionSpec::new(
    "enable.dictionary",
    OptionKind::Boolean,
    "whether values that repeat are written once and referred to",
)
.default("true");
const OTHERS: OptionSpec = OptionSpec::new(
    "*",
    OptionKind::Text,
    "further properties of Java's writer; accepted, without meaning here",
);

/// Columns of rows in files.
pub const FORMAT: Format = Format {
    name: "parquet",
    summary: "Apache Parquet files: columns in row groups.",
    options: &[
        UTC_ZONE,
        TIME_UNIT,
        INT64,
        BATCH_SIZE,
        COMPRESSION,
        BLOCK_SIZE,
        PAGE_SIZE,
        DICTIONARY,
        OTHERS,
    ],
    changelog: false,
    binary: true,
    metadata: &[],
    decoder: Some(check_decoder),
    encoder: Some(check_encoder),
    files: Some(FileFormat { only: true, reader: read::open, writer: write::open }),
};

/// Whether timestamps are kept as UTC.
fn utc(options: &Options) -> Result<bool> {
    options.boolean(&UTC_ZONE)
}

/// What is opened to check options and types only.
struct NoRecords;

fn check_decoder(request: &DecodeRequest<'_>) -> Result<Box<dyn Decoder>> {
    if let Some((key, _)) = request.metadata.first() {
        return Err(Error::user(format!("the format 'parquet' has no metadata column '{key}'")));
    }
    utc(request.options)?;
    schema::of(request.physical, None)?;
    Ok(Box::new(NoRecords))
}

fn check_encoder(request: &EncodeRequest<'_>) -> Result<Box<dyn Encoder>> {
    write::open(request)?;
    Ok(Box::new(NoRecords))
}

fn no_records() -> Error {
    Error::user_hint("the format 'parquet' has files, not records", "use it with the connector 'filesystem'")
}

impl Decoder for NoRecords {
    fn decode(&mut self, _blob: &Blob) -> Result<Decoded> {
        Err(no_records())
    }
}

impl Encoder for NoRecords {
    fn encode(&mut self, _: &Chunk, _: &[u8], _: &mut Vec<u8>, _: &mut Vec<usize>) -> Result<()> {
        Err(no_records())
    }
}
