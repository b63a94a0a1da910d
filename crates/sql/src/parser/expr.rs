//! Operators, by precedence climbing. The precedences and the associativity (to the left) are those
//! of Calcite; a comparison binds looser than LIKE, IN and BETWEEN, and IS looser than both.

use super::stream::{Parse, Parser};
use crate::ast::{
    BinaryOp, Expr, ExprKind, IsTest, JsonKind, LikeKind, PeriodOp, QuantifiedSource, Quantifier, UnaryOp,
};
use crate::lexer::{Symbol, TokenKind};

const OR: u8 = 22;
const AND: u8 = 24;
const NOT: u8 = 26;
const IS: u8 = 28;
const COMPARISON: u8 = 30;
const RANGE: u8 = 32;
const SUM: u8 = 40;
const PRODUCT: u8 = 60;
const TIME_ZONE: u8 = 70;
const SIGN: u8 = 80;

/// An operator behind an operand.
#[derive(Clone, Copy)]
enum Infix {
    Binary(BinaryOp),
    Comparison(BinaryOp),
    Multiset,
    Of(BinaryOp),
    Is,
    Period(PeriodOp),
    /// BETWEEN, IN, LIKE or SIMILAR TO, with NOT before it or not.
    Range,
    AtTimeZone,
}

impl Parser<'_> {
    /// An expression.
    pub(super) fn expr(&mut self) -> Parse<Expr> {
        self.binding(0)
    }

    /// An expression without AND, OR, IN, BETWEEN, LIKE and comparisons on its outermost level.
    pub(super) fn operand(&mut self) -> Parse<Expr> {
        self.binding(RANGE + 1)
    }

    /// An expression whose outermost operators have at least this precedence.
    fn binding(&mut self, min: u8) -> Parse<Expr> {
        self.nested(|p| p.binding_inner(min))
    }

    fn binding_inner(&mut self, min: u8) -> Parse<Expr> {
        let mut left = self.prefix()?;
        for length in 1.. {
            let Some((infix, precedence)) = self.infix() else {
                break;
            };
            if precedence < min {
                break;
            }
            self.check_chain(length)?;
            left = self.apply(left, infix, precedence)?;
        }
        Ok(left)
    }

    fn prefix(&mut self) -> Parse<Expr> {
        let start = self.span();
        let (op, precedence) = match self.peek() {
            TokenKind::Symbol(Symbol::Minus) => (UnaryOp::Minus, SIGN),
            TokenKind::Symbol(Symbol::Plus) => (UnaryOp::Plus, SIGN),
            TokenKind::Word if self.at_word("NOT") => (UnaryOp::Not, NOT),
            _ => return self.postfix(),
        };
        self.advance();
        let operand = self.binding(precedence)?;
        Ok(Expr::new(ExprKind::Unary { op, operand }, self.since(start)))
    }

    /// A primary expression with its `[index]` and `.field` suffixes.
    fn postfix(&mut self) -> Parse<Expr> {
        let mut base = self.primary()?;
        for length in 1.. {
            let start = base.span;
            let kind = if self.at_symbol(Symbol::LBracket) {
                self.advance();
                let index = self.expr()?;
                self.expect_symbol(Symbol::RBracket)?;
                ExprKind::Index { base, index }
            } else if self.at_symbol(Symbol::Dot) {
                self.advance();
                let field = self.ident_behind_point("a field name behind the point")?;
                ExprKind::Field { base, field }
            } else {
                break;
            };
            self.check_chain(length)?;
            base = Expr::new(kind, self.since(start));
        }
        Ok(base)
    }

    /// The operator that comes next and its precedence; it is not stepped over.
    fn infix(&self) -> Option<(Infix, u8)> {
        match self.peek() {
            TokenKind::Symbol(symbol) => symbol_infix(*symbol),
            TokenKind::Word => self.word_infix(),
            _ => None,
        }
    }

    fn word_infix(&self) -> Option<(Infix, u8)> {
        const RANGES: &[&str] = &["BETWEEN", "IN", "LIKE", "SIMILAR", "ILIKE"];
        if self.at_word("AND") {
            return Some((Infix::Binary(BinaryOp::And), AND));
        }
        if self.at_word("OR") {
            return Some((Infix::Binary(BinaryOp::Or), OR));
        }
        if self.at_word("IS") {
            return Some((Infix::Is, IS));
        }
        let negated = self.is_word(0, "NOT") && RANGES.iter().any(|word| self.is_word(1, word));
        if negated || self.at_any(RANGES) {
            return Some((Infix::Range, RANGE));
        }
        let upper = self.word_at(0)?.to_ascii_uppercase();
        let infix = match upper.as_str() {
            "OVERLAPS" => (Infix::Period(PeriodOp::Overlaps), COMPARISON),
            "CONTAINS" => (Infix::Period(PeriodOp::Contains), COMPARISON),
            "EQUALS" => (Infix::Period(PeriodOp::Equals), COMPARISON),
            "PRECEDES" => (Infix::Period(PeriodOp::Precedes), COMPARISON),
            "SUCCEEDS" => (Infix::Period(PeriodOp::Succeeds), COMPARISON),
            "IMMEDIATELY" if self.is_word(1, "PRECEDES") => {
                (Infix::Period(PeriodOp::ImmediatelyPrecedes), COMPARISON)
            }
            "IMMEDIATELY" if self.is_word(1, "SUCCEEDS") => {
                (Infix::Period(PeriodOp::ImmediatelySucceeds), COMPARISON)
            }
            "MEMBER" if self.is_word(1, "OF") => (Infix::Of(BinaryOp::MemberOf), COMPARISON),
            "SUBMULTISET" if self.is_word(1, "OF") => (Infix::Of(BinaryOp::SubmultisetOf), COMPARISON),
            "MULTISET" => (Infix::Multiset, 12),
            "AT" => (Infix::AtTimeZone, TIME_ZONE),
            _ => return None,
        };
        Some(infix)
    }

    /// Reads the operator and what is right of it.
    fn apply(&mut self, left: Expr, infix: Infix, precedence: u8) -> Parse<Expr> {
        let start = left.span;
        let kind = match infix {
            Infix::Range => return self.range_predicate(left),
            Infix::Is => return self.is_predicate(left),
            Infix::Comparison(op) => {
                self.advance();
                match self.quantified(op, left)? {
                    Ok(quantified) => return Ok(quantified),
                    Err(left) => self.binary(op, left, precedence)?,
                }
            }
            Infix::Binary(op) => {
                self.advance();
                self.binary(op, left, precedence)?
            }
            Infix::Of(op) => {
                self.advance();
                self.advance();
                self.binary(op, left, precedence)?
            }
            Infix::Multiset => {
                let op = self.multiset_op()?;
                self.binary(op, left, precedence)?
            }
            Infix::Period(op) => {
                self.eat_word("IMMEDIATELY");
                self.advance();
                let right = self.binding(precedence + 1)?;
                ExprKind::Period { op, left, right }
            }
            Infix::AtTimeZone => self.at_time_zone(left)?,
        };
        Ok(Expr::new(kind, self.since(start)))
    }

    fn binary(&mut self, op: BinaryOp, left: Expr, precedence: u8) -> Parse<ExprKind> {
        let right = self.binding(precedence + 1)?;
        Ok(ExprKind::Binary { op, left, right })
    }

    fn multiset_op(&mut self) -> Parse<BinaryOp> {
        self.expect_word("MULTISET")?;
        let ops = if self.eat_word("UNION") {
            (BinaryOp::MultisetUnion, BinaryOp::MultisetUnionAll)
        } else if self.eat_word("INTERSECT") {
            (BinaryOp::MultisetIntersect, BinaryOp::MultisetIntersectAll)
        } else if self.eat_word("EXCEPT") {
            (BinaryOp::MultisetExcept, BinaryOp::MultisetExceptAll)
        } else {
            return Err(self.expected("UNION, INTERSECT or EXCEPT"));
        };
        if self.eat_word("ALL") {
            return Ok(ops.1);
        }
        self.eat_word("DISTINCT");
        Ok(ops.0)
    }

    fn at_time_zone(&mut self, operand: Expr) -> Parse<ExprKind> {
        self.expect_word("AT")?;
        let zone = if self.eat_word("LOCAL") {
            None
        } else {
            self.expect_words(&["TIME", "ZONE"])?;
            Some(self.binding(TIME_ZONE + 1)?)
        };
        Ok(ExprKind::AtTimeZone { operand, zone })
    }

    /// `ANY|SOME|ALL (..)` behind a comparison; gives the left operand back if there is none.
    fn quantified(&mut self, op: BinaryOp, left: Expr) -> Parse<Result<Expr, Expr>> {
        let quantifier = match self.word_at(0).map(str::to_ascii_uppercase).as_deref() {
            Some("ANY" | "SOME") => Quantifier::Any,
            Some("ALL") => Quantifier::All,
            _ => return Ok(Err(left)),
        };
        let start = left.span;
        self.advance();
        self.expect_symbol(Symbol::LParen)?;
        let right = if self.at_query() {
            QuantifiedSource::Query(self.query()?)
        } else {
            QuantifiedSource::List(self.comma_list(Self::expr)?)
        };
        self.close_list()?;
        let kind = ExprKind::Quantified { op, left, quantifier, right };
        Ok(Ok(Expr::new(kind, self.since(start))))
    }

    fn is_predicate(&mut self, operand: Expr) -> Parse<Expr> {
        let start = operand.span;
        self.expect_word("IS")?;
        let negated = self.eat_word("NOT");
        if self.eat_word("DISTINCT") {
            self.expect_word("FROM")?;
            let right = self.binding(COMPARISON + 1)?;
            let kind = ExprKind::IsDistinctFrom { left: operand, right, negated };
            return Ok(Expr::new(kind, self.since(start)));
        }
        let test = self.is_test()?;
        let kind = ExprKind::Is { operand, negated, test };
        Ok(Expr::new(kind, self.since(start)))
    }

    fn is_test(&mut self) -> Parse<IsTest> {
        const SIMPLE: &[(&str, IsTest)] = &[
            ("NULL", IsTest::Null),
            ("TRUE", IsTest::True),
            ("FALSE", IsTest::False),
            ("UNKNOWN", IsTest::Unknown),
            ("EMPTY", IsTest::Empty),
        ];
        for (word, test) in SIMPLE {
            if self.eat_word(word) {
                return Ok(*test);
            }
        }
        if self.eat_words(&["A", "SET"]) {
            return Ok(IsTest::ASet);
        }
        if !self.eat_word("JSON") {
            return Err(self.expected("NULL, TRUE, FALSE, UNKNOWN, DISTINCT FROM or JSON"));
        }
        let kind = if self.eat_word("OBJECT") {
            JsonKind::Object
        } else if self.eat_word("ARRAY") {
            JsonKind::Array
        } else if self.eat_word("SCALAR") {
            JsonKind::Scalar
        } else {
            self.eat_word("VALUE");
            JsonKind::Value
        };
        Ok(IsTest::Json(kind))
    }

    /// `[NOT] BETWEEN|IN|LIKE|SIMILAR TO ..`.
    fn range_predicate(&mut self, operand: Expr) -> Parse<Expr> {
        let start = operand.span;
        let negated = self.eat_word("NOT");
        let kind = if self.eat_word("BETWEEN") {
            self.between(operand, negated)?
        } else if self.eat_word("IN") {
            self.in_list(operand, negated)?
        } else if self.at_word("ILIKE") {
            return Err(self.error(
                self.span(),
                "ILIKE is not part of Flink SQL outside of SHOW".to_owned(),
                "compare LOWER(a) LIKE LOWER(b)",
            ));
        } else {
            let kind = if self.eat_word("LIKE") {
                LikeKind::Like
            } else {
                self.expect_words(&["SIMILAR", "TO"])?;
                LikeKind::SimilarTo
            };
            let pattern = self.binding(RANGE + 1)?;
            let escape = match self.eat_word("ESCAPE") {
                true => Some(self.binding(RANGE + 1)?),
                false => None,
            };
            ExprKind::Like { kind, operand, negated, pattern, escape }
        };
        Ok(Expr::new(kind, self.since(start)))
    }

    fn between(&mut self, operand: Expr, negated: bool) -> Parse<ExprKind> {
        let symmetric = self.eat_word("SYMMETRIC");
        if !symmetric {
            self.eat_word("ASYMMETRIC");
        }
        let low = self.binding(RANGE + 1)?;
        self.expect_word("AND")?;
        let high = self.binding(RANGE + 1)?;
        Ok(ExprKind::Between { operand, negated, symmetric, low, high })
    }

    fn in_list(&mut self, operand: Expr, negated: bool) -> Parse<ExprKind> {
        self.expect_symbol(Symbol::LParen)?;
        let kind = if self.at_query() {
            ExprKind::InQuery { operand, negated, query: self.query()? }
        } else {
            ExprKind::InList { operand, negated, list: self.comma_list(Self::expr)? }
        };
        self.close_list()?;
        Ok(kind)
    }
}

