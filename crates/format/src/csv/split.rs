//! Cuts records into fields.
//!
//! A field is quoted if its very first byte is the quote; within, a doubled quote stands for one. Behind
//! the closing quote only blanks may stand. A quote further inside an unquoted field is an ordinary byte.

use super::options::Dialect;
use memchr::memchr;
use std::ops::Range;

/// Where a field's text lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// In the blob, as it stands.
    Blob(Range<usize>),
    /// In the splitter's buffer, because quotes or escapes were taken out.
    Own(Range<usize>),
}

/// Cuts one record after another; the parts are those of the last one.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    pub parts: Vec<Part>,
    pub own: Vec<u8>,
}

impl Splitter {
    /// The bytes of a part.
    pub fn bytes<'a>(&'a self, part: &Part, blob: &'a [u8]) -> &'a [u8] {
        match part {
            Part::Blob(range) => &blob[range.clone()],
            Part::Own(range) => &self.own[range.clone()],
        }
    }

    /// Cuts the record that starts at `start` and says where it ends (before its line end) and what is
    /// wrong with it. Fields that need quotes may hold line ends if `lines`; else `limit` ends the record.
    pub fn split(
        &mut self,
        bytes: &[u8],
        start: usize,
        limit: usize,
        lines: bool,
        dialect: &Dialect,
    ) -> (usize, Result<(), &'static str>) {
        self.parts.clear();
        self.own.clear();
        let blob = &bytes[..limit];
        let mut line_end = if lines { end_of_line(blob, start) } else { limit };
        let mut at = start;
        loop {
            if dialect.quote.is_some() && blob.get(at) == dialect.quote.as_ref() {
                let Some(after) = self.quoted(blob, at + 1, dialect) else {
                    return (line_end, Err("a quoted field is not closed"));
                };
                if after > line_end {
                    line_end = if lines { end_of_line(blob, after) } else { limit };
                }
                at = after;
                while at < line_end
                    && matches!(blob[at], b' ' | b'\t' | b'\r')
                    && blob[at] != dialect.delimiter
                {
                    at += 1;
                }
                if at < line_end && blob[at] != dialect.delimiter {
                    return (line_end, Err("text follows the closing quote of a field"));
                }
            } else {
                at = self.unquoted(blob, at, line_end, dialect);
            }
            if at >= line_end {
                return (line_end, Ok(()));
            }
            at += 1;
        }
    }

    /// An unquoted field up to the delimiter or the end of the line; says where it ends.
    fn unquoted(&mut self, blob: &[u8], start: usize, line_end: usize, dialect: &Dialect) -> usize {
        let mut at = start;
        while at < line_end && blob[at] != dialect.delimiter {
            if Some(blob[at]) == dialect.escape {
                return self.escaped(blob, start, at, line_end, dialect);
            }
            at += 1;
        }
        let mut end = at;
        if at == line_end && end > start && blob[end - 1] == b'\r' {
            end -= 1;
        }
        self.parts.push(Part::Blob(start..end));
        at
    }

    fn escaped(
        &mut self,
        blob: &[u8],
        start: usize,
        first: usize,
        line_end: usize,
        dialect: &Dialect,
    ) -> usize {
        let from = self.own.len();
        self.own.extend_from_slice(&blob[start..first]);
        let mut at = first;
        while at < line_end && blob[at] != dialect.delimiter {
            if Some(blob[at]) == dialect.escape && at + 1 < line_end {
                at += 1;
                self.own.push(escaped_byte(blob[at]));
            } else {
                self.own.push(blob[at]);
            }
            at += 1;
        }
        self.parts.push(Part::Own(from..self.own.len()));
        at
    }

    /// A quoted field; says where the closing quote ends.
    fn quoted(&mut self, blob: &[u8], start: usize, dialect: &Dialect) -> Option<usize> {
        let quote = dialect.quote?;
        let (mut copied, mut at, from) = (start, start, self.own.len());
        let mut own = false;
        loop {
            let byte = *blob.get(at)?;
            if Some(byte) == dialect.escape && byte != quote {
                own = true;
                self.own.extend_from_slice(&blob[copied..at]);
                self.own.push(escaped_byte(*blob.get(at + 1)?));
                at += 2;
                copied = at;
            } else if byte != quote {
                at += 1;
            } else if blob.get(at + 1) == Some(&quote) {
                own = true;
                self.own.extend_from_slice(&blob[copied..=at]);
                at += 2;
                copied = at;
            } else {
                break;
            }
        }
        if own {
            self.own.extend_from_slice(&blob[copied..at]);
            self.parts.push(Part::Own(from..self.own.len()));
        } else {
            self.parts.push(Part::Blob(start..at));
        }
        Some(at + 1)
    }
}

/// What an escaped byte stands for.
fn escaped_byte(byte: u8) -> u8 {
    match byte {
        b'0' => 0,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        other => other,
    }
}

/// The place of the line end at or after `start`, or the end.
pub(super) fn end_of_line(bytes: &[u8], start: usize) -> usize {
    memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |len| start + len)
}
