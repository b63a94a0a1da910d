//! JSON's syntax over the bytes of a record: white space, strings, numbers, skipping values.
//!
//! Invariant: `at` never passes the end of `bytes`, and a fault names the byte where reading stopped.
//! What values mean is not decided here. As in Flink, raw control characters in strings are accepted.

use std::fmt::Write as _;

/// How deep values may nest.
pub(crate) const DEPTH_MAX: u32 = 500;

/// Why a value could not be read. Boxed, because it is rare.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Where in the blob.
    pub at: usize,
    /// What is wrong there.
    pub what: String,
    /// The field it belongs to, outermost first, once known.
    pub field: String,
}

/// The result of reading.
pub(crate) type Outcome<T = ()> = Result<T, Box<Fault>>;

impl Fault {
    /// A fault outside any field.
    #[cold]
    pub fn new(at: usize, what: impl Into<String>) -> Box<Self> {
        Box::new(Fault { at, what: what.into(), field: String::new() })
    }

    /// The same inside a field.
    #[cold]
    pub fn inside(mut self: Box<Self>, field: &[u8]) -> Box<Self> {
        let name = String::from_utf8_lossy(field);
        let dot = if self.field.is_empty() { "" } else { "." };
        self.field = format!("{name}{dot}{}", self.field);
        self
    }

    /// The reason for the user; places count from the start of the record.
    pub fn reason(&self, record_start: usize) -> String {
        let mut text = String::from("invalid JSON record");
        if !self.field.is_empty() {
            text = format!("can't read field '{}'", self.field);
        }
        let byte = self.at.saturating_sub(record_start) + 1;
        write!(text, ": {} at byte {byte}", self.what).expect("strings can be written to");
        text
    }
}

/// A string literal between its quotes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quoted {
    pub start: usize,
    pub end: usize,
    /// Whether a backslash stands in it.
    pub escaped: bool,
}

