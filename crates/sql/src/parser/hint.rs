//! Hints: `/*+ NAME('k' = 'v', ..), NAME(a, b) */`.

use super::stream::{Parse, Parser};
use crate::ast::{Hint, HintArg, Property, Text};
use crate::lexer::{Symbol, TokenKind};

impl Parser<'_> {
    /// The hints that come next, none if none do.
    pub(super) fn hints(&mut self) -> Parse<Vec<Hint>> {
        let mut hints = Vec::new();
        while *self.peek() == TokenKind::HintStart {
            self.advance();
            while *self.peek() != TokenKind::HintEnd {
                hints.push(self.hint_call()?);
                self.eat_symbol(Symbol::Comma);
            }
            self.advance();
        }
        Ok(hints)
    }

    fn hint_call(&mut self) -> Parse<Hint> {
        let start = self.span();
        let name = match self.peek() {
            TokenKind::Word | TokenKind::Quoted(_) => self.any_ident(),
            _ => return Err(self.expected("a hint such as OPTIONS('key' = 'value')")),
        };
        let mut args = Vec::new();
        if self.eat_symbol(Symbol::LParen) && !self.eat_symbol(Symbol::RParen) {
            args = self.comma_list(Self::hint_arg)?;
            self.close_list()?;
        }
        Ok(Hint { name, args, span: self.since(start) })
    }

    fn hint_arg(&mut self) -> Parse<HintArg> {
        let item = self.hint_item()?;
        if self.eat_symbol(Symbol::Eq) {
            let value = self.hint_item()?;
            return Ok(HintArg::Pair(Property { key: item, value }));
        }
        Ok(HintArg::Item(item))
    }

    /// A name, which may have points in it, a string or a number.
    fn hint_item(&mut self) -> Parse<Text> {
        match self.peek() {
            TokenKind::String(_) => self.text("a hint's argument"),
            TokenKind::Word | TokenKind::Quoted(_) => {
                let first = self.any_ident();
                let (mut value, start) = (first.value, first.span);
                while self.at_symbol(Symbol::Dot) {
                    self.advance();
                    value.push('.');
                    value.push_str(&self.ident("a name behind the point")?.value);
                }
                let span = self.since(start);
                Ok(Text { value, span })
            }
            TokenKind::Number | TokenKind::Double => {
                let span = self.advance().span;
                let value = span.text(self.source).to_owned();
                Ok(Text { value, span })
            }
            _ => Err(self.expected("a hint's argument")),
        }
    }
}
