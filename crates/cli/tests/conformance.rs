//! The conformance cases: SQL files with the rows that Apache Flink gives for them, run by the real binary.
//!
//! Each case of `conformance/cases` is a test. `conformance/skipped.txt` names those that wait for a later
//! feature, each with its reason; one that passes anyway fails the run, so that the list stays true.
//! Usage: `cargo test --test conformance -- [PART OF A NAME]`. A run of all cases also holds the score in
//! docs/flink-compatibility.md to what it found (`page.rs`).

#[path = "conformance/compare.rs"]
mod compare;
#[path = "conformance/engine.rs"]
mod engine;
#[path = "conformance/page.rs"]
mod page;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let part = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    let all = names(&folder.join("cases"));
    let skipped = skipped(&folder.join("skipped.txt"));
    let mut failures: Vec<String> = skipped
        .keys()
        .filter(|name| !all.contains(name))
        .map(|name| format!("{name}: skipped, but there is no such case"))
        .collect();
    let names: Vec<String> = all.into_iter().filter(|name| name.contains(&part)).collect();
    if std::env::args().any(|arg| arg == "--list") {
        names.iter().for_each(|name| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", names.len());
    let (mut passed, mut ignored) = (0, 0);
    let mut outcomes = Vec::with_capacity(names.len());
    for (name, outcome) in names.iter().zip(run_all(&folder, &names)) {
        outcomes.push((name.clone(), outcome.is_ok()));
        match (outcome, skipped.get(name)) {
            (Ok(()), None) => passed += 1,
            (Err(_), Some(_)) => ignored += 1,
            (Err(why), None) => failures.push(format!("{name}: {why}")),
            (Ok(()), Some(_)) => failures.push(format!("{name}: passes; take it out of skipped.txt")),
        }
    }
    if part.is_empty() && failures.is_empty() {
        failures.extend(page::check(&outcomes, &skipped).err());
    }
    failures.iter().for_each(|failure| println!("FAILED {failure}"));
    let verdict = if failures.is_empty() { "ok" } else { "FAILED" };
    println!("\ntest result: {verdict}. {passed} passed; {} failed; {ignored} ignored", failures.len());
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the cases, a few at once; the answers are in the order of the names.
fn run_all(folder: &Path, names: &[String]) -> Vec<Result<(), String>> {
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(BTreeMap::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = run(folder, name);
                    outcomes.lock().expect("no test thread panics").insert(name, outcome);
                }
            });
        }
    });
    outcomes.into_inner().expect("no test thread panics").into_values().collect()
}

fn run(folder: &Path, name: &str) -> Result<(), String> {
    let case = folder.join("cases").join(name);
    let out = tempfile::tempdir().map_err(|error| error.to_string())?;
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let places = engine::Places {
        data: folder.join("data"),
        out: out.path().to_path_buf(),
        case: case.clone(),
        scratch: scratch.path().to_path_buf(),
    };
    let answer = engine::run(&places)?;
    if case.join("expected.error").exists() {
        return answer.refused();
    }
    let expected = std::fs::read_to_string(case.join("expected.jsonl")).map_err(|error| error.to_string())?;
    let expected = compare::rows(&expected)?;
    let mut given = compare::folded(&answer.rows()?)?;
    if given.is_empty() && expected.iter().all(compare::is_line_of_file) {
        given = engine::written(&places)?;
    }
    compare::same_rows(&expected, given)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("the folder of cases is part of the repository")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path: &PathBuf| path.join("case.sql").exists())
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_string()))
        .collect();
    names.sort();
    names
}

/// `name: reason` on each line.
fn skipped(file: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(':').unwrap_or_else(|| panic!("'{line}' lacks its reason")))
        .map(|(name, reason)| (name.trim().to_string(), reason.trim().to_string()))
        .collect()
}
