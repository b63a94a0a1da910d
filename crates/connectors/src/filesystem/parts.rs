//! Part files: rows go to hidden files that get their name when they are finished.
//!
//! 1. A part is written as `.part-<run>-<task>-<n>.inprogress`, which readers skip. No two sinks of a run have
//!    the same task number, so several may write one folder.
//! 2. When it is full or old enough it is *sealed*: closed, and out of reach of further rows.
//! 3. [`Parts::publish`] renames what is sealed to `part-<run>-<task>-<n>`; a rename is atomic, so a reader
//!    sees a part whole or not at all. Without checkpoints sealing publishes at once; a sink that commits
//!    with checkpoints publishes what an epoch sealed when the epoch is complete.
//!
//! Invariant: at most [`OPEN_FILES_MAX`] files are open; a part whose file was closed for another is
//! appended to later. INSERT OVERWRITE removes former files of a folder right before the first part of the
//! run is published there. All calls block and belong on a thread for that.

use super::listing::is_hidden;
use super::rolling::Rolling;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;
use tidemill_types::{Error, Result};

/// How many part files may be open at a time.
const OPEN_FILES_MAX: usize = 128;

/// The part files of one task.
#[derive(Debug)]
pub(super) struct Parts {
    root: PathBuf,
    /// `part-<run>`: files of this start are the run's own.
    run_prefix: String,
    task: usize,
    rolling: Rolling,
    next: u64,
    growing: HashMap<String, Part>,
    sealed: Vec<Sealed>,
    /// Partitions with an open file, the one written longest ago first.
    open: VecDeque<String>,
    /// With INSERT OVERWRITE the folders that were emptied.
    emptied: Option<HashSet<PathBuf>>,
    checked: Instant,
}

#[derive(Debug)]
struct Part {
    name: String,
    file: Option<File>,
    bytes: u64,
    opened: Instant,
    written: Instant,
}

#[derive(Debug)]
struct Sealed {
    folder: PathBuf,
    name: String,
}

impl Parts {
    /// The part files of a task of a run under `root`.
    pub(super) fn new(root: PathBuf, run_id: &str, task: usize, rolling: Rolling, overwrite: bool) -> Self {
        Parts {
            root,
            run_prefix: format!("part-{run_id}"),
            task,
            rolling,
            next: 0,
            growing: HashMap::new(),
            sealed: Vec::new(),
            open: VecDeque::new(),
            emptied: overwrite.then(HashSet::new),
            checked: Instant::now(),
        }
    }

    /// Appends encoded rows to the part of a partition.
    pub(super) fn append(&mut self, partition: &str, bytes: &[u8]) -> Result<()> {
        self.make_room_for(partition);
        if !self.growing.contains_key(partition) {
            let part = self.begin();
            self.growing.insert(partition.to_string(), part);
        }
        let folder = self.root.join(partition);
        let part = self.growing.get_mut(partition).expect("the part was just made");
        if part.file.is_none() {
            self.open.push_back(partition.to_string());
        }
        part.append(&folder, bytes).map_err(|error| unwritable(&folder, &error))?;
        if self.rolling.is_full(part.bytes) {
            self.seal(partition);
        }
        Ok(())
    }

    fn begin(&mut self) -> Part {
        let name = format!("{}-{}-{}", self.run_prefix, self.task, self.next);
        self.next += 1;
        let now = Instant::now();
        Part { name, file: None, bytes: 0, opened: now, written: now }
    }

    fn make_room_for(&mut self, partition: &str) {
        if let Some(at) = self.open.iter().position(|open| open == partition) {
            let name = self.open.remove(at).expect("the position was just found");
            return self.open.push_back(name);
        }
        if self.open.len() >= OPEN_FILES_MAX
            && let Some(oldest) = self.open.pop_front()
            && let Some(part) = self.growing.get_mut(&oldest)
        {
            part.file = None;
        }
    }

