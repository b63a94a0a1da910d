//! The columns that a text takes up on a terminal.

use unicode_width::UnicodeWidthStr;

/// The text with control characters shown as escapes: data must not steer the terminal.
pub(crate) fn visible(text: String) -> String {
    match text.contains(char::is_control) {
        false => text,
        true => text
            .chars()
            .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
            .collect(),
    }
}

/// How many columns a text takes up.
pub(crate) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Appends the text with blanks around it so that it takes up at least so many columns.
pub(crate) fn pad(out: &mut String, text: &str, columns: usize, right: bool) {
    let blanks = columns.saturating_sub(width(text));
    if right {
        out.extend(std::iter::repeat_n(' ', blanks));
    }
    out.push_str(text);
    if !right {
        out.extend(std::iter::repeat_n(' ', blanks));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_two_columns() {
        let mut out = String::new();
        pad(&mut out, "日本", 5, false);
        pad(&mut out, "7", 3, true);
        assert_eq!(out, "日本   7");
    }

    #[test]
    fn control_characters_are_shown() {
        assert_eq!(visible("a\nb\x1b[2J".to_string()), "a\\nb\\u{1b}[2J");
        assert_eq!(visible("plain".to_string()), "plain");
    }
}
