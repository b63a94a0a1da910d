//! MATCH_RECOGNIZE.

use super::writer::Writer;
use crate::ast::{AfterMatch, Ident, MatchRecognize, Pattern, PatternKind, PatternQuantifier, RowsPerMatch};

impl Writer {
    pub(super) fn match_recognize(&mut self, clause: &MatchRecognize) {
        self.table_ref(&clause.input);
        self.push(" MATCH_RECOGNIZE (");
        if !clause.partition_by.is_empty() {
            self.push("\nPARTITION BY ");
            self.exprs(&clause.partition_by);
        }
        if !clause.order_by.is_empty() {
            self.push("\n");
            self.order_by(&clause.order_by);
        }
        if !clause.measures.is_empty() {
            self.push("\nMEASURES ");
            self.list(&clause.measures, ", ", |w, measure| {
                w.expr(&measure.expr);
                w.push(" AS ");
                w.ident(&measure.alias);
            });
        }
        match clause.rows_per_match {
            Some((RowsPerMatch::One, _)) => self.push("\nONE ROW PER MATCH"),
            Some((RowsPerMatch::All, _)) => self.push("\nALL ROWS PER MATCH"),
            None => {}
        }
        if let Some((after, _)) = &clause.after_match {
            self.after_match(after);
        }
        self.push("\nPATTERN (");
        self.push(if clause.start_anchor { "^ " } else { "" });
        self.pattern(&clause.pattern);
        self.push(if clause.end_anchor { " $)" } else { ")" });
        self.option("\nWITHIN ", clause.within.as_ref());
        self.match_definitions(clause);
        self.push("\n)");
    }

    fn match_definitions(&mut self, clause: &MatchRecognize) {
        if !clause.subsets.is_empty() {
            self.push("\nSUBSET ");
            self.list(&clause.subsets, ", ", |w, subset| {
                w.ident(&subset.name);
                w.push(" = (");
                w.idents(&subset.variables);
                w.push(")");
            });
        }
        self.push("\nDEFINE ");
        self.list(&clause.define, ", ", |w, define| {
            w.ident(&define.variable);
            w.push(" AS ");
            w.expr(&define.condition);
        });
    }

    fn after_match(&mut self, after: &AfterMatch) {
        self.push("\nAFTER MATCH SKIP ");
        let mut target = |words: &str, variable: &Ident| {
            self.push(words);
            self.ident(variable);
        };
        match after {
            AfterMatch::First(variable) => target("TO FIRST ", variable),
            AfterMatch::Last(variable) => target("TO LAST ", variable),
            AfterMatch::NextRow => self.push("TO NEXT ROW"),
            AfterMatch::PastLastRow => self.push("PAST LAST ROW"),
        }
    }

    fn pattern(&mut self, pattern: &Pattern) {
        match &pattern.kind {
            PatternKind::Variable(variable) => self.ident(variable),
            PatternKind::Sequence(parts) => self.list(parts, " ", Self::pattern),
            PatternKind::Alternation(branches) => self.list(branches, " | ", Self::pattern),
            PatternKind::Group(inner) => {
                self.push("(");
                self.pattern(inner);
                self.push(")");
            }
            PatternKind::Repeat(inner, quantifier) => {
                self.pattern(inner);
                self.quantifier(quantifier);
            }
            PatternKind::Permute(parts) => {
                self.push("PERMUTE(");
                self.list(parts, ", ", Self::pattern);
                self.push(")");
            }
            PatternKind::Exclusion(inner) => {
                self.push("{- ");
                self.pattern(inner);
                self.push(" -}");
            }
        }
    }

    fn quantifier(&mut self, quantifier: &PatternQuantifier) {
        match (quantifier.min, quantifier.max) {
            (Some(0), None) => self.push("*"),
            (Some(1), None) => self.push("+"),
            (Some(0), Some(1)) => self.push("?"),
            (min, max) => {
                self.push("{");
                if let Some(min) = min {
                    self.number(min);
                }
                if min != max {
                    self.push(",");
                    if let Some(max) = max {
                        self.number(max);
                    }
                }
                self.push("}");
            }
        }
        self.push(if quantifier.reluctant { "?" } else { "" });
    }
}
