//! Windows of OVER and of the WINDOW clause.

use super::stream::{Parse, Parser};
use crate::ast::{FrameBound, FrameUnit, NamedWindow, WindowFrame, WindowSpec};
use crate::lexer::Symbol;

impl Parser<'_> {
    /// `name AS (..)`.
    pub(super) fn named_window(&mut self) -> Parse<NamedWindow> {
        let name = self.ident("a window's name")?;
        self.expect_word("AS")?;
        let spec = self.window_spec()?;
        Ok(NamedWindow { name, spec })
    }

    /// `([base] [PARTITION BY ..] [ORDER BY ..] [frame])`.
    pub(super) fn window_spec(&mut self) -> Parse<WindowSpec> {
        let start = self.expect_symbol(Symbol::LParen)?;
        let base = match self.at_ident() {
            true => Some(self.ident("a window's name")?),
            false => None,
        };
        let (mut partition_by, mut order_by) = (Vec::new(), Vec::new());
        if self.eat_word("PARTITION") {
            self.expect_word("BY")?;
            partition_by = self.comma_list(Self::expr)?;
        }
        if self.eat_word("ORDER") {
            self.expect_word("BY")?;
            order_by = self.comma_list(Self::order_item)?;
        }
        let frame = self.frame()?;
        if !self.eat_symbol(Symbol::RParen) {
            return Err(self.expected("PARTITION BY, ORDER BY, ROWS, RANGE or `)`"));
        }
        Ok(WindowSpec { base, partition_by, order_by, frame, span: self.since(start) })
    }

    fn frame(&mut self) -> Parse<Option<WindowFrame>> {
        let begin = self.span();
        let unit = if self.eat_word("ROWS") {
            FrameUnit::Rows
        } else if self.eat_word("RANGE") {
            FrameUnit::Range
        } else {
            return Ok(None);
        };
        let (start, end) = if self.eat_word("BETWEEN") {
            let start = self.frame_bound()?;
            self.expect_word("AND")?;
            (start, Some(self.frame_bound()?))
        } else {
            (self.frame_bound()?, None)
        };
        Ok(Some(WindowFrame { unit, start, end, span: self.since(begin) }))
    }

    fn frame_bound(&mut self) -> Parse<FrameBound> {
        if self.eat_words(&["CURRENT", "ROW"]) {
            return Ok(FrameBound::CurrentRow);
        }
        if self.eat_words(&["UNBOUNDED", "PRECEDING"]) {
            return Ok(FrameBound::UnboundedPreceding);
        }
        if self.eat_words(&["UNBOUNDED", "FOLLOWING"]) {
            return Ok(FrameBound::UnboundedFollowing);
        }
        let distance = self.operand()?;
        if self.eat_word("PRECEDING") {
            return Ok(FrameBound::Preceding(distance));
        }
        if self.eat_word("FOLLOWING") {
            return Ok(FrameBound::Following(distance));
        }
        Err(self.expected("PRECEDING or FOLLOWING"))
    }
}
