//! `tidemill check`: whether a file would be accepted. Plans everything and reads no data.

use crate::cli::SessionArgs;
use crate::{report, session};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  tidemill check pipeline.sql
  tidemill check pipeline.sql --var IN=events.jsonl

Exit codes: 0 the file is right, 2 it is refused; the errors show where and what to do.";

/// Parse and plan a SQL file without running it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckArgs {
    /// The SQL file; - is standard input
    #[arg(value_name = "FILE.sql")]
    file: PathBuf,
    #[command(flatten)]
    session: SessionArgs,
}

/// Runs the command.
pub(crate) fn run(args: CheckArgs) -> Result<()> {
    let mut engine = session::open(&args.session)?;
    let script = session::script(&args.file, &args.session)?;
    for warning in engine.check(&script)? {
        report::warn(&warning);
    }
    let jobs = (0..script.len()).filter(|index| script.info(*index).runs_job).count();
    report::say(&format!("ok: {}, {}", report::count(script.len(), "statement"), report::count(jobs, "job")));
    Ok(())
}
