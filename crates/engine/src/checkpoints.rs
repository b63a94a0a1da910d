//! What lies in a state folder, for people and programs that look at it.
//!
//! Reads only and takes no lock, so a run may go on meanwhile.

use crate::EngineError;
use serde::Serialize;
use std::collections::BTreeMap;
use tidemill_state::checkpoint::{CheckpointInfo, CheckpointStore, Manifest, StateFolder, TableState};
use tidemill_types::Error;
use tokio::runtime::Runtime;

/// The checkpoints of a state folder, local or in an object store.
pub struct Checkpoints {
    folder: StateFolder,
    runtime: Runtime,
}

/// One checkpoint in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckpointRow {
    /// The job.
    pub job: String,
    /// The number of the checkpoint.
    pub epoch: u64,
    /// When it was taken, in milliseconds since 1970.
    pub created_ms: Option<i64>,
    /// The bytes a restart from it reads.
    pub state_bytes: u64,
    /// The bytes it wrote.
    pub written_bytes: u64,
    /// The rows of state.
    pub state_rows: u64,
    /// Whether the job had ended.
    pub finished: bool,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// All that a checkpoint says of its job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckpointDetails {
    /// What the list says of it.
    #[serde(flatten)]
    pub row: CheckpointRow,
    /// How many tasks each fragment had.
    pub parallelism: u32,
    /// How many key groups the job has.
    pub key_groups: u32,
    /// From the first barrier until everybody had reported, in milliseconds.
    pub duration_ms: u64,
    /// How long the task that waited longest had some inputs at the barrier and others not, in milliseconds.
    pub alignment_ms: u64,
    /// The bytes of state that it wrote.
    pub state_written_bytes: u64,
    /// The bytes of rows that its barrier overtook.
    pub in_flight_bytes: u64,
    /// Those rows.
    pub in_flight_rows: u64,
    /// The sources by uid.
    pub sources: BTreeMap<String, SourceDetails>,
    /// The watermarks by place, in milliseconds since 1970.
    pub watermarks: BTreeMap<String, i64>,
    /// The tables of operators.
    pub tables: Vec<TableDetails>,
    /// What each sink prepared, by uid.
    pub sinks: BTreeMap<String, Vec<PreparedDetails>>,
    /// The settings it ran with.
    pub settings: BTreeMap<String, String>,
}

/// How far a source had read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceDetails {
    /// Whether it had given everything.
    pub ended: bool,
    /// The position of each split.
    pub positions: BTreeMap<String, String>,
}

/// A table of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableDetails {
    /// The uid of the operator.
    pub operator: String,
    /// The name of the table.
    pub table: String,
    /// How many rows it has.
    pub rows: u64,
    /// The bytes a restart reads, changes that were overwritten included.
    pub bytes: u64,
    /// In how many pieces they lie.
    pub segments: usize,
    /// The epoch that wrote the oldest piece.
    pub oldest_epoch: Option<u64>,
}

/// What one task of a sink prepared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PreparedDetails {
    /// How many bytes.
    pub bytes: usize,
    /// They as text, where they are one.
    pub text: Option<String>,
}

/// What checking a checkpoint found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckpointCheck {
    /// The job.
    pub job: String,
    /// The number of the checkpoint.
    pub epoch: u64,
    /// How many pieces were checked.
    pub segments: usize,
    /// Their bytes.
    pub bytes: u64,
    /// What is damaged.
    pub damages: Vec<String>,
}

