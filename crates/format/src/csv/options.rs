//! The options of CSV, declared and read, and the types it can carry.

use tidemill_types::{DataType, Error, OptionKind, OptionSpec, Options, Result, Schema, TypeKind};

const FIELD_DELIMITER: OptionSpec =
    OptionSpec::new("field-delimiter", OptionKind::Text, "the character between fields; '\\t' is a tab")
        .default(",");
const DISABLE_QUOTES: OptionSpec =
    OptionSpec::new("disable-quote-character", OptionKind::Boolean, "whether quotes have no meaning")
        .default("false");
const QUOTE: OptionSpec =
    OptionSpec::new("quote-character", OptionKind::Text, "the character around quoted fields").default("\"");
const COMMENTS: OptionSpec =
    OptionSpec::new("allow-comments", OptionKind::Boolean, "whether lines that start with '#' are skipped")
        .default("false");
const IGNORE_ERRORS: OptionSpec = OptionSpec::new(
    "ignore-parse-errors",
    OptionKind::Boolean,
    "whether bad fields become NULL and bad records are skipped",
)
.default("false");
const ARRAY_DELIMITER: OptionSpec = OptionSpec::new(
    "array-element-delimiter",
    OptionKind::Text,
    "what stands between parts of an array or row",
)
.default(";");
const ESCAPE: OptionSpec =
    OptionSpec::new("escape-character", OptionKind::Text, "the character before a character taken as it is");
const NULL_LITERAL: OptionSpec =
    OptionSpec::new("null-literal", OptionKind::Text, "the text that stands for NULL");
const SCIENTIFIC: OptionSpec = OptionSpec::new(
    "write-bigdecimal-in-scientific-notation",
    OptionKind::Boolean,
    "accepted for Flink's sake, where it changes nothing",
)
.default("true");

/// Options of the format.
pub(super) const OPTIONS: &[OptionSpec] = &[
    FIELD_DELIMITER,
    DISABLE_QUOTES,
    QUOTE,
    COMMENTS,
    IGNORE_ERRORS,
    ARRAY_DELIMITER,
    ESCAPE,
    NULL_LITERAL,
    SCIENTIFIC,
];

/// What the options say.
#[derive(Debug, Clone)]
pub(super) struct Dialect {
    pub delimiter: u8,
    pub quote: Option<u8>,
    pub escape: Option<u8>,
    pub comments: bool,
    pub ignore_errors: bool,
    pub array_delimiter: Vec<u8>,
    pub null_literal: Option<Vec<u8>>,
}

impl Dialect {
    pub fn read(options: &Options) -> Result<Self> {
        let disabled = options.boolean(&DISABLE_QUOTES)?;
        if disabled && options.get(QUOTE.key).is_some() {
            return Err(Error::user_hint(
                "options 'quote-character' and 'disable-quote-character' can't both be given",
                "remove one of them",
            ));
        }
        let delimiter = options.text(&FIELD_DELIMITER).unwrap_or(",");
        let array_delimiter = options.text(&ARRAY_DELIMITER).unwrap_or(";");
        Ok(Dialect {
            delimiter: character(FIELD_DELIMITER.key, &unescape(delimiter))?,
            quote: match disabled {
                true => None,
                false => Some(character(QUOTE.key, options.text(&QUOTE).unwrap_or("\""))?),
            },
            escape: options.text(&ESCAPE).map(|text| character(ESCAPE.key, text)).transpose()?,
            comments: options.boolean(&COMMENTS)?,
            ignore_errors: options.boolean(&IGNORE_ERRORS)?,
            array_delimiter: unescape(array_delimiter).into_bytes(),
            null_literal: options.text(&NULL_LITERAL).map(|text| text.as_bytes().to_vec()),
        })
    }

    pub fn is_null(&self, text: &[u8]) -> bool {
        self.null_literal.as_deref() == Some(text)
    }
}

fn character(key: &str, text: &str) -> Result<u8> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() => Ok(*byte),
        _ => Err(Error::user(format!("option '{key}' is '{text}', but must be one ASCII character"))),
    }
}

/// Java's escapes in an option: `\t`, `\n`, `\\`, `\u0001` and the like.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(first) = rest.next() {
        if first != '\\' {
            out.push(first);
            continue;
        }
        match rest.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let code: String = rest.by_ref().skip_while(|&c| c == 'u').take(4).collect();
                out.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
            }
            Some(other) => out.push(other),
            None => out.push('\\'),
        }
    }
    out
}

/// Refuses columns that CSV has no form for.
pub(super) fn check_columns(schema: &Schema) -> Result<()> {
    schema.fields.iter().try_for_each(|field| match &field.data_type.kind {
        TypeKind::Array(element) => check_part(&field.name, element),
        TypeKind::Row(parts) => parts
            .iter()
            .try_for_each(|part| check_part(&format!("{}.{}", field.name, part.name), &part.data_type)),
        _ => check_single(&field.name, &field.data_type),
    })
}

fn check_part(name: &str, data_type: &DataType) -> Result<()> {
    match data_type.kind {
        TypeKind::Array(_) | TypeKind::Row(_) => Err(refusal(name, data_type)),
        _ => check_single(name, data_type),
    }
}

fn check_single(name: &str, data_type: &DataType) -> Result<()> {
    match data_type.kind {
        TypeKind::Map(..) | TypeKind::Multiset(_) | TypeKind::Variant | TypeKind::Bitmap => {
            Err(refusal(name, data_type))
        }
        TypeKind::Time(precision) if precision > 3 => Err(refusal(name, data_type)),
        _ => Ok(()),
    }
}

fn refusal(name: &str, data_type: &DataType) -> Error {
    Error::user_hint(
        format!("column '{name}' is {data_type}, which the format 'csv' can't carry"),
        "csv carries single values, and arrays and rows of single values; use the format 'json'",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_in_options_are_javas() {
        assert_eq!(unescape(r"\t"), "\t");
        assert_eq!(unescape(r"\u0001x"), "\u{1}x");
        assert_eq!(unescape(r"\\"), "\\");
        assert!(Dialect::read(&Options::new([("field-delimiter", "ab")])).is_err());
    }
}