    /// Seals parts that are old enough, if it is time to look, and says whether it was.
    pub(super) fn seal_old(&mut self) -> bool {
        let now = Instant::now();
        if now.duration_since(self.checked) < self.rolling.check {
            return false;
        }
        self.checked = now;
        let due = |part: &Part| self.rolling.is_due(part.opened, part.written, now);
        let old: Vec<String> = self
            .growing
            .iter()
            .filter(|(_, part)| due(part))
            .map(|(partition, _)| partition.clone())
            .collect();
        old.iter().for_each(|partition| self.seal(partition));
        true
    }

    /// Seals every part.
    pub(super) fn seal_all(&mut self) {
        let all: Vec<String> = self.growing.keys().cloned().collect();
        all.iter().for_each(|partition| self.seal(partition));
    }

    /// Closes the part of a partition; rows that come later go to a new one.
    pub(super) fn seal(&mut self, partition: &str) {
        if let Some(part) = self.growing.remove(partition) {
            self.open.retain(|open| open != partition);
            self.sealed.push(Sealed { folder: self.root.join(partition), name: part.name });
        }
    }

    /// Gives sealed parts their names.
    pub(super) fn publish(&mut self) -> Result<()> {
        for sealed in std::mem::take(&mut self.sealed) {
            self.empty_once(&sealed.folder)?;
            let hidden = sealed.folder.join(hidden_name(&sealed.name));
            fs::rename(&hidden, sealed.folder.join(&sealed.name))
                .map_err(|error| unwritable(&sealed.folder, &error))?;
        }
        Ok(())
    }

    /// The end of a run: everything is published; a table without partitions that is overwritten with no
    /// rows at all is emptied too.
    pub(super) fn finish(&mut self, partitioned: bool) -> Result<()> {
        self.seal_all();
        self.publish()?;
        if !partitioned {
            fs::create_dir_all(&self.root).map_err(|error| unwritable(&self.root, &error))?;
            self.empty_once(&self.root.clone())?;
        }
        Ok(())
    }

    /// Creates an empty file such as `_SUCCESS` in the folder of a partition.
    pub(super) fn mark(&self, partition: &str, name: &str) -> Result<()> {
        let folder = self.root.join(partition);
        File::create(folder.join(name)).map(drop).map_err(|error| unwritable(&folder, &error))
    }

    fn empty_once(&mut self, folder: &Path) -> Result<()> {
        let Some(emptied) = &mut self.emptied else { return Ok(()) };
        if emptied.insert(folder.to_path_buf()) {
            let own = format!("{}-", self.run_prefix);
            empty(folder, &own).map_err(|error| unwritable(folder, &error))?;
        }
        Ok(())
    }
}

impl Part {
    fn append(&mut self, folder: &Path, bytes: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(self.open(folder)?);
        }
        let file = self.file.as_mut().expect("the file was just opened");
        file.write_all(bytes)?;
        self.bytes += bytes.len() as u64;
        self.written = Instant::now();
        Ok(())
    }

    fn open(&self, folder: &Path) -> io::Result<File> {
        let path = folder.join(hidden_name(&self.name));
        let mut tries = 0;
        loop {
            fs::create_dir_all(folder)?;
            tries += 1;
            match OpenOptions::new().create(true).append(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < FOLDER_TRIES_MAX => {}
                opened => return opened,
            }
        }
    }
}

/// How often a folder is made again that another sink's INSERT OVERWRITE removed as empty.
const FOLDER_TRIES_MAX: usize = 8;

fn hidden_name(name: &str) -> String {
    format!(".{name}.inprogress")
}

