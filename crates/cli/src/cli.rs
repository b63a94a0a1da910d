//! The flags, as clap reads them. What they mean is in `session`, `commands` and `output`.

use crate::commands::{check, checkpoints, completions, explain, run, sql, state};
use crate::generate::GenerateArgs;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  tidemill check pipeline.sql               is it right? reads no data
  tidemill run pipeline.sql                 run it; Ctrl-C stops it cleanly
  tidemill run query.sql --output json | jq results as one JSON line for each change
  tidemill run pipeline.sql --var IN=today.jsonl --parallelism 4
  tidemill sql                              try statements one by one

A first file, hello.sql:
  CREATE TABLE clicks (page STRING, n BIGINT) WITH
    ('connector' = 'datagen', 'number-of-rows' = '1000', 'fields.page.length' = '1');
  SELECT page, COUNT(*) AS clicks FROM clicks GROUP BY page;

Exit codes: 0 done, 1 failed while running, 2 refused (syntax, plan, options).";

/// Runs Apache Flink SQL files: reads streams of events, computes in event time, writes results.
#[derive(Debug, Parser)]
#[command(name = "tidemill", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(run::RunArgs),
    Check(check::CheckArgs),
    Explain(explain::ExplainArgs),
    Sql(sql::SqlArgs),
    Generate(GenerateArgs),
    State(state::StateArgs),
    Checkpoints(checkpoints::CheckpointsArgs),
    Completions(completions::CompletionsArgs),
}

/// Flags of all commands that open a session.
#[derive(Debug, Args)]
pub(crate) struct SessionArgs {
    /// Value of ${NAME} in the file; may be repeated. Names not given come from the environment
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = key_value)]
    pub(crate) vars: Vec<(String, String)>,

    /// A setting, as SET 'KEY' = 'VALUE' would; goes before a SET in the file; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) settings: Vec<(String, String)>,

    /// Tasks of each operator [default: one for each core]
    #[arg(long, short = 'p', value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) parallelism: Option<u16>,

    /// Folder (or s3://, gs://, az:// URL) for checkpoints and records that were set aside. A run with the same
    /// folder goes on where the one before stood
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<String>,

    /// Go on with the state of a pipeline that has changed: shows what happens to the state of each operator (keep,
    /// rebuild, new, drop) and asks
    #[arg(long, requires = "state")]
    pub(crate) upgrade: bool,

    /// With --upgrade: do not ask
    #[arg(long, requires = "upgrade")]
    pub(crate) yes: bool,

    /// Time between checkpoints, such as 500ms or 1min; goes before a SET of execution.checkpointing.interval
    /// [default: 10s]
    #[arg(long, value_name = "TIME", requires = "state")]
    pub(crate) checkpoint_interval: Option<String>,

    /// How much memory the run may take, such as 2GB: state that does not fit goes to disk, sources wait if need be.
    /// Goes before a SET of tidemill.memory [default: any]
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<String>,

    /// What a record that can't be read does: end the run after it was set aside, or only be set aside
    #[arg(long, value_name = "fail|keep", hide_possible_values = true)]
    pub(crate) bad_records: Option<BadRecords>,

    /// Whether records that came too late are only counted or set aside too
    #[arg(long, value_name = "count|keep", hide_possible_values = true)]
    pub(crate) late_records: Option<LateRecords>,

    /// File with defaults for settings [default: tidemill.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Flags of all commands that run jobs.
#[derive(Debug, Args)]
pub(crate) struct OutputArgs {
    /// How rows are printed [default: table on a terminal, else json]
    #[arg(long, short = 'o', value_name = "json|table", hide_possible_values = true)]
    pub(crate) output: Option<Output>,

    /// When stopped by a signal, fire the windows that are still open
    #[arg(long)]
    pub(crate) drain: bool,

    /// Say nothing but errors
    #[arg(long, short = 'q')]
    pub(crate) quiet: bool,

    /// Print the row accounting of each operator, also when standard error is no terminal
    #[arg(long, short = 'v', conflicts_with = "quiet")]
    pub(crate) verbose: bool,
}

/// What a bad record does.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum BadRecords {
    Fail,
    Keep,
}

/// What a late record does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LateRecords {
    Count,
    Keep,
}

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Json,
    Table,
}

pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_string(), value.to_string())),
        _ => Err("write it as NAME=VALUE".to_string()),
    }
}
