//! The scanner proper.

use super::cursor::Cursor;
use super::text::{self, BadEscape};
use super::token::{Symbol, Token, TokenKind};
use crate::diagnostic::Diagnostic;
use crate::span::Span;

/// Splits a text into tokens, comments left out; the last token is [`TokenKind::End`].
#[must_use]
pub fn tokenize(source: &str) -> Vec<Token> {
    let mut scanner = Scanner { cursor: Cursor::new(source), in_hint: false };
    let mut tokens = Vec::new();
    loop {
        let token = scanner.token();
        let last = token.kind == TokenKind::End;
        tokens.push(token);
        if last {
            return tokens;
        }
    }
}

struct Scanner<'a> {
    cursor: Cursor<'a>,
    /// Whether `/*+` was read and its `*/` was not.
    in_hint: bool,
}

impl Scanner<'_> {
    fn token(&mut self) -> Token {
        if let Some(unclosed) = self.skip_trivia() {
            return unclosed;
        }
        let start = self.cursor.at();
        let kind = match self.cursor.peek() {
            None => TokenKind::End,
            Some('`') => self.quoted_name(start),
            Some('\'') => self.plain_string(start),
            Some('"') => self.double_quoted(start),
            Some(c) if c.is_ascii_digit() => self.number(),
            Some('.') if self.cursor.peek_second().is_some_and(|c| c.is_ascii_digit()) => self.number(),
            Some(c) if is_name_start(c) => self.word(start),
            Some(_) => self.symbol(start),
        };
        Token { kind, span: self.span(start) }
    }

    fn span(&self, start: usize) -> Span {
        Span::new(start, self.cursor.at())
    }

    fn invalid(&self, start: usize, message: impl Into<String>, hint: &str) -> TokenKind {
        TokenKind::Invalid(Box::new(Diagnostic::new(self.span(start), message).with_hint(hint)))
    }

    /// Skips white space and comments; an unclosed comment is returned as a token.
    fn skip_trivia(&mut self) -> Option<Token> {
        loop {
            self.cursor.eat_while(|c| c.is_whitespace() || c == '\u{feff}');
            let rest = self.cursor.rest();
            // A URL may stand unquoted in a SET of the old form.
            let before = self.cursor.before().trim_end_matches('/');
            let slashes = rest.starts_with("//") && !before.ends_with(':');
            if rest.starts_with("--") || slashes {
                self.cursor.seek("\n");
            } else if rest.starts_with("/*") && !rest.starts_with("/*+") {
                let start = self.cursor.at();
                self.cursor.eat("/*");
                if !self.cursor.seek("*/") {
                    return Some(self.unclosed_comment(start));
                }
                self.cursor.eat("*/");
            } else {
                return None;
            }
        }
    }

    fn unclosed_comment(&self, start: usize) -> Token {
        let opening = Span::new(start, start + 2);
        let diagnostic = Diagnostic::new(opening, "a comment is not closed").with_hint("close it with */");
        Token { kind: TokenKind::Invalid(Box::new(diagnostic)), span: self.span(start) }
    }

    fn quoted_name(&mut self, start: usize) -> TokenKind {
        self.cursor.next();
        match self.until_quote('`') {
            Some(name) if name.is_empty() => {
                self.invalid(start, "a name in back-ticks is empty", "write a name between the back-ticks")
            }
            Some(name) => TokenKind::Quoted(name),
            None => self.unclosed(start, "a name in back-ticks is not closed", "`"),
        }
    }

    fn plain_string(&mut self, start: usize) -> TokenKind {
        self.cursor.next();
        match self.until_quote('\'') {
            Some(text) => TokenKind::String(text),
            None => self.unclosed_string(start),
        }
    }

    fn unclosed_string(&self, start: usize) -> TokenKind {
        self.unclosed(start, "a string is not closed", "'")
    }

    fn unclosed(&self, start: usize, message: &str, quote: &str) -> TokenKind {
        let diagnostic = Diagnostic::new(self.span(start), message)
            .with_hint(format!("add {quote} where it ends; {quote}{quote} stands for one {quote} in it"));
        TokenKind::Invalid(Box::new(diagnostic))
    }

    /// Reads up to the closing quote, a doubled quote standing for one.
    fn until_quote(&mut self, quote: char) -> Option<String> {
        let mut text = String::new();
        loop {
            match self.cursor.next()? {
                c if c != quote => text.push(c),
                _ if self.cursor.peek() == Some(quote) => {
                    self.cursor.next();
                    text.push(quote);
                }
                _ => return Some(text),
            }
        }
    }

    fn double_quoted(&mut self, start: usize) -> TokenKind {
        self.cursor.next();
        self.cursor.eat_while(|c| c != '"' && c != '\n');
        self.cursor.eat("\"");
        self.invalid(
            start,
            "double quotes are not used in Flink SQL",
            "put names in back-ticks: `name`, strings in single quotes: 'text'",
        )
    }

    fn number(&mut self) -> TokenKind {
        self.cursor.eat_while(|c| c.is_ascii_digit());
        if self.cursor.eat(".") {
            self.cursor.eat_while(|c| c.is_ascii_digit());
        }
        let before_exponent = self.cursor.at();
        if self.cursor.eat("e") || self.cursor.eat("E") {
            let _ = self.cursor.eat("+") || self.cursor.eat("-");
            let digits = self.cursor.at();
            self.cursor.eat_while(|c| c.is_ascii_digit());
            if self.cursor.at() > digits {
                return TokenKind::Double;
            }
            // Without digits the letter starts the next word.
            self.cursor.set(before_exponent);
        }
        TokenKind::Number
    }

    fn word(&mut self, start: usize) -> TokenKind {
        self.cursor.eat_while(is_name_part);
        let word = self.cursor.since(start);
        let rest = self.cursor.rest();
        match word {
            "U" | "u" if rest.starts_with("&'") => self.unicode_string(start),
            "E" | "e" if rest.starts_with('\'') => self.escaped_string(start),
            "X" | "x" if rest.starts_with('\'') => self.binary_string(start),
            "N" | "n" if rest.starts_with('\'') => self.plain_string(start),
            _ if word.starts_with('_') && rest.starts_with('\'') => self.plain_string(start),
            _ => TokenKind::Word,
        }
    }

    fn unicode_string(&mut self, start: usize) -> TokenKind {
        self.cursor.eat("&'");
        let Some(raw) = self.until_quote('\'') else {
            return self.unclosed_string(start);
        };
        let escape = self.uescape().unwrap_or('\\');
        self.resolved(start, text::unicode(&raw, escape))
    }

    /// Reads `UESCAPE 'c'` if it comes next, else nothing.
    fn uescape(&mut self) -> Option<char> {
        let back = self.cursor.at();
        let escape = self.try_uescape();
        if escape.is_none() {
            self.cursor.set(back);
        }
        escape
    }

    fn try_uescape(&mut self) -> Option<char> {
        if self.skip_trivia().is_some() {
            return None;
        }
        let start = self.cursor.at();
        self.cursor.eat_while(is_name_part);
        if !self.cursor.since(start).eq_ignore_ascii_case("UESCAPE") || self.skip_trivia().is_some() {
            return None;
        }
        let opened = self.cursor.eat("'");
        let escape = self.cursor.next();
        let closed = self.cursor.eat("'");
        escape.filter(|_| opened && closed)
    }

    fn escaped_string(&mut self, start: usize) -> TokenKind {
        self.cursor.eat("'");
        let mut raw = String::new();
        loop {
            match self.cursor.next() {
                None => return self.unclosed_string(start),
                Some('\\') => {
                    raw.push('\\');
                    raw.extend(self.cursor.next());
                }
                Some('\'') if self.cursor.eat("'") => raw.push('\''),
                Some('\'') => return self.resolved(start, text::c_style(&raw)),
                Some(c) => raw.push(c),
            }
        }
    }

    fn resolved(&self, start: usize, text: Result<String, BadEscape>) -> TokenKind {
        match text {
            Ok(text) => TokenKind::String(text),
            Err(bad) => self.invalid(start, bad.message, bad.hint),
        }
    }

    fn binary_string(&mut self, start: usize) -> TokenKind {
        self.cursor.eat("'");
        let Some(digits) = self.until_quote('\'') else {
            return self.unclosed_string(start);
        };
        if digits.len() % 2 == 1 || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
            return self.invalid(
                start,
                "a binary string holds something else than pairs of hexadecimal digits",
                "write two hexadecimal digits for each byte, such as x'0aff'",
            );
        }
        TokenKind::Binary(digits)
    }

    fn symbol(&mut self, start: usize) -> TokenKind {
        if self.in_hint && self.cursor.eat("*/") {
            self.in_hint = false;
            return TokenKind::HintEnd;
        }
        if self.cursor.eat("/*+") {
            self.in_hint = true;
            return TokenKind::HintStart;
        }
        for &symbol in Symbol::ALL {
            if self.cursor.eat(symbol.text()) {
                return TokenKind::Symbol(symbol);
            }
        }
        let found = self.cursor.next().unwrap_or(' ');
        let hint = match found {
            '‘' | '’' | '“' | '”' => "use the plain single quote '",
            '，' | '；' | '（' | '）' => "use the plain character of the ASCII keyboard",
            _ => "remove it, or put it in a string or a comment",
        };
        self.invalid(start, format!("the character `{found}` is not part of SQL"), hint)
    }
}

