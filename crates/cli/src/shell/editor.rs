//! The line editor with our completion and our idea of when a statement is all there.

use super::commands;
use super::complete::Names;
use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Helper};
use tidemill_engine::Engine;

const HISTORY_LENGTH: usize = 1_000;

/// The line editor.
pub(super) type Editor = rustyline::Editor<Assistant, FileHistory>;

/// A line editor on the terminal.
pub(super) fn open() -> rustyline::Result<Editor> {
    let config =
        Config::builder().max_history_size(HISTORY_LENGTH)?.completion_type(CompletionType::List).build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(Assistant::default()));
    Ok(editor)
}

/// What the editor asks while somebody types.
#[derive(Debug, Default)]
pub(super) struct Assistant {
    names: Names,
}

impl Assistant {
    /// Learns the names of the session as it is now.
    pub(super) fn refresh(&mut self, engine: &Engine) {
        self.names = Names::of(engine);
    }
}

impl Completer for Assistant {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        cursor: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.names.candidates(line, cursor))
    }
}

impl Validator for Assistant {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(match commands::complete(context.input()) {
            true => ValidationResult::Valid(None),
            false => ValidationResult::Incomplete,
        })
    }
}

impl Hinter for Assistant {
    type Hint = String;
}

impl Highlighter for Assistant {}

impl Helper for Assistant {}
