//! The words for what an object store says.

use tidemill_types::Error;

/// A failure of the store while doing something (`"write 'x'"`).
pub(crate) fn failed(doing: &str, error: object_store::Error) -> Error {
    let retryable = !matches!(
        error,
        object_store::Error::PermissionDenied { .. }
            | object_store::Error::Unauthenticated { .. }
            | object_store::Error::InvalidPath { .. }
            | object_store::Error::NotSupported { .. }
            | object_store::Error::NotImplemented { .. }
    );
    let message = format!("can't {doing}: {}", causes(&error));
    match retryable {
        true => Error::external(message),
        false => Error::external_fatal(message),
    }
}

/// The error with its causes, each once: many of them repeat the text of their cause.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let more = next.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = next.source();
    }
    text
}

/// A failure of the local file system.
pub(crate) fn io(doing: &str, error: &std::io::Error) -> Error {
    Error::external(format!("can't {doing}: {error}"))
}