fn is_name_start(c: char) -> bool {
    c == '_' || c.is_alphabetic()
}

fn is_name_part(c: char) -> bool {
    c == '_' || c == '$' || c.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(source: &str) -> Vec<TokenKind> {
        let mut kinds: Vec<TokenKind> = tokenize(source).into_iter().map(|t| t.kind).collect();
        assert_eq!(kinds.pop(), Some(TokenKind::End));
        kinds
    }

    fn one(source: &str) -> TokenKind {
        let mut kinds = kinds(source);
        assert_eq!(kinds.len(), 1, "{source}: {kinds:?}");
        kinds.remove(0)
    }

    #[test]
    fn strings() {
        for (source, expected) in [
            ("'it''s'", "it's"),
            ("''", ""),
            (r"'C:\dir\'", r"C:\dir\"),
            (r"U&'\263A'", "☺"),
            (
                r"u&'#263A#\' /* c */ uescape -- d
                '#'",
                "",
            ),
            (r"U&'#263A' UESCAPE '#'", "☺"),
            (r"E'a\tb\'c'", "a\tb'c"),
            ("E'it''s'", "it's"),
            ("N'x'", "x"),
            ("_UTF8'x'", "x"),
        ] {
            match one(source) {
                TokenKind::String(text) => assert_eq!(text, expected, "{source}"),
                other => assert!(expected.is_empty(), "{source}: {other:?}"),
            }
        }
        assert_eq!(one("x'0aFF'"), TokenKind::Binary("0aFF".to_owned()));
    }

    #[test]
    fn names_numbers_and_symbols() {
        assert_eq!(one("`a``b`"), TokenKind::Quoted("a`b".to_owned()));
        assert_eq!(one("列名_1$"), TokenKind::Word);
        for (source, double) in [("1", false), (".5", false), ("1.", false), ("1e3", true), ("1.5E-7", true)]
        {
            let expected = if double { TokenKind::Double } else { TokenKind::Number };
            assert_eq!(one(source), expected, "{source}");
        }
        assert_eq!(kinds("1e").len(), 2);
        for &symbol in Symbol::ALL {
            assert_eq!(one(symbol.text()), TokenKind::Symbol(symbol));
        }
    }

    #[test]
    fn comments_and_hints() {
        assert_eq!(kinds("-- c ; '\n/* ' ; */ // d\na").len(), 1);
        assert_eq!(kinds("/*+ A */"), [TokenKind::HintStart, TokenKind::Word, TokenKind::HintEnd]);
        assert_eq!(kinds("file:///tmp").len(), 6);
    }

    #[test]
    fn malformed_tokens_carry_their_diagnostic() {
        for (source, message) in [
            ("'abc", "a string is not closed"),
            ("`abc", "a name in back-ticks is not closed"),
            ("``", "a name in back-ticks is empty"),
            ("/* abc", "a comment is not closed"),
            ("\"a b\"", "double quotes are not used in Flink SQL"),
            ("x'0'", "a binary string holds something else than pairs of hexadecimal digits"),
            (r"U&'\26'", r"`\26` is no Unicode escape"),
            ("#", "the character `#` is not part of SQL"),
        ] {
            match &kinds(source)[..] {
                [TokenKind::Invalid(diagnostic)] => assert_eq!(diagnostic.message, message),
                other => panic!("{source}: {other:?}"),
            }
        }
    }

    #[test]
    fn spans_slice_the_source() {
        let source = "SELECT `é`, 'ü' -- ö\n, 中";
        let texts: Vec<&str> = tokenize(source).iter().map(|t| t.span.text(source)).collect();
        assert_eq!(texts, ["SELECT", "`é`", ",", "'ü'", ",", "中", ""]);
    }
}
