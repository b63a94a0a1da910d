//! A disk in memory that can lose power: whatever was not made durable is then gone, or half there.
//!
//! 1. Bytes are durable after `sync` of their file; a crash keeps a random part of the others, and the last of what is
//!    kept may be garbage (a torn write).
//! 2. Names are durable after `sync_folder` of their folder; a crash undoes a random number of the last changes in each
//!    folder that was not synced since.
//! 3. A crash ends a lifetime: files opened before it can't be written any more.
//! 4. The disk may be full from time to time; an append then writes a part of its bytes and fails.
//!
//! Invariant: everything follows from the seed and the calls. Deliberately not here: bytes that were durable and rot.

use crate::random::Random;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidemill_types::disk::{Disk, DiskEntry, DiskFile};

/// One disk; clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimulatedDisk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    random: Random,
    files: Vec<Bytes>,
    names: Names,
    durable: Names,
    /// Changes of names that are not durable, in order.
    changes: Vec<Change>,
    lifetime: u64,
    /// How many bytes may be appended before the disk is full.
    room: Option<u64>,
}

#[derive(Debug, Default)]
struct Bytes {
    now: Vec<u8>,
    /// How many of them are durable.
    durable: usize,
}

type Names = BTreeMap<PathBuf, Node>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Folder,
    File(usize),
}

/// A change in one folder; `gone` lies in another one only for a rename across folders.
#[derive(Debug, Clone)]
struct Change {
    folder: PathBuf,
    gone: Option<PathBuf>,
    came: Option<(PathBuf, Node)>,
}

impl Change {
    fn apply(&self, names: &mut Names) {
        if let Some(gone) = &self.gone {
            names.remove(gone);
        }
        if let Some((came, node)) = &self.came {
            names.insert(came.clone(), *node);
        }
    }
}

impl SimulatedDisk {
    /// An empty disk that behaves as the seed says.
    pub fn new(seed: u64) -> Self {
        let root = Names::from([(PathBuf::from("/"), Node::Folder)]);
        SimulatedDisk(Arc::new(Mutex::new(State {
            random: Random::new(seed),
            files: Vec::new(),
            names: root.clone(),
            durable: root,
            changes: Vec::new(),
            lifetime: 0,
            room: None,
        })))
    }

    /// Loses power.
    pub fn crash(&self) {
        self.lock().crash();
    }

    /// Lets so many bytes in before it is full; `None` takes all.
    pub fn set_room(&self, bytes: Option<u64>) {
        self.lock().room = bytes;
    }

    /// The paths of all files with their bytes.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.lock();
        let file = |(path, node): (&PathBuf, &Node)| match node {
            Node::Folder => None,
            Node::File(at) => Some((path.clone(), state.files[*at].now.clone())),
        };
        state.names.iter().filter_map(file).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, path: &Path, new: bool) -> io::Result<Box<dyn DiskFile>> {
        let path = plain(path);
        let mut state = self.lock();
        let at = match state.names.get(&path) {
            Some(Node::Folder) => return Err(ErrorKind::IsADirectory.into()),
            Some(_) if new => return Err(ErrorKind::AlreadyExists.into()),
            Some(Node::File(at)) => *at,
            None => state.make_file(&path)?,
        };
        Ok(Box::new(OpenFile { disk: self.clone(), at, lifetime: state.lifetime }))
    }
}

impl State {
    fn make_file(&mut self, path: &Path) -> io::Result<usize> {
        self.need_folder(&parent(path))?;
        self.files.push(Bytes::default());
        let at = self.files.len() - 1;
        self.change(Change { folder: parent(path), gone: None, came: Some((path.into(), Node::File(at))) });
        Ok(at)
    }

