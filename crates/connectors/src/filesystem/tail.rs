//! Files that are watched: new ones are picked up, growing ones are followed.
//!
//! 1. Each look lists the files in path order.
//! 2. A file is known by its device, inode and time of birth, so that a renamed log goes on where it was.
//! 3. A known file that grew is read from the end of its last whole line; the partial line behind it waits.
//! 4. A file that shrank, or a path that now holds another file, is a new start, and is reported.
//!
//! Compressed files are read once, when they are first seen. Deliberately not here: notification by the
//! operating system, which network file systems lack.

use super::cutter::Cutter;
use super::reader::{Cursor, Halt, Reader, is_compressed, open, plain, pump};
use crate::notice::notice;
use std::collections::{HashMap, HashSet};
use std::fs::{File, Metadata};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tidemill_connector::Fetched;
use tidemill_types::{Error, Result};
use tokio::sync::mpsc;

/// Which file it is, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Identity {
    device: u64,
    inode: u64,
    /// An inode is given away again; the time of birth, where the file system has it, tells.
    born: Option<SystemTime>,
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Identity { device: metadata.dev(), inode: metadata.ino(), born: metadata.created().ok() }
    }
}

#[derive(Debug)]
struct Tail {
    path: PathBuf,
    index: u32,
    at: Cursor,
    /// The size when it was last read; the same size again means that nothing came.
    size: u64,
}

/// What was read of which file.
#[derive(Debug, Default)]
pub(super) struct Tails {
    known: HashMap<Identity, Tail>,
    files_seen: u32,
}

impl Tails {
    pub(super) fn new() -> Self {
        Tails::default()
    }

    /// Reads what is new under `root`.
    pub(super) fn look(
        &mut self,
        reader: &Reader,
        root: &Path,
        out: &mpsc::Sender<Result<Fetched>>,
    ) -> Result<(), Halt> {
        let mut present = HashSet::new();
        for path in reader.files(root)? {
            // A file that vanished since the folder was listed is dropped with the next look.
            let Some((file, metadata)) = open_present(&path)? else { continue };
            let identity = Identity::of(&metadata);
            present.insert(identity);
            self.follow(reader, &path, (file, metadata), out)?;
        }
        self.known.retain(|identity, _| present.contains(identity));
        Ok(())
    }

    fn follow(
        &mut self,
        reader: &Reader,
        path: &Path,
        (file, metadata): (File, Metadata),
        out: &mpsc::Sender<Result<Fetched>>,
    ) -> Result<(), Halt> {
        let identity = Identity::of(&metadata);
        let mut tail = self.known.remove(&identity).unwrap_or_else(|| self.begin(reader, path));
        tail.path = path.to_path_buf();
        if metadata.len() < tail.size && !is_compressed(path) {
            notice(&reader.table, format!("'{}' was cut short and is read from its start", path.display()));
            (tail.at, tail.size) = (Cursor::START, 0);
        }
        let done = is_compressed(path) && tail.size > 0;
        if metadata.len() > tail.size && !done {
            let split = reader.split(path, &metadata, tail.index)?;
            tail.at = read_on(path, file, &metadata, tail.at, |cutter, at, rest| {
                pump(&split, cutter, at, rest, out)
            })?;
            tail.size = metadata.len();
        }
        self.known.insert(identity, tail);
        Ok(())
    }

    fn begin(&mut self, reader: &Reader, path: &Path) -> Tail {
        if self.known.values().any(|tail| tail.path == path) {
            notice(&reader.table, format!("'{}' was replaced and is read from its start", path.display()));
        }
        self.files_seen += 1;
        Tail { path: path.to_path_buf(), index: self.files_seen - 1, at: Cursor::START, size: 0 }
    }
}

fn open_present(path: &Path) -> Result<Option<(File, Metadata)>> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        _ => match open(path) {
            Err(_) if !path.exists() => Ok(None),
            opened => opened.map(Some),
        },
    }
}

type PlainCutter = Cutter<std::io::Take<Box<dyn std::io::Read>>>;

/// Reads what stands between `at` and the size the file had when it was looked at; what is written meanwhile
/// comes with the next look.
fn read_on(
    path: &Path,
    mut file: File,
    metadata: &Metadata,
    at: Cursor,
    pump: impl FnOnce(PlainCutter, Cursor, bool) -> Result<Cursor, Halt>,
) -> Result<Cursor, Halt> {
    use std::io::Read;
    if is_compressed(path) {
        return pump(Cutter::new(plain(path, file)?.take(u64::MAX), false, None), at, true);
    }
    file.seek(SeekFrom::Start(at.offset)).map_err(|error| {
        Error::external_fatal(format!("can't read '{}' from byte {}: {error}", path.display(), at.offset))
    })?;
    let new_bytes = metadata.len() - at.offset;
    let reader: Box<dyn Read> = Box::new(file);
    pump(Cutter::new(reader.take(new_bytes), false, Some(new_bytes)), at, false)
}
