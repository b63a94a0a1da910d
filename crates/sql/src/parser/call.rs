//! Function calls.

use super::stream::{Parse, Parser};
use crate::ast::{
    Expr, ExprKind, FunctionArg, FunctionCall, NullTreatment, ObjectName, OrderItem, Over, SetQuantifier,
    TableArgSource,
};
use crate::lexer::{Symbol, TokenKind};
use crate::span::Span;

impl FunctionCall {
    /// A call without arguments and clauses.
    pub(crate) fn plain(name: ObjectName, span: Span) -> Self {
        Self {
            name,
            niladic: false,
            star: false,
            quantifier: None,
            args: Vec::new(),
            order_by: Vec::new(),
            within_group: Vec::new(),
            filter: None,
            nulls: None,
            over: None,
            span,
        }
    }
}

impl Parser<'_> {
    /// The rest of a call behind its name.
    pub(super) fn call(&mut self, name: ObjectName, start: Span) -> Parse<Expr> {
        let call = self.function_call(name, start)?;
        let span = call.span;
        Ok(Expr::new(ExprKind::Call(call), span))
    }

    /// The rest of a call behind its name.
    pub(super) fn function_call(&mut self, name: ObjectName, start: Span) -> Parse<FunctionCall> {
        let mut call = FunctionCall::plain(name, start);
        self.expect_symbol(Symbol::LParen)?;
        call.quantifier = self.set_quantifier();
        if self.at_symbol(Symbol::Star) && self.symbol_at(1, Symbol::RParen) {
            self.advance();
            call.star = true;
        } else if !self.at_symbol(Symbol::RParen) {
            call.args = self.comma_list(Self::function_arg)?;
            if self.eat_words(&["ORDER", "BY"]) {
                call.order_by = self.comma_list(Self::order_item)?;
            }
        }
        self.finish_call(call, start)
    }

    /// The rest of a call whose name, `(` and first plain arguments are read.
    pub(super) fn call_args(&mut self, name: ObjectName, first: Vec<Expr>, start: Span) -> Parse<Expr> {
        let mut call = FunctionCall::plain(name, start);
        let unnamed = |value| FunctionArg { name: None, value };
        call.args = first.into_iter().map(unnamed).collect();
        while self.eat_symbol(Symbol::Comma) {
            call.args.push(self.function_arg()?);
        }
        let call = self.finish_call(call, start)?;
        let span = call.span;
        Ok(Expr::new(ExprKind::Call(call), span))
    }

    fn finish_call(&mut self, mut call: FunctionCall, start: Span) -> Parse<FunctionCall> {
        self.close_list()?;
        self.call_clauses(&mut call)?;
        call.span = self.since(start);
        Ok(call)
    }

    pub(super) fn set_quantifier(&mut self) -> Option<SetQuantifier> {
        if self.eat_word("DISTINCT") {
            Some(SetQuantifier::Distinct)
        } else {
            self.eat_word("ALL").then_some(SetQuantifier::All)
        }
    }

    fn function_arg(&mut self) -> Parse<FunctionArg> {
        let named =
            self.symbol_at(1, Symbol::Arrow) && matches!(self.peek(), TokenKind::Word | TokenKind::Quoted(_));
        let mut name = None;
        if named {
            name = Some(self.ident("a parameter's name")?);
            self.advance();
        }
        let value = self.arg_value()?;
        Ok(FunctionArg { name, value })
    }

    fn arg_value(&mut self) -> Parse<Expr> {
        let start = self.span();
        if self.at_word("TABLE") {
            return self.table_arg();
        }
        if self.eat_word("DEFAULT") {
            return Ok(Expr::new(ExprKind::Default, start));
        }
        if self.is_word(0, "MODEL") && self.ident_at(1) {
            self.advance();
            let name = self.object_name("a model's name")?;
            return Ok(Expr::new(ExprKind::Model(name), self.since(start)));
        }
        if self.at_query() && !self.at_symbol(Symbol::LParen) {
            let query = self.query()?;
            return Ok(Expr::new(ExprKind::Subquery(query), self.since(start)));
        }
        let value = self.expr()?;
        let distributed = self.at_words(&["PARTITION", "BY"]);
        match *value.kind {
            ExprKind::Subquery(query) if distributed => {
                self.distributed_table(TableArgSource::Query(Box::new(query)), start)
            }
            // `f(input => t PARTITION BY k)` names a table without the word TABLE.
            ExprKind::Name(parts) if distributed => {
                self.distributed_table(TableArgSource::Name(ObjectName(parts)), start)
            }
            kind => Ok(Expr::new(kind, value.span)),
        }
    }

    /// WITHIN GROUP, FILTER, RESPECT|IGNORE NULLS and OVER, in any order.
    fn call_clauses(&mut self, call: &mut FunctionCall) -> Parse<()> {
        loop {
            if self.eat_words(&["WITHIN", "GROUP"]) {
                call.within_group = self.within_group()?;
            } else if self.at_word("FILTER") && self.symbol_at(1, Symbol::LParen) {
                call.filter = self.filter()?;
            } else if self.eat_words(&["RESPECT", "NULLS"]) {
                call.nulls = Some(NullTreatment::Respect);
            } else if self.eat_words(&["IGNORE", "NULLS"]) {
                call.nulls = Some(NullTreatment::Ignore);
            } else if self.eat_word("OVER") {
                call.over = Some(self.over()?);
            } else {
                return Ok(());
            }
        }
    }

    fn within_group(&mut self) -> Parse<Vec<OrderItem>> {
        self.expect_symbol(Symbol::LParen)?;
        self.expect_words(&["ORDER", "BY"])?;
        let items = self.comma_list(Self::order_item)?;
        self.close_list()?;
        Ok(items)
    }

    /// `FILTER (WHERE e)`, if it comes next.
    pub(super) fn filter(&mut self) -> Parse<Option<Expr>> {
        if !self.eat_word("FILTER") {
            return Ok(None);
        }
        self.expect_symbol(Symbol::LParen)?;
        self.expect_word("WHERE")?;
        let condition = self.expr()?;
        self.expect_symbol(Symbol::RParen)?;
        Ok(Some(condition))
    }

    fn over(&mut self) -> Parse<Over> {
        if self.at_symbol(Symbol::LParen) {
            return self.window_spec().map(Over::Spec);
        }
        self.ident("a window's name or `(`").map(Over::Named)
    }
}
