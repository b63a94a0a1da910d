//! Literals, intervals and units of time.

use super::stream::{Parse, Parser};
use crate::ast::{Expr, ExprKind, IntervalLiteral, IntervalQualifier, Literal, TimeUnit, UnaryOp};
use crate::lexer::{Symbol, TokenKind};
use crate::span::Span;

impl Parser<'_> {
    /// A string literal; further strings on following lines continue it.
    pub(super) fn string_literal(&mut self) -> Parse<Expr> {
        let start = self.span();
        let mut value = self.text("a string")?.value;
        while matches!(self.peek(), TokenKind::String(_)) {
            let gap = Span::new(self.previous_span().end, self.span().start);
            if !gap.text(self.source).contains('\n') {
                return Err(self.error(
                    self.span(),
                    "a second string follows a string on the same line".to_owned(),
                    "use || to join strings, or '' for a quote inside one",
                ));
            }
            value.push_str(&self.text("a string")?.value);
        }
        Ok(Expr::new(ExprKind::Literal(Literal::String(value)), self.since(start)))
    }

    /// A number or a binary string.
    pub(super) fn other_literal(&mut self) -> Expr {
        let token = self.advance();
        let text = token.span.text(self.source).to_owned();
        let literal = match token.kind {
            TokenKind::Binary(digits) => Literal::Binary(digits),
            TokenKind::Double => Literal::Double(text),
            _ => Literal::Number(text),
        };
        Expr::new(ExprKind::Literal(literal), token.span)
    }

    /// TRUE, FALSE, NULL, UNKNOWN, and `DATE|TIME|TIMESTAMP '..'`, if one comes next.
    pub(super) fn word_literal(&mut self, word: &str) -> Parse<Option<Expr>> {
        let start = self.span();
        let timed = matches!(self.peek_at(1), TokenKind::String(_));
        let make: fn(String) -> Literal = match word {
            "TRUE" => |_| Literal::Boolean(true),
            "FALSE" => |_| Literal::Boolean(false),
            "NULL" => |_| Literal::Null,
            "UNKNOWN" => |_| Literal::Unknown,
            "DATE" if timed => Literal::Date,
            "TIME" if timed => Literal::Time,
            "TIMESTAMP" if timed => Literal::Timestamp,
            _ => return Ok(None),
        };
        self.advance();
        let mut text = String::new();
        if matches!(word, "DATE" | "TIME" | "TIMESTAMP") {
            text = self.text("a time as a string")?.value;
        }
        let span = self.since(start);
        Ok(Some(Expr::new(ExprKind::Literal(make(text)), span)))
    }

    /// `INTERVAL [-]'..' qualifier`, or `INTERVAL e unit` with a number, a name or parentheses.
    pub(super) fn interval(&mut self) -> Parse<Expr> {
        let start = self.expect_word("INTERVAL")?;
        let sign = self.span();
        let negative = self.eat_symbol(Symbol::Minus);
        if !negative {
            self.eat_symbol(Symbol::Plus);
        }
        if let TokenKind::String(_) = self.peek() {
            let text = self.text("the interval's value")?;
            let literal = IntervalLiteral {
                negative,
                value: text.value,
                value_span: text.span,
                qualifier: self.interval_qualifier()?,
            };
            let literal = Literal::Interval(literal);
            return Ok(Expr::new(ExprKind::Literal(literal), self.since(start)));
        }
        let mut value = self.interval_operand()?;
        if negative {
            let span = sign.to(value.span);
            let kind = ExprKind::Unary { op: UnaryOp::Minus, operand: value };
            value = Expr::new(kind, span);
        }
        let qualifier = self.interval_qualifier()?;
        let kind = ExprKind::IntervalOf { value, qualifier };
        Ok(Expr::new(kind, self.since(start)))
    }

    fn interval_operand(&mut self) -> Parse<Expr> {
        match self.peek() {
            TokenKind::Number => Ok(self.other_literal()),
            TokenKind::Symbol(Symbol::LParen) => {
                self.advance();
                let value = self.expr()?;
                self.expect_symbol(Symbol::RParen)?;
                Ok(value)
            }
            _ if self.at_ident() => {
                let start = self.span();
                let parts = self.compound_ident("a name")?;
                Ok(Expr::new(ExprKind::Name(parts), self.since(start)))
            }
            _ => Err(self.expected("the interval's value as a string such as '5'")),
        }
    }

    /// `unit[(p)] [TO unit[(p)]]`.
    pub(super) fn interval_qualifier(&mut self) -> Parse<IntervalQualifier> {
        let begin = self.span();
        let start = self.interval_unit()?;
        let (mut start_precision, mut fraction_precision) = (None, None);
        if self.eat_symbol(Symbol::LParen) {
            start_precision = Some(self.unsigned("the number of digits")?);
            if start == TimeUnit::Second && self.eat_symbol(Symbol::Comma) {
                fraction_precision = Some(self.unsigned("the number of digits")?);
            }
            self.expect_symbol(Symbol::RParen)?;
        }
        let mut end = None;
        if self.eat_word("TO") {
            end = Some(self.interval_unit()?);
            if end == Some(TimeUnit::Second) && self.eat_symbol(Symbol::LParen) {
                fraction_precision = Some(self.unsigned("the number of digits")?);
                self.expect_symbol(Symbol::RParen)?;
            }
        }
        Ok(IntervalQualifier { start, start_precision, end, fraction_precision, span: self.since(begin) })
    }

    fn interval_unit(&mut self) -> Parse<TimeUnit> {
        const WHAT: &str = "a unit of time such as SECOND, MINUTE, HOUR or DAY";
        self.unit(WHAT, |unit| {
            matches!(
                unit,
                TimeUnit::Year
                    | TimeUnit::Quarter
                    | TimeUnit::Month
                    | TimeUnit::Week
                    | TimeUnit::Day
                    | TimeUnit::Hour
                    | TimeUnit::Minute
                    | TimeUnit::Second
            )
        })
    }

    /// Any unit of time.
    pub(super) fn time_unit(&mut self) -> Parse<TimeUnit> {
        self.unit("a unit of time such as SECOND, HOUR, DAY or MONTH", |_| true)
    }

    fn unit(&mut self, what: &str, allowed: impl Fn(TimeUnit) -> bool) -> Parse<TimeUnit> {
        // Asked for so that a misspelt unit gets its hint.
        self.at_any(&["YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"]);
        match self.word_at(0).and_then(unit_of).filter(|u| allowed(*u)) {
            Some(unit) => {
                self.advance();
                Ok(unit)
            }
            None => Err(self.expected(what)),
        }
    }

    /// Whether a singular unit of an interval comes next, as behind `(a - b)`.
    pub(super) fn at_interval_unit(&self) -> bool {
        const UNITS: &[&str] = &["YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"];
        self.word_at(0).is_some_and(|word| UNITS.iter().any(|u| u.eq_ignore_ascii_case(word)))
    }
}

