//! Java's date patterns, for writing and reading.
//!
//! Flink uses `DateTimeFormatter` for timestamps and the older `SimpleDateFormat` for text and Unix times;
//! the two differ in letters and above all in how they read: the first is strict about widths and ranges,
//! the second takes what it can get. Locale en-US: weeks of the letters w, W, e, c and Y start on Sunday.

mod lenient;
mod strict;
mod write;

use tidemill_types::{Error, Result};

/// Whose rules a pattern follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `java.time.format.DateTimeFormatter`.
    Formatter,
    /// `java.text.SimpleDateFormat`.
    Simple,
}

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    items: Vec<Item>,
    style: Style,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Literal(String),
    /// A letter and how often it stands.
    Field(u8, usize),
    /// What may be missing when reading: `[…]`.
    Optional(Vec<Item>),
}

/// A moment to be written.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Wall-clock milliseconds.
    pub local_ms: i64,
    /// Nanoseconds beyond them.
    pub nanos: u32,
    /// How far the clock is ahead of UTC.
    pub offset_ms: i64,
    /// The zone, for the letters that name it.
    pub zone: chrono_tz::Tz,
}

/// What reading a text gave: wall-clock milliseconds, and the offset if the text says one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// Wall-clock milliseconds.
    pub local_ms: i64,
    /// How far ahead of UTC the text says it is.
    pub offset_ms: Option<i64>,
}

const FORMATTER_LETTERS: &[u8] = b"GuyYQqMLwWdDFEecahKkHmsSAnNVzOXxZ";
const SIMPLE_LETTERS: &[u8] = b"GyYMLwWDdFEuaHkKhmsSzZX";
/// Letters of which the strict style takes at most two.
const AT_MOST_TWO: &[u8] = b"wdhKkHms";

impl Pattern {
    /// Compiles a pattern.
    pub fn compile(text: &str, style: Style) -> Result<Pattern> {
        let mut compiler = Compiler { text, chars: text.chars().peekable(), style };
        let items = compiler.items(0)?;
        Ok(Pattern { items, style })
    }

    /// Writes a moment.
    pub fn write(&self, moment: &Moment, out: &mut String) {
        write::write(&self.items, self.style, moment, out);
    }

    /// Reads a text; `None` if it does not fit.
    pub fn read(&self, text: &str) -> Option<Read> {
        match self.style {
            Style::Formatter => strict::read(&self.items, text),
            Style::Simple => lenient::read(&self.items, text),
        }
    }
}

struct Compiler<'a> {
    text: &'a str,
    chars: std::iter::Peekable<std::str::Chars<'a>>,
    style: Style,
}

impl Compiler<'_> {
    fn items(&mut self, depth: usize) -> Result<Vec<Item>> {
        let brackets = self.style == Style::Formatter;
        let mut items = Vec::new();
        while let Some(c) = self.chars.next() {
            match c {
                '\'' => self.quoted(&mut items)?,
                '[' if brackets => items.push(Item::Optional(self.items(depth + 1)?)),
                ']' if brackets && depth > 0 => return Ok(items),
                ']' | '{' | '}' | '#' if brackets => {
                    return Err(self.error(&format!("'{c}' must be quoted")));
                }
                c if c.is_ascii_alphabetic() => items.push(self.field(c)?),
                c => push_literal(&mut items, c),
            }
        }
        Ok(items)
    }

    fn quoted(&mut self, items: &mut Vec<Item>) -> Result<()> {
        if self.chars.next_if_eq(&'\'').is_some() {
            push_literal(items, '\'');
            return Ok(());
        }
        loop {
            match self.chars.next() {
                Some('\'') if self.chars.next_if_eq(&'\'').is_some() => push_literal(items, '\''),
                Some('\'') => return Ok(()),
                Some(c) => push_literal(items, c),
                None => return Err(self.error("a quote is not closed")),
            }
        }
    }

    fn field(&mut self, letter: char) -> Result<Item> {
        let mut count = 1;
        while self.chars.next_if_eq(&letter).is_some() {
            count += 1;
        }
        let byte = letter as u8;
        let formatter = self.style == Style::Formatter;
        let known = if formatter { FORMATTER_LETTERS } else { SIMPLE_LETTERS };
        if !known.contains(&byte) {
            return Err(self.error(&format!("there is no letter '{letter}'")));
        }
        let most = match byte {
            _ if !formatter => usize::MAX,
            b'G' | b'M' | b'L' | b'E' | b'Q' | b'q' | b'X' | b'x' | b'Z' | b'e' | b'c' => 5,
            b'D' => 3,
            b'a' | b'F' | b'W' => 1,
            b'S' => 9,
            _ if AT_MOST_TWO.contains(&byte) => 2,
            _ => 19,
        };
        if count > most {
            return Err(self.error(&format!("too many letters '{letter}'")));
        }
        Ok(Item::Field(byte, count))
    }

    fn error(&self, why: &str) -> Error {
        Error::user(format!("'{}' is no date pattern: {why}", self.text))
    }
}

fn push_literal(items: &mut Vec<Item>, c: char) {
    match items.last_mut() {
        Some(Item::Literal(text)) => text.push(c),
        _ => items.push(Item::Literal(c.into())),
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// Days from Sunday on.
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
/// How long short names are.
const SHORT: usize = 3;

/// The number after the name of `names` that `text` starts with, and the name's length; long names first.
fn read_name(text: &str, names: &[&str], short: bool, any_case: bool) -> Option<(i64, usize)> {
    let starts = |name: &str| {
        text.get(..name.len())
            .is_some_and(|head| if any_case { head.eq_ignore_ascii_case(name) } else { head == name })
    };
    names.iter().enumerate().find_map(|(i, name)| {
        let name = if short { &name[..SHORT] } else { name };
        starts(name).then_some((i as i64 + 1, name.len()))
    })
}

/// `+hh:mm`, `+hhmm`, `+hh` or `Z` in milliseconds, and its length.
fn read_offset(text: &str) -> Option<(i64, usize)> {
    let bytes = text.as_bytes();
    let sign = match bytes.first()? {
        b'Z' => return Some((0, 1)),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let two = |at: usize| -> Option<i64> {
        let digits = text.get(at..at + 2)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let hours = two(1)?;
    let (minutes, length) = match bytes.get(3) {
        Some(b':') => two(4).map_or((0, 3), |minutes| (minutes, 6)),
        _ => two(3).map_or((0, 3), |minutes| (minutes, 5)),
    };
    Some((sign * (hours * 60 + minutes) * 60_000, length))
}
