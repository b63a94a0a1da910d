//! What can go wrong, by what a front end does about it: refused text (exit code 2) or a failed run (1).

use tidemill_sql::Diagnostic;
use tidemill_sql::diagnostic::render;
use tidemill_types::Error;

/// Why a script or statement did not run to its end.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// The text, a plan or an option was refused before anything ran.
    #[error("{plain}")]
    Refused {
        /// All errors with their places, for a file or pipe.
        plain: String,
        /// The same with colours, for a terminal.
        coloured: String,
    },
    /// A job failed while it ran.
    #[error("{message}")]
    Failed {
        /// Why, with the record or system it failed at.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

impl EngineError {
    pub(crate) fn refused(name: &str, text: &str, diagnostics: &[Diagnostic]) -> Self {
        let all =
            |colour| diagnostics.iter().map(|d| render(d, text, name, colour)).collect::<Vec<_>>().join("\n");
        EngineError::Refused { plain: all(false), coloured: all(true) }
    }

    /// The text to show.
    pub fn text(&self, colour: bool) -> String {
        match self {
            EngineError::Refused { plain, coloured } => if colour { coloured } else { plain }.clone(),
            EngineError::Failed { message, hint } => {
                let head = if colour { "\x1b[1;31merror\x1b[0m" } else { "error" };
                let hint = hint.as_ref().map(|hint| format!("\n  = hint: {hint}")).unwrap_or_default();
                format!("{head}: {message}{hint}")
            }
        }
    }

    /// The process's exit code: 2 refused, 1 failed while running.
    pub fn exit_code(&self) -> u8 {
        match self {
            EngineError::Refused { .. } => 2,
            EngineError::Failed { .. } => 1,
        }
    }
}

impl From<Error> for EngineError {
    fn from(error: Error) -> Self {
        let place = match &error {
            Error::Data { place: Some(place), message } if !message.contains(place.as_str()) => {
                format!(" at {place}")
            }
            _ => String::new(),
        };
        EngineError::Failed { message: format!("{error}{place}"), hint: error.hint().map(str::to_string) }
    }
}
