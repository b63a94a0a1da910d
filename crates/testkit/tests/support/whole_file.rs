//! Files that are wholes, read from memory.

use std::io;
use std::sync::Arc;
use tidemill_format::{DecodeRequest, FileBytes, FileRows, format};
use tidemill_types::{Options, Result, Schema};

struct InMemory(Vec<u8>);

impl FileBytes for InMemory {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let bytes = self.0.get(offset as usize..offset as usize + buffer.len());
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// All rows of a file.
pub fn read(name: &str, stored: &Schema, wanted: &[usize], bytes: Vec<u8>) -> Result<Vec<FileRows>> {
    let options = Options::default();
    let zone = chrono_tz::Tz::UTC;
    let request = DecodeRequest { physical: stored, wanted, metadata: &[], options: &options, zone };
    let files = format(name)?.files.as_ref().expect("the format has files");
    let mut reader = (files.reader)(&request, Arc::new(InMemory(bytes)), 0)?;
    let mut all = Vec::new();
    while let Some(rows) = reader.next()? {
        all.push(rows);
    }
    Ok(all)
}
