//! What a connector tells whoever operates the run when no error is due: a file that was replaced, a client
//! that was sent away. One line on standard error; deliberately no log levels and no files.

use std::fmt::Display;

/// Says something about a table's connection.
pub(crate) fn notice(table: &str, message: impl Display) {
    eprintln!("note: table '{table}': {message}");
}
