//! Text as bytes in a character set, in base 64 and in hexadecimal.

use crate::bind::{BYTES, Form, STRING, Want, declare};
use crate::lane::{Bytes, I64, Text, map1, map2, text1, text2};
use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD};
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use std::fmt::Write;
use tidemill_plan::FunctionRegistry;
use tidemill_types::{Error, Result};

/// Reads with and without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Adds the functions.
pub fn register(registry: &mut FunctionRegistry) {
    use Want::{BigInt, Bytes as B, Text as T};
    declare(
        registry,
        "TO_BASE64",
        [
            Form::new(&[T], STRING, |a, c| text1::<Text>(a, c, |text, out| Ok(base64(text.as_bytes(), out))))
                .total(),
            Form::new(&[B], STRING, |a, c| text1::<Bytes>(a, c, |bytes, out| Ok(base64(bytes, out)))).total(),
        ],
    );
    declare(
        registry,
        "FROM_BASE64",
        [Form::new(&[T], STRING, |a, c| {
            text1::<Text>(a, c, |text, out| {
                let bytes = LENIENT
                    .decode(text)
                    .map_err(|_| Error::data(format!("FROM_BASE64 got '{text}', which is not base 64")))?;
                out.push_str(&String::from_utf8_lossy(&bytes));
                Ok(true)
            })
        })],
    );
    declare(
        registry,
        "ENCODE",
        [Form::new(&[T, T], BYTES, |a, c| {
            map2::<Text, Text, Bytes>(a, c, |text, set| Charset::named(set)?.encode(text).map(Some))
        })],
    );
    declare(
        registry,
        "DECODE",
        [Form::new(&[B, T], STRING, |a, c| {
            text2::<Bytes, Text>(a, c, |bytes, set, out| {
                Charset::named(set)?.decode(bytes, out);
                Ok(true)
            })
        })],
    );
    declare(
        registry,
        "HEX",
        [
            Form::new(&[T], STRING, |a, c| {
                text1::<Text>(a, c, |text, out| Ok(hex(text.as_bytes(), out, true)))
            })
            .total(),
            Form::new(&[BigInt], STRING, |a, c| {
                text1::<I64>(a, c, |number, out| {
                    write!(out, "{number:X}").expect("text can be written");
                    Ok(true)
                })
            })
            .total(),
        ],
    );
    declare(
        registry,
        "UNHEX",
        [Form::new(&[T], BYTES, |a, c| map1::<Text, Bytes>(a, c, |text| Ok(unhex(text)))).nullable().total()],
    );
    declare(
        registry,
        "BIN",
        [Form::new(&[BigInt], STRING, |a, c| {
            text1::<I64>(a, c, |number, out| {
                write!(out, "{number:b}").expect("text can be written");
                Ok(true)
            })
        })
        .total()],
    );
}

fn base64(bytes: &[u8], out: &mut String) -> bool {
    STANDARD.encode_string(bytes, out);
    true
}

/// Bytes in base 64.
pub fn base64_text(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Two digits a byte.
pub fn hex(bytes: &[u8], out: &mut String, upper: bool) -> bool {
    let digits: &[u8; 16] = if upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
    for byte in bytes {
        out.push(char::from(digits[usize::from(byte >> 4)]));
        out.push(char::from(digits[usize::from(byte & 15)]));
    }
    true
}

/// An odd number of digits counts as if a 0 stood before them.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().map(|c| c.to_digit(16)).collect::<Option<Vec<_>>>()?;
    let (first, pairs) = digits.split_at(digits.len() % 2);
    let first = first.iter().map(|digit| *digit as u8);
    Some(first.chain(pairs.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8)).collect())
}

enum Charset {
    Ascii,
    Latin1,
    Utf8,
    Utf16 { big: bool, mark: bool },
}

impl Charset {
    fn named(name: &str) -> Result<Charset> {
        match name.to_ascii_uppercase().as_str() {
            "US-ASCII" | "ASCII" => Ok(Charset::Ascii),
            "ISO-8859-1" | "LATIN1" => Ok(Charset::Latin1),
            "UTF-8" | "UTF8" => Ok(Charset::Utf8),
            "UTF-16BE" => Ok(Charset::Utf16 { big: true, mark: false }),
            "UTF-16LE" => Ok(Charset::Utf16 { big: false, mark: false }),
            "UTF-16" => Ok(Charset::Utf16 { big: true, mark: true }),
            _ => Err(Error::data(format!(
                "'{name}' is no known character set; there are US-ASCII, ISO-8859-1, UTF-8, UTF-16, UTF-16BE \
                 and UTF-16LE"
            ))),
        }
    }

    /// What the set does not have becomes `?`.
    fn encode(&self, text: &str) -> Result<Vec<u8>> {
        let narrow = |limit: u32| {
            text.chars().map(|c| if u32::from(c) < limit { u32::from(c) as u8 } else { b'?' }).collect()
        };
        Ok(match self {
            Charset::Ascii => narrow(128),
            Charset::Latin1 => narrow(256),
            Charset::Utf8 => text.as_bytes().to_vec(),
            Charset::Utf16 { big, mark } => {
                let mark = (*mark && !text.is_empty()).then_some(0xFEFF);
                let units = mark.into_iter().chain(text.encode_utf16());
                units
                    .flat_map(|unit: u16| if *big { unit.to_be_bytes() } else { unit.to_le_bytes() })
                    .collect()
            }
        })
    }

    fn decode(&self, bytes: &[u8], out: &mut String) {
        const UNKNOWN: char = char::REPLACEMENT_CHARACTER;
        match self {
            Charset::Ascii => {
                out.extend(
                    bytes.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { UNKNOWN }),
                );
            }
            Charset::Latin1 => out.extend(bytes.iter().copied().map(char::from)),
            Charset::Utf8 => out.push_str(&String::from_utf8_lossy(bytes)),
            Charset::Utf16 { big, mark } => {
                let (big, bytes) = match bytes {
                    [0xFE, 0xFF, rest @ ..] if *mark => (true, rest),
                    [0xFF, 0xFE, rest @ ..] if *mark => (false, rest),
                    _ => (*big, bytes),
                };
                let units = bytes.chunks(2).map(|pair| match pair {
                    [a, b] if big => u16::from_be_bytes([*a, *b]),
                    [a, b] => u16::from_le_bytes([*a, *b]),
                    _ => 0xFFFD,
                });
                out.extend(char::decode_utf16(units).map(|c| c.unwrap_or(UNKNOWN)));
            }
        }
    }
}
