//! PATTERN of MATCH_RECOGNIZE: the tree of variables and quantifiers, and what Flink refuses of it.
//!
//! Rules (Flink documentation, "Pattern Recognition", and measured): a variable stands in the pattern once; a greedy
//! quantifier can't be the last; what may match no row at all is refused, as are `??`, `{,m}`, and `?` or `*` behind a
//! greedy quantifier. Parentheses without a quantifier mean nothing. Groups with quantifiers and alternatives are extensions.

use super::Bound;
use crate::ast::{self, Ident, PatternKind, PatternQuantifier};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use tidemill_plan::pattern::RowPattern;

/// The setting that allows what Flink has not.
pub(crate) const EXTENSIONS: &str = "tidemill.match-recognize.extensions";

/// How many variables a pattern may have.
const VARIABLES_MAX: usize = 64;
/// How many rows all counted quantifiers of a pattern may ask for.
const ROWS_MAX: u64 = 10_000;

/// Collects a pattern and its variables.
pub(crate) struct PatternBinder {
    pub(crate) variables: Vec<String>,
    extensions: bool,
}

/// Binds a whole pattern.
pub(crate) fn bind_pattern(pattern: &ast::Pattern, extensions: bool) -> Bound<(RowPattern, Vec<String>)> {
    let mut binder = PatternBinder { variables: Vec::new(), extensions };
    let bound = binder.bind(pattern)?;
    if ends_greedy(&bound) {
        return Err(Diagnostic::new(
            pattern.span,
            "Greedy quantifiers are not allowed as the last element of a PATTERN",
        )
        .with_hint("finish the pattern with a simple variable or a reluctant quantifier, as in A+?"));
    }
    if bound.may_be_empty() {
        let message = "a PATTERN that may match no row at all is not supported";
        return Err(Diagnostic::new(pattern.span, message)
            .with_hint("at least one variable must stand without `?`, `*` or {0,..}"));
    }
    if rows(&bound) > ROWS_MAX {
        let message = format!("the quantifiers of PATTERN ask for more than {ROWS_MAX} rows");
        return Err(Diagnostic::new(pattern.span, message).with_hint("use {n,} or a shorter pattern"));
    }
    Ok((bound, binder.variables))
}

/// The refusal of an extension that is not switched on.
pub(crate) fn extension(span: Span, what: &str) -> Diagnostic {
    Diagnostic::new(span, format!("{what} is not supported by Flink")).with_hint(format!(
        "SET '{EXTENSIONS}' = 'true' allows it in tidemill; the file does not run on Flink then"
    ))
}

impl PatternBinder {
    fn bind(&mut self, pattern: &ast::Pattern) -> Bound<RowPattern> {
        let span = pattern.span;
        match &pattern.kind {
            PatternKind::Variable(name) => self.variable(name).map(RowPattern::Variable),
            PatternKind::Sequence(parts) => self.sequence(parts),
            PatternKind::Group(inner) => self.bind(inner),
            PatternKind::Alternation(_) if !self.extensions => {
                Err(extension(span, "an alternation `|` in PATTERN"))
            }
            PatternKind::Alternation(parts) => {
                let parts = parts.iter().map(|part| self.bind(part)).collect::<Bound<Vec<_>>>()?;
                Ok(RowPattern::Alternation(parts))
            }
            PatternKind::Repeat(inner, quantifier) => self.repeat(inner, quantifier),
            PatternKind::Permute(_) => {
                Err(Diagnostic::new(span, "PERMUTE in PATTERN is not supported, as in Flink"))
            }
            PatternKind::Exclusion(_) => {
                Err(Diagnostic::new(span, "an exclusion {- -} in PATTERN is not supported, as in Flink"))
            }
        }
    }

    fn variable(&mut self, name: &Ident) -> Bound<usize> {
        let known = self.variables.iter().position(|known| *known == name.value);
        match known {
            Some(known) if self.extensions => return Ok(known),
            Some(_) => {
                let message = format!("the pattern variable '{}' stands in PATTERN twice", name.value);
                return Err(Diagnostic::new(name.span, message).with_hint("pattern variables must be unique"));
            }
            None => {}
        }
        if self.variables.len() == VARIABLES_MAX {
            let message = format!("a PATTERN has at most {VARIABLES_MAX} variables");
            return Err(Diagnostic::new(name.span, message));
        }
        self.variables.push(name.value.clone());
        Ok(self.variables.len() - 1)
    }

