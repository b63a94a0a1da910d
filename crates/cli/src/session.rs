//! A session of the engine from flags and configuration: the one place that picks connectors and functions.
//!
//! Invariant: a flag goes before a SET in the script, that before the configuration file, that before the
//! default.

use crate::cli::{BadRecords, LateRecords, SessionArgs};
use crate::config::Config;
use crate::failure::Refused;
use crate::report;
use anyhow::{Context, Result};
use std::io::{IsTerminal, Read};
use std::path::Path;
use std::sync::Arc;
use tidemill_engine::{Engine, EngineError, EngineOptions, OnBadRecord, Script, Upgrade, Variables};

/// The setting behind `--checkpoint-interval`.
const CHECKPOINT_INTERVAL: &str = "execution.checkpointing.interval";

/// The setting behind `--memory`.
const MEMORY: &str = "tidemill.memory";

/// The engine, with everything set that flags and configuration say.
pub(crate) fn open(args: &SessionArgs) -> Result<Engine> {
    let config = Config::load(args.config.as_deref())?;
    let options = EngineOptions {
        parallelism: args.parallelism.map(usize::from),
        bad_records: args.bad_records.map(|policy| match policy {
            BadRecords::Fail => OnBadRecord::Fail,
            BadRecords::Keep => OnBadRecord::Keep,
        }),
        keep_late: args.late_records.map(|policy| policy == LateRecords::Keep),
        state: args.state.clone().or(config.state),
        state_memory: None,
        upgrade: upgrade(args),
    };
    let mut engine = Engine::new(tidemill_functions::registry(), tidemill_connectors::connectors(), options);
    for (key, value) in &config.settings {
        said(key, engine.set(key, value))?;
    }
    if let Some(interval) = &args.checkpoint_interval {
        said(CHECKPOINT_INTERVAL, engine.pin(CHECKPOINT_INTERVAL, interval))?;
    }
    if let Some(memory) = &args.memory {
        said(MEMORY, engine.pin(MEMORY, memory))?;
    }
    for (key, value) in &args.settings {
        said(key, engine.pin(key, value))?;
    }
    Ok(engine)
}

/// What is done when the pipeline has changed since its state was saved.
fn upgrade(args: &SessionArgs) -> Upgrade {
    let yes = args.yes;
    match args.upgrade {
        false => Upgrade::Refuse,
        true => Upgrade::Ask(Arc::new(move |changes| {
            report::say(changes);
            yes || confirmed()
        })),
    }
}

/// Asks on the terminal; without one the answer is no.
fn confirmed() -> bool {
    if !std::io::stdin().is_terminal() {
        report::say("say --yes to go on without being asked");
        return false;
    }
    eprint!("go on? [y/N] ");
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// The script in a file, or on standard input for `-`.
pub(crate) fn script(file: &Path, args: &SessionArgs) -> Result<Script> {
    let (name, text) = match file.to_str() {
        Some("-") => ("standard input".to_string(), standard_input()?),
        _ => (file.display().to_string(), read(file)?),
    };
    Ok(Script::parse(&name, &text, &variables(args))?)
}

/// The values of `${NAME}`.
pub(crate) fn variables(args: &SessionArgs) -> Variables {
    Variables::new(args.vars.iter().cloned())
}

/// All of standard input.
pub(crate) fn standard_input() -> Result<String> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("can't read standard input")?;
    Ok(text)
}

/// A file of statements.
pub(crate) fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file)
        .map_err(|error| Refused(format!("can't read '{}': {error}", file.display())).into())
}

fn said(key: &str, outcome: Result<Option<String>, EngineError>) -> Result<()> {
    match outcome {
        Ok(Some(warning)) => report::warn(&warning),
        Ok(None) => {}
        Err(error) => return Err(Refused(format!("setting '{key}': {error}")).into()),
    }
    Ok(())
}
