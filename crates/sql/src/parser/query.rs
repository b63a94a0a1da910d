//! Queries: WITH, set operations, ORDER BY and LIMIT.

use super::stream::{Parse, Parser};
use crate::ast::{Cte, Expr, OrderItem, Query, QueryBody, SetOp, SetOperation, Values, With};
use crate::lexer::Symbol;
use crate::span::Span;

impl Parser<'_> {
    /// Whether a query comes next that does not start with a parenthesis.
    pub(super) fn at_query(&self) -> bool {
        self.at_word("SELECT") || self.query_at(0)
    }

    pub(super) fn query_at(&self, offset: usize) -> bool {
        ["SELECT", "WITH", "VALUES"].iter().any(|word| self.is_word(offset, word))
            || (self.is_word(offset, "TABLE") && self.ident_at(offset + 1))
    }

    /// Whether a set operator, ORDER BY or LIMIT comes next.
    pub(super) fn at_query_continuation(&self) -> bool {
        self.at_any(&["UNION", "INTERSECT", "EXCEPT", "ORDER", "LIMIT", "OFFSET", "FETCH"])
    }

    pub(super) fn query(&mut self) -> Parse<Query> {
        self.nested(|p| {
            let start = p.span();
            let with = p.with()?;
            let body = p.set_operations(None, start)?;
            p.query_tail(with, body, start)
        })
    }

    /// The rest of a query that starts with a query in parentheses, which is already read.
    pub(super) fn continue_query(&mut self, first: Query, span: Span) -> Parse<Query> {
        self.nested(|p| {
            let first = QueryBody::Nested(Box::new(first));
            let body = p.set_operations(Some(first), span)?;
            p.query_tail(None, body, span)
        })
    }

    fn with(&mut self) -> Parse<Option<With>> {
        let start = self.span();
        if !self.eat_word("WITH") {
            return Ok(None);
        }
        let recursive = self.eat_word("RECURSIVE");
        let ctes = self.comma_list(Self::cte)?;
        Ok(Some(With { recursive, ctes, span: self.since(start) }))
    }

    fn cte(&mut self) -> Parse<Cte> {
        let start = self.span();
        let name = self.ident("the name of a query of WITH")?;
        let columns = match self.at_symbol(Symbol::LParen) {
            true => self.column_list()?,
            false => Vec::new(),
        };
        self.expect_word("AS")?;
        self.expect_symbol(Symbol::LParen)?;
        let query = self.query()?;
        self.expect_symbol(Symbol::RParen)?;
        Ok(Cte { name, columns, query, span: self.since(start) })
    }

    /// UNION and EXCEPT, which bind alike and to the left.
    fn set_operations(&mut self, first: Option<QueryBody>, start: Span) -> Parse<QueryBody> {
        let mut left = self.intersections(first, start)?;
        for length in 1.. {
            let op_span = self.span();
            let op = if self.eat_word("UNION") {
                SetOp::Union
            } else if self.eat_word("EXCEPT") {
                SetOp::Except
            } else {
                break;
            };
            self.check_chain(length)?;
            let all = self.set_all();
            let op_span = self.since(op_span);
            let right_start = self.span();
            let right = self.intersections(None, right_start)?;
            left = self.set_operation(op, all, left, right, op_span, start);
        }
        Ok(left)
    }

    fn intersections(&mut self, first: Option<QueryBody>, start: Span) -> Parse<QueryBody> {
        let mut left = match first {
            Some(first) => first,
            None => self.query_leaf()?,
        };
        for length in 1.. {
            let op_span = self.span();
            if !self.eat_word("INTERSECT") {
                break;
            }
            self.check_chain(length)?;
            let all = self.set_all();
            let op_span = self.since(op_span);
            let right = self.query_leaf()?;
            left = self.set_operation(SetOp::Intersect, all, left, right, op_span, start);
        }
        Ok(left)
    }

    fn set_all(&mut self) -> bool {
        let all = self.eat_word("ALL");
        if !all {
            self.eat_word("DISTINCT");
        }
        all
    }

    fn set_operation(
        &self,
        op: SetOp,
        all: bool,
        left: QueryBody,
        right: QueryBody,
        op_span: Span,
        start: Span,
    ) -> QueryBody {
        QueryBody::SetOperation(Box::new(SetOperation {
            op,
            all,
            left,
            right,
            op_span,
            span: self.since(start),
        }))
    }

    fn query_leaf(&mut self) -> Parse<QueryBody> {
        if self.at_word("SELECT") {
            return Ok(QueryBody::Select(Box::new(self.select()?)));
        }
        if self.at_word("VALUES") {
            return self.values().map(QueryBody::Values);
        }
        if self.eat_word("TABLE") {
            return self.object_name("a table name").map(QueryBody::Table);
        }
        if self.eat_symbol(Symbol::LParen) {
            let query = self.query()?;
            self.expect_symbol(Symbol::RParen)?;
            return Ok(QueryBody::Nested(Box::new(query)));
        }
        Err(self.expected("a query (SELECT or VALUES)"))
    }

    fn values(&mut self) -> Parse<Values> {
        let start = self.expect_word("VALUES")?;
        let rows = self.comma_list(Self::expr)?;
        Ok(Values { rows, span: self.since(start) })
    }

    fn query_tail(&mut self, with: Option<With>, body: QueryBody, start: Span) -> Parse<Query> {
        let mut order_by = Vec::new();
        if self.eat_word("ORDER") {
            self.expect_word("BY")?;
            order_by = self.comma_list(Self::order_item)?;
        }
        let (limit, offset) = self.limits()?;
        Ok(Query { with, body, order_by, limit, offset, span: self.since(start) })
    }

    /// LIMIT, OFFSET and FETCH, in any order.
    fn limits(&mut self) -> Parse<(Option<Expr>, Option<Expr>)> {
        let (mut limit, mut offset) = (None, None);
        loop {
            if limit.is_none() && self.eat_word("LIMIT") {
                if !self.eat_word("ALL") {
                    limit = Some(self.expr()?);
                }
            } else if offset.is_none() && self.eat_word("OFFSET") {
                offset = Some(self.expr()?);
                let _ = self.eat_word("ROWS") || self.eat_word("ROW");
            } else if limit.is_none() && self.eat_word("FETCH") {
                if !self.eat_word("FIRST") {
                    self.expect_word("NEXT")?;
                }
                limit = Some(self.expr()?);
                if !self.eat_word("ROWS") {
                    self.expect_word("ROW")?;
                }
                self.expect_word("ONLY")?;
            } else {
                return Ok((limit, offset));
            }
        }
    }

    /// `e [ASC|DESC] [NULLS FIRST|LAST]`.
    pub(super) fn order_item(&mut self) -> Parse<OrderItem> {
        let expr = self.expr()?;
        let start = expr.span;
        let descending = self.eat_word("DESC");
        if !descending {
            self.eat_word("ASC");
        }
        let nulls_first = if self.eat_word("NULLS") {
            if self.eat_word("FIRST") {
                Some(true)
            } else {
                self.expect_word("LAST")?;
                Some(false)
            }
        } else {
            None
        };
        Ok(OrderItem { expr, descending, nulls_first, span: self.since(start) })
    }
}
