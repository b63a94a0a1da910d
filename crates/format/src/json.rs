//! The format `json`: its options and the places of its parts.
//!
//! Source of the rules: Flink documentation, "JSON Format", and Flink 2.3's behaviour. One difference:
//! what follows an object on its line makes the record a reject instead of vanishing.

mod decoder;
mod encoder;
mod options;
mod scan;
mod shape;
mod text;
mod value;

pub(crate) use decoder::{JsonRows, origin_numbers};
pub(crate) use encoder::{Style, check_columns, escape, write_base64};
pub(crate) use options::{
    EncodeOptions, IGNORE_NULL_FIELDS, IGNORE_PARSE_ERRORS, MAP_NULL_KEY_LITERAL, MAP_NULL_KEY_MODE,
    PLAIN_DECIMALS, Settings, TIMESTAMP_FORMAT, check_type,
};
pub(crate) use shape::Shape;

use crate::{DecodeRequest, Decoder, EncodeRequest, Encoder, Format};
use tidemill_types::Result;

/// One JSON object a record.
pub const FORMAT: Format = Format {
    name: "json",
    summary: "One JSON object a record; a JSON array gives a row for each of its objects.",
    options: options::JSON_OPTIONS,
    changelog: false,
    binary: false,
    metadata: &[],
    decoder: Some(open_decoder),
    encoder: Some(open_encoder),
    files: None,
};

fn open_decoder(request: &DecodeRequest<'_>) -> Result<Box<dyn Decoder>> {
    decoder::open(request)
}

fn open_encoder(request: &EncodeRequest<'_>) -> Result<Box<dyn Encoder>> {
    encoder::open(request)
}
