//! Names, texts and options.

use super::stream::{Parse, Parser, back_tick_hint};
use crate::ast::{Ident, ObjectName, Property, Text};
use crate::diagnostic::Diagnostic;
use crate::lexer::{Symbol, TokenKind, is_reserved};

impl Parser<'_> {
    /// A name; `what` says of what, for the error.
    pub(super) fn ident(&mut self, what: &str) -> Parse<Ident> {
        match self.peek() {
            TokenKind::Quoted(_) => {}
            TokenKind::Word => self.refuse_reserved(what)?,
            _ => return Err(self.expected(what)),
        }
        Ok(self.any_ident())
    }

    fn refuse_reserved(&self, what: &str) -> Parse<()> {
        let word = self.word_at(0).unwrap_or_default();
        if !is_reserved(word) {
            return Ok(());
        }
        let mut diagnostic = self.expected(what);
        diagnostic.message = format!("expected {what}, found the reserved word `{word}`");
        if !word.eq_ignore_ascii_case("SELECT") {
            diagnostic.hint.get_or_insert_with(|| back_tick_hint(word));
        }
        Err(diagnostic)
    }

    /// The current word or quoted name as a name, whatever it is.
    pub(super) fn any_ident(&mut self) -> Ident {
        let token = self.advance();
        match token.kind {
            TokenKind::Quoted(value) => Ident { value, quoted: true, span: token.span },
            _ => Ident { value: token.span.text(self.source).to_owned(), quoted: false, span: token.span },
        }
    }

    /// Whether a name comes next.
    pub(super) fn at_ident(&self) -> bool {
        self.ident_at(0)
    }

    pub(super) fn ident_at(&self, offset: usize) -> bool {
        match self.peek_at(offset) {
            TokenKind::Quoted(_) => true,
            TokenKind::Word => self.word_at(offset).is_some_and(|word| !is_reserved(word)),
            _ => false,
        }
    }

    /// `a.b.c`.
    pub(super) fn compound_ident(&mut self, what: &str) -> Parse<Vec<Ident>> {
        let mut parts = vec![self.ident(what)?];
        while self.at_symbol(Symbol::Dot) && !self.symbol_at(1, Symbol::Star) {
            self.advance();
            parts.push(self.ident_behind_point("a name behind the point")?);
        }
        Ok(parts)
    }

    /// A name behind a point, where DATETIME may stand as it is: a query of the published Nexmark has it so, though Flink
    /// wants back-ticks around it.
    pub(super) fn ident_behind_point(&mut self, what: &str) -> Parse<Ident> {
        match self.at_any(&["DATETIME"]) {
            true => Ok(self.any_ident()),
            false => self.ident(what),
        }
    }

    pub(super) fn object_name(&mut self, what: &str) -> Parse<ObjectName> {
        Ok(ObjectName(self.compound_ident(what)?))
    }

    /// `(a, b)`.
    pub(super) fn column_list(&mut self) -> Parse<Vec<Ident>> {
        self.parenthesized_list(|p| p.ident("a column name"))
    }

    /// A string literal.
    pub(super) fn text(&mut self, what: &str) -> Parse<Text> {
        if !matches!(self.peek(), TokenKind::String(_)) {
            return Err(self.expected(what));
        }
        let token = self.advance();
        match token.kind {
            TokenKind::String(value) => Ok(Text { value, span: token.span }),
            _ => Err(self.expected(what)),
        }
    }

    /// `COMMENT 'text'`, if it comes next.
    pub(super) fn comment(&mut self) -> Parse<Option<Text>> {
        if self.eat_word("COMMENT") {
            return self.text("the comment as a string").map(Some);
        }
        Ok(None)
    }

    /// `('key' = 'value', ..)`.
    pub(super) fn properties(&mut self) -> Parse<Vec<Property>> {
        self.expect_symbol(Symbol::LParen)?;
        if self.eat_symbol(Symbol::RParen) {
            return Ok(Vec::new());
        }
        let properties = self.comma_list(Self::property)?;
        self.close_list()?;
        Ok(properties)
    }

    /// `'key' = 'value'`.
    pub(super) fn property(&mut self) -> Parse<Property> {
        let key = self.text("an option as 'key' = 'value'").map_err(|d| self.quote_hint(d, "key"))?;
        self.expect_symbol(Symbol::Eq)?;
        let value = self.text("the option's value as a string").map_err(|d| self.quote_hint(d, "value"))?;
        Ok(Property { key, value })
    }

    /// Adds to an error about an option that strings are wanted, if a bare word or number is there.
    fn quote_hint(&self, mut diagnostic: Box<Diagnostic>, part: &str) -> Box<Diagnostic> {
        let bare = matches!(
            self.peek(),
            TokenKind::Word | TokenKind::Quoted(_) | TokenKind::Number | TokenKind::Double
        );
        if bare {
            diagnostic.hint = Some(format!("put the {part} in single quotes"));
        }
        diagnostic
    }

    /// `WITH (..)`, if it comes next.
    pub(super) fn with_properties(&mut self) -> Parse<Vec<Property>> {
        if self.eat_word("WITH") {
            return self.properties();
        }
        Ok(Vec::new())
    }

    pub(super) fn if_exists(&mut self) -> Parse<bool> {
        if self.at_word("IF") {
            self.advance();
            self.expect_word("EXISTS")?;
            return Ok(true);
        }
        Ok(false)
    }

    pub(super) fn if_not_exists(&mut self) -> Parse<bool> {
        if self.at_word("IF") {
            self.advance();
            self.expect_words(&["NOT", "EXISTS"])?;
            return Ok(true);
        }
        Ok(false)
    }

    /// A whole number that fits 32 bits.
    pub(super) fn unsigned(&mut self, what: &str) -> Parse<u32> {
        let value = match self.peek() {
            TokenKind::Number => self.span().text(self.source).parse().ok(),
            _ => None,
        };
        match value {
            Some(value) => {
                self.advance();
                Ok(value)
            }
            None => Err(self.expected(what)),
        }
    }
}
