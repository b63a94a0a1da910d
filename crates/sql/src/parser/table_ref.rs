//! FROM: tables, functions, subqueries and joins.

use super::stream::{Parse, Parser};
use crate::ast::{
    Expr, FunctionCall, Join, JoinCondition, JoinKind, Query, TableAlias, TableRef, TableRefKind,
};
use crate::lexer::Symbol;
use crate::span::Span;

/// What was found in parentheses.
enum Parenthesized {
    Query(Query),
    Table(TableRef),
}

impl Parser<'_> {
    /// The comma-separated items of FROM.
    pub(super) fn table_list(&mut self) -> Parse<Vec<TableRef>> {
        self.comma_list(Self::joined_table)
    }

    /// A table reference with the joins behind it.
    fn joined_table(&mut self) -> Parse<TableRef> {
        self.nested(|p| {
            let first = p.table_ref()?;
            p.joins(first)
        })
    }

    fn joins(&mut self, mut left: TableRef) -> Parse<TableRef> {
        let start = left.span;
        for length in 1.. {
            let op_span = self.span();
            let Some((kind, natural)) = self.join_words()? else {
                break;
            };
            self.check_chain(length)?;
            let op_span = self.since(op_span);
            let right = self.table_ref()?;
            let condition = self.join_condition(natural)?;
            let join = Join { left, right, kind, condition, op_span };
            left = self.unnamed(TableRefKind::Join(Box::new(join)), start);
        }
        Ok(left)
    }

    /// The words of a join, and whether NATURAL is one of them.
    fn join_words(&mut self) -> Parse<Option<(JoinKind, bool)>> {
        let natural = self.eat_word("NATURAL");
        let kind = if self.eat_word("CROSS") {
            JoinKind::Cross
        } else if self.eat_word("INNER") {
            JoinKind::Inner
        } else if self.at_any(&["LEFT", "RIGHT", "FULL"]) {
            let kind = if self.eat_word("LEFT") {
                JoinKind::Left
            } else if self.eat_word("RIGHT") {
                JoinKind::Right
            } else {
                self.expect_word("FULL")?;
                JoinKind::Full
            };
            self.eat_word("OUTER");
            kind
        } else if natural || self.at_word("JOIN") {
            JoinKind::Inner
        } else {
            return Ok(None);
        };
        self.expect_word("JOIN")?;
        Ok(Some((kind, natural)))
    }

    fn join_condition(&mut self, natural: bool) -> Parse<JoinCondition> {
        if natural {
            return Ok(JoinCondition::Natural);
        }
        if self.eat_word("ON") {
            return self.expr().map(JoinCondition::On);
        }
        if self.eat_word("USING") {
            return self.column_list().map(JoinCondition::Using);
        }
        Ok(JoinCondition::None)
    }

    fn unnamed(&self, kind: TableRefKind, start: Span) -> TableRef {
        TableRef { kind, alias: None, span: self.since(start) }
    }

    fn table_ref(&mut self) -> Parse<TableRef> {
        let start = self.span();
        let mut table = self.table_factor()?;
        if self.at_word("MATCH_RECOGNIZE") {
            table = self.match_recognize(table)?;
        }
        self.refuse_unsupported()?;
        let is_join = matches!(table.kind, TableRefKind::Join(_));
        if table.alias.is_none() && !is_join {
            table.alias = self.table_alias()?;
            self.refuse_unsupported()?;
        }
        table.span = self.since(start);
        Ok(table)
    }

    fn refuse_unsupported(&self) -> Parse<()> {
        for word in ["TABLESAMPLE", "PIVOT", "UNPIVOT"] {
            if self.is_word(0, word) {
                return Err(self.error(
                    self.span(),
                    format!("{word} is not supported"),
                    "write it with WHERE, or with FILTER and CASE",
                ));
            }
        }
        Ok(())
    }

    fn table_alias(&mut self) -> Parse<Option<TableAlias>> {
        let Some(name) = self.alias()? else {
            return Ok(None);
        };
        let columns = match self.at_symbol(Symbol::LParen) {
            true => self.column_list()?,
            false => Vec::new(),
        };
        Ok(Some(TableAlias { name, columns }))
    }

    fn table_factor(&mut self) -> Parse<TableRef> {
        let start = self.span();
        let lateral = self.eat_word("LATERAL");
        if self.at_word("UNNEST") {
            return self.unnest(start);
        }
        if self.at_word("TABLE") && self.symbol_at(1, Symbol::LParen) {
            return self.table_function(lateral, start);
        }
        if self.at_query() && !self.at_symbol(Symbol::LParen) {
            // `FROM VALUES (1)` and `FROM TABLE t` need no parentheses in Calcite.
            if self.at_any(&["VALUES", "TABLE"]) {
                let query = self.query()?;
                return Ok(self.query_ref(query, lateral, start));
            }
            let mut diagnostic = self.expected("a table");
            diagnostic.hint = Some("put the subquery in parentheses".to_owned());
            return Err(diagnostic);
        }
        if self.at_symbol(Symbol::LParen) {
            return self.parenthesized_table(lateral, start);
        }
        self.named_table(lateral, start)
    }

    fn query_ref(&self, query: Query, lateral: bool, start: Span) -> TableRef {
        let kind = TableRefKind::Query { lateral, query: Box::new(query), system_time: None };
        self.unnamed(kind, start)
    }

    /// A table, or a function called by its name.
    fn named_table(&mut self, lateral: bool, start: Span) -> Parse<TableRef> {
        let name = self.object_name("a table, a function or a subquery")?;
        if self.at_symbol(Symbol::LParen) {
            let call = Box::new(self.function_call(name, start)?);
            return Ok(self.unnamed(TableRefKind::Function { lateral, call }, start));
        }
        if lateral {
            let mut diagnostic = self.expected("`(`");
            diagnostic.hint = Some("LATERAL goes before a function or a subquery".to_owned());
            return Err(diagnostic);
        }
        let hints = self.hints()?;
        let system_time = self.system_time()?;
        let kind = TableRefKind::Table { name, hints, system_time };
        Ok(self.unnamed(kind, start))
    }

    /// `FOR SYSTEM_TIME AS OF e`, if it comes next.
    fn system_time(&mut self) -> Parse<Option<Expr>> {
        if !self.eat_word("FOR") {
            return Ok(None);
        }
        self.expect_words(&["SYSTEM_TIME", "AS", "OF"])?;
        self.expr().map(Some)
    }

    /// `TABLE(f(..))`.
    fn table_function(&mut self, lateral: bool, start: Span) -> Parse<TableRef> {
        self.expect_word("TABLE")?;
        self.expect_symbol(Symbol::LParen)?;
        if self.at_query() {
            let query = self.query()?;
            self.expect_symbol(Symbol::RParen)?;
            return Ok(self.query_ref(query, lateral, start));
        }
        let call = self.table_function_call()?;
        self.expect_symbol(Symbol::RParen)?;
        // Hints behind a table function steer only planners.
        self.hints()?;
        let call = Box::new(call);
        Ok(self.unnamed(TableRefKind::Function { lateral, call }, start))
    }

    fn table_function_call(&mut self) -> Parse<FunctionCall> {
        let start = self.span();
        let name = self.object_name("a table function")?;
        self.function_call(name, start)
    }

    fn unnest(&mut self, start: Span) -> Parse<TableRef> {
        self.expect_word("UNNEST")?;
        let operands = self.parenthesized_list(Self::expr)?;
        let ordinality = self.eat_words(&["WITH", "ORDINALITY"]);
        let kind = TableRefKind::Unnest { operands, ordinality };
        Ok(self.unnamed(kind, start))
    }

    fn parenthesized_table(&mut self, lateral: bool, start: Span) -> Parse<TableRef> {
        match self.parentheses()? {
            Parenthesized::Table(table) => Ok(table),
            Parenthesized::Query(query) => {
                let system_time = self.system_time()?;
                let kind = TableRefKind::Query { lateral, query: Box::new(query), system_time };
                Ok(self.unnamed(kind, start))
            }
        }
    }

    /// `(query)` or `(table [join ..])`. Which of them it is may show only behind a nested pair of
    /// parentheses, so a query found there is continued as a query or taken as the first table.
    fn parentheses(&mut self) -> Parse<Parenthesized> {
        self.nested(|p| {
            let start = p.expect_symbol(Symbol::LParen)?;
            let inner_start = p.span();
            let found = if p.at_query() {
                Parenthesized::Query(p.query()?)
            } else if p.at_symbol(Symbol::LParen) {
                p.nested_parentheses(inner_start)?
            } else {
                Parenthesized::Table(p.joined_table()?)
            };
            p.expect_symbol(Symbol::RParen)?;
            Ok(match found {
                Parenthesized::Table(mut table) => {
                    table.span = p.since(start);
                    Parenthesized::Table(table)
                }
                query => query,
            })
        })
    }

    fn nested_parentheses(&mut self, start: Span) -> Parse<Parenthesized> {
        let first = match self.parentheses()? {
            Parenthesized::Query(query) if self.at_query_continuation() => {
                let span = self.since(start);
                return self.continue_query(query, span).map(Parenthesized::Query);
            }
            Parenthesized::Query(query) if self.at_symbol(Symbol::RParen) => {
                return Ok(Parenthesized::Query(query));
            }
            Parenthesized::Query(query) => {
                let mut table = self.query_ref(query, false, start);
                table.alias = self.table_alias()?;
                table.span = self.since(start);
                table
            }
            Parenthesized::Table(table) => table,
        };
        self.joins(first).map(Parenthesized::Table)
    }
}
