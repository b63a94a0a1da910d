//! The reading thread: lists files, cuts them into blobs, and knows the constants of each.
//!
//! Invariant: with several tasks a file belongs to exactly one, by a hash of its path, whatever else lies in
//! the folder and whenever a task looks.

use super::cutter::{CutError, Cutter, LINE_BYTES_MAX};
use super::listing::{absolute, list, unreadable};
use super::partition::read_value;
use super::path::{Location, partition_folders};
use super::position::{Cursor, Stand, Traced};
use super::tail::Tails;
use super::whole::WholeReading;
use crate::columns::fixed;
use arrow_array::{ArrayRef, StringViewArray};
use chrono_tz::Tz;
use fancy_regex::Regex;
use std::fs::{File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::time::{Duration, UNIX_EPOCH};
use tidemill_connector::{Fetched, FetchedBlob, Place, Positions};
use tidemill_types::{Blob, DataType, Error, Result, TypeKind};
use tokio::sync::mpsc;

/// What the thread is to read.
pub(super) struct Reader {
    pub(super) table: String,
    pub(super) location: Location,
    pub(super) pattern: Option<Regex>,
    /// How often to look again; without it the files there are make the table.
    pub(super) monitor: Option<Duration>,
    pub(super) constants: Constants,
    pub(super) task: usize,
    pub(super) parallelism: usize,
    /// Where an earlier run stood.
    pub(super) resumed: Positions,
    /// How files are read whose format has a head or an end; `None`: line by line.
    pub(super) whole: Option<WholeReading>,
}

/// A metadata column of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKey {
    Path,
    Name,
    Size,
    ModificationTime,
}

impl FileKey {
    pub(super) fn of(key: &str) -> Option<Self> {
        match key {
            "file.path" => Some(FileKey::Path),
            "file.name" => Some(FileKey::Name),
            "file.size" => Some(FileKey::Size),
            "file.modification-time" => Some(FileKey::ModificationTime),
            _ => None,
        }
    }
}

/// The columns whose values a file's path and state give, each with its place among the wanted columns.
pub(super) struct Constants {
    pub(super) partitions: Vec<(usize, String, DataType)>,
    pub(super) metadata: Vec<(usize, FileKey)>,
    pub(super) default_name: String,
    pub(super) zone: Tz,
}

impl Constants {
    fn of(&self, path: &Path, metadata: &Metadata) -> Result<Vec<(usize, ArrayRef)>> {
        let mut out = Vec::with_capacity(self.partitions.len() + self.metadata.len());
        let full = absolute(path);
        let full = full.to_string_lossy();
        for (at, column, data_type) in &self.partitions {
            out.push((*at, self.partition_value(&full, column, data_type)?));
        }
        for (at, key) in &self.metadata {
            out.push((*at, metadata_value(*key, &full, metadata)));
        }
        Ok(out)
    }

    fn partition_value(&self, path: &str, column: &str, data_type: &DataType) -> Result<ArrayRef> {
        let found = partition_folders(path).rev().find(|(name, _)| name == column);
        let (_, value) = found.ok_or_else(|| {
            Error::user_hint(
                format!("the file '{path}' lies in no folder '{column}=…'"),
                "files of a table with PARTITIONED BY lie in one folder for each partition column",
            )
        })?;
        let value = (value != self.default_name).then_some(value);
        read_value(value.as_deref(), data_type, self.zone).ok_or_else(|| {
            let value = value.unwrap_or_default();
            Error::data(format!("'{value}' in the path '{path}' is no {data_type} for the column '{column}'"))
        })
    }
}

fn metadata_value(key: FileKey, path: &str, metadata: &Metadata) -> ArrayRef {
    let text = |value: &str| Arc::new(StringViewArray::from_iter_values([value]));
    match key {
        FileKey::Path => text(path),
        FileKey::Name => text(path.rsplit('/').next().unwrap_or(path)),
        FileKey::Size => fixed(&TypeKind::BigInt.not_null(), vec![metadata.len() as i64], None),
        FileKey::ModificationTime => {
            let modified = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            let ms = modified.map_or(0, |since| since.as_millis() as i64);
            fixed(&TypeKind::TimestampLtz(3).not_null(), vec![ms], None)
        }
    }
}

/// Why the thread stops early.
pub(super) enum Halt {
    /// Nobody listens any more.
    Closed,
    /// It can't go on.
    Failed(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Halt::Failed(error)
    }
}

/// One file (or standard input) while it is read.
pub(super) struct Split {
    /// What messages call it.
    pub(super) name: Arc<str>,
    /// Its number among the files of the task.
    pub(super) index: u32,
    /// What its path gives.
    pub(super) constants: Vec<(usize, ArrayRef)>,
    /// How its stand is told; `None` for pipes and the like.
    pub(super) traced: Option<Traced>,
}

