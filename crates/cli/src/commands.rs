//! The commands, one file each.

pub(crate) mod check;
pub(crate) mod checkpoints;
pub(crate) mod completions;
pub(crate) mod explain;
pub(crate) mod run;
pub(crate) mod sql;
pub(crate) mod state;

use crate::cli::Command;
use anyhow::Result;

/// Runs a command.
pub(crate) fn run(command: Command) -> Result<()> {
    match command {
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Sql(args) => sql::run(args),
        Command::Generate(args) => crate::generate::run(args),
        Command::State(args) => state::run(args),
        Command::Checkpoints(args) => checkpoints::run(args),
        Command::Completions(args) => completions::run(args),
    }
}
