//! `tidemill state`: what the operators of a pipeline remember, from its last checkpoint.

use crate::cli::{Output, SessionArgs};
use crate::output::{self, Format};
use crate::{report, session};
use anyhow::{Context, Result};
use clap::Args;
use std::io::Write;
use std::path::PathBuf;
use tidemill_engine::{StateQuery, StateRow, StateValue};

const EXAMPLES: &str = "\
Examples:
  tidemill state pipeline.sql --state state
  tidemill state pipeline.sql --state state --operator group-aggregate-1ba19df5 --key word=tide
  tidemill state pipeline.sql --state s3://bucket/orders --limit 1000 --output json

The file is planned, not run, so a run may go on meanwhile. Keys have their columns; values are what operators keep:
the cells of aggregates, the rows of joins.";

/// Show the keyed state that a SQL file's jobs have in their last checkpoints
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StateArgs {
    /// The SQL file; - is standard input
    #[arg(value_name = "FILE.sql")]
    file: PathBuf,
    #[command(flatten)]
    session: SessionArgs,

    /// Only the operator of this name
    #[arg(long, value_name = "UID")]
    operator: Option<String>,

    /// Only keys with this value in a column; may be repeated
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = crate::cli::key_value)]
    key: Vec<(String, String)>,

    /// How many entries are shown at most
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,

    /// How they are printed [default: table on a terminal, else json]
    #[arg(long, short = 'o', value_name = "json|table", hide_possible_values = true)]
    output: Option<Output>,
}

/// Runs the command.
pub(crate) fn run(args: StateArgs) -> Result<()> {
    let location = args.session.state.clone().ok_or_else(|| {
        crate::failure::Refused("which state? Give its folder or URL with --state".to_owned())
    })?;
    let mut engine = session::open(&args.session)?;
    let script = session::script(&args.file, &args.session)?;
    let query = StateQuery { operator: args.operator, key: args.key, limit: args.limit };
    let found = engine.state_rows(&script, &location, &query)?;
    found.notices.iter().for_each(|notice| report::warn(notice));
    match Format::from(args.output) {
        Format::Json => json(&found.rows)?,
        Format::Table => table(&found.rows)?,
    }
    let left = found.found - found.rows.len() as u64;
    if left > 0 {
        report::say(&format!("{} more; --limit shows more", report::count(left as usize, "row")));
    }
    Ok(())
}

fn json(rows: &[StateRow]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for row in rows {
        serde_json::to_writer(&mut out, row).context("writing JSON")?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn table(rows: &[StateRow]) -> Result<()> {
    const COLUMNS: &[(&str, bool)] =
        &[("job", false), ("operator", false), ("table", false), ("key", false), ("values", false)];
    let cells = |row: &StateRow| {
        vec![row.job.clone(), row.operator.clone(), row.table.clone(), text(&row.key), text(&row.values)]
    };
    output::table(COLUMNS, rows.iter().map(cells).collect())
}

fn text(values: &[StateValue]) -> String {
    let one = |value: &StateValue| format!("{} {}", value.name, value.value);
    values.iter().map(one).collect::<Vec<_>>().join(", ")
}
