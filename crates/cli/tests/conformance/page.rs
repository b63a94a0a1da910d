//! The score in docs/flink-compatibility.md: how many cases of each level pass, and why the others do not.
//!
//! Invariant: what stands between the marks of the page is what this run found; `TIDEMILL_WRITE=1` writes it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

const BEGIN: &str = "<!-- made by the test `conformance` -->\n";
const END: &str = "<!-- end -->";

/// Compares the page with the outcome of a whole run.
pub fn check(outcomes: &[(String, bool)], skipped: &BTreeMap<String, String>) -> Result<(), String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/flink-compatibility.md");
    let text = std::fs::read_to_string(&page).map_err(|error| format!("{}: {error}", page.display()))?;
    let (head, rest) = text.split_once(BEGIN).ok_or("the page has no place for the score")?;
    let (held, tail) = rest.split_once(END).ok_or("the score on the page has no end")?;
    let made = score(outcomes, skipped);
    if held == made {
        return Ok(());
    }
    if std::env::var_os("TIDEMILL_WRITE").is_none() {
        return Err(
            "the score in docs/flink-compatibility.md is stale; TIDEMILL_WRITE=1 writes it anew".into()
        );
    }
    std::fs::write(&page, format!("{head}{BEGIN}{made}{END}{tail}")).map_err(|error| error.to_string())
}

fn score(outcomes: &[(String, bool)], skipped: &BTreeMap<String, String>) -> String {
    let mut levels: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (name, passed) in outcomes {
        let level = levels.entry(name.split('-').next().unwrap_or_default()).or_default();
        *level = (level.0 + usize::from(*passed), level.1 + 1);
    }
    let passed = outcomes.iter().filter(|(_, passed)| *passed).count();
    let mut out =
        format!("**{passed} of {} cases pass.**\n\n| level | pass | of |\n|---|---|---|\n", outcomes.len());
    for (level, (passed, all)) in levels {
        let level = level.trim_start_matches('l');
        writeln!(out, "| {level} | {passed} | {all} |").expect("text can be written");
    }
    if !skipped.is_empty() {
        out.push_str("\n| case that does not | why |\n|---|---|\n");
    }
    for (name, reason) in skipped {
        writeln!(out, "| `{name}` | {reason} |").expect("text can be written");
    }
    out
}
