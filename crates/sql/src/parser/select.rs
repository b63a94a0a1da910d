//! SELECT and its clauses.

use super::stream::{Parse, Parser};
use crate::ast::{Expr, ExprKind, GroupBy, GroupItem, GroupItemKind, Ident, Select, SelectItem};
use crate::lexer::{Symbol, TokenKind};

impl Parser<'_> {
    pub(super) fn select(&mut self) -> Parse<Select> {
        let start = self.expect_word("SELECT")?;
        let hints = self.hints()?;
        let distinct = self.eat_word("DISTINCT");
        if !distinct {
            self.eat_word("ALL");
        }
        let items = self.comma_list(Self::select_item)?;
        let from = match self.eat_word("FROM") {
            true => self.table_list()?,
            false => Vec::new(),
        };
        let selection = self.clause("WHERE")?;
        let group_by = self.group_by()?;
        let having = self.clause("HAVING")?;
        let windows = match self.eat_word("WINDOW") {
            true => self.comma_list(Self::named_window)?,
            false => Vec::new(),
        };
        let qualify = self.clause("QUALIFY")?;
        Ok(Select {
            hints,
            distinct,
            items,
            from,
            selection,
            group_by,
            having,
            windows,
            qualify,
            span: self.since(start),
        })
    }

    /// `KEYWORD e`, if the keyword comes next.
    fn clause(&mut self, keyword: &'static str) -> Parse<Option<Expr>> {
        match self.eat_word(keyword) {
            true => self.expr().map(Some),
            false => Ok(None),
        }
    }

    fn select_item(&mut self) -> Parse<SelectItem> {
        let start = self.span();
        if self.eat_symbol(Symbol::Star) {
            return Ok(SelectItem::Wildcard(start));
        }
        if self.at_qualified_star() {
            let prefix = self.compound_ident("a table or a ROW column")?;
            self.expect_symbol(Symbol::Dot)?;
            self.expect_symbol(Symbol::Star)?;
            return Ok(SelectItem::QualifiedWildcard { prefix, span: self.since(start) });
        }
        let expr = self.expr()?;
        let alias = self.alias()?;
        Ok(SelectItem::Expr { expr, alias })
    }

    /// Whether `a.b.*` comes next.
    fn at_qualified_star(&self) -> bool {
        let mut offset = 0;
        while matches!(self.peek_at(offset), TokenKind::Word | TokenKind::Quoted(_))
            && self.symbol_at(offset + 1, Symbol::Dot)
        {
            offset += 2;
        }
        offset > 0 && self.symbol_at(offset, Symbol::Star)
    }

    /// `[AS] name`, if it comes next.
    pub(super) fn alias(&mut self) -> Parse<Option<Ident>> {
        if self.eat_word("AS") {
            return self.ident("an alias").map(Some);
        }
        // A misspelt keyword would pass for an alias; the error behind it then names the keyword.
        self.at_any(&[
            "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "WINDOW", "QUALIFY", "JOIN",
            "INNER", "CROSS", "NATURAL", "RIGHT",
        ]);
        match self.at_ident() {
            true => Ok(Some(self.any_ident())),
            false => Ok(None),
        }
    }

    fn group_by(&mut self) -> Parse<Option<GroupBy>> {
        let start = self.span();
        if !self.eat_word("GROUP") {
            return Ok(None);
        }
        self.expect_word("BY")?;
        let quantifier = self.set_quantifier();
        let items = self.comma_list(Self::group_item)?;
        Ok(Some(GroupBy { quantifier, items, span: self.since(start) }))
    }

    fn group_item(&mut self) -> Parse<GroupItem> {
        self.nested(Self::group_item_inner)
    }

    fn group_item_inner(&mut self) -> Parse<GroupItem> {
        let start = self.span();
        let kind = if self.at_words(&["GROUPING", "SETS"]) {
            self.advance();
            self.advance();
            GroupItemKind::GroupingSets(self.parenthesized_list(Self::group_item)?)
        } else if self.eat_word("ROLLUP") {
            GroupItemKind::Rollup(self.parenthesized_list(Self::group_item)?)
        } else if self.eat_word("CUBE") {
            GroupItemKind::Cube(self.parenthesized_list(Self::group_item)?)
        } else if self.at_symbol(Symbol::LParen) && self.symbol_at(1, Symbol::RParen) {
            self.advance();
            self.advance();
            GroupItemKind::Set(Vec::new())
        } else {
            let expr = self.expr()?;
            match *expr.kind {
                ExprKind::Row { explicit: false, fields } => GroupItemKind::Set(fields),
                kind => GroupItemKind::Expr(Expr::new(kind, expr.span)),
            }
        };
        Ok(GroupItem { kind, span: self.since(start) })
    }
}
