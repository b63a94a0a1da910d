//! Columns, watermarks and keys, of CREATE TABLE and of ALTER TABLE.

use super::stream::{Parse, Parser};
use crate::ast::{
    ColumnDef, ColumnKind, Distribution, DistributionKind, KeyConstraint, TableSchema, WatermarkDef,
};
use crate::lexer::Symbol;
use crate::span::Span;

/// One part of a schema.
pub(super) enum SchemaPart {
    /// A column.
    Column(Box<ColumnDef>),
    /// `WATERMARK FOR ..`.
    Watermark(WatermarkDef),
    /// `PRIMARY KEY (..)`.
    Constraint(KeyConstraint),
}

impl Parser<'_> {
    /// `(column, .., WATERMARK FOR .., PRIMARY KEY (..) NOT ENFORCED)`.
    pub(super) fn table_schema(&mut self) -> Parse<TableSchema> {
        let mut schema = TableSchema::default();
        for part in self.parenthesized_list(Self::schema_part)? {
            match part {
                SchemaPart::Column(column) => schema.columns.push(*column),
                SchemaPart::Watermark(watermark) => schema.watermarks.push(watermark),
                SchemaPart::Constraint(constraint) => schema.constraints.push(constraint),
            }
        }
        Ok(schema)
    }

    pub(super) fn schema_part(&mut self) -> Parse<SchemaPart> {
        if self.at_word("WATERMARK") {
            return self.watermark().map(SchemaPart::Watermark);
        }
        if let Some(constraint) = self.key_constraint(true)? {
            return Ok(SchemaPart::Constraint(constraint));
        }
        self.column().map(Box::new).map(SchemaPart::Column)
    }

    fn watermark(&mut self) -> Parse<WatermarkDef> {
        let start = self.expect_word("WATERMARK")?;
        self.expect_word("FOR")?;
        let column = self.compound_ident("a column name")?;
        self.expect_word("AS")?;
        let expr = self.expr()?;
        Ok(WatermarkDef { column, expr, span: self.since(start) })
    }

    /// `[CONSTRAINT n] PRIMARY KEY|UNIQUE ..`, if it comes next; with columns as a table constraint.
    pub(super) fn key_constraint(&mut self, columns: bool) -> Parse<Option<KeyConstraint>> {
        let start = self.span();
        let name = match self.eat_word("CONSTRAINT") {
            true => Some(self.ident("the constraint's name")?),
            false => None,
        };
        let unique = if self.eat_word("PRIMARY") {
            self.expect_word("KEY")?;
            false
        } else if self.eat_word("UNIQUE") {
            true
        } else if name.is_some() {
            return Err(self.expected("PRIMARY KEY"));
        } else {
            return Ok(None);
        };
        let columns = match columns {
            true => self.column_list()?,
            false => Vec::new(),
        };
        Ok(Some(KeyConstraint { name, unique, columns, enforced: self.enforced(), span: self.since(start) }))
    }

    fn enforced(&mut self) -> Option<bool> {
        if self.eat_words(&["NOT", "ENFORCED"]) {
            return Some(false);
        }
        self.eat_word("ENFORCED").then_some(true)
    }

    pub(super) fn column(&mut self) -> Parse<ColumnDef> {
        let start = self.span();
        let name = self.ident("a column name")?;
        let kind = self.column_kind()?;
        let constraint = self.key_constraint(false)?;
        let comment = self.comment()?;
        Ok(ColumnDef { name, kind, constraint, comment, span: self.since(start) })
    }

    fn column_kind(&mut self) -> Parse<ColumnKind> {
        if self.eat_word("AS") {
            return self.expr().map(ColumnKind::Computed);
        }
        if self.at_symbol(Symbol::Comma) || self.at_symbol(Symbol::RParen) {
            return Ok(ColumnKind::Reference);
        }
        let data_type = self.type_name()?;
        if !self.eat_word("METADATA") {
            return Ok(ColumnKind::Physical(data_type));
        }
        let key = match self.eat_word("FROM") {
            true => Some(self.text("the metadata key as a string")?),
            false => None,
        };
        let is_virtual = self.eat_word("VIRTUAL");
        Ok(ColumnKind::Metadata { data_type, key, is_virtual })
    }

    /// What follows DISTRIBUTED or DISTRIBUTION: `[BY [HASH|RANGE] (..)] [INTO n BUCKETS]`.
    pub(super) fn distribution(&mut self, start: Span) -> Parse<Distribution> {
        let (mut kind, mut columns, mut buckets) = (None, Vec::new(), None);
        if self.eat_word("BY") {
            if self.eat_word("HASH") {
                kind = Some(DistributionKind::Hash);
            } else if self.eat_word("RANGE") {
                kind = Some(DistributionKind::Range);
            }
            columns = self.column_list()?;
        }
        if self.eat_word("INTO") {
            buckets = Some(self.unsigned("the number of buckets")?);
            self.expect_word("BUCKETS")?;
        } else if columns.is_empty() {
            return Err(self.expected("BY or INTO"));
        }
        Ok(Distribution { kind, columns, buckets, span: self.since(start) })
    }
}
