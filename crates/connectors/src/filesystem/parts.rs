//! Part files: rows go to hidden files that get their name when they are finished.
//!
//! 1. A part is written as `.part-<run>-<task>-<n>.inprogress`, which readers skip. No two sinks of a run have
//!    the same task number, so several may write one folder. With checkpoints the name also says whose it is.
//! 2. When it is full or old enough it is *sealed*: closed, and out of reach of further rows.
//! 3. [`Parts::publish`] renames what is sealed to `part-<run>-<task>-<n>`; a rename is atomic, so a reader
//!    sees a part whole or not at all. Without checkpoints sealing publishes at once; a sink that commits
//!    with checkpoints publishes what an epoch sealed when the epoch is complete.
//!
//! Invariant: at most [`OPEN_FILES_MAX`] files are open; a part whose file was closed for another is
//! appended to later. An append that fails leaves the part as it was. INSERT OVERWRITE removes former files of a folder
//! right before the first part of the run is published there. All calls block and belong on a thread for that.

use super::listing::is_hidden;
use super::prepared::PartFile;
use super::removal::remove_files;
use super::rolling::Rolling;
use super::whole::{PartRows, WholeWriting};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tidemill_types::disk::{Disk, DiskFile, is_full};
use tidemill_types::{Chunk, Error, Result};

/// How many part files may be open at a time.
const OPEN_FILES_MAX: usize = 128;
/// How many bytes of rows may wait in memory for the end of their row group; the largest part is finished then.
const WAITING_BYTES_MAX: usize = 256 << 20;
/// How often a folder is made again that another sink's INSERT OVERWRITE removed as empty.
const FOLDER_TRIES_MAX: usize = 8;

/// Whose parts they are.
#[derive(Debug, Clone)]
pub(super) struct Owner {
    pub(super) run: String,
    /// What the parts of one result have in front of their names: the run, or what runs that go on from one another
    /// share, in which case `run` starts with it.
    pub(super) result: String,
    pub(super) task: usize,
    /// With checkpoints: what the pipeline's hidden files have in their name, so that a later run knows them.
    pub(super) pipeline: Option<String>,
}

impl Owner {
    /// The names of the part with this number.
    fn part(&self, partition: &str, number: u64) -> PartFile {
        let name = format!("part-{}-{}-{number}", self.run, self.task);
        let hidden = format!(".{name}{}", self.hidden_ending());
        PartFile { partition: partition.into(), name, hidden, bytes: 0 }
    }

    /// How hidden files of this pipeline end.
    pub(super) fn hidden_ending(&self) -> String {
        let pipeline = self.pipeline.as_ref().map_or_else(String::new, |pipeline| format!(".{pipeline}"));
        format!("{pipeline}.inprogress")
    }
}

/// The part files of one task.
#[derive(Debug)]
pub(super) struct Parts {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    owner: Owner,
    rolling: Rolling,
    /// How files are written that are wholes.
    whole: Option<WholeWriting>,
    next: u64,
    growing: HashMap<String, Part>,
    sealed: Vec<PartFile>,
    /// Partitions with an open file, the one written longest ago first.
    open: VecDeque<String>,
    /// With INSERT OVERWRITE the folders that were emptied.
    emptied: Option<HashSet<PathBuf>>,
    /// Folders with names that are not durable.
    unsynced: BTreeSet<PathBuf>,
    checked: Instant,
}

#[derive(Debug)]
struct Part {
    names: PartFile,
    file: Option<Box<dyn DiskFile>>,
    /// Of a whole file: what is on its way into it.
    rows: Option<PartRows>,
    opened: Instant,
    written: Instant,
}

