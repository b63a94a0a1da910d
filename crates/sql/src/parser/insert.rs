//! INSERT.

use super::stream::{Parse, Parser};
use crate::ast::{Insert, OnConflict, PartitionValue};
use crate::lexer::Symbol;
use crate::span::Span;

impl Parser<'_> {
    pub(super) fn insert(&mut self) -> Parse<Insert> {
        let start = self.expect_word("INSERT")?;
        let overwrite = self.eat_word("OVERWRITE");
        if !overwrite && !self.eat_word("INTO") {
            return Err(self.expected("INTO or OVERWRITE"));
        }
        let table = self.object_name("the table that is written")?;
        let hints = self.hints()?;
        let partition = match self.eat_word("PARTITION") {
            true => self.partition_values()?,
            false => Vec::new(),
        };
        let columns = match self.at_insert_columns() {
            true => self.column_list()?,
            false => Vec::new(),
        };
        let query = self.query()?;
        let on_conflict = self.on_conflict()?;
        Ok(Insert {
            overwrite,
            table,
            hints,
            partition,
            columns,
            query,
            on_conflict,
            span: self.since(start),
        })
    }

    /// Whether the parenthesis that comes next opens a list of columns and not a query.
    fn at_insert_columns(&self) -> bool {
        self.at_symbol(Symbol::LParen) && !self.query_at(1) && !self.symbol_at(1, Symbol::LParen)
    }

    /// `(name [= literal], ..)`.
    pub(super) fn partition_values(&mut self) -> Parse<Vec<PartitionValue>> {
        self.parenthesized_list(|p| {
            let name = p.ident("a partition column")?;
            let value = match p.eat_symbol(Symbol::Eq) {
                true => Some(p.expr()?),
                false => None,
            };
            Ok(PartitionValue { name, value })
        })
    }

    fn on_conflict(&mut self) -> Parse<Option<(OnConflict, Span)>> {
        let start = self.span();
        if !self.eat_word("ON") {
            return Ok(None);
        }
        self.expect_words(&["CONFLICT", "DO"])?;
        let action = if self.eat_word("NOTHING") {
            OnConflict::Nothing
        } else if self.eat_word("ERROR") {
            OnConflict::Error
        } else if self.eat_word("DEDUPLICATE") {
            OnConflict::Deduplicate
        } else {
            return Err(self.expected("NOTHING, ERROR or DEDUPLICATE"));
        };
        Ok(Some((action, self.since(start))))
    }
}
