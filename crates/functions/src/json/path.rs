//! Paths into JSON documents: `[lax|strict] $.name['name'][0][*].*..name`.
//!
//! A path without wildcards leads to one value; one with them gives an array of all values it leads to.

use serde_json::Value;

/// A parsed path.
pub struct Path {
    /// Whether a missing member is an empty result instead of an error.
    pub lax: bool,
    steps: Vec<Step>,
}

enum Step {
    Member(String),
    Element(i64),
    All,
    /// A member at any depth.
    Deep(String),
}

/// Where a path leads.
pub enum Found {
    /// To one value, which may be the JSON null.
    Value(Value),
    /// To nothing, which is fine in lax mode.
    Empty,
    /// To nothing, or the document is no JSON.
    Error,
}

impl Path {
    /// Reads a path; strict is the default.
    pub fn parse(text: &str) -> Option<Path> {
        let text = text.trim();
        let (lax, rest) = match text.split_once(char::is_whitespace) {
            Some((word, rest)) if word.eq_ignore_ascii_case("lax") => (true, rest),
            Some((word, rest)) if word.eq_ignore_ascii_case("strict") => (false, rest),
            _ => (false, text),
        };
        let mut rest = rest.trim().strip_prefix('$')?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = step(rest)?;
            steps.push(step);
            rest = after;
        }
        Some(Path { lax, steps })
    }

    /// Follows the path through a document in text form.
    pub fn find(&self, text: &str) -> Found {
        let missing = || if self.lax { Found::Empty } else { Found::Error };
        let Ok(document) = serde_json::from_str::<Value>(text) else { return missing() };
        if document.is_null() {
            return Found::Error;
        }
        if self.steps.iter().all(|step| matches!(step, Step::Member(_) | Step::Element(_))) {
            let found = self.steps.iter().try_fold(&document, |value, step| step.single(value));
            return found.map_or_else(missing, |found| Found::Value(found.clone()));
        }
        // What stands before the first wildcard must be there, but for lax mode.
        let definite =
            self.steps.iter().take_while(|step| matches!(step, Step::Member(_) | Step::Element(_)));
        let mut definite = definite.scan(&document, |value, step| {
            let found = step.single(value);
            found.into_iter().for_each(|found| *value = found);
            Some(found)
        });
        if !self.lax && definite.any(|found| found.is_none()) {
            return Found::Error;
        }
        let mut values = vec![&document];
        for step in &self.steps {
            values = values.into_iter().flat_map(|value| step.every(value)).collect();
        }
        Found::Value(Value::Array(values.into_iter().cloned().collect()))
    }
}

fn step(text: &str) -> Option<(Step, &str)> {
    if let Some(rest) = text.strip_prefix("..") {
        let (name, rest) = name(rest)?;
        return Some((Step::Deep(name), rest));
    }
    if let Some(rest) = text.strip_prefix(".*").or_else(|| text.strip_prefix("[*]")) {
        return Some((Step::All, rest));
    }
    if let Some(rest) = text.strip_prefix('.') {
        let (name, rest) = name(rest)?;
        return Some((Step::Member(name), rest));
    }
    let (inside, rest) = bracket(text.strip_prefix('[')?)?;
    let inside = inside.trim();
    let quoted = ['\'', '"'].iter().find_map(|quote| inside.strip_prefix(*quote)?.strip_suffix(*quote));
    match quoted {
        Some(name) => Some((Step::Member(name.to_owned()), rest)),
        None => Some((Step::Element(inside.parse().ok()?), rest)),
    }
}

/// The text up to the bracket that closes, which may stand in quotes before.
fn bracket(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '\'' || c == '"' => quote = Some(c),
            None if c == ']' => return Some((&text[..at], &text[at + 1..])),
            None => {}
        }
    }
    None
}

fn name(text: &str) -> Option<(String, &str)> {
    if let Some(rest) = text.strip_prefix('"') {
        let (name, rest) = rest.split_once('"')?;
        return Some((name.to_owned(), rest));
    }
    let end = text.find(['.', '[']).unwrap_or(text.len());
    (end > 0).then(|| (text[..end].to_owned(), &text[end..]))
}

impl Step {
    fn single<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        match (self, value) {
            (Step::Member(name), Value::Object(members)) => members.get(name),
            (Step::Element(at), Value::Array(elements)) => {
                let from_end = if *at < 0 { elements.len() as i64 } else { 0 };
                elements.get(usize::try_from(at + from_end).ok()?)
            }
            _ => None,
        }
    }

    fn every<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        match self {
            Step::Member(_) | Step::Element(_) => self.single(value).into_iter().collect(),
            Step::All => children(value),
            Step::Deep(name) => {
                let mut found = Vec::new();
                deep(value, name, &mut found);
                found
            }
        }
    }
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(elements) => elements.iter().collect(),
        Value::Object(members) => members.values().collect(),
        _ => Vec::new(),
    }
}

fn deep<'v>(value: &'v Value, name: &str, found: &mut Vec<&'v Value>) {
    if let Value::Object(members) = value {
        found.extend(members.get(name));
    }
    children(value).into_iter().for_each(|child| deep(child, name, found));
}
