//! Primary expressions: literals, names, parentheses and whatever starts with a keyword.

use super::stream::{Parse, Parser};
use crate::ast::{
    BinaryOp, CaseBranch, CollectionKind, Expr, ExprKind, FunctionCall, ObjectName, Query, TableArg,
    TableArgSource,
};
use crate::diagnostic::Diagnostic;
use crate::lexer::{Symbol, TokenKind, is_niladic_function, is_reserved, is_reserved_function};
use crate::span::Span;

/// What stands in place of an expression.
const WHAT: &str = "an expression";

impl Parser<'_> {
    pub(super) fn primary(&mut self) -> Parse<Expr> {
        match self.peek() {
            TokenKind::String(_) => self.string_literal(),
            TokenKind::Number | TokenKind::Double | TokenKind::Binary(_) => Ok(self.other_literal()),
            TokenKind::Symbol(Symbol::LParen) => self.parenthesized(),
            TokenKind::Symbol(Symbol::Question) => Err(self.error(
                self.span(),
                "parameters (`?`) are not supported".to_owned(),
                "write the value, or ${NAME} and give it on the command line",
            )),
            TokenKind::Quoted(_) => self.name_or_call(),
            TokenKind::Word => self.word_primary(),
            _ => Err(self.no_expression()),
        }
    }

    fn no_expression(&self) -> Box<Diagnostic> {
        let mut diagnostic = self.expected(WHAT);
        if self.at_symbol(Symbol::Eq) && self.previous_span().text(self.source) == "=" {
            diagnostic.hint = Some("use a single = to compare".to_owned());
        }
        diagnostic
    }

    fn word_primary(&mut self) -> Parse<Expr> {
        let word = self.word_at(0).unwrap_or_default();
        let upper = word.to_ascii_uppercase();
        if let Some(literal) = self.word_literal(&upper)? {
            return Ok(literal);
        }
        if let Some(parsed) = self.keyword_primary(&upper)? {
            return Ok(parsed);
        }
        if self.symbol_at(1, Symbol::LParen) {
            if let Some(parsed) = self.special_call(&upper)? {
                return Ok(parsed);
            }
            if is_reserved_function(word) {
                let start = self.span();
                let name = ObjectName(vec![self.any_ident()]);
                return self.call(name, start);
            }
        }
        if is_niladic_function(word) {
            return Ok(self.niladic());
        }
        if is_reserved(word) {
            return Err(self.expected(WHAT));
        }
        self.name_or_call()
    }

    fn niladic(&mut self) -> Expr {
        let name = self.any_ident();
        let span = name.span;
        let call = FunctionCall { niladic: true, ..FunctionCall::plain(ObjectName(vec![name]), span) };
        Expr::new(ExprKind::Call(call), span)
    }

    fn name_or_call(&mut self) -> Parse<Expr> {
        let start = self.span();
        let parts = self.compound_ident(WHAT)?;
        if self.at_symbol(Symbol::LParen) {
            return self.call(ObjectName(parts), start);
        }
        Ok(Expr::new(ExprKind::Name(parts), self.since(start)))
    }

    /// Constructs that a keyword opens without being called like a function.
    fn keyword_primary(&mut self, word: &str) -> Parse<Option<Expr>> {
        let start = self.span();
        let bracket = self.symbol_at(1, Symbol::LBracket);
        let paren = self.symbol_at(1, Symbol::LParen);
        let kind = match word {
            "INTERVAL" => return self.interval().map(Some),
            "CASE" => self.case()?,
            "ARRAY" if bracket => ExprKind::Array(self.bracketed()?),
            "MAP" if bracket => ExprKind::Map(self.bracketed()?),
            "MULTISET" if bracket => ExprKind::Multiset(self.bracketed()?),
            "ARRAY" if paren => self.collection_query(CollectionKind::Array)?,
            "MULTISET" if paren => self.collection_query(CollectionKind::Multiset)?,
            "MAP" if paren && self.query_at(2) => self.collection_query(CollectionKind::Map)?,
            "ROW" if paren => self.row()?,
            "EXISTS" if paren => {
                self.advance();
                self.advance();
                let query = self.query()?;
                self.expect_symbol(Symbol::RParen)?;
                ExprKind::Exists(query)
            }
            "RUNNING" | "FINAL" if !paren && matches!(self.peek_at(1), TokenKind::Word) => {
                if word == "FINAL" && !self.symbol_at(2, Symbol::LParen) {
                    return Ok(None);
                }
                self.advance();
                let operand = self.operand()?;
                let last = word == "FINAL";
                ExprKind::MatchSemantics { last, operand }
            }
            _ => return Ok(None),
        };
        Ok(Some(Expr::new(kind, self.since(start))))
    }

    /// `KEYWORD[a, ..]`.
    fn bracketed(&mut self) -> Parse<Vec<Expr>> {
        self.advance();
        self.expect_symbol(Symbol::LBracket)?;
        let mut items = Vec::new();
        if !self.at_symbol(Symbol::RBracket) {
            items = self.comma_list(Self::expr)?;
        }
        if !self.eat_symbol(Symbol::RBracket) {
            return Err(self.expected("`,` or `]`"));
        }
        Ok(items)
    }

    fn collection_query(&mut self, kind: CollectionKind) -> Parse<ExprKind> {
        self.advance();
        self.expect_symbol(Symbol::LParen)?;
        if !self.at_query() {
            let mut diagnostic = self.expected("a query");
            diagnostic.hint = Some("put the items in square brackets".to_owned());
            return Err(diagnostic);
        }
        let query = self.query()?;
        self.expect_symbol(Symbol::RParen)?;
        Ok(ExprKind::CollectionQuery { kind, query })
    }

    /// `ROW(a, ..)`.
    fn row(&mut self) -> Parse<ExprKind> {
        self.advance();
        self.expect_symbol(Symbol::LParen)?;
        let mut fields = Vec::new();
        if !self.at_symbol(Symbol::RParen) {
            fields = self.comma_list(Self::expr)?;
        }
        self.close_list()?;
        Ok(ExprKind::Row { explicit: true, fields })
    }

    fn case(&mut self) -> Parse<ExprKind> {
        self.expect_word("CASE")?;
        let operand = match self.at_word("WHEN") {
            true => None,
            false => Some(self.expr()?),
        };
        let mut branches = Vec::new();
        while self.eat_word("WHEN") {
            let when = match operand {
                Some(_) => self.comma_list(Self::expr)?,
                None => vec![self.expr()?],
            };
            self.expect_word("THEN")?;
            let then = self.expr()?;
            branches.push(CaseBranch { when, then });
        }
        if branches.is_empty() {
            return Err(self.expected("WHEN"));
        }
        let otherwise = match self.eat_word("ELSE") {
            true => Some(self.expr()?),
            false => None,
        };
        if !self.eat_word("END") {
            return Err(self.expected("WHEN, ELSE or END"));
        }
        Ok(ExprKind::Case { operand, branches, otherwise })
    }

    /// `(query)`, `(a)`, `(a, b)` or `(a - b) qualifier`.
    fn parenthesized(&mut self) -> Parse<Expr> {
        let start = self.expect_symbol(Symbol::LParen)?;
        if self.at_query() {
            let query = self.query()?;
            self.expect_symbol(Symbol::RParen)?;
            return Ok(Expr::new(ExprKind::Subquery(query), self.since(start)));
        }
        let mut fields = vec![self.expr()?];
        if let Some(query) = self.continued_query(&fields[0])? {
            self.expect_symbol(Symbol::RParen)?;
            return Ok(Expr::new(ExprKind::Subquery(query), self.since(start)));
        }
        while self.eat_symbol(Symbol::Comma) {
            fields.push(self.expr()?);
        }
        self.close_list()?;
        let span = self.since(start);
        if fields.len() > 1 {
            let explicit = false;
            return Ok(Expr::new(ExprKind::Row { explicit, fields }, span));
        }
        let only = fields.pop().expect("invariant: one field was parsed");
        self.time_difference(only, span)
    }

    /// Turns `(a - b)` into an interval if a unit of time follows.
    fn time_difference(&mut self, inner: Expr, span: Span) -> Parse<Expr> {
        let subtraction = matches!(*inner.kind, ExprKind::Binary { op: BinaryOp::Sub, .. });
        let widened = |kind: Box<ExprKind>| Expr { kind, span };
        if !subtraction || !self.at_interval_unit() {
            return Ok(widened(inner.kind));
        }
        match *inner.kind {
            ExprKind::Binary { left, right, .. } => {
                let qualifier = self.interval_qualifier()?;
                let kind = ExprKind::TimeDifference { left, right, qualifier };
                Ok(Expr::new(kind, self.since(span)))
            }
            other => Ok(Expr::new(other, span)),
        }
    }

    /// If the expression just parsed is a query in parentheses that a set operator or ORDER BY
    /// continues, as in `((SELECT 1) UNION (SELECT 2))`, the whole query.
    fn continued_query(&mut self, parsed: &Expr) -> Parse<Option<Query>> {
        let ExprKind::Subquery(query) = parsed.kind.as_ref() else {
            return Ok(None);
        };
        if !self.at_query_continuation() {
            return Ok(None);
        }
        let (query, span) = (query.clone(), parsed.span);
        self.continue_query(query, span).map(Some)
    }

    /// `TABLE t` or `TABLE (query)` as an argument, with PARTITION BY and ORDER BY.
    pub(super) fn table_arg(&mut self) -> Parse<Expr> {
        let start = self.expect_word("TABLE")?;
        let source = if self.eat_symbol(Symbol::LParen) {
            let query = self.query()?;
            self.expect_symbol(Symbol::RParen)?;
            TableArgSource::Query(Box::new(query))
        } else {
            TableArgSource::Name(self.object_name("a table name")?)
        };
        self.distributed_table(source, start)
    }

    /// PARTITION BY and ORDER BY behind a table argument. Each takes one item or a list in
    /// parentheses, for a comma starts the next argument.
    pub(super) fn distributed_table(&mut self, source: TableArgSource, start: Span) -> Parse<Expr> {
        let (mut partition_by, mut order_by) = (Vec::new(), Vec::new());
        if self.eat_words(&["PARTITION", "BY"]) {
            partition_by = match self.at_symbol(Symbol::LParen) {
                true => self.parenthesized_list(Self::expr)?,
                false => vec![self.expr()?],
            };
        }
        if self.eat_words(&["ORDER", "BY"]) {
            order_by = match self.at_symbol(Symbol::LParen) {
                true => self.parenthesized_list(Self::order_item)?,
                false => vec![self.order_item()?],
            };
        }
        let span = self.since(start);
        let arg = TableArg { source, partition_by, order_by, span };
        Ok(Expr::new(ExprKind::Table(arg), span))
    }
}
