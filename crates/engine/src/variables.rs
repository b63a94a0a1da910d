//! `${NAME}` and `${NAME:-default}` in a script, replaced as text before it is parsed.
//!
//! Invariant: a name without value and default is an error with its place, never an empty text.

use std::collections::BTreeMap;
use tidemill_sql::Diagnostic;
use tidemill_sql::span::Span;

/// Values by name: those given first, then the environment.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    given: BTreeMap<String, String>,
    environment: bool,
}

impl Variables {
    /// These values, and the environment behind them.
    pub fn new(given: impl IntoIterator<Item = (String, String)>) -> Self {
        Variables { given: given.into_iter().collect(), environment: true }
    }

    /// These values only.
    pub fn only(given: impl IntoIterator<Item = (String, String)>) -> Self {
        Variables { environment: false, ..Variables::new(given) }
    }

    fn value(&self, name: &str) -> Option<String> {
        let from_environment = || self.environment.then(|| std::env::var(name).ok()).flatten();
        self.given.get(name).cloned().or_else(from_environment)
    }

    /// The text with all variables replaced. Places in errors are those of the text given.
    pub fn replace(&self, text: &str) -> Result<String, Vec<Diagnostic>> {
        let mut out = String::with_capacity(text.len());
        let mut errors = Vec::new();
        let mut at = 0;
        while let Some(found) = text[at..].find("${") {
            let start = at + found;
            out.push_str(&text[at..start]);
            let Some(length) = text[start..].find('}') else {
                errors.push(Diagnostic::new(Span::new(start, start + 2), "'${' lacks its '}'"));
                at = start + 2;
                continue;
            };
            let end = start + length + 1;
            match self.resolve(&text[start + 2..end - 1]) {
                Some(value) => out.push_str(&value),
                None => errors.push(unset(&text[start + 2..end - 1], Span::new(start, end))),
            }
            at = end;
        }
        out.push_str(&text[at..]);
        if errors.is_empty() { Ok(out) } else { Err(errors) }
    }

    fn resolve(&self, inside: &str) -> Option<String> {
        match inside.split_once(":-") {
            Some((name, default)) => {
                let value = self.value(name).filter(|value| !value.is_empty());
                Some(value.unwrap_or_else(|| default.to_string()))
            }
            None => self.value(inside),
        }
    }
}

fn unset(name: &str, span: Span) -> Diagnostic {
    Diagnostic::new(span, format!("the variable '{name}' has no value"))
        .with_hint(format!("give --var {name}=…, set it in the environment, or write ${{{name}:-default}}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replace(text: &str) -> Result<String, Vec<Diagnostic>> {
        Variables::only([("A".to_string(), "1".to_string()), ("E".to_string(), String::new())]).replace(text)
    }

    #[test]
    fn values_and_defaults_are_put_in() {
        assert_eq!(replace("x ${A} ${B:-two} ${E:-three}$").unwrap(), "x 1 two three$");
    }

    #[test]
    fn each_unset_name_is_reported_with_its_place() {
        let errors = replace("${B} ${C").unwrap_err();
        assert_eq!(errors.iter().map(|e| e.span).collect::<Vec<_>>(), [Span::new(0, 4), Span::new(5, 7)]);
        assert!(errors[0].hint.as_deref().unwrap().starts_with("give --var B="));
    }
}
