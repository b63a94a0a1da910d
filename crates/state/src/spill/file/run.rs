//! A run: records in the order of the hashes of their keys, in a file, with what must be known of them in memory.
//!
//! Invariant: rows are numbered in the order of the file; a row that was killed is never shown again.

use super::filter::Filter;
use super::{HEAD_BYTES, Record, number, record_at};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A block ends with the record that makes it so long.
const BLOCK_BYTES: usize = 8 << 10;
/// So much is written, and read by walks, in one piece.
const PIECE_BYTES: usize = 128 << 10;
/// Smaller runs are not written anew because of garbage.
const SPARSE_MIN_BYTES: usize = 1 << 20;

/// Where a block begins.
#[derive(Debug, Clone, Copy)]
struct Block {
    hash: u64,
    offset: u64,
    row: u32,
}

/// Records on disk, in order.
#[derive(Debug)]
pub(super) struct Run {
    file: File,
    bytes: usize,
    rows: u32,
    live: u32,
    level: u8,
    blocks: Vec<Block>,
    filter: Filter,
    /// One bit for each row; empty while none was killed.
    killed: Vec<u64>,
    /// No row of a block before this one is live.
    drained: usize,
}

impl Run {
    pub(super) fn live(&self) -> usize {
        self.live as usize
    }

    pub(super) fn level(&self) -> u8 {
        self.level
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn memory(&self) -> usize {
        self.blocks.capacity() * size_of::<Block>() + self.filter.memory() + self.killed.capacity() * 8
    }

    #[inline]
    pub(super) fn may_hold(&self, hash: u64) -> bool {
        self.filter.may_hold(hash)
    }

    /// Whether most of it is garbage.
    pub(super) fn is_sparse(&self) -> bool {
        self.live < self.rows / 2 && self.bytes > SPARSE_MIN_BYTES
    }

    #[inline]
    fn is_live(&self, row: u32) -> bool {
        self.killed.get(row as usize / 64).is_none_or(|bits| bits >> (row % 64) & 1 == 0)
    }

    pub(super) fn kill(&mut self, row: u32) {
        if self.killed.is_empty() {
            self.killed = vec![0; (self.rows as usize).div_ceil(64)];
        }
        self.killed[row as usize / 64] |= 1 << (row % 64);
        self.live -= 1;
    }

    fn end_of(&self, block: usize) -> u64 {
        self.blocks.get(block + 1).map_or(self.bytes as u64, |next| next.offset)
    }

    /// The first block that may have records with this hash.
    fn block_of(&self, hash: u64) -> usize {
        self.blocks.partition_point(|block| block.hash < hash).saturating_sub(1)
    }

    fn read_block(&self, block: usize, bytes: &mut Vec<u8>) -> io::Result<()> {
        let from = self.blocks[block].offset;
        bytes.resize((self.end_of(block) - from) as usize, 0);
        self.file.read_exact_at(bytes, from)
    }

    /// Shows the live rows with this hash until one is what was looked for.
    pub(super) fn each_of_hash(
        &self,
        hash: u64,
        mut found: impl FnMut(u32, Record<'_>) -> bool,
    ) -> io::Result<()> {
        let mut bytes = Vec::new();
        for block in self.block_of(hash)..self.blocks.len() {
            if self.blocks[block].hash > hash {
                break;
            }
            self.read_block(block, &mut bytes)?;
            let (mut at, mut row) = (0, self.blocks[block].row);
            while at < bytes.len() {
                let of_row = hash_at(&bytes[at..]);
                if of_row > hash
                    || (of_row == hash && self.is_live(row) && found(row, record_at(&bytes[at..])))
                {
                    return Ok(());
                }
                at += number(&bytes, at);
                row += 1;
            }
        }
        Ok(())
    }

    /// The first live row with this hash that is wanted; its record is put into `out`.
    pub(super) fn find(
        &self,
        hash: u64,
        wanted: impl Fn(Record<'_>) -> bool,
        out: &mut Vec<u8>,
    ) -> io::Result<Option<u32>> {
        let mut found = None;
        self.each_of_hash(hash, |row, record| {
            if wanted(record) {
                out.clear();
                out.extend_from_slice(record.bytes);
                found = Some(row);
            }
            found.is_some()
        })?;
        Ok(found)
    }

    /// The first live row of all, of which there is one; its record is put into `out`.
    pub(super) fn first_live(&mut self, out: &mut Vec<u8>) -> io::Result<u32> {
        let mut bytes = Vec::new();
        while self.drained < self.blocks.len() {
            let last = self.blocks.get(self.drained + 1).map_or(self.rows, |next| next.row);
            let mut row = self.blocks[self.drained].row;
            if (row..last).any(|row| self.is_live(row)) {
                self.read_block(self.drained, &mut bytes)?;
                let mut at = 0;
                while !self.is_live(row) {
                    at += number(&bytes, at);
                    row += 1;
                }
                out.clear();
                out.extend_from_slice(record_at(&bytes[at..]).bytes);
                return Ok(row);
            }
            self.drained += 1;
        }
        Err(io::Error::other("a run says that it has rows, but has none"))
    }
}

fn hash_at(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[8..HEAD_BYTES].try_into().expect("eight bytes"))
}

/// A way through the live rows of a run, in order.
pub(super) struct Walk<'a> {
    run: &'a Run,
    bytes: Vec<u8>,
    at: usize,
    row: u32,
    /// Up to where the file was read.
    read: u64,
}

impl<'a> Walk<'a> {
    /// Begins with the first live row whose hash is no less than this.
    pub(super) fn new(run: &'a Run, from: u64) -> io::Result<Self> {
        let block = run.blocks[run.block_of(from)];
        let mut walk = Walk { run, bytes: Vec::new(), at: 0, row: block.row, read: block.offset };
        walk.fill()?;
        while walk.peek().is_some_and(|hash| hash < from || !run.is_live(walk.row)) {
            walk.step()?;
        }
        Ok(walk)
    }

