//! Where reading stands in a file: as a mark that travels with a blob, and as text in a checkpoint.
//!
//! The text is `offset:line inode check`, with ` done` behind it once nothing more is expected of the file.
//! Offsets count bytes without compression, or the rows of a whole file. The check is a hash of the [`CHECKED_BYTES`] bytes before the offset, or
//! of the size and both ends of a file that is compressed or whole: a file that was replaced, cut or written anew while no run was
//! watching does not have it. The inode finds a file that was renamed meanwhile.

use super::listing::unreadable;
use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use tidemill_types::{Error, Result};
use xxhash_rust::xxh3::xxh3_64;

/// How many bytes a check looks at.
const CHECKED_BYTES: u64 = 64;

/// How far a file was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Bytes handed on.
    pub(super) offset: u64,
    /// The number of the next line, from 1.
    pub(super) line: u64,
}

impl Cursor {
    /// The start of a file.
    pub(super) const START: Cursor = Cursor { offset: 0, line: 1 };
}

/// How far a file was read, and which file that was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stand {
    pub(super) at: Cursor,
    pub(super) inode: u64,
    pub(super) check: u64,
    pub(super) done: bool,
}

impl Stand {
    /// Reads the text of a checkpoint.
    pub(super) fn parse(text: &str) -> Result<Stand> {
        let read = || {
            let mut words = text.split(' ');
            let (offset, line) = words.next()?.split_once(':')?;
            Some(Stand {
                at: Cursor { offset: offset.parse().ok()?, line: line.parse().ok()? },
                inode: words.next()?.parse().ok()?,
                check: u64::from_str_radix(words.next()?, 16).ok()?,
                done: words.next() == Some("done"),
            })
        };
        read().ok_or_else(|| Error::internal(format!("'{text}' is no position in a file")))
    }

    /// Why a file is not the one that was read, if it is not.
    pub(super) fn mismatch(
        &self,
        path: &Path,
        (file, metadata): (&File, &Metadata),
        whole: bool,
    ) -> Result<Option<String>> {
        let traced = Traced::of(path, (file, metadata), whole)?;
        let (offset, size) = (self.at.offset, metadata.len());
        if traced.whole.is_none() && size < offset {
            return Ok(Some(format!("has only {size} bytes, of which {offset} were read")));
        }
        if traced.stand(self.at).check != self.check {
            return Ok(Some("has other bytes than those that were read".into()));
        }
        let mut last = [b'\n'];
        if traced.whole.is_none() && offset > 0 && size > offset {
            file.read_exact_at(&mut last, offset - 1).map_err(|error| unreadable(path, &error))?;
        }
        Ok((last != [b'\n'])
            .then(|| "was continued in the middle of a line that was taken as its last".into()))
    }
}

impl std::fmt::Display for Stand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Stand { at, inode, check, done } = self;
        let done = if *done { " done" } else { "" };
        write!(f, "{}:{} {inode} {check:016x}{done}", at.offset, at.line)
    }
}

/// A file whose stand can be told: a regular one.
#[derive(Debug)]
pub(super) struct Traced {
    file: File,
    inode: u64,
    /// The check of a compressed or whole file.
    whole: Option<u64>,
}

impl Traced {
    /// Traces an open file; `whole`: its format or compression lets nobody look into its middle.
    pub(super) fn of(path: &Path, (file, metadata): (&File, &Metadata), whole: bool) -> Result<Self> {
        let failed = |error| unreadable(path, &error);
        let file = file.try_clone().map_err(failed)?;
        let whole = whole.then(|| check_of_ends(&file, metadata.len()));
        Ok(Traced { inode: metadata.ino(), whole: whole.transpose().map_err(failed)?, file })
    }

    /// The stand at a place of it that was read.
    pub(super) fn stand(&self, at: Cursor) -> Stand {
        let check = self.whole.unwrap_or_else(|| check_before(&self.file, at.offset));
        Stand { at, inode: self.inode, check, done: false }
    }
}

/// 0 if the bytes are gone again: then the file was cut, and no file has that check.
fn check_before(file: &File, offset: u64) -> u64 {
    let mut bytes = [0; CHECKED_BYTES as usize];
    let bytes = &mut bytes[..offset.min(CHECKED_BYTES) as usize];
    match file.read_exact_at(bytes, offset - bytes.len() as u64) {
        Ok(()) => xxh3_64(bytes).max(1),
        Err(_) => 0,
    }
}

fn check_of_ends(file: &File, size: u64) -> std::io::Result<u64> {
    let part = size.min(CHECKED_BYTES);
    let mut bytes = vec![0; 2 * part as usize];
    let (first, last) = bytes.split_at_mut(part as usize);
    file.read_exact_at(first, 0)?;
    file.read_exact_at(last, size - part)?;
    bytes.extend_from_slice(&size.to_le_bytes());
    Ok(xxh3_64(&bytes).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stands_survive_their_text() {
        for done in [false, true] {
            let stand = Stand { at: Cursor { offset: 7, line: 3 }, inode: 99, check: 0xabc, done };
            assert_eq!(Stand::parse(&stand.to_string()).unwrap(), stand);
        }
        assert!(Stand::parse("7:3").is_err());
    }

    #[test]
    fn other_files_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let open = |text: &str| {
            std::fs::write(&path, text).unwrap();
            super::super::reader::open(&path).unwrap()
        };
        let (file, metadata) = open("one\ntwo\n");
        let stand =
            Traced::of(&path, (&file, &metadata), false).unwrap().stand(Cursor { offset: 4, line: 2 });
        let mismatch = |text| {
            let (file, metadata) = open(text);
            stand.mismatch(&path, (&file, &metadata), false).unwrap()
        };
        assert_eq!(mismatch("one\nother and longer\n"), None);
        assert!(mismatch("on").is_some());
        assert!(mismatch("oNe\ntwo\n").is_some());
    }
}
