//! The options of JSON formats, declared and read.

use crate::parse::{Instant, Strictness, Suffix, timestamp};
use tidemill_types::{DataType, Error, OptionKind, OptionSpec, Options, Result, TypeKind};

const FAIL_ON_MISSING_FIELD: OptionSpec = OptionSpec::new(
    "fail-on-missing-field",
    OptionKind::Boolean,
    "whether a missing field makes a bad record",
)
.default("false");
/// Bad fields become NULL, bad records are skipped.
pub(crate) const IGNORE_PARSE_ERRORS: OptionSpec = OptionSpec::new(
    "ignore-parse-errors",
    OptionKind::Boolean,
    "whether bad fields become NULL and bad records are skipped",
)
.default("false");
/// How timestamps are written.
pub(crate) const TIMESTAMP_FORMAT: OptionSpec = OptionSpec::new(
    "timestamp-format.standard",
    OptionKind::Choice(&["SQL", "ISO-8601", "ISO-8601-WITH-OFFSET"]),
    "how timestamps are written: 'SQL' as yyyy-MM-dd HH:mm:ss.s, 'ISO-8601' with a T",
)
.default("SQL");
pub(crate) const MAP_NULL_KEY_MODE: OptionSpec = OptionSpec::new(
    "map-null-key.mode",
    OptionKind::Choice(&["FAIL", "DROP", "LITERAL"]),
    "what writing does with a NULL key of a map",
)
.default("FAIL");
pub(crate) const MAP_NULL_KEY_LITERAL: OptionSpec =
    OptionSpec::new("map-null-key.literal", OptionKind::Text, "what stands for a NULL key with mode LITERAL")
        .default("null");
pub(crate) const PLAIN_DECIMALS: OptionSpec = OptionSpec::new(
    "encode.decimal-as-plain-number",
    OptionKind::Boolean,
    "whether decimals are written with all their zeros and without an exponent",
)
.default("false");
pub(crate) const IGNORE_NULL_FIELDS: OptionSpec =
    OptionSpec::new("encode.ignore-null-fields", OptionKind::Boolean, "whether NULL fields are left out")
        .default("false");
const JSON_PARSER: OptionSpec = OptionSpec::new(
    "decode.json-parser.enabled",
    OptionKind::Boolean,
    "accepted for Flink's sake; there is one parser",
)
.default("true");

/// Options of the format `json`.
pub(crate) const JSON_OPTIONS: &[OptionSpec] = &[
    FAIL_ON_MISSING_FIELD,
    IGNORE_PARSE_ERRORS,
    TIMESTAMP_FORMAT,
    MAP_NULL_KEY_MODE,
    MAP_NULL_KEY_LITERAL,
    PLAIN_DECIMALS,
    IGNORE_NULL_FIELDS,
    JSON_PARSER,
];

/// How timestamps are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standard {
    Sql,
    Iso,
    IsoOffset,
}

impl Standard {
    fn read(options: &Options) -> Result<Self> {
        match options.text(&TIMESTAMP_FORMAT).unwrap_or("SQL") {
            text if text.eq_ignore_ascii_case("SQL") => Ok(Standard::Sql),
            text if text.eq_ignore_ascii_case("ISO-8601") => Ok(Standard::Iso),
            text if text.eq_ignore_ascii_case("ISO-8601-WITH-OFFSET") => Ok(Standard::IsoOffset),
            text => Err(Error::user_hint(
                format!("option 'timestamp-format.standard' is '{text}'"),
                "it may be 'SQL', 'ISO-8601' or 'ISO-8601-WITH-OFFSET'",
            )),
        }
    }

    /// What stands between date and time.
    pub fn separator(self) -> u8 {
        if self == Standard::Sql { b' ' } else { b'T' }
    }
}

/// What the JSON decoder was told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub fail_on_missing: bool,
    pub ignore_errors: bool,
    pub standard: Standard,
    /// Whether numbers inside text columns keep all digits: Flink reads them as decimals as soon as the
    /// table has a DECIMAL column.
    pub exact_numbers: bool,
}

