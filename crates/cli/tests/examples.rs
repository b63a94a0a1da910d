//! Each example of the repository gives the results that its `expected` folder holds; those were computed by
//! a program of their own and by a real Flink.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Rows in a canonical text form, each with how often it is there.
type Rows = BTreeMap<String, i64>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn check(example: &str) {
    let folder = root().join("examples").join(example);
    let out = tempfile::tempdir().expect("a folder for temporary files");
    let run = Command::new(env!("CARGO_BIN_EXE_tidemill"))
        .current_dir(root())
        .arg("run")
        .arg(folder.join("pipeline.sql"))
        .args(["--bad-records", "keep", "--var"])
        .arg(format!("OUT={}", out.path().display()))
        .arg("--state")
        .arg(out.path().join("state"))
        .output()
        .expect("the binary runs");
    assert!(run.status.success(), "{example}: {}", String::from_utf8_lossy(&run.stderr));
    let expected = std::fs::read_dir(folder.join("expected")).expect("an example has expected results");
    let results = expected.map(|entry| entry.expect("a folder can be read").path());
    let results: Vec<PathBuf> =
        results.filter(|path| path.extension().is_some_and(|end| end == "jsonl")).collect();
    assert!(!results.is_empty(), "{example} expects something");
    for path in results {
        let name = path.file_stem().expect("a result has a name").to_string_lossy().into_owned();
        let mut wanted = Rows::new();
        fold(&path, &mut wanted);
        assert_eq!(written(&out.path().join(&name)), wanted, "{example}: {name}");
    }
}

/// The rows that all files of a folder leave, changes applied.
fn written(folder: &Path) -> Rows {
    let mut rows = Rows::new();
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        fold(&entry.expect("a folder can be read").path(), &mut rows);
    }
    rows.retain(|_, count| *count != 0);
    rows
}

fn fold(path: &Path, rows: &mut Rows) {
    for line in std::fs::read_to_string(path).expect("a result is a text").lines() {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let (row, count) = match value.get("op").and_then(Value::as_str) {
            Some("c") => (&value["after"], 1),
            Some("d") => (&value["before"], -1),
            _ => (&value, 1),
        };
        *rows.entry(canonical(row)).or_default() += count;
    }
}

/// Object members in order, fractions of a second without trailing zeros, numbers by value.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let sorted: BTreeMap<&String, String> = members.iter().map(|(k, v)| (k, canonical(v))).collect();
            format!("{sorted:?}")
        }
        Value::Number(number) => format!("{:.9}", number.as_f64().expect("JSON numbers are numbers")),
        Value::String(text) if text.contains(':') && text.contains('.') => {
            text.trim_end_matches('0').trim_end_matches('.').to_string()
        }
        other => other.to_string().trim_matches('"').to_string(),
    }
}

#[test]
fn clickstream() {
    check("clickstream");
}

#[test]
fn sensors() {
    check("sensors");
}

#[test]
fn weblog() {
    check("weblog");
}
