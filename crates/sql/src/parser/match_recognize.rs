//! MATCH_RECOGNIZE and its row patterns.

use super::stream::{Parse, Parser};
use crate::ast::{
    AfterMatch, Define, MatchRecognize, Measure, Pattern, PatternKind, PatternQuantifier, RowsPerMatch,
    Subset, TableRef, TableRefKind,
};
use crate::lexer::Symbol;
use crate::span::Span;

impl Parser<'_> {
    /// `MATCH_RECOGNIZE (..)` behind its input.
    pub(super) fn match_recognize(&mut self, input: TableRef) -> Parse<TableRef> {
        let input_span = input.span;
        let start = self.expect_word("MATCH_RECOGNIZE")?;
        self.expect_symbol(Symbol::LParen)?;
        let partition_by = match self.eat_words(&["PARTITION", "BY"]) {
            true => self.comma_list(Self::expr)?,
            false => Vec::new(),
        };
        let order_by = match self.eat_words(&["ORDER", "BY"]) {
            true => self.comma_list(Self::order_item)?,
            false => Vec::new(),
        };
        let measures = match self.eat_word("MEASURES") {
            true => self.comma_list(Self::measure)?,
            false => Vec::new(),
        };
        let rows_per_match = self.rows_per_match()?;
        let after_match = self.after_match()?;
        if !self.eat_word("PATTERN") {
            return Err(self.expected("MEASURES, ONE ROW PER MATCH, AFTER MATCH or PATTERN"));
        }
        let (start_anchor, pattern, end_anchor) = self.whole_pattern()?;
        let within = match self.eat_word("WITHIN") {
            true => Some(self.expr()?),
            false => None,
        };
        let subsets = match self.eat_word("SUBSET") {
            true => self.comma_list(Self::subset)?,
            false => Vec::new(),
        };
        if !self.eat_word("DEFINE") {
            return Err(self.expected("WITHIN, SUBSET or DEFINE"));
        }
        let define = self.comma_list(Self::define)?;
        self.close_list()?;
        let clause = MatchRecognize {
            input,
            partition_by,
            order_by,
            measures,
            rows_per_match,
            after_match,
            start_anchor,
            pattern,
            end_anchor,
            within,
            subsets,
            define,
            span: self.since(start),
        };
        Ok(TableRef {
            kind: TableRefKind::MatchRecognize(Box::new(clause)),
            alias: None,
            span: self.since(input_span),
        })
    }

    fn measure(&mut self) -> Parse<Measure> {
        let expr = self.expr()?;
        self.expect_word("AS")?;
        let alias = self.ident("the measure's name")?;
        Ok(Measure { expr, alias })
    }

    fn rows_per_match(&mut self) -> Parse<Option<(RowsPerMatch, Span)>> {
        let start = self.span();
        let rows = if self.eat_word("ONE") {
            self.expect_words(&["ROW", "PER", "MATCH"])?;
            RowsPerMatch::One
        } else if self.eat_word("ALL") {
            self.expect_words(&["ROWS", "PER", "MATCH"])?;
            RowsPerMatch::All
        } else {
            return Ok(None);
        };
        Ok(Some((rows, self.since(start))))
    }

    fn after_match(&mut self) -> Parse<Option<(AfterMatch, Span)>> {
        let start = self.span();
        if !self.eat_word("AFTER") {
            return Ok(None);
        }
        self.expect_words(&["MATCH", "SKIP"])?;
        let after = if self.eat_word("PAST") {
            self.expect_words(&["LAST", "ROW"])?;
            AfterMatch::PastLastRow
        } else if self.eat_word("TO") {
            self.skip_target()?
        } else {
            return Err(self.expected("PAST LAST ROW or TO"));
        };
        Ok(Some((after, self.since(start))))
    }

    fn skip_target(&mut self) -> Parse<AfterMatch> {
        const WHAT: &str = "a pattern variable";
        if self.eat_words(&["NEXT", "ROW"]) {
            return Ok(AfterMatch::NextRow);
        }
        if self.at_word("FIRST") && self.ident_at(1) {
            self.advance();
            return self.ident(WHAT).map(AfterMatch::First);
        }
        if self.at_word("LAST") && self.ident_at(1) {
            self.advance();
        }
        self.ident("NEXT ROW, FIRST, LAST or a pattern variable").map(AfterMatch::Last)
    }

    fn subset(&mut self) -> Parse<Subset> {
        let name = self.ident("the subset's name")?;
        self.expect_symbol(Symbol::Eq)?;
        let variables = self.parenthesized_list(|p| p.ident("a pattern variable"))?;
        Ok(Subset { name, variables })
    }

    fn define(&mut self) -> Parse<Define> {
        let variable = self.ident("a pattern variable")?;
        self.expect_word("AS")?;
        let condition = self.expr()?;
        Ok(Define { variable, condition })
    }

    /// `([^] pattern [$])`.
    fn whole_pattern(&mut self) -> Parse<(bool, Pattern, bool)> {
        self.expect_symbol(Symbol::LParen)?;
        let start_anchor = self.eat_symbol(Symbol::Caret);
        let pattern = self.pattern()?;
        let end_anchor = self.eat_symbol(Symbol::Dollar);
        if !self.eat_symbol(Symbol::RParen) {
            return Err(self.expected("a pattern variable, a quantifier or `)`"));
        }
        Ok((start_anchor, pattern, end_anchor))
    }

    /// `a b | c`.
    fn pattern(&mut self) -> Parse<Pattern> {
        self.nested(|p| {
            let start = p.span();
            let mut branches = vec![p.pattern_sequence()?];
            while p.eat_symbol(Symbol::Pipe) {
                branches.push(p.pattern_sequence()?);
            }
            Ok(p.one_or(branches, PatternKind::Alternation, start))
        })
    }

    fn one_or(&self, mut parts: Vec<Pattern>, many: fn(Vec<Pattern>) -> PatternKind, start: Span) -> Pattern {
        match parts.pop() {
            Some(only) if parts.is_empty() => only,
            last => {
                parts.extend(last);
                Pattern { kind: many(parts), span: self.since(start) }
            }
        }
    }

    fn pattern_sequence(&mut self) -> Parse<Pattern> {
        let start = self.span();
        let mut parts = vec![self.pattern_factor()?];
        while self.at_ident()
            || self.at_symbol(Symbol::LParen)
            || self.at_symbol(Symbol::LBrace)
            || self.at_word("PERMUTE")
        {
            parts.push(self.pattern_factor()?);
        }
        Ok(self.one_or(parts, PatternKind::Sequence, start))
    }

    fn pattern_factor(&mut self) -> Parse<Pattern> {
        let start = self.span();
        let kind = if self.eat_symbol(Symbol::LParen) {
            let inner = self.pattern()?;
            self.expect_symbol(Symbol::RParen)?;
            PatternKind::Group(Box::new(inner))
        } else if self.eat_symbol(Symbol::LBrace) {
            self.expect_symbol(Symbol::Minus)?;
            let inner = self.pattern()?;
            self.expect_symbol(Symbol::Minus)?;
            self.expect_symbol(Symbol::RBrace)?;
            PatternKind::Exclusion(Box::new(inner))
        } else if self.eat_word("PERMUTE") {
            PatternKind::Permute(self.parenthesized_list(Self::pattern)?)
        } else {
            PatternKind::Variable(self.ident("a pattern variable")?)
        };
        let pattern = Pattern { kind, span: self.since(start) };
        match self.pattern_quantifier()? {
            None => Ok(pattern),
            Some(quantifier) => Ok(Pattern {
                kind: PatternKind::Repeat(Box::new(pattern), quantifier),
                span: self.since(start),
            }),
        }
    }

    fn pattern_quantifier(&mut self) -> Parse<Option<PatternQuantifier>> {
        let start = self.span();
        let (min, max) = if self.eat_symbol(Symbol::Star) {
            (Some(0), None)
        } else if self.eat_symbol(Symbol::Plus) {
            (Some(1), None)
        } else if self.eat_symbol(Symbol::Question) {
            (Some(0), Some(1))
        } else if self.at_symbol(Symbol::LBrace) && !self.symbol_at(1, Symbol::Minus) {
            self.advance();
            self.counted_quantifier()?
        } else {
            return Ok(None);
        };
        let reluctant = self.eat_symbol(Symbol::Question);
        Ok(Some(PatternQuantifier { min, max, reluctant, span: self.since(start) }))
    }

    /// `n}`, `n,}`, `n,m}` or `,m}`.
    fn counted_quantifier(&mut self) -> Parse<(Option<u32>, Option<u32>)> {
        const WHAT: &str = "a number of rows";
        let min = match self.at_symbol(Symbol::Comma) {
            true => None,
            false => Some(self.unsigned(WHAT)?),
        };
        let max = if !self.eat_symbol(Symbol::Comma) {
            min
        } else if min.is_some() && self.at_symbol(Symbol::RBrace) {
            None
        } else {
            Some(self.unsigned(WHAT)?)
        };
        self.expect_symbol(Symbol::RBrace)?;
        Ok((min, max))
    }
}
