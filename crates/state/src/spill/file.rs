//! Records on disk by key: files that are only appended to, with the place of each record in memory by hash.
//!
//! What is here was moved out of memory and is nowhere else on this machine, but it is never the truth: that is the
//! checkpoint. So nothing is synced, and the files have no names: they go with the process.
//!
//! 1. A record is appended to the last segment and is found by the hash of its key; taking it out forgets its place.
//! 2. When more than half of what the segments hold is garbage, the segment with the least that is in use is
//!    copied to the end and given up.
//!
//! An LSM store would keep its index on disk too, and was slower by a factor of five and more; an entry here takes
//! some 20 bytes, so memory holds the places of many times what it could hold itself.

use hashbrown::HashTable;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tidemill_types::key::hash;

/// A segment is closed when it is this long.
const SEGMENT_BYTES: usize = 64 << 20;
/// Records are written in pieces of about this.
const BUFFER_BYTES: usize = 1 << 20;
/// A record is read together with so many bytes behind its start.
const READ_BYTES: usize = 1 << 10;
/// So much is looked at in one piece when records are searched.
const SCAN_BYTES: usize = 256 << 10;
/// Length of the record, then length of the key.
const HEAD_BYTES: usize = 8;

/// A place in the files: segment and offset.
pub(crate) type Position = (usize, usize);

/// Where the record of a key is.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    hash: u64,
    segment: u32,
    offset: u32,
}

/// A file of records.
#[derive(Debug)]
struct Segment {
    file: File,
    /// How long it is, without what is not written yet.
    written: usize,
    /// How much of it is in use.
    used: usize,
}

/// Records by key.
#[derive(Debug)]
pub(crate) struct SpillFile {
    folder: PathBuf,
    segments: Vec<Option<Segment>>,
    /// The end of the last segment, not written yet.
    buffer: Vec<u8>,
    index: HashTable<Place>,
    /// What all segments hold, and how much of it is in use.
    bytes: usize,
    used: usize,
    segment_bytes: usize,
    /// Where the search for records that are too old goes on.
    swept: Position,
}

/// A record: its key and what was put with it.
pub(crate) struct Record<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) key: &'a [u8],
    pub(crate) payload: &'a [u8],
}

impl SpillFile {
    /// No records; the folder is made when it is needed.
    pub(crate) fn new(folder: &Path) -> Self {
        Self::with_segments(folder, SEGMENT_BYTES)
    }

    fn with_segments(folder: &Path, segment_bytes: usize) -> Self {
        SpillFile {
            folder: folder.into(),
            segments: Vec::new(),
            buffer: Vec::new(),
            index: HashTable::new(),
            bytes: 0,
            used: 0,
            segment_bytes,
            swept: (0, 0),
        }
    }

    /// How many records there are.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether a key with this hash may have a record; never wrong when it says no.
    #[inline]
    pub(crate) fn may_hold(&self, hash: u64) -> bool {
        self.index.find(hash, |place| place.hash == hash).is_some()
    }

    /// The memory it takes.
    pub(crate) fn memory(&self) -> usize {
        self.index.allocation_size() + self.buffer.capacity()
    }