fn symbol_infix(symbol: Symbol) -> Option<(Infix, u8)> {
    let infix = match symbol {
        Symbol::Eq => (Infix::Comparison(BinaryOp::Eq), COMPARISON),
        Symbol::NotEq | Symbol::BangEq => (Infix::Comparison(BinaryOp::NotEq), COMPARISON),
        Symbol::Lt => (Infix::Comparison(BinaryOp::Lt), COMPARISON),
        Symbol::LtEq => (Infix::Comparison(BinaryOp::LtEq), COMPARISON),
        Symbol::Gt => (Infix::Comparison(BinaryOp::Gt), COMPARISON),
        Symbol::GtEq => (Infix::Comparison(BinaryOp::GtEq), COMPARISON),
        Symbol::Plus => (Infix::Binary(BinaryOp::Add), SUM),
        Symbol::Minus => (Infix::Binary(BinaryOp::Sub), SUM),
        Symbol::Star => (Infix::Binary(BinaryOp::Mul), PRODUCT),
        Symbol::Slash => (Infix::Binary(BinaryOp::Div), PRODUCT),
        Symbol::Percent => (Infix::Binary(BinaryOp::Mod), PRODUCT),
        Symbol::Concat => (Infix::Binary(BinaryOp::Concat), PRODUCT),
        _ => return None,
    };
    Some(infix)
}
