//! Files that are watched: new ones are picked up, growing ones are followed.
//!
//! 1. Each look lists the files in path order.
//! 2. A file is known by its device, inode and time of birth, so that a renamed log goes on where it was.
//! 3. A known file that grew is read from the end of its last whole line; the partial line behind it waits.
//! 4. A file that shrank, or a path that now holds another file, is a new start, and is reported.
//! 5. A run that is resumed finds the files again by inode, else by path, if they still have the bytes that were read
//!    of them; of others the rules above hold. Files that are gone are forgotten.
//!
//! Compressed and whole files are read once, when they are first seen. Deliberately not here: notification by the
//! operating system, which network file systems lack.

use super::cutter::Cutter;
use super::position::{Cursor, Stand};
use super::reader::{Halt, Out, Progress, Reader, is_compressed, open, plain, pump};
use crate::notice::notice;
use std::collections::{HashMap, HashSet};
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tidemill_types::Result;

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
    /// Finds the files that an earlier run read, and says how far.
    pub(super) fn resume(reader: &Reader, root: &Path, out: &Out) -> Result<Self, Halt> {
        let mut tails = Tails::default();
        if reader.resumed.is_empty() {
            return Ok(tails);
        }
        let mut present = Vec::new();
        for path in reader.files(root)? {
            if let Some((_, metadata)) = open_present(&path)? {
                present.push((path, Identity::of(&metadata)));
            }
        }
        let mut progress = Vec::new();
        for (key, text) in &reader.resumed {
            let stand = Stand::parse(text)?;
            let path = Path::new(key.strip_suffix(&inode_suffix(&stand)).unwrap_or(key));
            progress.extend(tails.find(reader, path, stand, &present)?);
        }
        out.progress(progress)?;
        Ok(tails)
    }

    /// Finds a file again; the inode counts more than the path.
    fn find(
        &mut self,
        reader: &Reader,
        path: &Path,
        stand: Stand,
        present: &[(PathBuf, Identity)],
    ) -> Result<Option<Progress>> {
        let by_inode = present.iter().filter(|(_, identity)| identity.inode == stand.inode);
        let by_path = present.iter().filter(|(present, _)| present == path);
        let mut reason = None;
        for (path, identity) in by_inode.chain(by_path) {
            let Some((file, metadata)) = open_present(path)? else { continue };
            if self.known.contains_key(identity) {
                continue;
            }
            reason = stand.mismatch(path, (&file, &metadata), reader.is_whole(path))?;
            if reason.is_none() {
                let size = match (stand.done, reader.is_whole(path)) {
                    (true, _) => metadata.len(),
                    (false, true) => 0,
                    (false, false) => stand.at.offset,
                };
                let index = self.files_seen;
                self.files_seen += 1;
                self.known.insert(*identity, Tail { path: path.clone(), index, at: stand.at, size });
                let name = path.to_string_lossy().into();
                return Ok(Some(Progress { index, name, stand: Some(stand) }));
            }
        }
        match reason {
            Some(reason) => {
                notice(&reader.table, format!("'{}' {reason}; it is read from its start", path.display()));
            }
            None if !stand.done => {
                let offset = stand.at.offset;
                notice(
                    &reader.table,
                    format!("'{}' is gone; it was read up to byte {offset}", path.display()),
                );
            }
            None => {}
        }
        Ok(None)
    }

    /// Reads what is new under `root`.
    pub(super) fn look(&mut self, reader: &Reader, root: &Path, out: &Out) -> Result<(), Halt> {
        let mut present = HashSet::new();
        for path in reader.files(root)? {
            // A file that vanished since the folder was listed is dropped with the next look.
            let Some((file, metadata)) = open_present(&path)? else { continue };
            let identity = Identity::of(&metadata);
            present.insert(identity);
            self.follow(reader, &path, (file, metadata), out)?;
        }
        let gone = self.known.extract_if(|identity, _| !present.contains(identity));
        let forget = |(_, tail): (_, Tail)| Progress { index: tail.index, name: "".into(), stand: None };
        let gone: Vec<Progress> = gone.map(forget).collect();
        if gone.is_empty() { Ok(()) } else { out.progress(gone) }
    }

    fn follow(
        &mut self,
        reader: &Reader,
        path: &Path,
        (file, metadata): (File, Metadata),
        out: &Out,
    ) -> Result<(), Halt> {
        let identity = Identity::of(&metadata);
        let mut tail = self.known.remove(&identity).unwrap_or_else(|| self.begin(reader, path));
        tail.path = path.to_path_buf();
        if metadata.len() < tail.size && !reader.is_whole(path) {
            notice(&reader.table, format!("'{}' was cut short and is read from its start", path.display()));
            (tail.at, tail.size) = (Cursor::START, 0);
        }
        let done = reader.is_whole(path) && tail.size > 0;
        if metadata.len() > tail.size && !done {
            tail.at = read_on(reader, &tail, (file, &metadata), out)?;
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

/// What is put behind the path of a file that has a namesake by now.
pub(super) fn inode_suffix(stand: &Stand) -> String {
    format!("#{}", stand.inode)
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

/// Reads what stands between the tail's place and the size the file had when it was looked at; what is written
/// meanwhile comes with the next look.
fn read_on(
    reader: &Reader,
    tail: &Tail,
    (file, metadata): (File, &Metadata),
    out: &Out,
) -> Result<Cursor, Halt> {
    let split = reader.split(&tail.path, (&file, metadata), tail.index)?;
    if let Some(whole) = &reader.whole {
        let end = reader.read_whole(whole, &tail.path, file, &split, tail.at, out)?;
        out.progress(split.progress(end, true).into_iter().collect())?;
        return Ok(end);
    }
    let bytes = plain(&tail.path, file, tail.at)?;
    if is_compressed(&tail.path) {
        let end = pump(&split, Cutter::new(bytes, false, None), tail.at, true, out)?;
        out.progress(split.progress(end, true).into_iter().collect())?;
        return Ok(end);
    }
    let new_bytes = metadata.len() - tail.at.offset;
    pump(&split, Cutter::new(bytes.take(new_bytes), false, Some(new_bytes)), tail.at, false, out)
}
