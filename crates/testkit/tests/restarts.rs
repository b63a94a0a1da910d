//! Every conformance case that ends in a query gives the same final rows when it is killed after some row, goes on from
//! its checkpoint at another parallelism, and its changes are collected through a transactional sink.
//!
//! `TIDEMILL_CASE=part of a name` runs some of them; `TIDEMILL_SEED=n` takes another seed than 0, and
//! `TIDEMILL_SEEDS=n` so many of them.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use tidemill_engine::Variables;
use tidemill_testkit::ledger;
use tidemill_testkit::random::Random;
use tidemill_testkit::run::{Folded, run_with};
use tidemill_testkit::simulation::{Lives, SinkMoods, cut_files, live, plan};

/// Cases whose answer depends on the order in which rows of several inputs come in, or on the moment of the run.
const LEFT_OUT: &[(&str, &str)] =
    &[("l1-06-primary-key", "which rows meet depends on the order in which two files are read")];

fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[test]
fn killed_cases_give_the_same_final_rows() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/tests/conformance");
    let part = setting("TIDEMILL_CASE").unwrap_or_default();
    let number = |name: &str| setting(name).and_then(|text| text.parse::<u64>().ok());
    let first = number("TIDEMILL_SEED").unwrap_or(0);
    let mut failures = Vec::new();
    let (mut passed, mut resumed, mut kills) = (0, 0, 0);
    for name in names(&folder.join("cases")).into_iter().filter(|name| name.contains(&part)) {
        if LEFT_OUT.iter().any(|(case, _)| *case == name) {
            continue;
        }
        for seed in first..first + number("TIDEMILL_SEEDS").unwrap_or(1) {
            match check(&folder, &name, seed) {
                Ok(None) => {}
                Ok(Some(lives)) => {
                    passed += 1;
                    resumed += lives.resumed;
                    kills += lives.kills;
                }
                Err(error) => failures.push(format!("TIDEMILL_CASE={name} TIDEMILL_SEED={seed}: {error}")),
            }
        }
    }
    println!("{passed} cases, {kills} kills, {resumed} times resumed");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(
        !part.is_empty() || (passed > 150 && resumed > 40),
        "{passed} cases were resumed {resumed} times"
    );
}

/// Runs a case; `None` if it is none that ends in a query over a stream.
fn check(folder: &Path, name: &str, seed: u64) -> Result<Option<Lives>, String> {
    let case = folder.join("cases").join(name);
    if case.join("expected.error").exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(case.join("case.sql")).map_err(|error| error.to_string())?;
    if text.contains("'batch'") {
        return Ok(None);
    }
    let out = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path = |path: &Path| path.display().to_string();
    let variables = || {
        Variables::only([
            ("DATA".to_string(), path(&folder.join("data"))),
            ("OUT".to_string(), path(out.path())),
            ("CASE".to_string(), path(&case)),
        ])
    };
    let Ok(answer) = run_with(&text, 1, &variables()) else { return Ok(None) };
    let ledger = format!("{name}-{seed}");
    let text = variables().replace(&text).map_err(|_| "a variable has no value")?;
    let Ok(mut plan) = plan(&text, &ledger, SinkMoods { seed, one_in: 0, slow_ms: 0 }) else {
        return Ok(None);
    };
    let mut random = Random::new(seed ^ tidemill_types::key::hash(name.as_bytes()));
    cut_files(&mut plan.plan, &mut random);
    let lives = live(&plan, &mut random)?;
    let given = ledger::visible(&ledger);
    ledger::forget(&ledger);
    match given == answer.rows {
        true => Ok(Some(lives)),
        false => {
            Err(format!("{lives:?}\n  given {}\n  without kills {}", shown(&given), shown(&answer.rows)))
        }
    }
}

fn shown(rows: &Folded) -> String {
    const ROWS_MAX: usize = 12;
    let lines = rows.iter().take(ROWS_MAX).map(|(row, count)| format!("{count} x {row:?}"));
    lines.collect::<Vec<_>>().join("\n        ")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder of cases is part of the repository");
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let mut names: Vec<String> = paths
        .filter(|path: &PathBuf| path.join("case.sql").exists())
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_string()))
        .collect();
    names.sort();
    names
}
