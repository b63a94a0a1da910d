//! What brokers and connections answer when they can't do what was asked, as errors by who must act.

use kafka_protocol::ResponseError;
use std::fmt::Display;
use tidemill_types::{Error, Result};

/// Why a call failed.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// The connection broke or was never made; what became of the request is not known.
    Connection(String),
    /// The broker refused.
    Broker(ResponseError),
    /// Nothing that trying again could mend: bad options, refused credentials, an answer that can't be read.
    Fatal(String),
}

/// The result of a call.
pub(crate) type Outcome<T> = std::result::Result<T, Failure>;

impl Failure {
    /// Whether trying again may help.
    pub(crate) fn retryable(&self) -> bool {
        match self {
            Failure::Connection(_) => true,
            Failure::Broker(error) => error.is_retriable() || retried_by_clients(*error),
            Failure::Fatal(_) => false,
        }
    }

    /// Whether the broker refused with this error.
    pub(crate) fn is(&self, error: ResponseError) -> bool {
        matches!(self, Failure::Broker(found) if *found == error)
    }

    /// The error that the runtime acts on; `doing` says what failed.
    pub(crate) fn error(&self, doing: impl Display) -> Error {
        let message = format!("{doing}: {self}");
        match self.retryable() {
            true => Error::external(message),
            false => Error::external_fatal(message),
        }
    }
}

/// Errors that the protocol marks as final but that pass by themselves while a coordinator moves or a
/// transaction is still being completed.
fn retried_by_clients(error: ResponseError) -> bool {
    matches!(error, ResponseError::ConcurrentTransactions | ResponseError::UnknownTopicId)
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Connection(message) | Failure::Fatal(message) => f.write_str(message),
            Failure::Broker(error) => write!(f, "the broker answered '{error}'"),
        }
    }
}

/// Turns a protocol error code into an outcome.
pub(crate) fn check(code: i16) -> Outcome<()> {
    match ResponseError::try_from_code(code) {
        None => Ok(()),
        Some(error) => Err(Failure::Broker(error)),
    }
}

/// Says what failed.
pub(crate) trait Doing<T> {
    /// The runtime's result of an outcome.
    fn doing(self, what: impl Display) -> Result<T>;
}

impl<T> Doing<T> for Outcome<T> {
    fn doing(self, what: impl Display) -> Result<T> {
        self.map_err(|failure| failure.error(what))
    }
}