impl Parts {
    /// The part files of a task of a run under `root`.
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        root: PathBuf,
        owner: Owner,
        (rolling, whole): (Rolling, Option<WholeWriting>),
        overwrite: bool,
    ) -> Self {
        Parts {
            disk,
            root,
            owner,
            rolling,
            whole,
            next: 0,
            growing: HashMap::new(),
            sealed: Vec::new(),
            open: VecDeque::new(),
            emptied: overwrite.then(HashSet::new),
            unsynced: BTreeSet::new(),
            checked: Instant::now(),
        }
    }

    /// Appends encoded rows to the part of a partition; false if there are none.
    pub(super) fn append(&mut self, partition: &str, bytes: &[u8]) -> Result<bool> {
        if bytes.is_empty() {
            return Ok(false);
        }
        let folder = self.root.join(partition);
        let disk = self.disk.clone();
        let part = self.part(partition)?;
        part.append(disk.as_ref(), &folder, bytes).map_err(|error| unwritable(&folder, &error))?;
        let bytes = part.names.bytes;
        if self.rolling.is_full(bytes) {
            self.seal(partition)?;
        }
        Ok(true)
    }

    /// Gives rows to the part of a partition. What may fail comes first, so that rows are taken once.
    pub(super) fn append_rows(&mut self, partition: &str, rows: &Chunk) -> Result<bool> {
        let is_over = |part: &Part| part.is_ended() || self.rolling.is_full(part.size());
        if self.growing.get(partition).is_some_and(is_over) {
            self.seal(partition)?;
        }
        let sizes = self.growing.iter().map(|(partition, part)| (part.waiting_bytes(), partition));
        if sizes.clone().map(|(bytes, _)| bytes).sum::<usize>() >= WAITING_BYTES_MAX
            && let Some(largest) = sizes.max().map(|(_, partition)| partition.clone())
        {
            self.seal(&largest)?;
        }
        self.part(partition)?;
        self.settle(partition)?;
        let part = self.growing.get_mut(partition).expect("the part was just made");
        part.written = Instant::now();
        let whole = part.rows.as_mut().ok_or_else(|| Error::internal("a part takes bytes, not rows"))?;
        whole.write(rows).map(|()| true)
    }

    /// Appends what the writer of a whole file has settled.
    fn settle(&mut self, partition: &str) -> Result<()> {
        let folder = self.root.join(partition);
        let Some(part) = self.growing.get_mut(partition) else { return Ok(()) };
        let Some(rows) = part.rows.as_mut().filter(|rows| !rows.settled.is_empty()) else { return Ok(()) };
        let bytes = std::mem::take(&mut rows.settled);
        if let Err(error) = part.append(self.disk.as_ref(), &folder, &bytes) {
            part.rows.as_mut().expect("it was just there").settled = bytes;
            return Err(unwritable(&folder, &error));
        }
        Ok(())
    }

    /// Whether files are wholes, which can't grow across checkpoints.
    pub(super) fn are_whole(&self) -> bool {
        self.whole.is_some()
    }

    /// The part of a partition, with a place among the open ones.
    fn part(&mut self, partition: &str) -> Result<&mut Part> {
        self.make_room_for(partition)?;
        if !self.growing.contains_key(partition) {
            self.begin(partition)?;
        }
        if !self.open.iter().any(|open| open == partition) {
            self.open.push_back(partition.to_string());
        }
        Ok(self.growing.get_mut(partition).expect("the part was just made"))
    }

    /// Makes the file of a new part. A name that is taken is that of a run which died under the same name.
    fn begin(&mut self, partition: &str) -> Result<()> {
        let folder = self.root.join(partition);
        let failed = |error: &io::Error| unwritable(&folder, error);
        let mut tries = 0;
        let mut rows = self.whole.as_ref().map(WholeWriting::begin).transpose()?;
        loop {
            let names = self.owner.part(partition, self.next);
            if self.disk.size(&folder.join(&names.name)).map_err(|error| failed(&error))?.is_some() {
                self.next += 1;
                continue;
            }
            match self.disk.create(&folder.join(&names.hidden)) {
                Ok(file) => {
                    self.next += 1;
                    self.unsynced.insert(folder);
                    let now = Instant::now();
                    let part = Part { names, file: Some(file), rows: rows.take(), opened: now, written: now };
                    self.growing.insert(partition.to_string(), part);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.next += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < FOLDER_TRIES_MAX => {
                    tries += 1;
                    self.make_folder(&folder).map_err(|error| failed(&error))?;
                }
                Err(error) => return Err(failed(&error)),
            }
        }
    }

    fn make_folder(&mut self, folder: &Path) -> io::Result<()> {
        for above in folder.ancestors() {
            self.unsynced.insert(above.to_path_buf());
            if self.disk.size(above)?.is_some() {
                break;
            }
        }
        self.disk.create_folder(folder)
    }

    fn make_room_for(&mut self, partition: &str) -> Result<()> {
        if let Some(at) = self.open.iter().position(|open| open == partition) {
            let name = self.open.remove(at).expect("the position was just found");
            self.open.push_back(name);
            return Ok(());
        }
        if self.open.len() >= OPEN_FILES_MAX
            && let Some(oldest) = self.open.front().cloned()
        {
            self.close(&oldest)?;
        }
        Ok(())
    }

    /// Closes the file of a part; with checkpoints its bytes are durable then.
    fn close(&mut self, partition: &str) -> Result<()> {
        if let Some(part) = self.growing.get_mut(partition) {
            if self.owner.pipeline.is_some() {
                part.sync().map_err(|error| unsynced(&self.root.join(partition), &error))?;
            }
            part.file = None;
        }
        self.open.retain(|open| open != partition);
        Ok(())
    }

    /// Seals parts that are old enough, if it is time to look, and says whether it was.
    pub(super) fn seal_old(&mut self) -> Result<bool> {
        let now = Instant::now();
        if now.duration_since(self.checked) < self.rolling.check {
            return Ok(false);
        }
        self.checked = now;
        let due = |part: &Part| self.rolling.is_due(part.opened, part.written, now);
        let old: Vec<String> = self
            .growing
            .iter()
            .filter(|(_, part)| due(part))
            .map(|(partition, _)| partition.clone())
            .collect();
        old.iter().try_for_each(|partition| self.seal(partition))?;
        Ok(true)
    }

    /// Seals every part.
    pub(super) fn seal_all(&mut self) -> Result<()> {
        let all: Vec<String> = self.growing.keys().cloned().collect();
        all.iter().try_for_each(|partition| self.seal(partition))
    }

    /// Closes the part of a partition; rows that come later go to a new one.
    pub(super) fn seal(&mut self, partition: &str) -> Result<()> {
        if let Some(rows) = self.growing.get_mut(partition).and_then(|part| part.rows.as_mut()) {
            rows.finish()?;
            self.settle(partition)?;
        }
        self.close(partition)?;
        if let Some(part) = self.growing.remove(partition) {
            self.sealed.push(part.names);
        }
        Ok(())
    }

    /// The parts that are sealed and not yet published.
    pub(super) fn sealed(&self) -> &[PartFile] {
        &self.sealed
    }

    /// The parts that still grow.
    pub(super) fn growing(&self) -> impl Iterator<Item = &PartFile> {
        self.growing.values().map(|part| &part.names)
    }

    /// Gives all sealed parts their names.
    pub(super) fn publish_sealed(&mut self) -> Result<()> {
        while let Some(part) = self.sealed.last().cloned() {
            self.publish(&part)?;
        }
        Ok(())
    }

    /// Gives a part its name, unless it has it already.
    pub(super) fn publish(&mut self, part: &PartFile) -> Result<()> {
        let folder = self.root.join(&part.partition);
        let failed = |error: io::Error| unwritable(&folder, &error);
        let hidden = folder.join(&part.hidden);
        if self.disk.size(&hidden).map_err(failed)?.is_some() {
            self.empty_once(&folder)?;
            match part.bytes {
                // Nothing was written, because the disk was full: then there is nothing to show.
                0 => self.disk.remove(&hidden).map_err(failed)?,
                _ => self.disk.rename(&hidden, &folder.join(&part.name)).map_err(failed)?,
            }
        }
        self.unsynced.insert(folder);
        self.sealed.retain(|sealed| sealed.hidden != part.hidden);
        Ok(())
    }

    /// The end of a result that overwrites: a table without partitions is emptied even if no row came.
    pub(super) fn empty_root(&mut self) -> Result<()> {
        let root = self.root.clone();
        self.make_folder(&root).map_err(|error| unwritable(&root, &error))?;
        self.empty_once(&root)
    }

    /// Creates an empty file such as `_SUCCESS` in the folder of a partition.
    pub(super) fn mark(&mut self, partition: &str, name: &str) -> Result<()> {
        let folder = self.root.join(partition);
        let made = self.make_folder(&folder).and_then(|()| self.disk.append(&folder.join(name)));
        made.map(drop).map_err(|error| unwritable(&folder, &error))
    }

    /// Makes all that was written durable.
    pub(super) fn sync(&mut self) -> Result<()> {
        for partition in &self.open {
            let part = self.growing.get_mut(partition).expect("an open part grows");
            part.sync().map_err(|error| unsynced(&self.root.join(partition), &error))?;
        }
        self.sync_folders()
    }

    /// Makes all names durable.
    pub(super) fn sync_folders(&mut self) -> Result<()> {
        while let Some(folder) = self.unsynced.first() {
            match self.disk.sync_folder(folder) {
                // Another sink removed it as empty.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                synced => synced.map_err(|error| unsynced(folder, &error))?,
            }
            self.unsynced.pop_first();
        }
        Ok(())
    }

    /// What a file of the table has, by name.
    pub(super) fn size(&self, partition: &str, name: &str) -> Result<Option<u64>> {
        let folder = self.root.join(partition);
        self.disk.size(&folder.join(name)).map_err(|error| unwritable(&folder, &error))
    }

    /// Cuts off what was written to a part behind so many bytes.
    pub(super) fn cut(&self, part: &PartFile) -> Result<()> {
        let folder = self.root.join(&part.partition);
        let cut = self.disk.truncate(&folder.join(&part.hidden), part.bytes);
        cut.map_err(|error| unwritable(&folder, &error))
    }

    /// Removes what earlier runs of the pipeline left unfinished. All sinks of this run must have taken over
    /// what they go on from.
    pub(super) fn remove_leftovers(&mut self) -> Result<()> {
        let ending = self.owner.hidden_ending();
        let own = format!(".part-{}-", self.owner.run);
        let task = self.owner.task.to_string();
        let used: HashSet<&str> =
            self.growing().chain(&self.sealed).map(|part| part.hidden.as_str()).collect();
        let is_leftover = |name: &str| {
            let Some(stem) = name.strip_suffix(&ending) else { return false };
            // Of this run other sinks may have parts; of this sink all are known.
            match stem.strip_prefix(&own).and_then(|rest| rest.split_once('-')) {
                Some((by, number)) if number.parse::<u64>().is_ok() => by == task && !used.contains(name),
                _ => stem.starts_with(".part-"),
            }
        };
        let removed = remove_files(self.disk.as_ref(), &self.root, &is_leftover, 0);
        removed.map_err(|error| unwritable(&self.root, &error))
    }

    fn empty_once(&mut self, folder: &Path) -> Result<()> {
        let Some(emptied) = &mut self.emptied else { return Ok(()) };
        if emptied.contains(folder) {
            return Ok(());
        }
        let own = format!("part-{}-", self.owner.result);
        let is_former = |name: &str| {
            let is_success_mark = name.starts_with('_');
            !name.starts_with(&own) && (is_success_mark || !is_hidden(Path::new(name)))
        };
        remove_files(self.disk.as_ref(), folder, &is_former, 0)
            .map_err(|error| unwritable(folder, &error))?;
        emptied.insert(folder.to_path_buf());
        Ok(())
    }
}

