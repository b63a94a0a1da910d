//! Records by key on disk, with an index that takes about two bytes of memory for each.
//!
//! Records that come are gathered in memory, found by the hash of their key. When they are enough they are written as a
//! run: a file without a name, ordered by hash. Of a run are in memory the first hash of each block, a filter that knows
//! most hashes that are not there, and a bit for each record that was taken out. Runs of one size become one larger run,
//! so there are few of them.
//! Invariant: a record is live in one place only. A key has one record at most.
//!
//! A store for keys and values keeps more than this needs: versions, recovery, transactions. `benches/spill-stores` compares
//! this with two of them.

mod filter;
mod run;

use hashbrown::HashTable;
use run::{Run, RunWriter, Walk};
use std::io;
use std::path::{Path, PathBuf};

/// How much is gathered before it is written: a share of the budget within these bounds.
const GATHERED_SHARE: usize = 64;
const GATHERED_BYTES_MIN: usize = 256;
const GATHERED_BYTES_MAX: usize = 2 << 20;
/// So many runs of one size become one.
const RUNS_OF_LEVEL: usize = 8;
/// About so many records are looked at in one piece when records are searched.
const SCAN_RECORDS: usize = 4_096;
/// Length of the record, length of the key, hash.
const HEAD_BYTES: usize = 16;

/// Where a gathered record lies.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    hash: u64,
    offset: u32,
}

/// Records by key.
#[derive(Debug)]
pub(crate) struct SpillFile {
    folder: PathBuf,
    gathered: Vec<u8>,
    places: HashTable<Place>,
    runs: Vec<Run>,
    gathered_max: usize,
    /// From which hash on the search for records that are too old goes on.
    swept: u64,
}

/// A record: its key and what was put with it.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) key: &'a [u8],
    pub(crate) payload: &'a [u8],
}

impl SpillFile {
    /// No records; the folder is made when it is needed.
    pub(crate) fn new(folder: &Path, budget: usize) -> Self {
        let gathered = (budget / GATHERED_SHARE).clamp(GATHERED_BYTES_MIN, GATHERED_BYTES_MAX);
        Self::with_gathered(folder, gathered)
    }

    fn with_gathered(folder: &Path, gathered_max: usize) -> Self {
        SpillFile {
            folder: folder.into(),
            gathered: Vec::new(),
            places: HashTable::new(),
            runs: Vec::new(),
            gathered_max,
            swept: 0,
        }
    }

    /// How many records there are.
    pub(crate) fn len(&self) -> usize {
        self.places.len() + self.runs.iter().map(Run::live).sum::<usize>()
    }

    /// Whether a key with this hash may have a record; never wrong when it says no, seldom when it says yes.
    #[inline]
    pub(crate) fn may_hold(&self, hash: u64) -> bool {
        self.places.find(hash, |place| place.hash == hash).is_some()
            || self.runs.iter().any(|run| run.may_hold(hash))
    }

    /// The memory it takes.
    pub(crate) fn memory(&self) -> usize {
        let runs: usize = self.runs.iter().map(Run::memory).sum();
        self.places.allocation_size() + self.gathered.capacity() + runs
    }

    /// Adds the record of a key that has none.
    pub(crate) fn put(&mut self, hash: u64, key: &[u8], payload: &[u8]) -> io::Result<()> {
        let len = HEAD_BYTES + key.len() + payload.len();
        if self.gathered.len() + len > self.gathered_max && !self.gathered.is_empty() {
            self.write_gathered()?;
        }
        let place = Place { hash, offset: self.gathered.len() as u32 };
        self.gathered.reserve_exact(len.max(self.gathered_max.saturating_sub(self.gathered.capacity())));
        self.gathered.extend_from_slice(&(len as u32).to_le_bytes());
        self.gathered.extend_from_slice(&(key.len() as u32).to_le_bytes());
        self.gathered.extend_from_slice(&hash.to_le_bytes());
        self.gathered.extend_from_slice(key);
        self.gathered.extend_from_slice(payload);
        self.places.insert_unique(hash, place, |place| place.hash);
        Ok(())
    }