/// A place in the bytes of a blob that ends where the record ends.
pub(crate) struct Cursor<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
    depth: u32,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        Cursor { bytes, at, depth: 0 }
    }

    /// The byte at the place; 0, which no JSON token starts with, at the end.
    #[inline]
    pub fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    #[inline]
    pub fn skip_space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\r' | b'\n') {
            self.at += 1;
        }
    }

    #[inline]
    pub fn expect(&mut self, byte: u8) -> Outcome {
        if self.peek() == byte {
            self.at += 1;
            return Ok(());
        }
        Err(self.unexpected(&format!("'{}'", byte as char)))
    }

    #[cold]
    pub fn unexpected(&self, wanted: &str) -> Box<Fault> {
        let what = match self.bytes.get(self.at..).and_then(<[u8]>::utf8_chunks_first) {
            None => format!("the record ends where {wanted} is expected"),
            Some(found) => format!("expected {wanted}, found '{found}'"),
        };
        Fault::new(self.at, what)
    }

    #[cold]
    pub fn fault(&self, what: impl Into<String>) -> Box<Fault> {
        Fault::new(self.at, what)
    }

    /// Goes one level down; the depth is bounded.
    pub fn enter(&mut self) -> Outcome {
        self.at += 1;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.fault(format!("values nest deeper than {DEPTH_MAX}")));
        }
        Ok(())
    }

    /// Goes one level up.
    pub fn leave(&mut self) {
        self.at += 1;
        self.depth -= 1;
    }

    /// Back to a place at the same level as now but for `depth`.
    pub fn rewind(&mut self, at: usize, depth: u32) {
        (self.at, self.depth) = (at, depth);
    }

    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// A string literal; stands behind its closing quote afterwards.
    #[inline]
    pub fn string(&mut self) -> Outcome<Quoted> {
        let start = self.at + 1;
        let mut at = start;
        // Eight bytes at a time: most strings are short, and a call to a vector search costs more.
        while let Some(chunk) = self.bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            let word = u64::from_le_bytes(*chunk);
            let hits = equal_bytes(word, b'"') | equal_bytes(word, b'\\');
            if hits != 0 {
                at += (hits.trailing_zeros() / 8) as usize;
                return self.string_at(start, at);
            }
            at += 8;
        }
        while at < self.bytes.len() && !matches!(self.bytes[at], b'"' | b'\\') {
            at += 1;
        }
        self.string_at(start, at)
    }

    #[inline]
    fn string_at(&mut self, start: usize, at: usize) -> Outcome<Quoted> {
        if self.bytes.get(at) == Some(&b'"') {
            self.at = at + 1;
            return Ok(Quoted { start, end: at, escaped: false });
        }
        self.escaped_string(start, at)
    }

    fn escaped_string(&mut self, start: usize, mut at: usize) -> Outcome<Quoted> {
        loop {
            match self.bytes.get(at) {
                None => {
                    self.at = at;
                    return Err(self.fault("the record ends inside a string"));
                }
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(Quoted { start, end: at, escaped: true });
                }
                Some(b'\\') => at = self.escape_end(at)?,
                Some(_) => at += 1,
            }
        }
    }

    fn escape_end(&mut self, at: usize) -> Outcome<usize> {
        match self.bytes.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
            Some(b'u') if hex4(self.bytes, at + 2).is_some() => Ok(at + 6),
            _ => Err(Fault::new(at, "invalid escape in a string")),
        }
    }

    /// A number's text and whether it has a fraction or exponent; checks its form.
    #[inline]
    pub fn number(&mut self) -> Outcome<(&'a [u8], bool)> {
        let start = self.at;
        self.at += usize::from(self.peek() == b'-');
        match self.peek() {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits(),
            _ => return Err(self.unexpected("a digit")),
        }
        let mut float = false;
        if self.peek() == b'.' {
            self.at += 1;
            float = true;
            self.some_digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            float = true;
            self.at += usize::from(matches!(self.peek(), b'+' | b'-'));
            self.some_digits()?;
        }
        match self.peek() {
            b'0'..=b'9' => Err(self.fault("a number starts with a needless 0")),
            _ => Ok((&self.bytes[start..self.at], float)),
        }
    }

    fn some_digits(&mut self) -> Outcome {
        if !self.peek().is_ascii_digit() {
            return Err(self.unexpected("a digit"));
        }
        self.digits();
        Ok(())
    }

    #[inline]
    fn digits(&mut self) {
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
    }

    /// One of `true`, `false`, `null`.
    #[inline]
    pub fn word(&mut self, word: &[u8]) -> Outcome {
        if self.bytes[self.at..].starts_with(word) {
            self.at += word.len();
            return Ok(());
        }
        Err(self.unexpected("a value"))
    }

    /// Any value, checked and passed over.
    pub fn skip_value(&mut self) -> Outcome {
        match self.peek() {
            b'"' => self.string().map(drop),
            b'-' | b'0'..=b'9' => self.number().map(drop),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            b'{' => self.skip_object(),
            b'[' => self.skip_array(),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn skip_object(&mut self) -> Outcome {
        self.enter()?;
        self.skip_space();
        if self.peek() != b'}' {
            loop {
                if self.peek() != b'"' {
                    return Err(self.unexpected("a field name"));
                }
                self.string()?;
                self.colon()?;
                self.skip_value()?;
                if !self.more(b'}')? {
                    break;
                }
            }
        }
        self.leave();
        Ok(())
    }

    fn skip_array(&mut self) -> Outcome {
        self.enter()?;
        self.skip_space();
        if self.peek() != b']' {
            loop {
                self.skip_value()?;
                if !self.more(b']')? {
                    break;
                }
            }
        }
        self.leave();
        Ok(())
    }

    /// The colon behind a field name with the space around it.
    #[inline]
    pub fn colon(&mut self) -> Outcome {
        self.skip_space();
        self.expect(b':')?;
        self.skip_space();
        Ok(())
    }

    /// Passes a comma and says yes, or stands at `close` and says no.
    #[inline]
    pub fn more(&mut self, close: u8) -> Outcome<bool> {
        self.skip_space();
        match self.peek() {
            b',' => {
                self.at += 1;
                self.skip_space();
                Ok(true)
            }
            byte if byte == close => Ok(false),
            _ => Err(self.unexpected(&format!("',' or '{}'", close as char))),
        }
    }
}

/// The first character of bytes for a message.
trait FirstChar {
    fn utf8_chunks_first(&self) -> Option<String>;
}

impl FirstChar for [u8] {
    fn utf8_chunks_first(&self) -> Option<String> {
        String::from_utf8_lossy(&self[..self.len().min(4)]).chars().next().map(String::from)
    }
}

/// A bit at the top of each byte of `word` that equals `byte`; bits above the first may be wrong.
#[inline]
pub(crate) fn equal_bytes(word: u64, byte: u8) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let zeros = word ^ (ONES * u64::from(byte));
    zeros.wrapping_sub(ONES) & !zeros & (ONES << 7)
}

