//! A script: its text with variables replaced, and its statements.

use crate::{EngineError, Variables};
use tidemill_sql::ast::{Statement, StatementKind};
use tidemill_sql::{Diagnostic, parse_script};

/// The parsed text of a file or of one input of the shell.
#[derive(Debug, Clone)]
pub struct Script {
    name: String,
    text: String,
    pub(crate) statements: Vec<Statement>,
}

/// What a front end may want to know of a statement before it runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementInfo {
    /// Its text.
    pub text: String,
    /// The line on which it starts, from 1.
    pub line: usize,
    /// Whether it runs a job: a query, an INSERT, a statement set or CREATE TABLE AS.
    pub runs_job: bool,
}

impl Script {
    /// Parses a text; all errors in it are reported at once.
    pub fn parse(name: &str, text: &str, variables: &Variables) -> Result<Script, EngineError> {
        let refused =
            |text: &str, diagnostics: Vec<Diagnostic>| EngineError::refused(name, text, &diagnostics);
        let text = variables.replace(text).map_err(|errors| refused(text, errors))?;
        let (statements, errors) = parse_script(&text);
        match errors.is_empty() {
            true => Ok(Script { name: name.to_string(), text, statements }),
            false => Err(refused(&text, errors)),
        }
    }

    /// How many statements it has.
    pub fn len(&self) -> usize {
        self.statements.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// What stands at this place.
    pub fn info(&self, index: usize) -> StatementInfo {
        let statement = &self.statements[index];
        StatementInfo {
            text: statement.span.text(&self.text).to_string(),
            line: self.text[..statement.span.start].matches('\n').count() + 1,
            runs_job: match &statement.kind {
                StatementKind::Query(_) | StatementKind::Insert(_) | StatementKind::StatementSet(_) => true,
                StatementKind::CreateTable(create) => create.query.is_some(),
                _ => false,
            },
        }
    }

    pub(crate) fn refused(&self, diagnostic: Diagnostic) -> EngineError {
        EngineError::refused(&self.name, &self.text, &[diagnostic])
    }
}