impl Checkpoints {
    /// Opens a state folder that exists: a path or a URL.
    pub fn open(location: &str) -> Result<Self, EngineError> {
        let folder = StateFolder::inspect(location)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| Error::external(format!("can't start threads: {error}")))?;
        Ok(Checkpoints { folder, runtime })
    }

    /// The jobs that have checkpoints; a job that was asked for must have some.
    pub fn jobs(&self, only: Option<&str>) -> Result<Vec<String>, EngineError> {
        let mut jobs = self.runtime.block_on(self.folder.jobs())?;
        if let Some(only) = only {
            if !jobs.iter().any(|job| job == only) {
                return Err(no_job(only, &jobs).into());
            }
            jobs.retain(|job| job == only);
        }
        Ok(jobs)
    }

    /// The checkpoints of a job, the oldest first.
    pub fn list(&self, job: &str) -> Result<Vec<CheckpointRow>, EngineError> {
        let all = self.infos(&self.folder.job(job)?)?;
        Ok(all.iter().map(|info| row(job, info)).collect())
    }

    /// What a checkpoint of a job says: that of this number, or the last one that can be read.
    pub fn show(&self, job: &str, epoch: Option<u64>) -> Result<CheckpointDetails, EngineError> {
        let all = self.infos(&self.folder.job(job)?)?;
        let wanted = |info: &&CheckpointInfo| match epoch {
            Some(epoch) => info.epoch == epoch,
            None => info.manifest.is_ok(),
        };
        let info = all.iter().rev().find(wanted).ok_or_else(|| no_epoch(job, epoch, &all))?;
        match &info.manifest {
            Ok(manifest) => Ok(details(row(job, info), manifest)),
            Err(reason) => {
                Err(Error::external_fatal(format!("checkpoint {} of job '{job}': {reason}", info.epoch))
                    .into())
            }
        }
    }

    /// Checks every byte of the checkpoints of a job, or of one of them.
    pub fn verify(&self, job: &str, epoch: Option<u64>) -> Result<Vec<CheckpointCheck>, EngineError> {
        let store = self.folder.job(job)?;
        let all = self.infos(&store)?;
        let wanted: Vec<u64> =
            all.iter().map(|info| info.epoch).filter(|at| epoch.is_none_or(|epoch| epoch == *at)).collect();
        if epoch.is_some() && wanted.is_empty() {
            return Err(no_epoch(job, epoch, &all).into());
        }
        let mut checks = Vec::with_capacity(wanted.len());
        for epoch in wanted {
            // None: a run that goes on has deleted it meanwhile.
            if let Some(report) = self.runtime.block_on(store.verify(epoch))? {
                checks.push(CheckpointCheck {
                    job: job.to_owned(),
                    epoch,
                    segments: report.segments,
                    bytes: report.bytes,
                    damages: report.damages.iter().map(ToString::to_string).collect(),
                });
            }
        }
        Ok(checks)
    }

    fn infos(&self, store: &CheckpointStore) -> Result<Vec<CheckpointInfo>, EngineError> {
        Ok(self.runtime.block_on(store.list())?)
    }
}

fn row(job: &str, info: &CheckpointInfo) -> CheckpointRow {
    let manifest = info.manifest.as_ref().ok();
    CheckpointRow {
        job: job.to_owned(),
        epoch: info.epoch,
        created_ms: manifest.map(|manifest| manifest.created_ms),
        state_bytes: info.state_bytes(),
        written_bytes: info.written_bytes,
        state_rows: info.state_rows(),
        finished: manifest.is_some_and(|manifest| manifest.finished),
        problem: info.manifest.as_ref().err().cloned(),
    }
}

fn details(row: CheckpointRow, manifest: &Manifest) -> CheckpointDetails {
    let sources = manifest.sources.iter().map(|(uid, source)| {
        let positions = source.positions.clone();
        (uid.clone(), SourceDetails { ended: source.ended, positions })
    });
    let sinks = manifest.sinks.iter().map(|(uid, all)| {
        let all = all.iter().map(|bytes| PreparedDetails { bytes: bytes.len(), text: text(bytes) });
        (uid.clone(), all.collect())
    });
    CheckpointDetails {
        row,
        parallelism: manifest.parallelism,
        key_groups: manifest.key_groups,
        duration_ms: manifest.cost.duration_ms,
        alignment_ms: manifest.cost.alignment_ms,
        state_written_bytes: manifest.cost.state_bytes,
        in_flight_bytes: manifest.cost.in_flight_bytes,
        in_flight_rows: manifest.in_flight.iter().map(|rows| rows.rows).sum(),
        sources: sources.collect(),
        watermarks: manifest.watermarks.clone(),
        tables: manifest.tables.iter().map(table).collect(),
        sinks: sinks.collect(),
        settings: manifest.settings.clone(),
    }
}

fn table(state: &TableState) -> TableDetails {
    TableDetails {
        operator: state.operator.clone(),
        table: state.table.clone(),
        rows: state.rows,
        bytes: state.segments.iter().map(|segment| segment.len).sum(),
        segments: state.segments.len(),
        oldest_epoch: state.segments.iter().map(|segment| segment.epoch).min(),
    }
}

/// The bytes as text if people can read them.
fn text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.is_empty() && !text.contains(char::is_control)).then(|| text.to_owned())
}

fn no_job(job: &str, jobs: &[String]) -> Error {
    let hint = match jobs {
        [] => "the folder has no checkpoints at all".to_owned(),
        jobs => format!(
            "it has those of {}",
            jobs.iter().map(|job| format!("'{job}'")).collect::<Vec<_>>().join(", ")
        ),
    };
    Error::user_hint(format!("the folder has no checkpoints of a job '{job}'"), hint)
}

fn no_epoch(job: &str, epoch: Option<u64>, all: &[CheckpointInfo]) -> Error {
    let known: Vec<String> = all.iter().map(|info| info.epoch.to_string()).collect();
    let which = epoch.map_or_else(|| "that can be read".to_owned(), |epoch| epoch.to_string());
    Error::user_hint(
        format!("job '{job}' has no checkpoint {which}"),
        match known.as_slice() {
            [] => "it has none".to_owned(),
            known => format!("it has {}", known.join(", ")),
        },
    )
}