/// The unit a word names: singular, plural or with the `SQL_TSI_` prefix of ODBC.
fn unit_of(word: &str) -> Option<TimeUnit> {
    let upper = word.to_ascii_uppercase();
    let unit = match upper.strip_prefix("SQL_TSI_").unwrap_or(&upper) {
        "MILLENNIUM" => TimeUnit::Millennium,
        "CENTURY" => TimeUnit::Century,
        "DECADE" => TimeUnit::Decade,
        "YEAR" | "YEARS" => TimeUnit::Year,
        "ISOYEAR" => TimeUnit::IsoYear,
        "QUARTER" | "QUARTERS" => TimeUnit::Quarter,
        "MONTH" | "MONTHS" => TimeUnit::Month,
        "WEEK" | "WEEKS" => TimeUnit::Week,
        "DAY" | "DAYS" => TimeUnit::Day,
        "DOW" => TimeUnit::Dow,
        "ISODOW" => TimeUnit::IsoDow,
        "DOY" => TimeUnit::Doy,
        "HOUR" | "HOURS" => TimeUnit::Hour,
        "MINUTE" | "MINUTES" => TimeUnit::Minute,
        "SECOND" | "SECONDS" => TimeUnit::Second,
        "MILLISECOND" => TimeUnit::Millisecond,
        "MICROSECOND" | "FRAC_SECOND" => TimeUnit::Microsecond,
        "NANOSECOND" => TimeUnit::Nanosecond,
        "EPOCH" => TimeUnit::Epoch,
        _ => return None,
    };
    Some(unit)
}