impl Settings {
    /// Reads the options for a table of these columns.
    pub fn read<'a>(options: &Options, types: impl IntoIterator<Item = &'a DataType>) -> Result<Self> {
        let settings = Settings {
            fail_on_missing: options.boolean(&FAIL_ON_MISSING_FIELD)?,
            ignore_errors: options.boolean(&IGNORE_PARSE_ERRORS)?,
            standard: Standard::read(options)?,
            exact_numbers: types.into_iter().any(has_decimal),
        };
        if settings.fail_on_missing && settings.ignore_errors {
            return Err(Error::user_hint(
                "options 'fail-on-missing-field' and 'ignore-parse-errors' can't both be true",
                "set one of them to 'false'",
            ));
        }
        Ok(settings)
    }

    /// A timestamp in the standard that was chosen.
    pub fn timestamp(&self, text: &[u8], zoned: bool) -> Option<Instant> {
        let (separator, suffix, strictness) = match (self.standard, zoned) {
            (Standard::Sql, false) => (b' ', Suffix::None, Strictness::Clamp),
            (Standard::Sql, true) => (b' ', Suffix::Zulu, Strictness::Clamp),
            (Standard::Iso, false) => (b'T', Suffix::None, Strictness::Strict),
            (Standard::Iso, true) => (b'T', Suffix::Zulu, Strictness::Clamp),
            (Standard::IsoOffset, _) => (b'T', Suffix::Offset, Strictness::Clamp),
        };
        timestamp(text, separator, suffix, strictness)
    }

    /// How a timestamp should have looked, for messages.
    pub fn timestamp_example(&self, zoned: bool) -> &'static str {
        match (self.standard, zoned) {
            (Standard::Sql, false) => "2024-01-31 12:00:00.123",
            (Standard::Sql, true) => "2024-01-31 12:00:00.123Z",
            (Standard::Iso, false) => "2024-01-31T12:00:00.123",
            (Standard::Iso, true) => "2024-01-31T12:00:00.123Z",
            (Standard::IsoOffset, _) => "2024-01-31T12:00:00.123+00:00",
        }
    }
}

fn has_decimal(data_type: &DataType) -> bool {
    match &data_type.kind {
        TypeKind::Decimal { .. } => true,
        TypeKind::Array(element) | TypeKind::Multiset(element) => has_decimal(element),
        TypeKind::Map(key, value) => has_decimal(key) || has_decimal(value),
        TypeKind::Row(fields) => fields.iter().any(|field| has_decimal(&field.data_type)),
        _ => false,
    }
}

/// What to do with a NULL key of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NullKey {
    Fail,
    Drop,
    Literal(String),
}

/// What the JSON encoder was told.
#[derive(Debug, Clone)]
pub(crate) struct EncodeOptions {
    pub standard: Standard,
    pub null_key: NullKey,
    pub plain_decimals: bool,
    pub ignore_nulls: bool,
}

impl EncodeOptions {
    /// Reads the options.
    pub fn read(options: &Options) -> Result<Self> {
        let literal = || options.text(&MAP_NULL_KEY_LITERAL).unwrap_or("null").to_string();
        let null_key = match options.text(&MAP_NULL_KEY_MODE).unwrap_or("FAIL") {
            mode if mode.eq_ignore_ascii_case("FAIL") => NullKey::Fail,
            mode if mode.eq_ignore_ascii_case("DROP") => NullKey::Drop,
            mode if mode.eq_ignore_ascii_case("LITERAL") => NullKey::Literal(literal()),
            mode => {
                return Err(Error::user_hint(
                    format!("option 'map-null-key.mode' is '{mode}'"),
                    "it may be 'FAIL', 'DROP' or 'LITERAL'",
                ));
            }
        };
        Ok(EncodeOptions {
            standard: Standard::read(options)?,
            null_key,
            plain_decimals: options.boolean(&PLAIN_DECIMALS)?,
            ignore_nulls: options.boolean(&IGNORE_NULL_FIELDS)?,
        })
    }
}

/// Refuses types that JSON has no form for.
pub(crate) fn check_type(name: &str, data_type: &DataType) -> Result<()> {
    match &data_type.kind {
        TypeKind::Array(element) => check_type(name, element),
        TypeKind::Map(key, _) | TypeKind::Multiset(key) if !key.kind.is_text() => Err(Error::user_hint(
            format!("column '{name}' is {data_type}, but keys of JSON objects are strings"),
            "declare the key as STRING",
        )),
        TypeKind::Map(_, value) => check_type(name, value),
        TypeKind::Row(fields) => fields
            .iter()
            .try_for_each(|field| check_type(&format!("{name}.{}", field.name), &field.data_type)),
        TypeKind::Variant | TypeKind::Bitmap => {
            Err(Error::user(format!("column '{name}' is {data_type}, which the JSON formats can't carry")))
        }
        _ => Ok(()),
    }
}
