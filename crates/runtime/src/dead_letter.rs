//! The file in which records that could not be used are set aside, one JSON object a line.
//!
//! A bad record has `kind` "bad", `time`, `table`, `split`, `offset`, `line` (if lines mean something),
//! `reason`, `raw` (base64) and `text` (if it is UTF-8); a late row has `kind` "late", `time`, `operator`
//! and `row`. A run with checkpoints adds `job` and `epoch`: the first epoch that holds what the line is about.
//!
//! Invariant: a line is in the file before the job counts the record or fails because of it. It is there once, however
//! often the job dies: a run that goes on from a checkpoint first takes out the lines of later epochs, whose records it
//! will read again, and a checkpoint is complete only when the lines of its epoch are durable.

mod file;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use file::{Former, LetterFile};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tidemill_format::EncodeRequest;
use tidemill_types::disk::is_full;
use tidemill_types::{Chunk, Disk, Error, Options, Result, Schema};

/// A record that could not be read.
#[derive(Debug, Clone, Copy)]
pub struct BadRecord<'a> {
    /// The table it was read for.
    pub table: &'a str,
    /// The split it stands in.
    pub split: &'a str,
    /// Its offset in the split.
    pub offset: u64,
    /// Its line, from 1; 0 if lines have no meaning.
    pub line: u64,
    /// Why it could not be read.
    pub reason: &'a str,
    /// Its bytes.
    pub raw: &'a [u8],
}

impl BadRecord<'_> {
    /// Where it stands: `file:line` or `split@offset`.
    pub fn place(&self) -> String {
        match self.line {
            0 => format!("{}@{}", self.split, self.offset),
            line => format!("{}:{line}", self.split),
        }
    }
}

/// The epoch of lines that every run writes anew.
pub const EVERY_RUN: u64 = u64::MAX;

/// Where a job with checkpoints stands when it starts.
#[derive(Debug, Clone)]
pub struct JobStand {
    /// Its name.
    pub job: String,
    /// The checkpoint that it goes on from; 0 if there is none.
    pub from: u64,
}

/// Sets rows aside; shared by all tasks of a job.
#[derive(Debug)]
pub struct DeadLetters {
    path: Option<PathBuf>,
    file: Arc<LetterFile>,
    /// Its name, if it takes checkpoints.
    job: Option<String>,
    zone: chrono_tz::Tz,
}

/// The same as one task has it.
#[derive(Debug)]
pub struct TaskLetters {
    letters: Arc<DeadLetters>,
    /// The first epoch that holds what the task does now.
    epoch: AtomicU64,
}

impl DeadLetters {
    /// Writes to this file, made when the first record comes; without one, nothing is written.
    pub fn new(
        path: Option<PathBuf>,
        zone: chrono_tz::Tz,
        disk: Arc<dyn Disk>,
        stand: Option<JobStand>,
    ) -> Result<Self> {
        let file = LetterFile::of(path.as_deref(), disk);
        if let (Some(path), Some(stand)) = (&path, &stand) {
            file.keep(path, |line: &Former<'_>| {
                line.job.as_deref() != Some(stand.job.as_str()) || line.epoch <= stand.from
            })
            .map_err(|error| failed(path, &error))?;
        }
        Ok(DeadLetters { path, file, job: stand.map(|stand| stand.job), zone })
    }

    /// The file, for messages.
    pub fn path(&self) -> Option<&PathBuf> {
        self.path.as_ref()
    }

    /// Rows in the text form of the JSON format; NULL for types that it can't write.
    fn rows_as_json(&self, schema: &Schema, rows: &Chunk) -> Vec<Value> {
        let request = EncodeRequest { schema, options: &Options::default(), zone: self.zone };
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        let plain = Chunk::new(rows.columns.clone(), rows.rows);
        let encoded = tidemill_format::format("json").and_then(|format| match format.encoder {
            Some(open) => open(&request)?.encode(&plain, b"\n", &mut bytes, &mut ends),
            None => Err(Error::internal("JSON can be written")),
        });
        if encoded.is_err() || ends.len() != rows.rows {
            return vec![Value::Null; rows.rows];
        }
        let starts = [0].into_iter().chain(ends.iter().copied());
        starts
            .zip(&ends)
            .map(|(from, &to)| serde_json::from_slice(&bytes[from..to]).unwrap_or_default())
            .collect()
    }

    fn write(&self, mut lines: Vec<Map<String, Value>>, epoch: u64) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let mut text = String::new();
        for line in &mut lines {
            if let Some(job) = &self.job {
                line.insert("job".into(), job.as_str().into());
                line.insert("epoch".into(), epoch.into());
            }
            text.push_str(&serde_json::to_string(line).unwrap_or_default());
            text.push('\n');
        }
        self.file.append(path, text.as_bytes()).map_err(|error| failed(path, &error))
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    let message = format!("can't set a record aside in '{}': {error}", path.display());
    if is_full(error) { Error::external(message) } else { Error::external_fatal(message) }
}

impl TaskLetters {
    /// What a task sets aside whose work belongs to this epoch first.
    pub fn new(letters: Arc<DeadLetters>, epoch: u64) -> Self {
        TaskLetters { letters, epoch: AtomicU64::new(epoch) }
    }

    /// The file, for messages.
    pub fn path(&self) -> Option<&PathBuf> {
        self.letters.path()
    }

    /// An epoch ends: makes its lines durable.
    pub fn end_epoch(&self, epoch: u64) -> Result<()> {
        self.epoch.store(epoch + 1, Ordering::Relaxed);
        self.settle()
    }

    /// Makes all lines durable.
    pub fn settle(&self) -> Result<()> {
        let Some(path) = self.letters.path.as_ref().filter(|_| self.letters.job.is_some()) else {
            return Ok(());
        };
        self.letters.file.sync().map_err(|error| failed(path, &error))
    }

    /// Sets a record aside.
    pub fn bad(&self, record: &BadRecord<'_>, now_ms: i64) -> Result<()> {
        if self.path().is_none() {
            return Ok(());
        }
        let mut line = Map::new();
        line.insert("kind".into(), "bad".into());
        line.insert("time".into(), now_ms.into());
        line.insert("table".into(), record.table.into());
        line.insert("split".into(), record.split.into());
        line.insert("offset".into(), record.offset.into());
        if record.line > 0 {
            line.insert("line".into(), record.line.into());
        }
        line.insert("reason".into(), record.reason.into());
        line.insert("raw".into(), STANDARD.encode(record.raw).into());
        if let Ok(text) = std::str::from_utf8(record.raw) {
            line.insert("text".into(), text.into());
        }
        self.letters.write(vec![line], self.epoch.load(Ordering::Relaxed))
    }

    /// Sets late rows aside.
    pub fn late(&self, operator: &str, schema: &Schema, rows: &Chunk, now_ms: i64) -> Result<()> {
        if self.path().is_none() || rows.rows == 0 {
            return Ok(());
        }
        let line = |row: Value| {
            let fields = [
                ("kind", "late".into()),
                ("time", now_ms.into()),
                ("operator", operator.into()),
                ("row", row),
            ];
            fields.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
        };
        let lines = self.letters.rows_as_json(schema, rows).into_iter().map(line).collect();
        self.letters.write(lines, self.epoch.load(Ordering::Relaxed))
    }
}

/// The beginning of a record, for messages.
pub fn shortened(raw: &[u8]) -> String {
    const SHOWN_MAX: usize = 120;
    let text = String::from_utf8_lossy(&raw[..raw.len().min(SHOWN_MAX)]).trim_end().to_string();
    if raw.len() > SHOWN_MAX { format!("{text}…") } else { text }
}
