//! How a command ends badly: what is said and the exit code (1 failed while running, 2 refused).

use crate::report::colour;
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use tidemill_engine::EngineError;

/// A command that was refused before anything ran: flags, configuration, files.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// Says what went wrong on standard error and gives the exit code. Whoever read our output and closed it has
/// all it wanted, so a broken pipe ends quietly and well.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if broken_pipe(error) {
        return ExitCode::SUCCESS;
    }
    let (text, code) = text_and_code(error);
    // Nothing is left to be done if standard error is closed too.
    let _ = writeln!(io::stderr(), "{}", text.trim_end());
    ExitCode::from(code)
}

fn text_and_code(error: &anyhow::Error) -> (String, u8) {
    match error.downcast_ref::<EngineError>() {
        Some(error) => (error.text(colour::stderr()), error.exit_code()),
        None => {
            let code = if error.is::<Refused>() { 2 } else { 1 };
            let head = if colour::stderr() { "\x1b[1;31merror\x1b[0m" } else { "error" };
            (format!("{head}: {error:#}"), code)
        }
    }
}

/// Whether the error is only that nobody reads our output any more.
pub(crate) fn broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |cause: &io::Error| cause.kind() == ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(broken))
}
