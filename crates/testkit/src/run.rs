//! Runs a script through the engine and folds the changelog of its query into the final rows.

use crate::cut_file::CUT_FILE;
use crate::slow_table::{SLOW_RECORDS, SLOW_TABLE};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tidemill_engine::{
    Engine, EngineError, EngineOptions, JobSummary, ResultBatch, Script, Started, Variables,
};

/// How long a test job may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Rows as texts, each with how often it is there.
pub type Folded = BTreeMap<Vec<String>, i64>;

/// What a script gave.
#[derive(Debug, Default)]
pub struct Answer {
    /// The final rows of its query.
    pub rows: Folded,
    /// The summaries of its jobs.
    pub summaries: Vec<JobSummary>,
}

/// A new engine with all connectors and functions, `cut-file` among them.
pub fn engine(parallelism: usize) -> Engine {
    engine_with(EngineOptions { parallelism: Some(parallelism), ..EngineOptions::default() })
}

fn engine_with(options: EngineOptions) -> Engine {
    let mut connectors = tidemill_connectors::connectors();
    connectors.0.extend([CUT_FILE, SLOW_TABLE, SLOW_RECORDS].map(Arc::new));
    Engine::new(tidemill_functions::registry(), connectors, options)
}

/// Runs all statements of a script in order, each job to its end.
pub fn run(text: &str, parallelism: usize) -> Result<Answer, EngineError> {
    run_with(text, parallelism, &Variables::only([]))
}

/// The same with values for `${NAME}`.
pub fn run_with(text: &str, parallelism: usize, variables: &Variables) -> Result<Answer, EngineError> {
    run_in(engine(parallelism), text, variables)
}

/// The same with so many bytes of memory for state.
pub fn run_with_memory(text: &str, parallelism: usize, bytes: usize) -> Result<Answer, EngineError> {
    let options = EngineOptions {
        parallelism: Some(parallelism),
        state_memory: Some(bytes),
        ..EngineOptions::default()
    };
    run_in(engine_with(options), text, &Variables::only([]))
}

fn run_in(mut engine: Engine, text: &str, variables: &Variables) -> Result<Answer, EngineError> {
    let script = Script::parse("test.sql", text, variables)?;
    let mut answer = Answer::default();
    for index in 0..script.len() {
        match engine.start(&script, index)? {
            Started::Done(_) => {}
            Started::Rows(batch) => fold(&batch, &mut answer.rows),
            Started::Job(mut job) => {
                while let Some(batch) = job.next_batch(SILENCE_MAX) {
                    assert!(batch.rows() > 0, "the job is silent for {SILENCE_MAX:?}");
                    fold(&batch, &mut answer.rows);
                }
                answer.summaries.push(job.wait()?);
            }
        }
    }
    Ok(answer)
}

fn fold(batch: &ResultBatch, rows: &mut Folded) {
    let width = batch.columns().len();
    for row in 0..batch.rows() {
        let cells: Vec<String> = (0..width).map(|column| batch.cell(row, column)).collect();
        let count = rows.entry(cells).or_default();
        *count += if batch.op(row).starts_with('+') { 1 } else { -1 };
    }
    rows.retain(|_, count| *count != 0);
}

/// The rows that only one side has, with how often.
pub fn differences(given: &Folded, expected: &Folded) -> String {
    let lines = |name: &str, of: &Folded, other: &Folded| -> String {
        of.iter()
            .filter(|(row, count)| other.get(*row) != Some(count))
            .map(|(row, count)| format!("{name}: {count} x {row:?}\n"))
            .collect()
    };
    lines("given", given, expected) + &lines("expected", expected, given)
}