    fn peek(&self) -> Option<u64> {
        (self.at < self.bytes.len()).then(|| hash_at(&self.bytes[self.at..]))
    }

    /// The hash of the row at hand; none: the walk is over.
    pub(super) fn hash(&self) -> Option<u64> {
        self.peek()
    }

    /// The number of the row at hand.
    pub(super) fn row(&self) -> u32 {
        self.row
    }

    /// The row at hand.
    pub(super) fn record(&self) -> Option<Record<'_>> {
        (self.at < self.bytes.len()).then(|| record_at(&self.bytes[self.at..]))
    }

    /// Goes to the next live row.
    pub(super) fn advance(&mut self) -> io::Result<()> {
        self.step()?;
        while self.at < self.bytes.len() && !self.run.is_live(self.row) {
            self.step()?;
        }
        Ok(())
    }

    fn step(&mut self) -> io::Result<()> {
        if self.at < self.bytes.len() {
            self.at += number(&self.bytes, self.at);
            self.row += 1;
            self.fill()?;
        }
        Ok(())
    }

    /// Makes sure that the row at hand is in memory.
    fn fill(&mut self) -> io::Result<()> {
        loop {
            let held = self.bytes.len() - self.at;
            let whole = held >= HEAD_BYTES && held >= number(&self.bytes, self.at);
            let left = self.run.bytes as u64 - self.read;
            if whole || left == 0 {
                return Ok(());
            }
            let wanted = if held >= HEAD_BYTES { number(&self.bytes, self.at) - held } else { 0 };
            let more = (wanted.max(PIECE_BYTES) as u64).min(left) as usize;
            self.bytes.drain(..self.at);
            self.at = 0;
            self.bytes.resize(held + more, 0);
            self.run.file.read_exact_at(&mut self.bytes[held..], self.read)?;
            self.read += more as u64;
        }
    }
}

/// Writes a run.
pub(super) struct RunWriter {
    run: Run,
    buffer: Vec<u8>,
    written: u64,
}

impl RunWriter {
    /// A run of so many records.
    pub(super) fn new(folder: &Path, records: usize, level: u8) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let run = Run {
            file: tempfile::tempfile_in(folder)?,
            bytes: 0,
            rows: 0,
            live: 0,
            level,
            blocks: Vec::new(),
            filter: Filter::new(records),
            killed: Vec::new(),
            drained: 0,
        };
        Ok(RunWriter { run, buffer: Vec::new(), written: 0 })
    }

    /// Adds a record whose hash is no less than those before.
    pub(super) fn add(&mut self, hash: u64, bytes: &[u8]) -> io::Result<()> {
        let run = &mut self.run;
        let offset = run.bytes as u64;
        if run.blocks.last().is_none_or(|block| offset - block.offset >= BLOCK_BYTES as u64) {
            run.blocks.push(Block { hash, offset, row: run.rows });
        }
        run.filter.add(hash);
        run.bytes += bytes.len();
        run.rows += 1;
        run.live += 1;
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.run.file.write_all_at(&self.buffer, self.written)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// The finished run.
    pub(super) fn end(mut self) -> io::Result<Run> {
        self.flush()?;
        self.run.blocks.shrink_to_fit();
        Ok(self.run)
    }
}
