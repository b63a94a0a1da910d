//! What is wrong with a text, where, and what to do about it; and how that is shown.
//!
//! A diagnostic holds byte ranges only; [`render`] turns them into lines, columns and carets.
//! Columns count characters from 1, as editors do; the underline follows the width the characters
//! take on a terminal.

mod render;

pub use render::render;

use crate::span::Span;

/// One error in a text.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Diagnostic {
    /// The place.
    pub span: Span,
    /// What is wrong: lower-case, without a final stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Further facts.
    pub notes: Vec<String>,
}

impl Diagnostic {
    /// An error without a hint.
    #[must_use]
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), hint: None, notes: Vec::new() }
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with one more note.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}
