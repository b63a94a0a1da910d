//! Regular expressions as `java.util.regex` has them, run by `fancy-regex`.
//!
//! Invariant: a constant pattern is compiled when its call is bound; others go through a cache of bounded
//! size. An invalid pattern is no error here: each function says what it gives then.

pub mod functions;
pub mod translate;

pub use functions::register;

use fancy_regex::{Captures, Regex};
use std::collections::HashMap;
use std::sync::Arc;
use tidemill_types::{Error, Result};

/// A pattern ready to run.
pub struct Compiled(Regex);

impl Compiled {
    /// Compiles a pattern in Java's syntax.
    pub fn new(pattern: &str) -> Result<Self> {
        Regex::new(&translate::from_java(pattern))
            .map(Compiled)
            .map_err(|error| Error::user(format!("'{pattern}' is no valid regular expression: {error}")))
    }

    /// Whether it matches anywhere.
    pub fn is_match(&self, text: &str) -> Result<bool> {
        self.0.is_match(text).map_err(too_complex)
    }

    /// The first match from a byte position on, with its groups.
    pub fn captures_from<'t>(&self, text: &'t str, from: usize) -> Result<Option<Captures<'t, str>>> {
        self.0.captures_from_pos(text, from).map_err(too_complex)
    }

    /// The byte range of the first match from a position on.
    pub fn find_from(&self, text: &str, from: usize) -> Result<Option<(usize, usize)>> {
        let found = self.0.find_from_pos(text, from).map_err(too_complex)?;
        Ok(found.map(|found| (found.start(), found.end())))
    }

    /// How many groups it has, the whole match not counted.
    pub fn groups(&self) -> usize {
        self.0.captures_len() - 1
    }

    /// Calls with the byte range of each match, in order; an empty match moves on by one character.
    pub fn each_match(&self, text: &str, mut f: impl FnMut(usize, usize)) -> Result<()> {
        let mut from = 0;
        while from <= text.len() {
            let Some((start, end)) = self.find_from(text, from)? else { break };
            f(start, end);
            from = after_match(text, start, end);
        }
        Ok(())
    }
}

/// Where to look for the match after one.
pub fn after_match(text: &str, start: usize, end: usize) -> usize {
    match end > start {
        true => end,
        false => end + text[end..].chars().next().map_or(1, char::len_utf8),
    }
}

fn too_complex(error: fancy_regex::Error) -> Error {
    Error::data(format!("the regular expression takes too long on this text: {error}"))
}

/// Patterns that come from columns, compiled once each while there are few.
#[derive(Default)]
pub struct PatternCache {
    compiled: HashMap<String, Option<Arc<Compiled>>>,
}

impl PatternCache {
    /// How many patterns are kept.
    const PATTERNS_MAX: usize = 64;

    /// The compiled pattern, `None` if it is invalid.
    pub fn get(&mut self, pattern: &str) -> Option<Arc<Compiled>> {
        self.entry(pattern).clone()
    }

    /// The same by reference.
    pub fn get_ref(&mut self, pattern: &str) -> Option<&Compiled> {
        self.entry(pattern).as_deref()
    }

    fn entry(&mut self, pattern: &str) -> &Option<Arc<Compiled>> {
        if !self.compiled.contains_key(pattern) {
            if self.compiled.len() >= Self::PATTERNS_MAX {
                self.compiled.clear();
            }
            self.compiled.insert(pattern.into(), Compiled::new(pattern).ok().map(Arc::new));
        }
        &self.compiled[pattern]
    }
}
