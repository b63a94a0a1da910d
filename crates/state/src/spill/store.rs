//! The records of spilled keys by themselves, to be measured from outside.

use super::file::{SpillFile, record};
use std::io;
use std::path::Path;

/// Records by key on disk.
#[derive(Debug)]
pub struct SpillStore(SpillFile);

impl SpillStore {
    /// No records; files without names are made in this folder.
    pub fn new(folder: &Path) -> Self {
        SpillStore(SpillFile::new(folder, usize::MAX))
    }

    /// Adds the record of a key that has none.
    pub fn put(&mut self, hash: u64, key: &[u8], row: &[u8]) -> io::Result<()> {
        self.0.put(hash, key, row)
    }

    /// Takes the record of a key out, if it has one.
    pub fn take(&mut self, hash: u64, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        if !self.0.may_hold(hash) || !self.0.take(hash, key, &mut bytes)? {
            return Ok(None);
        }
        Ok(Some(record(&bytes).payload.to_vec()))
    }
}
