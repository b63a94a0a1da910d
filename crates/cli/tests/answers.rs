//! What expressions give: values and types that Apache Flink 2.3 gave for them, asked of the real binary.
//!
//! Each file of `answers` is a family. A line is `expression[ @@ FROM-clause]`, the type and the values of its rows
//! as JSON texts, divided by tabs; or the expression and `refused`. The session zone is Europe/Berlin, the mode
//! batch. Bytes are in base64.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const HEAD: &str = "SET 'execution.runtime-mode' = 'batch'; SET 'table.local-time-zone' = 'Europe/Berlin';\n";

/// One question with Flink's answer.
struct Question {
    view: String,
    expression: String,
    data_type: String,
    rows: serde_json::Value,
}

impl Question {
    /// A line of a file; `None` if it is to be refused.
    fn parse(line: &str) -> (String, Option<Question>) {
        let mut parts = line.split('\t');
        let expression = parts.next().expect("a line has an expression").to_string();
        let (call, from) = expression.split_once(" @@ ").unwrap_or((&expression, ""));
        let from = if from.is_empty() { String::new() } else { format!(" FROM {from}") };
        let view = format!("SELECT {call} AS c{from}");
        let data_type = parts.next().expect("a line has an answer").to_string();
        let answer = parts.next().map(|rows| Question {
            view: view.clone(),
            expression: expression.clone(),
            data_type,
            rows: serde_json::from_str(rows).expect("the rows are JSON"),
        });
        (view, answer)
    }

    fn statements(&self, name: &str) -> String {
        let shown = match self.data_type.split(['(', ' ']).next() {
            Some("BYTES" | "BINARY" | "VARBINARY") => "TO_BASE64(c)",
            Some("VARIANT") => "JSON_STRING(c)",
            _ => "CAST(c AS STRING)",
        };
        format!(
            "CREATE VIEW {name} AS {};\nDESCRIBE {name};\nSELECT {shown} AS {name} FROM {name};\n",
            self.view
        )
    }

    /// What is wrong with the binary's lines for it.
    fn wrong(&self, name: &str, lines: &[serde_json::Value]) -> Option<String> {
        let row = |line: &serde_json::Value| line["row"].clone();
        let described = lines.first().map(row).unwrap_or_default();
        let nullable = if described["null"] == true { "" } else { " NOT NULL" };
        let data_type = format!("{}{nullable}", described["type"].as_str().unwrap_or("?"));
        let rows: Vec<_> = lines[1.min(lines.len())..].iter().map(|line| row(line)[name].clone()).collect();
        let rows = serde_json::Value::from(rows);
        (data_type != self.data_type || rows != self.rows).then(|| {
            format!(
                "{}\n    wanted {} {}\n    got    {data_type} {rows}",
                self.expression, self.data_type, self.rows
            )
        })
    }
}

/// Standard output and whether the run went well.
fn run(script: &str) -> (String, bool, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidemill"))
        .args(["run", "--quiet", "--output", "json", "--parallelism", "1", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut input = child.stdin.take().expect("standard input is piped");
    let script = script.to_owned();
    let writer = std::thread::spawn(move || input.write_all(script.as_bytes()));
    let output = child.wait_with_output().expect("the binary ends");
    let _ = writer.join().expect("writing to a pipe does not panic");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), output.status.success(), text(&output.stderr))
}

fn check(family: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/answers/{family}.txt"));
    let file = std::fs::read_to_string(path).expect("the folder of answers is part of the repository");
    let lines = file.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (mut questions, mut wrong) = (Vec::new(), Vec::new());
    for (view, answer) in lines.map(Question::parse) {
        match answer {
            Some(question) => questions.push(question),
            None => {
                let (_, accepted, message) = run(&format!("{HEAD}{view};"));
                if accepted || message.contains("panicked") || message.is_empty() {
                    wrong.push(format!("{view}\n    wanted a refusal"));
                }
            }
        }
    }
    questions.chunks(100).for_each(|chunk| wrong.extend(check_together(chunk)));
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// Asks many questions in one run.
fn check_together(questions: &[Question]) -> Vec<String> {
    let names: Vec<String> = (0..questions.len()).map(|index| format!("q{index}")).collect();
    let script = questions.iter().zip(&names).map(|(question, name)| question.statements(name));
    let (stdout, ok, message) = run(&format!("{HEAD}{}", script.collect::<String>()));
    if !ok {
        return vec![message];
    }
    let mut answers: Vec<Vec<serde_json::Value>> = Vec::new();
    for line in stdout.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("a line of the output is JSON");
        if !line["row"]["type"].is_null() {
            answers.push(Vec::new());
        }
        answers.last_mut().expect("a view is described before its rows").push(line);
    }
    assert_eq!(answers.len(), questions.len(), "each view is described");
    let asked = questions.iter().zip(&names).zip(&answers);
    asked.filter_map(|((question, name), lines)| question.wrong(name, lines)).collect()
}

macro_rules! families {
    ($($family:ident),*) => {$(
        #[test]
        fn $family() {
            check(stringify!($family));
        }
    )*};
}

families!(
    arithmetic,
    bitmap,
    cast,
    collections,
    comparison,
    conditional,
    dates,
    json,
    math,
    patterns,
    strings
);
