//! The format `raw`: a record is the value of the only column.
//!
//! Source of the rules: Flink documentation, "Raw Format". Bytes that are no text in the charset become
//! replacement characters, as in Java.

use crate::column::{Column, Int32Kind, TextColumn};
use crate::records::Records;
use crate::typed::{Bound, Values};
use crate::{DecodeRequest, Decoded, Decoder, EncodeRequest, Encoder, Format, Reject};
use encoding_rs::Encoding;
use tidemill_types::{
    Blob, Chunk, DataType, Error, OptionKind, OptionSpec, Options, Result, Schema, TypeKind,
};

const CHARSET: OptionSpec =
    OptionSpec::new("charset", OptionKind::Text, "the charset of text, such as 'UTF-8' or 'GBK'")
        .default("UTF-8");
const ENDIANNESS: OptionSpec = OptionSpec::new(
    "endianness",
    OptionKind::Choice(&["big-endian", "little-endian"]),
    "the order of the bytes of a number",
)
.default("big-endian");

/// The value itself.
pub const FORMAT: Format = Format {
    name: "raw",
    summary: "The record is the value of the only column: text, bytes or a number in binary form.",
    options: &[CHARSET, ENDIANNESS],
    changelog: false,
    binary: false,
    metadata: &[],
    decoder: Some(open_decoder),
    encoder: Some(open_encoder),
    files: None,
};

/// How text is turned into bytes.
#[derive(Debug, Clone, Copy)]
enum Charset {
    Utf8,
    /// Every byte is the character of that number (what browsers call so differs above 127).
    Latin1,
    Ascii,
    /// With the order of the bytes, and whether it starts with a mark of it.
    Utf16 {
        big: bool,
        mark: bool,
    },
    Other(&'static Encoding),
}

impl Charset {
    fn read(options: &Options) -> Result<Self> {
        let name = options.text(&CHARSET).unwrap_or("UTF-8");
        Ok(match name.to_ascii_uppercase().replace('_', "-").as_str() {
            "UTF-8" | "UTF8" => Charset::Utf8,
            "ISO-8859-1" | "ISO8859-1" | "LATIN1" | "LATIN-1" => Charset::Latin1,
            "US-ASCII" | "ASCII" => Charset::Ascii,
            "UTF-16" => Charset::Utf16 { big: true, mark: true },
            "UTF-16BE" => Charset::Utf16 { big: true, mark: false },
            "UTF-16LE" => Charset::Utf16 { big: false, mark: false },
            _ => Charset::Other(Encoding::for_label(name.as_bytes()).ok_or_else(|| {
                Error::user_hint(
                    format!("option 'charset' is '{name}', which is no known charset"),
                    "charsets are 'UTF-8', 'ISO-8859-1', 'UTF-16', 'GBK', 'Shift_JIS' and the like",
                )
            })?),
        })
    }

    fn push(self, column: &mut TextColumn, blob: &[u8], range: std::ops::Range<usize>, valid: bool) {
        let bytes = &blob[range.clone()];
        match self {
            Charset::Utf8 if valid || std::str::from_utf8(bytes).is_ok() => {
                column.push_blob(blob, range.start, range.end);
            }
            Charset::Utf8 => column.push_copy(String::from_utf8_lossy(bytes).as_bytes()),
            Charset::Latin1 => column.push_copy(encoding_rs::mem::decode_latin1(bytes).as_bytes()),
            Charset::Ascii => {
                let character = |&byte: &u8| if byte < 0x80 { byte as char } else { '\u{FFFD}' };
                column.push_copy(bytes.iter().map(character).collect::<String>().as_bytes());
            }
            Charset::Utf16 { big, mark } => column.push_copy(decode_utf16(bytes, big, mark).as_bytes()),
            Charset::Other(encoding) => {
                column.push_copy(encoding.decode_without_bom_handling(bytes).0.as_bytes());
            }
        }
    }

