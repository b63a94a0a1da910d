//! Java's syntax of regular expressions where it differs from that of `fancy-regex`.
//!
//! `\d \w \s` know only ASCII in Java, `.` stops at every line terminator, `\p{IsHan}`, `\p{Alpha}`, `\Q…\E`,
//! `\h` and `\uXXXX` are spelled otherwise, and any escaped punctuation is itself.

use std::iter::Peekable;
use std::str::Chars;

/// The same pattern in the syntax of `fancy-regex`.
pub fn from_java(pattern: &str) -> String {
    let mut translation = Translation {
        chars: pattern.chars().peekable(),
        out: String::with_capacity(pattern.len() + 16),
        depth: 0,
        dot_all: has_dot_all(pattern),
    };
    translation.run();
    translation.out
}

/// Whether `.` may match line ends: `(?s)` among the flags of any group.
fn has_dot_all(pattern: &str) -> bool {
    pattern.match_indices("(?").any(|(at, _)| {
        pattern[at + 2..].chars().take_while(|c| c.is_ascii_alphabetic()).any(|flag| flag == 's')
    })
}

struct Translation<'a> {
    chars: Peekable<Chars<'a>>,
    out: String,
    /// How many character classes are open.
    depth: usize,
    dot_all: bool,
}

impl Translation<'_> {
    fn run(&mut self) {
        while let Some(c) = self.chars.next() {
            match c {
                '\\' => self.escape(),
                '[' => self.open_class(),
                ']' if self.depth > 0 => {
                    self.depth -= 1;
                    self.out.push(']');
                }
                '.' if self.depth == 0 && !self.dot_all => {
                    self.out.push_str(r"[^\n\r\x{85}\x{2028}\x{2029}]");
                }
                '~' | '-' if self.depth > 0 && self.chars.peek() == Some(&c) => {
                    self.out.push('\\');
                    self.out.push(c);
                }
                c => self.out.push(c),
            }
        }
    }

    fn open_class(&mut self) {
        self.depth += 1;
        self.out.push('[');
        if self.chars.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
    }

    fn escape(&mut self) {
        let in_class = self.depth > 0;
        let Some(c) = self.chars.next() else { return self.out.push('\\') };
        let class = |inner: &str| if in_class { inner.to_owned() } else { format!("[{inner}]") };
        match c {
            'd' => self.out.push_str(&class("0-9")),
            'w' => self.out.push_str(&class("a-zA-Z0-9_")),
            's' => self.out.push_str(&class(r" \t\n\x0B\f\r")),
            'h' => self
                .out
                .push_str(&class(r" \t\x{A0}\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}")),
            'v' => self.out.push_str(&class(r"\n\x0B\f\r\x{85}\x{2028}\x{2029}")),
            'D' => self.out.push_str("[^0-9]"),
            'W' => self.out.push_str("[^a-zA-Z0-9_]"),
            'S' => self.out.push_str(r"[^ \t\n\x0B\f\r]"),
            'R' => self.out.push_str(r"(?:\r\n|[\n\x0B\f\r\x{85}\x{2028}\x{2029}])"),
            'e' => self.out.push_str(r"\x1B"),
            'Q' => self.quote(),
            'p' | 'P' => self.property(c),
            'u' => self.unicode(),
            c if c.is_ascii_alphanumeric() => {
                self.out.push('\\');
                self.out.push(c);
            }
            c => self.literal(c),
        }
    }

    /// A character that stands for itself.
    fn literal(&mut self, c: char) {
        if r"\.+*?()|[]{}^$#&-~".contains(c) {
            self.out.push('\\');
        }
        self.out.push(c);
    }

    fn quote(&mut self) {
        while let Some(c) = self.chars.next() {
            if c == '\\' && self.chars.next_if_eq(&'E').is_some() {
                return;
            }
            self.literal(c);
        }
    }

    fn property(&mut self, negation: char) {
        let name = match self.chars.next() {
            Some('{') => {
                let mut name = String::new();
                while let Some(c) = self.chars.next().filter(|c| *c != '}') {
                    name.push(c);
                }
                name
            }
            Some(letter) => letter.to_string(),
            None => String::new(),
        };
        let ascii = match name.as_str() {
            "Lower" => "a-z",
            "Upper" => "A-Z",
            "ASCII" => r"\x00-\x7F",
            "Alpha" => "a-zA-Z",
            "Digit" => "0-9",
            "Alnum" => "a-zA-Z0-9",
            "Punct" => r"!-/:-@\[-`{-\x7E",
            "Graph" => "!-~",
            "Print" => " -~",
            "Blank" => r" \t",
            "Cntrl" => r"\x00-\x1F\x7F",
            "XDigit" => "0-9a-fA-F",
            "Space" => r" \t\n\x0B\f\r",
            _ => "",
        };
        if !ascii.is_empty() {
            let not = if negation == 'P' { "^" } else { "" };
            return self.out.push_str(&format!("[{not}{ascii}]"));
        }
        let name = match name.as_str() {
            "javaLowerCase" => "Lowercase",
            "javaUpperCase" => "Uppercase",
            "javaWhitespace" => "White_Space",
            other => other.strip_prefix("Is").unwrap_or(other),
        };
        self.out.push_str(&format!("\\{negation}{{{name}}}"));
    }

    /// `\uXXXX`, two of them for a character beyond the first plane.
    fn unicode(&mut self) {
        let Some(first) = self.four_digits() else { return self.out.push_str("\\u") };
        let mut code = first;
        if (0xD800..0xDC00).contains(&first) {
            let mut ahead = self.chars.clone();
            if ahead.next() == Some('\\') && ahead.next() == Some('u') {
                self.chars = ahead;
                if let Some(second) = self.four_digits() {
                    code = 0x10000 + ((first - 0xD800) << 10) + (second.wrapping_sub(0xDC00) & 0x3FF);
                }
            }
        }
        self.out.push_str(&format!("\\x{{{code:X}}}"));
    }

    fn four_digits(&mut self) -> Option<u32> {
        let mut code = 0;
        for _ in 0..4 {
            code = code * 16 + self.chars.next_if(char::is_ascii_hexdigit)?.to_digit(16)?;
        }
        Some(code)
    }
}