/// How far a file was read behind a step of the thread.
#[derive(Debug)]
pub(super) struct Progress {
    /// Its number among the files of the task.
    pub(super) index: u32,
    /// Its path.
    pub(super) name: Arc<str>,
    /// `None`: it is gone, and nothing of it need be remembered.
    pub(super) stand: Option<Stand>,
}

/// What the thread gives: something to hand on, how far that brings files, or both.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) fetched: Option<Result<Fetched>>,
    pub(super) progress: Vec<Progress>,
}

/// The way to the source.
#[derive(Debug)]
pub(super) struct Out(pub(super) mpsc::Sender<Step>);

impl Out {
    pub(super) fn progress(&self, progress: Vec<Progress>) -> Result<(), Halt> {
        self.send(Step { fetched: None, progress })
    }

    pub(super) fn send(&self, step: Step) -> Result<(), Halt> {
        self.0.blocking_send(step).map_err(|_| Halt::Closed)
    }
}

impl Reader {
    /// Reads until the end, a failure, or until nobody listens.
    pub(super) fn run(self, out: &Out, stopped: &std_mpsc::Receiver<()>) {
        let last = match self.read(out, stopped) {
            Ok(()) => Ok(Fetched::End),
            Err(Halt::Failed(error)) => Err(error),
            Err(Halt::Closed) => return,
        };
        // The consumer may have gone at this very moment; then nobody misses the end.
        let _ = out.send(Step { fetched: Some(last), progress: Vec::new() });
    }

    fn read(&self, out: &Out, stopped: &std_mpsc::Receiver<()>) -> Result<(), Halt> {
        match (&self.location, self.monitor) {
            (Location::Standard, _) if self.task > 0 => Ok(()),
            (Location::Standard, _) => self.read_standard(out),
            (Location::Path(root), None) => self.read_once(root, out),
            (Location::Path(root), Some(interval)) => {
                let mut tails = Tails::resume(self, root, out)?;
                loop {
                    tails.look(self, root, out)?;
                    if stopped.recv_timeout(interval) != Err(std_mpsc::RecvTimeoutError::Timeout) {
                        return Err(Halt::Closed);
                    }
                }
            }
        }
    }

    /// The files of this task.
    pub(super) fn files(&self, root: &Path) -> Result<Vec<PathBuf>> {
        let mut files = list(root, self.pattern.as_ref())?;
        let tasks = self.parallelism as u64;
        files.retain(|file| tasks == 1 || path_hash(file) % tasks == self.task as u64);
        Ok(files)
    }

    fn read_standard(&self, out: &Out) -> Result<(), Halt> {
        let split = Split { name: "standard input".into(), index: 0, constants: Vec::new(), traced: None };
        let cutter = Cutter::new(std::io::stdin().lock(), true, None);
        pump(&split, cutter, Cursor::START, true, out).map(drop)
    }

    /// Reads the files in path order. A run that is resumed has read everything before the file where it stands, so
    /// that file is all it remembers; files that came behind it meanwhile are read too.
    fn read_once(&self, root: &Path, out: &Out) -> Result<(), Halt> {
        let files = self.files(root)?;
        let resumed = self.resumed.iter().next_back();
        let resumed = resumed.map(|(name, text)| Stand::parse(text).map(|stand| (Path::new(name), stand)));
        let resumed = resumed.transpose()?;
        if let Some((path, stand)) = &resumed
            && !stand.done
            && !files.iter().any(|file| file == path)
        {
            return Err(changed(path, "is gone, but was not read to its end").into());
        }
        for (index, path) in files.iter().enumerate() {
            let at = match &resumed {
                Some((last, stand)) if path < *last || (path == last && stand.done) => continue,
                Some((last, stand)) if path == last => Some(stand),
                _ => None,
            };
            self.read_file(path, index as u32, at, out)?;
        }
        Ok(())
    }

    fn read_file(&self, path: &Path, index: u32, stand: Option<&Stand>, out: &Out) -> Result<(), Halt> {
        let (file, metadata) = open(path)?;
        let split = self.split(path, (&file, &metadata), index)?;
        let mismatch =
            |stand: &Stand| stand.mismatch(path, (&file, &metadata), self.is_whole(path)).transpose();
        if let Some(reason) = stand.and_then(mismatch) {
            return Err(changed(path, &reason?).into());
        }
        let at = stand.map_or(Cursor::START, |stand| stand.at);
        if let Some(whole) = &self.whole {
            let end = self.read_whole(whole, path, file, &split, at, out)?;
            return out.progress(split.progress(end, true).into_iter().collect());
        }
        let cutter = Cutter::new(plain(path, file, at)?, !metadata.is_file(), expected(path, &metadata, at));
        let end = pump(&split, cutter, at, true, out)?;
        out.progress(split.progress(end, true).into_iter().collect())
    }

    /// Whether a file can only be read from its start to its end, as it is.
    pub(super) fn is_whole(&self, path: &Path) -> bool {
        self.whole.is_some() || is_compressed(path)
    }

