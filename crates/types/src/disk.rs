//! The one way to local files that must survive a crash: the file sink, logs of records, files of set-aside rows.
//!
//! Invariant: what is said to be durable here is so after the machine lost power: bytes after [`DiskFile::sync`], names
//! after [`Disk::sync_folder`] of their folder, truncation at once. A simulated disk can therefore drop everything else.
//! Calls block, so they belong on threads that may. Deliberately not here: reading tables, which needs no such care.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What lies in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskEntry {
    /// Its name.
    pub name: String,
    /// Whether it is a folder itself.
    pub is_folder: bool,
}

/// A file that is being written.
pub trait DiskFile: Send + Debug {
    /// Writes behind the last byte. After an error any part of the bytes may have been written.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes what was appended durable. After an error nobody knows what is.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file system.
pub trait Disk: Send + Sync + Debug {
    /// A new file; [`io::ErrorKind::AlreadyExists`] if the name is taken.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// A file to be written behind its end, made if it is not there.
    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Reads into the buffer from an offset on and says how much; less than its length only at the end.
    fn read(&self, path: &Path, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// How many bytes a file has; `None` if there is none.
    fn size(&self, path: &Path) -> io::Result<Option<u64>>;

    /// Cuts a file to this length, durably.
    fn truncate(&self, path: &Path, bytes: u64) -> io::Result<()>;

    /// Gives a file another name at once; what had it is gone.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// What lies in a folder, by name.
    fn list(&self, folder: &Path) -> io::Result<Vec<DiskEntry>>;

    /// Makes a folder and those above it, if they are not there.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;

    /// Removes an empty folder.
    fn remove_folder(&self, folder: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// The machine's disk.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemDisk;

impl DiskFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

impl Disk for SystemDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().create_new(true).append(true).open(path)?))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().create(true).append(true).open(path)?))
    }

    fn read(&self, path: &Path, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let (file, mut filled) = (File::open(path)?, 0);
        while filled < buffer.len() {
            match file.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(bytes) => filled += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn size(&self, path: &Path) -> io::Result<Option<u64>> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn truncate(&self, path: &Path, bytes: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(bytes)?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<DiskEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            // A name that is no UTF-8 is none that we gave.
            if let Ok(name) = entry.file_name().into_string() {
                entries.push(DiskEntry { name, is_folder: entry.file_type()?.is_dir() });
            }
        }
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        fs::remove_dir(folder)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        File::open(folder)?.sync_all()
    }
}

/// Whether an error says that the disk is full, which may pass.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