/// Four hexadecimal digits at `at`.
pub(crate) fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.iter().try_fold(0, |value, &byte| {
        let digit = (byte as char).to_digit(16)?;
        Some(value * 16 + digit)
    })
}

/// Replaces the escapes of a string literal that was checked. A surrogate without its partner becomes `?`,
/// as in Java's encoder.
pub(crate) fn unescape(literal: &[u8], out: &mut Vec<u8>) {
    let mut rest = literal;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let short = match rest[1] {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let (character, used) = unicode_escape(rest);
                let mut utf8 = [0; 4];
                out.extend_from_slice(character.encode_utf8(&mut utf8).as_bytes());
                rest = &rest[used..];
                continue;
            }
            other => other,
        };
        out.push(short);
        rest = &rest[2..];
    }
    out.extend_from_slice(rest);
}

fn unicode_escape(text: &[u8]) -> (char, usize) {
    let first = hex4(text, 2).expect("escapes were checked");
    if let Some(character) = char::from_u32(first) {
        return (character, 6);
    }
    let second = (text.get(6..8) == Some(b"\\u")).then(|| hex4(text, 8)).flatten();
    match second {
        Some(low @ 0xDC00..=0xDFFF) if first < 0xDC00 => {
            let code = 0x10000 + ((first - 0xD800) << 10) + (low - 0xDC00);
            (char::from_u32(code).expect("a pair of surrogates is a character"), 12)
        }
        _ => ('?', 6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syntax_is_checked_in_what_is_skipped() {
        let good = r#"{"a": [1, -0.5e+3, {"b": null}, "x\"\u00e9", [], {}], "": true}"#;
        let mut cursor = Cursor::new(good.as_bytes(), 0);
        cursor.skip_value().unwrap();
        assert_eq!(cursor.at, good.len());
        for bad in [
            "01",
            "+1",
            "1.",
            ".5",
            "1e",
            "-",
            "tru",
            "\"a",
            "\"\\x\"",
            "\"\\u12g4\"",
            "[1,]",
            "[1 2]",
            "{\"a\"}",
            "{a:1}",
            "{\"a\":1,}",
            "[",
            "{",
            "NaN",
            "'a'",
            "",
        ] {
            let mut cursor = Cursor::new(bad.as_bytes(), 0);
            assert!(cursor.skip_value().is_err(), "{bad}");
        }
        let deep = "[".repeat(100_000);
        assert!(Cursor::new(deep.as_bytes(), 0).skip_value().is_err());
    }

    #[test]
    fn escapes_are_replaced() {
        for (literal, text) in [
            (r"a\n\/\\b", "a\n/\\b"),
            (r"\u00e9\uD83D\uDE00!", "é😀!"),
            (r"\uD83Dx", "?x"),
            (r"\uDE00\uD83D", "??"),
            (r"\uD83D\u0041", "?A"),
        ] {
            let mut out = Vec::new();
            unescape(literal.as_bytes(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text, "{literal}");
        }
    }

    #[test]
    fn reasons_name_field_and_byte() {
        let fault = Fault::new(7, "no").inside(b"b").inside(b"a");
        assert_eq!(fault.reason(5), "can't read field 'a.b': no at byte 3");
    }
}