    fn sequence(&mut self, parts: &[ast::Pattern]) -> Bound<RowPattern> {
        let mut bound: Vec<RowPattern> = Vec::with_capacity(parts.len());
        for part in parts {
            let next = match self.bind(part)? {
                RowPattern::Sequence(inner) => inner,
                other => vec![other],
            };
            if bound.last().is_some_and(greedy) && next.first().is_some_and(optional) {
                let message =
                    "an optional variable (`?`, `*`) can't stand behind a greedy quantifier in PATTERN";
                return Err(Diagnostic::new(part.span, message)
                    .with_hint("make the quantifier before it reluctant, as in A+?"));
            }
            bound.extend(next);
        }
        Ok(RowPattern::Sequence(bound))
    }

    fn repeat(&mut self, inner: &ast::Pattern, quantifier: &PatternQuantifier) -> Bound<RowPattern> {
        let group = !matches!(self.ungrouped(inner).kind, PatternKind::Variable(_));
        if group && !self.extensions {
            return Err(extension(inner.span, "a group with a quantifier in PATTERN"));
        }
        let (min, max, reluctant) = (quantifier.min, quantifier.max, quantifier.reluctant);
        let refused =
            |message: &str, hint: &str| Err(Diagnostic::new(quantifier.span, message).with_hint(hint));
        let Some(min) = min else {
            return refused("the quantifier {,m} is not supported", "write {0,m}, which Flink takes");
        };
        if max == Some(0) || max.is_some_and(|max| max < min) {
            return refused(
                "the upper bound of the quantifier is too small",
                "write {n,m} with 0 <= n <= m and m > 0",
            );
        }
        if reluctant && (min, max) == (0, Some(1)) {
            return refused(
                "reluctant optional variables (`??`) are not supported",
                "write `?`: the match that is complete first wins anyway",
            );
        }
        let inner = Box::new(self.bind(inner)?);
        if inner.may_be_empty() {
            return refused(
                "a group that may match no row can't be repeated",
                "put the quantifier on the variables inside of the group",
            );
        }
        Ok(RowPattern::Repeat { inner, min, max, reluctant })
    }

    fn ungrouped<'p>(&self, pattern: &'p ast::Pattern) -> &'p ast::Pattern {
        match &pattern.kind {
            PatternKind::Group(inner) => self.ungrouped(inner),
            _ => pattern,
        }
    }
}

/// Whether it is a loop that gives nothing back.
fn greedy(pattern: &RowPattern) -> bool {
    match pattern {
        RowPattern::Repeat { min, max, reluctant, .. } => {
            !reluctant && *max != Some(*min) && (*min, *max) != (0, Some(1))
        }
        _ => false,
    }
}

/// Whether it is `?` or `*`; Flink lets {0,m} pass.
fn optional(pattern: &RowPattern) -> bool {
    matches!(pattern, RowPattern::Repeat { min: 0, max: None | Some(1), .. })
}

fn ends_greedy(pattern: &RowPattern) -> bool {
    match pattern {
        RowPattern::Variable(_) => false,
        RowPattern::Sequence(parts) => parts.last().is_some_and(ends_greedy),
        RowPattern::Alternation(parts) => parts.iter().any(ends_greedy),
        RowPattern::Repeat { inner, .. } => greedy(pattern) || ends_greedy(inner),
    }
}

/// How many rows a pattern is spelled out to.
fn rows(pattern: &RowPattern) -> u64 {
    match pattern {
        RowPattern::Variable(_) => 1,
        RowPattern::Sequence(parts) | RowPattern::Alternation(parts) => {
            parts.iter().fold(0, |sum, part| sum.saturating_add(rows(part)))
        }
        RowPattern::Repeat { inner, min, max, .. } => {
            rows(inner).saturating_mul(u64::from(max.unwrap_or(min.saturating_add(1))))
        }
    }
}
