//! `tidemill sql`: statements one by one, typed or piped.

use crate::cli::{OutputArgs, SessionArgs};
use crate::runner::Runner;
use crate::{session, shell};
use anyhow::Result;
use clap::Args;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use tidemill_engine::Script;

const EXAMPLES: &str = "\
Examples:
  tidemill sql                               type statements, each ended by ;
  tidemill sql -f tables.sql                 with the tables of a file
  tidemill sql -f tables.sql -e 'SHOW TABLES'
  echo 'SELECT 1 + 1;' | tidemill sql

In the shell: help shows its commands, Tab completes, Ctrl-C stops a running query, Ctrl-D leaves.";

/// Run statements one by one in a shell
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SqlArgs {
    /// Run the statements of this file first; may be repeated
    #[arg(long = "file", short = 'f', value_name = "FILE.sql")]
    files: Vec<PathBuf>,

    /// Run these statements and leave; may be repeated
    #[arg(long = "execute", short = 'e', value_name = "STATEMENT")]
    statements: Vec<String>,

    #[command(flatten)]
    session: SessionArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the command.
pub(crate) fn run(args: SqlArgs) -> Result<()> {
    let engine = session::open(&args.session)?;
    let typed = args.statements.is_empty() && io::stdin().is_terminal();
    let mut runner = match typed {
        true => Runner::interactive(engine, &args.output),
        false => Runner::new(engine, &args.output),
    };
    runner.stops().install()?;
    let outcome = statements(&mut runner, &args, typed);
    runner.stop_jobs();
    outcome
}

fn statements(runner: &mut Runner, args: &SqlArgs, typed: bool) -> Result<()> {
    let variables = session::variables(&args.session);
    for file in &args.files {
        runner.run(&session::script(file, &args.session)?)?;
    }
    for statement in &args.statements {
        runner.run(&Script::parse("-e", statement, &variables)?)?;
    }
    if typed {
        return shell::run(runner, &variables);
    }
    if !args.statements.is_empty() {
        return runner.wait();
    }
    let text = session::standard_input()?;
    runner.run(&Script::parse("standard input", &text, &variables)?)?;
    runner.wait()
}
