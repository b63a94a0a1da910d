//! Runs a case with the real binary.

use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const TIME_MAX: Duration = Duration::from_secs(30);

/// The folders that a case names.
pub struct Places {
    pub data: PathBuf,
    pub out: PathBuf,
    pub case: PathBuf,
    /// For what no case looks at.
    pub scratch: PathBuf,
}

/// What the binary answered.
pub struct Answer {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs the case; an error if it crashes or does not end.
pub fn run(places: &Places) -> Result<Answer, String> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidemill"))
        .arg("run")
        .arg(places.case.join("case.sql"))
        .current_dir(&places.scratch)
        .env("TMPDIR", &places.scratch)
        .envs([("DATA", &places.data), ("OUT", &places.out), ("CASE", &places.case)])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let stdout = reading(child.stdout.take().expect("standard output is piped"));
    let stderr = reading(child.stderr.take().expect("standard error is piped"));
    let begin = Instant::now();
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if begin.elapsed() > TIME_MAX => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("no end after {} s", TIME_MAX.as_secs()));
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let text = |reader: JoinHandle<String>| reader.join().expect("reading a pipe does not panic");
    let answer = Answer { code: status.code(), stdout: named(&text(stdout), places), stderr: text(stderr) };
    match answer.code {
        Some(_) if !answer.stderr.contains("panicked at") => Ok(answer),
        _ => Err(format!("crashed: {}", answer.stderr)),
    }
}

impl Answer {
    /// The lines of standard output.
    pub fn rows(&self) -> Result<String, String> {
        match self.code {
            Some(0) => Ok(self.stdout.clone()),
            code => Err(format!("exit {}: {}", code.unwrap_or(-1), self.stderr)),
        }
    }

    /// Whether the case was refused with a message.
    pub fn refused(&self) -> Result<(), String> {
        match (self.code, self.stderr.trim()) {
            (Some(0), _) => Err("accepted, but Flink refuses it".to_string()),
            (_, "") => Err("refused without a message".to_string()),
            _ => Ok(()),
        }
    }
}

/// What a case wrote below its folder, line by line, each with the folder of its file: files are named anew in
/// each run.
pub fn written(places: &Places) -> Result<Vec<Value>, String> {
    let mut rows = Vec::new();
    collect(&places.out, places, &mut rows).map_err(|error| error.to_string())?;
    Ok(rows)
}

fn collect(folder: &Path, places: &Places, rows: &mut Vec<Value>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            collect(&path, places, rows)?;
        } else if !name.starts_with(['_', '.']) {
            let file = match folder.strip_prefix(&places.out).map(|folder| folder.display().to_string()) {
                Ok(inner) if !inner.is_empty() => inner,
                _ => ".".to_string(),
            };
            let text = std::fs::read_to_string(&path)?;
            rows.extend(text.lines().map(|line| json!({"file": file, "line": named(line, places)})));
        }
    }
    Ok(())
}

/// The text with the folders written as the names they have in a case.
fn named(text: &str, places: &Places) -> String {
    [("${OUT}", &places.out), ("${CASE}", &places.case), ("${DATA}", &places.data)]
        .iter()
        .fold(text.to_string(), |text, (name, path)| text.replace(&path.display().to_string(), name))
}

fn reading(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What could be read is judged.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
