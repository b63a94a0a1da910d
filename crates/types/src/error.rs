//! Errors sorted by who must act: the user, the owner of one record, an outside system, or us.
//!
//! Invariant: the text is lower case, names are quoted, and a user can act on it without the source code.

use thiserror::Error as ThisError;

/// What can go wrong below the SQL front (which has diagnostics with places in the file).
#[derive(Debug, Clone, PartialEq, ThisError)]
pub enum Error {
    /// The pipeline's author must change the text, an option or a flag.
    #[error("{message}")]
    User {
        /// What is wrong.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// A value or record can't be processed; the run fails unless the user chose otherwise.
    #[error("{message}")]
    Data {
        /// What is wrong with it.
        message: String,
        /// Where the record stands, when known (`file:line`, `topic/partition@offset`).
        place: Option<String>,
    },
    /// A system outside failed.
    #[error("{message}")]
    External {
        /// What it said.
        message: String,
        /// Whether trying again may help.
        retryable: bool,
    },
    /// A bug of Tidemill.
    #[error("internal error: {0}; this is a bug in tidemill, please report it")]
    Internal(String),
}

/// The result of everything below the SQL front.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error that the pipeline's author must mend.
    pub fn user(message: impl Into<String>) -> Self {
        Error::User { message: message.into(), hint: None }
    }

    /// An error that the pipeline's author must mend, with what to do.
    pub fn user_hint(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Error::User { message: message.into(), hint: Some(hint.into()) }
    }

    /// A value that can't be processed.
    pub fn data(message: impl Into<String>) -> Self {
        Error::Data { message: message.into(), place: None }
    }

    /// A failure outside that may pass.
    pub fn external(message: impl Into<String>) -> Self {
        Error::External { message: message.into(), retryable: true }
    }

    /// A failure outside that will not pass by itself.
    pub fn external_fatal(message: impl Into<String>) -> Self {
        Error::External { message: message.into(), retryable: false }
    }

    /// A broken invariant of our own.
    pub fn internal(message: impl Into<String>) -> Self {
        Error::Internal(message.into())
    }

    /// The hint that goes with it, if any.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Error::User { hint, .. } => hint.as_deref(),
            _ => None,
        }
    }
}