/// Removes the files under a folder but those of this run and the parts that others are writing. Other tasks
/// may do the same at the same time, so what is already gone is fine.
fn empty(folder: &Path, own: &str) -> io::Result<()> {
    let gone_is_fine = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    };
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.as_encoded_bytes();
        let is_success_mark = name.starts_with(b"_");
        if name.starts_with(own.as_bytes()) || (is_hidden(&path) && !is_success_mark) {
            continue;
        }
        if path.is_dir() && !path.is_symlink() {
            gone_is_fine(empty(&path, own))?;
            // It stays if something in it is not ours to remove.
            let _ = fs::remove_dir(&path);
        } else {
            gone_is_fine(fs::remove_file(&path))?;
        }
    }
    Ok(())
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
        _ => Error::external_fatal(format!("can't write into '{}': {error}", folder.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn parts(root: &Path, file_bytes: u64, age: Duration, overwrite: bool) -> Parts {
        let rolling = Rolling { file_bytes, age, silence: Duration::MAX, check: Duration::ZERO };
        Parts::new(root.to_path_buf(), "r1", 0, rolling, overwrite)
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn parts_are_hidden_until_published_and_roll_by_size() {
        let root = tempfile::tempdir().unwrap();
        let mut parts = parts(root.path(), 4, Duration::MAX, false);
        parts.append("", b"a\n").unwrap();
        assert_eq!(names(root.path()), [".part-r1-0-0.inprogress"]);
        parts.append("", b"b\n").unwrap();
        parts.append("", b"c\n").unwrap();
        parts.publish().unwrap();
        assert_eq!(names(root.path()), [".part-r1-0-1.inprogress", "part-r1-0-0"]);
        parts.finish(false).unwrap();
        assert_eq!(fs::read(root.path().join("part-r1-0-0")).unwrap(), b"a\nb\n");
        assert_eq!(fs::read(root.path().join("part-r1-0-1")).unwrap(), b"c\n");
    }

    #[test]
    fn sinks_of_a_run_share_a_folder() {
        let root = tempfile::tempdir().unwrap();
        let rolling = Rolling {
            file_bytes: u64::MAX,
            age: Duration::MAX,
            silence: Duration::MAX,
            check: Duration::ZERO,
        };
        let sink = |task| Parts::new(root.path().to_path_buf(), "r1", task, rolling, true);
        let (mut first, mut second) = (sink(0), sink(1));
        first.append("", b"a\n").unwrap();
        second.append("", b"b\n").unwrap();
        first.finish(false).unwrap();
        second.finish(false).unwrap();
        assert_eq!(names(root.path()), ["part-r1-0-0", "part-r1-1-0"]);
    }

    #[test]
    fn parts_roll_by_age() {
        let root = tempfile::tempdir().unwrap();
        let mut parts = parts(root.path(), u64::MAX, Duration::ZERO, false);
        parts.append("k=1", b"a\n").unwrap();
        assert!(parts.seal_old());
        parts.publish().unwrap();
        assert_eq!(names(&root.path().join("k=1")), ["part-r1-0-0"]);
    }

    #[test]
    fn more_partitions_than_open_files_lose_nothing() {
        let root = tempfile::tempdir().unwrap();
        let mut parts = parts(root.path(), u64::MAX, Duration::MAX, false);
        for round in 0..2 {
            for k in 0..OPEN_FILES_MAX + 10 {
                parts.append(&format!("k={k}"), format!("{round}\n").as_bytes()).unwrap();
                assert!(parts.growing.values().filter(|part| part.file.is_some()).count() <= OPEN_FILES_MAX);
            }
        }
        parts.finish(true).unwrap();
        for k in 0..OPEN_FILES_MAX + 10 {
            let part = root.path().join(format!("k={k}/part-r1-0-{k}"));
            assert_eq!(fs::read(part).unwrap(), b"0\n1\n");
        }
    }

    #[test]
    fn overwriting_removes_only_what_the_run_replaces() {
        let root = tempfile::tempdir().unwrap();
        for file in ["k=1/old", "k=1/_SUCCESS", "k=1/.part-x.inprogress", "k=2/old"] {
            fs::create_dir_all(root.path().join(file).parent().unwrap()).unwrap();
            fs::write(root.path().join(file), "x").unwrap();
        }
        let mut partitioned = parts(root.path(), 1, Duration::MAX, true);
        partitioned.append("k=1", b"a\n").unwrap();
        partitioned.append("k=1", b"b\n").unwrap();
        partitioned.finish(true).unwrap();
        let left = names(&root.path().join("k=1"));
        assert_eq!(left, [".part-x.inprogress", "part-r1-0-0", "part-r1-0-1"]);
        assert_eq!(names(&root.path().join("k=2")), ["old"]);
        parts(root.path(), 1, Duration::MAX, true).finish(false).unwrap();
        assert_eq!(names(root.path()), ["k=1"], "an empty result empties a table without partitions");
    }
}
