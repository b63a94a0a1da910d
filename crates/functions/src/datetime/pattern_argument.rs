//! A pattern that is an argument: compiled when bound if it is a literal, else kept while it stays the same.

use super::pattern::{Pattern, Style};
use crate::bind::Binding;
use crate::lane::{Reader, Text};
use std::sync::Arc;
use tidemill_plan::Datum;
use tidemill_types::Result;

/// Where a call's pattern comes from.
#[derive(Clone)]
pub(super) struct PatternArgument {
    fixed: Option<Arc<Pattern>>,
    arg: usize,
    style: Style,
}

impl PatternArgument {
    /// The pattern in an argument, or a default one if there is no such argument.
    pub(super) fn bind(binding: &Binding<'_>, arg: usize, style: Style, default: &str) -> Result<Self> {
        let text = if arg < binding.args.len() { binding.text(arg) } else { Some(default) };
        let fixed = text.map(|text| Pattern::compile(text, style).map(Arc::new)).transpose()?;
        Ok(PatternArgument { fixed, arg, style })
    }

    /// Reads it row by row.
    pub(super) fn reader<'a>(&'a self, args: &'a [Datum]) -> PatternReader<'a> {
        let texts = args.get(self.arg).map(Reader::new);
        PatternReader { argument: self, texts, current: None }
    }
}

/// The patterns of a chunk.
pub(super) struct PatternReader<'a> {
    argument: &'a PatternArgument,
    texts: Option<Reader<'a, Text>>,
    current: Option<(&'a str, Pattern)>,
}

impl PatternReader<'_> {
    /// The pattern of a row, unless NULL.
    #[inline]
    pub(super) fn at(&mut self, row: usize) -> Result<Option<&Pattern>> {
        match &self.argument.fixed {
            Some(pattern) => Ok(Some(pattern)),
            None => self.variable(row),
        }
    }

    fn variable(&mut self, row: usize) -> Result<Option<&Pattern>> {
        let Some(text) = self.texts.as_ref().and_then(|texts| texts.get(row)) else { return Ok(None) };
        if self.current.as_ref().is_none_or(|(held, _)| *held != text) {
            self.current = Some((text, Pattern::compile(text, self.argument.style)?));
        }
        Ok(self.current.as_ref().map(|(_, pattern)| pattern))
    }
}
