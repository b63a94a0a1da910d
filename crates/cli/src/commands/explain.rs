//! `tidemill explain`: the plans of a file's jobs.

use crate::cli::SessionArgs;
use crate::session;
use anyhow::Result;
use clap::Args;
use std::io::Write;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  tidemill explain pipeline.sql

Each operator is shown with the changes it emits, its key, its time attribute and the state it keeps.";

/// Show the plans of a SQL file's jobs without running them
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExplainArgs {
    /// The SQL file; - is standard input
    #[arg(value_name = "FILE.sql")]
    file: PathBuf,
    #[command(flatten)]
    session: SessionArgs,
}

/// Runs the command.
pub(crate) fn run(args: ExplainArgs) -> Result<()> {
    let mut engine = session::open(&args.session)?;
    let script = session::script(&args.file, &args.session)?;
    let plans = engine.explain(&script)?;
    std::io::stdout().write_all(plans.as_bytes())?;
    Ok(())
}
