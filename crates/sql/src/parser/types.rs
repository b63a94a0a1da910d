//! Data types.

use super::stream::{Parse, Parser};
use crate::ast::{RowField, TypeKind, TypeName};
use crate::lexer::{Symbol, TokenKind};
use crate::span::Span;

/// What stands in place of a data type.
const WHAT: &str = "a data type such as INT, STRING or TIMESTAMP(3)";

impl Parser<'_> {
    /// A data type with its nullability: `INT NOT NULL`, `ROW<a INT> ARRAY NULL`.
    pub(super) fn type_name(&mut self) -> Parse<TypeName> {
        self.nested(Self::type_name_inner)
    }

    /// A data type behind RETURNING, where NULL starts the next clause.
    pub(super) fn returned_type(&mut self) -> Parse<TypeName> {
        let start = self.span();
        let kind = self.nested(Self::type_kind)?;
        Ok(TypeName { kind, nullable: None, span: self.since(start) })
    }

    fn type_name_inner(&mut self) -> Parse<TypeName> {
        let start = self.span();
        let kind = self.type_kind()?;
        let mut parsed = self.nullability(kind, start);
        for length in 1.. {
            let wrap: fn(Box<TypeName>) -> TypeKind = if self.eat_word("ARRAY") {
                TypeKind::Array
            } else if self.eat_word("MULTISET") {
                TypeKind::Multiset
            } else {
                break;
            };
            self.check_chain(length)?;
            parsed = self.nullability(wrap(Box::new(parsed)), start);
        }
        Ok(parsed)
    }

    fn nullability(&mut self, kind: TypeKind, start: Span) -> TypeName {
        let nullable = if self.eat_words(&["NOT", "NULL"]) {
            Some(false)
        } else {
            self.eat_word("NULL").then_some(true)
        };
        TypeName { kind, nullable, span: self.since(start) }
    }

    fn type_kind(&mut self) -> Parse<TypeKind> {
        let Some(word) = self.word_at(0) else {
            return self.named_type();
        };
        let word = word.to_ascii_uppercase();
        if let Some(kind) = simple_type(&word) {
            self.advance();
            return Ok(kind);
        }
        match word.as_str() {
            "CHAR" | "CHARACTER" | "VARCHAR" | "BINARY" | "VARBINARY" => self.sized_type(&word),
            "DECIMAL" | "DEC" | "NUMERIC" => self.decimal_type(),
            "DOUBLE" => {
                self.advance();
                self.eat_word("PRECISION");
                Ok(TypeKind::Double)
            }
            "TIME" | "TIMESTAMP" => self.time_type(word == "TIMESTAMP"),
            "TIMESTAMP_LTZ" => {
                self.advance();
                Ok(TypeKind::TimestampLtz(self.precision()?))
            }
            "INTERVAL" => {
                self.advance();
                self.interval_qualifier().map(TypeKind::Interval)
            }
            "ARRAY" | "MULTISET" | "MAP" | "ROW" | "RAW" | "STRUCTURED" => self.constructed_type(&word),
            _ => self.named_type(),
        }
    }

    fn named_type(&mut self) -> Parse<TypeKind> {
        // Asked for so that a misspelt type gets its hint; no type of the user takes arguments.
        self.at_any(&[
            "CHAR",
            "VARCHAR",
            "BINARY",
            "VARBINARY",
            "DECIMAL",
            "NUMERIC",
            "TIMESTAMP",
            "TIMESTAMP_LTZ",
            "ARRAY",
            "MAP",
            "ROW",
        ]);
        let name = self.object_name(WHAT)?;
        if self.at_symbol(Symbol::LParen) || self.at_symbol(Symbol::Lt) {
            let mut diagnostic = self.expected("the end of the data type");
            diagnostic.message = format!("there is no data type `{}`", name.last().value);
            diagnostic.span = name.span();
            return Err(diagnostic);
        }
        Ok(TypeKind::Named(name))
    }

    /// `(p)`, if it comes next.
    fn precision(&mut self) -> Parse<Option<u32>> {
        if !self.eat_symbol(Symbol::LParen) {
            return Ok(None);
        }
        let value = self.unsigned("a whole number")?;
        self.expect_symbol(Symbol::RParen)?;
        Ok(Some(value))
    }

    fn sized_type(&mut self, word: &str) -> Parse<TypeKind> {
        self.advance();
        let varying = self.eat_word("VARYING");
        let length = self.precision()?;
        Ok(match (word, varying) {
            ("CHAR" | "CHARACTER", false) => TypeKind::Char(length),
            ("CHAR" | "CHARACTER" | "VARCHAR", _) => TypeKind::Varchar(length),
            ("BINARY", false) => TypeKind::Binary(length),
            _ => TypeKind::Varbinary(length),
        })
    }

    fn decimal_type(&mut self) -> Parse<TypeKind> {
        self.advance();
        if !self.eat_symbol(Symbol::LParen) {
            return Ok(TypeKind::Decimal(None, None));
        }
        let precision = self.unsigned("the number of digits")?;
        let mut scale = None;
        if self.eat_symbol(Symbol::Comma) {
            scale = Some(self.unsigned("the number of digits behind the point")?);
        }
        self.expect_symbol(Symbol::RParen)?;
        Ok(TypeKind::Decimal(Some(precision), scale))
    }

    fn time_type(&mut self, timestamp: bool) -> Parse<TypeKind> {
        self.advance();
        let precision = self.precision()?;
        if self.at_words(&["WITHOUT", "TIME", "ZONE"]) {
            self.eat_words(&["WITHOUT", "TIME", "ZONE"]);
        } else if timestamp && self.eat_words(&["WITH", "LOCAL", "TIME", "ZONE"]) {
            return Ok(TypeKind::TimestampLtz(precision));
        } else if timestamp && self.eat_words(&["WITH", "TIME", "ZONE"]) {
            return Ok(TypeKind::TimestampTz(precision));
        }
        Ok(if timestamp { TypeKind::Timestamp(precision) } else { TypeKind::Time(precision) })
    }

    fn constructed_type(&mut self, word: &str) -> Parse<TypeKind> {
        self.advance();
        match word {
            "ROW" => return self.row_type(),
            "RAW" => return self.raw_type(),
            "STRUCTURED" => return self.structured_type(),
            _ => {}
        }
        self.expect_symbol(Symbol::Lt)?;
        let first = Box::new(self.type_name()?);
        let kind = match word {
            "ARRAY" => TypeKind::Array(first),
            "MULTISET" => TypeKind::Multiset(first),
            _ => {
                self.expect_symbol(Symbol::Comma)?;
                TypeKind::Map(first, Box::new(self.type_name()?))
            }
        };
        self.expect_symbol(Symbol::Gt)?;
        Ok(kind)
    }

    fn row_type(&mut self) -> Parse<TypeKind> {
        // `<>` is one token, so it is the empty row.
        if self.eat_symbol(Symbol::NotEq) {
            return Ok(TypeKind::Row(Vec::new()));
        }
        let close = if self.eat_symbol(Symbol::LParen) {
            Symbol::RParen
        } else if self.eat_symbol(Symbol::Lt) {
            Symbol::Gt
        } else {
            return Err(self.expected("`<` or `(` and the fields of the ROW"));
        };
        let mut fields = Vec::new();
        if !self.at_symbol(close) {
            fields = self.comma_list(Self::row_field)?;
        }
        if !self.eat_symbol(close) {
            return Err(self.expected(&format!("`,` or `{}`", close.text())));
        }
        Ok(TypeKind::Row(fields))
    }

    fn row_field(&mut self) -> Parse<RowField> {
        let name = self.ident("a field name")?;
        let data_type = self.type_name()?;
        let comment = match self.peek() {
            TokenKind::String(_) => Some(self.text("a comment")?),
            _ => None,
        };
        Ok(RowField { name, data_type, comment })
    }

    fn raw_type(&mut self) -> Parse<TypeKind> {
        self.expect_symbol(Symbol::LParen)?;
        let class = self.text("the class as a string")?;
        self.expect_symbol(Symbol::Comma)?;
        let serializer = self.text("the serializer snapshot as a string")?;
        self.expect_symbol(Symbol::RParen)?;
        Ok(TypeKind::Raw(class, serializer))
    }

    fn structured_type(&mut self) -> Parse<TypeKind> {
        self.expect_symbol(Symbol::Lt)?;
        let class = self.text("the class as a string")?;
        let mut fields = Vec::new();
        if self.eat_symbol(Symbol::Comma) {
            fields = self.comma_list(Self::row_field)?;
        }
        self.expect_symbol(Symbol::Gt)?;
        Ok(TypeKind::Structured(class, fields))
    }
}

/// Types that are one word.
fn simple_type(word: &str) -> Option<TypeKind> {
    let kind = match word {
        "STRING" => TypeKind::String,
        "BYTES" => TypeKind::Bytes,
        "BOOLEAN" => TypeKind::Boolean,
        "TINYINT" => TypeKind::TinyInt,
        "SMALLINT" => TypeKind::SmallInt,
        "INT" | "INTEGER" => TypeKind::Int,
        "BIGINT" => TypeKind::BigInt,
        "FLOAT" => TypeKind::Float,
        "DATE" => TypeKind::Date,
        "NULL" => TypeKind::Null,
        "VARIANT" => TypeKind::Variant,
        "BITMAP" => TypeKind::Bitmap,
        "DESCRIPTOR" => TypeKind::Descriptor,
        _ => return None,
    };
    Some(kind)
}
