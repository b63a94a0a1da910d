//! `tidemill run`: the statements of a file in order.

use crate::cli::{OutputArgs, SessionArgs};
use crate::runner::Runner;
use crate::session;
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  tidemill run pipeline.sql
  tidemill run pipeline.sql --var IN=events.jsonl --bad-records keep --state state
  tidemill run query.sql --output json > changes.jsonl
  echo \"SHOW FUNCTIONS\" | tidemill run -

Statements run in order. An INSERT whose sources all end is waited for before the next statement; any other
keeps running, and the run ends when all its jobs have. A bare SELECT prints its changes.
SIGINT (Ctrl-C) or SIGTERM stops cleanly: what was read is finished and sinks are flushed. A second one aborts.
Exit codes: 0 done, 1 failed while running, 2 refused (syntax, plan, options).";

/// Run the statements of a SQL file
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RunArgs {
    /// The SQL file; - is standard input
    #[arg(value_name = "FILE.sql")]
    file: PathBuf,
    #[command(flatten)]
    session: SessionArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the command.
pub(crate) fn run(args: RunArgs) -> Result<()> {
    let engine = session::open(&args.session)?;
    let script = session::script(&args.file, &args.session)?;
    let mut runner = Runner::new(engine, &args.output);
    runner.stops().install()?;
    runner.run_to_end(&script)
}
