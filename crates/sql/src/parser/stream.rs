//! The stream of tokens: looking ahead, stepping, and saying what was expected.

use std::cell::RefCell;

use crate::diagnostic::Diagnostic;
use crate::lexer::{Symbol, Token, TokenKind, is_reserved, tokenize};
use crate::span::Span;

/// How deep expressions, queries, types and patterns may nest.
pub(super) const NESTING_DEPTH_MAX: usize = 100;
/// How many operators or joins may follow each other on one level: they make a tree this deep.
pub(super) const CHAIN_LENGTH_MAX: usize = 1000;
/// Characters of a token that a message repeats.
const FOUND_CHARS_MAX: usize = 40;

/// What a parsing function returns.
pub(super) type Parse<T> = Result<T, Box<Diagnostic>>;

/// The state of the parser.
pub(super) struct Parser<'a> {
    pub(super) source: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    diagnostics: Vec<Diagnostic>,
    /// Keywords looked for at the current token and the one before, for hints about misspellings.
    sought: RefCell<Vec<(usize, &'static str)>>,
}

impl<'a> Parser<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        Self {
            source,
            tokens: tokenize(source),
            at: 0,
            depth: 0,
            diagnostics: Vec::new(),
            sought: RefCell::default(),
        }
    }

    pub(super) fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.diagnostics
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Runs `parse` one level deeper.
    pub(super) fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        if self.depth >= NESTING_DEPTH_MAX {
            return Err(self.error(
                self.span(),
                format!("the statement nests deeper than {NESTING_DEPTH_MAX} levels"),
                "split it with WITH or a view",
            ));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    /// Checks the length of a chain of operators or joins.
    pub(super) fn check_chain(&self, length: usize) -> Parse<()> {
        if length <= CHAIN_LENGTH_MAX {
            return Ok(());
        }
        Err(self.error(
            self.span(),
            format!("more than {CHAIN_LENGTH_MAX} operators follow each other"),
            "use IN for a list of values, or parentheses to make groups",
        ))
    }

    // Looking.

    fn token(&self, offset: usize) -> &Token {
        let last = self.tokens.len() - 1;
        &self.tokens[(self.at + offset).min(last)]
    }

    pub(super) fn peek(&self) -> &TokenKind {
        self.peek_at(0)
    }

    /// The token `offset` places ahead.
    pub(super) fn peek_at(&self, offset: usize) -> &TokenKind {
        &self.token(offset).kind
    }

    pub(super) fn span(&self) -> Span {
        self.token(0).span
    }

    /// Where the token read last was.
    pub(super) fn previous_span(&self) -> Span {
        match self.at {
            0 => Span::default(),
            at => self.tokens[at - 1].span,
        }
    }

    /// From `start` to the token read last.
    pub(super) fn since(&self, start: Span) -> Span {
        start.to(self.previous_span())
    }

    /// The word `offset` places ahead, if there is one.
    pub(super) fn word_at(&self, offset: usize) -> Option<&'a str> {
        let token = self.token(offset);
        (token.kind == TokenKind::Word).then(|| token.span.text(self.source))
    }

    pub(super) fn at_end(&self) -> bool {
        *self.peek() == TokenKind::End
    }

    pub(super) fn at_symbol(&self, symbol: Symbol) -> bool {
        self.symbol_at(0, symbol)
    }

    pub(super) fn symbol_at(&self, offset: usize, symbol: Symbol) -> bool {
        *self.peek_at(offset) == TokenKind::Symbol(symbol)
    }

    pub(super) fn at_word(&self, keyword: &'static str) -> bool {
        self.sought.borrow_mut().push((self.at, keyword));
        self.is_word(0, keyword)
    }

    pub(super) fn is_word(&self, offset: usize, keyword: &str) -> bool {
        self.word_at(offset).is_some_and(|word| word.eq_ignore_ascii_case(keyword))
    }

    /// Whether these words come next.
    pub(super) fn at_words(&self, keywords: &[&'static str]) -> bool {
        let first = keywords.first().is_some_and(|keyword| self.at_word(keyword));
        first && (1..keywords.len()).all(|offset| self.is_word(offset, keywords[offset]))
    }

    /// Whether one of these words comes next.
    pub(super) fn at_any(&self, keywords: &[&'static str]) -> bool {
        keywords.iter().any(|keyword| self.at_word(keyword))
    }

    // Stepping.

    /// Steps over a token and returns it; the end is never stepped over.
    pub(super) fn advance(&mut self) -> Token {
        let token = self.token(0).clone();
        if token.kind != TokenKind::End {
            self.at += 1;
            let at = self.at;
            self.sought.borrow_mut().retain(|(place, _)| place + 1 >= at);
        }
        token
    }

    pub(super) fn eat_symbol(&mut self, symbol: Symbol) -> bool {
        let found = self.at_symbol(symbol);
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn eat_word(&mut self, keyword: &'static str) -> bool {
        let found = self.at_word(keyword);
        if found {
            self.advance();
        }
        found
    }

    /// Steps over all of these words or none.
    pub(super) fn eat_words(&mut self, keywords: &[&'static str]) -> bool {
        let found = self.at_words(keywords);
        if found {
            for _ in keywords {
                self.advance();
            }
        }
        found
    }

    pub(super) fn expect_symbol(&mut self, symbol: Symbol) -> Parse<Span> {
        if self.at_symbol(symbol) {
            Ok(self.advance().span)
        } else {
            Err(self.expected(&format!("`{}`", symbol.text())))
        }
    }

    pub(super) fn expect_word(&mut self, keyword: &'static str) -> Parse<Span> {
        if self.at_word(keyword) { Ok(self.advance().span) } else { Err(self.expected(keyword)) }
    }

    pub(super) fn expect_words(&mut self, keywords: &[&'static str]) -> Parse<()> {
        for keyword in keywords {
            self.expect_word(keyword)?;
        }
        Ok(())
    }

    /// Steps to the next semicolon, or to the end.
    pub(super) fn skip_statement(&mut self) {
        while !self.at_end() && !self.at_symbol(Symbol::Semicolon) {
            self.advance();
        }
    }

    // Lists.

    /// One or more items with commas between them.
    pub(super) fn comma_list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Parse<T>) -> Parse<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.eat_symbol(Symbol::Comma) {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// `(item, ..)` with at least one item.
    pub(super) fn parenthesized_list<T>(&mut self, item: impl FnMut(&mut Self) -> Parse<T>) -> Parse<Vec<T>> {
        self.expect_symbol(Symbol::LParen)?;
        let items = self.comma_list(item)?;
        self.close_list()?;
        Ok(items)
    }

    /// `)` behind a list.
    pub(super) fn close_list(&mut self) -> Parse<Span> {
        if self.at_symbol(Symbol::RParen) {
            return Ok(self.advance().span);
        }
        Err(self.expected("`,` or `)`"))
    }

    // Errors.

    pub(super) fn error(&self, span: Span, message: String, hint: &str) -> Box<Diagnostic> {
        Box::new(Diagnostic::new(span, message).with_hint(hint))
    }

    /// "expected X, found Y" at the current token, with a hint where one is known.
    pub(super) fn expected(&self, what: &str) -> Box<Diagnostic> {
        if let TokenKind::Invalid(diagnostic) = self.peek() {
            return diagnostic.clone();
        }
        let message = format!("expected {what}, found {}", self.found());
        let mut diagnostic = Diagnostic::new(self.span(), message);
        diagnostic.hint = self.hint();
        Box::new(diagnostic)
    }

    fn hint(&self) -> Option<String> {
        if let Some(hint) = self.trailing_comma() {
            return Some(hint);
        }
        if let Some((found, keyword)) = self.misspelling() {
            return Some(format!("did you mean {keyword} in place of `{found}`?"));
        }
        let word = self.word_at(0)?;
        (is_reserved(word) && !is_structural(word)).then(|| back_tick_hint(word))
    }

    /// A hint if a comma stands before something that cannot follow one.
    fn trailing_comma(&self) -> Option<String> {
        if self.at == 0 || self.tokens[self.at - 1].kind != TokenKind::Symbol(Symbol::Comma) {
            return None;
        }
        let closes = matches!(
            self.peek(),
            TokenKind::End | TokenKind::Symbol(Symbol::RParen | Symbol::RBracket | Symbol::Semicolon)
        );
        let clause = self.word_at(0).is_some_and(is_structural);
        (closes || clause).then(|| "remove the comma before it".to_owned())
    }

    /// A word here or just before that is nearly a keyword that was looked for at its place.
    fn misspelling(&self) -> Option<(String, &'static str)> {
        let places = [Some(self.at), self.at.checked_sub(1)];
        places.into_iter().flatten().find_map(|place| {
            let token = &self.tokens[place];
            if token.kind != TokenKind::Word {
                return None;
            }
            let found = token.span.text(self.source);
            let keyword = self.nearest_keyword(place, found)?;
            Some((found.to_owned(), keyword))
        })
    }

    fn nearest_keyword(&self, place: usize, found: &str) -> Option<&'static str> {
        let upper = found.to_ascii_uppercase();
        let most = match upper.len() {
            0..=2 => return None,
            3..=5 => 1,
            _ => 2,
        };
        let sought = self.sought.borrow();
        let candidates = sought.iter().filter(|(at, _)| *at == place);
        if candidates.clone().any(|(_, keyword)| *keyword == upper) || is_reserved(&upper) {
            return None;
        }
        candidates
            .map(|(_, keyword)| (strsim::osa_distance(&upper, keyword), *keyword))
            .filter(|(distance, keyword)| *distance <= most && keyword.len() > 2)
            .min()
            .map(|(_, keyword)| keyword)
    }

    /// The current token in words.
    fn found(&self) -> String {
        let text = self.span().text(self.source);
        let short: String = if text.chars().count() > FOUND_CHARS_MAX {
            text.chars().take(FOUND_CHARS_MAX).chain(['…']).collect()
        } else {
            text.to_owned()
        };
        match self.peek() {
            TokenKind::End => "the end of the text".to_owned(),
            TokenKind::Word if is_structural(text) => short.to_ascii_uppercase(),
            TokenKind::Word if is_reserved(text) => format!("the reserved word `{short}`"),
            TokenKind::Quoted(_) => short,
            TokenKind::String(_) | TokenKind::Binary(_) => format!("the string {short}"),
            TokenKind::Number | TokenKind::Double => format!("the number {short}"),
            _ => format!("`{short}`"),
        }
    }
}

/// How to use a reserved word as a name.
pub(super) fn back_tick_hint(word: &str) -> String {
    format!("put it in back-ticks to use it as a name: `{word}`")
}

/// Whether this word opens or joins clauses, so that it was hardly meant as a name.
fn is_structural(word: &str) -> bool {
    const STRUCTURAL: &[&str] = &[
        "ALTER",
        "AND",
        "AS",
        "BETWEEN",
        "BY",
        "CREATE",
        "CROSS",
        "DROP",
        "ELSE",
        "EXCEPT",
        "FROM",
        "HAVING",
        "IN",
        "INNER",
        "INSERT",
        "INTERSECT",
        "INTO",
        "IS",
        "JOIN",
        "LIKE",
        "NATURAL",
        "NOT",
        "ON",
        "OR",
        "OVER",
        "QUALIFY",
        "SELECT",
        "SET",
        "THEN",
        "UNION",
        "USING",
        "VALUES",
        "WHEN",
        "WHERE",
        "WITH",
    ];
    STRUCTURAL.iter().any(|s| s.eq_ignore_ascii_case(word))
}
