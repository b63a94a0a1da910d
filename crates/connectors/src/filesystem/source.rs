//! The source: hands on what the reading thread has ready.
//!
//! The thread starts with the first `next` and ends when the source is dropped: its channel is then closed,
//! and a wait for the next look at the folder is woken. Invariant: `next` keeps nothing outside the channel,
//! so that it may be dropped while it waits.

use super::listing::list;
use super::options::{DEFAULT_NAME, MONITOR_INTERVAL, REGEX};
use super::path::Location;
use super::reader::{Constants, FileKey, Reader};
use fancy_regex::Regex;
use std::sync::mpsc as std_mpsc;
use tidemill_connector::{Fetched, Source, TableRequest};
use tidemill_types::{Error, Options, Result};
use tokio::sync::mpsc;

/// How many blobs the thread may be ahead of the consumer.
const READ_AHEAD: usize = 4;

/// The source of one task.
pub(super) struct FileSource {
    reader: Option<Reader>,
    running: Option<Running>,
}

struct Running {
    blobs: mpsc::Receiver<Result<Fetched>>,
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
    };
    Ok(FileSource { reader: Some(reader), running: None })
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
    let (blobs_in, blobs) = mpsc::channel(READ_AHEAD);
    let (stop, stopped) = std_mpsc::channel();
    std::thread::Builder::new()
        .name(format!("read {}", reader.table))
        .spawn(move || reader.run(&blobs_in, &stopped))
        .map_err(|error| Error::external_fatal(format!("can't start a reading thread: {error}")))?;
    Ok(Running { blobs, _stop: stop })
}

#[async_trait::async_trait]
impl Source for FileSource {
    async fn next(&mut self) -> Result<Fetched> {
        if let Some(reader) = self.reader.take() {
            self.running = Some(start(reader)?);
        }
        let Some(running) = &mut self.running else { return Ok(Fetched::End) };
        match running.blobs.recv().await {
            Some(fetched) => fetched,
            None => Err(Error::internal("the reading thread ended without saying so")),
        }
    }
}