    fn gathered_at(&self, place: Place) -> Record<'_> {
        record_at(&self.gathered[place.offset as usize..])
    }

    /// Writes what was gathered as a run.
    fn write_gathered(&mut self) -> io::Result<()> {
        let mut places: Vec<Place> = self.places.iter().copied().collect();
        places.sort_unstable_by_key(|place| place.hash);
        if !places.is_empty() {
            let mut writer = RunWriter::new(&self.folder, places.len(), 0)?;
            for place in places {
                writer.add(place.hash, self.gathered_at(place).bytes)?;
            }
            self.runs.push(writer.end()?);
        }
        self.gathered.clear();
        self.places.clear();
        self.merge_levels()
    }

    /// Makes one run of those of a level, if they are enough.
    fn merge_levels(&mut self) -> io::Result<()> {
        let mut level = 0;
        while self.runs.iter().any(|run| run.level() >= level) {
            if self.runs.iter().filter(|run| run.level() == level).count() >= RUNS_OF_LEVEL {
                let (merged, kept) =
                    std::mem::take(&mut self.runs).into_iter().partition(|run| run.level() == level);
                self.runs = kept;
                self.merge(merged, level + 1)?;
            }
            level += 1;
        }
        Ok(())
    }

    fn merge(&mut self, runs: Vec<Run>, level: u8) -> io::Result<()> {
        let live: usize = runs.iter().map(Run::live).sum();
        if live == 0 {
            return Ok(());
        }
        let mut writer = RunWriter::new(&self.folder, live, level)?;
        let mut walks = Vec::new();
        for run in &runs {
            walks.push(Walk::new(run, 0)?);
        }
        loop {
            let firsts = walks.iter().enumerate().filter_map(|(at, walk)| Some((walk.hash()?, at)));
            let Some((hash, at)) = firsts.min() else { break };
            if let Some(record) = walks[at].record() {
                writer.add(hash, record.bytes)?;
            }
            walks[at].advance()?;
        }
        self.runs.push(writer.end()?);
        Ok(())
    }

    /// Takes the record of a key out and puts it into `bytes`; false: it has none.
    pub(crate) fn take(&mut self, hash: u64, key: &[u8], bytes: &mut Vec<u8>) -> io::Result<bool> {
        self.take_if(hash, |record| record.key == key, bytes)
    }

    /// Takes out the record of any key with this hash and puts it into `bytes`; false: there is none.
    pub(crate) fn take_hash(&mut self, hash: u64, bytes: &mut Vec<u8>) -> io::Result<bool> {
        self.take_if(hash, |_| true, bytes)
    }

    fn take_if(
        &mut self,
        hash: u64,
        wanted: impl Fn(Record<'_>) -> bool,
        bytes: &mut Vec<u8>,
    ) -> io::Result<bool> {
        let gathered = &self.gathered;
        let record = |place: &Place| record_at(&gathered[place.offset as usize..]);
        if let Ok(found) = self.places.find_entry(hash, |place| place.hash == hash && wanted(record(place))) {
            bytes.clear();
            bytes.extend_from_slice(record(found.get()).bytes);
            found.remove();
            return Ok(true);
        }
        for at in (0..self.runs.len()).rev() {
            let run = &mut self.runs[at];
            if run.may_hold(hash)
                && let Some(row) = run.find(hash, &wanted, bytes)?
            {
                run.kill(row);
                if run.live() == 0 {
                    self.runs.remove(at);
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes any record out and puts it into `bytes`; false: there is none.
    pub(crate) fn take_any(&mut self, bytes: &mut Vec<u8>) -> io::Result<bool> {
        if let Some(&place) = self.places.iter().next() {
            return self.take_if(place.hash, |_| true, bytes);
        }
        let Some(run) = self.runs.last_mut() else { return Ok(false) };
        let row = run.first_live(bytes)?;
        run.kill(row);
        if run.live() == 0 {
            self.runs.pop();
        }
        Ok(true)
    }

    /// Shows the records of keys with this hash.
    pub(crate) fn see(&self, hash: u64, mut seen: impl FnMut(Record<'_>)) -> io::Result<()> {
        for place in self.places.iter_hash(hash).filter(|place| place.hash == hash) {
            seen(self.gathered_at(*place));
        }
        for run in self.runs.iter().filter(|run| run.may_hold(hash)) {
            run.each_of_hash(hash, |_, record| {
                seen(record);
                false
            })?;
        }
        Ok(())
    }

    /// Whether a key with this hash has a record.
    pub(crate) fn holds(&self, hash: u64) -> io::Result<bool> {
        let mut held = false;
        self.see(hash, |_| held = true)?;
        Ok(held)
    }

    /// Shows all records whose hashes are wanted.
    pub(crate) fn see_all(
        &self,
        wanted: impl Fn(u64) -> bool,
        mut seen: impl FnMut(u64, Record<'_>),
    ) -> io::Result<()> {
        for place in self.places.iter().filter(|place| wanted(place.hash)) {
            seen(place.hash, self.gathered_at(*place));
        }
        for run in &self.runs {
            let mut walk = Walk::new(run, 0)?;
            while let Some(hash) = walk.hash() {
                if let Some(record) = walk.record().filter(|_| wanted(hash)) {
                    seen(hash, record);
                }
                walk.advance()?;
            }
        }
        Ok(())
    }

    /// Gets disk space back if much of a run is garbage.
    pub(crate) fn compact(&mut self) -> io::Result<()> {
        let Some(at) = self.runs.iter().position(Run::is_sparse) else { return Ok(()) };
        let run = self.runs.swap_remove(at);
        let level = run.level();
        self.merge(vec![run], level)
    }

    /// Looks at the records with hashes from `from` on in one piece and takes out those for which `take` is true. Gives
    /// where the next piece begins; none: there are no more.
    pub(crate) fn scan(
        &mut self,
        from: u64,
        mut take: impl FnMut(u64, Record<'_>) -> bool,
    ) -> io::Result<Option<u64>> {
        let pieces = (self.len() / SCAN_RECORDS).max(1) as u64;
        let until = from.saturating_add(u64::MAX / pieces);
        let gathered = &self.gathered;
        self.places.retain(|place| {
            let within = (from..=until).contains(&place.hash);
            !(within && take(place.hash, record_at(&gathered[place.offset as usize..])))
        });
        for run in &mut self.runs {
            let mut gone = Vec::new();
            let mut walk = Walk::new(run, from)?;
            while let Some(hash) = walk.hash().filter(|hash| *hash <= until) {
                if let Some(record) = walk.record()
                    && take(hash, record)
                {
                    gone.push(walk.row());
                }
                walk.advance()?;
            }
            gone.into_iter().for_each(|row| run.kill(row));
        }
        self.runs.retain(|run| run.live() > 0);
        Ok((until < u64::MAX).then(|| until + 1))
    }

    /// Looks at the next piece of the records and takes out those for which `old` is true.
    pub(crate) fn sweep(&mut self, old: impl FnMut(u64, Record<'_>) -> bool) -> io::Result<()> {
        if self.len() > 0 {
            self.swept = self.scan(self.swept, old)?.unwrap_or_default();
        }
        Ok(())
    }

    /// Gives up all records.
    pub(crate) fn clear(&mut self) {
        *self = Self::with_gathered(&self.folder, self.gathered_max);
    }
}

fn number(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize
}

/// The record at the start of these bytes.
fn record_at(bytes: &[u8]) -> Record<'_> {
    record(&bytes[..number(bytes, 0)])
}

/// The parts of a record.
pub(crate) fn record(bytes: &[u8]) -> Record<'_> {
    let (key, payload) = bytes[HEAD_BYTES..].split_at(number(bytes, 4));
    Record { bytes, key, payload }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemill_types::key::hash;

    fn payload(i: usize, round: usize) -> Vec<u8> {
        format!("{i}-{round}-").repeat(1 + i % 300).into_bytes()
    }

    #[test]
    fn records_come_back_and_space_is_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = SpillFile::with_gathered(folder.path(), 1 << 16);
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
        let held: usize = file.runs.iter().map(Run::bytes).sum();
        assert!(held < 3 * live && file.runs.len() < 3 * RUNS_OF_LEVEL, "{held} bytes for {live}");
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
        file.sweep(|_, record| record.key.ends_with(b"7")).unwrap();
        assert_eq!(file.len(), 900);
        seen = file.len();
        while file.take_any(&mut bytes).unwrap() {
            seen -= 1;
        }
        assert_eq!((seen, file.len(), file.runs.len()), (0, 0, 0));
    }

    #[test]
    fn keys_with_one_hash_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        for gathered in [1, 1 << 20] {
            let mut file = SpillFile::with_gathered(folder.path(), gathered);
            for i in 0..40 {
                file.put(1, format!("{i:0>500}").as_bytes(), format!("of {i}").as_bytes()).unwrap();
            }
            file.put(9, b"x", b"of x").unwrap();
            assert!(file.may_hold(1) && file.holds(1).unwrap() && !file.holds(2).unwrap());
            let mut bytes = Vec::new();
            for i in (0..40).rev() {
                let key = format!("{i:0>500}");
                assert!(file.take(1, key.as_bytes(), &mut bytes).unwrap());
                assert_eq!(record(&bytes).payload, format!("of {i}").as_bytes());
                assert!(!file.take(1, key.as_bytes(), &mut bytes).unwrap());
            }
            assert!(!file.holds(1).unwrap() && file.take_hash(9, &mut bytes).unwrap() && file.len() == 0);
        }
    }

    #[test]
    fn a_walk_meets_every_record_once_and_takes_little_memory() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = SpillFile::with_gathered(folder.path(), 1 << 16);
        let key = |i: u32| i.to_le_bytes();
        (0..200_000).for_each(|i| file.put(hash(&key(i)), &key(i), b"some twenty bytes...").unwrap());
        let of_record = (file.memory() - (1 << 16)) as f64 / 200_000.0;
        assert!(of_record < 2.5, "{of_record} bytes for each record");
        let (mut at, mut seen, mut pieces) = (Some(0), vec![0_u8; 200_000], 0);
        while let Some(from) = at {
            pieces += 1;
            at = file
                .scan(from, |_, record| {
                    let i = u32::from_le_bytes(record.key.try_into().unwrap());
                    seen[i as usize] += 1;
                    i % 2 == 0
                })
                .unwrap();
        }
        assert!(seen.iter().all(|times| *times == 1) && pieces > 20);
        let absent = (300_000..400_000).filter(|&i| file.may_hold(hash(&key(i)))).count();
        assert!(absent < 20_000, "{absent} of 100000 are taken for there");
        let mut bytes = Vec::new();
        assert!((0..200_000).all(|i| file.take(hash(&key(i)), &key(i), &mut bytes).unwrap() == (i % 2 == 1)));
        assert_eq!(file.len(), 0);
    }
}
