//! The source: hands on what the reading thread has ready.
//!
//! The thread starts with the first `next` and ends when the source is dropped: its channel is then closed,
//! and a wait for the next look at the folder is woken. Invariant: `next` keeps nothing outside the channel,
//! so that it may be dropped while it waits; and as the thread reads ahead, positions are those that came through the
//! channel, not the thread's.

use super::listing::list;
use super::options::{DEFAULT_NAME, MONITOR_INTERVAL, REGEX};
use super::path::Location;
use super::position::Stand;
use super::reader::{Constants, FileKey, Out, Progress, Reader, Step};
use super::tail::inode_suffix;
use super::whole::WholeReading;
use fancy_regex::Regex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use tidemill_connector::{Fetched, Positions, Source, TableRequest};
use tidemill_types::{Error, Options, Result};
use tokio::sync::mpsc;

/// How many blobs the thread may be ahead of the consumer.
const READ_AHEAD: usize = 4;

/// The source of one task.
pub(super) struct FileSource {
    reader: Option<Reader>,
    running: Option<Running>,
    progressed: Progressed,
}

struct Running {
    steps: mpsc::Receiver<Step>,
    /// Dropping it wakes the thread.
    _stop: std_mpsc::Sender<()>,
}

/// Opens the source; the path must exist.
pub(super) fn open(request: &TableRequest<'_>, location: Location) -> Result<FileSource> {
    let pattern = pattern(request.options)?;
    if let Location::Path(root) = &location {
        list(root, pattern.as_ref())?;
    }
    let reader = Reader {
        table: request.table.to_string(),
        location,
        pattern,
        monitor: request.options.duration(&MONITOR_INTERVAL)?,
        constants: constants(request),
        task: request.task,
        parallelism: request.parallelism.max(1),
        resumed: Positions::new(),
        whole: WholeReading::of(request)?,
    };
    let progressed = Progressed { in_order: reader.monitor.is_none(), ..Progressed::default() };
    Ok(FileSource { reader: Some(reader), running: None, progressed })
}

/// How far what was handed on brings the files.
#[derive(Default)]
struct Progressed {
    /// Whether files are read one after another, so that the last one stands for all before it.
    in_order: bool,
    /// Where an earlier run stood, until the thread has told how that is now.
    resumed: Positions,
    files: BTreeMap<u32, (Arc<str>, Stand)>,
}

impl Progressed {
    fn note(&mut self, Progress { index, name, stand }: Progress) {
        if self.in_order {
            self.files.clear();
        }
        match stand {
            Some(stand) => drop(self.files.insert(index, (name, stand))),
            None => drop(self.files.remove(&index)),
        }
    }

    fn positions(&self) -> Positions {
        let mut positions = self.resumed.clone();
        // Of two files that had the same path in turn, the newer keeps it.
        for (name, stand) in self.files.values().rev() {
            let mut name = name.to_string();
            if positions.contains_key(&name) {
                name.push_str(&inode_suffix(stand));
            }
            positions.insert(name, stand.to_string());
        }
        positions
    }
}

/// The pattern that whole paths must match.
pub(super) fn pattern(options: &Options) -> Result<Option<Regex>> {
    let compile = |text: &str| {
        Regex::new(&format!("^(?:{text})$"))
            .map_err(|error| Error::user(format!("option '{}' is no regular expression: {error}", REGEX.key)))
    };
    options.text(&REGEX).map(compile).transpose()
}

fn constants(request: &TableRequest<'_>) -> Constants {
    let field = |index: &usize| &request.schema.fields[*index];
    let partitions = request.wanted.iter().map(field).enumerate();
    let partitions = partitions
        .filter(|(_, field)| request.partition_by.contains(&field.name))
        .map(|(at, field)| (at, field.name.clone(), field.data_type.clone()));
    let metadata = request.metadata.iter().enumerate();
    let metadata = metadata.filter_map(|(at, (key, _))| Some((request.wanted.len() + at, FileKey::of(key)?)));
    Constants {
        partitions: partitions.collect(),
        metadata: metadata.collect(),
        default_name: request.options.text(&DEFAULT_NAME).unwrap_or_default().to_string(),
        zone: request.zone,
    }
}

fn start(reader: Reader) -> Result<Running> {
    let (steps_in, steps) = mpsc::channel(READ_AHEAD);
    let (stop, stopped) = std_mpsc::channel();
    std::thread::Builder::new()
        .name(format!("read {}", reader.table))
        .spawn(move || reader.run(&Out(steps_in), &stopped))
        .map_err(|error| Error::external_fatal(format!("can't start a reading thread: {error}")))?;
    Ok(Running { steps, _stop: stop })
}

#[async_trait::async_trait]
impl Source for FileSource {
    async fn next(&mut self) -> Result<Fetched> {
        if let Some(reader) = self.reader.take() {
            self.running = Some(start(reader)?);
        }
        let Some(running) = &mut self.running else { return Ok(Fetched::End) };
        while let Some(step) = running.steps.recv().await {
            if !step.progress.is_empty() {
                self.progressed.resumed.clear();
            }
            step.progress.into_iter().for_each(|progress| self.progressed.note(progress));
            if let Some(fetched) = step.fetched {
                return fetched;
            }
        }
        Err(Error::internal("the reading thread ended without saying so"))
    }

    fn positions(&self) -> Positions {
        self.progressed.positions()
    }

    async fn restore(&mut self, positions: &Positions) -> Result<()> {
        let reader =
            self.reader.as_mut().ok_or_else(|| Error::internal("the files are being read already"))?;
        reader.resumed = positions.clone();
        self.progressed.resumed = positions.clone();
        Ok(())
    }
}