    fn need_folder(&self, folder: &Path) -> io::Result<()> {
        match self.names.get(folder) {
            Some(Node::Folder) => Ok(()),
            Some(Node::File(_)) => Err(ErrorKind::NotADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        match self.names.get(&plain(path)) {
            Some(Node::File(at)) => Ok(*at),
            Some(Node::Folder) => Err(ErrorKind::IsADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }

    fn children(&self, folder: &Path) -> Vec<(PathBuf, Node)> {
        let names = self.names.iter().filter(|(path, _)| path.parent() == Some(folder));
        names.map(|(path, node)| (path.clone(), *node)).collect()
    }

    fn crash(&mut self) {
        self.lifetime += 1;
        self.lose_names();
        for bytes in &mut self.files {
            let kept =
                bytes.durable + self.random.below((bytes.now.len() - bytes.durable + 1) as u64) as usize;
            bytes.now.truncate(kept);
            if kept > bytes.durable && self.random.one_in(2) {
                let torn = bytes.durable + self.random.below((kept - bytes.durable) as u64) as usize;
                bytes.now[torn..].fill(0);
            }
            bytes.durable = bytes.now.len();
        }
    }

    /// Keeps a random beginning of the changes of each folder.
    fn lose_names(&mut self) {
        let changes = std::mem::take(&mut self.changes);
        let mut lost: Vec<&Path> = Vec::new();
        for change in &changes {
            if !lost.contains(&change.folder.as_path()) && !self.random.one_in(3) {
                change.apply(&mut self.durable);
            } else {
                lost.push(&change.folder);
            }
        }
        // What lies in a folder whose own name is lost can't be reached any more.
        let folders: Vec<PathBuf> = self.durable.keys().cloned().collect();
        for path in folders {
            if path.parent().is_some_and(|parent| self.durable.get(parent) != Some(&Node::Folder)) {
                self.durable.remove(&path);
            }
        }
        self.names = self.durable.clone();
    }
}

impl Disk for SimulatedDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.open(path, true)
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.open(path, false)
    }

    fn read(&self, path: &Path, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.lock();
        let bytes = &state.files[state.file(path)?].now;
        let bytes = &bytes[bytes.len().min(offset as usize)..];
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn size(&self, path: &Path) -> io::Result<Option<u64>> {
        let state = self.lock();
        match state.names.get(&plain(path)) {
            None => Ok(None),
            Some(Node::Folder) => Ok(Some(0)),
            Some(Node::File(at)) => Ok(Some(state.files[*at].now.len() as u64)),
        }
    }

    fn truncate(&self, path: &Path, bytes: u64) -> io::Result<()> {
        let mut state = self.lock();
        let at = state.file(path)?;
        let file = &mut state.files[at];
        file.now.resize(bytes as usize, 0);
        file.durable = file.now.len();
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (plain(from), plain(to));
        let mut state = self.lock();
        let at = state.file(&from)?;
        state.need_folder(&parent(&to))?;
        state.change(Change { folder: parent(&to), gone: Some(from), came: Some((to, Node::File(at))) });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let path = plain(path);
        let mut state = self.lock();
        state.file(&path)?;
        state.change(Change { folder: parent(&path), gone: Some(path), came: None });
        Ok(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<DiskEntry>> {
        let (folder, state) = (plain(folder), self.lock());
        state.need_folder(&folder)?;
        let entry = |(path, node): (PathBuf, Node)| DiskEntry {
            name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            is_folder: node == Node::Folder,
        };
        Ok(state.children(&folder).into_iter().map(entry).collect())
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        let folder = plain(folder);
        let mut state = self.lock();
        let above: Vec<PathBuf> = folder.ancestors().map(Path::to_path_buf).collect();
        for folder in above.into_iter().rev() {
            match state.names.get(&folder) {
                Some(Node::Folder) => {}
                Some(Node::File(_)) => return Err(ErrorKind::NotADirectory.into()),
                None => state.change(Change {
                    folder: parent(&folder),
                    gone: None,
                    came: Some((folder, Node::Folder)),
                }),
            }
        }
        Ok(())
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        let folder = plain(folder);
        let mut state = self.lock();
        state.need_folder(&folder)?;
        if !state.children(&folder).is_empty() {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        state.change(Change { folder: parent(&folder), gone: Some(folder), came: None });
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let folder = plain(folder);
        let mut state = self.lock();
        state.need_folder(&folder)?;
        let changes = std::mem::take(&mut state.changes);
        let (durable, waiting) = changes.into_iter().partition(|change: &Change| change.folder == folder);
        state.changes = waiting;
        durable.iter().for_each(|change| change.apply(&mut state.durable));
        Ok(())
    }
}

/// A file opened in one lifetime of the disk.
#[derive(Debug)]
struct OpenFile {
    disk: SimulatedDisk,
    at: usize,
    lifetime: u64,
}

impl OpenFile {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.lock();
        if state.lifetime == self.lifetime { Ok(state) } else { Err(io::Error::other("the power was lost")) }
    }
}

impl DiskFile for OpenFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state()?;
        let fitting = state.room.map_or(bytes.len(), |room| bytes.len().min(room as usize));
        state.room = state.room.map(|room| room - fitting as u64);
        state.files[self.at].now.extend_from_slice(&bytes[..fitting]);
        if fitting == bytes.len() { Ok(()) } else { Err(ErrorKind::StorageFull.into()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.state()?;
        let file = &mut state.files[self.at];
        file.durable = file.now.len();
        Ok(())
    }
}

/// A path from the root without `.`; relative ones start there too.
fn plain(path: &Path) -> PathBuf {
    let parts = path.components().filter(|part| matches!(part, Component::Normal(_)));
    Path::new("/").join(parts.collect::<PathBuf>())
}

fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("/")).to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(disk: &SimulatedDisk, path: &str, bytes: &[u8], sync: bool) {
        let mut file = disk.append(Path::new(path)).unwrap();
        file.append(bytes).unwrap();
        if sync {
            file.sync().unwrap();
        }
    }

    #[test]
    fn what_was_synced_survives_and_the_rest_is_at_times_lost() {
        let (mut lost_bytes, mut lost_names, mut torn) = (false, false, false);
        for seed in 0..200 {
            let disk = SimulatedDisk::new(seed);
            disk.create_folder(Path::new("/a")).unwrap();
            write(&disk, "/a/kept", b"kept", true);
            disk.sync_folder(Path::new("/")).unwrap();
            disk.sync_folder(Path::new("/a")).unwrap();
            write(&disk, "/a/kept", b"more", false);
            write(&disk, "/a/new", b"new", true);
            disk.crash();
            let files = disk.files();
            let kept = &files[Path::new("/a/kept")];
            assert!(kept.starts_with(b"kept") && kept.len() <= 8);
            lost_bytes |= kept.len() < 8;
            torn |= kept.ends_with(&[0]);
            lost_names |= !files.contains_key(Path::new("/a/new"));
        }
        assert!(lost_bytes && lost_names && torn, "a disk that loses nothing tests nothing");
    }

    #[test]
    fn a_full_disk_takes_a_part() {
        let disk = SimulatedDisk::new(1);
        disk.set_room(Some(3));
        let mut file = disk.create(Path::new("/f")).unwrap();
        assert_eq!(file.append(b"12345").unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(disk.size(Path::new("/f")).unwrap(), Some(3));
        disk.truncate(Path::new("/f"), 0).unwrap();
        disk.set_room(None);
        file.append(b"12345").unwrap();
        assert_eq!(disk.files()[Path::new("/f")], b"12345");
        disk.crash();
        assert!(file.append(b"6").is_err(), "it was opened before the power went");
    }
}
