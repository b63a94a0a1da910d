//! Whether text may be coloured: on a terminal, unless `NO_COLOR` is set (<https://no-color.org>).

use std::io::{self, IsTerminal};

/// Whether what goes to standard error may be coloured.
pub(crate) fn stderr() -> bool {
    stderr_is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether a person reads standard error.
pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}
