//! Functions whose arguments are separated by words: CAST, EXTRACT, TRIM and the like.

use super::stream::{Parse, Parser};
use crate::ast::{Expr, ExprKind, ObjectName, TrimSide};
use crate::lexer::Symbol;

impl Parser<'_> {
    /// The special form that this word opens, if it opens one; `(` is known to follow it.
    pub(super) fn special_call(&mut self, word: &str) -> Parse<Option<Expr>> {
        let start = self.span();
        if matches!(word, "FLOOR" | "CEIL" | "CEILING" | "SUBSTRING") {
            return self.maybe_special(word).map(Some);
        }
        if let Some(kind) = self.json_call(word)? {
            return Ok(Some(Expr::new(kind, self.since(start))));
        }
        let parse: fn(&mut Self) -> Parse<ExprKind> = match word {
            "CAST" => |p| p.cast(false),
            "TRY_CAST" => |p| p.cast(true),
            "EXTRACT" => Self::extract,
            "POSITION" => Self::position,
            "OVERLAY" => Self::overlay,
            "TRIM" => Self::trim,
            "TIMESTAMPADD" => |p| p.timestamp_arithmetic(true),
            "TIMESTAMPDIFF" => |p| p.timestamp_arithmetic(false),
            "DESCRIPTOR" => Self::descriptor,
            _ => return Ok(None),
        };
        self.advance();
        self.advance();
        let kind = parse(self)?;
        self.expect_symbol(Symbol::RParen)?;
        Ok(Some(Expr::new(kind, self.since(start))))
    }

    fn cast(&mut self, lenient: bool) -> Parse<ExprKind> {
        let operand = self.expr()?;
        self.expect_word("AS")?;
        let target = self.type_name()?;
        Ok(ExprKind::Cast { lenient, operand, target })
    }

    fn extract(&mut self) -> Parse<ExprKind> {
        let unit = self.time_unit()?;
        self.expect_word("FROM")?;
        let operand = self.expr()?;
        Ok(ExprKind::Extract { unit, operand })
    }

    fn position(&mut self) -> Parse<ExprKind> {
        let needle = self.operand()?;
        self.expect_word("IN")?;
        let haystack = self.expr()?;
        let start = match self.eat_word("FROM") {
            true => Some(self.expr()?),
            false => None,
        };
        Ok(ExprKind::Position { needle, haystack, start })
    }

    fn overlay(&mut self) -> Parse<ExprKind> {
        let operand = self.expr()?;
        self.expect_word("PLACING")?;
        let replacement = self.expr()?;
        self.expect_word("FROM")?;
        let start = self.expr()?;
        let length = match self.eat_word("FOR") {
            true => Some(self.expr()?),
            false => None,
        };
        Ok(ExprKind::Overlay { operand, replacement, start, length })
    }

    fn trim(&mut self) -> Parse<ExprKind> {
        let side = if self.eat_word("LEADING") {
            Some(TrimSide::Leading)
        } else if self.eat_word("TRAILING") {
            Some(TrimSide::Trailing)
        } else {
            self.eat_word("BOTH").then_some(TrimSide::Both)
        };
        let mut characters = None;
        if !self.at_word("FROM") {
            characters = Some(self.expr()?);
        }
        let operand = if self.eat_word("FROM") {
            self.expr()?
        } else {
            match (side, characters.take()) {
                (None, Some(operand)) => operand,
                _ => return Err(self.expected("FROM")),
            }
        };
        Ok(ExprKind::Trim { side: side.unwrap_or(TrimSide::Both), characters, operand })
    }

    fn timestamp_arithmetic(&mut self, add: bool) -> Parse<ExprKind> {
        let unit = self.time_unit()?;
        self.expect_symbol(Symbol::Comma)?;
        let first = self.expr()?;
        self.expect_symbol(Symbol::Comma)?;
        let second = self.expr()?;
        Ok(if add {
            ExprKind::TimestampAdd { unit, count: first, operand: second }
        } else {
            ExprKind::TimestampDiff { unit, start: first, end: second }
        })
    }

    fn descriptor(&mut self) -> Parse<ExprKind> {
        let columns = self.comma_list(|p| p.ident("a column name"))?;
        Ok(ExprKind::Descriptor(columns))
    }

    /// FLOOR, CEIL and SUBSTRING, which are plain calls unless TO or FROM follows the first argument.
    fn maybe_special(&mut self, word: &str) -> Parse<Expr> {
        let start = self.span();
        let name = ObjectName(vec![self.any_ident()]);
        self.expect_symbol(Symbol::LParen)?;
        if self.at_symbol(Symbol::RParen) {
            return self.call_args(name, Vec::new(), start);
        }
        let operand = self.expr()?;
        let kind = if word != "SUBSTRING" && self.eat_word("TO") {
            let unit = self.time_unit()?;
            let up = word != "FLOOR";
            ExprKind::RoundTime { up, operand, unit }
        } else if word == "SUBSTRING" && self.eat_word("FROM") {
            let from = self.expr()?;
            let length = match self.eat_word("FOR") {
                true => Some(self.expr()?),
                false => None,
            };
            ExprKind::Substring { operand, start: from, length }
        } else {
            return self.call_args(name, vec![operand], start);
        };
        self.expect_symbol(Symbol::RParen)?;
        Ok(Expr::new(kind, self.since(start)))
    }
}