    /// Adds the record of a key that has none.
    pub(crate) fn put(&mut self, hash: u64, key: &[u8], payload: &[u8]) -> io::Result<()> {
        let len = HEAD_BYTES + key.len() + payload.len();
        if self.segments.is_empty() || self.tail() + len > self.segment_bytes.max(len) {
            self.open_segment()?;
        }
        let place = Place { hash, segment: self.segments.len() as u32 - 1, offset: self.tail() as u32 };
        self.buffer.extend_from_slice(&(len as u32).to_le_bytes());
        self.buffer.extend_from_slice(&(key.len() as u32).to_le_bytes());
        self.buffer.extend_from_slice(key);
        self.buffer.extend_from_slice(payload);
        self.index.insert_unique(hash, place, |place| place.hash);
        self.count(place.segment, len);
        self.bytes += len;
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn count(&mut self, segment: u32, len: usize) {
        self.used += len;
        if let Some(segment) = &mut self.segments[segment as usize] {
            segment.used += len;
        }
    }

    /// Where the last segment ends.
    fn tail(&self) -> usize {
        self.segments.last().and_then(Option::as_ref).map_or(0, |segment| segment.written) + self.buffer.len()
    }

    fn open_segment(&mut self) -> io::Result<()> {
        self.flush()?;
        std::fs::create_dir_all(&self.folder)?;
        let file = tempfile::tempfile_in(&self.folder)?;
        let segment = Segment { file, written: 0, used: 0 };
        self.segments.push(Some(segment));
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(Some(segment)) = self.segments.last_mut() {
            segment.file.write_all_at(&self.buffer, segment.written as u64)?;
            segment.written += self.buffer.len();
            self.buffer.clear();
        }
        Ok(())
    }

    /// Takes the record of a key out and puts it into `bytes`; false: it has none.
    pub(crate) fn take(&mut self, hash: u64, key: &[u8], bytes: &mut Vec<u8>) -> io::Result<bool> {
        let places: Vec<Place> =
            self.index.iter_hash(hash).filter(|place| place.hash == hash).copied().collect();
        for place in places {
            let len = self.load(place, bytes)?;
            if record(&bytes[..len]).key == key {
                self.forget(place, len);
                bytes.truncate(len);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes any record out and puts it into `bytes`; false: there is none.
    pub(crate) fn take_any(&mut self, bytes: &mut Vec<u8>) -> io::Result<bool> {
        let Some(&place) = self.index.iter().next() else { return Ok(false) };
        let len = self.load(place, bytes)?;
        self.forget(place, len);
        bytes.truncate(len);
        Ok(true)
    }

    /// Shows the records of keys with this hash.
    pub(crate) fn see(&self, hash: u64, mut seen: impl FnMut(Record<'_>)) -> io::Result<()> {
        let mut bytes = Vec::new();
        for &place in self.index.iter_hash(hash).filter(|place| place.hash == hash) {
            let len = self.load(place, &mut bytes)?;
            seen(record(&bytes[..len]));
        }
        Ok(())
    }

    /// Shows all records whose hashes are wanted, in the order in which they lie on disk.
    pub(crate) fn see_all(
        &self,
        wanted: impl Fn(u64) -> bool,
        mut seen: impl FnMut(u64, Record<'_>),
    ) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut places: Vec<Place> = self.index.iter().filter(|place| wanted(place.hash)).copied().collect();
        places.sort_unstable_by_key(|place| (place.segment, place.offset));
        for place in places {
            let len = self.load(place, &mut bytes)?;
            seen(place.hash, record(&bytes[..len]));
        }
        Ok(())
    }

    /// Reads a record and perhaps some bytes more; gives its length.
    fn load(&self, place: Place, out: &mut Vec<u8>) -> io::Result<usize> {
        let segment = self.segments[place.segment as usize].as_ref().expect("places are in segments in use");
        let offset = place.offset as usize;
        let last = place.segment as usize + 1 == self.segments.len();
        if last && offset >= segment.written {
            let bytes = &self.buffer[offset - segment.written..];
            let len = length(bytes);
            out.clear();
            out.extend_from_slice(&bytes[..len]);
            return Ok(len);
        }
        let ahead = READ_BYTES.min(segment.written - offset);
        out.resize(ahead, 0);
        segment.file.read_exact_at(out, offset as u64)?;
        let len = length(out);
        if len > ahead {
            out.resize(len, 0);
            segment.file.read_exact_at(&mut out[ahead..], (offset + ahead) as u64)?;
        }
        Ok(len)
    }

    fn forget(&mut self, place: Place, len: usize) {
        if let Ok(found) = self.index.find_entry(place.hash, |other| *other == place) {
            found.remove();
        }
        self.used -= len;
        let last = place.segment as usize + 1 == self.segments.len();
        let slot = &mut self.segments[place.segment as usize];
        if let Some(segment) = slot {
            segment.used -= len;
            if segment.used == 0 && !last {
                self.bytes -= segment.written;
                *slot = None;
            }
        }
    }

    /// Gets disk space back if much is garbage; a bounded piece of work.
    pub(crate) fn compact(&mut self) -> io::Result<()> {
        if self.bytes < 2 * self.used + 2 * self.segment_bytes {
            return Ok(());
        }
        let closed = &self.segments[..self.segments.len() - 1];
        let in_use = closed.iter().enumerate().filter_map(|(at, segment)| Some((segment.as_ref()?.used, at)));
        let Some((_, at)) = in_use.min() else { return Ok(()) };
        let mut places: Vec<Place> =
            self.index.iter().filter(|place| place.segment == at as u32).copied().collect();
        places.sort_unstable_by_key(|place| place.offset);
        let mut bytes = Vec::new();
        for place in places {
            let len = self.load(place, &mut bytes)?;
            let Record { key, payload, .. } = record(&bytes[..len]);
            self.put(place.hash, key, payload)?;
            self.forget(place, len);
        }
        Ok(())
    }

    /// Where the files end; everything is written up to there.
    pub(crate) fn end(&mut self) -> io::Result<Position> {
        self.flush()?;
        let written = self.segments.last().and_then(Option::as_ref).map_or(0, |segment| segment.written);
        Ok((self.segments.len().saturating_sub(1), written))
    }

    /// Looks at the records in the next piece of the files, no further than `end`, and takes out those for which
    /// `take` is true. Gives where the next piece begins; none: there are no more.
    pub(crate) fn scan(
        &mut self,
        (segment, offset): Position,
        end: Position,
        mut take: impl FnMut(u64, Record<'_>) -> bool,
    ) -> io::Result<Option<Position>> {
        let held = self.segments.get(segment).and_then(Option::as_ref);
        let until =
            held.map_or(0, |held| if segment == end.0 { end.1.min(held.written) } else { held.written });
        let Some(held) = held.filter(|_| offset < until) else {
            return Ok((segment < end.0).then_some((segment + 1, 0)));
        };
        let mut bytes = vec![0; SCAN_BYTES.min(until - offset)];
        held.file.read_exact_at(&mut bytes, offset as u64)?;
        if length(&bytes) > bytes.len() {
            bytes.resize(length(&bytes), 0);
            held.file.read_exact_at(&mut bytes, offset as u64)?;
        }
        let mut at = 0;
        while bytes.len() - at >= HEAD_BYTES && bytes.len() - at >= length(&bytes[at..]) {
            let len = length(&bytes[at..]);
            let seen = record(&bytes[at..at + len]);
            let place = Place { hash: hash(seen.key), segment: segment as u32, offset: (offset + at) as u32 };
            if self.index.find(place.hash, |other| *other == place).is_some() && take(place.hash, seen) {
                self.forget(place, len);
            }
            at += len;
        }
        Ok(Some((segment, offset + at)))
    }

    /// Looks at the records in the next piece of the files and takes out those for which `old` is true.
    pub(crate) fn sweep(&mut self, old: impl FnMut(u64, Record<'_>) -> bool) -> io::Result<()> {
        let end = (self.segments.len().saturating_sub(1), usize::MAX);
        self.swept = self.scan(self.swept, end, old)?.unwrap_or_default();
        Ok(())
    }

    /// Takes out the record of any key with this hash and puts it into `bytes`; false: there is none.
    pub(crate) fn take_hash(&mut self, hash: u64, bytes: &mut Vec<u8>) -> io::Result<bool> {
        let Some(&place) = self.index.find(hash, |place| place.hash == hash) else { return Ok(false) };
        let len = self.load(place, bytes)?;
        self.forget(place, len);
        bytes.truncate(len);
        Ok(true)
    }

    /// Gives up all records.
    pub(crate) fn clear(&mut self) {
        *self = Self::with_segments(&self.folder, self.segment_bytes);
    }
}

fn length(bytes: &[u8]) -> usize {
    u32::from_le_bytes(bytes[..4].try_into().expect("four bytes")) as usize
}

/// The parts of a record.
pub(crate) fn record(bytes: &[u8]) -> Record<'_> {
    let (key, payload) = bytes[HEAD_BYTES..].split_at(length(&bytes[4..]));
    Record { bytes, key, payload }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(i: usize, round: usize) -> Vec<u8> {
        format!("{i}-{round}-").repeat(1 + i % 300).into_bytes()
    }

    #[test]
    fn records_come_back_and_space_is_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = SpillFile::with_segments(folder.path(), 1 << 16);
        let key = |i: usize| format!("key {i}").into_bytes();
        let (mut live, mut bytes) = (0, Vec::new());
        for round in 0..20 {
            live = 0;
            for i in 0..1_000 {
                if round > 0 {
                    assert!(file.take(hash(&key(i)), &key(i), &mut bytes).unwrap());
                    assert_eq!(record(&bytes).payload, payload(i, round - 1));
                }
                file.put(hash(&key(i)), &key(i), &payload(i, round)).unwrap();
                live += payload(i, round).len();
                file.compact().unwrap();
            }
        }
        assert!(file.len() == 1_000 && !file.take(7, b"key 7", &mut bytes).unwrap());
        assert!(file.bytes < 3 * live, "{} bytes for {live}", file.bytes);
        let mut seen = 0;
        file.see_all(
            |_| true,
            |hash_of, record| {
                assert_eq!(hash(record.key), hash_of);
                seen += 1;
            },
        )
        .unwrap();
        assert_eq!(seen, 1_000);
        for _ in 0..10_000 {
            file.sweep(|_, record| record.key.ends_with(b"7")).unwrap();
        }
        // Those at the very end are not written yet and not looked at.
        assert!((900..920).contains(&file.len()));
        seen = file.len();
        while file.take_any(&mut bytes).unwrap() {
            seen -= 1;
        }
        assert_eq!((seen, file.len(), file.used), (0, 0, 0));
    }

    #[test]
    fn keys_with_one_hash_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = SpillFile::new(folder.path());
        file.put(1, b"a", b"of a").unwrap();
        file.put(1, b"b", b"of b").unwrap();
        assert!(file.may_hold(1) && !file.may_hold(2));
        let mut bytes = Vec::new();
        assert!(file.take(1, b"b", &mut bytes).unwrap() && record(&bytes).payload == b"of b");
        assert!(!file.take(1, b"b", &mut bytes).unwrap());
        assert!(file.take(1, b"a", &mut bytes).unwrap() && record(&bytes).payload == b"of a");
        assert!(!file.may_hold(1));
    }
}
