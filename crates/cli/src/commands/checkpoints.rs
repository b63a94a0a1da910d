//! `tidemill checkpoints`: what lies in a state folder, and whether it is whole.

use crate::cli::Output;
use crate::failure::Refused;
use crate::output::{self, Format};
use crate::report;
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::io::Write;
use tidemill_engine::{CheckpointCheck, CheckpointDetails, CheckpointRow, Checkpoints};

const EXAMPLES: &str = "\
Examples:
  tidemill checkpoints list state
  tidemill checkpoints show state --job totals --epoch 12
  tidemill checkpoints verify s3://bucket/pipelines/orders --output json

Exit codes: 0 all is well, 1 something is damaged, 2 there is no such folder, job or checkpoint.";

/// Look at the checkpoints of a state folder
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckpointsArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The checkpoints there are, with their time, size and rows
    List(Place),
    /// Positions of sources, watermarks, tables and sinks of a checkpoint [default: the last one of each job]
    Show(Chosen),
    /// Compare every byte with its checksum
    Verify(Chosen),
}

/// Which folder, and how to print.
#[derive(Debug, Args)]
struct Place {
    /// The state folder: a path or a URL such as s3://bucket/folder
    #[arg(value_name = "DIR|URL")]
    folder: String,

    /// Only this job
    #[arg(long, value_name = "NAME")]
    job: Option<String>,

    /// How it is printed [default: table on a terminal, else json]
    #[arg(long, short = 'o', value_name = "json|table", hide_possible_values = true)]
    output: Option<Output>,
}

#[derive(Debug, Args)]
struct Chosen {
    #[command(flatten)]
    place: Place,

    /// Only the checkpoint of this number
    #[arg(long, value_name = "N")]
    epoch: Option<u64>,
}

/// Runs the command.
pub(crate) fn run(args: CheckpointsArgs) -> Result<()> {
    match args.what {
        What::List(place) => list(&place),
        What::Show(chosen) => show(&chosen),
        What::Verify(chosen) => verify(&chosen),
    }
}

impl Place {
    fn open(&self) -> Result<(Checkpoints, Vec<String>)> {
        let checkpoints = Checkpoints::open(&self.folder).map_err(refused)?;
        let jobs = checkpoints.jobs(self.job.as_deref()).map_err(refused)?;
        Ok((checkpoints, jobs))
    }

    fn format(&self) -> Format {
        Format::from(self.output)
    }
}

fn refused(error: tidemill_engine::EngineError) -> anyhow::Error {
    match error {
        tidemill_engine::EngineError::Failed { message, hint } => {
            let hint = hint.map(|hint| format!("\n  = hint: {hint}")).unwrap_or_default();
            Refused(format!("{message}{hint}")).into()
        }
        error => error.into(),
    }
}

fn list(place: &Place) -> Result<()> {
    let (checkpoints, jobs) = place.open()?;
    let mut rows = Vec::new();
    for job in &jobs {
        rows.extend(checkpoints.list(job)?);
    }
    if place.format() == Format::Json {
        return json(&rows);
    }
    const COLUMNS: &[(&str, bool)] = &[
        ("job", false),
        ("epoch", true),
        ("taken (UTC)", false),
        ("state", true),
        ("written", true),
        ("rows", true),
        ("status", false),
    ];
    output::table(COLUMNS, rows.iter().map(list_cells).collect())
}

fn list_cells(row: &CheckpointRow) -> Vec<String> {
    let status = match &row.problem {
        Some(problem) => format!("damaged: {problem}"),
        None if row.finished => "finished".to_owned(),
        None => "good".to_owned(),
    };
    vec![
        row.job.clone(),
        row.epoch.to_string(),
        row.created_ms.map(time).unwrap_or_default(),
        report::bytes(row.state_bytes as f64),
        report::bytes(row.written_bytes as f64),
        report::grouped(row.state_rows),
        status,
    ]
}

fn show(chosen: &Chosen) -> Result<()> {
    let (checkpoints, jobs) = chosen.place.open()?;
    let shown: Result<Vec<_>, _> = jobs.iter().map(|job| checkpoints.show(job, chosen.epoch)).collect();
    let shown = shown.map_err(refused)?;
    match chosen.place.format() {
        Format::Json => json(&shown),
        Format::Table => shown.iter().try_for_each(show_tables),
    }
}

