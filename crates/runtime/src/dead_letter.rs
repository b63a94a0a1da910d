//! The file in which records that could not be used are set aside, one JSON object a line.
//!
//! A bad record has `kind` "bad", `time`, `table`, `split`, `offset`, `line` (if lines mean something),
//! `reason`, `raw` (base64) and `text` (if it is UTF-8); a late row has `kind` "late", `time`, `operator`
//! and `row`. Invariant: a line is in the file before the job counts the record or fails because of it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tidemill_format::EncodeRequest;
use tidemill_types::disk::is_full;
use tidemill_types::{Chunk, Disk, DiskFile, Error, Options, Result, Schema};

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

/// Sets rows aside; shared by all tasks of a job.
#[derive(Debug)]
pub struct DeadLetters {
    path: Option<PathBuf>,
    file: Mutex<Option<Box<dyn DiskFile>>>,
    disk: Arc<dyn Disk>,
    zone: chrono_tz::Tz,
}

impl DeadLetters {
    /// Writes to this file, made when the first record comes; without one, nothing is written.
    pub fn new(path: Option<PathBuf>, zone: chrono_tz::Tz, disk: Arc<dyn Disk>) -> Self {
        DeadLetters { path, file: Mutex::new(None), disk, zone }
    }

    /// The file, for messages.
    pub fn path(&self) -> Option<&PathBuf> {
        self.path.as_ref()
    }

    /// Sets a record aside.
    pub fn bad(&self, record: &BadRecord<'_>, now_ms: i64) -> Result<()> {
        if self.path.is_none() {
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
        self.write(format!("{}\n", Value::Object(line)).as_bytes())
    }

    /// Sets late rows aside.
    pub fn late(&self, operator: &str, schema: &Schema, rows: &Chunk, now_ms: i64) -> Result<()> {
        if self.path.is_none() || rows.rows == 0 {
            return Ok(());
        }
        let mut lines = String::new();
        for row in self.rows_as_json(schema, rows) {
            let line = json!({"kind": "late", "time": now_ms, "operator": operator, "row": row});
            lines.push_str(&format!("{line}\n"));
        }
        self.write(lines.as_bytes())
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

    fn write(&self, line: &[u8]) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let failed = |error: std::io::Error| {
            let message = format!("can't set a record aside in '{}': {error}", path.display());
            if is_full(&error) { Error::external(message) } else { Error::external_fatal(message) }
        };
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.is_none() {
            *file = Some(self.disk.append(path).map_err(failed)?);
        }
        file.as_mut().expect("the file was just opened").append(line).map_err(failed)
    }
}

/// The beginning of a record, for messages.
pub fn shortened(raw: &[u8]) -> String {
    const SHOWN_MAX: usize = 120;
    let text = String::from_utf8_lossy(&raw[..raw.len().min(SHOWN_MAX)]).trim_end().to_string();
    if raw.len() > SHOWN_MAX { format!("{text}…") } else { text }
}
