//! Bytes to chunks and back, one file or folder for each format.
//!
//! Invariant: a decoder never loses a record in silence: what it can't read is a [`Reject`] with the exact
//! byte range and the reason. Nothing here knows connectors. The only I/O is that of schemas: a registry is asked when a record
//! needs it, and files that define messages are read.

pub mod avro;
pub mod cdc;
pub mod changelog_json;
pub mod csv;
pub mod display;
pub mod json;
pub mod parquet;
pub mod protobuf;
pub mod raw;

mod column;
mod interface;
mod number;
mod parse;
mod records;
mod time_text;
mod typed;

pub use changelog_json::RowWriter;
pub use display::{write_changes, write_display};
pub use interface::{
    DecodeRequest, Decoded, Decoder, EncodeRequest, Encoder, FileBytes, FileFormat, FileReader, FileRows,
    FileWriter, Format, MetadataKey, OpenDecoder, OpenEncoder, OpenFileReader, OpenFileWriter, Reject,
};

use tidemill_types::Result;

/// The formats there are.
pub const FORMATS: &[&Format] = &[
    &json::FORMAT,
    &csv::FORMAT,
    &raw::FORMAT,
    &avro::AVRO,
    &avro::CONFLUENT,
    &parquet::FORMAT,
    &protobuf::FORMAT,
    &cdc::DEBEZIUM,
    &cdc::CANAL,
    &cdc::MAXWELL,
    &cdc::OGG,
];

/// The format of this name, or an error that lists the near ones.
pub fn format(name: &str) -> Result<&'static Format> {
    FORMATS.iter().find(|format| format.name == name).copied().ok_or_else(|| {
        let names = FORMATS.iter().map(|format| format.name);
        let all = names.clone().collect::<Vec<_>>().join(", ");
        let hint = match tidemill_types::options::near(name, names).as_slice() {
            [] => format!("the formats are: {all}"),
            near => {
                format!("did you mean {}? the formats are: {all}", tidemill_types::options::quoted_or(near))
            }
        };
        tidemill_types::Error::user_hint(format!("there is no format '{name}'"), hint)
    })
}

/// Whether a reader of this format finds the fields of a ROW by their names, so that fewer can be asked for.
pub fn finds_fields_by_name(name: &str) -> bool {
    [&json::FORMAT, &cdc::DEBEZIUM, &cdc::CANAL, &cdc::MAXWELL, &cdc::OGG]
        .iter()
        .any(|format| format.name == name)
}