fn show_tables(details: &CheckpointDetails) -> Result<()> {
    let row = &details.row;
    let taken = row.created_ms.map(time).unwrap_or_default();
    let ended = if row.finished { ", finished" } else { "" };
    let tasks = report::count(details.parallelism as usize, "task");
    let mut out = std::io::stdout();
    writeln!(out, "job {}, checkpoint {}, taken {taken} UTC with {tasks}{ended}", row.job, row.epoch)?;
    writeln!(
        out,
        "took {} ms, of which {} ms alignment; wrote {} of state, and {} rows ({}) that it overtook",
        details.duration_ms,
        details.alignment_ms,
        report::bytes(details.state_written_bytes as f64),
        report::grouped(details.in_flight_rows),
        report::bytes(details.in_flight_bytes as f64),
    )?;
    let splits = details.sources.iter().flat_map(|(uid, source)| {
        let ended = if source.ended { "ended" } else { "" };
        let split =
            move |(split, at): (&String, &String)| vec![uid.clone(), split.clone(), at.clone(), ended.into()];
        source.positions.iter().map(split)
    });
    section(&[("source", false), ("split", false), ("position", false), ("", false)], splits.collect())?;
    let watermarks = details.watermarks.iter().map(|(place, at)| vec![place.clone(), time(*at)]);
    section(&[("watermark of", false), ("at (UTC)", false)], watermarks.collect())?;
    let tables = details.tables.iter().map(|table| {
        let oldest = table.oldest_epoch.map(|epoch| epoch.to_string()).unwrap_or_default();
        let (rows, segments) = (report::grouped(table.rows), report::grouped(table.segments as u64));
        vec![
            table.operator.clone(),
            table.table.clone(),
            rows,
            report::bytes(table.bytes as f64),
            segments,
            oldest,
        ]
    });
    const TABLES: &[(&str, bool)] = &[
        ("operator", false),
        ("table", false),
        ("rows", true),
        ("bytes", true),
        ("segments", true),
        ("oldest epoch", true),
    ];
    section(TABLES, tables.collect())?;
    let prepared = details.sinks.iter().flat_map(|(uid, all)| {
        all.iter().map(|one| {
            let text = one.text.clone().unwrap_or_default();
            vec![uid.clone(), report::bytes(one.bytes as f64), text]
        })
    });
    section(&[("sink", false), ("prepared", true), ("", false)], prepared.collect())
}

/// A table unless it would be empty.
fn section(columns: &[(&str, bool)], rows: Vec<Vec<String>>) -> Result<()> {
    if rows.is_empty() { Ok(()) } else { output::table(columns, rows) }
}

fn verify(chosen: &Chosen) -> Result<()> {
    let (checkpoints, jobs) = chosen.place.open()?;
    let mut checks = Vec::new();
    for job in &jobs {
        checks.extend(checkpoints.verify(job, chosen.epoch).map_err(refused)?);
    }
    match chosen.place.format() {
        Format::Json => json(&checks)?,
        Format::Table => {
            const COLUMNS: &[(&str, bool)] =
                &[("job", false), ("epoch", true), ("segments", true), ("bytes", true), ("result", false)];
            output::table(COLUMNS, checks.iter().flat_map(verify_cells).collect())?;
        }
    }
    let damaged = checks.iter().filter(|check| !check.damages.is_empty()).count();
    match damaged {
        0 => Ok(()),
        damaged => anyhow::bail!(
            "{} of {} damaged",
            damaged,
            report::count(checks.len(), "checkpoint") + if checks.len() == 1 { " is" } else { " are" }
        ),
    }
}

fn verify_cells(check: &CheckpointCheck) -> Vec<Vec<String>> {
    let head = [
        check.job.clone(),
        check.epoch.to_string(),
        report::grouped(check.segments as u64),
        report::bytes(check.bytes as f64),
    ];
    let results = match check.damages.as_slice() {
        [] => vec!["good".to_owned()],
        damages => damages.iter().map(|damage| format!("damaged: {damage}")).collect(),
    };
    results.into_iter().map(|result| [head.as_slice(), &[result]].concat()).collect()
}

/// A JSON line for each.
fn json<T: Serialize>(all: &[T]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for one in all {
        serde_json::to_writer(&mut out, one).context("writing JSON")?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// A time of day in UTC; the ends of time have no date.
fn time(ms: i64) -> String {
    match chrono::DateTime::from_timestamp_millis(ms) {
        Some(time) if ms != i64::MAX => time.format("%Y-%m-%d %H:%M:%S%.3f").to_string(),
        _ if ms > 0 => "the end".to_owned(),
        _ => "none yet".to_owned(),
    }
}
