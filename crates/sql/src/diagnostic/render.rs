//! Diagnostics as text with the line of the source and a caret under the place.

use std::fmt::Write;

use super::Diagnostic;

/// Columns of a terminal that the excerpt of a line may take; a longer line is cut around the caret.
const EXCERPT_COLUMNS_MAX: usize = 100;
/// Columns shown before the caret when a line is cut.
const EXCERPT_COLUMNS_BEFORE: usize = 40;
/// Spaces a tab is shown as.
const TAB_COLUMNS: usize = 4;

/// Shows a diagnostic: message, place, line with a caret, notes and hint, each on a line of its own
/// with a line break at the end. `file` is only printed; `colour` adds ANSI escapes.
#[must_use]
pub fn render(diagnostic: &Diagnostic, source: &str, file: &str, colour: bool) -> String {
    let paint = Paint { on: colour };
    let place = Place::of(diagnostic, source);
    let margin = " ".repeat(place.line.to_string().len());
    let bar = paint.blue("|");
    let (excerpt, pad, width) = place.excerpt();

    let mut out = String::new();
    let mut line = |text: String| {
        let _ = writeln!(out, "{}", text.trim_end());
    };
    line(format!("{}: {}", paint.red("error"), paint.bold(&diagnostic.message)));
    line(format!("{margin}{} {file}:{}:{}", paint.blue("-->"), place.line, place.column));
    line(format!("{margin} {bar}"));
    line(format!("{} {bar} {excerpt}", paint.blue(&place.line.to_string())));
    line(format!("{margin} {bar} {}{}", " ".repeat(pad), paint.red(&"^".repeat(width))));
    for note in &diagnostic.notes {
        line(format!("{margin} {} note: {note}", paint.blue("=")));
    }
    if let Some(hint) = &diagnostic.hint {
        line(format!("{margin} {} hint: {hint}", paint.blue("=")));
    }
    out
}

/// The line of a diagnostic and the part of it that is underlined.
struct Place<'a> {
    line: usize,
    column: usize,
    text: &'a str,
    /// Byte offsets in `text`.
    start: usize,
    end: usize,
}

impl<'a> Place<'a> {
    fn of(diagnostic: &Diagnostic, source: &'a str) -> Self {
        let start = floor_boundary(source, diagnostic.span.start);
        let end = floor_boundary(source, diagnostic.span.end.max(start));
        let line_start = source[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = source[start..].find('\n').map_or(source.len(), |at| start + at);
        let text = source[line_start..line_end].trim_end_matches('\r');
        let start_in_line = (start - line_start).min(text.len());
        Self {
            line: source[..start].matches('\n').count() + 1,
            column: text[..start_in_line].chars().count() + 1,
            text,
            start: start_in_line,
            end: end.saturating_sub(line_start).clamp(start_in_line, text.len()),
        }
    }

    /// The text shown, the columns before the caret and the length of the underline.
    fn excerpt(&self) -> (String, usize, usize) {
        let before = columns(&self.text[..self.start]);
        let marked = columns(&self.text[self.start..self.end]).max(1);
        if columns(self.text) <= EXCERPT_COLUMNS_MAX {
            return (expand(self.text), before, marked);
        }
        let from = skip_columns(self.text, before.saturating_sub(EXCERPT_COLUMNS_BEFORE));
        let length = skip_columns(&self.text[from..], EXCERPT_COLUMNS_MAX);
        let to = from + length;
        let head = if from > 0 { "…" } else { "" };
        let tail = if to < self.text.len() { "…" } else { "" };
        let pad = columns(head) + columns(&self.text[from..self.start]);
        let marked = columns(&self.text[self.start..self.end.min(to)]).max(1);
        (format!("{head}{}{tail}", expand(&self.text[from..to])), pad, marked)
    }
}

fn floor_boundary(source: &str, at: usize) -> usize {
    let mut at = at.min(source.len());
    while !source.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The byte offset behind the characters that fill `wanted` columns.
fn skip_columns(text: &str, wanted: usize) -> usize {
    let mut filled = 0;
    for (at, c) in text.char_indices() {
        if filled >= wanted {
            return at;
        }
        filled += char_columns(c);
    }
    text.len()
}

fn columns(text: &str) -> usize {
    text.chars().map(char_columns).sum()
}

/// How many columns a terminal gives a character: none to combining marks, two to East Asian wide
/// characters and emoji.
fn char_columns(c: char) -> usize {
    match u32::from(c) {
        0x09 => TAB_COLUMNS,
        0x00..=0x1f | 0x7f..=0x9f => 1,
        0x300..=0x36f | 0x200b..=0x200f | 0x20d0..=0x20ff | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f680..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// The text with tabs as spaces and other control characters as blanks, so that the caret fits and
/// a hostile file cannot steer the terminal.
fn expand(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push_str(&" ".repeat(TAB_COLUMNS)),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// ANSI colours, or none.
struct Paint {
    on: bool,
}

impl Paint {
    fn wrap(&self, code: &str, text: &str) -> String {
        if self.on && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn red(&self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    fn blue(&self, text: &str) -> String {
        self.wrap("1;34", text)
    }

    fn bold(&self, text: &str) -> String {
        self.wrap("1", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::Span;

    fn shown(source: &str, needle: &str) -> String {
        let start = source.find(needle).expect("needle");
        let span = Span::new(start, start + needle.len());
        render(&Diagnostic::new(span, "wrong").with_hint("right"), source, "f.sql", false)
    }

    #[test]
    fn marks_the_place() {
        assert_eq!(
            shown("SELECT a\nFROM b;", "b"),
            "error: wrong\n --> f.sql:2:6\n  |\n2 | FROM b;\n  |      ^\n  = hint: right\n"
        );
    }

    #[test]
    fn follows_tabs_and_wide_characters() {
        let out = shown("\t'中文' xyz", "xyz");
        assert!(out.contains("f.sql:1:7\n"), "{out}");
        assert!(out.contains("1 |     '中文' xyz\n  |            ^^^\n"), "{out}");
    }

    #[test]
    fn cuts_long_lines_around_the_caret() {
        let source = format!("{} here {}", "a".repeat(300), "b".repeat(300));
        let out = shown(&source, "here");
        let lines: Vec<&str> = out.lines().collect();
        assert!(lines[3].chars().count() < 120);
        let caret = lines[4].find('^').expect("caret");
        let marked: String = lines[3].chars().skip(caret).take(4).collect();
        assert_eq!(marked, "here");
    }

    #[test]
    fn underlines_only_the_first_line_of_a_span() {
        let out = shown("'open\nstring", "'open\nstring");
        assert!(out.contains("  | ^^^^^\n"), "{out}");
    }

    #[test]
    fn tolerates_the_end_and_places_outside() {
        for (start, end) in [(3, 3), (9, 12)] {
            let diagnostic = Diagnostic::new(Span::new(start, end), "wrong");
            let out = render(&diagnostic, "a b", "f.sql", false);
            assert!(out.contains("f.sql:1:4\n"), "{out}");
        }
    }

    #[test]
    fn colours_on_demand() {
        let diagnostic = Diagnostic::new(Span::new(0, 1), "wrong");
        assert!(render(&diagnostic, "a", "f", true).contains("\x1b[1;31m^\x1b[0m"));
    }
}