    /// The split of a file.
    pub(super) fn split(
        &self,
        path: &Path,
        (file, metadata): (&File, &Metadata),
        index: u32,
    ) -> Result<Split> {
        let constants = self.constants.of(path, metadata)?;
        let traced = || Traced::of(path, (file, metadata), self.is_whole(path));
        let traced = metadata.is_file().then(traced).transpose()?;
        Ok(Split { name: path.to_string_lossy().into(), index, constants, traced })
    }
}

impl Split {
    /// That it was read up to here, if that can be told.
    pub(super) fn progress(&self, at: Cursor, done: bool) -> Option<Progress> {
        let stand = Stand { done, ..self.traced.as_ref()?.stand(at) };
        Some(Progress { index: self.index, name: self.name.clone(), stand: Some(stand) })
    }
}

fn changed(path: &Path, what: &str) -> Error {
    Error::user_hint(
        format!("can't go on with '{}' where the last run stopped: it {what}", path.display()),
        "put the file back as it was, or begin anew with an empty state folder",
    )
}

/// Opens a file and looks at what was opened.
pub(super) fn open(path: &Path) -> Result<(File, Metadata)> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
    Ok((file, metadata))
}

fn path_hash(path: &Path) -> u64 {
    // FNV-1a: the same on every machine, so that tasks agree.
    path.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    }) >> 17
}

/// How a file's name says that it is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    Gzip,
    Zstd,
    Deflate,
}

fn compression(path: &Path) -> Option<Compression> {
    match path.extension()?.to_str()? {
        "gz" | "gzip" => Some(Compression::Gzip),
        "zst" | "zstd" => Some(Compression::Zstd),
        "deflate" => Some(Compression::Deflate),
        _ => None,
    }
}

/// Whether a file's name says that it is compressed.
pub(super) fn is_compressed(path: &Path) -> bool {
    compression(path).is_some()
}

/// The bytes of a file without its compression, from a place on. What is compressed must be read up to there.
pub(super) fn plain(path: &Path, mut file: File, from: Cursor) -> Result<Box<dyn Read>> {
    let failed = |error| unreadable(path, &error);
    let mut reader: Box<dyn Read> = match compression(path) {
        None => {
            if from.offset > 0 {
                file.seek(SeekFrom::Start(from.offset)).map_err(failed)?;
            }
            return Ok(Box::new(file));
        }
        Some(Compression::Gzip) => Box::new(flate2::read::MultiGzDecoder::new(file)),
        Some(Compression::Deflate) => Box::new(flate2::read::ZlibDecoder::new(file)),
        Some(Compression::Zstd) => Box::new(zstd::stream::read::Decoder::new(file).map_err(failed)?),
    };
    std::io::copy(&mut reader.by_ref().take(from.offset), &mut std::io::sink()).map_err(failed)?;
    Ok(reader)
}

fn expected(path: &Path, metadata: &Metadata, from: Cursor) -> Option<u64> {
    (metadata.is_file() && !is_compressed(path)).then_some(metadata.len().saturating_sub(from.offset))
}

/// Hands on the lines of a stream from `at` and says how far it came. The last line without an end is handed
/// on only if `with_rest`.
pub(super) fn pump<R: Read>(
    split: &Split,
    mut cutter: Cutter<R>,
    mut at: Cursor,
    with_rest: bool,
    out: &Out,
) -> Result<Cursor, Halt> {
    loop {
        match cutter.next_lines() {
            Ok(Some(lines)) => at = send(split, lines, at, out)?,
            Ok(None) => break,
            Err(error) => return Err(cut_failed(split, at, error).into()),
        }
    }
    match cutter.into_rest() {
        rest if with_rest && !rest.is_empty() => send(split, rest, at, out),
        _ => Ok(at),
    }
}

fn send(split: &Split, lines: Vec<u8>, at: Cursor, out: &Out) -> Result<Cursor, Halt> {
    let next = Cursor {
        offset: at.offset + lines.len() as u64,
        line: at.line + memchr::memchr_iter(b'\n', &lines).count() as u64,
    };
    let place =
        Place { split: split.name.clone(), split_index: split.index, offset: at.offset, line: at.line };
    let blob =
        FetchedBlob { constants: split.constants.clone(), ..FetchedBlob::new(Blob::lines(lines), place) };
    let progress = split.progress(next, false).into_iter().collect();
    out.send(Step { fetched: Some(Ok(Fetched::Blob(blob))), progress })?;
    Ok(next)
}

fn cut_failed(split: &Split, at: Cursor, error: CutError) -> Error {
    let Split { name, .. } = split;
    match error {
        CutError::Io(error) => {
            Error::external_fatal(format!("can't read '{name}' behind byte {}: {error}", at.offset))
        }
        CutError::LineTooLong => Error::Data {
            message: format!(
                "a line behind byte {} of '{name}' is longer than {LINE_BYTES_MAX} bytes",
                at.offset
            ),
            place: Some(format!("{name}:{}", at.line)),
        },
    }
}