    fn write(self, text: &str, out: &mut Vec<u8>) {
        match self {
            Charset::Utf8 => out.extend_from_slice(text.as_bytes()),
            Charset::Latin1 => out.extend(text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))),
            Charset::Ascii => out.extend(text.chars().map(|c| if c.is_ascii() { c as u8 } else { b'?' })),
            Charset::Utf16 { big, mark } => {
                let units = mark.then_some(0xFEFF).into_iter().chain(text.encode_utf16());
                units.for_each(|unit| {
                    out.extend_from_slice(&if big { unit.to_be_bytes() } else { unit.to_le_bytes() });
                });
            }
            Charset::Other(encoding) => write_other(encoding, text, out),
        }
    }
}

fn decode_utf16(bytes: &[u8], big: bool, mark: bool) -> String {
    let (big, bytes) = match bytes {
        [0xFE, 0xFF, rest @ ..] if mark => (true, rest),
        [0xFF, 0xFE, rest @ ..] if mark => (false, rest),
        _ => (big, bytes),
    };
    let units = bytes.chunks(2).map(|pair| match *pair {
        [a, b] if big => u16::from_be_bytes([a, b]),
        [a, b] => u16::from_le_bytes([a, b]),
        _ => 0xFFFD,
    });
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// What the charset has no code for becomes `?`, as in Java.
fn write_other(encoding: &'static Encoding, text: &str, out: &mut Vec<u8>) {
    let (bytes, _, unmappable) = encoding.encode(text);
    if !unmappable {
        return out.extend_from_slice(&bytes);
    }
    let mut utf8 = [0; 4];
    for character in text.chars() {
        let (bytes, _, unmappable) = encoding.encode(character.encode_utf8(&mut utf8));
        out.extend_from_slice(if unmappable { b"?" } else { &bytes });
    }
}

fn little_endian(options: &Options) -> bool {
    options.text(&ENDIANNESS).is_some_and(|text| text.eq_ignore_ascii_case("little-endian"))
}

/// The only column, if its type has a raw form.
fn only_column(schema: &Schema) -> Result<&DataType> {
    let [field] = schema.fields.as_slice() else {
        let names = schema.fields.iter().map(|field| format!("'{}'", field.name)).collect::<Vec<_>>();
        return Err(Error::user_hint(
            format!(
                "the format 'raw' takes exactly one column, but the table has {}: {}",
                names.len(),
                names.join(", ")
            ),
            "keep one physical column, or choose a format such as 'json' or 'csv'",
        ));
    };
    match field.data_type.kind {
        TypeKind::Char(_)
        | TypeKind::Varchar(_)
        | TypeKind::Binary(_)
        | TypeKind::Varbinary(_)
        | TypeKind::Boolean
        | TypeKind::TinyInt
        | TypeKind::SmallInt
        | TypeKind::Int
        | TypeKind::BigInt
        | TypeKind::Float
        | TypeKind::Double => Ok(&field.data_type),
        _ => Err(Error::user_hint(
            format!("column '{}' is {}, which the format 'raw' can't carry", field.name, field.data_type),
            "raw carries text, bytes, BOOLEAN, integers, FLOAT and DOUBLE",
        )),
    }
}

struct RawDecoder {
    column: Column,
    wanted: usize,
    name: String,
    data_type: DataType,
    charset: Charset,
    little_endian: bool,
}

fn open_decoder(request: &DecodeRequest<'_>) -> Result<Box<dyn Decoder>> {
    if let Some((key, _)) = request.metadata.first() {
        return Err(Error::user(format!("the format 'raw' has no metadata column '{key}'")));
    }
    let data_type = only_column(request.physical)?;
    Ok(Box::new(RawDecoder {
        column: Column::new(data_type),
        wanted: request.wanted.len(),
        name: request.physical.fields[0].name.clone(),
        data_type: data_type.clone(),
        charset: Charset::read(request.options)?,
        little_endian: little_endian(request.options),
    }))
}

impl Decoder for RawDecoder {
    fn decode(&mut self, blob: &Blob) -> Result<Decoded> {
        self.read(blob, &mut |_| {})
    }

    fn decode_traced(&mut self, blob: &Blob, origins: &mut Vec<u32>) -> Option<Result<Decoded>> {
        Some(self.read(blob, &mut |number| origins.push(number)))
    }
}

impl RawDecoder {
    /// Reads all records and says which became rows.
    fn read(&mut self, blob: &Blob, became_row: &mut impl FnMut(u32)) -> Result<Decoded> {
        let bytes: &[u8] = &blob.bytes;
        let valid = matches!(self.charset, Charset::Utf8) && simdutf8::basic::from_utf8(bytes).is_ok();
        let mut decoded = Decoded::default();
        for (number, range) in Records::of(blob).enumerate() {
            decoded.records += 1;
            match &mut self.column {
                Column::Text(column) => self.charset.push(column, bytes, range, valid),
                Column::Bytes(column) => column.push_blob(bytes, range.start, range.end),
                column => {
                    if push_number(column, &bytes[range.clone()], self.little_endian).is_none() {
                        let size = range.len();
                        let reason = format!(
                            "can't read field '{}': {size} bytes are no {}",
                            self.name, self.data_type
                        );
                        decoded.rejects.push(Reject { range, reason });
                        continue;
                    }
                }
            }
            became_row(number as u32);
        }
        decoded.rows = self.column.len();
        let column = self.column.finish(&blob.bytes);
        decoded.columns = vec![column; self.wanted];
        Ok(decoded)
    }
}

/// Reads a number if the size of the record is that of its type.
fn push_number(column: &mut Column, record: &[u8], little: bool) -> Option<()> {
    macro_rules! number {
        ($values:expr, $kind:ty) => {{
            let bytes = record.try_into().ok()?;
            $values.push(if little { <$kind>::from_le_bytes(bytes) } else { <$kind>::from_be_bytes(bytes) })
        }};
    }
    match column {
        Column::Boolean(values) => match record {
            [byte] => values.push(*byte != 0),
            _ => return None,
        },
        Column::Int8(values) => number!(values, i8),
        Column::Int16(values) => number!(values, i16),
        Column::Int32(values, Int32Kind::Number) => number!(values, i32),
        Column::Int64(values, false) => number!(values, i64),
        Column::Float32(values) => number!(values, f32),
        Column::Float64(values) => number!(values, f64),
        _ => unreachable!("other types were refused when the decoder was opened"),
    }
    Some(())
}

struct RawEncoder {
    data_type: DataType,
    charset: Charset,
    little_endian: bool,
}

fn open_encoder(request: &EncodeRequest<'_>) -> Result<Box<dyn Encoder>> {
    Ok(Box::new(RawEncoder {
        data_type: only_column(request.schema)?.clone(),
        charset: Charset::read(request.options)?,
        little_endian: little_endian(request.options),
    }))
}

impl Encoder for RawEncoder {
    fn encode(
        &mut self,
        chunk: &Chunk,
        delimiter: &[u8],
        out: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> Result<()> {
        let column = Bound::new(&chunk.columns[0], &self.data_type);
        for row in 0..chunk.rows {
            if !column.is_null(row) {
                self.write(&column.values, row, out);
            }
            out.extend_from_slice(delimiter);
            ends.push(out.len());
        }
        Ok(())
    }
}

impl RawEncoder {
    fn write(&self, values: &Values<'_>, row: usize, out: &mut Vec<u8>) {
        macro_rules! number {
            ($value:expr) => {
                out.extend_from_slice(&if self.little_endian {
                    $value.to_le_bytes()
                } else {
                    $value.to_be_bytes()
                })
            };
        }
        match values {
            Values::Text(array) => self.charset.write(array.value(row), out),
            Values::Bytes(array) => out.extend_from_slice(array.value(row)),
            Values::Boolean(array) => out.push(u8::from(array.value(row))),
            Values::Int8(values) => number!(values[row]),
            Values::Int16(values) => number!(values[row]),
            Values::Int32(values) => number!(values[row]),
            Values::Int64(values) => number!(values[row]),
            Values::Float32(values) => number!(values[row]),
            Values::Float64(values) => number!(values[row]),
            _ => unreachable!("other types were refused when the encoder was opened"),
        }
    }
}