impl Part {
    fn waiting_bytes(&self) -> usize {
        self.rows.as_ref().map_or(0, PartRows::waiting_bytes)
    }

    /// Whether it is a whole file with its end, which is not sealed yet because the disk was full.
    fn is_ended(&self) -> bool {
        self.rows.as_ref().is_some_and(PartRows::is_ended)
    }

    /// How large it will be about.
    fn size(&self) -> u64 {
        self.names.bytes + self.waiting_bytes() as u64
    }

    fn append(&mut self, disk: &dyn Disk, folder: &Path, bytes: &[u8]) -> io::Result<()> {
        let path = folder.join(&self.names.hidden);
        if self.file.is_none() {
            self.file = Some(disk.append(&path)?);
        }
        let file = self.file.as_mut().expect("the file was just opened");
        if let Err(error) = file.append(bytes) {
            disk.truncate(&path, self.names.bytes)?;
            return Err(error);
        }
        self.names.bytes += bytes.len() as u64;
        self.written = Instant::now();
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), |file| file.sync())
    }
}

fn unwritable(folder: &Path, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => Error::user_hint(
            format!("can't write into '{}': it is a file", folder.display()),
            "the path of a table that is written is a folder",
        ),
        io::ErrorKind::PermissionDenied => {
            Error::user(format!("this user may not write into '{}'", folder.display()))
        }
        _ if is_full(error) => Error::external(format!("can't write into '{}': {error}", folder.display())),
        _ => Error::external_fatal(format!("can't write into '{}': {error}", folder.display())),
    }
}

/// Never tried again: after a failure the system may forget what was not written, and then say that all is well.
fn unsynced(folder: &Path, error: &io::Error) -> Error {
    Error::external_fatal(format!("can't make what was written into '{}' durable: {error}", folder.display()))
}

#[cfg(test)]
mod tests;
